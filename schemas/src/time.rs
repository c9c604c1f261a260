//! Instants and the 15-minute grid on which every counter lies.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UtcMillis(pub i64);

impl UtcMillis {
    /// Reads an RFC 3339 date-time (`2026-11-21T18:56:03.120Z`, any offset). `None` when it is not one.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|t| Self(t.timestamp_millis()))
    }

    /// RFC 3339 in UTC with milliseconds; years outside 1970–9999 are shown as the nearest of them.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.date_time().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// The UTC calendar date.
    #[must_use]
    pub fn utc_date(self) -> NaiveDate {
        self.date_time().date_naive()
    }

    /// Hour of the UTC day, 0–23.
    #[must_use]
    pub fn utc_hour(self) -> u32 {
        self.date_time().hour()
    }

    /// The UTC minute that holds this instant, counted from 1970.
    #[must_use]
    pub fn minute(self) -> i64 {
        self.0.div_euclid(MINUTE_MS)
    }

    /// This instant and `ms` milliseconds; saturates.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    fn date_time(self) -> DateTime<Utc> {
        const LAST_MS: i64 = 253_402_300_799_999;
        DateTime::from_timestamp_millis(self.0.clamp(0, LAST_MS)).unwrap_or_default()
    }
}

/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One UTC day in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Width of a counter's bucket in milliseconds. Every UTC offset in use is a multiple of 15 minutes, so any civil
/// day is a whole number of buckets.
pub const BUCKET_MS: i64 = 15 * MINUTE_MS;
/// Buckets in a UTC day.
pub const BUCKETS_PER_DAY: i32 = 96;

/// A quarter of an hour: the index of `[n × 15 min, (n + 1) × 15 min)` since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bucket15(pub i32);

impl Bucket15 {
    /// The bucket that holds `at`.
    #[must_use]
    pub fn of(at: UtcMillis) -> Self {
        let index = at.0.div_euclid(BUCKET_MS);
        Self(i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The first bucket that starts at or after `at`.
    #[must_use]
    pub fn at_or_after(at: UtcMillis) -> Self {
        Self::of(at.plus_ms(BUCKET_MS - 1))
    }

    /// When the bucket starts.
    #[must_use]
    pub fn start(self) -> UtcMillis {
        UtcMillis(i64::from(self.0) * BUCKET_MS)
    }

    /// The UTC day (since 1970) that the bucket lies in.
    #[must_use]
    pub fn utc_day(self) -> UtcDay {
        UtcDay(self.0.div_euclid(BUCKETS_PER_DAY))
    }
}

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UtcDay(pub i32);

impl UtcDay {
    /// The day that holds `at`.
    #[must_use]
    pub fn of(at: UtcMillis) -> Self {
        Bucket15::of(at).utc_day()
    }

    /// The day's first bucket.
    #[must_use]
    pub fn first_bucket(self) -> Bucket15 {
        Bucket15(self.0.saturating_mul(BUCKETS_PER_DAY))
    }

    /// When the day starts.
    #[must_use]
    pub fn start(self) -> UtcMillis {
        self.first_bucket().start()
    }
}

/// A calendar quarter, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quarter {
    /// Calendar year.
    pub year: i32,
    /// 1–4.
    pub quarter: u32,
}

impl Quarter {
    /// The quarter that holds `at`.
    #[must_use]
    pub fn of(at: UtcMillis) -> Self {
        let date = at.utc_date();
        Self { year: date.year(), quarter: date.month0() / 3 + 1 }
    }

    /// The quarter before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        if self.quarter > 1 {
            Self { quarter: self.quarter - 1, ..self }
        } else {
            Self { year: self.year - 1, quarter: 4 }
        }
    }

    /// When the quarter starts.
    #[must_use]
    pub fn start(self) -> UtcMillis {
        let first = NaiveDate::from_ymd_opt(self.year, (self.quarter - 1) * 3 + 1, 1).unwrap_or_default();
        UtcMillis(first.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
    }

    /// When the quarter ends: the start of the next one.
    #[must_use]
    pub fn end(self) -> UtcMillis {
        let next = if self.quarter < 4 {
            Self { quarter: self.quarter + 1, ..self }
        } else {
            Self { year: self.year + 1, quarter: 1 }
        };
        next.start()
    }
}

impl std::fmt::Display for Quarter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-Q{}", self.year, self.quarter)
    }
}

/// Where rules read the time from. The Worker's clock in production, a clock that moves when told in tests.
pub trait Clock {
    /// The present instant.
    fn now(&self) -> UtcMillis;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc3339() {
        let at = UtcMillis::parse_rfc3339("2026-11-21T18:56:03.120+05:45").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-21T13:11:03.120Z");
        for bad in ["", "2026-11-21", "2026-11-21T18:56:03", "2026-13-01T00:00:00Z", "now"] {
            assert_eq!(UtcMillis::parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn buckets_hold_their_edges() {
        let start = UtcMillis::parse_rfc3339("2026-11-21T18:45:00Z").unwrap();
        let bucket = Bucket15::of(start);
        assert_eq!(bucket.start(), start);
        assert_eq!(Bucket15::of(start.plus_ms(BUCKET_MS - 1)), bucket);
        assert_eq!(Bucket15::of(start.plus_ms(-1)).0, bucket.0 - 1);
        assert_eq!(Bucket15::at_or_after(start), bucket);
        assert_eq!(Bucket15::at_or_after(start.plus_ms(1)).0, bucket.0 + 1);
        assert_eq!(Bucket15::of(UtcMillis(-1)), Bucket15(-1));
    }

    #[test]
    fn quarters_meet() {
        let at = UtcMillis::parse_rfc3339("2026-12-31T23:59:59.999Z").unwrap();
        let quarter = Quarter::of(at);
        assert_eq!(quarter.to_string(), "2026-Q4");
        assert_eq!(quarter.end().to_rfc3339(), "2027-01-01T00:00:00.000Z");
        assert_eq!(quarter.previous().end(), quarter.start());
        assert_eq!(Quarter { year: 2026, quarter: 1 }.previous().to_string(), "2025-Q4");
    }
}
