//! What was published, kept as it was: a period is made once, when what comes late has come, and never again.
//!
//! A record holds what everyone may see and no person, so an erasure after it changes nothing in it.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use schemas::time::DAY_MS;
use schemas::{Bucket15, Quarter, UtcDay, UtcMillis};
use serde_json::Value;

use super::years;
use crate::storage::StorageError;

/// How long after its end a period is made: as long as events may come late.
pub const SETTLE_DAYS: i64 = 7;
/// Quarters before the present one that are still made.
const QUARTERS_BACK: usize = 8;

/// Storage of what was published. Every method is one atomic step.
pub trait Archive {
    /// Keeps a record; where there is one by that name, it stays.
    ///
    /// # Errors
    /// When storage fails.
    fn keep_record(&self, name: &str, record: &str) -> Result<(), StorageError>;
    /// Every record, by name.
    ///
    /// # Errors
    /// When storage fails.
    fn records(&self) -> Result<Vec<(String, String)>, StorageError>;
}

/// Records by name.
pub type Records = BTreeMap<String, Value>;

/// Reads all records.
///
/// # Errors
/// When storage fails, or a record can't be read.
pub fn records(archive: &impl Archive) -> Result<Records, StorageError> {
    let mut records = Records::new();
    for (name, text) in archive.records()? {
        let record = serde_json::from_str(&text).map_err(|_| StorageError("read"))?;
        records.insert(name, record);
    }
    Ok(records)
}

/// A period of which something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A calendar quarter, UTC.
    Quarter(Quarter),
    /// A quarter up to the end of its first or second month.
    Months(Quarter, u32),
    /// California's civil year.
    Year(i32),
}

impl Period {
    /// Names its record.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Quarter(quarter) => quarter.to_string(),
            Self::Months(quarter, months) => format!("{quarter}/{months}"),
            Self::Year(year) => format!("{year}"),
        }
    }

    /// `[from, to)`.
    #[must_use]
    pub fn span(self) -> (UtcMillis, UtcMillis) {
        match self {
            Self::Quarter(quarter) => (quarter.start(), quarter.end()),
            Self::Months(quarter, months) => (quarter.start(), month_end(quarter, months)),
            Self::Year(year) => years::span(year),
        }
    }

    /// The buckets of [`Self::span`].
    #[must_use]
    pub fn buckets(self) -> (Bucket15, Bucket15) {
        let (from, to) = self.span();
        (Bucket15::of(from), Bucket15::of(to))
    }

    /// When it is made.
    #[must_use]
    pub fn settled(self) -> UtcMillis {
        self.span().1.plus_ms(SETTLE_DAYS * DAY_MS)
    }
}

fn month_end(quarter: Quarter, months: u32) -> UtcMillis {
    let end = quarter.start().utc_date().checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX);
    UtcMillis(end.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
}

/// The four quarters of a year.
pub fn quarters_of(year: i32) -> impl Iterator<Item = Quarter> {
    (1..=4).map(move |quarter| Quarter { year, quarter })
}

/// The present quarter, and the one before while it settles, newest first.
#[must_use]
pub fn open_quarters(now: UtcMillis) -> Vec<Quarter> {
    let present = Quarter::of(now);
    let before = Some(present.previous()).filter(|quarter| now < Period::Quarter(*quarter).settled());
    [Some(present), before].into_iter().flatten().collect()
}

/// The last settled part of an open quarter.
#[must_use]
pub fn last_months(quarter: Quarter, now: UtcMillis) -> Option<Period> {
    [2, 1].into_iter().map(|months| Period::Months(quarter, months)).find(|part| part.settled() <= now)
}

/// Periods that are settled and not yet made, in the order in which they are to be. `first` is the first day of which
/// anything is known.
#[must_use]
pub fn due(now: UtcMillis, first: Option<UtcDay>, records: &Records) -> Vec<Period> {
    let Some(first) = first else { return Vec::new() };
    let back = std::iter::successors(Some(Quarter::of(now)), |quarter| Some(quarter.previous())).skip(1);
    let mut quarters: Vec<Quarter> =
        back.take(QUARTERS_BACK).take_while(|quarter| quarter.end() > first.start()).collect();
    quarters.reverse();
    let mut due: Vec<Period> = quarters.iter().map(|quarter| Period::Quarter(*quarter)).collect();
    let mut known: Vec<i32> = quarters.iter().map(|quarter| quarter.year).collect();
    known.dedup();
    due.extend(known.into_iter().map(Period::Year));
    due.extend(open_quarters(now).into_iter().filter_map(|quarter| last_months(quarter, now)));
    due.retain(|period| {
        let known = period.settled() <= now && period.span().1 > first.start();
        known && !records.contains_key(&period.name())
    });
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMillis {
        UtcMillis::parse_rfc3339(text).unwrap()
    }

    fn names(now: &str, first: &str, made: &[&str]) -> Vec<String> {
        let records = made.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        due(at(now), Some(UtcDay::of(at(first))), &records).into_iter().map(Period::name).collect()
    }

    #[test]
    fn a_period_is_due_a_week_after_its_end_and_once() {
        assert_eq!(names("2026-11-07T23:59:59Z", "2026-10-09T00:00:00Z", &[]), [""; 0]);
        assert_eq!(names("2026-11-08T00:00:00Z", "2026-10-09T00:00:00Z", &[]), ["2026-Q4/1"]);
        assert_eq!(names("2026-12-09T00:00:00Z", "2026-10-09T00:00:00Z", &["2026-Q4/1"]), ["2026-Q4/2"]);
        assert_eq!(names("2027-01-07T23:00:00Z", "2026-10-09T00:00:00Z", &["2026-Q4/2"]), [""; 0]);
        assert_eq!(names("2027-01-07T23:00:00Z", "2027-01-01T00:00:00Z", &[]), [""; 0]);
        assert_eq!(names("2027-01-08T00:00:00Z", "2026-10-09T00:00:00Z", &[]), ["2026-Q4"]);
        assert_eq!(names("2027-01-08T08:00:00Z", "2026-10-09T00:00:00Z", &["2026-Q4"]), ["2026"]);
        assert_eq!(
            names("2027-01-08T08:00:00Z", "2026-03-31T23:00:00Z", &[]),
            ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4", "2026"]
        );
        // Of months before the first day nothing is told, not even that they were few.
        assert_eq!(names("2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", &[]), [""; 0]);
        assert!(due(at("2027-01-08T08:00:00Z"), None, &Records::new()).is_empty());
    }

    #[test]
    fn work_is_bounded_however_old_the_first_day_is() {
        assert!(names("2026-11-08T00:00:00Z", "1971-01-01T00:00:00Z", &[]).len() <= QUARTERS_BACK + 4);
    }

    #[test]
    fn a_quarter_is_open_until_it_has_settled() {
        let quarters = |now: &str| open_quarters(at(now)).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(quarters("2027-01-07T23:59:59Z"), ["2027-Q1", "2026-Q4"]);
        assert_eq!(quarters("2027-01-08T00:00:00Z"), ["2027-Q1"]);
    }
}
