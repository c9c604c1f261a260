//! Answers: from merged counters to the JSON that admins and the public read. One file per panel.

pub mod alerts;
mod budget;
mod chart;
mod cost;
mod counted;
mod crisis;
pub mod csv;
mod demographics;
mod filter;
mod forecast;
mod health;
mod integrations;
pub mod json;
pub mod metric;
mod operations;
pub mod public;
mod satisfaction;
mod sentiment;
mod usage;

use schemas::FlatMap;
use schemas::UtcMillis;
use schemas::order;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

use json::{Json, object};

use crate::budget::BudgetQuery;
use crate::census::churn::Cursor;
use crate::census::funnels::Funnel;
use crate::census::{Ask, Census, Scope};
use crate::civil::{self, Window};
use crate::fold::names::OTHER;
use crate::protocol::ShardHealth;
use crate::zone::Zone;

pub(crate) use counted::sum_of;
#[cfg(test)]
pub(crate) use counted::testing;
pub use counted::{ByQuarter, Counted, LastWords, Part, Sample};
pub use filter::Filter;

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
    /// The zone that budgets go by.
    #[serde(default)]
    pub home: Option<String>,
    /// Funnels to count.
    #[serde(default)]
    pub funnels: Vec<Funnel>,
    /// Fewest people of a cohort that is shown.
    #[serde(default = "people_min")]
    pub people_min: u64,
    /// Which part of the numbers; each panel asked for keeps it apart.
    #[serde(default)]
    pub filter: Filter,
    /// An earlier window to set beside this one.
    #[serde(default)]
    pub previous: Option<Window>,
    /// The place after which people at risk are named.
    #[serde(default)]
    pub after: Option<Cursor>,
    /// Crisis referrals of civil years before Sage counted them.
    #[serde(default)]
    pub referrals: Vec<(i32, u64)>,
}

fn people_min() -> u64 {
    public::PEOPLE_MIN
}

impl Query {
    /// A question without limits, filter or comparison.
    #[must_use]
    pub fn new(tz: Zone, window: Window, panels: Vec<Panel>, now: UtcMillis) -> Self {
        let (filter, funnels, referrals) = Default::default();
        let (tz, people_min) = (tz.name().to_owned(), people_min());
        let (budget, home, previous, after) = (None, None, None, None);
        Self { tz, window, panels, now, budget, home, funnels, people_min, filter, previous, after, referrals }
    }

    /// The same question of the earlier window; `None` where none is asked for.
    #[must_use]
    pub fn of_previous(&self) -> Option<Self> {
        self.previous.clone().map(|window| Self { window, previous: None, ..self.clone() })
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
            only: self.filter.only(),
            after: self.after,
        }
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
    /// What people did in the earlier window, where one is asked for.
    pub people_before: Option<Census>,
    /// What people did today and this month, in the home zone, where limits of theirs are asked for; `None` when a Shard did
    /// not answer.
    pub budget_people: Option<(Census, Census)>,
    /// How each Shard is, by number; `None` for one that did not answer.
    pub shards: Vec<Option<ShardHealth>>,
}

impl Facts<'_> {
    /// What people did, where a Shard's silence does not hide it and the filter is one that people are told apart by.
    fn census(&self) -> Option<&Census> {
        self.people.as_ref().filter(|_| !matches!(self.query.filter, Filter::Model(_) | Filter::Device(_)))
    }

    /// Today in the question's zone, in days since 1970.
    fn today(&self) -> i32 {
        let tz = civil::zone(&self.query.tz).unwrap_or(Zone::UTC);
        let midnight = civil::date_of(tz, self.query.now).and_time(chrono::NaiveTime::MIN).and_utc();
        (midnight.timestamp_millis() / schemas::time::DAY_MS) as i32
    }
}

