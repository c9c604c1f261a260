//! What is kept of a person, or of a thread without one: the least that every number of people and sessions can be made of.
//!
//! Facts of the same owner can be joined in any order and any grouping; the result depends on the events alone.

use std::collections::BTreeMap;

use schemas::event::{Emotion, PlatformEvent};
use schemas::{Bucket15, ConversationKey, NanoUsd, SessionKey, UserKey};

use super::words::{CohortNo, WordNo, Words};
use crate::fold::thread::Thread;

/// Silence that ends a visit, milliseconds.
pub const VISIT_GAP_MS: i64 = 30 * schemas::time::MINUTE_MS;

/// A conversation, or a session that the app names: half of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreadId {
    /// The app says what one visit is: no silence parts it.
    pub is_session: bool,
    /// The first half of the key; 0 for no conversation.
    pub bits: u64,
}

impl ThreadId {
    /// The thread of an event.
    #[must_use]
    pub fn of(conversation: Option<ConversationKey>, session: Option<SessionKey>) -> Self {
        match session {
            Some(session) => Self { is_session: true, bits: session.prefix() },
            None => Self { is_session: false, bits: conversation.map_or(0, |key| key.prefix()) },
        }
    }

    /// Silence that parts its visits, milliseconds.
    #[must_use]
    pub fn gap_ms(self) -> i64 {
        if self.is_session { i64::MAX } else { VISIT_GAP_MS }
    }
}

/// Whose facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A person's.
    User(UserKey),
    /// No person's: a thread's own.
    Thread(ThreadId),
}

impl Owner {
    /// Whose an event is; `None` of one without any key.
    #[must_use]
    pub fn of(
        user: Option<UserKey>,
        conversation: Option<ConversationKey>,
        session: Option<SessionKey>,
    ) -> Option<Self> {
        match (user, conversation, session) {
            (Some(user), ..) => Some(Self::User(user)),
            (None, None, None) => None,
            (None, ..) => Some(Self::Thread(ThreadId::of(conversation, session))),
        }
    }

    /// Whose a thread is, and which of theirs.
    #[must_use]
    pub fn of_thread(thread: &Thread) -> (Self, ThreadId) {
        let (user, conversation, session) = thread.keys(None);
        let id = ThreadId::of(conversation, session);
        (user.map_or(Self::Thread(id), Self::User), id)
    }

    /// What leads to its page: see [`schemas::event::Belonging::bits`].
    #[must_use]
    pub fn bits(&self) -> u64 {
        match self {
            Self::User(user) => user.prefix(),
            Self::Thread(thread) => thread.bits,
        }
    }
}

/// Turns of one quarter of an hour with the same attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub bucket: Bucket15,
    /// What is known of the person then.
    pub cohort: CohortNo,
    /// Turns.
    pub turns: u32,
    /// Of those: with a whole reply.
    pub turns_ok: u32,
    /// Of those: that have a price.
    pub priced: u32,
    /// What those cost.
    pub nano_usd: NanoUsd,
    /// What other services cost.
    pub services: NanoUsd,
}

impl Entry {
    /// Nothing yet.
    #[must_use]
    pub fn at(bucket: Bucket15, cohort: CohortNo) -> Self {
        let (nano_usd, services) = (NanoUsd::ZERO, NanoUsd::ZERO);
        Self { bucket, cohort, turns: 0, turns_ok: 0, priced: 0, nano_usd, services }
    }
}

/// Turns of a thread that no silence parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// First turn, milliseconds since 1970.
    pub start_ms: i64,
    /// Last turn, milliseconds since 1970.
    pub end_ms: i64,
    /// Turns; 0 for a price that was found later, which is joined to its turn.
    pub turns: u32,
    /// Of those: with a whole reply.
    pub turns_ok: u32,
    /// What they cost, as far as they have a price.
    pub nano_usd: NanoUsd,
    /// Tokens, read and written.
    pub tokens: u64,
    /// What is known of the person at the first turn.
    pub cohort: CohortNo,
    /// The last turn has a whole reply.
    pub last_ok: bool,
    /// The last turn's model.
    pub model: WordNo,
}

impl Visit {
    fn take_in(&mut self, other: &Self, words: &Words) {
        match self.start_ms.cmp(&other.start_ms) {
            std::cmp::Ordering::Greater => self.cohort = other.cohort,
            std::cmp::Ordering::Equal => self.cohort = words.later(self.cohort, other.cohort),
            std::cmp::Ordering::Less => {}
        }
        match self.end_ms.cmp(&other.end_ms) {
            std::cmp::Ordering::Less => (self.last_ok, self.model) = (other.last_ok, other.model),
            std::cmp::Ordering::Equal => {
                self.last_ok |= other.last_ok;
                self.model = words.last_word(self.model, other.model);
            }
            std::cmp::Ordering::Greater => {}
        }
        self.start_ms = self.start_ms.min(other.start_ms);
        self.end_ms = self.end_ms.max(other.end_ms);
        self.turns += other.turns;
        self.turns_ok += other.turns_ok;
        self.nano_usd += other.nano_usd;
        self.tokens += other.tokens;
    }
}

