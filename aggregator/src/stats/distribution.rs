//! A distribution of amounts: every value while they are few, log-linear bins when they are many.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bootstrap::{self, Moments};
use super::layout::{self, bin_of};
use super::quantile;

/// Up to so many values each one is kept.
pub const EXACT_MAX: usize = 4_096;

/// Most that a value read from a bin is off, as a share of it.
pub const RELATIVE_ERROR: f64 = layout::RELATIVE_ERROR;

/// Most bins of a chart.
pub const CHART_BINS_MAX: usize = 32;

/// A summary of non-negative integers that merges with others of its kind.
///
/// Up to [`EXACT_MAX`] values it is the values; beyond, a histogram in which a value is off by at most [`RELATIVE_ERROR`],
/// and each bin knows its exact sum. It depends on the multiset of values alone: merged in any order and grouping, it is the
/// same. Negative values count as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Ascending; empty when there are bins.
    values: Vec<i64>,
    /// Ascending, none of them empty.
    bins: Vec<Bin>,
    /// Least and greatest value, when there are bins.
    ends: (i64, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bin {
    at: u16,
    n: u64,
    /// Sum of what its values are above its lowest one.
    above: u128,
}

impl Bin {
    fn of(value: i64) -> Self {
        let value = value.unsigned_abs();
        let at = bin_of(value);
        Self { at, n: 1, above: u128::from(value - layout::bounds(at).0) }
    }

    fn add(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.above = self.above.saturating_add(other.above);
    }

    fn sum(&self) -> i128 {
        let low = u128::from(layout::bounds(self.at).0);
        i128::try_from(low.saturating_mul(self.n.into()).saturating_add(self.above)).unwrap_or(i128::MAX)
    }
}

/// Bins of both, each once. Both ascend, and may repeat a bin.
fn join(mut left: &[Bin], mut right: &[Bin]) -> Vec<Bin> {
    let mut joined: Vec<Bin> = Vec::with_capacity(left.len().max(right.len()));
    loop {
        let next = match (left.split_first(), right.split_first()) {
            (Some((bin, rest)), other) if other.is_none_or(|(other, _)| bin.at <= other.at) => {
                left = rest;
                bin
            }
            (_, Some((bin, rest))) => {
                right = rest;
                bin
            }
            _ => return joined,
        };
        match joined.last_mut() {
            Some(last) if last.at == next.at => last.add(next),
            _ => joined.push(*next),
        }
    }
}

impl Distribution {
    /// Of these values, in any order.
    #[must_use]
    pub fn of_values(values: Vec<i64>) -> Self {
        let mut all = Self { values, ..Self::default() };
        all.values.iter_mut().for_each(|value| *value = (*value).max(0));
        all.values.sort_unstable();
        all.settle();
        all
    }

    /// Adds a value.
    pub fn push(&mut self, value: i64) {
        let value = value.max(0);
        if self.bins.is_empty() {
            let place = self.values.partition_point(|other| *other <= value);
            self.values.insert(place, value);
            return self.settle();
        }
        self.ends = (self.ends.0.min(value), self.ends.1.max(value));
        let bin = Bin::of(value);
        match self.bins.binary_search_by_key(&bin.at, |other| other.at) {
            Ok(place) => self.bins.get_mut(place).into_iter().for_each(|other| other.add(&bin)),
            Err(place) => self.bins.insert(place, bin),
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        self.ends = match (self.bins.is_empty(), other.bins.is_empty()) {
            (_, true) => self.ends,
            (true, false) => other.ends,
            (false, false) => (self.ends.0.min(other.ends.0), self.ends.1.max(other.ends.1)),
        };
        self.bins = join(&self.bins, &other.bins);
        self.values.extend_from_slice(&other.values);
        self.values.sort_unstable();
        self.settle();
    }

    /// Moves the values into bins when they are too many.
    fn settle(&mut self) {
        if self.bins.is_empty() && self.values.len() <= EXACT_MAX {
            return;
        }
        if let (Some(least), Some(greatest)) = (self.values.first(), self.values.last()) {
            let (low, high) = if self.bins.is_empty() { (*least, *greatest) } else { self.ends };
            self.ends = (low.min(*least), high.max(*greatest));
        }
        let more: Vec<Bin> = self.values.iter().map(|value| Bin::of(*value)).collect();
        self.bins = join(&self.bins, &more);
        self.values = Vec::new();
    }

    /// How many values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.values.len() as u64 + self.bins.iter().map(|bin| bin.n).sum::<u64>()
    }

    /// Exact sum.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.values.iter().map(|value| i128::from(*value)).chain(self.bins.iter().map(Bin::sum)).sum()
    }

    /// Mean, rounded half to even, from the exact sum. `None` of no values.
    #[must_use]
    pub fn mean_half_even(&self) -> Option<i64> {
        mean_half_even(self.sum(), self.n())
    }

    /// Least value, exact.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        if self.bins.is_empty() { self.values.first().copied() } else { Some(self.ends.0) }
    }

    /// Greatest value, exact.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        if self.bins.is_empty() { self.values.last().copied() } else { Some(self.ends.1) }
    }

    /// How far a quantile may be off, as a share of it; `None` when all of them are exact.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        self.bins.last().filter(|bin| layout::bounds(bin.at).1 > 1).map(|_| RELATIVE_ERROR)
    }

    /// The `q`-quantile (type 1), and whether it is exact; else it is the middle of its bin. `None` of no values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<(i64, bool)> {
        let rank = quantile::rank(self.n(), q);
        if self.bins.is_empty() {
            return quantile::of_sorted(&self.values, q).map(|value| (value, true));
        }
        if rank == 1 || rank == self.n() {
            return Some((if rank == 1 { self.ends.0 } else { self.ends.1 }, true));
        }
        let bin = self.bin_at(rank)?;
        if bin.n == 1 {
            return i64::try_from(bin.sum()).ok().map(|value| (value, true));
        }
        let (middle, exact) = layout::middle(bin.at);
        let (least, greatest) = self.ends;
        Some((i64::try_from(middle).ok()?.clamp(least, greatest), exact || least == greatest))
    }

    /// Whether a quantile's interval ends in values themselves.
    #[must_use]
    pub fn is_exact(&self, ends: [i64; 2]) -> bool {
        let known =
            |end: i64| [self.ends.0, self.ends.1].contains(&end) || layout::bounds(bin_of(end.unsigned_abs())).1 == 1;
        self.bins.is_empty() || ends.into_iter().all(known)
    }

    /// Interval of the `q`-quantile by [`quantile::interval`], `None` where there is none.
    ///
    /// Of bins: from the least value of the lower rank's to the greatest of the upper one's, so that it covers as much as the
    /// values' own.
    #[must_use]
    pub fn quantile_interval(&self, q: f64) -> Option<[i64; 2]> {
        let (lower, upper) = quantile::interval(self.n(), q)?;
        if self.bins.is_empty() {
            let at = |rank: u64| self.values.get(usize::try_from(rank - 1).ok()?).copied();
            return Some([at(lower)?, at(upper)?]);
        }
        let (low, _) = layout::bounds(self.bin_at(lower)?.at);
        let (high, width) = layout::bounds(self.bin_at(upper)?.at);
        let (low, high) = (i64::try_from(low).ok()?, i64::try_from(high + (width - 1)).ok()?);
        Some([low.max(self.ends.0), high.min(self.ends.1)])
    }

    fn bin_at(&self, rank: u64) -> Option<&Bin> {
        let mut up_to = 0;
        self.bins.iter().find(|bin| {
            up_to += bin.n;
            up_to >= rank
        })
    }

    /// Mean from the exact sum, and the higher sums: of the values, or of each bin's mean.
    #[must_use]
    pub fn moments(&self) -> Moments {
        Moments::of_bins(self.groups().map(|(sum, n)| (sum as f64 / n as f64, n)))
    }

    /// Sums and counts of values that are not told apart.
    fn groups(&self) -> impl Iterator<Item = (i128, u64)> {
        let values = self.values.iter().map(|value| (i128::from(*value), 1));
        values.chain(self.bins.iter().map(|bin| (bin.sum(), bin.n)))
    }

    /// Interval of the mean by [`bootstrap::mean`], `None` below two values.
    #[must_use]
    pub fn mean_interval(&self, seed: u64) -> Option<[f64; 2]> {
        if self.bins.is_empty() {
            let values: Vec<f64> = self.values.iter().map(|value| *value as f64).collect();
            return bootstrap::mean(&values, seed);
        }
        bootstrap::of_moments(&self.moments())
    }

    /// The values in `parts` parts of (about) as many each, greatest first: how many, and their sum. Values that are not told apart
    /// count with their mean.
    #[must_use]
    pub fn top_sums(&self, parts: u64) -> Vec<(u64, i128)> {
        let n = self.n();
        let mut rows = vec![(0, 0); parts as usize];
        let groups: Vec<(i128, u64)> = self.groups().collect();
        let mut from = 0;
        for (sum, count) in groups.into_iter().rev() {
            let mut left = count;
            let mut taken = 0;
            while left > 0 {
                // Part p holds the ranks up to ⌈n·(p + 1) / parts⌉.
                let part = (0..parts).find(|part| from < (n * (part + 1)).div_ceil(parts)).unwrap_or(0);
                let here = left.min((n * (part + 1)).div_ceil(parts) - from);
                let upto = sum * i128::from(count - left + here) / i128::from(count);
                if let Some(row) = rows.get_mut(part as usize) {
                    *row = (row.0 + here, row.1 + upto - taken);
                }
                taken = upto;
                from += here;
                left -= here;
            }
        }
        rows
    }

    /// Bars of a chart on a log scale: ascending upper bounds (inclusive) of the series 1, 2, 5, 10 … with the number of values
    /// since the last bound, and by how many that may be off, at most [`CHART_BINS_MAX`], the greatest value in the last.
    ///
    /// Zeros have a bar of their own, with the bound 0. When the series is too long, the bar after it counts all that is
    /// smaller. Values of one bin count where their mean is.
    #[must_use]
    pub fn histogram(&self) -> Vec<(i64, u64, u64)> {
        let (Some(least), Some(greatest)) = (self.min(), self.max()) else { return Vec::new() };
        let zeros = usize::from(least == 0);
        let mut bounds: Vec<i64> = vec![1];
        while let Some(last) = bounds.last().copied().filter(|last| *last < greatest) {
            let next = if bounds.len() % 3 == 2 { last / 2 * 5 } else { last.saturating_mul(2) };
            bounds.push(next);
        }
        let smallest = self.groups().map(|(sum, n)| sum / i128::from(n)).find(|value| *value > 0).unwrap_or(1);
        let before = bounds.partition_point(|bound| i128::from(*bound) < smallest);
        let skipped = before.max((bounds.len() + zeros).saturating_sub(CHART_BINS_MAX));
        let bounds = std::iter::once(0).filter(|_| zeros == 1).chain(bounds.into_iter().skip(skipped));
        let mut bars: Vec<(i64, u64, u64)> = bounds.map(|bound| (bound, 0, 0)).collect();
        for (sum, n) in self.groups() {
            let place = bars.partition_point(|(bound, ..)| i128::from(*bound) * i128::from(n) < sum);
            if let Some((_, count, _)) = bars.get_mut(place) {
                *count += n;
            }
        }
        for bin in &self.bins {
            let (low, width) = layout::bounds(bin.at);
            let place = bars.partition_point(|(bound, ..)| bound.unsigned_abs() < low);
            let cut = bars.get(place).is_some_and(|(bound, ..)| bound.unsigned_abs() < low + (width - 1));
            for bar in bars.iter_mut().skip(place).take(if cut && bin.n > 1 { 2 } else { 0 }) {
                bar.2 += bin.n;
            }
        }
        bars
    }
}

