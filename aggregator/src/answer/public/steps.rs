//! The steps that people have reached: what is noted at the end of a month, and how it is told.

use schemas::Quarter;
use serde_json::{Value, json};

use super::super::metric::{Metric, Unit};
use super::{PeriodFacts, PublicRules, json_of, with};
use crate::disclosure::archive::{Period, Records};
use crate::disclosure::steps::step;

/// The step that people had reached by the end of a month.
pub(super) fn record(period: Period, facts: &PeriodFacts, rules: &PublicRules) -> Value {
    json!({ "state": "running", "until": period.span().1.plus_ms(-1).utc_date().to_string(), "step": step(facts.people.users, rules.people_min) })
}

/// The highest step that was shown of a quarter; 0 when none was.
pub(super) fn step_shown(quarter: Quarter, records: &Records) -> u64 {
    let of = |months| records.get(&Period::Months(quarter, months).name()).and_then(|record| record["step"].as_u64());
    [1, 2].into_iter().filter_map(of).max().unwrap_or(0)
}

/// A step: there are that many, or more.
pub(super) fn at_least(step: u64) -> Value {
    let metric = json_of(&Metric { exact: false, ..Metric::exact(step, Unit::Count, step) });
    with(metric, [("at_least", true.into())])
}
