//! Activity that needs no person: turns and messages.

use schemas::event::TurnStatus;
use schemas::{Body, Event};
use serde::{Deserialize, Serialize};

use super::Counters;

/// Turns and messages of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Turns, however they ended.
    pub turns: u64,
    /// Turns that ended with a whole reply.
    pub turns_ok: u64,
}

impl Activity {
    /// Messages of both sides: one of the person per turn, one of the model per turn that has its whole reply.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.turns + self.turns_ok
    }
}

impl Counters for Activity {
    fn fold(&mut self, event: &Event) {
        if let Body::Turn(turn) = &event.body {
            self.turns += 1;
            self.turns_ok += u64::from(turn.status == TurnStatus::Ok);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.turns += other.turns;
        self.turns_ok += other.turns_ok;
    }

    fn take_out(&mut self, other: &Self) {
        self.turns = self.turns.saturating_sub(other.turns);
        self.turns_ok = self.turns_ok.saturating_sub(other.turns_ok);
    }
}