/// Mean rounded to an integer, half to even. `None` for no values.
#[must_use]
pub fn mean_half_even(sum: i128, n: u64) -> Option<i64> {
    let n = i128::from(n);
    if n == 0 {
        return None;
    }
    let (quotient, rest) = (sum.div_euclid(n), sum.rem_euclid(n));
    let up = match (2 * rest).cmp(&n) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => quotient & 1,
    };
    i64::try_from(quotient + up).ok()
}

/// As two arrays of numbers: the values, each less the one before; and of bins the ends, then of each how far it is from the
/// last one (twice, plus one when its sum needs two numbers), its count, and its sum above its lowest value.
impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        let mut apart = |value: i64| (value - std::mem::replace(&mut last, value)).unsigned_abs();
        let values: Vec<u64> = self.values.iter().map(|value| apart(*value)).collect();
        let mut bins = Vec::new();
        if !self.bins.is_empty() {
            bins.extend([self.ends.0.unsigned_abs(), self.ends.1.unsigned_abs()]);
        }
        let mut last = 0;
        for bin in &self.bins {
            let wide = (bin.above >> 64) as u64;
            bins.extend([u64::from(bin.at - last) << 1 | u64::from(wide > 0), bin.n, bin.above as u64]);
            bins.extend(Some(wide).filter(|wide| *wide > 0));
            last = bin.at;
        }
        (values, bins).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (values, bins) = <(Vec<u64>, Vec<u64>)>::deserialize(deserializer)?;
        read(&values, &bins).ok_or_else(|| de::Error::custom("values and bins must ascend and have counts"))
    }
}

