//! The summary of a distribution is a function of the multiset of values, and as near to it as it says.

use proptest::prelude::*;

use super::super::bootstrap::testing::Chance;
use super::*;
use crate::fold::{decode, encode};

/// Amounts of all sizes, as many as asked.
fn amounts(n: usize, seed: u64) -> Vec<i64> {
    let mut chance = Chance::new(seed);
    (0..n).map(|_| (chance.uniform() * 62.0).exp2() as i64 >> (chance.uniform() * 64.0) as u32).collect()
}

/// Parts of a few thousand values or less, so that wholes lie on both sides of [`EXACT_MAX`].
fn parts() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let part = (0usize..2_600, any::<u64>(), 0usize..2)
        .prop_map(|(n, seed, few)| amounts(if few == 1 { n / 50 } else { n }, seed));
    prop::collection::vec(part, 1..6)
}

#[test]
fn means_round_half_to_even() {
    assert_eq!(mean_half_even(5, 2), Some(2));
    assert_eq!(mean_half_even(7, 2), Some(4));
    assert_eq!(mean_half_even(-5, 2), Some(-2));
    assert_eq!(mean_half_even(10, 3), Some(3));
    assert_eq!(mean_half_even(1, 0), None);
}

#[test]
fn nothing_is_said_of_nothing() {
    let none = Distribution::default();
    assert_eq!((none.n(), none.sum(), none.min(), none.max(), none.mean_half_even()), (0, 0, None, None, None));
    assert_eq!((none.quantile(0.5), none.quantile_interval(0.5), none.mean_interval(1)), (None, None, None));
    assert_eq!((none.histogram(), none.error(), none.moments()), (vec![], None, Moments::default()));
    assert_eq!(encode(&none).unwrap().len(), 4);
}

#[test]
fn negative_values_count_as_zero() {
    let mut all = Distribution::of_values(vec![-3, 5, i64::MIN]);
    all.push(-1);
    assert_eq!(all, Distribution::of_values(vec![0, 0, 0, 5]));
}

#[test]
fn the_greatest_values_do_not_overflow() {
    let all = Distribution::of_values(vec![i64::MAX; EXACT_MAX + 4]);
    assert_eq!((all.sum(), all.max()), (i128::from(i64::MAX) * 4_100, Some(i64::MAX)));
    assert_eq!((all.quantile(0.5), all.histogram()), (Some((i64::MAX, true)), vec![(i64::MAX, 4_100, 0)]));
    assert_eq!(decode::<Distribution>(&encode(&all).unwrap()).unwrap(), all);
}

#[test]
fn ends_are_exact_whatever_is_added() {
    let many = || Distribution::of_values(vec![1_000_003; EXACT_MAX + 1]);
    let ends = |all: &Distribution| (all.min().unwrap(), all.max().unwrap());
    let mut all = many();
    assert_eq!(
        (ends(&all), all.quantile(0.0), all.quantile(1.0)),
        ((1_000_003, 1_000_003), Some((1_000_003, true)), Some((1_000_003, true)))
    );
    all.merge(&Distribution::of_values(vec![999_001, 2_000_003]));
    assert_eq!(ends(&all), (999_001, 2_000_003));
    all.push(998_001);
    all.push(3_000_003);
    assert_eq!(ends(&all), (998_001, 3_000_003));
    let mut few = Distribution::of_values(vec![997_001, 4_000_003]);
    few.merge(&all);
    assert_eq!(ends(&few), (997_001, 4_000_003));
    all.merge(&few);
    assert_eq!((ends(&all), all.n()), ((997_001, 4_000_003), 2 * 4_097 + 10));
}

#[test]
fn small_values_stay_exact_in_any_number() {
    let all = Distribution::of_values((0..100_000).map(|n| n % 512).collect());
    assert_eq!((all.error(), all.quantile(0.5), all.quantile(0.99)), (None, Some((255, true)), Some((506, true))));
}

#[test]
fn it_is_small() {
    let mut chance = Chance::new(1);
    let mut costs =
        |n: usize| Distribution::of_values((0..n).map(|_| (1.5 * chance.normal() + 16.0).exp() as i64).collect());
    let bytes = |all: &Distribution| encode(all).unwrap().len();
    let (few, many) = (costs(EXACT_MAX), costs(200_000));
    // At most 5 bytes a value; of 200,000 people's costs, at most 8 a bin.
    assert!(bytes(&few) < 4 + 5 * EXACT_MAX, "{}", bytes(&few));
    assert!(many.bins.len() < 4_000 && bytes(&many) < 30 + 8 * many.bins.len(), "{} {}", many.bins.len(), bytes(&many));
}

