//! The public page's data: closed quarters, each made once, and as much of the one that runs as gives no one away.

mod closed;
pub mod facts;
mod method;
mod open;
mod steps;
mod year;

use schemas::event::Emotion;
use schemas::{Quarter, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::metric::{Hidden, Metric, Unit};
use crate::disclosure::archive::{self, Period, Records};
use crate::disclosure::contribution::{Cap, Capped};
use crate::disclosure::noise::{Epsilon, Random, RandomError};
use crate::disclosure::suppress::{Cell, State};
use crate::fold::notices::{Notices, WishStatus};
use crate::fold::safety::Safety;

/// How the operator wants the page made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicRules {
    /// Fewest people behind a published number.
    pub people_min: u64,
    /// The most that one person adds to a quarter.
    pub cap: Cap,
    /// Privacy loss of each number, where noise is wanted.
    pub epsilon: Option<Epsilon>,
    /// Crisis referrals of California's civil years that were issued before Sage counted them.
    pub referrals: Vec<(i32, u64)>,
    /// Notes beside closed quarters.
    pub corrections: Vec<Correction>,
}

/// Fewest people behind a published number, where the operator asks for no more.
pub const PEOPLE_MIN: u64 = 50;

impl Default for PublicRules {
    fn default() -> Self {
        Self {
            people_min: PEOPLE_MIN,
            cap: Cap::default(),
            epsilon: None,
            referrals: Vec::new(),
            corrections: Vec::new(),
        }
    }
}

/// A dated note beside a closed quarter: the quarter itself never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Which quarter, `2026-Q3`.
    pub quarter: String,
    /// When it was noted, `2026-11-02`.
    pub date: String,
    /// The operator's words.
    pub note: String,
}

/// What is known of a period's people, over all Shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleFacts {
    /// Distinct people.
    pub users: u64,
    /// What they did, each up to the cap.
    pub capped: Capped,
    /// People by country, each person in one, each country once, by name; `None` where countries are not known of people.
    pub countries: Option<Vec<(String, u64)>>,
    /// Visits by their strongest emotion, and the people who had them; `None` where emotions are not known of visits.
    pub emotions: Option<Vec<(Emotion, Cell)>>,
    /// People who had a visit without any.
    pub emotionless: u64,
    /// People by what they wished for; `None` where wishes are not known of people.
    pub wishes: Option<Vec<(String, u64)>>,
}

/// What a period is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeriodFacts {
    /// Its people.
    pub people: PeopleFacts,
    /// Its crises and incidents.
    pub safety: Safety,
    /// What was said by its end.
    pub notices: Notices,
    /// Of a year: crisis referrals, and those of each of its quarters in UTC.
    pub referrals: (u64, [u64; 4]),
}

/// What of an open quarter is no one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFacts {
    /// Which.
    pub quarter: Quarter,
    /// Its crises and incidents.
    pub safety: Safety,
    /// What was said by now.
    pub notices: Notices,
}

/// Makes the record of a settled period, which then stays.
///
/// # Errors
/// When noise can't be drawn; there is no record then.
pub fn record(
    period: Period,
    facts: &PeriodFacts,
    rules: &PublicRules,
    records: &Records,
    now: UtcMillis,
    random: &mut dyn Random,
) -> Result<Value, RandomError> {
    match period {
        Period::Quarter(quarter) => closed::record(quarter, facts, rules, records, now, random),
        Period::Months(..) => Ok(steps::record(period, facts, rules)),
        Period::Year(year) => Ok(year::record(year, facts, rules, records)),
    }
}

/// The JSON twin of the public page. `open`: newest first. `complete`: every Shard has answered.
#[must_use]
pub fn page(now: UtcMillis, open: &[OpenFacts], records: &Records, rules: &PublicRules, complete: bool) -> Value {
    let mut quarters: Vec<Value> =
        open.iter().map(|facts| open::section(facts, records, rules, now, complete)).collect();
    for record in records.values().rev().filter(|record| record["state"] == "closed") {
        quarters.push(with(record.clone(), [("corrections", corrections(rules, &record["quarter"]))]));
    }
    json!({
        "generated_at": now.to_rfc3339(),
        "people_min": rules.people_min,
        "settle_days": archive::SETTLE_DAYS,
        "first_step": crate::disclosure::steps::first_step(rules.people_min),
        "user_sessions_max": rules.cap.sessions,
        "user_turns_max": rules.cap.turns,
        "quarters": quarters,
        "referrals_by_year": year::section(records, rules),
        "method": method::lines(rules),
    })
}

fn corrections(rules: &PublicRules, quarter: &Value) -> Value {
    let notes = rules.corrections.iter().filter(|correction| *quarter == correction.quarter);
    notes.map(|correction| json!({ "date": correction.date, "note": correction.note })).collect()
}

fn heading(quarter: Quarter, state: &str) -> Value {
    json!({
        "quarter": quarter.to_string(),
        "from": quarter.start().utc_date().to_string(),
        "to": quarter.end().plus_ms(-1).utc_date().to_string(),
        "state": state,
        "closed": state == "closed",
    })
}

/// An object with further members.
fn with(mut object: Value, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    if let Value::Object(members) = &mut object {
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// Not inlined: it is wanted in many places, and small only where it stands once.
#[inline(never)]
fn json_of(metric: &Metric) -> Value {
    json!(metric)
}

#[inline(never)]
fn in_bucket(metric: &Metric, bucket: &str) -> Value {
    with(json_of(metric), [("bucket", bucket.into())])
}

fn count(n: u64) -> Metric {
    Metric::exact(n, Unit::Count, n)
}

fn hidden(why: Hidden) -> Metric {
    Metric::hidden(Unit::Count, why, 0)
}

/// Why a number of this state is hidden; `None` for one that is shown.
fn reason(state: State) -> Option<Hidden> {
    match state {
        State::Shown => None,
        State::Small => Some(Hidden::FewerThan50People),
        State::Protects | State::Withheld => Some(Hidden::ProtectsAnother),
    }
}

/// Changes of the safety policy of a quarter, with their dates.
fn policy(notices: &Notices, quarter: Quarter) -> Vec<Value> {
    let within = |at: UtcMillis| (quarter.start()..quarter.end()).contains(&at);
    let line = |(at, code): &(UtcMillis, String)| json!({ "date": at.utc_date().to_string(), "code": code });
    notices.policies.iter().filter(|(at, _)| within(*at)).map(line).collect()
}

/// Outages are facts about the service, not about people.
fn incidents(safety: &Safety) -> Value {
    use schemas::event::IncidentSeverity::{P0, P1};
    let of = |severity| count(safety.incidents.get(&severity).copied().unwrap_or(0));
    json!({ "p0": json_of(&of(P0)), "p1": json_of(&of(P1)) })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