fn read(values: &[u64], bins: &[u64]) -> Option<Distribution> {
    let mut all = Distribution { values: Vec::with_capacity(values.len()), ..Distribution::default() };
    let mut last = 0_i64;
    for apart in values {
        last = last.checked_add_unsigned(*apart)?;
        all.values.push(last);
    }
    let [least, greatest, rest @ ..] = bins else {
        return (bins.is_empty() && values.len() <= EXACT_MAX).then_some(all);
    };
    all.ends = (i64::try_from(*least).ok()?, i64::try_from(*greatest).ok()?);
    let mut numbers = rest.iter().copied();
    let mut at = 0_u64;
    while let Some(head) = numbers.next() {
        at = at.checked_add(head >> 1).filter(|at| *at <= u64::from(bin_of(i64::MAX.unsigned_abs())))?;
        let (n, low) = (numbers.next()?, numbers.next()?);
        let wide = if head & 1 == 1 { numbers.next().filter(|wide| *wide > 0)? } else { 0 };
        let bin = Bin { at: at as u16, n, above: u128::from(wide) << 64 | u128::from(low) };
        let most = u128::from(layout::bounds(bin.at).1 - 1) * u128::from(n);
        let ascends = all.bins.last().is_none_or(|last| last.at < bin.at);
        if n == 0 || bin.above > most || !ascends {
            return None;
        }
        all.bins.push(bin);
    }
    let n = all.bins.iter().try_fold(0_u64, |n, bin| n.checked_add(bin.n))?;
    let ends = all.bins.first()?.at == bin_of(*least) && all.bins.last()?.at == bin_of(*greatest);
    (values.is_empty() && ends && least <= greatest && n > EXACT_MAX as u64).then_some(all)
}

#[cfg(test)]
#[path = "distribution_test.rs"]
mod tests;
