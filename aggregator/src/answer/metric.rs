//! The one shape of a number.

use serde::Serialize;
use serde_json::{Value, json};

/// Units of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// USD × 1e-9, integer.
    NanoUsd,
    /// A number of things, integer.
    Count,
    /// Tokens, integer.
    Tokens,
    /// 0–1.
    Share,
    /// Milliseconds.
    Ms,
    /// Turns.
    Turns,
}

/// Why a value is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// Nothing to compute it from.
    NoData,
    /// A Shard did not answer: any number would be wrong.
    ShardUnreachable,
    /// Fewer than 50 people stand behind it.
    #[serde(rename = "fewer_than_50_people")]
    FewerThan50People,
    /// It would give away a number that fewer than 50 people stand behind.
    ProtectsAnother,
    /// Its quarter has not closed, or what comes late has not come.
    QuarterRunning,
    /// It has not reached the first step that is told of a quarter that runs.
    BelowFirstStep,
}

/// A number with what must be known to read it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// The number.
    pub value: Option<Value>,
    /// What it counts.
    pub unit: Unit,
    /// 95 % interval, where one is stated.
    pub ci: Option<[f64; 2]>,
    /// How many observations it rests on.
    pub n: u64,
    /// Computed from every event, not from a sketch.
    pub exact: bool,
    /// Why there is no value.
    pub hidden: Option<Hidden>,
}

impl Metric {
    /// An exact number.
    pub fn exact(value: impl Into<Value>, unit: Unit, n: u64) -> Self {
        Self { value: Some(value.into()), unit, ci: None, n, exact: true, hidden: None }
    }

    /// No number, and why.
    #[must_use]
    pub fn hidden(unit: Unit, why: Hidden, n: u64) -> Self {
        Self { value: None, unit, ci: None, n, exact: true, hidden: Some(why) }
    }

    /// As JSON, with the series bucket that it belongs to and further members.
    #[must_use]
    pub fn in_bucket(&self, bucket: &str, more: Value) -> Value {
        let mut object = json!({ "bucket": bucket });
        for part in [json!(self), more] {
            if let (Value::Object(object), Value::Object(part)) = (&mut object, part) {
                object.extend(part);
            }
        }
        object
    }
}

/// The smallest value that at least a share `q` of the values does not exceed (inverse of the empirical distribution;
/// Hyndman & Fan 1996, type 1): always one of the values. `sorted` ascends; `None` when it is empty.
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * q).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values() {
        assert_eq!(quantile::<i64>(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.99), Some(7));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(2));
        assert_eq!(quantile(&[1, 2, 3], 0.5), Some(2));
        let hundred: Vec<i32> = (1..=100).collect();
        assert_eq!(
            (quantile(&hundred, 0.9), quantile(&hundred, 0.99), quantile(&hundred, 0.0)),
            (Some(90), Some(99), Some(1))
        );
    }

    #[test]
    fn means_round_half_to_even() {
        assert_eq!(mean_half_even(5, 2), Some(2));
        assert_eq!(mean_half_even(7, 2), Some(4));
        assert_eq!(mean_half_even(-5, 2), Some(-2));
        assert_eq!(mean_half_even(10, 3), Some(3));
        assert_eq!(mean_half_even(1, 0), None);
    }
}
