//! Calls to objects. Each has a time limit, because an object that has panicked does not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use js_sys::{Promise, Uint8Array};
use schemas::{EventKey, NanoUsd, order};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response};
use worker::{Delay, Env};

use super::objects::{
    GOLD_BINDING, GOLD_NAME, SHARD_BINDING, host_now_ms, learn_shards, place_query, route, shard_count, shard_name,
};
use crate::answer::Query;
use crate::answer::public::PublicRules;
use crate::batch::{self, ShardBatch};
use crate::budget::{HoldReply, HoldRequest, Settlement, StoredAt};
use crate::fold;
use crate::fold::pending::{PendingCursor, PendingPage};
use crate::place::Place;
use crate::protocol::{
    AppendReply, Changes, Claim, ErasureReply, HeldRequest, Person, PullReply, PullRequest, SplitPage, SplitRequest,
};
use crate::shard::{Held, HeldCursor};

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
/// How long a call goes on asking a Shard that takes its people over, milliseconds.
const SETTLING_MS_MAX: u64 = 8_000;
/// Until it asks such a Shard again, milliseconds.
const SETTLING_AGAIN_MS: u64 = 100;
/// How often the count of Shards can double.
const DOUBLINGS_MAX: usize = 8;
/// Longest wait for a page of people whom another Shard hands over, milliseconds.
const SPLIT_MS_MAX: u64 = 10_000;
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
    /// There are more Shards than were asked for: ask again, by this number.
    #[error("is one of {0}")]
    Moved(u32),
    /// It takes its people over from another Shard.
    #[error("is not ready yet")]
    Unsettled,
}

/// Status of a Shard that knows another count than who asks: RFC 9110, "misdirected request". The body is the count.
pub(super) const MISDIRECTED: u16 = 421;
/// Status of a Shard that is not ready yet: RFC 8470, "too early".
pub(super) const TOO_EARLY: u16 = 425;

