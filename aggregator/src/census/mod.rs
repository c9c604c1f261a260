//! The census: what people and sessions did in a window, counted by going from person to person.
//!
//! Every part has one shape: what it keeps, how it takes in a person, how it merges with another Shard's. People of two Shards are
//! different people, so parts add up. No part knows a person but for the lists of keys that are for admins.

pub mod activity;
mod calendar;
pub mod churn;
pub mod funnels;
pub mod integrations;
pub mod published;
pub mod retention;
pub mod sessions;
pub mod sums;

use schemas::event::{Cohort, Country};
use schemas::{Bucket15, FlatMap, Label, NanoUsd, UtcMillis};
use serde::{Deserialize, Serialize};

use crate::civil::Window;
use crate::disclosure::contribution::Cap;
use crate::fold::people::facts::{Entry, Facts, Mark, Owner, ThreadId, Track, Visit};
use crate::fold::people::words::Words;
use calendar::Calendar;

/// What is asked about people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ask {
    /// When.
    pub window: Window,
    /// IANA zone of the window's days.
    pub tz: String,
    /// When it was asked: some numbers are of then.
    pub now: UtcMillis,
    /// How much.
    pub scope: Scope,
    /// Funnels to count.
    pub funnels: Vec<funnels::Funnel>,
    /// Turns and sessions of these attributes alone.
    pub only: Option<Only>,
    /// The place after which people at risk are named; `None`: from the first on.
    #[serde(default)]
    pub after: Option<churn::Cursor>,
}

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    Whole,
    /// What each person spent, and how many spent so much or more.
    Spend(NanoUsd),
    /// What is published, of each person up to a cap.
    Published(Cap),
}

/// Attributes that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Only {
    /// A country.
    Country(Country),
    /// A plan.
    Plan(Label),
}

impl Only {
    fn is(&self, cohort: &Cohort) -> bool {
        match self {
            Self::Country(country) => cohort.country == Some(*country),
            Self::Plan(plan) => cohort.plan.as_ref() == Some(plan),
        }
    }
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Census {
    /// Who was active, and what they spent.
    pub activity: activity::Activity,
    /// Sessions, and what happened in them.
    pub sessions: sessions::Sessions,
    /// Who came back.
    pub retention: retention::Retention,
    /// Who may be leaving.
    pub churn: churn::Churn,
    /// How far people came.
    pub funnels: Vec<funnels::Reached>,
    /// Connections to platforms, errors that people met.
    pub integrations: integrations::Integrations,
    /// What everyone may see.
    pub published: published::Published,
}

impl Census {
    /// Adds another Shard's.
    pub fn merge(&mut self, other: &Self) {
        self.activity.merge(&other.activity);
        self.sessions.merge(&other.sessions);
        self.retention.merge(&other.retention);
        self.churn.merge(&other.churn);
        funnels::merge(&mut self.funnels, &other.funnels);
        self.integrations.merge(&other.integrations);
        self.published.merge(&other.published);
    }
}

/// A person, or a thread without one, with what is theirs.
struct Person<'a> {
    owner: Owner,
    facts: &'a Facts,
    words: &'a Words,
    /// Of the attributes asked for, ascending in time.
    entries: Vec<Entry>,
    /// First quarter of an hour of their first turn ever.
    first_seen: Option<Bucket15>,
}

impl Person<'_> {
    fn is_user(&self) -> bool {
        matches!(self.owner, Owner::User(_))
    }

    /// Entries of `[from, to)`.
    fn between(&self, from: Bucket15, to: Bucket15) -> &[Entry] {
        let first = self.entries.partition_point(|entry| entry.bucket < from);
        let end = self.entries.partition_point(|entry| entry.bucket < to);
        self.entries.get(first..end).unwrap_or_default()
    }

    fn tracks(&self) -> impl Iterator<Item = (&ThreadId, &Track)> {
        self.facts.threads.iter()
    }

    /// Visits that have a turn.
    fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.facts.threads.values().flat_map(|track| &track.visits).filter(|visit| visit.turns > 0)
    }

    fn marks(&self) -> &[Mark] {
        &self.facts.marks
    }
}

/// Takes a census.
pub struct Taker<'a> {
    ask: &'a Ask,
    calendar: Calendar,
    census: Census,
    activity: activity::Taking,
    sessions: sessions::Taking,
    funnels: funnels::Taking,
}

impl<'a> Taker<'a> {
    /// For an ask.
    #[must_use]
    pub fn new(ask: &'a Ask) -> Self {
        Self {
            calendar: Calendar::of(ask),
            census: Census::default(),
            activity: activity::Taking::default(),
            sessions: sessions::Taking::default(),
            funnels: funnels::Taking::new(&ask.funnels),
            ask,
        }
    }

    /// Takes in a person.
    pub fn take(&mut self, owner: Owner, facts: &Facts, words: &Words) {
        let mut entries: Vec<Entry> = facts
            .entries
            .iter()
            .filter(|entry| entry.turns > 0 || entry.nano_usd.0 != 0 || entry.services.0 != 0)
            .copied()
            .collect();
        let first_seen = entries.iter().find(|entry| entry.turns > 0).map(|entry| entry.bucket);
        if let Some(only) = &self.ask.only {
            entries.retain(|entry| only.is(words.cohort(entry.cohort)));
        }
        let person = Person { owner, facts, words, entries, first_seen };
        let (ask, calendar, census) = (self.ask, &self.calendar, &mut self.census);
        if let Scope::Published(cap) = ask.scope {
            census.published.take(&person, cap, calendar);
            return;
        }
        self.activity.take(&person, ask, calendar, &mut census.activity);
        if ask.scope != Scope::Whole {
            return;
        }
        self.sessions.take(&person, ask, calendar, &mut census.sessions);
        if ask.only.is_none() {
            census.retention.take(&person, calendar);
            census.churn.take(&person, ask, calendar);
            self.funnels.take(&person, ask);
            census.integrations.take(&person, ask);
        }
    }

    /// What was counted.
    #[must_use]
    pub fn done(mut self) -> Census {
        self.activity.done(self.ask, &mut self.census.activity);
        self.sessions.done(self.ask, &mut self.census.sessions);
        self.census.funnels = self.funnels.done();
        self.census
    }
}

fn add<T: Copy + Default + std::ops::AddAssign>(mine: &mut Vec<T>, other: &[T]) {
    if mine.len() < other.len() {
        mine.resize(other.len(), T::default());
    }
    mine.iter_mut().zip(other).for_each(|(a, b)| *a += *b);
}

/// Counts one in a place of a list that grows as needed.
fn count_at(counts: &mut Vec<u64>, at: usize) {
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts.get_mut(at).into_iter().for_each(|count| *count += 1);
}

fn merge_counts<K: Ord + Clone>(mine: &mut FlatMap<K, u64>, other: &FlatMap<K, u64>) {
    for (key, count) in other {
        *mine.entry(key.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod scale_test;
#[cfg(test)]
pub(crate) mod testing {
    use schemas::Label;
    use schemas::event::PlatformEvent;

    use super::funnels::{Funnel, Step};

    pub(crate) fn funnels() -> Vec<Funnel> {
        let label = |text: &str| Label::parse(text).unwrap();
        let funnel = |name: &str, within_days, steps| Funnel { name: name.into(), within_days, steps };
        vec![
            funnel("connected", 30, vec![vec![Step::Chat], vec![Step::Platform(PlatformEvent::Connected)]]),
            funnel(
                "back",
                3,
                vec![vec![Step::Chat], vec![Step::Guest, Step::Journey(label("opened"))], vec![Step::Chat]],
            ),
        ]
    }
}
