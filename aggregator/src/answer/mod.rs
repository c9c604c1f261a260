//! Answers: from merged counters to the JSON that admins and the public read. One file per panel.

mod cost;
mod crisis;
pub mod csv;
pub mod metric;
mod operations;
mod public;
mod usage;

use schemas::{Bucket15, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::civil;
use crate::fold::Bucket;
use crate::fold::intake::Tally;
use crate::protocol::{PeopleAnswer, ShardHealth, Window};

pub use public::{PublicFacts, QuarterFacts, public_page};

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
}

/// Counters of a range of buckets, merged over all Shards.
pub trait Counted {
    /// Counters of `[from, to)` of event time.
    fn range(&self, from: Bucket15, to: Bucket15) -> Bucket;
    /// Intake of `[from, to)` of receive time, by minute since 1970, ascending.
    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)>;
}

/// Everything that the panels are made of.
pub struct Facts<'a> {
    /// What was asked.
    pub query: &'a Query,
    /// Counters.
    pub counted: &'a dyn Counted,
    /// What people did; `None` when a Shard did not answer.
    pub people: Option<PeopleAnswer>,
    /// How each Shard is, by number; `None` for one that did not answer.
    pub shards: Vec<Option<ShardHealth>>,
}

/// The answer of `GET /sage`.
#[must_use]
pub fn admin(facts: &Facts<'_>) -> Value {
    let query = facts.query;
    let tz = civil::zone(&query.tz).unwrap_or(chrono_tz::UTC);
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
    json!({
        "from": civil::local_rfc3339(tz, query.window.from.start()),
        "to": civil::local_rfc3339(tz, query.window.to.start()),
        "tz": query.tz,
        "generated_at": query.now.to_rfc3339(),
        "panels": panels,
    })
}
