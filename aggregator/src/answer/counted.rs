//! What panels ask of the merged counters.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Bucket15, EventKey, UtcDay, UtcMillis};

use crate::fold::health::Served;
use crate::fold::intake::Tally;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, Rate};
use crate::fold::notices::Notices;
use crate::fold::sentiment::Sentiment;
use crate::fold::{Bucket, Day};

/// Counters of a range of buckets, merged over all Shards.
pub trait Counted {
    /// Counters of `[from, to)` of event time.
    fn range(&self, from: Bucket15, to: Bucket15) -> Bucket;

    /// Intake of `[from, to)` of receive time, by minute since 1970, ascending.
    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)>;

    /// The days from one to another, both included, ascending; a day several times where several Shards have it.
    fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, &Day)> {
        let _ = (from, to);
        Vec::new()
    }

    /// Counts by name of `[from, to)` of event time.
    fn named(&self, from: Bucket15, to: Bucket15) -> NamedTotals {
        let mut totals = NamedTotals::default();
        for (date, day) in days_of(self, from, to) {
            day.named.sum(date, from, to, &mut totals);
        }
        totals
    }

    /// Observations of `[from, to)` of event time by quarter of the UTC day, 0–95.
    fn sentiment_by_quarter(&self, from: Bucket15, to: Bucket15) -> BTreeMap<u8, Sentiment> {
        let mut quarters: BTreeMap<u8, Sentiment> = BTreeMap::new();
        for (date, day) in days_of(self, from, to) {
            for (at, bucket) in day.buckets.range(from.0..to.0.max(from.0)) {
                if let Some(sentiment) = &bucket.sentiment {
                    let quarter = u8::try_from(at - date.first_bucket().0).unwrap_or(0);
                    Additive::merge(quarters.entry(quarter).or_default(), sentiment);
                }
            }
        }
        quarters
    }

    /// Turns of `[from, to)` of event time, whole minutes, of today and yesterday alone; hits failed.
    fn minutes(&self, from: UtcMillis, to: UtcMillis) -> BTreeMap<Served, Rate> {
        let mut totals = BTreeMap::new();
        for (date, day) in self.days(UtcDay::of(from), UtcDay::of(to)) {
            day.minutes.sum(date, from, to, &mut totals);
        }
        totals
    }

    /// The newest word on each wish and audit.
    fn notices(&self) -> Notices {
        let mut notices = Notices::default();
        self.days(UtcDay(0), UtcDay(i32::MAX)).iter().for_each(|(_, day)| notices.merge(&day.notices));
        notices
    }

    /// Keys of sampled observations of `[from, to)` of event time.
    fn sample(&self, from: Bucket15, to: Bucket15) -> BTreeSet<EventKey> {
        let days = days_of(self, from, to).into_iter();
        days.flat_map(|(_, day)| day.sample.0.range(from.0..to.0.max(from.0)).flat_map(|(_, keys)| keys))
            .copied()
            .collect()
    }

    /// When each platform was last synced, ever.
    fn synced_at(&self) -> BTreeMap<String, UtcMillis> {
        let mut latest: BTreeMap<String, UtcMillis> = BTreeMap::new();
        for (date, day) in self.days(UtcDay(0), UtcDay(i32::MAX)) {
            for (name, platform) in day.named.platforms.iter() {
                let synced =
                    platform.within(date, Bucket15(0), Bucket15(i32::MAX)).filter(|(_, counts)| counts.syncs > 0);
                for (_, counts) in synced {
                    let known = latest.entry(name.to_owned()).or_default();
                    *known = (*known).max(UtcMillis(counts.synced_at));
                }
            }
        }
        latest
    }

    /// The first day of which anything is counted.
    fn first_day(&self) -> Option<UtcDay> {
        self.days(UtcDay(0), UtcDay(i32::MAX)).first().map(|(day, _)| *day)
    }
}

/// The days that `[from, to)` touches.
fn days_of<C: Counted + ?Sized>(counted: &C, from: Bucket15, to: Bucket15) -> Vec<(UtcDay, &Day)> {
    if from < to { counted.days(from.utc_day(), Bucket15(to.0 - 1).utc_day()) } else { Vec::new() }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A fold that answers.

    use schemas::Event;

    use super::*;
    use crate::fold::{Counters, Fold};

    pub(crate) struct Folded(pub Fold);

    impl Folded {
        /// Events that were received a moment after the last of them.
        pub fn of(events: &[Event]) -> Self {
            let mut fold = Fold::default();
            let last = events.iter().map(|event| event.ts).max().unwrap_or_default();
            fold.row(1, last, events, &Tally { stored: events.len() as u64, ..Tally::default() });
            Self(fold)
        }
    }

    impl Counted for Folded {
        fn range(&self, from: Bucket15, to: Bucket15) -> Bucket {
            let mut total = Bucket::default();
            let buckets = self.0.days.values().flat_map(|day| &day.buckets);
            buckets.filter(|(at, _)| (from.0..to.0).contains(at)).for_each(|(_, bucket)| total.merge(bucket));
            total
        }

        fn intake(&self, _: UtcMillis, _: UtcMillis) -> Vec<(i64, Tally)> {
            Vec::new()
        }

        fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, &Day)> {
            self.0.days.range(from..=to).map(|(date, day)| (*date, day)).collect()
        }
    }
}
