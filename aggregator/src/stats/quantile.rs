//! Quantiles as order statistics: always one of the values, with an interval that assumes nothing of their distribution.

use super::normal::Z;

/// Most that may lie beyond one end of an interval.
const TAIL: f64 = 0.025;

/// The rank, from 1, of the smallest of `n` values that at least a share `q` of them does not exceed; 1 for `n` = 0.
///
/// A product that is a whole number but for its rounding is that number: 0.07 × 100 is 7, not 7.000000000000001.
pub(super) fn rank(n: u64, q: f64) -> u64 {
    let share = n as f64 * q;
    let whole = share.round();
    let rank = if (share - whole).abs() <= 4.0 * f64::EPSILON * whole { whole } else { share.ceil() };
    (rank as u64).clamp(1, n.max(1))
}

/// The smallest value that at least a share `q` of the values does not exceed (inverse of the empirical distribution;
/// Hyndman & Fan 1996, type 1): always one of the values. `sorted` ascends; `None` when it is empty.
pub fn of_sorted<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let rank = rank(sorted.len() as u64, q);
    sorted.get(usize::try_from(rank - 1).ok()?).copied()
}

/// Ranks, from 1, of the two of `n` independent values that enclose the `q`-quantile with a chance of at least 95 %.
///
/// With X ~ Binomial(n, q): the lower is the largest r with P(X < r) ≤ 0.025, the upper the smallest s with
/// P(X ≥ s) ≤ 0.025. `None` where one of them is not in `1..=n`: a lower one is there when 1 − (1 − q)ⁿ ≥ 0.975, an upper
/// one when 1 − qⁿ ≥ 0.975. So the median needs n ≥ 6, p95 n ≥ 72 and p99 n ≥ 368.
/// Source: Conover (1999), *Practical Nonparametric Statistics*, §3.2; Hahn & Meeker (1991), *Statistical Intervals*, §5.2.
#[must_use]
pub fn interval(n: u64, q: f64) -> Option<(u64, u64)> {
    if n == 0 || !(q > 0.0 && q < 1.0) {
        return None;
    }
    // Values above the quantile are Binomial(n, 1 − q): the upper rank is the lower one, counted from the other end.
    let lower = largest_rank(n, q, 1.0 - q);
    let from_top = largest_rank(n, 1.0 - q, q);
    (lower > 0 && from_top > 0).then(|| (lower, n + 1 - from_top))
}

/// The largest r with P(X < r) ≤ 0.025 for X ~ Binomial(n, p), q = 1 − p; 0 where there is none above it.
fn largest_rank(n: u64, p: f64, q: f64) -> u64 {
    let trials = n as f64;
    // Near enough that a few steps from there find it: the normal distribution, with its first correction for skewness.
    let start = trials * p - Z * (trials * p * q).sqrt() + (Z * Z - 1.0) * (q - p) / 6.0;
    let mut rank = (start.max(0.0) as u64).min(n);
    // `below` = P(X < rank), `at` = P(X = rank).
    let mut at = mass(n, rank, p, q);
    let mut below = sum_below(n, rank, at, p, q);
    while below > TAIL && rank > 0 {
        at *= rank as f64 * q / ((n - rank + 1) as f64 * p);
        below -= at;
        rank -= 1;
    }
    while below + at <= TAIL && rank < n {
        below += at;
        at *= (n - rank) as f64 * p / ((rank + 1) as f64 * q);
        rank += 1;
    }
    rank
}

/// P(X < k), from P(X = k): the terms fall as k does, below the mean.
fn sum_below(n: u64, k: u64, at: f64, p: f64, q: f64) -> f64 {
    let (mut sum, mut term) = (0.0, at);
    for k in (1..=k).rev() {
        term *= k as f64 * q / ((n - k + 1) as f64 * p);
        if sum + term == sum {
            break;
        }
        sum += term;
    }
    sum
}

/// P(X = k) for X ~ Binomial(n, p), to 14 digits for any `n`.
///
/// Source: Loader (2000), *Fast and Accurate Computation of Binomial Probabilities*: differences of logarithms of
/// factorials would lose all digits where `n` is large.
fn mass(n: u64, k: u64, p: f64, q: f64) -> f64 {
    let (trials, hits, misses) = (n as f64, k as f64, (n - k) as f64);
    if k == 0 {
        return (trials * q.ln()).exp();
    }
    if k == n {
        return (trials * p.ln()).exp();
    }
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(hits, trials * p)
        - deviance(misses, trials * q);
    exponent.exp() * (trials / (std::f64::consts::TAU * hits * misses)).sqrt()
}

