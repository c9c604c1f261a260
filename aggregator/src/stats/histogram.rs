//! Counts of latencies, amounts and other numbers, for every bucket of time: few bytes, and what was counted can be taken out.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::layout::{self, bin_of};
use super::quantile;

/// Most that a quantile is off, as a share of it, where it is not exact.
pub const RELATIVE_ERROR: f64 = layout::RELATIVE_ERROR;

/// Bits of an entry that hold its count; the bin is above them.
const COUNT_BITS: u32 = 48;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// How often values of each log-linear bin occurred.
///
/// Stored as pairs of numbers: how far the bin is from the last one, and its count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bin and count in eight bytes, ascending, no count 0.
    entries: Vec<u64>,
}

impl Counts {
    /// Counts a value.
    pub fn record(&mut self, value: impl Into<u64>) {
        self.add(bin_of(value.into()), 1);
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(bin(*entry), count(*entry));
        }
    }

    /// Takes out counts that were folded in: what is left equals what was never told of them.
    pub fn take_out(&mut self, other: &Self) {
        for taken in &other.entries {
            if let Ok(place) = self.entries.binary_search_by_key(&bin(*taken), |entry| bin(*entry))
                && let Some(entry) = self.entries.get_mut(place)
            {
                *entry -= count(*taken).min(count(*entry));
            }
        }
        self.entries.retain(|entry| count(*entry) > 0);
    }

    fn add(&mut self, to: u16, more: u64) {
        match self.entries.binary_search_by_key(&to, |entry| bin(*entry)) {
            Ok(place) => {
                if let Some(entry) = self.entries.get_mut(place) {
                    *entry += more.min(COUNT_MAX - count(*entry));
                }
            }
            Err(place) => self.entries.insert(place, u64::from(to) << COUNT_BITS | more.min(COUNT_MAX)),
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many values were counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.entries.iter().map(|entry| count(*entry)).sum()
    }

    /// The `q`-quantile (type 1) and whether it is exact: a value below 512, else the middle of its bin, off by at most
    /// [`RELATIVE_ERROR`]. `None` of no values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<(u64, bool)> {
        self.at_rank(quantile::rank(self.n(), q))
    }

    /// Interval of the `q`-quantile by [`quantile::interval`], `None` where there is none: from the least value of the lower
    /// rank's bin to the greatest of the upper one's, so that it covers as much as the values' own.
    #[must_use]
    pub fn quantile_interval(&self, q: f64) -> Option<[u64; 2]> {
        let (lower, upper) = quantile::interval(self.n(), q)?;
        let (low, _) = layout::bounds(self.bin_at(lower)?);
        let (high, width) = layout::bounds(self.bin_at(upper)?);
        Some([low, high + (width - 1)])
    }

    fn at_rank(&self, rank: u64) -> Option<(u64, bool)> {
        self.bin_at(rank).map(layout::middle)
    }

    /// The value that stands for each bin, whether it is the only one in it, and how many values the bin has, ascending.
    pub fn bins(&self) -> impl Iterator<Item = (u64, bool, u64)> {
        self.entries.iter().map(|entry| {
            let (value, only) = layout::middle(bin(*entry));
            (value, only, count(*entry))
        })
    }

    fn bin_at(&self, rank: u64) -> Option<u16> {
        let mut up_to = 0;
        self.entries
            .iter()
            .find(|entry| {
                up_to += count(**entry);
                up_to >= rank
            })
            .map(|entry| bin(*entry))
    }

    /// How many values exceeded `limit`: those of bins whose middle does, so only values within [`RELATIVE_ERROR`] of the limit may
    /// be taken for the other side.
    #[must_use]
    pub fn over(&self, limit: u64) -> u64 {
        let over = |entry: &&u64| layout::middle(bin(**entry)).0 > limit;
        self.entries.iter().filter(over).map(|entry| count(*entry)).sum()
    }

    /// Share of values that exceeded `limit`, in [0, 1], counted as [`Counts::over`] does. `None` of no values.
    #[must_use]
    pub fn share_over(&self, limit: u64) -> Option<f64> {
        let n = self.n();
        (n > 0).then(|| self.over(limit) as f64 / n as f64)
    }
}

fn bin(entry: u64) -> u16 {
    (entry >> COUNT_BITS) as u16
}

fn count(entry: u64) -> u64 {
    entry & COUNT_MAX
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        let mut numbers: Vec<u64> = Vec::with_capacity(2 * self.entries.len());
        for entry in &self.entries {
            let bin = u64::from(bin(*entry));
            numbers.extend([bin - last, count(*entry)]);
            last = bin;
        }
        numbers.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<u64>::deserialize(deserializer)?;
        let mut counts = Self { entries: Vec::with_capacity(numbers.len() / 2) };
        let mut last = 0_u64;
        for pair in numbers.chunks(2) {
            match *pair {
                [apart, count @ 1..=COUNT_MAX] if (apart > 0 || counts.is_empty()) && apart <= BIN_MAX - last => {
                    last += apart;
                    counts.entries.push(last << COUNT_BITS | count);
                }
                _ => return Err(de::Error::custom("bins must ascend and have counts")),
            }
        }
        Ok(counts)
    }
}

