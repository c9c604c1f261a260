//! Answers: from merged counters to the JSON that admins and the public read. One file per panel.

mod budget;
mod cost;
mod crisis;
pub mod csv;
pub mod metric;
mod operations;
mod people;
mod public;
mod usage;

use schemas::{Bucket15, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::budget::BudgetQuery;
use crate::census::funnels::Funnel;
use crate::census::{Ask, Census, Only, Scope};
use crate::civil;
use crate::fold::Bucket;
use crate::fold::intake::Tally;
use crate::fold::names::Visited;
use crate::protocol::{ShardHealth, Window};
use crate::zone::Zone;

pub use public::{PublicFacts, QuarterFacts, public_page};

/// Panels of `/sage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Panel {
    Cost,
    Usage,
    Demographics,
    Sentiment,
    Crisis,
    Operations,
    Integrations,
}

impl Panel {
    /// Every panel, in the order of the answer.
    pub const ALL: [Self; 7] = [
        Self::Cost,
        Self::Usage,
        Self::Demographics,
        Self::Sentiment,
        Self::Crisis,
        Self::Operations,
        Self::Integrations,
    ];

    /// The panel's name in `?panel=` and in the answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Usage => "usage",
            Self::Demographics => "demographics",
            Self::Sentiment => "sentiment",
            Self::Crisis => "crisis",
            Self::Operations => "operations",
            Self::Integrations => "integrations",
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
    /// Funnels to count.
    #[serde(default)]
    pub funnels: Vec<Funnel>,
    /// People and sessions of these attributes alone.
    #[serde(default)]
    pub only: Option<Only>,
    /// Fewest people of a cohort that is shown.
    #[serde(default = "people_min")]
    pub people_min: u64,
}

fn people_min() -> u64 {
    public::PEOPLE_MIN
}

impl Query {
    /// A question about a window, with everything else as it is by default.
    #[must_use]
    pub fn of(tz: &str, window: Window, panels: Vec<Panel>, now: UtcMillis) -> Self {
        Self {
            tz: tz.to_owned(),
            window,
            panels,
            now,
            budget: None,
            funnels: Vec::new(),
            only: None,
            people_min: people_min(),
        }
    }

    /// What is asked about people.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask {
            window: self.window.clone(),
            tz: self.tz.clone(),
            now: self.now,
            scope: Scope::Whole,
            funnels: self.funnels.clone(),
            only: self.only.clone(),
        }
    }
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
}

/// Everything that the panels are made of.
pub struct Facts<'a> {
    /// What was asked.
    pub query: &'a Query,
    /// Counters.
    pub counted: &'a dyn Counted,
    /// What people did; `None` when a Shard did not answer.
    pub people: Option<Census>,
    /// When that was counted, of the Shard that counted first.
    pub people_as_of: Option<UtcMillis>,
    /// What people did today and this month, in the home zone, where limits of theirs are asked for; `None` when a Shard did
    /// not answer.
    pub budget_people: Option<(Census, Census)>,
    /// How each Shard is, by number; `None` for one that did not answer.
    pub shards: Vec<Option<ShardHealth>>,
}

impl Facts<'_> {
    /// Today in the question's zone, in days since 1970.
    fn today(&self) -> i32 {
        let tz = civil::zone(&self.query.tz).unwrap_or(Zone::UTC);
        let midnight = civil::date_of(tz, self.query.now).and_time(chrono::NaiveTime::MIN).and_utc();
        (midnight.timestamp_millis() / schemas::time::DAY_MS) as i32
    }
}

/// The answer of `GET /sage`.
#[must_use]
pub fn admin(facts: &Facts<'_>) -> Value {
    let query = facts.query;
    let tz = civil::zone(&query.tz).unwrap_or(Zone::UTC);
    let mut panels = Map::new();
    for panel in &query.panels {
        let mut content = match panel {
            Panel::Cost => cost::answer(facts, tz),
            Panel::Usage => usage::answer(facts),
            Panel::Crisis => crisis::answer(facts),
            Panel::Operations => operations::answer(facts),
            Panel::Demographics | Panel::Sentiment | Panel::Integrations => json!({}),
        };
        people::extend(*panel, facts, tz, &mut content);
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
        "people_as_of": facts.people_as_of.map(UtcMillis::to_rfc3339),
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
        let query = Query::of("UTC", window, Panel::ALL.to_vec(), now);
        let people = shards.iter().all(Option::is_some).then(Census::default);
        admin(&Facts { query: &query, counted: &Nothing, people, people_as_of: None, budget_people: None, shards })
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
