//! What the collector, Shards and Gold say to each other.

use std::collections::BTreeMap;

use exporter::Erasure;
use schemas::event::Source;
use schemas::{EventKey, FlatMap, ReplyKey, UserKey, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::budget::Hold;
use crate::census::{Ask, Census};
use crate::fold::intake::DropReason;

/// Events for one Shard. On the wire: this header as one line of JSON, then `dead_letters` lines of dead letters, then `events`
/// canonical events as the log keeps them ([`schemas::event::stored`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendHeader {
    /// Events.
    pub events: usize,
    /// Lines of dead letters.
    pub dead_letters: usize,
    /// Events given up before they reached a Shard, to be counted here.
    #[serde(default, skip_serializing_if = "FlatMap::is_empty")]
    pub dropped: FlatMap<DropReason, u64>,
    /// Events taken out before because another way has told of their turn, to be counted here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicate: u64,
    /// Turns that several ways may tell of have been claimed: what is here is to be stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Asks to be the one telling of a turn that is stored. See [`crate::batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The turn's reply.
    pub reply: ReplyKey,
    /// The way that tells of it.
    pub source: Source,
    /// The event that tells of it.
    pub id: EventKey,
}

impl Claim {
    /// Which of `shards` decides on it.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        u32::try_from(self.reply.prefix() % u64::from(shards.max(1))).unwrap_or(0)
    }
}

/// A dead letter: what is wrong with an event, and its outline. Holds no value of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterLine {
    /// Keyed digest of the event, 16 hex digits: the same event sent again is a duplicate.
    pub digest: String,
    /// Stable code of the mistake.
    pub code: String,
    /// Where in the event.
    pub field: Option<String>,
    /// What was expected.
    pub detail: String,
    /// The event's kind, if it has one.
    pub kind: Option<String>,
    /// JSON types of the members that the contract knows.
    pub outline: BTreeMap<String, String>,
}

impl DeadLetterLine {
    /// The digest as bits; `None` when it is not 16 hex digits.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        (self.digest.len() == 16).then(|| u64::from_str_radix(&self.digest, 16).ok()).flatten()
    }
}

/// A person as their raw id names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// By the present secret.
    pub user: UserKey,
    /// By the one before, while it holds.
    pub was: Option<UserKey>,
    /// By those before them, as the Shard that holds them knows.
    #[serde(default)]
    pub formerly: Vec<UserKey>,
    /// What leads to their Shard, where it is not their key.
    #[serde(default)]
    pub home: Option<u64>,
    /// Another Shard holds them; asked is one that did before.
    #[serde(default)]
    pub elsewhere: bool,
}

/// Asks what is held of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRequest {
    /// Whom.
    pub person: Person,
    /// Log position from which on events are told.
    pub after: u64,
}

/// What has become of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReply {
    /// Names it within its Shard.
    pub receipt: String,
    /// How far it has come.
    pub erasure: Erasure,
}

/// Where a Shard that takes people over from another is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCursor {
    /// The next page of people; past the last: ids.
    pub page: u16,
    /// The day of the next ids.
    pub day: i32,
    /// Their part of the day.
    pub window: u64,
}

impl Default for SplitCursor {
    fn default() -> Self {
        Self { page: 0, day: i32::MIN, window: 0 }
    }
}

/// Asks a Shard for those whom another takes over from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRequest {
    /// The Shard that takes them over.
    pub child: u32,
    /// From where on; `None` when it has them all.
    pub from: Option<SplitCursor>,
}

/// Some of those whom a Shard hands over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitPage {
    /// Parts of a checkpoint: name and content.
    pub parts: Vec<(String, ByteBuf)>,
    /// Ids that were seen, by day: see [`crate::storage::Row::ids`].
    pub ids: Vec<(i32, ByteBuf)>,
    /// Holds of calls under way.
    pub holds: Vec<Hold>,
    /// Where to go on; `None` when this is the last.
    pub next: Option<SplitCursor>,
}

/// What became of the events of one append.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendReply {
    /// Now in the log.
    pub stored: u64,
    /// Were there before.
    pub duplicate: u64,
    /// Now in the dead-letter log.
    pub dead_lettered: u64,
    /// Of the duplicates: turns that another way has told of.
    #[serde(default)]
    pub correlated: u64,
    /// Position in the Shard's log at or before which all of it is.
    #[serde(default)]
    pub seq: u64,
    /// Not kept, because their person is not there.
    #[serde(default)]
    pub dropped: FlatMap<DropReason, u64>,
}

/// What Gold wants of a Shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Log position up to which Gold holds the Shard's days.
    pub since: u64,
    /// Censuses to take. Empty: changed days only.
    pub asks: Vec<Ask>,
}

/// A changed day, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedDay {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Log position of its last change.
    pub changed: u64,
    /// [`crate::fold::Day`], encoded.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Changed days of a Shard, oldest change first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Log position that the asker held.
    pub since: u64,
    /// Log position that these days, with those sent before, are complete up to.
    pub upto: u64,
    /// The days. A day that is sent again replaces what was sent before.
    pub days: Vec<ChangedDay>,
    /// More days changed; ask again from `upto`.
    pub more: bool,
}

/// A Shard's reply to [`PullRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PullReply {
    /// Changed days.
    pub changes: Changes,
    /// One for every ask.
    pub taken: Vec<Taken>,
    /// How the Shard is.
    pub health: ShardHealth,
}

/// What a Shard says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardHealth {
    /// Events ever stored, by log rows still held or folded.
    pub log_position: u64,
    /// Log position up to which Bronze is in the lake.
    pub bronze_position: u64,
    /// Receive time of the oldest row not yet in the lake, milliseconds since 1970.
    pub oldest_unexported_ms: Option<i64>,
    /// Bytes of the object's database.
    pub database_bytes: u64,
    /// UTC day last compacted to Parquet.
    pub last_nightly: Option<String>,
    /// Why the lake's last step failed, if it did.
    pub lake_error: Option<String>,
    /// The newest dead letters, newest first.
    pub dead_letters: Vec<BuriedLetter>,
    /// Turns that wait for a price.
    #[serde(default)]
    pub pending_turns: u64,
    /// Turns without a price that came when no more could be kept.
    #[serde(default)]
    pub pending_over: u64,
    /// When the oldest erasure that waits for files is due, milliseconds since 1970; `None` when none waits.
    #[serde(default)]
    pub erasure_due_ms: Option<i64>,
}

/// A dead letter as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuriedLetter {
    /// When it came in, milliseconds since 1970.
    pub received_at_ms: i64,
    /// What was wrong.
    pub letter: DeadLetterLine,
}

/// Dead letters that an answer shows.
pub const DEAD_LETTERS_SHOWN: usize = 20;

/// A census, and of when it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// What was counted.
    pub census: Census,
    /// When it was taken.
    pub as_of: UtcMillis,
}
