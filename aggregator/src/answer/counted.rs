//! What panels ask of the merged counters.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schemas::time::{DAY_MS, MINUTE_MS};
use schemas::{Bucket15, EventKey, FlatMap, NanoUsd, UtcDay, UtcMillis};

use crate::fold::health::Served;
use crate::fold::intake::Tally;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, Rate};
use crate::fold::notices::Notices;
use crate::fold::sentiment::Sentiment;
use crate::fold::{Bucket, Counters, Day};

/// Something summed over a span of buckets: of parts of days, whose sums add up.
pub trait Part: Clone + Default {
    /// Sums of single days are small enough to be kept.
    const KEEPS_DAYS: bool = false;
    /// Adds what of a day lies in `[from, to)`.
    fn read(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15);
    /// Adds the sum of another span.
    fn join(&mut self, other: &Self);
}

impl Part for Bucket {
    const KEEPS_DAYS: bool = true;
    fn read(&mut self, _: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        day.buckets.range(from.0..to.0).for_each(|(_, bucket)| self.merge(bucket));
    }
    fn join(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Part for NamedTotals {
    fn read(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        day.named.sum(date, from, to, self);
    }
    fn join(&mut self, other: &Self) {
        self.merge(other);
    }
}

/// Of receive time.
impl Part for Tally {
    const KEEPS_DAYS: bool = true;
    fn read(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        tallies(date, day, from.start(), to.start()).for_each(|(_, tally)| self.merge(tally));
    }
    fn join(&mut self, other: &Self) {
        self.merge(other);
    }
}

/// Tallies of a day by minute since 1970.
fn tallies(date: UtcDay, day: &Day, from: UtcMillis, to: UtcMillis) -> impl Iterator<Item = (i64, &Tally)> {
    let first = i64::from(date.0) * (DAY_MS / MINUTE_MS);
    let minutes = day.intake.0.iter().map(move |(minute, tally)| (first + i64::from(*minute), tally));
    minutes.filter(move |(minute, _)| (from.minute()..to.minute()).contains(minute))
}

/// Observations by quarter of the UTC day, 0–95.
#[derive(Clone, Debug, Default)]
pub struct ByQuarter(pub BTreeMap<u8, Sentiment>);

impl Part for ByQuarter {
    fn read(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        for (at, bucket) in day.buckets.range(from.0..to.0) {
            if let Some(sentiment) = &bucket.sentiment {
                let quarter = u8::try_from(at - date.first_bucket().0).unwrap_or(0);
                Additive::merge(self.0.entry(quarter).or_default(), sentiment);
            }
        }
    }
    fn join(&mut self, other: &Self) {
        for (quarter, sentiment) in &other.0 {
            Additive::merge(self.0.entry(*quarter).or_default(), sentiment);
        }
    }
}

/// Most keys of sampled observations that are told.
pub const SAMPLED_SHOWN: usize = 200;

/// Keys of sampled observations, the first [`SAMPLED_SHOWN`].
#[derive(Clone, Debug, Default)]
pub struct Sample(pub BTreeSet<EventKey>);

impl Sample {
    fn add(&mut self, keys: impl Iterator<Item = EventKey>) {
        self.0.extend(keys);
        while self.0.len() > SAMPLED_SHOWN {
            self.0.pop_last();
        }
    }
}

impl Part for Sample {
    fn read(&mut self, _: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        self.add(day.sample.0.range(from.0..to.0).flat_map(|(_, keys)| keys.iter().copied()));
    }
    fn join(&mut self, other: &Self) {
        self.add(other.0.iter().copied());
    }
}

/// What holds until something newer is said.
#[derive(Clone, Debug, Default)]
pub struct LastWords {
    /// On each wish and audit.
    pub notices: Notices,
    /// When each platform was last synced.
    pub synced_at: BTreeMap<String, UtcMillis>,
}

impl LastWords {
    fn synced(&mut self, platform: &str, at: UtcMillis) {
        match self.synced_at.get_mut(platform) {
            Some(known) => *known = at.max(*known),
            None => drop(self.synced_at.insert(platform.to_owned(), at)),
        }
    }
}

impl Part for LastWords {
    fn read(&mut self, date: UtcDay, day: &Day, from: Bucket15, to: Bucket15) {
        self.notices.merge(&day.notices);
        for (name, platform) in day.named.platforms.iter() {
            for (_, counts) in platform.within(date, from, to).filter(|(_, counts)| counts.syncs > 0) {
                self.synced(name, UtcMillis(counts.synced_at));
            }
        }
    }
    fn join(&mut self, other: &Self) {
        self.notices.merge(&other.notices);
        other.synced_at.iter().for_each(|(platform, at)| self.synced(platform, *at));
    }
}

/// Counters of a range of buckets, merged over all Shards. An implementation may keep the sums.
pub trait Counted {
    /// The days from one to another, both included, ascending; a day several times where several Shards have it.
    fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, Rc<Day>)>;

    /// The first and the last day of which anything is counted.
    fn ever(&self) -> Option<(UtcDay, UtcDay)>;

    /// Counters of `[from, to)` of event time.
    fn range(&self, from: Bucket15, to: Bucket15) -> Rc<Bucket> {
        summed(self, from, to)
    }

    /// Counts by name of `[from, to)` of event time.
    fn named(&self, from: Bucket15, to: Bucket15) -> Rc<NamedTotals> {
        summed(self, from, to)
    }

    /// Intake of `[from, to)` of receive time.
    fn intake_total(&self, from: Bucket15, to: Bucket15) -> Rc<Tally> {
        summed(self, from, to)
    }

    /// Observations of `[from, to)` of event time.
    fn sentiment_by_quarter(&self, from: Bucket15, to: Bucket15) -> Rc<ByQuarter> {
        summed(self, from, to)
    }

    /// Sampled observations of `[from, to)` of event time.
    fn sample(&self, from: Bucket15, to: Bucket15) -> Rc<Sample> {
        summed(self, from, to)
    }

    /// What was last said in the days that `[from, to)` touches.
    fn last_words(&self, from: Bucket15, to: Bucket15) -> Rc<LastWords> {
        summed(self, from, to)
    }

    /// What was last said ever.
    fn last_words_ever(&self) -> Rc<LastWords> {
        let span = self.ever().map(|(first, last)| (first.first_bucket(), UtcDay(last.0 + 1).first_bucket()));
        span.map_or_else(Rc::default, |(from, to)| self.last_words(from, to))
    }

    /// Spend of `[from, to)` of event time.
    fn spend(&self, from: Bucket15, to: Bucket15) -> NanoUsd {
        self.range(from, to).cost.lines.values().map(|amount| amount.nano_usd).sum()
    }

    /// Intake of `[from, to)` of receive time, by minute since 1970, ascending.
    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)> {
        let mut minutes: BTreeMap<i64, Tally> = BTreeMap::new();
        for (date, day) in self.days(UtcDay::of(from), UtcDay::of(to)) {
            tallies(date, &day, from, to).for_each(|(minute, tally)| minutes.entry(minute).or_default().merge(tally));
        }
        minutes.into_iter().collect()
    }