/// What the chat sentinel saw in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mood {
    /// When, milliseconds since 1970.
    pub ts_ms: i64,
    /// The emotion.
    pub emotion: Emotion,
    /// 1–3.
    pub intensity: u8,
    /// Any sign of frustration.
    pub frustrated: bool,
}

/// An intent that was named in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// When, milliseconds since 1970.
    pub ts_ms: i64,
    /// The intent.
    pub intent: WordNo,
}

/// A visit's thread: its visits, ascending and disjoint, and what else happened in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Ascending, disjoint.
    pub visits: Vec<Visit>,
    /// Ascending.
    pub moods: Vec<Mood>,
    /// Ascending in time.
    pub mentions: Vec<Mention>,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// A product event, by name.
    Journey,
    /// A step of a funnel, `funnel/step`.
    Step,
    /// An error, `component/code`.
    Error,
    /// An integration, by platform.
    Platform(PlatformEvent),
    /// A wish, by its tag.
    Wish,
}

/// Something that happened to a person once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// When, milliseconds since 1970.
    pub ts_ms: i64,
    /// What.
    pub kind: MarkKind,
    /// Its name.
    pub name: WordNo,
    /// Of an integration: days until its token expires, where told.
    pub days: Option<i32>,
}

/// Everything kept of one owner, of some stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Turns by time and attributes, ascending in time; equal ones are one.
    pub entries: Vec<Entry>,
    /// Threads.
    pub threads: BTreeMap<ThreadId, Track>,
    /// Ascending in time.
    pub marks: Vec<Mark>,
}

impl Facts {
    /// Adds a turn, or the price of one.
    pub fn add_entry(&mut self, entry: Entry) {
        let key = |entry: &Entry| (entry.bucket, entry.cohort);
        match self.entries.binary_search_by_key(&key(&entry), key) {
            Ok(at) => {
                if let Some(mine) = self.entries.get_mut(at) {
                    mine.turns += entry.turns;
                    mine.turns_ok += entry.turns_ok;
                    mine.priced += entry.priced;
                    mine.nano_usd += entry.nano_usd;
                    mine.services += entry.services;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Adds a visit to its thread.
    pub fn add_visit(&mut self, thread: ThreadId, visit: Visit, words: &Words) {
        join(&mut self.threads.entry(thread).or_default().visits, visit, thread.gap_ms(), words);
    }

    /// Adds a mood to its thread.
    pub fn add_mood(&mut self, thread: ThreadId, mood: Mood) {
        insert(&mut self.threads.entry(thread).or_default().moods, mood);
    }

    /// Adds a mention to its thread.
    pub fn add_mention(&mut self, thread: ThreadId, mention: Mention) {
        insert(&mut self.threads.entry(thread).or_default().mentions, mention);
    }

    /// Adds a mark.
    pub fn add_mark(&mut self, mark: Mark) {
        insert(&mut self.marks, mark);
    }

    /// Adds all facts of another stretch of time, or of another name of the same owner.
    pub fn join(&mut self, other: Self, words: &Words) {
        if self.entries.is_empty() {
            self.entries = other.entries;
        } else {
            other.entries.into_iter().for_each(|entry| self.add_entry(entry));
        }
        for (thread, track) in other.threads {
            self.join_track(thread, track, words);
        }
        other.marks.into_iter().for_each(|mark| insert(&mut self.marks, mark));
    }

    /// Adds what happened in a thread.
    pub fn join_track(&mut self, thread: ThreadId, track: Track, words: &Words) {
        let mine = self.threads.entry(thread).or_default();
        track.visits.into_iter().for_each(|visit| join(&mut mine.visits, visit, thread.gap_ms(), words));
        track.moods.into_iter().for_each(|mood| insert(&mut mine.moods, mood));
        track.mentions.into_iter().for_each(|mention| insert(&mut mine.mentions, mention));
    }

    /// What the turns of `[from, to)` cost.
    #[must_use]
    pub fn spent(&self, from: Bucket15, to: Bucket15) -> NanoUsd {
        let within = self.entries.iter().filter(|entry| (from..to).contains(&entry.bucket));
        within.map(|entry| entry.nano_usd).sum()
    }

    /// How many entries and marks there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.entries.len() + self.marks.len()
    }

    /// Nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.threads.is_empty() && self.marks.is_empty()
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, thing: T) {
    let at = sorted.partition_point(|known| *known <= thing);
    sorted.insert(at, thing);
}

/// Adds a visit to the disjoint, ascending visits of a thread, joining those that less than `gap_ms` of silence parts.
fn join(visits: &mut Vec<Visit>, mut visit: Visit, gap_ms: i64, words: &Words) {
    let first = visits.partition_point(|v| visit.start_ms.saturating_sub(v.end_ms) >= gap_ms);
    let end = visits.partition_point(|v| v.start_ms.saturating_sub(visit.end_ms) < gap_ms);
    let end = end.max(first);
    for old in visits.get(first..end).unwrap_or_default() {
        visit.take_in(old, words);
    }
    visits.splice(first..end, [visit]);
}
