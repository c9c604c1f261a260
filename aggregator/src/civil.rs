//! Civil days of any IANA zone as ranges of 15-minute buckets, and windows of them.

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use schemas::{Bucket15, UtcMillis};
use serde::{Deserialize, Serialize};

use crate::zone::Zone;

/// Longest window, days.
pub const WINDOW_DAYS_MAX: i64 = 400;
/// Days before a window that active users over 30 days reach back to.
const LOOK_BACK_DAYS: u64 = 29;

/// A civil day of the asked-for zone, as buckets `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CivilDay {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// First bucket.
    pub from: Bucket15,
    /// First bucket of the next day.
    pub to: Bucket15,
}

/// A window of time in a zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// The days asked for.
    pub days: Vec<CivilDay>,
    /// The 29 days before them, for active users over 7 and 30 days.
    pub before: Vec<CivilDay>,
    /// First bucket asked for.
    pub from: Bucket15,
    /// First bucket after those asked for.
    pub to: Bucket15,
}

/// A zone by its IANA name (`Asia/Kathmandu`), without case. `None` when there is none.
#[must_use]
pub fn zone(name: &str) -> Option<Zone> {
    Zone::parse(name)
}

/// The civil date of an instant.
#[must_use]
pub fn date_of(tz: Zone, at: UtcMillis) -> NaiveDate {
    local(tz, at).date_naive()
}

/// When a civil day starts: midnight, the earlier one where there are two, the end of the gap where there is none.
#[must_use]
pub fn day_start(tz: Zone, date: NaiveDate) -> UtcMillis {
    let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    // The first instant whose local time is not before midnight.
    let mut starts = tz.spans().filter_map(|span| {
        let start = midnight.saturating_sub(span.offset_ms).max(span.from);
        (start < span.to).then_some(UtcMillis(start))
    });
    starts.next().unwrap_or(UtcMillis(midnight))
}

/// An instant as RFC 3339 with the zone's offset.
#[must_use]
pub fn local_rfc3339(tz: Zone, at: UtcMillis) -> String {
    local(tz, at).to_rfc3339()
}

/// Reads a local or absolute end of a window: `YYYY-MM-DD`, or an RFC 3339 date-time.
#[must_use]
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| (1970..=9999).contains(&date.year()))
}

/// The window `[from, to)` cut into civil days; its ends are moved outwards to the 15-minute grid.
#[must_use]
pub fn window(tz: Zone, from: UtcMillis, to: UtcMillis) -> Window {
    let first = date_of(tz, from);
    let (from, to) = (Bucket15::of(from), Bucket15::at_or_after(to));
    let mut days = Vec::new();
    let mut date = first;
    while Bucket15::of(day_start(tz, date)) < to && days.len() <= WINDOW_DAYS_MAX as usize {
        let day = civil_day(tz, date);
        days.push(CivilDay { from: day.from.max(from), to: day.to.min(to), ..day });
        date = next(date);
    }
    let before = (1..=LOOK_BACK_DAYS).rev().filter_map(|n| first.checked_sub_days(Days::new(n)));
    Window { days, before: before.map(|date| civil_day(tz, date)).collect(), from, to }
}

/// A whole civil day.
#[must_use]
pub fn civil_day(tz: Zone, date: NaiveDate) -> CivilDay {
    CivilDay {
        date: date.to_string(),
        from: Bucket15::of(day_start(tz, date)),
        to: Bucket15::of(day_start(tz, next(date))),
    }
}

/// From the start of a day, week or month of the present, whose first date `first` tells, until the end of today.
#[must_use]
pub fn until_today(tz: Zone, now: UtcMillis, first: fn(NaiveDate) -> NaiveDate) -> (Bucket15, Bucket15) {
    let today = date_of(tz, now);
    (Bucket15::of(day_start(tz, first(today))), Bucket15::of(day_start(tz, next(today))))
}

/// The Monday of the date's week.
#[must_use]
pub fn week_start(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday()))).unwrap_or(date)
}

/// The first of the date's month.
#[must_use]
pub fn month_start(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// The day after.
#[must_use]
pub fn next(date: NaiveDate) -> NaiveDate {
    date.succ_opt().unwrap_or(date)
}

fn local(tz: Zone, at: UtcMillis) -> DateTime<FixedOffset> {
    let utc: DateTime<Utc> =
        DateTime::from_timestamp_millis(at.0).unwrap_or_else(|| NaiveDateTime::default().and_utc());
    let offset = FixedOffset::east_opt(i32::from(tz.offset_minutes(at)) * 60);
    offset.map_or_else(|| utc.fixed_offset(), |offset| utc.with_timezone(&offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day_hours(name: &str, date: &str) -> f64 {
        let day = civil_day(zone(name).unwrap(), parse_date(date).unwrap());
        f64::from(day.to.0 - day.from.0) / 4.0
    }

    #[test]
    fn days_have_their_length() {
        assert_eq!(day_hours("UTC", "2026-11-21"), 24.0);
        assert_eq!(day_hours("America/St_Johns", "2026-03-08"), 23.0);
        assert_eq!(day_hours("America/St_Johns", "2026-11-01"), 25.0);
        assert_eq!(day_hours("Australia/Lord_Howe", "2026-04-05"), 24.5);
        assert_eq!(day_hours("Asia/Kathmandu", "2026-06-01"), 24.0);
        assert_eq!(day_hours("Africa/Cairo", "2026-04-24"), 23.0);
        assert_eq!(day_hours("America/Santiago", "2026-04-04"), 25.0);
        assert_eq!(day_hours("America/Havana", "2026-11-01"), 25.0);
        assert_eq!(day_hours("Asia/Beirut", "2026-03-29"), 23.0);
    }

    #[test]
    fn days_of_quarter_hour_zones_lie_on_the_grid() {
        let start = day_start(zone("Asia/Kathmandu").unwrap(), parse_date("2026-11-21").unwrap());
        assert_eq!(start.to_rfc3339(), "2026-11-20T18:15:00.000Z");
        assert_eq!(Bucket15::of(start).start(), start);
    }

    #[test]
    fn windows_are_cut_without_gap_or_overlap() {
        for name in ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"] {
            let tz = zone(name).unwrap();
            let from = UtcMillis::parse_rfc3339("2026-02-27T03:20:00Z").unwrap();
            let window = window(tz, from, UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap());
            let all: Vec<&CivilDay> = window.before.iter().chain(&window.days).collect();
            assert_eq!(window.before.len(), 29);
            assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from || pair[1].from == window.from), "{name}");
            assert_eq!(window.days.first().unwrap().from, window.from);
            assert_eq!(window.days.last().unwrap().to, window.to);
            assert!(window.from.start() <= from);
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(zone("europe/berlin").is_some() && zone("Europe/Atlantis").is_none() && zone("").is_none());
        assert_eq!(parse_date("2026-02-30"), None);
    }
}