    /// Turns of `[from, to)` of event time, whole minutes, of today and yesterday alone; hits failed.
    fn minutes(&self, from: UtcMillis, to: UtcMillis) -> FlatMap<Served, Rate> {
        let mut totals = FlatMap::new();
        for (date, day) in self.days(UtcDay::of(from), UtcDay::of(to)) {
            day.minutes.sum(date, from, to, &mut totals);
        }
        totals
    }
}

fn summed<T: Part, C: Counted + ?Sized>(counted: &C, from: Bucket15, to: Bucket15) -> Rc<T> {
    let days = if from < to { counted.days(from.utc_day(), Bucket15(to.0 - 1).utc_day()) } else { Vec::new() };
    Rc::new(sum_of(&days, from, to))
}

/// What of days lies in `[from, to)`.
pub(crate) fn sum_of<T: Part>(days: &[(UtcDay, Rc<Day>)], from: Bucket15, to: Bucket15) -> T {
    let mut sum = T::default();
    days.iter().for_each(|(date, day)| sum.read(*date, day, from, to));
    sum
}

#[cfg(test)]
pub(crate) mod testing {
    //! Folds that answer.

    use schemas::{Body, Event};
    use serde_json::Value;

    use super::*;
    use crate::answer::{Facts, admin};
    use crate::fold::Fold;
    use crate::fold::testing::turn;

    /// What is answered, read from its text.
    pub(crate) fn answer(facts: &Facts<'_>) -> Value {
        let text = serde_json::to_string(&admin(facts)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let members = |text: &str| text.matches("\":").count();
        assert_eq!(members(&value.to_string()), members(&text), "a member is there twice");
        value
    }

    pub(crate) fn at(text: &str) -> UtcMillis {
        UtcMillis::parse_rfc3339(text).unwrap()
    }

    /// Events of no one, each with its time and body.
    pub(crate) fn events(all: &[(&str, Value)]) -> Vec<Event> {
        let event = |(n, (time, body)): (usize, &(&str, Value))| {
            let body: Body = serde_json::from_value(body.clone()).unwrap();
            Event { body, ..turn(n as u128 + 1, None, None, at(time).0, None, 0) }
        };
        all.iter().enumerate().map(event).collect()
    }

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

    impl Counted for Folded {
        fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, Rc<Day>)> {
            let days = self.0.iter().flat_map(|fold| fold.days.range(from..=to));
            days.map(|(date, day)| (*date, Rc::new(day.clone()))).collect()
        }
        fn ever(&self) -> Option<(UtcDay, UtcDay)> {
            let days = || self.0.iter().flat_map(|fold| fold.days.keys()).copied();
            days().min().zip(days().max())
        }
    }
}