#[test]
fn charts_have_the_series() {
    let bars = |values: &[i64]| -> Vec<(i64, u64)> {
        let bars = Distribution::of_values(values.to_vec()).histogram();
        bars.into_iter().map(|(bound, n, _)| (bound, n)).collect()
    };
    assert_eq!(bars(&[0, 0]), [(0, 2), (1, 0)]);
    assert_eq!(bars(&[0, 1, 2, 3, 5, 6, 10, 11]), [(0, 1), (1, 1), (2, 1), (5, 2), (10, 2), (20, 1)]);
    assert_eq!(bars(&[300, 4_000]), [(500, 1), (1_000, 0), (2_000, 0), (5_000, 1)]);
    let long = bars(&[0, 1, 1_000, 1_000_000_000_000_000_000, i64::MAX]);
    assert_eq!((long.len(), long[0], long.last()), (CHART_BINS_MAX, (0, 1), Some(&(i64::MAX, 1))));
    assert_eq!((long[1].1, long.iter().map(|bar| bar.1).sum::<u64>()), (2, 5));
    for pair in long[1..31].windows(2) {
        assert!([2.0, 2.5].contains(&(pair[1].0 as f64 / pair[0].0 as f64)), "{pair:?}");
    }
}

#[test]
fn what_was_not_written_is_not_read() {
    let read = |values: &[u64], bins: &[u64]| decode::<Distribution>(&encode(&(values, bins)).unwrap());
    let n = EXACT_MAX as u64 + 1;
    assert!(read(&[3, 0, 4], &[]).unwrap() == Distribution::of_values(vec![7, 3, 3]));
    assert!(read(&[], &[5, 5, 10, n, 0]).unwrap() == Distribution::of_values(vec![5; EXACT_MAX + 1]));
    assert!(read(&[u64::MAX], &[]).is_err() && read(&[1; EXACT_MAX + 1], &[]).is_err());
    let faults: [&[u64]; 12] = [
        &[5],
        &[5, 5],
        &[5, 5, 10],
        &[5, 5, 10, n],
        &[5, 5, 10, 0, 0],
        &[5, 5, 10, 3, 0],
        &[5, 5, 10, n, 1],
        &[5, 5, 11, n, 0, 0],
        &[4, 5, 10, n, 0],
        &[5, 5, 10, n, 0, 0, n, 0],
        &[5, 5, u64::MAX, n, 0],
        &[5, 6, 10, n, 0, 2, u64::MAX, 0],
    ];
    for bins in faults {
        assert!(read(&[], bins).is_err(), "{bins:?}");
    }
    assert!(read(&[1], &[5, 5, 10, n, 0]).is_err());
}

