//! How much one person can add to a sum that is published: no more than a cap, so that no one stands out of it.

use serde::{Deserialize, Serialize};

/// The most that one person adds to a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cap {
    /// Visits.
    pub sessions: u64,
    /// Turns.
    pub turns: u64,
}

impl Default for Cap {
    /// Of a quarter: four visits a day of 13 five-day weeks, each of ten turns, and less than a hundredth of what a
    /// machine could send.
    fn default() -> Self {
        Self { sessions: 250, turns: 2_500 }
    }
}

/// What people did in a window, each up to the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capped {
    /// Visits that began in the window.
    pub sessions: u64,
    /// Turns.
    pub turns: u64,
}

impl Capped {
    /// `Σ min(a person's, cap)` over people, of whom each is given once as (visits, turns).
    #[must_use]
    pub fn of(people: impl IntoIterator<Item = (u64, u64)>, cap: Cap) -> Self {
        let mut sums = Self::default();
        for (sessions, turns) in people {
            sums.merge(Self { sessions: sessions.min(cap.sessions), turns: turns.min(cap.turns) });
        }
        sums
    }

    /// Adds the sums of other people.
    pub fn merge(&mut self, other: Self) {
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.turns = self.turns.saturating_add(other.turns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_person_adds_no_more_than_the_cap() {
        let cap = Cap { sessions: 10, turns: 100 };
        let sums = Capped::of([(3, 40), (10, 100), (900, 1_000_000), (0, 7)], cap);
        assert_eq!(sums, Capped { sessions: 23, turns: 247 });
        assert_eq!(Capped::of([(u64::MAX, u64::MAX)], cap), Capped { sessions: 10, turns: 100 });
    }

    proptest! {
        /// Whoever comes or goes, a sum changes by no more than the cap; split over Shards it is the same.
        #[test]
        fn sums_move_by_the_cap(people in proptest::collection::vec((0u64..50, 0u64..500), 0..30), one in (0u64..9_999, 0u64..9_999), cut in 0usize..30) {
            let cap = Cap { sessions: 12, turns: 130 };
            let all = Capped::of(people.clone(), cap);
            let mut with = people.clone();
            with.push(one);
            let with = Capped::of(with, cap);
            prop_assert!(with.sessions - all.sessions <= 12 && with.turns - all.turns <= 130);
            let (first, rest) = people.split_at(cut.min(people.len()));
            let mut merged = Capped::of(first.to_vec(), cap);
            merged.merge(Capped::of(rest.to_vec(), cap));
            prop_assert_eq!(merged, all);
        }
    }
}
