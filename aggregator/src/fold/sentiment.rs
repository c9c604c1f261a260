//! What the chat sentinel saw and what people thought, as counts that know no person: frustration, wishes, intents, thumbs.

use std::collections::BTreeSet;

use schemas::event::{FrustrationFlag, KanoTier};
use schemas::{Body, Bucket15, Event, EventKey, FlatMap};
use serde::{Deserialize, Serialize};

use super::Counters;
use super::names::{Additive, Rate, additive};

/// One of so many observations is sampled for an audit.
const SAMPLED_OF: u64 = 20;
/// Most keys of sampled observations that are kept of a UTC day of a Shard; all are counted.
pub const SAMPLED_KEYS_MAX: usize = 200;
/// Confidence is summed in these, so that sums do not depend on their order.
pub const MICROS: f64 = 1e6;
/// Position in the conversation as it is counted: 0–9, [`TurnNumber::MORE`], [`TurnNumber::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TurnNumber(pub u8);

impl TurnNumber {
    /// 10 and above.
    pub const MORE: Self = Self(10);
    /// Not told.
    pub const NONE: Self = Self(11);

    fn of(turn_index: Option<u32>) -> Self {
        turn_index.map_or(Self::NONE, |index| u8::try_from(index).map_or(Self::MORE, Self).min(Self::MORE))
    }

    /// `0` … `9`, `10+`, `(none)`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::MORE => "10+".to_owned(),
            Self(number) if number < Self::MORE.0 => number.to_string(),
            Self(_) => super::names::NONE.to_owned(),
        }
    }
}

/// Observations and moments of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentiment {
    /// Observations by turn number; hits have any sign of frustration.
    pub by_turn: FlatMap<TurnNumber, Rate>,
    /// Observations by sign of frustration.
    pub flags: FlatMap<FrustrationFlag, u32>,
    /// Observations that are sampled for the audit.
    pub sampled: u32,
    /// Moments handed in.
    pub moments: u32,
}

additive!(Sentiment: by_turn, flags, sampled, moments);

impl Sentiment {
    /// Does it count this event?
    #[must_use]
    pub fn concerns(event: &Event) -> bool {
        matches!(event.body, Body::Observation(_) | Body::Moment(_))
    }

    /// All observations; hits have any sign of frustration.
    #[must_use]
    pub fn observations(&self) -> Rate {
        let mut all = Rate::default();
        self.by_turn.values().for_each(|rate| all.merge(rate));
        all
    }
}

impl Counters for Sentiment {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Observation(observation) => {
                let rate = Rate::of(!observation.frustration.is_empty());
                self.by_turn.entry(TurnNumber::of(observation.turn_index)).or_default().merge(&rate);
                for (at, flag) in observation.frustration.iter().enumerate() {
                    // A sign that is told twice is one.
                    if !observation.frustration.iter().take(at).any(|before| before == flag) {
                        *self.flags.entry(*flag).or_default() += 1;
                    }
                }
                self.sampled += u32::from(is_sampled(event.id));
            }
            Body::Moment(_) => self.moments += 1,
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        Additive::merge(self, other);
    }

    fn take_out(&mut self, other: &Self) {
        Additive::take_out(self, other);
    }
}

/// Is an observation of this key to be checked by a human? The key is a keyed hash: one in twenty is, and no one can choose which.
#[must_use]
pub fn is_sampled(id: EventKey) -> bool {
    id.prefix().is_multiple_of(SAMPLED_OF)
}

/// Keys of sampled observations of a UTC day: the first [`SAMPLED_KEYS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample(pub FlatMap<i32, BTreeSet<EventKey>>);

impl Sample {
    /// Keeps the event's key, where it is a sampled observation.
    pub fn fold(&mut self, bucket: Bucket15, event: &Event) {
        let sampled = matches!(event.body, Body::Observation(_)) && is_sampled(event.id);
        if sampled && self.0.values().map(BTreeSet::len).sum::<usize>() < SAMPLED_KEYS_MAX {
            self.0.entry(bucket.0).or_default().insert(event.id);
        }
    }

    /// Takes out keys.
    pub fn take_out(&mut self, other: &Self) {
        for (bucket, gone) in &other.0 {
            if let Some(keys) = self.0.get_mut(bucket) {
                keys.retain(|key| !gone.contains(key));
            }
        }
        self.0.retain(|_, keys| !keys.is_empty());
    }
}

/// Counts of one intent in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Journeys and observations that name it.
    pub mentions: u32,
    /// Journeys that say whether they succeeded; hits did.
    pub success: Rate,
    /// Journeys of little confidence, observations of someone who was not understood.
    pub misunderstood: u32,
    /// Observations; hits have any sign of frustration.
    pub observed: Rate,
    /// Thumbs; hits are up.
    pub thumbs: Rate,
}

additive!(Intent: mentions, success, misunderstood, observed, thumbs);

/// Counts of one wish in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// How often it was made.
    pub count: u32,
    /// Sum of the confidence that it was made, in millionths; that of a person's own word is 1.
    pub confidence_micros: u64,
    /// How often each tier was named, in the order of [`TIERS`].
    pub tiers: [u32; TIERS.len()],
}

additive!(Wish: count, confidence_micros, tiers);

/// Kano model's tiers.
pub const TIERS: [KanoTier; 4] = [KanoTier::MustBe, KanoTier::Performance, KanoTier::Attractive, KanoTier::Indifferent];

impl Wish {
    /// Counts a wish of a tier, with the confidence that it was made.
    pub(super) fn count(&mut self, tier: Option<KanoTier>, confidence: f64) {
        self.count += 1;
        self.confidence_micros += (confidence * MICROS).round() as u64;
        let place = tier.and_then(|tier| TIERS.iter().position(|other| *other == tier));
        if let Some(count) = place.and_then(|place| self.tiers.get_mut(place)) {
            *count += 1;
        }
    }
}
