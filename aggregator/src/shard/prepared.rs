//! Censuses that were taken: of few people each is taken anew when asked for; of many it holds for a while, and says of when it is.

use std::collections::BTreeMap;

use schemas::UtcMillis;
use schemas::time::MINUTE_MS;

use crate::census::{Ask, Census};
use crate::fold::CodecError;
use crate::protocol::Taken;

/// Facts up to which a census is taken anew whenever something has changed: some milliseconds.
const SMALL: usize = 30_000;
/// How long a census of more holds, milliseconds.
const HOLDS_MS: i64 = MINUTE_MS;
/// How long a census holds while nothing is stored: some numbers are of now.
const QUIET_HOLDS_MS: i64 = 15 * MINUTE_MS;
/// Most censuses that are kept.
const KEPT_MAX: usize = 32;

struct Made {
    census: Census,
    seq: u64,
    at: UtcMillis,
    /// Facts that it was made of.
    size: usize,
}

impl Made {
    fn holds(&self, seq: u64, now: UtcMillis) -> bool {
        let age = now.0 - self.at.0;
        if self.size <= SMALL {
            self.seq == seq && age == 0
        } else {
            age < if self.seq == seq { QUIET_HOLDS_MS } else { HOLDS_MS }
        }
    }
}

/// Censuses by what was asked, but for when.
#[derive(Default)]
pub(super) struct Prepared(BTreeMap<Ask, Made>);

impl Prepared {
    /// Answers from what is kept; `take` takes those that no longer hold, all in one go, and says of how many facts.
    pub fn answer(
        &mut self,
        asks: &[Ask],
        seq: u64,
        now: UtcMillis,
        take: impl FnOnce(&[Ask]) -> Result<(Vec<Census>, usize), CodecError>,
    ) -> Result<Vec<Taken>, CodecError> {
        let key = |ask: &Ask| Ask { now: UtcMillis(0), ..ask.clone() };
        let stale: Vec<Ask> =
            asks.iter().filter(|ask| self.0.get(&key(ask)).is_none_or(|made| !made.holds(seq, now))).cloned().collect();
        if !stale.is_empty() {
            let (taken, size) = take(&stale)?;
            for (ask, census) in stale.iter().zip(taken) {
                self.0.insert(key(ask), Made { census, seq, at: now, size });
            }
        }
        let answer = |ask: &Ask| {
            let made = self.0.get(&key(ask)).ok_or(CodecError)?;
            Ok(Taken { census: made.census.clone(), as_of: made.at })
        };
        let answers = asks.iter().map(answer).collect();
        while self.0.len() > KEPT_MAX {
            let oldest = self.0.iter().min_by_key(|(_, made)| made.at).map(|(ask, _)| ask.clone());
            oldest.into_iter().for_each(|ask| drop(self.0.remove(&ask)));
        }
        answers
    }

    /// Nothing holds any longer.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}