/// ln(n!) less Stirling's approximation of it.
fn stirling_error(n: u64) -> f64 {
    const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
    let x = n as f64;
    if n < 16 {
        let factorial: f64 = (1..=n).map(|factor| factor as f64).product();
        return factorial.ln() - (x + 0.5) * x.ln() + x - HALF_LN_TAU;
    }
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / x
}

/// x ln(x ÷ mean) + mean − x, without loss where the two are near each other.
fn deviance(x: f64, mean: f64) -> f64 {
    if (x - mean).abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let ratio = (x - mean) / (x + mean);
    let mut sum = (x - mean) * ratio;
    let mut term = 2.0 * x * ratio;
    let mut odd = 1.0;
    loop {
        term *= ratio * ratio;
        odd += 2.0;
        let next = sum + term / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_values() {
        assert_eq!(of_sorted::<i64>(&[], 0.5), None);
        assert_eq!(of_sorted(&[7], 0.99), Some(7));
        assert_eq!(of_sorted(&[1, 2, 3, 4], 0.5), Some(2));
        assert_eq!(of_sorted(&[1, 2, 3], 0.5), Some(2));
        let hundred: Vec<i32> = (1..=100).collect();
        let at = |q: f64| of_sorted(&hundred, q);
        assert_eq!((at(0.9), at(0.99), at(0.0), at(1.0)), (Some(90), Some(99), Some(1), Some(100)));
        assert_eq!((at(0.07), at(0.28), at(0.285)), (Some(7), Some(28), Some(29)));
    }

    #[test]
    fn ranks_are_of_the_exact_product() {
        for (q, per_mille) in [(0.5, 500), (0.75, 750), (0.9, 900), (0.95, 950), (0.99, 990), (0.07, 70)] {
            for n in (1..20_000).chain(999_999_000..1_000_001_000) {
                assert_eq!(rank(n, q), (n * per_mille).div_ceil(1_000), "{n} {q}");
            }
        }
    }

    #[test]
    fn few_values_have_no_interval() {
        for (q, least) in [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)] {
            assert_eq!(interval(least - 1, q), None);
            assert_eq!(interval(least, q).map(|ranks| ranks.1), Some(least), "{q}");
        }
        assert_eq!(
            (interval(0, 0.5), interval(9, 0.0), interval(9, 1.0), interval(9, f64::NAN)),
            (None, None, None, None)
        );
    }

    #[test]
    fn known_ranks() {
        // Conover (1999), table A3; the rest by scipy.stats.binom.
        assert_eq!(interval(6, 0.5), Some((1, 6)));
        assert_eq!(interval(100, 0.5), Some((40, 61)));
        assert_eq!(interval(1_000, 0.95), Some((936, 964)));
        assert_eq!(interval(5_000, 0.99), Some((4936, 4964)));
    }

    #[test]
    fn a_thousand_million_values_are_quick_and_right() {
        let n = 1_000_000_000;
        for q in [0.5, 0.95, 0.99] {
            let (low, high) = interval(n, q).unwrap();
            let (mean, spread) = (n as f64 * q, (n as f64 * q * (1.0 - q)).sqrt());
            assert!(((low as f64 - mean) / spread + Z).abs() < 1e-3, "{low}");
            assert!(((high as f64 - mean) / spread - Z).abs() < 1e-3, "{high}");
        }
    }

    proptest! {
        #[test]
        fn the_tails_are_as_said(n in 1u64..400, q in 0.01f64..0.99) {
            let mass = |k: u64| mass(n, k, q, 1.0 - q);
            let whole: f64 = (0..=n).map(mass).sum();
            prop_assert!((whole - 1.0).abs() < 1e-12);
            let below = |r: u64| (0..r).map(mass).sum::<f64>();
            let from = |s: u64| (s..=n).map(mass).sum::<f64>();
            match interval(n, q) {
                Some((low, high)) => {
                    prop_assert!(1 <= low && low < high && high <= n);
                    prop_assert!(below(low) <= TAIL && below(low + 1) > TAIL && from(high) <= TAIL && from(high - 1) > TAIL);
                }
                None => prop_assert!(below(1) > TAIL || from(n) > TAIL),
            }
        }
    }
}
