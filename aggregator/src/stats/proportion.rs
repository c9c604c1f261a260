//! Shares of people, and differences of two.

use super::normal::Z;

/// Wilson score interval of a proportion.
///
/// `hits` of `n` trials, both counts of **people**. `[low, high]` in `[0, 1]`; `None` when there are no trials, or fewer
/// than hits.
/// Source: Wilson (1927), JASA 22, 209–212, at z = 1.959963984540054 (95 %).
#[must_use]
pub fn wilson(hits: u64, n: u64) -> Option<[f64; 2]> {
    if n == 0 || hits > n {
        return None;
    }
    let (trials, misses) = (n as f64, (n - hits) as f64);
    let (hit_count, z2) = (hits as f64, Z * Z);
    let centre = hit_count + z2 / 2.0;
    let half = Z * (hit_count * misses / trials + z2 / 4.0).sqrt();
    // At the ends the two terms are equal; their difference in floating point is not always 0.
    let low = if hits == 0 { 0.0 } else { (centre - half) / (trials + z2) };
    let high = if hits == n { 1.0 } else { (centre + half) / (trials + z2) };
    Some([low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)])
}

/// Interval of the difference `p_a − p_b` of two independent proportions: Newcombe's hybrid of two Wilson intervals.
///
/// Counts of **people**, none of them in both groups. `[low, high]` in `[−1, 1]`; `None` where [`wilson`] has none of
/// either group.
/// Source: Newcombe (1998), Statistics in Medicine 17, 873–890, method 10.
#[must_use]
pub fn newcombe(hits_a: u64, n_a: u64, hits_b: u64, n_b: u64) -> Option<[f64; 2]> {
    let ([low_a, high_a], [low_b, high_b]) = (wilson(hits_a, n_a)?, wilson(hits_b, n_b)?);
    let (a, b) = (hits_a as f64 / n_a as f64, hits_b as f64 / n_b as f64);
    Some([a - b - (a - low_a).hypot(high_b - b), a - b + (high_a - a).hypot(b - low_b)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(left: Option<[f64; 2]>, right: [f64; 2]) -> bool {
        left.is_some_and(|left| left.iter().zip(right).all(|(a, b)| (a - b).abs() < 5e-5))
    }

    #[test]
    fn published_examples() {
        // Newcombe (1998), Statistics in Medicine 17, 857–872, table I, method 3.
        assert!(near(wilson(81, 263), [0.2553, 0.3662]));
        assert!(near(wilson(15, 148), [0.0624, 0.1605]));
        assert!(near(wilson(0, 20), [0.0, 0.1611]));
        assert!(near(wilson(1, 29), [0.0061, 0.1718]));
        // Newcombe (1998), Statistics in Medicine 17, 873–890, table II, method 10.
        assert!(near(newcombe(56, 70, 48, 80), [0.0524, 0.3339]));
        assert!(near(newcombe(9, 10, 3, 10), [0.1705, 0.8090]));
        assert!(near(newcombe(10, 10, 0, 20), [0.6791, 1.0]));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!((wilson(0, 0), wilson(2, 1), newcombe(1, 2, 0, 0)), (None, None, None));
        assert!(newcombe(3, 2, 1, 2).is_none() && wilson(u64::MAX, u64::MAX).is_some());
    }

    proptest! {
        #[test]
        fn intervals_hold_their_estimate(a in 0u64..2_000, more_a in 0u64..2_000, b in 0u64..2_000, more_b in 0u64..2_000) {
            let (n_a, n_b) = (a + more_a + 1, b + more_b + 1);
            let p = a as f64 / n_a as f64;
            let [low, high] = wilson(a, n_a).unwrap();
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0 && low < high);
            // Successes and failures are names.
            let [other_low, other_high] = wilson(n_a - a, n_a).unwrap();
            prop_assert!((low + other_high - 1.0).abs() < 1e-12 && (high + other_low - 1.0).abs() < 1e-12);
            let [low, high] = newcombe(a, n_a, b, n_b).unwrap();
            let difference = p - b as f64 / n_b as f64;
            prop_assert!(-1.0 <= low && low <= difference && difference <= high && high <= 1.0);
        }
    }
}