#[test]
fn means_have_intervals_in_both_forms() {
    for n in [50, 1_000, 1_001, EXACT_MAX, EXACT_MAX + 1] {
        let mut chance = Chance::new(n as u64);
        let values: Vec<i64> = (0..n).map(|_| (chance.normal() + 14.0).exp() as i64).collect();
        let all = Distribution::of_values(values.clone());
        let mean = all.sum() as f64 / n as f64;
        let [low, high] = all.mean_interval(7).unwrap();
        assert!(low < mean && mean < high);
        // Bins change it by far less than it is wide.
        let [by_value_low, by_value_high] =
            bootstrap::of_moments(&Moments::of(&values.iter().map(|value| *value as f64).collect::<Vec<_>>())).unwrap();
        if n > 1_000 {
            let off = (low - by_value_low).abs().max((high - by_value_high).abs());
            assert!(off < 1e-3 * (high - low), "{off}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merged_in_any_order_and_grouping(parts in parts(), turn in 0usize..6, split in 0usize..6) {
        let whole = Distribution::of_values(parts.concat());
        let mut parts: Vec<_> = parts.into_iter().map(Distribution::of_values).collect();
        let merged = |parts: &[Distribution]| {
            let mut all = Distribution::default();
            parts.iter().for_each(|part| all.merge(part));
            all
        };
        prop_assert!(merged(&parts) == whole);
        let len = parts.len();
        parts.rotate_left(turn % len);
        parts.reverse();
        let (left, right) = parts.split_at(split % len);
        let mut grouped = merged(left);
        grouped.merge(&merged(right));
        prop_assert!(grouped == whole);
        prop_assert!(decode::<Distribution>(&encode(&whole).unwrap()).unwrap() == whole);
    }

    #[test]
    fn pushed_one_by_one(n in EXACT_MAX - 3..EXACT_MAX + 8, seed: u64) {
        let values = amounts(n, seed);
        let mut pushed = Distribution::of_values(values[4..].to_vec());
        values[..4].iter().for_each(|value| pushed.push(*value));
        prop_assert!(pushed == Distribution::of_values(values));
    }

    #[test]
    fn as_near_as_said(parts in parts(), q in 0f64..=1.0) {
        let mut values = parts.concat();
        let all = Distribution::of_values(values.clone());
        values.sort_unstable();
        prop_assert_eq!((all.n(), all.min(), all.max()), (values.len() as u64, values.first().copied(), values.last().copied()));
        prop_assert_eq!(all.sum(), values.iter().map(|value| i128::from(*value)).sum::<i128>());
        prop_assert_eq!(all.error().is_none(), values.len() <= EXACT_MAX);
        let near = |said: i64, value: i64| (said as f64 - value as f64).abs() <= value as f64 * RELATIVE_ERROR * (1.0 + 1e-9);
        if let Some(value) = quantile::of_sorted(&values, q) {
            let (said, exact) = all.quantile(q).unwrap();
            prop_assert!(near(said, value) && (!exact || said == value));
            prop_assert!(exact || all.error().is_some());
        }
        if let Some((lower, upper)) = quantile::interval(all.n(), q) {
            let (lower, upper) = (values[lower as usize - 1], values[upper as usize - 1]);
            let [low, high] = all.quantile_interval(q).unwrap();
            prop_assert!(low <= lower && upper <= high && bin_of(low as u64) == bin_of(lower as u64) && bin_of(high as u64) == bin_of(upper as u64));
            prop_assert!(all.error().is_some() || (low, high) == (lower, upper));
        }
        let by_value = Moments::of(&values.iter().map(|value| *value as f64).collect::<Vec<_>>());
        let moments = all.moments();
        prop_assert!((moments.mean - by_value.mean).abs() <= 1e-9 * by_value.mean);
        prop_assert!((moments.m2 - by_value.m2).abs() <= 0.02 * by_value.m2 && (moments.m3 - by_value.m3).abs() <= 0.02 * by_value.m3.abs().max(by_value.m2.powf(1.5) / 1e3));
        let bars = all.histogram();
        prop_assert!(bars.len() <= CHART_BINS_MAX && bars.is_sorted_by(|a, b| a.0 < b.0));
        prop_assert_eq!(bars.iter().map(|bar| bar.1).sum::<u64>(), all.n());
        prop_assert!(bars.last().is_none_or(|bar| bar.1 > 0 || all.max() == Some(0)));
        let mut below = -1;
        for (at, (bound, n, off)) in bars.iter().enumerate() {
            // The second bar counts all that is smaller, too.
            let from = if at == 1 && bars.len() == CHART_BINS_MAX { 0 } else { below };
            let within = values.iter().filter(|value| (from + 1..=*bound).contains(value)).count() as u64;
            prop_assert!(n.abs_diff(within) <= *off, "{} {} {} {}", bound, n, off, within);
            prop_assert!(all.error().is_some() || *off == 0);
            below = *bound;
        }
    }
}

#[test]
fn parts_hold_those_with_most_first() {
    let values = Distribution::of_values((1..=20).collect());
    let parts = values.top_sums(10);
    assert_eq!((parts[0], parts[9]), ((2, 39), (2, 3)));
    let few = Distribution::of_values(vec![5, 1, 3]).top_sums(10);
    assert_eq!(few.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]);
    let many = Distribution::of_values((0..10_000).map(|n| n % 977 * 1_000).collect());
    let parts = many.top_sums(10);
    assert!(parts.iter().all(|(n, _)| *n == 1_000));
    assert_eq!(parts.iter().map(|(_, sum)| sum).sum::<i128>(), many.sum());
    assert!(parts.windows(2).all(|pair| pair[0].1 >= pair[1].1));
}