#[wasm_bindgen]
extern "C" {
    /// A stub, with the form of `fetch` that needs no `Request` made before.
    type Object;
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Object, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

#[derive(Clone, Copy)]
enum Target {
    Shard(Place),
    Gold,
}

/// Asks again while the object is not ready.
async fn call(
    env: &Env,
    target: Target,
    path: &str,
    body: Option<JsValue>,
    ms_max: u64,
) -> Result<Response, CallError> {
    let until = host_now_ms() + SETTLING_MS_MAX as i64;
    loop {
        match call_once(env, target, path, body.clone(), ms_max).await {
            Err(CallError::Unsettled) if host_now_ms() < until => {
                Delay::from(Duration::from_millis(SETTLING_AGAIN_MS)).await;
            }
            result => return result,
        }
    }
}

async fn call_once(
    env: &Env,
    target: Target,
    path: &str,
    body: Option<JsValue>,
    ms_max: u64,
) -> Result<Response, CallError> {
    let unreachable = |_: JsValue| CallError::Unreachable;
    let (binding, name, url) = match target {
        Target::Shard(place) => {
            (SHARD_BINDING, shard_name(place.shard), format!("https://object{path}?{}", place_query(place)))
        }
        Target::Gold => (GOLD_BINDING, GOLD_NAME.to_owned(), format!("https://object{path}")),
    };
    let stub = env.durable_object(binding).and_then(|namespace| namespace.get_by_name(&name));
    let object: Object = stub.map_err(|_| CallError::Unreachable)?.into_rpc();
    let init = RequestInit::new();
    init.set_method("POST");
    body.iter().for_each(|body| init.set_body(body));
    let work = JsFuture::from(object.fetch(&url, &init).map_err(unreachable)?);
    let limit = Box::pin(Delay::from(Duration::from_millis(ms_max)));
    let response: Response = match select(work, limit).await {
        Either::Left((answer, _)) => answer.and_then(JsCast::dyn_into).map_err(unreachable)?,
        Either::Right(_) => return Err(CallError::Timeout),
    };
    match response.status() {
        200 => Ok(response),
        TOO_EARLY => Err(CallError::Unsettled),
        MISDIRECTED => {
            let shards = json(response).await?;
            learn_shards(shards);
            Err(CallError::Moved(shards))
        }
        status => Err(CallError::Refused(status)),
    }
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, CallError> {
    serde_json::from_str(&text(response).await?).map_err(|_| CallError::Unreachable)
}

async fn text(response: Response) -> Result<String, CallError> {
    let bytes = whole(response.array_buffer()).await.ok_or(CallError::Unreachable)?;
    String::from_utf8(bytes).map_err(|_| CallError::Unreachable)
}

async fn decoded<T: DeserializeOwned>(response: Response) -> Result<T, CallError> {
    let bytes = whole(response.array_buffer()).await.ok_or(CallError::Unreachable)?;
    fold::decode(&bytes).map_err(|_| CallError::Unreachable)
}

/// The bytes of a body that is read at once; spares the stream's reader.
async fn whole(body: Result<Promise, JsValue>) -> Option<Vec<u8>> {
    Some(Uint8Array::new(&JsFuture::from(body.ok()?).await.ok()?).to_vec())
}

/// The whole body of a request whose length is known to be bounded. `None` when it breaks off.
pub async fn request_bytes(request: &Request) -> Option<Vec<u8>> {
    whole(request.array_buffer()).await
}

/// Makes events durable in a Shard. `message` is [`crate::protocol::AppendHeader`]'s.
///
/// # Errors
/// When the Shard did not acknowledge; the same message may be sent again.
pub async fn append(env: &Env, at: Place, message: &[u8]) -> Result<AppendReply, CallError> {
    let body = Uint8Array::from(message).into();
    decoded(call(env, Target::Shard(at), route::APPEND, Some(body), APPEND_MS_MAX).await?).await
}

/// Makes the batches of one request durable, each in its Shard, all at once. Turns that several ways may tell of are claimed
/// first where there is more than one Shard. What became of each, by Shard, in order.
///
/// An error is one Shard's: it did not acknowledge, or one that it depends on did not decide; the same events may be sent
/// again, those that are stored do not count twice. Batches of a Shard that tells of more Shards than `shards` are sorted by that
/// number, and sent again.
pub async fn append_all(
    env: &Env,
    mut shards: u32,
    mut batches: BTreeMap<u32, ShardBatch>,
) -> Vec<(u32, Result<AppendReply, CallError>)> {
    let mut replies = Vec::new();
    for _ in 0..=DOUBLINGS_MAX {
        let mut moved = None;
        let mut again = Vec::new();
        for (shard, reply) in append_by(env, shards, &batches).await {
            match (reply, batches.remove(&shard)) {
                (Err(CallError::Moved(more)), Some(batch)) => {
                    moved = moved.max(Some(more));
                    again.push(batch);
                }
                (reply, _) => replies.push((shard, reply)),
            }
        }
        let Some(more) = moved else { break };
        shards = more;
        batches = batch::regrouped(again, shards);
    }
    replies.extend(batches.into_keys().map(|shard| (shard, Err(CallError::Moved(shards)))));
    replies
}

async fn append_by(
    env: &Env,
    shards: u32,
    batches: &BTreeMap<u32, ShardBatch>,
) -> Vec<(u32, Result<AppendReply, CallError>)> {
    let at = |shard| Place { shard, shards };
    let claims = batch::claims(batches, shards);
    let verdicts = claims.into_iter().map(async |(shard, claims)| (shard, claim(env, at(shard), &claims).await));
    let verdicts = order::map(join_all(verdicts).await);
    let appends = batch::judged(batches, shards, &verdicts).into_iter().map(async |(shard, message)| match message {
        Ok(message) => (shard, append(env, at(shard), &message).await),
        Err(error) => (shard, Err(error)),
    });
    join_all(appends).await
}

async fn claim(env: &Env, at: Place, claims: &[Claim]) -> Result<Vec<bool>, CallError> {
    let body = bytes(&claims)?;
    let won: Vec<bool> = decoded(call(env, Target::Shard(at), route::CLAIM, Some(body), APPEND_MS_MAX).await?).await?;
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
        let reply = by_count(env, async |shards| ask(env, person(request, shards), request).await).await?;
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

/// Puts a call's real cost in its hold's place, once its turn is stored: `shard` and `stored` are what [`append_all`] said of it,
/// alone.
///
/// # Errors
/// When an object did not answer; may be asked again. If it is not, the hold ends by itself, and the turn counts once its
/// Shard has told Gold.
pub async fn settle(
    env: &Env,
    request: &HoldRequest,
    cost: Option<NanoUsd>,
    shard: u32,
    stored: &AppendReply,
) -> Result<(), CallError> {
    if stored.correlated > 0 {
        // Another way has told of the turn, and its cost is counted there.
        return release(env, request).await;
    }
    if !request.asks_all() {
        return Ok(());
    }
    let stored = StoredAt { shard, seq: stored.seq };
    settle_all(env, &Settlement { id: request.id, at: request.at, cost, stored }).await
}

/// Takes back the holds of a call that was not made, or made no turn.
///
/// # Errors
/// When an object did not answer; may be asked again. If it is not, the hold ends by itself.
pub async fn release(env: &Env, request: &HoldRequest) -> Result<(), CallError> {
    let person = async { if request.asks_person() { release_person(env, request).await } else { Ok(()) } };
    let stored = StoredAt { shard: 0, seq: 0 };
    let nothing = Settlement { id: request.id, at: request.at, cost: None, stored };
    let all = async { if request.asks_all() { settle_all(env, &nothing).await } else { Ok(()) } };
    let (person, all) = join(person, all).await;
    person.and(all)
}

/// Asks by the number of Shards that is known, and again by the one that a Shard tells.
async fn by_count<T>(env: &Env, work: impl AsyncFn(u32) -> Result<T, CallError>) -> Result<T, CallError> {
    let mut result = work(shard_count(env)).await;
    for _ in 0..DOUBLINGS_MAX {
        let Err(CallError::Moved(_)) = result else { break };
        result = work(shard_count(env)).await;
    }
    result
}

fn person(request: &HoldRequest, shards: u32) -> Target {
    Target::Shard(Place::of(request.bits, shards))
}

async fn ask(env: &Env, target: Target, request: &HoldRequest) -> Result<HoldReply, CallError> {
    decoded(call(env, target, route::HOLD, Some(bytes(request)?), HOLD_CALL_MS_MAX).await?).await
}

async fn release_person(env: &Env, request: &HoldRequest) -> Result<(), CallError> {
    let body = bytes(&request.id)?;
    let release =
        async |shards| call(env, person(request, shards), route::SETTLE, Some(body.clone()), HOLD_CALL_MS_MAX).await;
    by_count(env, release).await.map(drop)
}

async fn settle_all(env: &Env, settlement: &Settlement) -> Result<(), CallError> {
    call(env, Target::Gold, route::SETTLE, Some(bytes(settlement)?), HOLD_CALL_MS_MAX).await.map(drop)
}

/// Turns of a Shard that wait for a price, after those that were given before. Prices that were found for them go to the same
/// Shard as [`crate::fold::pending::repriced_event`]s, by [`append`]; of turns that another Shard counts by [`price`].
///
/// # Errors
/// When the Shard did not answer.
pub async fn pending(env: &Env, at: Place, after: Option<PendingCursor>) -> Result<PendingPage, CallError> {
    decoded(call(env, Target::Shard(at), route::PENDING, Some(bytes(&after)?), PULL_MS_MAX).await?).await
}

/// Tells a Shard what turns of its people cost that another Shard counts.
///
/// # Errors
/// When the Shard did not acknowledge; the same may be told again.
pub async fn price(env: &Env, at: Place, prices: &[(EventKey, NanoUsd)]) -> Result<(), CallError> {
    call(env, Target::Shard(at), route::PRICE, Some(bytes(&prices)?), APPEND_MS_MAX).await.map(drop)
}

/// What is held of a person to whose Shard `bits` lead: by that Shard, with the events that are left of a page which begins at
/// the cursor, of all Shards that ever held them.
///
/// # Errors
/// When a Shard did not answer.
pub async fn held(env: &Env, bits: u64, person: &Person, cursor: HeldCursor) -> Result<Held, CallError> {
    by_count(env, async |shards| held_by(env, Place::of(bits, shards), person, cursor).await).await
}

async fn held_by(env: &Env, at: Place, person: &Person, cursor: HeldCursor) -> Result<Held, CallError> {
    let mut held = held_in(env, at, person, HeldCursor::END).await?;
    let person = Person { formerly: held.names.clone(), ..person.clone() };
    let mut full = false;
    for shard in at.line() {
        let after = if full { HeldCursor::END } else { cursor.in_shard(shard) };
        let theirs = held_in(env, Place { shard, ..at }, &person, after).await?;
        full = held.take_in(shard, theirs, full);
    }
    Ok(held)
}

async fn held_in(env: &Env, at: Place, person: &Person, after: u64) -> Result<Held, CallError> {
    let body = bytes(&HeldRequest { person: person.clone(), after })?;
    decoded(call(env, Target::Shard(at), route::HELD, Some(body), ANSWER_MS_MAX).await?).await
}

/// Forgets a person to whose Shard `bits` lead: what that Shard holds, and before it those that held them before. What has become
/// of it, by Shard.
///
/// # Errors
/// When a Shard did not acknowledge: ask again.
pub async fn erase(env: &Env, bits: u64, person: &Person) -> Result<Vec<(u32, ErasureReply)>, CallError> {
    by_count(env, async |shards| erase_by(env, Place::of(bits, shards), person).await).await
}

async fn erase_by(env: &Env, at: Place, person: &Person) -> Result<Vec<(u32, ErasureReply)>, CallError> {
    let line = at.line();
    // Their Shard, which is last, knows their former names until it forgets them.
    let formerly = if line.len() > 1 { held_in(env, at, person, HeldCursor::END).await?.names } else { Vec::new() };
    let mut erasures = Vec::new();
    for shard in line {
        let asked = Person { elsewhere: shard != at.shard, formerly: formerly.clone(), ..person.clone() };
        let target = Target::Shard(Place { shard, ..at });
        let reply = call(env, target, route::ERASE, Some(bytes(&asked)?), ERASE_MS_MAX).await?;
        let erasure: Option<ErasureReply> = decoded(reply).await?;
        erasures.extend(erasure.map(|erasure| (shard, erasure)));
    }
    Ok(erasures)
}

/// What has become of an erasure; `None` when there was none of that receipt.
///
/// # Errors
/// When the Shard did not answer.
pub async fn erasure(env: &Env, shard: u32, receipt: &str) -> Result<Option<ErasureReply>, CallError> {
    let body = bytes(&receipt)?;
    let ask = async |shards| {
        let at = Target::Shard(Place { shard, shards });
        call(env, at, route::ERASURE, Some(body.clone()), PULL_MS_MAX).await
    };
    decoded(by_count(env, ask).await?).await
}

/// The answer of `GET /sage`, JSON.
///
/// # Errors
/// When Gold did not answer.
pub async fn answer(env: &Env, query: &Query) -> Result<String, CallError> {
    let body = fold::encode(query).map_err(|_| CallError::Unreachable)?;
    text(call(env, Target::Gold, route::ANSWER, Some(body.into()), ANSWER_MS_MAX).await?).await
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
pub async fn probe(env: &Env, shard: Option<Place>) -> Result<(), CallError> {
    let target = shard.map_or(Target::Gold, Target::Shard);
    call(env, target, route::PROBE, None, PROBE_MS_MAX).await.map(drop)
}

/// Starts the nightly lake job of a Shard.
///
/// # Errors
/// When the Shard did not acknowledge.
pub async fn start_nightly(env: &Env, at: Place) -> Result<(), CallError> {
    call(env, Target::Shard(at), route::NIGHTLY, None, APPEND_MS_MAX).await.map(drop)
}

/// Makes a Shard panic or hang, in tests.
#[cfg(feature = "fault-injection")]
pub async fn fault(env: &Env, shard: u32, mode: &str) -> Result<(), CallError> {
    let at = Place { shard, shards: shard_count(env) };
    call(env, Target::Shard(at), &format!("{}/{mode}", route::FAULT), None, 500).await.map(drop)
}

/// Asks a Shard for people that another takes over from it.
pub(super) async fn split(env: &Env, at: Place, request: &SplitRequest) -> Result<SplitPage, CallError> {
    decoded(call(env, Target::Shard(at), route::SPLIT, Some(bytes(request)?), SPLIT_MS_MAX).await?).await
}

pub(super) async fn pull(env: &Env, at: Place, request: &PullRequest) -> Result<PullReply, CallError> {
    let body = bytes(request)?;
    decoded(call(env, Target::Shard(at), route::PULL, Some(body), PULL_MS_MAX).await?).await
}

pub(super) async fn push(env: &Env, shard: u32, changes: &Changes) -> Result<u64, CallError> {
    let path = format!("{}?shard={shard}", route::CHANGES);
    json(call(env, Target::Gold, &path, Some(bytes(changes)?), PULL_MS_MAX).await?).await
}

fn bytes<T: serde::Serialize>(value: &T) -> Result<JsValue, CallError> {
    let bytes = fold::encode(value).map_err(|_| CallError::Unreachable)?;
    Ok(Uint8Array::from(bytes.as_slice()).into())
}
