//! The one shape of a number.

use serde::Serialize;
use serde_json::{Value, json};

use crate::stats::distribution::Distribution;
use crate::stats::proportion;

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
    /// A mean of counts.
    Mean,
    /// A number a second.
    Rate,
    /// A score whose weights stand beside it.
    Score,
    /// Seconds.
    S,
    /// Whole days.
    Days,
    /// Robust standard deviations.
    Z,
}

/// Why a value is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// Nothing to compute it from.
    NoData,
    /// A Shard did not answer: any number would be wrong.
    ShardUnreachable,
    /// Too few days to tell.
    NotEnoughData,
    /// Not everyone has had that day yet.
    NotMature,
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
    /// Most that the value is off, as a share of it, where it is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
}

impl Metric {
    /// An exact number.
    pub fn exact(value: impl Into<Value>, unit: Unit, n: u64) -> Self {
        Self { value: Some(value.into()), unit, ci: None, n, exact: true, hidden: None, error: None }
    }

    /// No number, and why.
    #[must_use]
    pub fn hidden(unit: Unit, why: Hidden, n: u64) -> Self {
        Self { value: None, unit, ci: None, n, exact: true, hidden: Some(why), error: None }
    }

    /// A share of `n`, with its Wilson interval; no value of none.
    #[must_use]
    pub fn share(hits: u64, n: u64) -> Self {
        if n == 0 {
            return Self::hidden(Unit::Share, Hidden::NoData, 0);
        }
        Self { ci: proportion::wilson(hits, n), ..Self::exact(hits as f64 / n as f64, Unit::Share, n) }
    }

    /// A quantile of a distribution, with its interval by order statistics.
    #[must_use]
    pub fn quantile(values: &Distribution, q: f64, unit: Unit) -> Self {
        let Some((value, exact)) = values.quantile(q) else { return Self::hidden(unit, Hidden::NoData, 0) };
        Self {
            ci: values.quantile_interval(q).map(|ends| ends.map(|end| end as f64)),
            exact,
            error: if exact { None } else { values.error() },
            ..Self::exact(value, unit, values.n())
        }
    }

    /// A number that rests on nothing where `n` is 0.
    #[must_use]
    pub fn of(value: Option<impl Into<Value>>, ci: Option<[f64; 2]>, unit: Unit, n: u64) -> Self {
        match value {
            Some(value) => Self { ci, ..Self::exact(value, unit, n) },
            None => Self::hidden(unit, Hidden::NoData, n),
        }
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
