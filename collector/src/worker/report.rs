//! Turns that Sage saw itself, or that the app told in a response: stored after the reply, tried again when a Shard is away.

use std::rc::Rc;
use std::time::Duration;

use aggregator::runtime;
use aggregator::runtime::objects::WorkerClock;
use js_sys::Promise;
use schemas::Clock;
use schemas::wire::WireEvent;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::{Delay, Env};

use super::isolate::Isolate;
use crate::intake::{self, Batch, Sender};

/// How long to wait before the second and the third try, milliseconds.
const AGAIN_MS: [u64; 2] = [500, 5_000];

/// Stores an event.
pub(super) fn event(env: Env, isolate: Rc<Isolate>, event: WireEvent, sender: Sender) -> Promise {
    let Ok(keys) = isolate.keys() else { return Promise::resolve(&JsValue::UNDEFINED) };
    let batch = intake::take_in_events([event], sender, keys, &isolate.prices, isolate.shards, WorkerClock.now());
    store(env, isolate, batch)
}

/// Stores events that the app told, each the text of one.
pub(super) fn texts(env: Env, isolate: Rc<Isolate>, texts: &[String], sender: Sender) -> Promise {
    let Ok(keys) = isolate.keys() else { return Promise::resolve(&JsValue::UNDEFINED) };
    let texts = texts.iter().map(String::as_str);
    let batch = intake::take_in(texts, sender, keys, &isolate.prices, isolate.shards, WorkerClock.now());
    store(env, isolate, batch)
}

fn store(env: Env, isolate: Rc<Isolate>, batch: Batch) -> Promise {
    future_to_promise(std::panic::AssertUnwindSafe(async move {
        for again_ms in AGAIN_MS.into_iter().map(Some).chain([None]) {
            let mut failed = None;
            for (shard, own) in &batch.shards {
                failed = runtime::append(&env, *shard, &own.message()).await.err().or(failed);
            }
            match (failed, again_ms) {
                (None, _) => break,
                (Some(_), Some(ms)) => Delay::from(Duration::from_millis(ms)).await,
                (Some(error), None) => {
                    worker::console_error!("a turn is lost: a shard {error}");
                    isolate.buffer.borrow_mut().missed(batch.received as u64);
                }
            }
        }
        Ok(JsValue::UNDEFINED)
    }))
}
