//! The objects: bindings, names, routes. Renaming one orphans its data, so a test pins the strings.

use std::cell::Cell;

use schemas::UtcMillis;
use worker::Env;

use crate::place::{Place, SHARDS_MAX};

/// Binding of the Shards' namespace.
pub const SHARD_BINDING: &str = "SHARD_OBJECT";
/// Binding of Gold's namespace.
pub const GOLD_BINDING: &str = "GOLD_OBJECT";
/// Name of the one Gold object.
pub const GOLD_NAME: &str = "gold";

/// Name of a Shard.
#[must_use]
pub fn shard_name(number: u32) -> String {
    format!("shard-{number:03}")
}

/// What objects can be asked for, by path.
pub mod route {
    /// Shard. *Idempotent* by event id. *Input* [`crate::protocol::AppendHeader`]'s message. *Output* [`crate::protocol::AppendReply`].
    pub const APPEND: &str = "/append";
    /// Shard. *Idempotent* by event id. *Input* a list of [`crate::protocol::Claim`]. *Output* for each whether it is won.
    pub const CLAIM: &str = "/claim";
    /// Shard and Gold. *Idempotent* by the turn's id. *Input* [`crate::budget::HoldRequest`]. *Output* [`crate::budget::HoldReply`].
    pub const HOLD: &str = "/hold";
    /// Shard. *Idempotent*. *Input* the id of a turn that will not come. Gold. *Idempotent*. *Input* [`crate::budget::Settlement`].
    pub const SETTLE: &str = "/settle";
    /// Shard. *Idempotent*. *Input* [`crate::fold::pending::PendingCursor`] or nothing. *Output* [`crate::fold::pending::PendingPage`].
    pub const PENDING: &str = "/pending";
    /// Shard. *Idempotent*. *Input* [`crate::protocol::PullRequest`]. *Output* [`crate::protocol::PullReply`].
    pub const PULL: &str = "/pull";
    /// Shard. *Idempotent*. *Input* prices of turns that another Shard counts.
    pub const PRICE: &str = "/price";
    /// Shard. *Idempotent*. *Input* [`crate::protocol::SplitRequest`]. *Output* [`crate::protocol::SplitPage`].
    pub const SPLIT: &str = "/split";
    /// Shard. *Idempotent*. *Input* [`crate::protocol::HeldRequest`]. *Output* [`crate::shard::Held`].
    pub const HELD: &str = "/held";
    /// Shard. *Idempotent* until the person is heard of again. *Input* their keys. *Output* [`crate::protocol::ErasureReply`], if anything was held.
    pub const ERASE: &str = "/erase";
    /// Shard. *Idempotent*. *Input* a receipt. *Output* [`crate::protocol::ErasureReply`], if there is such an erasure.
    pub const ERASURE: &str = "/erasure";
    /// Shard. *Idempotent*. Starts the nightly lake job if it is due.
    pub const NIGHTLY: &str = "/nightly";
    /// Shard and Gold. *Idempotent*. Answers once a write is durable.
    pub const PROBE: &str = "/probe";
    /// Gold. *Idempotent*. *Input* [`crate::protocol::Changes`], `?shard=`. *Output* the position held.
    pub const CHANGES: &str = "/changes";
    /// Gold. *Idempotent*. *Input* [`crate::answer::Query`]. *Output* the answer.
    pub const ANSWER: &str = "/answer";
    /// Gold. *Idempotent*. *Input* [`crate::answer::public::PublicRules`]. *Output* the public page's JSON.
    pub const PUBLIC: &str = "/public";
    /// Shard, in tests only: panic or hang from now on.
    #[cfg(feature = "fault-injection")]
    pub const FAULT: &str = "/fault";
}

/// Binding of the bucket for Bronze.
pub const BRONZE_BINDING: &str = "BRONZE";

/// What the query of a Shard's address tells: which it is, and of how many its asker knows.
pub(super) fn place_query(place: Place) -> String {
    format!("shard={}&of={}", place.shard, place.shards)
}

/// The place of such a query.
pub(super) fn place_of_query(query: &str) -> Option<Place> {
    let (shard, shards) = query.strip_prefix("shard=")?.split_once("&of=")?;
    let place = Place { shard: shard.parse().ok()?, shards: shards.parse().ok()? };
    (1..=SHARDS_MAX).contains(&place.shards).then_some(place)
}

/// How many Shards the variable `SHARDS` asks for, 1 to 256; 1 where it is not set.
#[must_use]
pub fn shards_set(env: &Env) -> u32 {
    env.var("SHARDS").ok().and_then(|value| value.to_string().parse().ok()).unwrap_or(1).clamp(1, SHARDS_MAX)
}

thread_local! {
    static SHARDS_TOLD: Cell<u32> = const { Cell::new(1) };
}

/// A Shard has told how many there are.
pub(super) fn learn_shards(shards: u32) {
    SHARDS_TOLD.set(shards.clamp(SHARDS_TOLD.get(), SHARDS_MAX));
}

/// How many Shards there are where `set` are asked for: more, if a Shard has told of more.
#[must_use]
pub fn shards_known(set: u32) -> u32 {
    set.max(SHARDS_TOLD.get())
}

/// How many Shards there are, as far as this isolate knows.
#[must_use]
pub fn shard_count(env: &Env) -> u32 {
    shards_known(shards_set(env))
}

/// The Worker's clock.
pub struct WorkerClock;

/// The host's clock, by which alarms go off; milliseconds since 1970.
pub(super) fn host_now_ms() -> i64 {
    js_sys::Date::now() as i64
}

impl WorkerClock {
    /// An instant that the host has noted, milliseconds since 1970.
    #[must_use]
    pub fn at(&self, host_ms: f64) -> UtcMillis {
        UtcMillis(host_ms as i64 + clock_offset_ms())
    }
}

impl schemas::Clock for WorkerClock {
    fn now(&self) -> UtcMillis {
        self.at(host_now_ms() as f64)
    }
}

#[cfg(not(feature = "fault-injection"))]
fn clock_offset_ms() -> i64 {
    0
}

#[cfg(feature = "fault-injection")]
thread_local! {
    static CLOCK_OFFSET_MS: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

#[cfg(feature = "fault-injection")]
fn clock_offset_ms() -> i64 {
    CLOCK_OFFSET_MS.get()
}

#[cfg(feature = "fault-injection")]
thread_local! {
    static METERED: std::cell::Cell<(usize, usize)> = const { std::cell::Cell::new((0, 0)) };
}

/// Adds to what the platform meters, in tests: rows written, and alarms that went off.
#[cfg(feature = "fault-injection")]
pub(super) fn meter(rows: usize, alarms: usize) {
    let (all_rows, all_alarms) = METERED.get();
    METERED.set((all_rows + rows, all_alarms + alarms));
}

/// Rows that the objects of this isolate have written, as the platform meters them, and alarms of theirs that went off.
#[cfg(feature = "fault-injection")]
#[must_use]
pub fn metered() -> (usize, usize) {
    METERED.get()
}

/// Moves the clock by the variable `SAGE_TEST_CLOCK_OFFSET_MS`, in tests.
#[cfg(feature = "fault-injection")]
pub fn move_clock(env: &Env) {
    let offset = env.var("SAGE_TEST_CLOCK_OFFSET_MS").ok().and_then(|value| value.to_string().parse().ok());
    CLOCK_OFFSET_MS.set(offset.unwrap_or(0));
}
