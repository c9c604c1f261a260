//! Calls to objects. Each has a time limit, because an object that has panicked does not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use js_sys::{Promise, Uint8Array};
use schemas::NanoUsd;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, Method, Request, RequestInit, Response};

use super::objects::{GOLD_BINDING, GOLD_NAME, SHARD_BINDING, route, shard_name};
use crate::answer::Query;
use crate::answer::public::PublicRules;
use crate::batch::{self, ShardBatch};
use crate::budget::{HoldReply, HoldRequest, Settlement, StoredAt};
use crate::fold;
use crate::fold::pending::{PendingCursor, PendingPage};
use crate::protocol::{AppendReply, Changes, Claim, ErasureReply, HeldRequest, Person, PullReply, PullRequest};
use crate::shard::Held;

/// Longest wait for a Shard to make events durable, milliseconds.
const APPEND_MS_MAX: u64 = 5_000;
/// Longest wait for a say on a call's budget, which the call waits for, milliseconds.
const HOLD_CALL_MS_MAX: u64 = 1_000;
/// Longest wait for a Shard's numbers, milliseconds.
const PULL_MS_MAX: u64 = 2_000;
/// Longest wait for Gold's answer, which waits for the Shards, milliseconds.
const ANSWER_MS_MAX: u64 = 8_000;
/// Longest wait until a person is forgotten, whose every row is read, milliseconds.
const ERASE_MS_MAX: u64 = 10_000;
/// Longest wait for a sign of life, milliseconds.
const PROBE_MS_MAX: u64 = 3_000;

/// Why an object did not answer. What to do is the same: try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not in time.
    #[error("did not answer in time")]
    Timeout,
    /// Could not be reached, or broke while it answered.
    #[error("could not be reached")]
    Unreachable,
    /// Answered with an error.
    #[error("refused with status {0}")]
    Refused(u16),
}

enum Target {
    Shard(u32),
    Gold,
}

async fn call(
    env: &Env,
    target: Target,
    path: &str,
    body: Option<JsValue>,
    ms_max: u64,
) -> Result<Response, CallError> {
    let unreachable = |_: worker::Error| CallError::Unreachable;
    let (binding, name, url) = match target {
        Target::Shard(number) => (SHARD_BINDING, shard_name(number), format!("https://object{path}?shard={number}")),
        Target::Gold => (GOLD_BINDING, GOLD_NAME.to_owned(), format!("https://object{path}")),
    };
    let stub = env.durable_object(binding).and_then(|namespace| namespace.get_by_name(&name)).map_err(unreachable)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(body);
    let request = Request::new_with_init(&url, &init).map_err(unreachable)?;
    let work = Box::pin(stub.fetch_with_request(request));
    let limit = Box::pin(Delay::from(Duration::from_millis(ms_max)));
    match select(work, limit).await {
        Either::Left((Ok(response), _)) if response.status_code() == 200 => Ok(response),
        Either::Left((Ok(response), _)) => Err(CallError::Refused(response.status_code())),
        Either::Left((Err(_), _)) => Err(CallError::Unreachable),
        Either::Right(_) => Err(CallError::Timeout),
    }
}

async fn json<T: DeserializeOwned>(mut response: Response) -> Result<T, CallError> {
    response.json().await.map_err(|_| CallError::Unreachable)
}

async fn decoded<T: DeserializeOwned>(response: Response) -> Result<T, CallError> {
    let response: web_sys::Response = response.into();
    let bytes = whole(response.array_buffer()).await.ok_or(CallError::Unreachable)?;
    fold::decode(&bytes).map_err(|_| CallError::Unreachable)
}

/// The bytes of a body that is read at once; spares the stream's reader.
async fn whole(body: Result<Promise, JsValue>) -> Option<Vec<u8>> {
    Some(Uint8Array::new(&JsFuture::from(body.ok()?).await.ok()?).to_vec())
}

/// The whole body of a request whose length is known to be bounded. `None` when it breaks off.
pub async fn request_bytes(request: &web_sys::Request) -> Option<Vec<u8>> {
    whole(request.array_buffer()).await
}

/// Makes events durable in a Shard. `message` is [`crate::protocol::AppendHeader`]'s.
///
/// # Errors
/// When the Shard did not acknowledge; the same message may be sent again.
pub async fn append(env: &Env, shard: u32, message: &[u8]) -> Result<AppendReply, CallError> {
    let body = Uint8Array::from(message).into();
    decoded(call(env, Target::Shard(shard), route::APPEND, Some(body), APPEND_MS_MAX).await?).await
}

