//! Where people stand: what they chose, and that they were erased.

use schemas::consent::{Absence, Choices};
use schemas::event::Aside;
use schemas::{EventKey, NanoUsd, UserKey, UtcMillis};
use serde::{Deserialize, Serialize};

use super::thread::Thread;

/// Where one person stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What they chose.
    pub choices: Choices,
    /// That they were erased: the last time.
    #[serde(default)]
    pub erased: Option<Erased>,
    /// Keys that secrets before the present one made of the same person, newest first.
    #[serde(default)]
    pub formerly: Vec<UserKey>,
    /// What leads to their Shard, where it is not their key: see [`crate::place::Place::residue`].
    #[serde(default)]
    pub home: Option<u16>,
}

/// Most former keys of a person that are kept: events under older ones have left the log.
pub const FORMER_KEYS_MAX: usize = 3;

/// A tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// What happened up to then is forgotten.
    pub at: UtcMillis,
    /// Names the erasure.
    pub receipt: String,
}

impl Standing {
    /// Why the person of an event is not there, if so.
    #[must_use]
    pub fn absence(&self, ts: UtcMillis, aside: Aside) -> Option<Absence> {
        let erased = self.erased.as_ref().filter(|erased| ts <= erased.at).map(|_| Absence::Erased);
        erased.or_else(|| aside.said.absence()).or_else(|| self.choices.absence(aside.policy))
    }

    /// Takes in another's: what was noted of the same person under another name.
    pub fn merge(&mut self, other: &Self) {
        self.choices.merge(&other.choices);
        if other.erased.as_ref().map(|erased| erased.at) > self.erased.as_ref().map(|erased| erased.at) {
            self.erased.clone_from(&other.erased);
        }
        self.formerly.extend_from_slice(&other.formerly);
        self.formerly.truncate(FORMER_KEYS_MAX);
        self.home = self.home.or(other.home);
    }
}

/// What a row of the log says beside its events: it is in no event, and does not go to the lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A person made a choice by what an event said.
    Chose(UserKey, Choices),
    /// A person was erased.
    Erased(UserKey, Erased),
    /// A person goes by another key: the one before, then the present one.
    Renamed(UserKey, UserKey),
    /// A thread of a person goes by another key: the one before, then the present one.
    Continued(Thread, Thread),
    /// What leads to a person's Shard is not their key.
    Home(UserKey, u16),
    /// The price of a turn that an earlier Shard counts, for its person.
    Priced(EventKey, NanoUsd),
}

impl Note {
    /// Whose it is, but for the one that says that someone is forgotten.
    #[must_use]
    pub fn user(&self) -> Option<UserKey> {
        match self {
            Self::Chose(user, _) | Self::Renamed(_, user) | Self::Home(user, _) => Some(*user),
            Self::Continued(_, to) => to.user(),
            Self::Erased(..) | Self::Priced(..) => None,
        }
    }
}
