//! Intervals of means of heavy-tailed values, such as what people cost.
//!
//! The values are of **people**, who are independent of each other. Costs are skew: the interval of a mean must reach further
//! up than down, which a percentile interval does by half only, and the bias-corrected and accelerated one (BCa) to the second
//! order. A studentised bootstrap would cover a little more, with intervals that a single large value can make useless.
//! Many values need no chance: BCa's expansion in the first three moments then says the same.

use std::cell::RefCell;

use super::lately::Lately;
pub use super::moments::Moments;
use super::normal::{self, Z};

/// Up to so many values are resampled.
const RESAMPLED_MAX: usize = 1_000;
/// What holds them: a power of two, so that no place needs a check.
const TABLE: usize = 1 << 10;

/// Draws of one interval, so that it takes milliseconds; rounds are what they allow, between these bounds.
const DRAWS: usize = 2_000_000;
const ROUNDS_MIN: usize = 2_000;
const ROUNDS_MAX: usize = 10_000;

/// Interval of the mean of `values`, one of each person, in their unit.
///
/// Up to 1,000 values: BCa bootstrap of 2,000 to 10,000 rounds, the same for the same values in the same order and the same
/// `seed`; above: [`of_moments`]. `None` for fewer than two values, or if one is not finite.
/// Source: Efron (1987), JASA 82, 171–185; Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, §14.3.
#[must_use]
pub fn mean(values: &[f64], seed: u64) -> Option<[f64; 2]> {
    let moments = Moments::of(values);
    if values.len() > RESAMPLED_MAX {
        return of_moments(&moments);
    }
    if moments.n < 2 || !(moments.m2 + moments.m3).is_finite() {
        return None;
    }
    if moments.m2 == 0.0 {
        return Some([moments.mean; 2]);
    }
    let is_same = |known: &(u64, Vec<f64>)| known.0 == seed && known.1 == values;
    Some(Lately::result(&LATELY, is_same, || (seed, values.to_vec()), || resampled(values, &moments, seed)))
}

/// A seed and values, and the interval of their mean.
type Intervals = Lately<(u64, Vec<f64>), [f64; 2]>;

thread_local! {
    static LATELY: RefCell<Intervals> = const { Intervals::new() };
}

fn resampled(values: &[f64], moments: &Moments, seed: u64) -> [f64; 2] {
    let rounds = (DRAWS / values.len()).clamp(ROUNDS_MIN, ROUNDS_MAX);
    let mut chance = SplitMix64(seed);
    let mut table = [0.0; TABLE];
    table.iter_mut().zip(values).for_each(|(to, value)| *to = *value);
    let n = values.len() as u64;
    let mut means: Vec<f64> = (0..rounds).map(|_| resampled_sum(&table, n, &mut chance) / n as f64).collect();
    means.sort_unstable_by(f64::total_cmp);
    // Means of the same values differ by the order of their sum only.
    let same = 1e-9 * moments.error();
    let below = means.partition_point(|mean| *mean < moments.mean - same);
    let at_most = means.partition_point(|mean| *mean <= moments.mean + same);
    let share = (below + at_most) as f64 / (2 * rounds) as f64;
    let edge = 0.5 / rounds as f64;
    let bias = normal::quantile(share.clamp(edge, 1.0 - edge));
    let end = |z| percentile(&means, normal::cdf(corrected(z, bias, moments.acceleration())));
    [end(-Z), end(Z)]
}

/// Interval of the mean of many values, from their moments.
///
/// BCa without resampling: its level, with the bias that the skewness makes, at the Cornish-Fisher quantile of the mean's
/// distribution. `None` for fewer than two values, or if one was not finite.
/// Source: Efron (1987), §6, with z₀ = a; Hall (1992), *The Bootstrap and Edgeworth Expansion*, §3.10: both say
/// z + a (2 z² + 1) + O(1/n) standard errors.
#[must_use]
pub fn of_moments(moments: &Moments) -> Option<[f64; 2]> {
    if moments.n < 2 || !(moments.m2 + moments.m3).is_finite() {
        return None;
    }
    let skew = moments.acceleration();
    let end = |z| {
        let level = corrected(z, skew, skew);
        moments.mean + moments.error() * (level + skew * (level * level - 1.0))
    };
    Some([end(-Z), end(Z)])
}

/// The normal point at which BCa reads the distribution for its point `z`.
fn corrected(z: f64, bias: f64, acceleration: f64) -> f64 {
    // The acceleration is at most 1/6: the divisor stays above 0 for any bias that means have.
    bias + (bias + z) / (1.0 - acceleration * (bias + z)).max(0.05)
}

/// Between the two nearest of the sorted values (Hyndman & Fan 1996, type 7).
fn percentile(sorted: &[f64], level: f64) -> f64 {
    let place = level.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or_default();
    let low = at(place.floor());
    low + (at(place.ceil()) - low) * place.fract()
}

/// Sum of as many values as there are, each drawn with the same chance to within 1,000 in 2²¹.
#[inline(never)]
fn resampled_sum(table: &[f64; TABLE], n: u64, chance: &mut SplitMix64) -> f64 {
    let mut sums = [0.0; 3];
    // A number of 64 bits draws three values, and no sum waits for another.
    for _ in 0..n / 3 {
        let bits = chance.next();
        sums[0] += drawn(table, n, bits >> 43);
        sums[1] += drawn(table, n, bits >> 22);
        sums[2] += drawn(table, n, bits >> 1);
    }
    for _ in 0..n % 3 {
        sums[0] += drawn(table, n, chance.next() >> 43);
    }
    sums.iter().sum()
}

