//! What happens in a chat: turns, and what people and the sentinel made of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::ids::EventKey;
use crate::label::Label;
use crate::money::NanoUsd;
use crate::redacted::Redacted;
use crate::usage::Usage;

/// A message of a person and the model's reply to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Position in the conversation, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_index: Option<u32>,
    /// Who ran the model: `openai`, `anthropic`…
    pub provider: Label,
    /// The model as the provider names it.
    pub model: Label,
    /// The part of the app that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Label>,
    /// How it ended.
    pub status: TurnStatus,
    /// The provider's error code, when it ended in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Label>,
    /// Milliseconds from asking to the end of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// Milliseconds from asking to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u32>,
    /// Characters that the person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_chars: Option<u32>,
    /// Characters that the model wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assistant_chars: Option<u32>,
    /// Tokens; `None` when the provider did not say (never read as zero).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The reply broke off, or its reader hung up: `usage` is what was known by then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
    /// What else decides the price, in the price list's words: `service_tier` → `flex`, `processing` → `batch`…
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub price_context: PriceContext,
    /// What it cost. Fixed when the turn is received: a stored cost does not change when prices do.
    pub cost: Cost,
}

/// What else than provider, model, time and usage decides a price: pairs in the price list's words.
pub type PriceContext = BTreeMap<Label, Label>;

/// Most pairs of a [`PriceContext`] that a client may send.
pub const PRICE_CONTEXT_MAX: usize = 8;

fn is_false(value: &bool) -> bool {
    !value
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnStatus {
    /// The reply is whole.
    #[default]
    Ok,
    /// The provider or the app failed.
    Error,
    /// The provider did not answer in time.
    Timeout,
    /// The person stopped it.
    Cancelled,
    /// A filter stopped it.
    Filtered,
}

impl TurnStatus {
    /// All of them. What is stored tells them by their place here: add at the end.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Error, Self::Timeout, Self::Cancelled, Self::Filtered];
}

/// The price of a turn, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Cost {
    /// Priced.
    Priced {
        /// Rounded once, half to even.
        nano_usd: NanoUsd,
        /// Version of the price book and the price within it.
        price_version: Label,
        /// Which tier of a tiered price held.
        tier: Label,
        /// How the usage came to be known.
        provenance: Provenance,
        /// What each unit added; they sum to `nano_usd`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        units: Vec<UnitAmount>,
        /// Of an estimate: between which amounts the true one is expected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<AmountRange>,
        /// What caching did to it; absent when no cached tokens were priced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheEffect>,
    },
    /// Not priced: counted and shown as such, never as $0.
    Unpriced {
        /// Why.
        unpriced: UnpricedReason,
    },
}

/// Read in one pass; a derived untagged enum would keep a copy of every member to try each variant on.
impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members {
            nano_usd: Option<NanoUsd>,
            price_version: Option<Label>,
            tier: Option<Label>,
            provenance: Option<Provenance>,
            #[serde(default)]
            units: Vec<UnitAmount>,
            range: Option<AmountRange>,
            cache: Option<CacheEffect>,
            unpriced: Option<UnpricedReason>,
        }
        let members = Members::deserialize(deserializer)?;
        if let Some(unpriced) = members.unpriced {
            return Ok(Self::Unpriced { unpriced });
        }
        let missing = de::Error::missing_field;
        Ok(Self::Priced {
            nano_usd: members.nano_usd.ok_or_else(|| missing("nano_usd"))?,
            price_version: members.price_version.ok_or_else(|| missing("price_version"))?,
            tier: members.tier.ok_or_else(|| missing("tier"))?,
            provenance: members.provenance.ok_or_else(|| missing("provenance"))?,
            units: members.units,
            range: members.range,
            cache: members.cache,
        })
    }
}

/// What one unit of a price added to a cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitAmount {
    /// Name in the price list: `input_tokens`, `cache_read_tokens`, `requests`, `seconds`…
    pub unit: Label,
    /// How many, without those that a unit within it took; milliseconds for `seconds`.
    pub count: u64,
    /// Its part of the rounded total (largest remainder).
    pub nano_usd: NanoUsd,
}

/// Between which amounts an estimate is expected to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AmountRange {
    /// Lower end.
    pub low: NanoUsd,
    /// Upper end.
    pub high: NanoUsd,
}

/// What caching did to a cost, against the same tokens at the full input price; each rounded once, half to even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheEffect {
    /// What cache reads would have cost at the full price, less what they cost.
    #[serde(default)]
    pub saved: NanoUsd,
    /// What cache writes cost, less what they would have cost at the full price.
    #[serde(default)]
    pub write_premium: NanoUsd,
}

impl Cost {
    /// The amount, where there is one.
    #[must_use]
    pub fn nano_usd(&self) -> Option<NanoUsd> {
        match self {
            Self::Priced { nano_usd, .. } => Some(*nano_usd),
            Self::Unpriced { .. } => None,
        }
    }
}

