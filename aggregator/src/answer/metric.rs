//! The one shape of a number.

use serde::Serialize;
use serde_json::{Value, json};

pub use crate::stats::distribution::mean_half_even;
pub use crate::stats::quantile::of_sorted as quantile;

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