/// The answer of `GET /sage`.
#[must_use]
pub fn admin(facts: &Facts<'_>) -> Json {
    let query = facts.query;
    let tz = civil::zone(&query.tz).unwrap_or(Zone::UTC);
    let mut panels = panels_of(facts, tz);
    let silent: Vec<usize> =
        facts.shards.iter().enumerate().filter(|(_, health)| health.is_none()).map(|(number, _)| number).collect();
    let before = query.of_previous();
    let mut previous = before.as_ref().map(|before| {
        let facts = Facts {
            query: before,
            counted: facts.counted,
            people: facts.people_before.clone(),
            people_as_of: facts.people_as_of,
            people_before: None,
            budget_people: None,
            shards: facts.shards.clone(),
        };
        object!({
            "from": civil::local_rfc3339(tz, before.window.from.start()),
            "to": civil::local_rfc3339(tz, before.window.to.start()),
            "panels": panels_of(&facts, tz),
        })
    });
    if !silent.is_empty() {
        // Gold may not know the newest events: no counter is exact then.
        panels.mark_inexact();
        previous.iter_mut().for_each(Json::mark_inexact);
    }
    let answer = object!({
        "from": civil::local_rfc3339(tz, query.window.from.start()),
        "to": civil::local_rfc3339(tz, query.window.to.start()),
        "tz": query.tz.clone(),
        "generated_at": query.now.to_rfc3339(),
        "people_as_of": facts.people_as_of.map(UtcMillis::to_rfc3339),
        "unreachable_shards": silent,
        "panels": panels,
    });
    match previous {
        Some(previous) => answer.with(object!({ "previous": previous })),
        None => answer,
    }
}

/// The panels asked for. One that does not keep the filter apart is left out.
fn panels_of(facts: &Facts<'_>, tz: Zone) -> Json {
    let query = facts.query;
    let named = facts.counted.named(query.window.from, query.window.to);
    let panel = |panel: &Panel| {
        let content = match panel {
            Panel::Cost => cost::answer(facts, &named, tz),
            // Feedback and intents know no one's attributes.
            Panel::Usage if query.filter.only().is_some() => usage::answer(facts),
            Panel::Usage => usage::answer(facts).with(satisfaction::members(facts, &named)),
            Panel::Demographics => demographics::answer(facts, &named),
            Panel::Sentiment => sentiment::answer(facts, &named, tz),
            Panel::Crisis => crisis::answer(facts, &named, tz),
            Panel::Operations => operations::answer(facts, &named),
            Panel::Integrations => integrations::answer(facts, &named),
        };
        (panel.name(), content)
    };
    let kept = query.panels.iter().filter(|panel| query.filter.is_kept_by(**panel));
    Json::Object(kept.map(panel).collect())
}

/// Names with their counts, most first; all beyond so many are one, so that the rows add up.
fn ranked(names: FlatMap<&str, u64>, shown: usize) -> Vec<(&str, u64)> {
    let mut rows: Vec<(&str, u64)> = names.into_iter().filter(|(_, n)| *n > 0).collect();
    order::by_key(&mut rows, |(name, n)| (*name == OTHER, Reverse(*n), *name));
    let named = rows.iter().filter(|(name, _)| *name != OTHER).count().min(shown);
    let other = rows.drain(named..).map(|(_, n)| n).sum();
    rows.extend((other > 0).then_some((OTHER, other)));
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::counted::testing::Folded;
    use super::*;

    fn ask(shards: Vec<Option<ShardHealth>>) -> Value {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap_or_default();
        let window = civil::window(Zone::UTC, now.plus_ms(-3_600_000), now);
        let query = Query::new(Zone::UTC, window, Panel::ALL.to_vec(), now);
        let people = shards.iter().all(Option::is_some).then(Census::default);
        let counted = &Folded::of(&[]);
        testing::answer(&Facts {
            query: &query,
            counted,
            people,
            people_as_of: None,
            people_before: None,
            budget_people: None,
            shards,
        })
    }

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap();
        let window = civil::window(Zone::UTC, now.plus_ms(-86_400_000), now);
        for filter in
            ["model:gpt-4o", "country:DE", "device:mobile", "plan:free"].map(|text| Filter::parse(text).unwrap())
        {
            let query = Query {
                previous: Some(window.clone()),
                funnels: crate::census::testing::funnels(),
                home: Some("Asia/Kathmandu".into()),
                referrals: vec![(2025, 3)],
                after: Cursor::parse("21.k1_000102030405060708090a0b0c0d0e0f"),
                filter,
                ..Query::new(Zone::UTC, window.clone(), Panel::ALL.to_vec(), now)
            };
            let read: Query = crate::fold::decode(&crate::fold::encode(&query).unwrap()).unwrap();
            assert_eq!(read, query);
            assert!(read.after.is_some());
            assert_eq!(crate::fold::decode::<Ask>(&crate::fold::encode(&query.ask()).unwrap()).unwrap(), query.ask());
            let census = Census::default();
            assert_eq!(crate::fold::decode::<Census>(&crate::fold::encode(&census).unwrap()).unwrap(), census);
        }
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

#[cfg(test)]
#[path = "panels_test.rs"]
mod panels;
#[cfg(test)]
#[path = "people_test.rs"]
mod people;
#[cfg(test)]
#[path = "schema_test.rs"]
mod schema;
