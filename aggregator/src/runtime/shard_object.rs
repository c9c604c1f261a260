//! A Shard as an object.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use exporter::{Export, ShardNo};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use schemas::{Clock, EventKey, NanoUsd, UtcMillis};
use worker::{Delay, DurableObject, Env, Request, Response, Result, State, durable_object};

use super::objects::{BRONZE_BINDING, WorkerClock, host_now_ms, place_of_query, route};
use super::r2::R2;
use super::sql::Sql;
use super::{call, lake};
use crate::budget::HoldRequest;
use crate::fold;
use crate::fold::pending::PendingCursor;
use crate::place::Place;
use crate::protocol::{
    AppendReply, Changes, Claim, DEAD_LETTERS_SHOWN, ErasureReply, HeldRequest, Person, PullReply, PullRequest,
    ShardHealth, SplitPage, SplitRequest,
};
use crate::shard::{Shard as ShardState, ShardError, Want};
use crate::storage::StorageError;

/// How long after a new event the Shard tells Gold and the lake, milliseconds.
const ALARM_AFTER_MS: u64 = 45_000;
/// How long until the next round when a round left something to do, milliseconds.
const ALARM_AGAIN_MS: u64 = 500;
/// How long a request waits for people to be taken over before it is told to ask again, milliseconds: less than any call's limit.
const SETTLING_MS_MAX: u64 = 700;
/// Rounds of changes pushed to Gold in one alarm.
const PUSHES_MAX: usize = 16;
/// Most turns of the event loop that a message waits for others to be written with it.
const GATHERING_TURNS_MAX: u32 = 16;

/// Kept number: instant up to which the nightly job is to compact.
const NIGHTLY_BEFORE: &str = "nightly_before";
/// Kept number: UTC day whose manifest was published last.
const NIGHTLY_DAY: &str = "nightly_day";
/// Kept number: which Shard this is.
const NUMBER: &str = "number";

type Outcome<T> = std::result::Result<T, ShardError>;
/// The Shard's state once it is open; empty again after an error of storage.
type Slot = Rc<RefCell<Option<ShardState<Sql>>>>;
/// Messages that wait to be written, each with the count of Shards that its sender knows, and who waits for what became of them.
type Waiting = Rc<RefCell<Vec<((u32, Vec<u8>), oneshot::Sender<Outcome<AppendReply>>)>>>;
/// Requests that wait until people are taken over.
type Settling = Rc<RefCell<Vec<oneshot::Sender<Outcome<()>>>>>;

/// The object that holds a partition of the people.
#[durable_object(alarm)]
pub struct Shard {
    state: State,
    env: Env,
    sql: RefCell<Option<Sql>>,
    shard: Slot,
    waiting: Waiting,
    settling: Settling,
    alarm_set: Cell<bool>,
    gold_holds: Cell<Option<u64>>,
    /// A day is in the lake, and rows of the log may be packed.
    packs: Cell<bool>,
    lake_error: RefCell<Option<String>>,
    #[cfg(feature = "fault-injection")]
    hangs: Cell<bool>,
}

