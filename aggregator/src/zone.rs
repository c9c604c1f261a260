//! Time zones: which offset holds where and when.
//!
//! The table is made at build from IANA's database as `chrono-tz` has it, which alone would be a tenth of the Worker. It
//! begins in 2020, as events do; before, the offset of its start holds, and after 2099 that of its end. A change between two
//! quarters of an hour counts from the second on (one is known: Casey in Antarctica in 2020, at a minute past midnight).

use schemas::UtcMillis;

include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// A zone of IANA's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Option<u16>);

/// A zone's changes of offset.
struct History {
    /// Offset at the start, in quarters of an hour.
    quarters: i8,
    /// The first change, in quarters of an hour after the start.
    first: u32,
    rhythm: u16,
}

/// While an offset holds: `[from, to)` in UTC milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: i64,
    pub to: i64,
    pub offset_ms: i64,
}

const QUARTER_MS: i64 = 900_000;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(None);

    /// A zone by its IANA name (`Asia/Kathmandu`), without case. `None` when there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (mut low, mut high) = (0, ENDS.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let other = name_at(middle);
            let letters = |text: &'static str| text.bytes().map(|b| b.to_ascii_lowercase());
            match letters(other).cmp(name.bytes().map(|b| b.to_ascii_lowercase())) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return u16::try_from(middle).ok().map(|at| Self(Some(at))),
            }
        }
        None
    }

    /// The IANA name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.map_or("UTC", |at| name_at(at.into()))
    }

    /// Minutes east of UTC at an instant; a multiple of 15.
    #[must_use]
    pub fn offset_minutes(self, at: UtcMillis) -> i16 {
        let span = self.spans().take_while(|span| span.from <= at.0).last();
        span.map_or(0, |span| (span.offset_ms / 60_000) as i16)
    }

    /// All offsets, in order of time, from the beginning to the end of it.
    pub(crate) fn spans(self) -> impl Iterator<Item = Span> {
        let history = self.0.and_then(|at| HISTORIES.get(usize::from(*HISTORY_OF.get(usize::from(at))?)));
        let rhythm: &'static [(u16, i8)] =
            history.and_then(|history| RHYTHMS.get(usize::from(history.rhythm))).copied().unwrap_or_default();
        let mut quarters = history.map_or(0, |history| i64::from(history.quarters));
        let mut change = FROM + history.map_or(0, |history| i64::from(history.first));
        let mut from = i64::MIN;
        let mut changes = rhythm.iter();
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let mut span = Span { from, to: i64::MAX, offset_ms: quarters * QUARTER_MS };
            match changes.next() {
                Some((gap, by)) => {
                    change += i64::from(*gap);
                    quarters += i64::from(*by);
                    span.to = change * QUARTER_MS;
                    from = span.to;
                }
                None => ended = true,
            }
            Some(span)
        })
    }
}

fn name_at(at: usize) -> &'static str {
    let end_of = |at: usize| ENDS.get(at).map_or(0, |end| usize::from(*end));
    let start = at.checked_sub(1).map_or(0, end_of);
    NAMES.get(start..end_of(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone};
    use chrono_tz::{TZ_VARIANTS, Tz};

    use super::*;
    use crate::civil;

    fn offset_of(oracle: Tz, at: i64) -> i16 {
        let at = DateTime::from_timestamp_millis(at).unwrap().naive_utc();
        (oracle.offset_from_utc_datetime(&at).fix().local_minus_utc() / 60) as i16
    }

    /// Every zone on every day of 20 years and every second day after, at changes to the quarter of an hour.
    #[test]
    fn offsets_are_those_of_the_database() {
        let (from, until) = (FROM * QUARTER_MS, 4_102_444_800_000);
        for oracle in TZ_VARIANTS {
            let zone = Zone::parse(oracle.name()).unwrap();
            assert_eq!(zone.name(), oracle.name());
            let spans: Vec<Span> = zone.spans().collect();
            assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
            let mut span = spans.iter().peekable();
            let mut at = from;
            while at < until {
                while span.peek().unwrap().to <= at {
                    span.next();
                }
                assert_eq!(
                    span.peek().unwrap().offset_ms / 60_000,
                    i64::from(offset_of(oracle, at)),
                    "{oracle} at {at}"
                );
                at += if at < from + 20 * 366 * 86_400_000 { 86_400_000 } else { 2 * 86_400_000 + 3_600_000 };
            }
            for change in spans.iter().filter(|span| span.to != i64::MAX) {
                for at in [change.to - QUARTER_MS, change.to] {
                    assert_eq!(zone.offset_minutes(UtcMillis(at)), offset_of(oracle, at), "{oracle} at {at}");
                }
            }
        }
    }

    /// Civil days start where `chrono` finds the first instant of them.
    #[test]
    fn days_start_when_the_database_says() {
        let first = NaiveDate::from_ymd_opt(2020, 1, 2).unwrap();
        for oracle in TZ_VARIANTS.into_iter().filter(|oracle| !oracle.name().starts_with("Etc/")) {
            let zone = Zone::parse(oracle.name()).unwrap();
            let changes: Vec<NaiveDate> = zone
                .spans()
                .filter(|span| span.to < 2_600_000_000_000)
                .map(|span| civil::date_of(zone, UtcMillis(span.to)))
                .chain([first])
                .collect();
            for date in changes.iter().flat_map(|date| [date.pred_opt().unwrap(), *date, date.succ_opt().unwrap()]) {
                let mut local = date.and_time(NaiveTime::MIN);
                let start = loop {
                    match oracle.from_local_datetime(&local).earliest() {
                        Some(start) => break start.timestamp_millis(),
                        None => local += TimeDelta::minutes(15),
                    }
                };
                assert_eq!(civil::day_start(zone, date).0, start, "{oracle} {date}");
            }
        }
    }

    #[test]
    fn names_are_found_without_case_and_no_others() {
        for (name, found) in [
            ("europe/berlin", Some("Europe/Berlin")),
            ("UTC", Some("UTC")),
            ("utc", Some("UTC")),
            ("America/Argentina/ComodRivadavia", Some("America/Argentina/ComodRivadavia")),
            ("Zulu", Some("Zulu")),
            ("Africa/Abidja", None),
            ("Africa/Abidjana", None),
            ("", None),
            ("\u{130}stanbul", None),
        ] {
            assert_eq!(Zone::parse(name).map(Zone::name), found, "{name}");
        }
    }

    #[test]
    fn the_ends_of_time_have_an_offset() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!([i64::MIN, 0, i64::MAX].map(|at| berlin.offset_minutes(UtcMillis(at))), [60, 60, 60]);
        assert_eq!(Zone::UTC.offset_minutes(UtcMillis(0)), 0);
        assert_eq!(Zone::parse("Asia/Kathmandu").unwrap().offset_minutes(UtcMillis(0)), 345);
    }
}
