//! What the edge says of an event to the Shard that it is for, and no one stores.

use serde::{Deserialize, Serialize};

use crate::ids::{ConversationKey, EventKey, SessionKey, UserKey};

/// What the edge says of an event to the Shard that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// What the event says of its person.
    #[serde(default)]
    pub said: Said,
    /// Whom the operator counts who has said nothing.
    #[serde(default)]
    pub policy: Policy,
    /// What the secret before this one made of the same ids, while it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
    /// What leads to the Shard, where it is not the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<u64>,
}

/// An event's keys by the secret before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// The event.
    pub id: EventKey,
    /// Its person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserKey>,
    /// Its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationKey>,
    /// Its visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionKey>,
}

/// Whom the operator counts who has said nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Only those who have agreed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub consent_required: bool,
    /// Only those of whom it is attested that they are 13 or older.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub age_required: bool,
}

/// What an event says of its person beside what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// They opted out. `false` takes nothing back: only a `consent` event does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    /// Whether it is attested that they are 13 or older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_13_plus: Option<bool>,
}
