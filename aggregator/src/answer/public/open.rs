//! A quarter that runs, or settles: how far it has come by the end of its last month, in steps.

use schemas::UtcMillis;
use serde_json::{Value, json};

use super::super::metric::Hidden;
use super::{OpenFacts, PublicRules, closed, heading, hidden, incidents, json_of, policy, steps, with};
use crate::disclosure::archive::{Period, Records, last_months};

pub(super) fn section(
    facts: &OpenFacts,
    records: &Records,
    rules: &PublicRules,
    now: UtcMillis,
    complete: bool,
) -> Value {
    let quarter = facts.quarter;
    let state = if quarter.end() <= now { "closing" } else { "running" };
    let settled = last_months(quarter, now).and_then(|months| records.get(&months.name()));
    // With noise nothing is told twice: the steps have none.
    let settled = settled.filter(|_| rules.epsilon.is_none());
    let users = match settled.map(|record| record["step"].as_u64().unwrap_or(0)) {
        Some(0) => json_of(&hidden(Hidden::BelowFirstStep)),
        Some(step) => steps::at_least(step),
        None if complete => json_of(&hidden(Hidden::QuarterRunning)),
        None => json_of(&hidden(Hidden::ShardUnreachable)),
    };
    let later = || hidden(Hidden::QuarterRunning);
    let members = [
        ("users", users),
        ("users_until", settled.map_or(Value::Null, |record| record["until"].clone())),
        ("sessions", json_of(&later())),
        ("turns", json_of(&later())),
        ("countries", closed::countries_hidden(Hidden::QuarterRunning)),
        ("sentiment", closed::sentiment_hidden(Hidden::QuarterRunning)),
        ("wishes", closed::wishes_hidden(&facts.notices, Hidden::QuarterRunning)),
        ("crisis", closed::crisis(|_| later(), |_| later())),
        ("incidents", if complete { incidents(&facts.safety) } else { unreachable() }),
        ("safety_policy", policy(&facts.notices, quarter).into()),
        ("published_on", Period::Quarter(quarter).settled().utc_date().to_string().into()),
    ];
    with(heading(quarter, state), members)
}

fn unreachable() -> Value {
    let none = json_of(&hidden(Hidden::ShardUnreachable));
    json!({ "p0": none, "p1": none })
}
