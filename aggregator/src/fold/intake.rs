//! The balance of the intake: received = stored + duplicate + dropped + dead-lettered, by minute of receive time.

use schemas::consent::Absence;
use schemas::time::{DAY_MS, MINUTE_MS};
use schemas::{FlatMap, UtcMillis};
use serde::{Deserialize, Serialize};

/// Why an event was dropped on purpose or could not be kept; stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The isolate's buffer of request events was full.
    CaptureOverflow,
    /// A Shard did not take request events in time.
    CaptureUnstored,
    /// The person opted out, and the event is none that money or the law asks for.
    OptedOut,
    /// The person has not agreed to be counted, which the operator asks for; otherwise as above.
    ConsentMissing,
    /// It is not attested that the person is 13 or older; otherwise as above.
    NotAttested,
    /// The person was erased, and the event is from before.
    Erased,
}

impl From<Absence> for DropReason {
    fn from(absence: Absence) -> Self {
        match absence {
            Absence::OptedOut => Self::OptedOut,
            Absence::ConsentMissing => Self::ConsentMissing,
            Absence::NotAttested => Self::NotAttested,
            Absence::Erased => Self::Erased,
        }
    }
}

/// What became of a number of events. [`Tally::received`] is the sum of the rest, so the balance holds by construction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// In the log.
    pub stored: u64,
    /// Seen before.
    pub duplicate: u64,
    /// In the dead-letter log.
    pub dead_lettered: u64,
    /// Not kept, by reason.
    pub dropped: FlatMap<DropReason, u64>,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.stored + self.duplicate + self.dead_lettered + self.dropped_total()
    }

    /// Dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.dead_lettered += other.dead_lettered;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(*reason).or_default() += count;
        }
    }

    /// Takes out events that are no longer stored.
    pub fn take_out(&mut self, other: &Self) {
        self.stored = self.stored.saturating_sub(other.stored);
    }
}

/// Tallies of a UTC day by minute (0–1439) of receive time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeMinutes(pub FlatMap<u16, Tally>);

impl IntakeMinutes {
    /// Adds a tally to the minute of `received_at`.
    pub fn add(&mut self, received_at: UtcMillis, tally: &Tally) {
        if tally.received() == 0 {
            return;
        }
        let minute = u16::try_from(received_at.0.rem_euclid(DAY_MS) / MINUTE_MS).unwrap_or(0);
        self.0.entry(minute).or_default().merge(tally);
    }

    /// Takes out events that are no longer stored, minute by minute.
    pub fn take_out(&mut self, other: &Self) {
        for (minute, taken) in &other.0 {
            if let Some(tally) = self.0.get_mut(minute) {
                tally.take_out(taken);
            }
        }
        self.0.retain(|_, tally| tally.received() > 0);
    }

    /// Adds another day's tallies, minute by minute.
    pub fn merge(&mut self, other: &Self) {
        for (minute, tally) in &other.0 {
            self.0.entry(*minute).or_default().merge(tally);
        }
    }
}
