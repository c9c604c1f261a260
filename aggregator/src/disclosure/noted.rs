//! What is rare and looked at over years: crisis referrals and public notices, found without going through every counter.

use schemas::event::{CrisisEvent, NoticeKind};
use schemas::{Bucket15, Label, UtcDay, UtcMillis};

use super::years;
use crate::fold::Day;

/// Referrals and notices of all Shards, by day.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// By day and Shard, ascending; days with none are left out.
    days: Vec<((UtcDay, u32), OfDay)>,
    first: Option<UtcDay>,
}

#[derive(Clone, Debug, Default)]
struct OfDay {
    referrals: Vec<(Bucket15, u64)>,
    notices: Vec<(Bucket15, NoticeKind, Label)>,
}

/// A notice and its date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatedNotice {
    /// When, to the quarter of an hour.
    pub at: UtcMillis,
    /// What about.
    pub kind: NoticeKind,
    /// The app's name for it.
    pub code: Label,
}

impl Noted {
    /// *Idempotent*. Takes in a Shard's day, whole, in place of what it was before.
    pub fn note(&mut self, day: UtcDay, shard: u32, content: &Day) {
        if !content.buckets.is_empty() && self.first.is_none_or(|first| day < first) {
            self.first = Some(day);
        }
        let mut found = OfDay::default();
        for (bucket, counters) in &content.buckets {
            let (bucket, safety) = (Bucket15(*bucket), &counters.safety);
            let referrals = safety.count_of(CrisisEvent::Referral);
            if referrals > 0 {
                found.referrals.push((bucket, referrals));
            }
            found.notices.extend(safety.notices.iter().map(|((kind, code), _)| (bucket, *kind, code.clone())));
        }
        let at = self.days.binary_search_by_key(&(day, shard), |(of, _)| *of);
        let empty = found.referrals.is_empty() && found.notices.is_empty();
        match at {
            Ok(at) if empty => drop(self.days.remove(at)),
            Ok(at) => self.days.get_mut(at).into_iter().for_each(|(_, known)| known.clone_from(&found)),
            Err(at) if !empty => self.days.insert(at, ((day, shard), found)),
            Err(_) => {}
        }
    }

    /// The first UTC day of which anything was counted.
    #[must_use]
    pub fn first_day(&self) -> Option<UtcDay> {
        self.first
    }

    /// Crisis-referral notifications by California's civil year, exact.
    #[must_use]
    pub fn referrals_by_year(&self) -> Vec<(i32, u64)> {
        let mut years: Vec<(i32, u64)> = Vec::new();
        for (bucket, count) in self.days.iter().flat_map(|(_, day)| &day.referrals) {
            add_to_year(&mut years, years::year_of(bucket.start()), *count);
        }
        years
    }

    /// Crisis-referral notifications of `[from, to)`.
    #[must_use]
    pub fn referrals(&self, from: UtcMillis, to: UtcMillis) -> u64 {
        let all = self.days.iter().flat_map(|(_, day)| &day.referrals);
        all.filter(|(bucket, _)| (from..to).contains(&bucket.start())).map(|(_, count)| count).sum()
    }

    /// Notices before `to`, oldest first, each once.
    #[must_use]
    pub fn notices(&self, to: UtcMillis) -> Vec<DatedNotice> {
        let all = self.days.iter().flat_map(|(_, day)| &day.notices);
        let mut notices: Vec<DatedNotice> = Vec::new();
        for (bucket, kind, code) in all.filter(|(bucket, ..)| bucket.start() < to) {
            let notice = DatedNotice { at: bucket.start(), kind: *kind, code: code.clone() };
            if let Err(at) = notices.binary_search(&notice) {
                notices.insert(at, notice);
            }
        }
        notices
    }
}

/// Adds to a year's number, keeping years ascending.
pub fn add_to_year(years: &mut Vec<(i32, u64)>, year: i32, count: u64) {
    match years.binary_search_by_key(&year, |(of, _)| *of) {
        Ok(at) => years.get_mut(at).into_iter().for_each(|(_, sum)| *sum = sum.saturating_add(count)),
        Err(at) => years.insert(at, (year, count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Bucket;

    fn at(text: &str) -> Bucket15 {
        Bucket15::of(UtcMillis::parse_rfc3339(text).unwrap())
    }

    fn day(counts: &[(Bucket15, u64)]) -> Day {
        let mut day = Day::default();
        for (bucket, count) in counts {
            let mut counters = Bucket::default();
            counters.safety.crisis.insert((CrisisEvent::Referral, 3), *count);
            counters.safety.crisis.insert((CrisisEvent::Flagged, 3), 9);
            day.buckets.insert(bucket.0, counters);
        }
        day
    }

    #[test]
    fn years_are_californias() {
        let (before, after) = (at("2027-01-01T07:45:00Z"), at("2027-01-01T08:00:00Z"));
        let mut noted = Noted::default();
        for _ in 0..2 {
            noted.note(before.utc_day(), 0, &day(&[(before, 2), (after, 3)]));
            noted.note(before.utc_day(), 1, &day(&[(after, 5)]));
        }
        assert_eq!(noted.referrals_by_year(), [(2026, 2), (2027, 8)]);
        assert_eq!(noted.referrals(before.start(), after.start()), 2);
        noted.note(before.utc_day(), 0, &Day::default());
        assert_eq!(noted.referrals_by_year(), [(2027, 5)]);
        assert_eq!(noted.first_day(), Some(before.utc_day()));
    }

    #[test]
    fn a_notice_is_told_once_with_its_date() {
        let bucket = at("2026-11-02T10:00:00Z");
        let mut counters = Bucket::default();
        counters.safety.notices.push(((NoticeKind::SafetyPolicy, Label::parse("v2").unwrap()), 3));
        let content = Day { buckets: [(bucket.0, counters)].into(), ..Day::default() };
        let mut noted = Noted::default();
        noted.note(bucket.utc_day(), 0, &content);
        noted.note(bucket.utc_day(), 1, &content);
        let notices = noted.notices(bucket.start().plus_ms(1));
        assert_eq!(notices.len(), 1);
        assert_eq!((notices[0].at, notices[0].code.as_str()), (bucket.start(), "v2"));
        assert!(noted.notices(bucket.start()).is_empty());
    }
}
