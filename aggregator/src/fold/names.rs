//! Counts by name, where the names come from outside.
//!
//! A day has room for so many of a kind: those that came first, in the order of the log. What comes when it is full counts under
//! [`OTHER`], so sums stay exact and memory is bounded whoever sends what. Of a name that has its place all of the day is
//! counted, whatever comes after it: a flood of names takes none from those that were there before. Once a day is full no name
//! is let in, also when another left: a name is counted wholly in its place, or wholly under [`OTHER`].

use schemas::{Bucket15, FlatMap, UtcDay};
use serde::{Deserialize, Serialize};

use crate::stats::histogram::Counts;

/// Most names of a kind in a UTC day of a Shard, [`OTHER`] beside them.
pub const NAMES_MAX: usize = 100;
/// Stands for all names for which a day had no room.
pub const OTHER: &str = ":other";
/// Stands for the name of what has none.
pub const NONE: &str = "(none)";

/// Counts that add up, and from which what was added can be taken out again.
pub trait Additive: Clone + Default + PartialEq {
    /// Adds another's counts.
    fn merge(&mut self, other: &Self);
    /// Takes out counts that were added: what is left equals what was never told of them.
    fn take_out(&mut self, other: &Self);
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Additive for $integer {
            fn merge(&mut self, other: &Self) {
                *self = self.saturating_add(*other);
            }
            fn take_out(&mut self, other: &Self) {
                *self = self.saturating_sub(*other);
            }
        }
    )*};
}

integers!(u32 u64);

impl<const N: usize> Additive for [u32; N]
where
    Self: Default,
{
    fn merge(&mut self, other: &Self) {
        self.iter_mut().zip(other).for_each(|(mine, other)| mine.merge(other));
    }

    fn take_out(&mut self, other: &Self) {
        self.iter_mut().zip(other).for_each(|(mine, other)| mine.take_out(other));
    }
}

impl<K: Ord + Clone, C: Additive> Additive for FlatMap<K, C> {
    fn merge(&mut self, other: &Self) {
        for (key, count) in other {
            match self.get_mut(key) {
                Some(mine) => mine.merge(count),
                None => drop(self.insert(key.clone(), count.clone())),
            }
        }
    }

    fn take_out(&mut self, other: &Self) {
        for (key, taken) in other {
            if let Some(mine) = self.get_mut(key) {
                mine.take_out(taken);
                if *mine == C::default() {
                    self.remove(key);
                }
            }
        }
    }
}

impl Additive for Counts {
    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }

    fn take_out(&mut self, other: &Self) {
        Self::take_out(self, other);
    }
}

/// Makes a struct of counts add up member by member.
macro_rules! additive {
    ($counts:ident: $($member:ident),+ $(,)?) => {
        impl $crate::fold::names::Additive for $counts {
            fn merge(&mut self, other: &Self) {
                $($crate::fold::names::Additive::merge(&mut self.$member, &other.$member);)+
            }
            fn take_out(&mut self, other: &Self) {
                $($crate::fold::names::Additive::take_out(&mut self.$member, &other.$member);)+
            }
        }
    };
}
pub(crate) use additive;

/// How many there were, and of how many something is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// All.
    pub n: u32,
    /// Of those: of which it is true.
    pub hits: u32,
}

additive!(Rate: n, hits);

impl Rate {
    /// One, of which it is true or not.
    #[must_use]
    pub fn of(hit: bool) -> Self {
        Self { n: 1, hits: u32::from(hit) }
    }
}

/// Counts of the buckets of a UTC day that have any, by their number in the day, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarters<C>(Vec<(u8, C)>);

impl<C: Additive> Quarters<C> {
    /// Changes the counts of a bucket.
    pub fn change(&mut self, bucket: Bucket15, change: impl FnOnce(&mut C)) {
        let at = u8::try_from(bucket.0 - bucket.utc_day().first_bucket().0).unwrap_or(u8::MAX);
        // Nearly all events come in order.
        if let Some((last, count)) = self.0.last_mut()
            && *last == at
        {
            return change(count);
        }
        let place = match self.0.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, (at, C::default()));
                place
            }
        };
        if let Some((_, count)) = self.0.get_mut(place) {
            change(count);
        }
    }

    /// The counts of this day that lie in `[from, to)`; `None` where there are none.
    #[must_use]
    pub fn sum(&self, day: UtcDay, from: Bucket15, to: Bucket15) -> Option<C> {
        let mut total: Option<C> = None;
        for (_, count) in self.within(day, from, to) {
            match &mut total {
                Some(total) => total.merge(count),
                None => total = Some(count.clone()),
            }
        }
        total
    }

    /// The buckets of this day that lie in `[from, to)`.
    pub fn within(&self, day: UtcDay, from: Bucket15, to: Bucket15) -> impl Iterator<Item = (Bucket15, &C)> {
        let first = day.first_bucket().0;
        let buckets = self.0.iter().map(move |(at, count)| (Bucket15(first + i32::from(*at)), count));
        buckets.filter(move |(bucket, _)| (from..to).contains(bucket))
    }

    /// Takes out counts that were added.
    pub fn take_out(&mut self, other: &Self) {
        for (at, taken) in &other.0 {
            if let Ok(place) = self.0.binary_search_by_key(at, |(at, _)| *at)
                && let Some((_, mine)) = self.0.get_mut(place)
            {
                mine.take_out(taken);
            }
        }
        self.0.retain(|(_, count)| *count != C::default());
    }
}

/// Counts of a UTC day by name, of at most `MAX` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names<C, const MAX: usize = NAMES_MAX>(FlatMap<String, Quarters<C>>);

impl<C: Additive, const MAX: usize> Names<C, MAX> {
    /// Changes the counts of a name in a bucket, or those of [`OTHER`].
    pub fn change(&mut self, name: &str, bucket: Bucket15, change: impl FnOnce(&mut C)) {
        if let Some(counts) = self.0.get_mut(name) {
            return counts.change(bucket, change);
        }
        let full = self.0.len() >= MAX || self.0.contains_key(OTHER);
        self.0.entry(if full { OTHER } else { name }.to_owned()).or_default().change(bucket, change);
    }

    /// Adds what of this day lies in `[from, to)`.
    pub fn sum(&self, day: UtcDay, from: Bucket15, to: Bucket15, totals: &mut FlatMap<String, C>) {
        for (name, counts) in &self.0 {
            let Some(total) = counts.sum(day, from, to) else { continue };
            match totals.get_mut(name) {
                Some(known) => known.merge(&total),
                None => drop(totals.insert(name.clone(), total)),
            }
        }
    }

    /// Takes out what was counted by others' names: from their place, or from [`OTHER`] where they have none.
    pub fn take_out(&mut self, other: &Self) {
        for (name, taken) in &other.0 {
            let name = if self.0.contains_key(name) { name } else { OTHER };
            if let Some(mine) = self.0.get_mut(name) {
                mine.take_out(taken);
                if mine.0.is_empty() {
                    self.0.remove(name);
                }
            }
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts of each name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Quarters<C>)> {
        self.0.iter().map(|(name, counts)| (name.as_str(), counts))
    }
}

#[cfg(test)]
#[path = "names_test.rs"]
mod tests;
