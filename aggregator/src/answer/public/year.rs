//! Crisis referrals by year, where they give no quarter away.

use serde_json::{Value, json};

use super::super::metric::Hidden;
use super::{PeriodFacts, PublicRules, count, hidden, json_of, reason, with};
use crate::disclosure::archive::{Period, Records, quarters_of};
use crate::disclosure::suppress::State;
use crate::disclosure::years::{self, Said};

/// A year that Sage has counted, with what was issued before.
pub(super) fn record(year: i32, facts: &PeriodFacts, rules: &PublicRules, records: &Records) -> Value {
    let (counted, by_quarter) = facts.referrals;
    let before = rules.referrals.iter().find(|(of, _)| *of == year).map_or(0, |(_, n)| *n);
    let said: Vec<Option<Said>> = quarters_of(year)
        .zip(by_quarter)
        .map(|(quarter, referrals)| {
            let record = records.get(&Period::Quarter(quarter).name())?;
            Some(Said { referrals, state: state_of(record, referrals) })
        })
        .collect();
    let metric = match years::public(counted.saturating_add(before), &said, rules.people_min) {
        State::Shown => count(counted.saturating_add(before)),
        state => hidden(reason(state).unwrap_or(Hidden::ProtectsAnother)),
    };
    json!({ "state": "year", "year": year, "referrals": json_of(&metric) })
}

fn state_of(record: &Value, referrals: u64) -> State {
    let of = |at: &str| record.pointer(at).filter(|value| !value.is_null());
    match (
        of("/crisis/referrals/value").and_then(Value::as_u64),
        of("/crisis/referrals/hidden").and_then(Value::as_str),
    ) {
        (Some(shown), _) if shown == referrals => State::Shown,
        // Of a quarter whose people are too few nothing is told, so that its referrals may be many.
        (None, Some("fewer_than_50_people")) if of("/users/value").is_some() => State::Small,
        _ => State::Withheld,
    }
}

/// Every year that is over, oldest first: those that Sage has counted as they were made, those before as the operator gives them.
pub(super) fn section(records: &Records, rules: &PublicRules) -> Vec<Value> {
    let name = |year: i32| Period::Year(year).name();
    let first = records.values().filter_map(|record| record["year"].as_i64()).min();
    let mut years: Vec<(i64, Value)> = Vec::new();
    let mut add = |year: i64, metric: Value| {
        let at = years.partition_point(|(other, _)| *other < year);
        years.insert(at, (year, metric));
    };
    for record in records.values() {
        if let Some(year) = record.get("year").and_then(Value::as_i64) {
            add(year, record.get("referrals").cloned().unwrap_or_default());
        }
    }
    // A year that Sage has begun to count is not told before it is over.
    let counted = records.values().filter_map(|record| record["quarter"].as_str()?.get(..4)?.parse::<i64>().ok()).min();
    let begun = first.into_iter().chain(counted).min();
    for (year, referrals) in &rules.referrals {
        if !records.contains_key(&name(*year)) && begun.is_none_or(|begun| i64::from(*year) < begun) {
            let state = years::public(*referrals, &[None; 4], rules.people_min);
            add(i64::from(*year), json_of(&reason(state).map_or_else(|| count(*referrals), hidden)));
        }
    }
    years.into_iter().map(|(year, metric)| with(metric, [("bucket", year.to_string().into())])).collect()
}
