//! Visits: turns of one person in one conversation that no long silence parts, or of one session that the app names.

use schemas::{ConversationKey, NanoUsd, SessionKey, UserKey};
use serde::{Deserialize, Serialize};

/// Silence that ends a visit, milliseconds.
pub const VISIT_GAP_MS: i64 = 30 * schemas::time::MINUTE_MS;

/// Whose visits: a person's in a conversation, or in a session that the app names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Thread {
    /// Visits are cut by silence.
    Conversation(Option<UserKey>, Option<ConversationKey>),
    /// The app says what one visit is.
    Session(Option<UserKey>, SessionKey),
}

impl Thread {
    pub(super) fn gap_ms(&self) -> i64 {
        match self {
            Self::Conversation(..) => VISIT_GAP_MS,
            Self::Session(..) => i64::MAX,
        }
    }

    pub(super) fn of_user(self, user: UserKey) -> Self {
        match self {
            Self::Conversation(_, conversation) => Self::Conversation(Some(user), conversation),
            Self::Session(_, session) => Self::Session(Some(user), session),
        }
    }

    /// What its turns belong to: see [`schemas::event::Belonging::bits`].
    pub(super) fn belongs_to(&self) -> u64 {
        match self {
            Self::Conversation(Some(user), _) | Self::Session(Some(user), _) => user.prefix(),
            Self::Session(None, session) => session.prefix(),
            Self::Conversation(None, conversation) => conversation.map_or(0, |key| key.prefix()),
        }
    }

    /// The keys of a turn in it, whose conversation a session does not tell.
    pub(super) fn keys(
        &self,
        spoken_in: Option<ConversationKey>,
    ) -> (Option<UserKey>, Option<ConversationKey>, Option<SessionKey>) {
        match *self {
            Self::Conversation(user, conversation) => (user, conversation, None),
            Self::Session(user, session) => (user, spoken_in, Some(session)),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> Option<UserKey> {
        match self {
            Self::Conversation(user, _) | Self::Session(user, _) => *user,
        }
    }

    /// The thread of a turn.
    #[must_use]
    pub fn of(user: Option<UserKey>, conversation: Option<ConversationKey>, session: Option<SessionKey>) -> Self {
        match session {
            Some(session) => Self::Session(user, session),
            None => Self::Conversation(user, conversation),
        }
    }
}

/// A visit: turns that no silence of [`VISIT_GAP_MS`] or more parts, or those of one session that the app names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// First turn, milliseconds since 1970.
    pub start_ms: i64,
    /// Last turn, milliseconds since 1970.
    pub end_ms: i64,
    /// Turns.
    pub turns: u32,
    /// What they cost, as far as they have a price.
    pub nano_usd: NanoUsd,
}

/// Adds a visit to the disjoint, ascending visits of a thread, joining those that less than `gap_ms` of silence parts. The
/// result depends on the set of turns only, not on their order.
pub(super) fn join(visits: &mut Vec<Visit>, mut visit: Visit, gap_ms: i64) {
    let first = visits.partition_point(|v| visit.start_ms.saturating_sub(v.end_ms) >= gap_ms);
    let end = visits.partition_point(|v| v.start_ms.saturating_sub(visit.end_ms) < gap_ms);
    let end = end.max(first);
    for old in visits.get(first..end).unwrap_or_default() {
        visit.start_ms = visit.start_ms.min(old.start_ms);
        visit.end_ms = visit.end_ms.max(old.end_ms);
        visit.turns += old.turns;
        visit.nano_usd += old.nano_usd;
    }
    visits.splice(first..end, [visit]);
}
