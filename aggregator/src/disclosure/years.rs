//! Crisis referrals of a year. California asks for the exact number by its civil year (B&P §22603); the public page shows it
//! only beside quarters that it does not give away.
//!
//! A year of California and four quarters of UTC differ by eight hours at each end. A reader takes them for the same, so that
//! is the measure; where the two sums differ, their difference would tell of those hours, and the year is not shown.

use chrono::NaiveDate;
use schemas::UtcMillis;

use super::suppress::{Cell, Rule, State, Table};
use crate::civil;
use crate::zone::Zone;

const CALIFORNIA: &str = "America/Los_Angeles";

fn california() -> Zone {
    Zone::parse(CALIFORNIA).unwrap_or(Zone::UTC)
}

/// California's civil year of an instant.
#[must_use]
pub fn year_of(at: UtcMillis) -> i32 {
    use chrono::Datelike;
    civil::date_of(california(), at).year()
}

/// When California's civil year begins and ends.
#[must_use]
pub fn span(year: i32) -> (UtcMillis, UtcMillis) {
    let start = |year| {
        let date = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
        civil::day_start(california(), date)
    };
    (start(year), start(year.saturating_add(1)))
}

/// Referrals of a quarter, and what was said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// How many.
    pub referrals: u64,
    /// What the page says.
    pub state: State,
}

/// The rule for crises: 1 to k − 1 are hidden, 0 tells nobody's.
#[must_use]
pub fn rule(people_min: u64) -> Rule {
    Rule { zero_shown: true, ..Rule::people(people_min) }
}

/// May a year's number be shown beside its four quarters? `None` for a quarter that was never published.
#[must_use]
pub fn public(referrals: u64, quarters: &[Option<Said>], people_min: u64) -> State {
    let rule = rule(people_min);
    let said: Vec<Said> = quarters.iter().flatten().copied().collect();
    if said.is_empty() {
        return if rule.is_small(referrals) { State::Small } else { State::Shown };
    }
    // That the sum is small, too, would bound each of its quarters.
    if said.len() < quarters.len() || said.iter().map(|quarter| quarter.referrals).sum::<u64>() != referrals {
        return State::Protects;
    }
    let mut table = Table::new(rule);
    let cells: Vec<usize> = said.iter().map(|quarter| table.cell(Cell::of_people(quarter.referrals))).collect();
    said.iter().zip(&cells).for_each(|(quarter, cell)| table.said(&[*cell], quarter.state));
    table.show(&cells);
    match table.suppress().last() {
        Some(State::Shown) => State::Shown,
        _ => State::Protects,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn year(quarters: [u64; 4]) -> State {
        let said = quarters.map(|referrals| {
            let state = if rule(50).is_small(referrals) { State::Small } else { State::Shown };
            Some(Said { referrals, state })
        });
        public(quarters.iter().sum(), &said, 50)
    }

    #[test]
    fn a_year_gives_no_quarter_away() {
        assert_eq!(year([60, 70, 80, 90]), State::Shown);
        assert_eq!(year([60, 70, 80, 7]), State::Protects);
        assert_eq!(year([60, 70, 0, 7]), State::Protects);
        assert_eq!(year([0, 0, 0, 0]), State::Shown);
        assert_eq!(year([0, 0, 0, 9]), State::Protects);
        // Two that are 60 together are each 11 or more.
        assert_eq!(year([60, 70, 30, 30]), State::Protects);
        assert_eq!(year([60, 30, 20, 25]), State::Shown);
        assert_eq!(year([20, 20, 20, 20]), State::Shown);
        assert_eq!(year([49, 49, 49, 49]), State::Protects);
    }

    #[test]
    fn a_year_that_is_not_all_published_is_not_shown_and_one_before_all_is() {
        let shown = Some(Said { referrals: 60, state: State::Shown });
        assert_eq!(public(260, &[shown, shown, None, None], 50), State::Protects);
        assert_eq!(public(260, &[shown, shown, shown, shown], 50), State::Protects);
        assert_eq!(public(260, &[None; 4], 50), State::Shown);
        assert_eq!(public(12, &[None; 4], 50), State::Small);
        assert_eq!(public(0, &[None; 4], 50), State::Shown);
        let withheld = Some(Said { referrals: 60, state: State::Withheld });
        assert_eq!(public(240, &[shown, shown, shown, withheld], 50), State::Shown);
    }

    #[test]
    fn a_year_begins_at_midnight_in_california() {
        let (from, to) = span(2026);
        assert_eq!(
            (from.to_rfc3339(), to.to_rfc3339()),
            ("2026-01-01T08:00:00.000Z".into(), "2027-01-01T08:00:00.000Z".into())
        );
        assert_eq!([from.plus_ms(-1), from, to.plus_ms(-1), to].map(year_of), [2025, 2026, 2026, 2027]);
    }
}