/// How the usage under a price came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// From the provider's own usage block.
    ProviderReported,
    /// From canonical usage that the app computed or passed on.
    Computed,
    /// From character counts.
    Estimated,
}

impl Provenance {
    /// All of them. What is stored tells them by their place here: add at the end.
    pub const ALL: [Self; 3] = [Self::ProviderReported, Self::Computed, Self::Estimated];
}

/// Why a turn has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnpricedReason {
    /// No tokens are known.
    UsageMissing,
    /// The price book has no such provider.
    UnknownProvider,
    /// The provider has no such model.
    UnknownModel,
    /// The model has no price at that time or for one of the units used.
    NoPrice,
    /// Usage and price contradict each other.
    InconsistentUsage,
    /// The provider refused or failed the call before it was billed.
    NotBilled,
}

impl UnpricedReason {
    /// All of them. What is stored tells them by their place here: add at the end.
    pub const ALL: [Self; 6] = [
        Self::UsageMissing,
        Self::UnknownProvider,
        Self::UnknownModel,
        Self::NoPrice,
        Self::InconsistentUsage,
        Self::NotBilled,
    ];
}

/// A price found later for a turn that had none, made by an operator's command. Its event has the turn's time and keys; the
/// turn itself stays as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repriced {
    /// The turn.
    pub turn: EventKey,
    /// The turn's provider.
    pub provider: Label,
    /// The turn's model.
    pub model: Label,
    /// The turn's feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Label>,
    /// The turn's tokens, input and output.
    pub tokens: u64,
    /// What it cost: always priced.
    pub cost: Cost,
}

/// What a person thought of a reply. Text is reduced to its length at the edge, unless the operator keeps it redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feedback {
    /// Thumb, or stars.
    pub rating: Rating,
    /// Which turn of the conversation, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_index: Option<u32>,
    /// The model that wrote the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Label>,
    /// What the person wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Label>,
    /// Length of the comment in characters; 0 when there was none.
    #[serde(default)]
    pub text_chars: u32,
    /// The comment, redacted, where the operator keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Redacted>,
    /// What the person wished for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<Label>,
}

/// A thumb or 1–5 stars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Thumb up.
    Up,
    /// Thumb down.
    Down,
    /// One star.
    #[serde(rename = "1")]
    One,
    /// Two stars.
    #[serde(rename = "2")]
    Two,
    /// Three stars.
    #[serde(rename = "3")]
    Three,
    /// Four stars.
    #[serde(rename = "4")]
    Four,
    /// Five stars.
    #[serde(rename = "5")]
    Five,
}

/// Labels of the chat sentinel. The lists are closed; anything else is rejected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The strongest emotion.
    pub emotion: Emotion,
    /// 1–3.
    #[schemars(range(min = 1, max = 3))]
    #[serde(deserialize_with = "intensity")]
    pub intensity: u8,
    /// Signs of frustration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frustration: Vec<FrustrationFlag>,
    /// What the person wished for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// What the person wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Label>,
    /// 0–1.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(deserialize_with = "share")]
    pub confidence: f64,
    /// Version of the sentinel's model.
    pub model_version: Label,
    /// Which turn of the conversation, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_index: Option<u32>,
}

fn intensity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let value = u8::deserialize(deserializer)?;
    if (1..=3).contains(&value) { Ok(value) } else { Err(serde::de::Error::custom("must be 1, 2 or 3")) }
}

pub(super) fn share<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(serde::de::Error::custom("must lie between 0 and 1")) }
}

/// Plutchik's eight and neutral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Emotion {
    Joy,
    Trust,
    Fear,
    Surprise,
    Sadness,
    Disgust,
    Anger,
    Anticipation,
    Neutral,
}

impl Emotion {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Self; 9] = [
        Self::Joy,
        Self::Trust,
        Self::Fear,
        Self::Surprise,
        Self::Sadness,
        Self::Disgust,
        Self::Anger,
        Self::Anticipation,
        Self::Neutral,
    ];
}

/// Signs of frustration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrustrationFlag {
    /// Asked the same again.
    Repeated,
    /// Put the question in other words.
    Rephrased,
    /// Said that the reply missed the point.
    Misunderstood,
    /// Used strong language.
    StrongLanguage,
    /// Asked for a human.
    AskedForHuman,
    /// Gave up.
    GaveUp,
}

/// Most characters of a wish.
pub const WISH_CHARS_MAX: usize = 64;

/// A wish as a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// At most 64 characters.
    #[serde(deserialize_with = "wish_tag")]
    pub tag: Label,
    /// Kano tier.
    pub kano: KanoTier,
}

fn wish_tag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
    let tag = Label::deserialize(deserializer)?;
    if tag.as_str().len() <= WISH_CHARS_MAX {
        Ok(tag)
    } else {
        Err(serde::de::Error::custom("must have at most 64 characters"))
    }
}

/// Kano model's tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum KanoTier {
    MustBe,
    Performance,
    Attractive,
    Indifferent,
}

/// A line that a person agreed to see published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// Length in characters, as handed in.
    pub text_chars: u32,
    /// The line, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Redacted>,
}
