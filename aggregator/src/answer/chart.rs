//! Counts as quantiles and as bars.

use super::json::{Json, Members};
use super::metric::{Metric, Unit};
use crate::stats::histogram::{Counts, RELATIVE_ERROR};

/// Members of a name each: quantiles with their intervals.
pub(super) fn quantiles<const N: usize>(counts: &Counts, wanted: [(&'static str, f64); N], unit: Unit) -> Members {
    wanted.into_iter().map(|(name, q)| (name, Metric::quantile_of(counts, q, unit))).collect()
}

/// Bars of a chart on a log scale: upper bounds (inclusive) of the series 1, 2, 5, 10 … from the least value to the greatest,
/// zeros under the bound 0. Values of one bin count where its middle is.
pub(super) fn chart(counts: &Counts) -> Vec<Json> {
    let mut bars: Vec<(u64, u64, u64)> = Vec::new();
    let mut bound = 0_u64;
    let cuts = |bound: u64, value: u64| bound.abs_diff(value) as f64 <= value as f64 * RELATIVE_ERROR;
    for (value, exact, n) in counts.bins() {
        while bars.is_empty() && bound < value || bars.last().is_some_and(|(bound, ..)| *bound < value) {
            bound = next_bound(bound);
            if !bars.is_empty() || bound >= value || !exact && cuts(bound, value) {
                bars.push((bound, 0, 0));
            }
        }
        if bars.is_empty() {
            bars.push((bound, 0, 0));
        }
        if let Some((_, count, _)) = bars.last_mut() {
            *count += n;
        }
    }
    // Of a bin that a bound cuts it is not known on which side its values are.
    for (value, _, n) in counts.bins().filter(|(_, exact, _)| !exact) {
        if let Some(at) = bars.iter().position(|(bound, ..)| cuts(*bound, value)) {
            let next = next_bound(bound);
            if at + 1 == bars.len() && next > bound {
                bars.push((next, 0, 0));
            }
            bars.iter_mut().skip(at).take(2).for_each(|bar| bar.2 += n);
        }
    }
    bars.iter().map(|(bound, n, off)| bar(*bound as i64, *n, *off)).collect()
}

/// A bar of a chart, that may be off by so many.
pub(super) fn bar(bound: i64, n: u64, off: u64) -> Json {
    let error = (off > 0).then(|| off as f64 / n.saturating_sub(off).max(1) as f64);
    Metric { exact: off == 0, error, ..Metric::count(n) }.in_bucket(bound.to_string())
}

/// 0, 1, 2, 5, 10, 20, 50 …
fn next_bound(bound: u64) -> u64 {
    match bound {
        0 => 1,
        bound if bound.to_string().starts_with('2') => bound / 2 * 5,
        bound => bound.saturating_mul(2),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::stats::histogram::testing::counts;

    #[test]
    fn charts_are_of_ones_twos_and_fives() {
        let bars = |values: &[u64]| -> Vec<(String, u64, bool)> {
            let row = |bar: &Value| {
                let bound = bar["bucket"].as_str().unwrap().to_owned();
                (bound, bar["value"].as_u64().unwrap(), bar["exact"].as_bool().unwrap())
            };
            json!(chart(&counts(values))).as_array().unwrap().iter().map(row).collect()
        };
        let bar = |bound: u64, n, exact| (bound.to_string(), n, exact);
        assert_eq!(bars(&[]), []);
        assert_eq!(bars(&[0, 0]), [bar(0, 2, true)]);
        assert_eq!(bars(&[0, 1, 2, 3]), [bar(0, 1, true), bar(1, 1, true), bar(2, 1, true), bar(5, 1, true)]);
        assert_eq!(bars(&[6, 10, 11, 51]), [bar(10, 2, true), bar(20, 1, true), bar(50, 0, true), bar(100, 1, true)]);
        assert_eq!(bars(&[3_000_000]), [bar(5_000_000, 1, true)]);
        // Of a bin that holds a bound it is not known on which side its values are.
        assert_eq!(bars(&[1_000_100, 1_500_000]), [bar(1_000_000, 0, false), bar(2_000_000, 2, false)]);
        assert_eq!(bars(&[u64::MAX]).len(), 1);
    }
}
