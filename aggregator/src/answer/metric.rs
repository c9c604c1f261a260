//! The one shape of a number.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::fold::names::Rate;
use crate::stats::distribution::Distribution;
pub use crate::stats::distribution::mean_half_even;
use crate::stats::histogram::{Counts, RELATIVE_ERROR};
use crate::stats::proportion::wilson;

/// Units of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
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
    /// A number of things a second.
    Rate,
    /// A mean of numbers of things.
    Mean,
    /// A number by which things are ranked.
    Score,
    /// Seconds.
    S,
    /// Days.
    Days,
    /// Robust standard deviations.
    Z,
}

/// Why a value is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
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
    /// It would give away a number that fewer than 50 people stand behind.
    ProtectsAnother,
    /// Its quarter has not closed, or what comes late has not come.
    QuarterRunning,
    /// It has not reached the first step that is told of a quarter that runs.
    BelowFirstStep,
}

/// A JSON number; what is none (NaN, infinite) is written as null.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Number {
    Uint(u64),
    Int(i64),
    Float(f64),
}

macro_rules! numbers {
    ($variant:ident: $($kind:ty),+) => {
        $(impl From<$kind> for Number {
            fn from(n: $kind) -> Self {
                Self::$variant(n as _)
            }
        })+
    };
}
numbers!(Uint: u64, u32, u8, usize);
numbers!(Int: i64, i32);
numbers!(Float: f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Uint(n) => serializer.serialize_u64(*n),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
        }
    }
}

/// A number with what must be known to read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The number.
    pub value: Option<Number>,
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
    /// Where it is not exact: most that it is off, as a share of it.
    pub error: Option<f64>,
}

/// Values below it are told apart in a histogram.
const EXACT_BELOW: u64 = 512;

impl Metric {
    /// An exact number.
    pub fn exact(value: impl Into<Number>, unit: Unit, n: u64) -> Self {
        Self { value: Some(value.into()), unit, ci: None, n, exact: true, hidden: None, error: None }
    }

    /// No number, and why.
    #[must_use]
    pub fn hidden(unit: Unit, why: Hidden, n: u64) -> Self {
        Self { value: None, unit, ci: None, n, exact: true, hidden: Some(why), error: None }
    }

    /// A number of things.
    pub(super) fn count(n: impl Into<u64>) -> Self {
        let n = n.into();
        Self::exact(n, Unit::Count, n)
    }

    /// A number of things that every Shard tells a part of; hidden where one did not answer.
    pub(super) fn told(n: Option<u64>) -> Self {
        n.map_or(Self::hidden(Unit::Count, Hidden::ShardUnreachable, 0), Self::count)
    }

    /// `hits` of `n` as a share, with its Wilson interval; hidden of none.
    pub(super) fn share(hits: impl Into<u64>, n: impl Into<u64>) -> Self {
        let (hits, n) = (hits.into(), n.into());
        if n == 0 {
            return Self::hidden(Unit::Share, Hidden::NoData, 0);
        }
        Self { ci: wilson(hits, n), ..Self::exact(hits as f64 / n as f64, Unit::Share, n) }
    }

    /// The share of hits.
    pub(super) fn of_rate(rate: Rate) -> Self {
        Self::share(rate.hits, rate.n)
    }

    /// A quantile with its interval of order statistics; hidden of no values.
    pub(super) fn quantile_of(counts: &Counts, q: f64, unit: Unit) -> Self {
        let n = counts.n();
        let Some((value, exact)) = counts.quantile(q) else { return Self::hidden(unit, Hidden::NoData, 0) };
        let ends = counts.quantile_interval(q);
        // Below this each value has a bin of its own.
        let exact = exact && ends.is_none_or(|[_, high]| high < EXACT_BELOW);
        let ci = ends.map(|ends| ends.map(|end| end as f64));
        Self { ci, exact, error: (!exact).then_some(RELATIVE_ERROR), ..Self::exact(value, unit, n) }
    }

    /// A quantile of a distribution, with its interval by order statistics.
    #[must_use]
    pub fn quantile(values: &Distribution, q: f64, unit: Unit) -> Self {
        let Some((value, exact)) = values.quantile(q) else { return Self::hidden(unit, Hidden::NoData, 0) };
        let ends = values.quantile_interval(q);
        let exact = exact && ends.is_none_or(|ends| values.is_exact(ends));
        Self {
            ci: ends.map(|ends| ends.map(|end| end as f64)),
            exact,
            error: if exact { None } else { values.error() },
            ..Self::exact(value, unit, values.n())
        }
    }

    /// A number that rests on nothing where `n` is 0.
    #[must_use]
    pub fn of(value: Option<impl Into<Number>>, ci: Option<[f64; 2]>, unit: Unit, n: u64) -> Self {
        match value {
            Some(value) => Self { ci, ..Self::exact(value, unit, n) },
            None => Self::hidden(unit, Hidden::NoData, n),
        }
    }

    /// Writes its members.
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("value", &self.value)?;
        map.serialize_entry("unit", &self.unit)?;
        map.serialize_entry("ci", &self.ci)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("exact", &self.exact)?;
        map.serialize_entry("hidden", &self.hidden)?;
        self.error.iter().try_for_each(|error| map.serialize_entry("error", error))
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stats::histogram::testing::counts;

    #[test]
    fn a_share_has_its_interval_and_nothing_is_said_of_nothing() {
        // Newcombe (1998), Statistics in Medicine 17, 857–872, table I, method 3.
        let share = json!(Metric::share(81_u64, 263_u64));
        let ends = [0, 1].map(|end| (share["ci"][end].as_f64().unwrap() * 1e4).round());
        assert_eq!((ends, &share["n"], &share["exact"]), ([2553.0, 3662.0], &json!(263), &json!(true)));
        assert_eq!(
            (json!(Metric::share(0_u64, 0_u64))["hidden"].clone(), share.get("error")),
            (json!("no_data"), None)
        );
    }

    #[test]
    fn a_quantile_that_is_off_says_how_much() {
        let small = Metric::quantile_of(&counts(&[3, 1, 2]), 0.5, Unit::Ms);
        assert_eq!((small.value, small.exact, small.error, small.n), (Some(Number::Uint(2)), true, None, 3));
        let large = Metric::quantile_of(&counts(&[5_000_000_000]), 0.5, Unit::NanoUsd);
        assert_eq!((large.exact, large.error), (false, Some(1.0 / 512.0)));
        assert!(json!(large.value).as_f64().unwrap() / 5e9 - 1.0 < 1.0 / 512.0);
        assert_eq!(Metric::quantile_of(&counts(&[]), 0.5, Unit::Ms).hidden, Some(Hidden::NoData));
    }
}
