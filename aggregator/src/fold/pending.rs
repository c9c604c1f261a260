//! Turns whose usage is known but not their price: kept until an operator's price list has one.

use schemas::event::{Cohort, Cost, PriceContext, Repriced, Source, Turn, UnpricedReason};
use schemas::{Body, ConversationKey, Event, EventKey, Label, SessionKey, Usage, UserKey, UtcMillis};
use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::people::facts::Owner;
use super::thread::Thread;

/// Most turns that one Shard keeps: some 300 bytes each. Those beyond are counted as unpriced all the same.
pub const PENDING_MAX: usize = 50_000;
/// Most turns in one answer.
pub const PENDING_PAGE_MAX: usize = 1_000;

/// What must be known of a turn to price it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its time.
    pub ts: UtcMillis,
    /// The door it came in by.
    pub source: Source,
    /// Why it had no price.
    pub reason: UnpricedReason,
    /// Its person.
    pub user: Option<UserKey>,
    /// Its conversation.
    pub conversation: Option<ConversationKey>,
    /// Its visit, where the app names its visits.
    pub session: Option<SessionKey>,
    /// Who ran the model.
    pub provider: Label,
    /// The model.
    pub model: Label,
    /// The part of the app that asked.
    pub feature: Option<Label>,
    /// Its tokens.
    pub usage: Counts,
    /// What else decides its price.
    pub price_context: PriceContext,
    /// Milliseconds that it took, for prices per second.
    pub latency_ms: Option<u32>,
    /// What was known of its person.
    #[serde(default, with = "by_place")]
    pub cohort: Cohort,
    /// Another Shard, from which this one took its person over, counts the turn; here its price is its person's alone.
    #[serde(default)]
    pub elsewhere: bool,
}

impl Pending {
    /// What to keep of a turn; `None` when no price that is found later could change it.
    pub(super) fn of(event: &Event, turn: &Turn) -> Option<Self> {
        let Cost::Unpriced { unpriced: reason } = turn.cost else { return None };
        use UnpricedReason::{NoPrice, UnknownModel, UnknownProvider};
        let usage = turn.usage.filter(|_| matches!(reason, UnknownProvider | UnknownModel | NoPrice))?;
        Some(Self {
            ts: event.ts,
            source: event.source,
            reason,
            user: event.user,
            conversation: event.conversation,
            session: event.session,
            provider: turn.provider.clone(),
            model: turn.model.clone(),
            feature: turn.feature.clone(),
            usage: Counts::of(&usage),
            price_context: turn.price_context.clone(),
            latency_ms: turn.latency_ms,
            cohort: event.cohort.clone(),
            elsewhere: false,
        })
    }

    /// Whose it is; `None` of one without any key.
    pub(super) fn owner(&self) -> Option<Owner> {
        Owner::of(self.user, self.conversation, self.session)
    }

    /// The thread that it is a turn of.
    pub(super) fn thread(&self) -> Thread {
        Thread::of(self.user, self.conversation, self.session)
    }

    /// Lets equal words of turns share their memory: takes those that are known, and makes the others known.
    pub(super) fn share_words(&mut self, known: &mut BTreeSet<Label>) {
        for word in [&mut self.provider, &mut self.model].into_iter().chain(&mut self.feature) {
            match known.get(word) {
                Some(shared) => *word = shared.clone(),
                None => drop(known.insert(word.clone())),
            }
        }
    }

    /// Tokens, read and written.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let usage = self.usage.usage();
        usage.input_tokens + usage.output_tokens
    }
}

/// A pending turn and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTurn {
    /// The turn.
    pub id: EventKey,
    /// What is known of it.
    pub turn: Pending,
}

/// Where a list of pending turns was left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCursor {
    pub(crate) page: u16,
    pub(crate) id: EventKey,
}

/// A part of a Shard's pending turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPage {
    /// At most [`PENDING_PAGE_MAX`].
    pub turns: Vec<PendingTurn>,
    /// Where to go on; `None` when these are the last.
    pub next: Option<PendingCursor>,
}

/// The event that gives a pending turn its price. Its id follows from the turn's: sent again, it is a duplicate. It belongs in
/// the Shard that the turn is in.
#[must_use]
pub fn repriced_event(pending: &PendingTurn, cost: Cost) -> Event {
    let PendingTurn { id, turn } = pending;
    Event {
        id: id.follow_up(),
        ts: turn.ts,
        source: Source::Admin,
        user: turn.user,
        conversation: turn.conversation,
        session: turn.session,
        reply: None,
        cohort: Default::default(),
        aside: None,
        body: Body::Repriced(Repriced {
            turn: *id,
            provider: turn.provider.clone(),
            model: turn.model.clone(),
            feature: turn.feature.clone(),
            tokens: turn.tokens(),
            cost,
        }),
    }
}

/// Attributes with those that are not known in their places: stored forms go by places, and lines of the log leave them out.
mod by_place {
    use super::{Cohort, Deserialize, Deserializer, Serialize, Serializer};
    use schemas::Label;
    use schemas::event::{Country, UtcOffset};

    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Whole {
        country: Option<Country>,
        utc_offset_minutes: Option<UtcOffset>,
        plan: Option<Label>,
        guest: Option<bool>,
    }

    pub(super) fn serialize<S: Serializer>(cohort: &Cohort, serializer: S) -> Result<S::Ok, S::Error> {
        let Cohort { country, utc_offset_minutes, plan, guest } = cohort.clone();
        Whole { country, utc_offset_minutes, plan, guest }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cohort, D::Error> {
        let Whole { country, utc_offset_minutes, plan, guest } = Whole::deserialize(deserializer)?;
        Ok(Cohort { country, utc_offset_minutes, plan, guest })
    }
}

/// The counts of a usage that are not zero: few of the many that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(Box<[(u8, u64)]>);

impl Counts {
    fn of(usage: &Usage) -> Self {
        let counts = usage.counts();
        Self((0..).zip(counts).filter(|(_, count)| *count > 0).collect())
    }

    /// The usage.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut counts = [0; Usage::FIELDS.len()];
        for (at, count) in &self.0 {
            if let Some(slot) = counts.get_mut(usize::from(*at)) {
                *slot = *count;
            }
        }
        Usage::of_counts(counts)
    }
}

/// By name, because the order of the counts is no promise.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named =
            |(at, count): &(u8, u64)| (Usage::FIELDS.get(usize::from(*at)).copied().unwrap_or_default(), *count);
        self.0.iter().map(named).collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Vec::<(Cow<'de, str>, u64)>::deserialize(deserializer)?;
        let place = |(name, count): (Cow<'de, str>, u64)| {
            let at = Usage::FIELDS.iter().position(|field| **field == *name)?;
            Some((u8::try_from(at).ok()?, count))
        };
        Ok(Self(named.into_iter().filter_map(place).collect()))
    }
}

#[cfg(test)]
#[path = "pending_test.rs"]
mod tests;
