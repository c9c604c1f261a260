//! Answers: from merged counters to the JSON that admins and the public read. One file per panel.

mod budget;
mod cost;
mod crisis;
pub mod csv;
pub mod metric;
mod operations;
pub mod public;
mod usage;

use schemas::{Bucket15, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::budget::BudgetQuery;
use crate::civil;
use crate::disclosure::noted::Noted;
use crate::fold::Bucket;
use crate::fold::intake::Tally;
use crate::fold::names::Visited;
use crate::protocol::{PeopleAnswer, ShardHealth, Window};
use crate::zone::Zone;

/// Panels of `/sage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Panel {
    Cost,
    Usage,
    Crisis,
    Operations,
}

impl Panel {
    /// Every panel, in the order of the answer.
    pub const ALL: [Self; 4] = [Self::Cost, Self::Usage, Self::Crisis, Self::Operations];

    /// The panel's name in `?panel=` and in the answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Usage => "usage",
            Self::Crisis => "crisis",
            Self::Operations => "operations",
        }
    }
}

/// A checked question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// IANA zone.
    pub tz: String,
    /// The window.
    pub window: Window,
    /// Which panels.
    pub panels: Vec<Panel>,
    /// When it was asked.
    pub now: UtcMillis,
    /// Limits of spend, where any is set.
    #[serde(default)]
    pub budget: Option<BudgetQuery>,
    /// Crisis referrals of California's civil years that were issued before Sage counted them.
    #[serde(default)]
    pub referrals: Vec<(i32, u64)>,
}

/// Counters of a range of buckets, merged over all Shards.
pub trait Counted {
    /// Counters of `[from, to)` of event time.
    fn range(&self, from: Bucket15, to: Bucket15) -> Bucket;
    /// Intake of `[from, to)` of receive time, by minute since 1970, ascending.
    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)>;
    /// Requests of `[from, to)` of event time by route and by referrer.
    fn visited(&self, from: Bucket15, to: Bucket15) -> Visited {
        let _ = (from, to);
        Visited::default()
    }
    /// Referrals and notices of all time.
    fn noted(&self) -> Option<&Noted> {
        None
    }
}

/// Everything that the panels are made of.
pub struct Facts<'a> {
    /// What was asked.
    pub query: &'a Query,
    /// Counters.
    pub counted: &'a dyn Counted,
    /// What people did; `None` when a Shard did not answer.
    pub people: Option<PeopleAnswer>,
    /// What people did today and this month, in the home zone, where limits of theirs are asked for; `None` when a Shard did
    /// not answer.
    pub budget_people: Option<(PeopleAnswer, PeopleAnswer)>,
    /// How each Shard is, by number; `None` for one that did not answer.
    pub shards: Vec<Option<ShardHealth>>,
}

/// The answer of `GET /sage`.
#[must_use]
pub fn admin(facts: &Facts<'_>) -> Value {
    let query = facts.query;
    let tz = civil::zone(&query.tz).unwrap_or(Zone::UTC);
    let mut panels = Map::new();
    for panel in &query.panels {
        let content = match panel {
            Panel::Cost => cost::answer(facts, tz),
            Panel::Usage => usage::answer(facts),
            Panel::Crisis => crisis::answer(facts),
            Panel::Operations => operations::answer(facts),
        };
        panels.insert(panel.name().into(), content);
    }
    let mut panels = Value::Object(panels);
    let silent: Vec<usize> =
        facts.shards.iter().enumerate().filter(|(_, health)| health.is_none()).map(|(number, _)| number).collect();
    if !silent.is_empty() {
        mark_incomplete(&mut panels);
    }
    json!({
        "from": civil::local_rfc3339(tz, query.window.from.start()),
        "to": civil::local_rfc3339(tz, query.window.to.start()),
        "tz": query.tz,
        "generated_at": query.now.to_rfc3339(),
        "unreachable_shards": silent,
        "panels": panels,
    })
}

/// Of a Shard that does not answer Gold may not know the newest events: no counter is exact then.
fn mark_incomplete(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(exact) = members.get_mut("exact") {
                *exact = Value::Bool(false);
            }
            members.values_mut().for_each(mark_incomplete);
        }
        Value::Array(items) => items.iter_mut().for_each(mark_incomplete),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Counted for Nothing {
        fn range(&self, _: Bucket15, _: Bucket15) -> Bucket {
            Bucket::default()
        }
        fn intake(&self, _: UtcMillis, _: UtcMillis) -> Vec<(i64, Tally)> {
            Vec::new()
        }
    }

    fn ask(shards: Vec<Option<ShardHealth>>) -> Value {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap_or_default();
        let window = civil::window(Zone::UTC, now.plus_ms(-3_600_000), now);
        let query =
            Query { tz: "UTC".into(), window, panels: Panel::ALL.to_vec(), now, budget: None, referrals: Vec::new() };
        let people = shards.iter().all(Option::is_some).then(PeopleAnswer::default);
        admin(&Facts { query: &query, counted: &Nothing, people, budget_people: None, shards })
    }

    #[test]
    fn a_silent_shard_makes_no_number_look_exact() {
        let answer = ask(vec![Some(ShardHealth::default()), None]);
        assert_eq!(answer["unreachable_shards"], json!([1]));
        assert_eq!(answer["panels"]["cost"]["spend"]["exact"], json!(false));
        assert_eq!(answer["panels"]["usage"]["users"]["hidden"], json!("shard_unreachable"));
        assert!(!answer.to_string().contains("\"exact\":true"));
        let whole = ask(vec![Some(ShardHealth::default())]);
        assert_eq!(whole["panels"]["cost"]["spend"]["exact"], json!(true));
        assert_eq!(whole["panels"]["usage"]["users"]["value"], json!(0));
    }
}
