//! Turns that Sage saw itself, or that the app told in a response: stored after the reply, tried again when a Shard is away.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use aggregator::batch::{ShardBatch, regrouped};
use aggregator::protocol::AppendReply;
use aggregator::runtime;
use js_sys::Promise;
use schemas::Event;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::{Delay, Env};

use super::isolate::Isolate;
use crate::intake::{self, Sender};

/// How long to wait before the second and the third try, milliseconds.
const AGAIN_MS: [u64; 2] = [500, 5_000];

/// Stores a turn. Its Shard, and what it said; `None`: it is lost, and counted as such.
pub(super) async fn turn(env: &Env, isolate: &Isolate, event: &Event) -> Option<(u32, AppendReply)> {
    let mut batch = ShardBatch::default();
    batch.push(event);
    let batches = |shards| regrouped([batch.clone()], shards);
    store(env, isolate, batches, 1).await?.pop()
}

/// Stores turns that the app told, each the text of one.
pub(super) fn texts(env: Env, isolate: Rc<Isolate>, texts: &[String], sender: Sender) -> Promise {
    let Ok(door) = isolate.door() else { return Promise::resolve(&JsValue::UNDEFINED) };
    let texts = texts.iter().map(String::as_str);
    let batch = intake::take_in(texts, sender, &door);
    future_to_promise(std::panic::AssertUnwindSafe(async move {
        let batches = |shards| regrouped(batch.shards.values().cloned(), shards);
        store(&env, &isolate, batches, batch.received as u64).await;
        Ok(JsValue::UNDEFINED)
    }))
}

/// The replies of all Shards; `None` when one of them did not take its part in three tries.
async fn store(
    env: &Env,
    isolate: &Isolate,
    batches: impl Fn(u32) -> BTreeMap<u32, ShardBatch>,
    events: u64,
) -> Option<Vec<(u32, AppendReply)>> {
    for again_ms in AGAIN_MS.into_iter().map(Some).chain([None]) {
        let shards = isolate.shards();
        let replies = runtime::append_all(env, shards, batches(shards)).await;
        let replies: Result<Vec<_>, _> = replies
            .into_iter()
            .map(|(shard, reply)| reply.map(|reply| (shard, reply)).map_err(|error| (shard, error)))
            .collect();
        match (replies, again_ms) {
            (Ok(replies), _) => return Some(replies),
            (Err(_), Some(ms)) => Delay::from(Duration::from_millis(ms)).await,
            (Err((shard, error)), None) => {
                worker::console_error!("{events} turns lost: shard {shard} {error}");
                isolate.buffer.borrow_mut().missed(events);
            }
        }
    }
    None
}
