//! What panels ask of the merged counters.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schemas::{Bucket15, EventKey, NanoUsd, UtcDay, UtcMillis};

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
    fn range(&self, from: Bucket15, to: Bucket15) -> Rc<Bucket>;

    /// Intake of `[from, to)` of receive time, by minute since 1970, ascending.
    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)>;

    /// Spend of `[from, to)`.
    fn spend(&self, from: Bucket15, to: Bucket15) -> NanoUsd {
        self.range(from, to).cost.lines.values().map(|amount| amount.nano_usd).sum()
    }

    /// Intake of `[from, to)` of receive time.
    fn intake_total(&self, from: Bucket15, to: Bucket15) -> Rc<Tally> {
        let mut total = Tally::default();
        self.intake(from.start(), to.start()).iter().for_each(|(_, tally)| total.merge(tally));
        Rc::new(total)
    }

    /// Counts by name of `[from, to)` of event time.
    fn named(&self, from: Bucket15, to: Bucket15) -> Rc<NamedTotals> {
        let _ = (from, to);
        Rc::default()
    }

    /// Observations of `[from, to)` of event time.
    fn observed(&self, from: Bucket15, to: Bucket15) -> Rc<Observed> {
        let _ = (from, to);
        Rc::default()
    }

    /// What holds until something newer is said.
    fn lasting(&self) -> Rc<Lasting> {
        Rc::default()
    }

    /// Turns of `[from, to)` of event time, whole minutes, of today and yesterday alone; hits failed.
    fn minutes(&self, from: UtcMillis, to: UtcMillis) -> BTreeMap<Served, Rate> {
        let _ = (from, to);
        BTreeMap::new()
    }

    /// The first day of which anything is counted.
    fn first_day(&self) -> Option<UtcDay> {
        None
    }
}

/// Observations of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// By quarter of the UTC day, 0–95.
    pub by_quarter: BTreeMap<u8, Sentiment>,
    /// Keys of those that are sampled for the audit.
    pub sample: BTreeSet<EventKey>,
}

impl Observed {
    /// Adds what of a day lies in `[from, to)`.
    pub fn add(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        let span = from.0..to.0.max(from.0);
        for (at, bucket) in day.buckets.range(span.clone()) {
            if let Some(sentiment) = &bucket.sentiment {
                let quarter = u8::try_from(at - date.first_bucket().0).unwrap_or(0);
                Additive::merge(self.by_quarter.entry(quarter).or_default(), sentiment);
            }
        }
        self.sample.extend(day.sample.0.range(span).flat_map(|(_, keys)| keys));
    }

    /// Adds another span's.
    pub fn merge(&mut self, other: &Self) {
        Additive::merge(&mut self.by_quarter, &other.by_quarter);
        self.sample.extend(&other.sample);
    }
}

/// What holds until something newer is said, whatever the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// The newest word on each wish and audit.
    pub notices: Notices,
    /// When each platform was last synced.
    pub synced_at: BTreeMap<String, UtcMillis>,
}

impl Lasting {
    /// Takes in a day.
    pub fn add(&mut self, date: UtcDay, day: &Day) {
        self.notices.merge(&day.notices);
        for (name, platform) in day.named.platforms.iter() {
            let buckets = platform.within(date, Bucket15(0), Bucket15(i32::MAX)).map(|(_, counts)| counts);
            let synced = buckets.filter(|counts| counts.syncs > 0).map(|counts| UtcMillis(counts.synced_at));
            synced.for_each(|at| self.note_sync(name, at));
        }
    }

    /// Takes in another's.
    pub fn merge(&mut self, other: &Self) {
        self.notices.merge(&other.notices);
        other.synced_at.iter().for_each(|(name, at)| self.note_sync(name, *at));
    }

    fn note_sync(&mut self, name: &str, at: UtcMillis) {
        let known = self.synced_at.entry(name.to_owned()).or_default();
        *known = (*known).max(at);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Folds that answer.

    use schemas::Event;

    use super::*;
    use crate::fold::{Counters, Fold};

    pub(crate) struct Folded(pub Vec<Fold>);

    impl Folded {
        /// Events that were received a moment after the last of them.
        pub fn of(events: &[Event]) -> Self {
            let mut fold = Fold::default();
            let last = events.iter().map(|event| event.ts).max().unwrap_or_default();
            fold.row(1, last, events, &Tally { stored: events.len() as u64, ..Tally::default() });
            Self(vec![fold])
        }
    }

    impl Folded {
        fn days(&self) -> impl Iterator<Item = (UtcDay, &Day)> {
            self.0.iter().flat_map(|fold| fold.days.iter().map(|(date, day)| (*date, day)))
        }
    }

    impl Counted for Folded {
        fn range(&self, from: Bucket15, to: Bucket15) -> Rc<Bucket> {
            let mut total = Bucket::default();
            let buckets = self.days().flat_map(|(_, day)| &day.buckets);
            buckets.filter(|(at, _)| (from.0..to.0).contains(at)).for_each(|(_, bucket)| total.merge(bucket));
            Rc::new(total)
        }

        fn intake(&self, _: UtcMillis, _: UtcMillis) -> Vec<(i64, Tally)> {
            Vec::new()
        }

        fn named(&self, from: Bucket15, to: Bucket15) -> Rc<NamedTotals> {
            let mut totals = NamedTotals::default();
            self.days().for_each(|(date, day)| day.named.sum(date, from, to, &mut totals));
            Rc::new(totals)
        }

        fn observed(&self, from: Bucket15, to: Bucket15) -> Rc<Observed> {
            let mut observed = Observed::default();
            self.days().for_each(|(date, day)| observed.add(date, day, from, to));
            Rc::new(observed)
        }

        fn lasting(&self) -> Rc<Lasting> {
            let mut lasting = Lasting::default();
            self.days().for_each(|(date, day)| lasting.add(date, day));
            Rc::new(lasting)
        }

        fn minutes(&self, from: UtcMillis, to: UtcMillis) -> BTreeMap<Served, Rate> {
            let mut totals = BTreeMap::new();
            self.days().for_each(|(date, day)| day.minutes.sum(date, from, to, &mut totals));
            totals
        }

        fn first_day(&self) -> Option<UtcDay> {
            self.days().map(|(date, _)| date).min()
        }
    }
}