impl DurableObject for Shard {
    fn new(state: State, env: Env) -> Self {
        #[cfg(feature = "fault-injection")]
        super::objects::move_clock(&env);
        Self {
            state,
            env,
            sql: RefCell::default(),
            shard: Slot::default(),
            waiting: Waiting::default(),
            settling: Settling::default(),
            alarm_set: Cell::new(false),
            gold_holds: Cell::new(None),
            packs: Cell::new(false),
            lake_error: RefCell::default(),
            #[cfg(feature = "fault-injection")]
            hangs: Cell::new(false),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let url = request.url()?;
        #[cfg(feature = "fault-injection")]
        self.fault(&url).await;
        let Some(place) = url.query().and_then(place_of_query) else { return Response::error("malformed", 400) };
        if let Err(error) = self.settle(place).await {
            return failed(&error);
        }
        let (number, of) = (place.shard as u16, place.shards);
        match url.path() {
            route::APPEND => {
                let Some(message) = call::request_bytes(request.inner()).await else {
                    return Response::error("the message broke off", 400);
                };
                let reply = self.append(of, message).await;
                if reply.is_ok() {
                    self.wake_in(ALARM_AFTER_MS, number).await?;
                }
                reply_bytes(reply)
            }
            route::CLAIM => match fold::decode::<Vec<Claim>>(&request.bytes().await?) {
                Ok(claims) => {
                    let won = self.serve(of, |shard| shard.claim(&claims, WorkerClock.now()));
                    self.wake_in(ALARM_AFTER_MS, number).await?;
                    reply_bytes(won)
                }
                Err(_) => Response::error("malformed", 400),
            },
            route::HOLD => match fold::decode::<HoldRequest>(&request.bytes().await?) {
                Ok(ask) => reply_bytes(self.serve(of, |shard| shard.hold(&ask, WorkerClock.now()))),
                Err(_) => Response::error("malformed", 400),
            },
            route::SETTLE => match fold::decode::<EventKey>(&request.bytes().await?) {
                Ok(id) => reply_bytes(self.serve(of, |shard| shard.release(id))),
                Err(_) => Response::error("malformed", 400),
            },
            route::PENDING => match fold::decode::<Option<PendingCursor>>(&request.bytes().await?) {
                Ok(after) => reply_bytes(self.serve(of, |shard| Ok(shard.pending(after)))),
                Err(_) => Response::error("malformed", 400),
            },
            route::HELD => match fold::decode::<HeldRequest>(&request.bytes().await?) {
                Ok(ask) => reply_bytes(self.serve(of, |shard| shard.held(&ask.person, ask.after))),
                Err(_) => Response::error("malformed", 400),
            },
            route::ERASE => match fold::decode::<Person>(&request.bytes().await?) {
                Ok(person) => {
                    let erased = self.serve(of, |shard| shard.erase_here(&person, WorkerClock.now()));
                    self.alarm_set.set(false);
                    self.wake_in(0, number).await?;
                    reply_bytes(erased.map(|erased| erased.map(|(receipt, erasure)| ErasureReply { receipt, erasure })))
                }
                Err(_) => Response::error("malformed", 400),
            },
            route::ERASURE => match fold::decode::<String>(&request.bytes().await?) {
                Ok(receipt) => {
                    let found = self.serve(of, |shard| shard.erasure(&receipt));
                    reply_bytes(found.map(|found| found.map(|erasure| ErasureReply { receipt, erasure })))
                }
                Err(_) => Response::error("malformed", 400),
            },
            route::PULL => {
                let Ok(ask) = fold::decode::<PullRequest>(&request.bytes().await?) else {
                    return Response::error("malformed", 400);
                };
                reply_bytes(self.pull(of, &ask))
            }
            route::PRICE => match fold::decode::<Vec<(EventKey, NanoUsd)>>(&request.bytes().await?) {
                Ok(prices) => {
                    let priced = self.serve(of, |shard| shard.price(&prices, WorkerClock.now()));
                    self.wake_in(ALARM_AFTER_MS, number).await?;
                    reply_bytes(priced)
                }
                Err(_) => Response::error("malformed", 400),
            },
            route::SPLIT => match fold::decode::<SplitRequest>(&request.bytes().await?) {
                Ok(SplitRequest { child, from: Some(from) }) => {
                    reply_bytes(self.serve(of, |shard| shard.hand_over(child, from)))
                }
                Ok(SplitRequest { child, from: None }) => {
                    let noted = self.serve(of, |shard| shard.taken_over(child));
                    self.wake_in(ALARM_AFTER_MS, number).await?;
                    reply_bytes(noted.map(|()| SplitPage::default()))
                }
                Err(_) => Response::error("malformed", 400),
            },
            route::NIGHTLY => {
                let kept = self.sql().and_then(|sql| Ok(sql.keep(NIGHTLY_BEFORE, WorkerClock.now().0)?));
                self.alarm_set.set(false);
                self.wake_in(0, number).await?;
                reply_json(kept)
            }
            route::PROBE => reply_json(self.sql().and_then(|sql| Ok(sql.probe(WorkerClock.now())?))),
            _ => Response::error("no such route", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        #[cfg(feature = "fault-injection")]
        super::objects::meter(0, 1);
        // Armed anew before anything can fail; a run that has nothing left to do takes it back.
        self.alarm_set.set(true);
        self.state.storage().set_alarm(Duration::from_millis(ALARM_AFTER_MS)).await?;
        let began_at = self.asked();
        match self.round().await {
            Ok(true) => self.state.storage().set_alarm(Duration::from_millis(ALARM_AGAIN_MS)).await?,
            // What came in meanwhile may have set its alarm before this one ends.
            Ok(false) if began_at != self.asked() => {
                self.state.storage().set_alarm(Duration::from_millis(ALARM_AGAIN_MS)).await?
            }
            Ok(false) => {
                self.alarm_set.set(false);
                self.state.storage().delete_alarm().await?;
            }
            Err(error) => worker::console_warn!("shard: {error}; tried again in {ALARM_AFTER_MS} ms"),
        }
        Response::ok("ok")
    }
}

impl Shard {
    fn sql(&self) -> Outcome<Sql> {
        let mut slot = self.sql.borrow_mut();
        if slot.is_none() {
            *slot = Some(Sql::shard(&self.state)?);
        }
        slot.clone().ok_or(ShardError::Malformed("no storage"))
    }

    fn with<T>(&self, work: impl FnOnce(&mut ShardState<Sql>) -> Outcome<T>) -> Outcome<T> {
        on_shard(&self.shard, self.sql()?, work)
    }

    /// Works for someone who knows this count of Shards.
    fn serve<T>(&self, of: u32, work: impl FnOnce(&mut ShardState<Sql>) -> Outcome<T>) -> Outcome<T> {
        self.with(|shard| {
            shard.serves(of)?;
            work(shard)
        })
    }

    /// Lets the Shard know its place, and waits until it has taken its people over. That is the object's own task, so that it does
    /// not depend on a request that may go away.
    async fn settle(&self, place: Place) -> Outcome<()> {
        let want = self.with(|shard| {
            shard.admit(place)?;
            Ok(shard.wants())
        })?;
        if want.is_none() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.settling.borrow_mut().push(answer);
        if self.settling.borrow().len() == 1 {
            let (env, slot, settling, sql) = (self.env.clone(), self.shard.clone(), self.settling.clone(), self.sql()?);
            self.state.wait_until(async move {
                let settled = take_over(&env, &slot, &sql, place).await;
                for answer in settling.take() {
                    // Whoever asked may be gone.
                    let _ = answer.send(settled);
                }
            });
        }
        if matches!(want, Some(Want::Tell(_))) {
            return Ok(());
        }
        let limit = Box::pin(Delay::from(Duration::from_millis(SETTLING_MS_MAX)));
        match select(answered, limit).await {
            Either::Left((settled, _)) => settled.unwrap_or(Err(ShardError::Unsettled)),
            Either::Right(_) => Err(ShardError::Unsettled),
        }
    }

    /// Appends together with all other messages that are there: one write, one commit. The write is the object's own task, so
    /// that no message waits for a request that may go away.
    async fn append(&self, of: u32, message: Vec<u8>) -> Outcome<AppendReply> {
        let (answer, answered) = oneshot::channel();
        self.waiting.borrow_mut().push(((of, message), answer));
        if self.waiting.borrow().len() == 1 {
            let (shard, waiting, sql) = (self.shard.clone(), self.waiting.clone(), self.sql()?);
            self.state.wait_until(async move {
                gathered(&waiting).await;
                if write_together(&shard, &waiting, sql.clone()) {
                    // Those who wait have their answers first.
                    Delay::from(Duration::ZERO).await;
                    if let Err(error) = on_shard(&shard, sql, |shard| shard.checkpoint(false)) {
                        worker::console_warn!("shard: {error}; a checkpoint is made later");
                    }
                }
            });
        }
        answered.await.unwrap_or(Err(ShardError::Storage(StorageError("write was given up"))))
    }

    async fn wake_in(&self, ms: u64, number: u16) -> Result<()> {
        if self.alarm_set.replace(true) {
            return Ok(());
        }
        // An object does not know its own name.
        self.remember(number).map_err(|error| worker::Error::from(error.to_string()))?;
        let storage = self.state.storage();
        // One that an earlier life of the object has set stays: restarts must not put it off.
        let set = match storage.get_alarm().await {
            Ok(Some(due)) if due <= host_now_ms() + ms as i64 => Ok(()),
            _ => storage.set_alarm(Duration::from_millis(ms)).await,
        };
        self.alarm_set.set(set.is_ok());
        set
    }

    /// What there is to do for: the log's position, and up to when the nightly job was asked for.
    fn asked(&self) -> Option<(u64, Option<i64>)> {
        let nightly = self.sql().ok()?.kept(NIGHTLY_BEFORE).ok()?;
        self.with(|shard| Ok((shard.seq(), nightly))).ok()
    }

    fn remember(&self, number: u16) -> Outcome<()> {
        let sql = self.sql()?;
        if sql.kept(NUMBER)?.is_none() {
            sql.keep(NUMBER, i64::from(number))?;
        }
        Ok(())
    }

    fn pull(&self, of: u32, ask: &PullRequest) -> Outcome<PullReply> {
        let (seq, pending) = self.with(|shard| Ok((shard.seq(), shard.pending_counts())))?;
        let health = self.health(seq, pending)?;
        self.serve(of, |shard| {
            let changes = shard.changes(ask.since)?;
            // People are asked for again with the last changes; working them out before would be for nothing.
            let taken = if changes.more { Vec::new() } else { shard.census(&ask.asks, WorkerClock.now())? };
            Ok(PullReply { taken, changes, health })
        })
    }

    fn health(&self, log_position: u64, (pending_turns, pending_over): (u64, u64)) -> Outcome<ShardHealth> {
        let sql = self.sql()?;
        let bronze = exporter::exported_to(&sql).map_err(|_| ShardError::Malformed("ledger"))?;
        let oldest = sql.received_after(bronze)?;
        Ok(ShardHealth {
            log_position,
            // Rows without events, of duplicates alone, have nothing for the lake.
            bronze_position: if oldest.is_none() { log_position } else { bronze },
            oldest_unexported_ms: oldest.map(|at| at.0),
            database_bytes: sql.bytes(),
            last_nightly: sql.kept(NIGHTLY_DAY)?.map(|day| schemas::UtcDay(day as i32).start().utc_date().to_string()),
            lake_error: self.lake_error.borrow().clone(),
            dead_letters: sql.dead_letters(DEAD_LETTERS_SHOWN)?,
            erasure_due_ms: exporter::erasure_due(&sql).map_err(|_| ShardError::Ledger)?.map(|due| due.0),
            pending_turns,
            pending_over,
        })
    }

    /// One bounded round of what is due. Returns whether something is left to do at once.
    async fn round(&self) -> std::result::Result<bool, String> {
        let sql = self.sql().map_err(|error| error.to_string())?;
        self.with(|shard| shard.checkpoint(false)).map_err(|error| error.to_string())?;
        // No file is made anew from rows that still hold someone erased.
        while self.with(ShardState::forget_rows).map_err(|error| error.to_string())? {}
        let forgets = self.with(ShardState::forget_taken).map_err(|error| error.to_string())?;
        let number = sql.kept(NUMBER).ok().flatten().unwrap_or(0);
        let pushed = self.push(number as u32).await;
        let lake = self.lake(&sql, number as u16).await;
        *self.lake_error.borrow_mut() = lake.as_ref().err().cloned();
        let more = lake?;
        pushed?;
        Ok(more || forgets)
    }

    async fn push(&self, number: u32) -> std::result::Result<(), String> {
        let gold = |error| format!("gold {error}");
        for _ in 0..PUSHES_MAX {
            let changes = match self.gold_holds.get() {
                Some(held) => self.with(|shard| shard.changes(held)).map_err(|error| error.to_string())?,
                // After a start: an empty message whose reply says what Gold holds.
                None => Changes { since: u64::MAX, upto: 0, days: Vec::new(), more: false },
            };
            let done = self.gold_holds.get() == Some(changes.upto);
            if done {
                break;
            }
            self.gold_holds.set(Some(call::push(&self.env, number, &changes).await.map_err(gold)?));
        }
        Ok(())
    }

    async fn lake(&self, sql: &Sql, number: u16) -> std::result::Result<bool, String> {
        // Without the bucket there is no lake; the log keeps everything.
        let Ok(bucket) = self.env.bucket(BRONZE_BINDING) else { return Ok(false) };
        let before = sql.kept(NIGHTLY_BEFORE).ok().flatten().map(UtcMillis);
        let intake_of = |day| self.with(|shard| shard.intake_of(day)).unwrap_or_default();
        let round = lake::round(&Export::of(ShardNo(number)), sql, &R2(bucket), before, intake_of).await;
        let round = round.map_err(|error| error.to_string())?;
        if let Some(day) = round.day {
            sql.keep(NIGHTLY_DAY, i64::from(day.0)).map_err(|error| error.to_string())?;
            self.packs.set(true);
        }
        if self.packs.get() {
            let seq = exporter::may_trim_before(sql).map_err(|error| error.to_string())?;
            let more = self.with(|shard| shard.pack(seq, WorkerClock.now())).map_err(|error| error.to_string())?;
            self.packs.set(more);
        }
        Ok(round.more || self.packs.get())
    }

    #[cfg(feature = "fault-injection")]
    async fn fault(&self, url: &worker::Url) {
        if let Some(mode) = url.path().strip_prefix(route::FAULT) {
            match mode {
                "/panic" => {
                    #[allow(clippy::panic)]
                    {
                        panic!("told to");
                    }
                }
                "/hang" => self.hangs.set(true),
                _ => {}
            }
        }
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs `work` on the Shard's state; after an error of storage it is opened anew.
fn on_shard<T>(slot: &Slot, sql: Sql, work: impl FnOnce(&mut ShardState<Sql>) -> Outcome<T>) -> Outcome<T> {
    let mut slot = slot.borrow_mut();
    let mut shard = match slot.take() {
        Some(shard) => shard,
        None => ShardState::open(sql, WorkerClock.now())?,
    };
    let result = work(&mut shard);
    if !matches!(result, Err(ShardError::Storage(_) | ShardError::Codec(_))) {
        *slot = Some(shard);
    }
    result
}

/// Takes over what leads to the Shard, page by page, and lets its parent know; then the Shard is opened anew.
async fn take_over(env: &Env, slot: &Slot, sql: &Sql, place: Place) -> Outcome<()> {
    let child = place.shard;
    let unreachable = |error| match error {
        call::CallError::Moved(shards) => ShardError::Moved(shards),
        _ => ShardError::Unsettled,
    };
    while let Some(want) = on_shard(slot, sql.clone(), |shard| Ok(shard.wants()))? {
        let (parent, from) = match want {
            Want::Page(parent, from) => (parent, Some(from)),
            Want::Tell(parent) => (parent, None),
        };
        let parent = Place { shard: parent, ..place };
        let page = call::split(env, parent, &SplitRequest { child, from }).await.map_err(unreachable)?;
        let has_all = on_shard(slot, sql.clone(), |shard| match from {
            Some(from) => shard.take_over(from, page).map(|()| !matches!(shard.wants(), Some(Want::Page(..)))),
            None => shard.told_parent().map(|()| false),
        })?;
        if has_all {
            slot.borrow_mut().take();
        }
    }
    Ok(())
}

/// Waits for the messages that come in the next turn of the event loop, and in more turns as long as each brings some.
async fn gathered(waiting: &Waiting) {
    let mut there = 0;
    for _ in 0..GATHERING_TURNS_MAX {
        let now = waiting.borrow().len();
        if now == there {
            return;
        }
        there = now;
        Delay::from(Duration::ZERO).await;
    }
}

/// Writes all that waits. Returns whether a checkpoint is due.
fn write_together(slot: &Slot, waiting: &Waiting, sql: Sql) -> bool {
    let (messages, answers): (Vec<_>, Vec<_>) = waiting.take().into_iter().unzip();
    let written = on_shard(slot, sql, |shard| Ok((shard.append_of(&messages, WorkerClock.now())?, shard.is_due())));
    let (replies, is_due) = written.unwrap_or_else(|error| (vec![Err(error); answers.len()], false));
    for (answer, reply) in answers.into_iter().zip(replies) {
        // Whoever asked may be gone.
        let _ = answer.send(reply);
    }
    is_due
}

fn reply_bytes<T: serde::Serialize>(result: Outcome<T>) -> Result<Response> {
    match result.and_then(|reply| Ok(fold::encode(&reply)?)) {
        Ok(bytes) => Response::from_bytes(bytes),
        Err(error) => failed(&error),
    }
}

fn reply_json<T: serde::Serialize>(result: Outcome<T>) -> Result<Response> {
    match result {
        Ok(reply) => Response::from_json(&reply),
        Err(error) => failed(&error),
    }
}

fn failed(error: &ShardError) -> Result<Response> {
    let status = match error {
        ShardError::Moved(shards) => return Response::error(shards.to_string(), call::MISDIRECTED),
        ShardError::Unsettled => return Response::error(error.to_string(), call::TOO_EARLY),
        ShardError::Malformed(_) => 400,
        _ => 503,
    };
    worker::console_error!("shard: {error}");
    Response::error(error.to_string(), status)
}