/// The bin of the greatest value.
const BIN_MAX: u64 = 55 * 256 + 511;

#[cfg(test)]
pub(crate) mod testing {
    use super::Counts;

    pub(crate) fn counts(values: &[u64]) -> Counts {
        let mut counts = Counts::default();
        values.iter().for_each(|value| counts.record(*value));
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fold::{decode, encode};

    fn counts(values: &[u32]) -> Counts {
        let mut counts = Counts::default();
        values.iter().for_each(|value| counts.record(*value));
        counts
    }

    fn values() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec((any::<u32>(), 0u32..32).prop_map(|(value, shift)| value >> shift), 0..60)
    }

    #[test]
    fn a_latency_takes_few_bytes() {
        let bytes = |values: &[u32]| rmp_serde::to_vec(&counts(values)).unwrap().len();
        assert_eq!((bytes(&[]), bytes(&[1_840]), bytes(&[u32::MAX]), bytes(&[7; 100])), (1, 5, 5, 3));
        assert_eq!(bytes(&[1_800, 1_840, 1_900, 2_000, 2_400]), 13);
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        let read = |numbers: &[u64]| decode::<Counts>(&encode(&numbers).unwrap());
        assert_eq!(read(&[7, 2, 1, 1]).unwrap(), counts(&[7, 7, 8]));
        for numbers in
            [&[7][..], &[7, 0], &[7, 1, 0, 1], &[BIN_MAX + 1, 1], &[1, 1, BIN_MAX, 1], &[u64::MAX, 1], &[1, u64::MAX]]
        {
            assert!(read(numbers).is_err(), "{numbers:?}");
        }
        assert_eq!(u64::from(bin_of(u64::MAX)), BIN_MAX);
    }

    #[test]
    fn counts_stop_at_their_end() {
        let mut most = decode::<Counts>(&encode(&[7, COUNT_MAX]).unwrap()).unwrap();
        most.merge(&counts(&[7, 8]));
        assert_eq!((most.n(), most.quantile(1.0)), (COUNT_MAX + 1, Some((8, true))));
    }

    #[test]
    fn limits_are_read_at_the_bins() {
        let counts = counts(&[100, 1_999, 2_000, 2_001, 2_010, 5_100]);
        assert_eq!((counts.over(99), counts.over(100), counts.over(u64::MAX)), (6, 5, 0));
        assert_eq!((counts.over(1_990), counts.over(2_005), counts.share_over(5_000)), (5, 2, Some(1.0 / 6.0)));
        assert_eq!(Counts::default().share_over(1), None);
    }

    proptest! {
        #[test]
        fn merged_in_any_order_and_taken_out_again(a in values(), b in values(), c in values()) {
            let whole = counts(&[a.clone(), b.clone(), c.clone()].concat());
            let (a, b, c) = (counts(&a), counts(&b), counts(&c));
            let mut merged = c.clone();
            merged.merge(&b);
            merged.merge(&a);
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(&decode::<Counts>(&encode(&whole).unwrap()).unwrap(), &whole);
            merged.take_out(&b);
            let mut others = a;
            others.merge(&c);
            prop_assert_eq!(&merged, &others);
            merged.take_out(&whole);
            prop_assert_eq!(merged, Counts::default());
        }

        #[test]
        fn quantiles_are_as_near_as_said(mut values in values(), q in 0f64..=1.0, limit: u32) {
            let counts = counts(&values);
            values.sort_unstable();
            prop_assert_eq!(counts.n(), values.len() as u64);
            let near = |value: u32, said: u64| u64::from(value).abs_diff(said) as f64 <= f64::from(value) * RELATIVE_ERROR;
            match (counts.quantile(q), quantile::of_sorted(&values, q)) {
                (Some((said, exact)), Some(value)) => prop_assert!(near(value, said) && (!exact || said == u64::from(value))),
                (said, value) => prop_assert!(said.is_none() && value.is_none()),
            }
            if let Some((lower, upper)) = quantile::interval(counts.n(), q) {
                let [low, high] = counts.quantile_interval(q).unwrap();
                let (lower, upper) = (values[lower as usize - 1], values[upper as usize - 1]);
                let (lower, upper) = (u64::from(lower), u64::from(upper));
                prop_assert!(low <= lower && upper <= high && bin_of(low) == bin_of(lower) && bin_of(high) == bin_of(upper));
            }
            let surely = |shift: f64| values.iter().filter(|v| f64::from(**v) > f64::from(limit) * (1.0 + shift)).count() as u64;
            prop_assert!(surely(0.004) <= counts.over(limit.into()) && counts.over(limit.into()) <= surely(-0.004));
        }
    }
}
