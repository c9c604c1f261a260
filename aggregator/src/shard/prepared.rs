//! Censuses that were taken: of few people each is taken anew when asked for; of many it holds for a while, and says of when it is.

use std::collections::BTreeMap;

use schemas::UtcMillis;
use schemas::time::MINUTE_MS;

use crate::census::{Ask, Census};
use crate::fold::CodecError;
use crate::fold::people::walk::FEW;
use crate::protocol::Taken;

/// How long a census of more holds, milliseconds.
const HOLDS_MS: i64 = MINUTE_MS;
/// How long a census holds while nothing is stored: some numbers are of now.
const QUIET_HOLDS_MS: i64 = 15 * MINUTE_MS;
/// How long after it was last asked for a census is taken anew together with another, milliseconds: the walk is what takes long.
const WANTED_MS: i64 = 10 * MINUTE_MS;
/// Most censuses that are kept.
const KEPT_MAX: usize = 32;

struct Made {
    census: Census,
    seq: u64,
    at: UtcMillis,
    /// Facts that it was made of.
    size: usize,
    /// When it was last asked for.
    asked: UtcMillis,
}

impl Made {
    fn holds(&self, seq: u64, now: UtcMillis) -> bool {
        let age = now.0 - self.at.0;
        if self.size <= FEW {
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
        let mut stale: Vec<Ask> =
            asks.iter().filter(|ask| self.0.get(&key(ask)).is_none_or(|made| !made.holds(seq, now))).cloned().collect();
        if !stale.is_empty() {
            let asked: Vec<Ask> = stale.iter().map(key).collect();
            let others = self.0.iter().filter(|(ask, made)| {
                let is_wanted = made.size > FEW && now.0 - made.asked.0 < WANTED_MS;
                is_wanted && !made.holds(seq, now) && !asked.contains(ask)
            });
            stale.extend(others.map(|(ask, _)| Ask { now, ..ask.clone() }));
            let (taken, size) = take(&stale)?;
            for (ask, census) in stale.iter().zip(taken) {
                let key = key(ask);
                let asked = self.0.get(&key).map_or(now, |made| made.asked);
                self.0.insert(key, Made { census, seq, at: now, size, asked });
            }
        }
        for ask in asks {
            self.0.get_mut(&key(ask)).into_iter().for_each(|made| made.asked = now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::Scope;
    use crate::civil::Window;
    use schemas::{Bucket15, NanoUsd};

    fn ask(to: i32, now: i64) -> Ask {
        let window = Window { days: Vec::new(), before: Vec::new(), from: Bucket15(0), to: Bucket15(to) };
        let scope = Scope::Spend(NanoUsd::ZERO);
        Ask { window, tz: "UTC".into(), now: UtcMillis(now), scope, funnels: Vec::new(), only: None, after: None }
    }

    /// Asks, and says how many censuses were taken and of when the answer is.
    fn asked(prepared: &mut Prepared, to: i32, seq: u64, now: i64, size: usize) -> (usize, i64) {
        let mut count = 0;
        let answers = prepared.answer(&[ask(to, now)], seq, UtcMillis(now), |asks| {
            count = asks.len();
            assert!(asks.iter().all(|ask| ask.now == UtcMillis(now)));
            Ok((vec![Census::default(); asks.len()], size))
        });
        (count, answers.unwrap()[0].as_of.0)
    }

    #[test]
    fn of_few_facts_an_answer_is_always_of_now() {
        let mut prepared = Prepared::default();
        for (seq, now) in [(1, 0), (2, 0), (2, 1), (2, 90_000)] {
            assert_eq!(asked(&mut prepared, 9, seq, now, FEW), (1, now));
        }
        assert_eq!(asked(&mut prepared, 9, 2, 90_000, FEW).0, 0);
    }

    #[test]
    fn of_many_it_holds_a_minute_and_those_that_are_wanted_are_taken_together() {
        let mut prepared = Prepared::default();
        let large = FEW + 1;
        assert_eq!(asked(&mut prepared, 9, 1, 0, large), (1, 0));
        assert_eq!(asked(&mut prepared, 8, 1, 1_000, large), (1, 1_000));
        assert_eq!(asked(&mut prepared, 9, 2, 59_999, large), (0, 0));
        assert_eq!(asked(&mut prepared, 9, 2, 61_000, large), (2, 61_000));
        assert_eq!(asked(&mut prepared, 8, 3, 62_000, large), (0, 61_000));
        assert_eq!(asked(&mut prepared, 8, 3, 61_000 + 11 * MINUTE_MS, large), (1, 61_000 + 11 * MINUTE_MS));
        // Nothing was stored since.
        assert_eq!(asked(&mut prepared, 8, 3, 61_000 + 20 * MINUTE_MS, large).0, 0);
        prepared.forget();
        assert_eq!(asked(&mut prepared, 8, 3, 61_000 + 20 * MINUTE_MS, large).0, 1);
    }
}
