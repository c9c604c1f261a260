//! How far people came: steps in order, each person once.

use schemas::event::PlatformEvent;
use schemas::time::DAY_MS;
use schemas::{Label, UtcMillis, order};
use serde::{Deserialize, Serialize};

use super::sums::Collecting;
use super::{Ask, Person};
use crate::fold::people::facts::{Mark, MarkKind};
use crate::stats::distribution::Distribution;

/// Steps that people take in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Funnel {
    /// Its name.
    pub name: String,
    /// Days from the first step in which the others count.
    pub within_days: u16,
    /// What makes each step: any of these.
    pub steps: Vec<Vec<Step>>,
}

/// What makes a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// A session begins.
    Chat,
    /// A guest's session begins.
    Guest,
    /// A session of someone signed in begins.
    SignedIn,
    /// A product event of that name.
    Journey(Label),
    /// A step that the app names, `funnel/step`.
    Named(Label),
    /// Something happens with an integration.
    Platform(PlatformEvent),
}

impl Step {
    /// Reads `chat`, `guest`, `signed_in`, `journey:NAME`, `step:FUNNEL/STEP` or `platform:EVENT`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "chat" => Some(Self::Chat),
            None if text == "guest" => Some(Self::Guest),
            None if text == "signed_in" => Some(Self::SignedIn),
            Some(("journey", name)) => Label::parse(name).ok().map(Self::Journey),
            Some(("step", name)) if name.contains('/') => Label::parse(name).ok().map(Self::Named),
            Some(("platform", event)) => {
                serde_json::from_value(serde_json::Value::String(event.into())).ok().map(Self::Platform)
            }
            _ => None,
        }
    }

    fn is(&self, mark: &Mark, name: Option<&Label>) -> bool {
        match self {
            Self::Journey(wanted) => mark.kind == MarkKind::Journey && name == Some(wanted),
            Self::Named(wanted) => mark.kind == MarkKind::Step && name == Some(wanted),
            Self::Platform(event) => mark.kind == MarkKind::Platform(*event),
            Self::Chat | Self::Guest | Self::SignedIn => false,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chat => f.write_str("chat"),
            Self::Guest => f.write_str("guest"),
            Self::SignedIn => f.write_str("signed_in"),
            Self::Journey(name) => write!(f, "journey:{name}"),
            Self::Named(name) => write!(f, "step:{name}"),
            Self::Platform(event) => {
                write!(f, "platform:{}", serde_json::json!(event).as_str().unwrap_or_default())
            }
        }
    }
}

/// How many came how far, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// People who reached each step.
    pub people: Vec<u64>,
    /// Milliseconds to each step from the one before; of the first there are none.
    pub from_previous_ms: Vec<Distribution>,
    /// Milliseconds from first to last step.
    pub whole_ms: Distribution,
}

/// Adds another Shard's people.
pub(super) fn merge(mine: &mut Vec<Reached>, other: &[Reached]) {
    if mine.len() < other.len() {
        mine.resize(other.len(), Reached::default());
    }
    for (mine, theirs) in mine.iter_mut().zip(other) {
        super::add(&mut mine.people, &theirs.people);
        if mine.from_previous_ms.len() < theirs.from_previous_ms.len() {
            mine.from_previous_ms.resize(theirs.from_previous_ms.len(), Distribution::default());
        }
        for (mine, theirs) in mine.from_previous_ms.iter_mut().zip(&theirs.from_previous_ms) {
            mine.merge(theirs);
        }
        mine.whole_ms.merge(&theirs.whole_ms);
    }
}

#[derive(Default)]
struct One {
    people: Vec<u64>,
    from_previous_ms: Vec<Collecting>,
    whole_ms: Collecting,
}

/// What is collected on the way.
pub(super) struct Taking(Vec<One>);

impl Taking {
    pub fn new(funnels: &[Funnel]) -> Self {
        let one = |funnel: &Funnel| One {
            people: vec![0; funnel.steps.len()],
            from_previous_ms: funnel.steps.iter().map(|_| Collecting::default()).collect(),
            whole_ms: Collecting::default(),
        };
        Self(funnels.iter().map(one).collect())
    }

    pub fn take(&mut self, person: &Person<'_>, ask: &Ask) {
        if !person.is_user() || ask.funnels.is_empty() {
            return;
        }
        // Everything that can make a step, in order of time.
        let mut events: Vec<(i64, Event<'_>)> = person
            .visits()
            .map(|visit| (visit.start_ms, Event::Session(person.words.cohort(visit.cohort).guest)))
            .chain(person.marks().iter().map(|mark| (mark.ts_ms, Event::Mark(mark, person.words.word(mark.name)))))
            .collect();
        order::by_key(&mut events, |(at, _)| *at);
        for (funnel, taking) in ask.funnels.iter().zip(&mut self.0) {
            taking.walk(funnel, ask, &events);
        }
    }

    pub fn done(self) -> Vec<Reached> {
        let done = |one: One| Reached {
            people: one.people,
            from_previous_ms: one.from_previous_ms.into_iter().map(Collecting::done).collect(),
            whole_ms: one.whole_ms.done(),
        };
        self.0.into_iter().map(done).collect()
    }
}

enum Event<'a> {
    Session(Option<bool>),
    Mark(&'a Mark, Option<&'a Label>),
}

impl Event<'_> {
    fn makes(&self, step: &[Step]) -> bool {
        step.iter().any(|step| match self {
            Self::Session(guest) => match step {
                Step::Chat => true,
                Step::Guest => *guest == Some(true),
                Step::SignedIn => *guest == Some(false),
                _ => false,
            },
            Self::Mark(mark, name) => step.is(mark, *name),
        })
    }
}

impl One {
    fn walk(&mut self, funnel: &Funnel, ask: &Ask, events: &[(i64, Event<'_>)]) {
        let window = ask.window.from.start()..ask.window.to.start();
        let mut rest = events;
        let (mut first, mut previous) = (None, 0);
        for (number, step) in funnel.steps.iter().enumerate() {
            let found = rest.iter().position(|(at, event)| {
                let in_time = match first {
                    None => window.contains(&UtcMillis(*at)),
                    Some(first) => at - first <= i64::from(funnel.within_days) * DAY_MS,
                };
                in_time && event.makes(step)
            });
            let Some(found) = found else { return };
            let at = rest.get(found).map_or(0, |(at, _)| *at);
            rest = rest.get(found + 1..).unwrap_or_default();
            self.people.get_mut(number).into_iter().for_each(|people| *people += 1);
            if first.is_some()
                && let Some(times) = self.from_previous_ms.get_mut(number)
            {
                times.push(at - previous);
            }
            first.get_or_insert(at);
            previous = at;
        }
        if let Some(first) = first {
            self.whole_ms.push(previous - first);
        }
    }
}
