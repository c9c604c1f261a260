//! What is said of the people of a quarter that runs: a step that was reached by the end of its last month, no more.
//!
//! A number that changes while the quarter runs gives away who came between two looks. So there is one look a month, and it
//! tells a step (1, 2, 5, 10… hundreds), never the number. The steps are at least k apart, so that two of them never tell of
//! fewer than k people. When the quarter closes near above the step that was shown, its exact number would tell how few came
//! since; then the step stays in its place.

/// The greatest step that so many people reach; 0 below the first. `people_min` is k.
#[must_use]
pub fn step(people: u64, people_min: u64) -> u64 {
    let mut reached = 0;
    let mut at = first_step(people_min);
    while at <= people {
        reached = at;
        let Some(after) = next_step(at) else { break };
        at = after;
    }
    reached
}

/// The first step: the least of 1, 2, 5, 10… that is twice k or more.
#[must_use]
pub fn first_step(people_min: u64) -> u64 {
    let least = people_min.saturating_mul(2);
    let mut at = 1_u64;
    while at < least {
        let Some(after) = next_step(at) else { break };
        at = after;
    }
    at
}

fn next_step(at: u64) -> Option<u64> {
    let mut power = 1_u64;
    while at / power >= 10 {
        power *= 10;
    }
    match at / power {
        1 => at.checked_mul(2),
        2 => power.checked_mul(5),
        _ => power.checked_mul(10),
    }
}

/// What a closed quarter may say of its people, after a step was shown of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The number.
    Exact,
    /// Only that the step was reached.
    AtLeast(u64),
    /// Nothing: fewer are left than the step said, for people were erased since.
    Nothing,
}

/// Decides it: `shown` is the step, 0 when it was below the first or none was shown.
#[must_use]
pub fn closing(people: u64, shown: u64, people_min: u64) -> Closing {
    match people.checked_sub(shown) {
        _ if shown == 0 => Closing::Exact,
        None => Closing::Nothing,
        Some(since) if since < people_min => Closing::AtLeast(shown),
        Some(_) => Closing::Exact,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_are_one_two_five() {
        assert_eq!(
            [0, 99, 100, 199, 200, 499, 500, 999, 1_000, 123_456].map(|n| step(n, 50)),
            [0, 0, 100, 100, 200, 200, 500, 500, 1_000, 100_000]
        );
        assert_eq!([50, 60, 101, 300].map(first_step), [100, 200, 500, 1_000]);
        assert!(step(u64::MAX, 50) > u64::MAX / 10 && first_step(u64::MAX) > 0);
    }

    #[test]
    fn a_quarter_that_closes_near_its_step_keeps_it() {
        assert_eq!(closing(103, 100, 50), Closing::AtLeast(100));
        assert_eq!(closing(149, 100, 50), Closing::AtLeast(100));
        assert_eq!(closing(150, 100, 50), Closing::Exact);
        assert_eq!(closing(95, 100, 50), Closing::Nothing);
        assert_eq!(closing(7, 0, 50), Closing::Exact);
    }

    proptest! {
        /// From a step and what the quarter says at its end no number of people who came between is known closer than to k.
        #[test]
        fn who_came_since_stays_unknown(before in 0u64..3_000, since in 0u64..3_000, k in 50u64..90) {
            let (after, shown) = (before + since, step(before, k));
            let possible = |before: u64| step(before, k) == shown;
            let spread = match closing(after, shown, k) {
                Closing::Exact if after < k => return Ok(()),
                Closing::Exact => (0..=after).filter(|before| possible(*before)).count() as u64,
                Closing::AtLeast(step) => {
                    prop_assert!(step <= after && after < step + k);
                    k
                }
                Closing::Nothing => return Err(TestCaseError::fail("no one left")),
            };
            prop_assert!(spread >= k, "{spread}");
        }
    }
}