/// Makes the batches of one request durable, each in its Shard, all at once. Turns that several ways may tell of are claimed
/// first where there is more than one Shard. What became of each, by Shard, in order.
///
/// An error is one Shard's: it did not acknowledge, or one that it depends on did not decide; the same events may be sent
/// again, those that are stored do not count twice.
pub async fn append_all(
    env: &Env,
    shards: u32,
    batches: BTreeMap<u32, ShardBatch>,
) -> Vec<(u32, Result<AppendReply, CallError>)> {
    let claims = batch::claims(&batches, shards);
    let verdicts = claims.into_iter().map(async |(shard, claims)| (shard, claim(env, shard, &claims).await));
    let verdicts: BTreeMap<_, _> = join_all(verdicts).await.into_iter().collect();
    let appends = batch::judged(batches, shards, &verdicts).into_iter().map(async |(shard, batch)| match batch {
        Ok(batch) => (shard, append(env, shard, &batch.message()).await),
        Err(error) => (shard, Err(error)),
    });
    join_all(appends).await
}

async fn claim(env: &Env, shard: u32, claims: &[Claim]) -> Result<Vec<bool>, CallError> {
    let body = bytes(&claims)?;
    let won: Vec<bool> =
        decoded(call(env, Target::Shard(shard), route::CLAIM, Some(body), APPEND_MS_MAX).await?).await?;
    if won.len() == claims.len() { Ok(won) } else { Err(CallError::Unreachable) }
}

/// May a call be made that costs `request.amount` at most? If so, that much is held, of the person's limits and of the app's,
/// until [`settle`] or [`release`], or until its time is over.
///
/// # Errors
/// When an object did not answer: then it is not known what is held. Who makes the call all the same settles it as usual, who
/// does not releases it.
pub async fn hold(env: &Env, request: &HoldRequest) -> Result<HoldReply, CallError> {
    if request.asks_person() {
        let reply = ask(env, Target::Shard(request.shard), request).await?;
        if reply != HoldReply::Admitted {
            return Ok(reply);
        }
    }
    if !request.asks_all() {
        return Ok(HoldReply::Admitted);
    }
    let reply = ask(env, Target::Gold, request).await?;
    if reply != HoldReply::Admitted && request.asks_person() {
        // Should this fail, the hold ends by itself.
        let _ = release_person(env, request).await;
    }
    Ok(reply)
}

/// Puts a call's real cost in its hold's place, once its turn is stored: `stored` is what [`append_all`] said of it, alone.
///
/// # Errors
/// When an object did not answer; may be asked again. If it is not, the hold ends by itself, and the turn counts once its
/// Shard has told Gold.
pub async fn settle(
    env: &Env,
    request: &HoldRequest,
    cost: Option<NanoUsd>,
    stored: &AppendReply,
) -> Result<(), CallError> {
    if stored.correlated > 0 {
        // Another way has told of the turn, and its cost is counted there.
        return release(env, request).await;
    }
    if !request.asks_all() {
        return Ok(());
    }
    let stored = StoredAt { shard: request.shard, seq: stored.seq };
    settle_all(env, &Settlement { id: request.id, at: request.at, cost, stored }).await
}

/// Takes back the holds of a call that was not made, or made no turn.
///
/// # Errors
/// When an object did not answer; may be asked again. If it is not, the hold ends by itself.
pub async fn release(env: &Env, request: &HoldRequest) -> Result<(), CallError> {
    let person = async { if request.asks_person() { release_person(env, request).await } else { Ok(()) } };
    let stored = StoredAt { shard: request.shard, seq: 0 };
    let nothing = Settlement { id: request.id, at: request.at, cost: None, stored };
    let all = async { if request.asks_all() { settle_all(env, &nothing).await } else { Ok(()) } };
    let (person, all) = join(person, all).await;
    person.and(all)
}

async fn ask(env: &Env, target: Target, request: &HoldRequest) -> Result<HoldReply, CallError> {
    decoded(call(env, target, route::HOLD, Some(bytes(request)?), HOLD_CALL_MS_MAX).await?).await
}

async fn release_person(env: &Env, request: &HoldRequest) -> Result<(), CallError> {
    let body = bytes(&request.id)?;
    call(env, Target::Shard(request.shard), route::SETTLE, Some(body), HOLD_CALL_MS_MAX).await.map(drop)
}