/// The value that the lowest bits of a random number draw.
#[inline(always)]
fn drawn(table: &[f64; TABLE], n: u64, bits: u64) -> f64 {
    const BITS: u32 = 21;
    let place = ((bits & ((1 << BITS) - 1)) * n) >> BITS;
    table.get(place as usize & (TABLE - 1)).copied().unwrap_or_default()
}

/// Random numbers of 64 bits, the same on every machine.
///
/// Source: Steele, Lea & Flood (2014), *Fast Splittable Pseudorandom Number Generators*, OOPSLA.
struct SplitMix64(u64);

impl SplitMix64 {
    #[inline(always)]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! Random values of known distributions.

    use super::SplitMix64;
    use crate::stats::normal;

    pub(crate) struct Chance(SplitMix64);

    impl Chance {
        pub(crate) fn new(seed: u64) -> Self {
            Self(SplitMix64(seed))
        }
        pub(crate) fn uniform(&mut self) -> f64 {
            (self.0.next() >> 11) as f64 / (1u64 << 53) as f64
        }
        pub(crate) fn normal(&mut self) -> f64 {
            normal::quantile(self.uniform().clamp(1e-9, 1.0 - 1e-9))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::Chance;
    use super::*;

    fn log_normal(n: usize, spread: f64, seed: u64) -> Vec<f64> {
        let mut chance = Chance::new(seed);
        (0..n).map(|_| (spread * chance.normal()).exp()).collect()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // First numbers of the reference implementation, <https://prng.di.unimi.it/splitmix64.c>, seed 1234567.
        let mut chance = SplitMix64(1_234_567);
        let first = [chance.next(), chance.next(), chance.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!((mean(&[], 1), mean(&[4.0], 1), mean(&[1.0, f64::NAN], 1)), (None, None, None));
        assert_eq!(mean(&[1.0, f64::INFINITY], 1), None);
        assert_eq!(mean(&[3.0; 9], 1), Some([3.0, 3.0]));
        assert_eq!(of_moments(&Moments::of(&[3.0; 2_000])), Some([3.0, 3.0]));
        assert_eq!((of_moments(&Moments::of(&[3.0])), of_moments(&Moments::default())), (None, None));
        assert_eq!(mean(&[f64::NAN; 1_001], 1), None);
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let values = log_normal(50, 1.0, 3);
        assert_eq!(mean(&values, 5), mean(&values, 5));
        assert_ne!(mean(&values, 5), mean(&values, 6));
    }

    #[test]
    fn what_is_remembered_is_what_would_be_worked_out() {
        let sets: Vec<Vec<f64>> = (0..60).map(|seed| log_normal(20, 1.0, seed)).collect();
        for _ in 0..2 {
            for (seed, values) in sets.iter().enumerate().chain(sets.iter().take(5).enumerate()) {
                let seed = seed as u64 % 3;
                assert_eq!(mean(values, seed), Some(resampled(values, &Moments::of(values), seed)));
            }
        }
    }

    #[test]
    fn both_ways_agree_where_they_meet() {
        for (spread, seed) in [(0.3, 1), (1.0, 2), (1.0, 3), (1.5, 4), (1.5, 5)] {
            let values = log_normal(RESAMPLED_MAX, spread, seed);
            let ([low, high], [other_low, other_high]) =
                (mean(&values, seed).unwrap(), of_moments(&Moments::of(&values)).unwrap());
            let width = high - low;
            assert!((low - other_low).abs() < 0.06 * width, "{spread} {seed}: {low} {other_low} of {width}");
            assert!((high - other_high).abs() < 0.06 * width, "{spread} {seed}: {high} {other_high} of {width}");
        }
    }

    #[test]
    fn the_expansion_is_hall_s() {
        // Efron & Tibshirani (1993), eq. 14.10, by hand.
        assert!((corrected(1.9, 0.1, 0.1) - (0.1 + 2.0 / 0.8)).abs() < 1e-12);
        for skew in [-0.005, 0.0, 0.002, 0.005] {
            // Standard error 1: the ends are z + a (2 z² + 1), but for terms of a².
            let n = 100.0;
            let moments = Moments { n: 100, mean: 50.0, m2: n * n, m3: 6.0 * skew * n.powi(3) };
            let [low, high] = of_moments(&moments).unwrap();
            for (end, z) in [(low, -Z), (high, Z)] {
                let wanted = 50.0 + z + skew * (2.0 * z * z + 1.0);
                assert!((end - wanted).abs() <= 45.0 * skew * skew + 1e-12, "{skew} {z}: {end} {wanted}");
            }
        }
    }

    #[test]
    fn skew_values_are_covered() {
        let truth = 0.5f64.exp();
        for (n, series, least) in [(200, 100, 88), (1_500, 400, 93)] {
            let covers = |seed: &u64| {
                let [low, high] = mean(&log_normal(n, 1.0, 1_000 + seed), *seed).unwrap();
                low <= truth && truth <= high
            };
            let covered = (0..series).filter(covers).count() as u64;
            assert!(covered * 100 >= least * series, "{covered} of {series} at {n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn intervals_lie_within_the_values(values in prop::collection::vec(0f64..1e12, 2..40), seed: u64) {
            let [low, high] = mean(&values, seed).unwrap();
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(0.0, f64::max);
            prop_assert!(least * 0.999 <= low && low <= high && high <= most * 1.001);
        }
    }
}
