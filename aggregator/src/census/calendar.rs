//! Civil days and hours of an ask's zone, by number.

use schemas::time::{BUCKET_MS, DAY_MS, HOUR_MS};
use schemas::{Bucket15, UtcMillis};

use super::Ask;
use crate::zone::{Span, Zone};

/// A civil day, counted from 1970-01-01 (a Thursday).
pub(super) type DayNo = i32;

pub(super) struct Calendar {
    /// Offsets of the zone, ascending.
    spans: Vec<Span>,
    /// The first day of the window.
    pub first: DayNo,
    /// Days of the window.
    pub days: i32,
    /// Days of the window that are whole from their start: the first may begin later.
    pub first_whole: DayNo,
    /// Today.
    pub today: DayNo,
    /// The window's last day that has begun; `None` when none has.
    pub last_begun: Option<DayNo>,
    pub from: Bucket15,
    pub to: Bucket15,
}

impl Calendar {
    pub fn of(ask: &Ask) -> Self {
        let zone = Zone::parse(&ask.tz).unwrap_or(Zone::UTC);
        let mut calendar = Self {
            spans: zone.spans().collect(),
            first: 0,
            days: i32::try_from(ask.window.days.len()).unwrap_or(0),
            first_whole: 0,
            today: 0,
            last_begun: None,
            from: ask.window.from,
            to: ask.window.to,
        };
        let from = ask.window.from.start().0;
        calendar.first = calendar.day_of(from);
        calendar.first_whole = calendar.first + i32::from(calendar.day_of(from - BUCKET_MS) == calendar.first);
        calendar.today = calendar.day_of(ask.now.0);
        let begun = calendar.today.min(calendar.first + calendar.days - 1);
        calendar.last_begun = (begun >= calendar.first && ask.window.from.start() <= ask.now).then_some(begun);
        calendar
    }

    fn local(&self, at_ms: i64) -> i64 {
        let at = self.spans.partition_point(|span| span.to <= at_ms);
        at_ms + self.spans.get(at).map_or(0, |span| span.offset_ms)
    }

    pub fn day_of(&self, at_ms: i64) -> DayNo {
        self.local(at_ms).div_euclid(DAY_MS) as DayNo
    }

    pub fn day_of_bucket(&self, bucket: Bucket15) -> DayNo {
        self.day_of(bucket.start().0)
    }

    /// Of the window's days the number of an instant's; it may lie outside.
    pub fn index_of(&self, at_ms: i64) -> i32 {
        self.day_of(at_ms) - self.first
    }

    /// 0 (Monday, midnight) to 167.
    pub fn weekly_hour(&self, at_ms: i64) -> usize {
        weekly_hour(self.local(at_ms))
    }

    pub fn contains(&self, at: UtcMillis) -> bool {
        (self.from.start()..self.to.start()).contains(&at)
    }
}

/// The Monday of a day's week.
pub(super) fn monday_of(day: DayNo) -> DayNo {
    day - (day + 3).rem_euclid(7)
}

/// 0 (Monday, midnight) to 167, of a local time in milliseconds.
pub(super) fn weekly_hour(local_ms: i64) -> usize {
    let hours = local_ms.div_euclid(HOUR_MS) + 3 * 24;
    hours.rem_euclid(168) as usize
}
