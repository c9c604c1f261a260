//! A thread: what one person says in one conversation, or in one session that the app names. Visits are parts of it.

use schemas::{ConversationKey, SessionKey, UserKey};
use serde::{Deserialize, Serialize};

/// A person in a conversation, or in a session that the app names; of turns without a person, the conversation or session alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Thread {
    /// Silence parts its visits.
    Conversation(Option<UserKey>, Option<ConversationKey>),
    /// The app says what one visit is: no silence parts it.
    Session(Option<UserKey>, SessionKey),
}

impl Thread {
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