async fn settle_all(env: &Env, settlement: &Settlement) -> Result<(), CallError> {
    call(env, Target::Gold, route::SETTLE, Some(bytes(settlement)?), HOLD_CALL_MS_MAX).await.map(drop)
}

/// Turns of a Shard that wait for a price, after those that were given before. Prices that were found for them go to the same
/// Shard as [`crate::fold::pending::repriced_event`]s, by [`append`].
///
/// # Errors
/// When the Shard did not answer.
pub async fn pending(env: &Env, shard: u32, after: Option<PendingCursor>) -> Result<PendingPage, CallError> {
    decoded(call(env, Target::Shard(shard), route::PENDING, Some(bytes(&after)?), PULL_MS_MAX).await?).await
}

/// What a Shard holds of a person; their events from log position `after` on.
///
/// # Errors
/// When the Shard did not answer.
pub async fn held(env: &Env, shard: u32, person: Person, after: u64) -> Result<Held, CallError> {
    let body = bytes(&HeldRequest { person, after })?;
    decoded(call(env, Target::Shard(shard), route::HELD, Some(body), ANSWER_MS_MAX).await?).await
}

/// Forgets a person.
///
/// # Errors
/// When the Shard did not acknowledge: ask again.
pub async fn erase(env: &Env, shard: u32, person: Person) -> Result<ErasureReply, CallError> {
    decoded(call(env, Target::Shard(shard), route::ERASE, Some(bytes(&person)?), ERASE_MS_MAX).await?).await
}

/// What has become of an erasure; `None` when there was none of that receipt.
///
/// # Errors
/// When the Shard did not answer.
pub async fn erasure(env: &Env, shard: u32, receipt: &str) -> Result<Option<ErasureReply>, CallError> {
    decoded(call(env, Target::Shard(shard), route::ERASURE, Some(bytes(&receipt)?), PULL_MS_MAX).await?).await
}

/// The answer of `GET /sage`.
///
/// # Errors
/// When Gold did not answer.
pub async fn answer(env: &Env, query: &Query) -> Result<Value, CallError> {
    let body = fold::encode(query).map_err(|_| CallError::Unreachable)?;
    json(call(env, Target::Gold, route::ANSWER, Some(body.into()), ANSWER_MS_MAX).await?).await
}

/// The public page's JSON.
///
/// # Errors
/// When Gold did not answer.
pub async fn public_page(env: &Env, rules: &PublicRules) -> Result<Value, CallError> {
    json(call(env, Target::Gold, route::PUBLIC, Some(bytes(rules)?), ANSWER_MS_MAX).await?).await
}

/// Writes to a Shard, or to Gold for `None`, and waits until it is durable.
///
/// # Errors
/// When it did not acknowledge.
pub async fn probe(env: &Env, shard: Option<u32>) -> Result<(), CallError> {
    let target = shard.map_or(Target::Gold, Target::Shard);
    call(env, target, route::PROBE, None, PROBE_MS_MAX).await.map(drop)
}

/// Starts the nightly lake job of a Shard.
///
/// # Errors
/// When the Shard did not acknowledge.
pub async fn start_nightly(env: &Env, shard: u32) -> Result<(), CallError> {
    call(env, Target::Shard(shard), route::NIGHTLY, None, APPEND_MS_MAX).await.map(drop)
}

/// Makes a Shard panic or hang, in tests.
#[cfg(feature = "fault-injection")]
pub async fn fault(env: &Env, shard: u32, mode: &str) -> Result<(), CallError> {
    call(env, Target::Shard(shard), &format!("{}/{mode}", route::FAULT), None, 500).await.map(drop)
}

pub(super) async fn pull(env: &Env, shard: u32, request: &PullRequest) -> Result<PullReply, CallError> {
    let body = bytes(request)?;
    decoded(call(env, Target::Shard(shard), route::PULL, Some(body), PULL_MS_MAX).await?).await
}

pub(super) async fn push(env: &Env, shard: u32, changes: &Changes) -> Result<u64, CallError> {
    let path = format!("{}?shard={shard}", route::CHANGES);
    json(call(env, Target::Gold, &path, Some(bytes(changes)?), PULL_MS_MAX).await?).await
}

fn bytes<T: serde::Serialize>(value: &T) -> Result<JsValue, CallError> {
    let bytes = fold::encode(value).map_err(|_| CallError::Unreachable)?;
    Ok(Uint8Array::from(bytes.as_slice()).into())
}
