//! The kinds' own fields as clients send them. Kinds that hold nothing personal are those of [`crate::event`].

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::raw::Raw;
use crate::event::{self, DeviceClass, PRICE_CONTEXT_MAX, PriceContext, Rating, Service, TurnStatus, VitalName};
use crate::label::Label;
use crate::money::NanoUsd;
use crate::quantity::Quantity;
use crate::usage::Usage;

/// One kind's fields.
#[allow(clippy::large_enum_variant, reason = "most events are turns, the largest")]
pub enum WireBody {
    /// See [`Turn`].
    Turn(Turn),
    /// See [`Feedback`].
    Feedback(Feedback),
    /// As stored.
    Observation(event::Observation),
    /// See [`ErrorReport`].
    Error(ErrorReport),
    /// See [`Vital`].
    Vital(Vital),
    /// As stored.
    Journey(event::Journey),
    /// As stored.
    Platform(event::Platform),
    /// See [`ServiceCost`].
    ServiceCost(ServiceCost),
    /// As stored.
    Consent(event::Consent),
    /// As stored.
    Crisis(event::Crisis),
    /// As stored.
    Incident(event::Incident),
    /// As stored.
    Notice(event::Notice),
    /// See [`Moment`].
    Moment(Moment),
}

/// A turn. At most one of `usage` and `provider_usage`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Position in the conversation, from 0.
    pub turn_index: Option<u32>,
    /// Who ran the model: `openai`, `anthropic`…
    pub provider: Label,
    /// The model as the provider names it.
    pub model: Label,
    /// The part of the app that asked.
    pub feature: Option<Label>,
    /// How it ended.
    #[serde(default)]
    pub status: TurnStatus,
    /// The provider's error code, when it ended in one.
    pub error_code: Option<Label>,
    /// Milliseconds from asking to the end of the reply.
    pub latency_ms: Option<u32>,
    /// Milliseconds from asking to the first token.
    pub ttft_ms: Option<u32>,
    /// Characters that the person wrote.
    pub user_chars: Option<u32>,
    /// Characters that the model wrote.
    pub assistant_chars: Option<u32>,
    /// Canonical, inclusive usage.
    #[serde(default, deserialize_with = "checked_usage")]
    pub usage: Option<Usage>,
    /// The provider's usage block as it came.
    pub provider_usage: Option<Value>,
    /// The provider's id of the reply: a turn that several ways tell of counts once.
    pub response_id: Option<Raw>,
    /// The reply broke off: usage is what was known by then.
    #[serde(default)]
    pub partial: bool,
    /// What else decides the price, in the price list's words: `{"service_tier": "flex", "processing": "batch"}`.
    #[serde(default, deserialize_with = "few_pairs")]
    pub price_context: PriceContext,
    /// Set by Sage where it saw the call itself; nothing that a client can say.
    #[serde(skip)]
    #[schemars(skip)]
    pub witnessed: Option<Witnessed>,
}

/// What Sage saw of a call that went through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessed {
    /// The usage is the provider's own word.
    Reported,
    /// The provider refused or failed the call before it was billed.
    NotBilled,
}

fn few_pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PriceContext, D::Error> {
    let pairs = PriceContext::deserialize(deserializer)?;
    if pairs.len() > PRICE_CONTEXT_MAX {
        return Err(de::Error::custom("must hold at most 8 pairs"));
    }
    Ok(pairs)
}

fn checked_usage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usage>, D::Error> {
    let usage = Option::<Usage>::deserialize(deserializer)?;
    if let Some(usage) = usage {
        usage.check().map_err(de::Error::custom)?;
    }
    Ok(usage)
}

/// Spend on something else than a model: either the amount, or what was used and how much, which Sage prices.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceCost {
    /// Which line of the bill.
    pub service: Service,
    /// Who bills it.
    pub provider: Option<Label>,
    /// What it cost, USD × 1e-9.
    pub nano_usd: Option<NanoUsd>,
    /// What was used: an item of the operator's prices or of Sage's list.
    pub item: Option<Label>,
    /// How much of it, in the item's unit.
    pub quantity: Option<Quantity>,
}

/// Feedback. The text is reduced to its length, or redacted where the operator keeps it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Thumb, or stars.
    pub rating: Rating,
    /// Which turn of the conversation, from 0.
    pub turn_index: Option<u32>,
    /// The model that wrote the reply.
    pub model: Option<Label>,
    /// What the person wanted.
    pub intent: Option<Label>,
    /// The comment.
    pub text: Option<Raw>,
    /// What the person wished for: at most 10 tags of at most 64 characters.
    #[serde(default, deserialize_with = "few_wishes")]
    pub wishes: Vec<Label>,
}

fn few_wishes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Label>, D::Error> {
    let wishes = Vec::<Label>::deserialize(deserializer)?;
    if wishes.len() > 10 || wishes.iter().any(|wish| wish.as_str().len() > event::WISH_CHARS_MAX) {
        return Err(de::Error::custom("must hold at most 10 tags of at most 64 characters"));
    }
    Ok(wishes)
}

/// An error. The message is reduced to a keyed digest; redacted, too, where the operator keeps it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorReport {
    /// The part of the app.
    pub component: Label,
    /// The app's name for the error.
    pub code: Label,
    /// What it said.
    pub message: Option<Raw>,
    /// The app fell over.
    #[serde(default)]
    pub fatal: bool,
}

/// A web vital.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vital {
    /// Which.
    pub name: VitalName,
    /// Milliseconds; for `cls` the score. 0 to 3,600,000.
    #[serde(deserialize_with = "vital_value")]
    pub value: f64,
    /// The page's address or path; reduced to a route template.
    pub url: Raw,
    /// Set by Sage from the page's request; nothing that a page can say.
    #[serde(skip)]
    #[schemars(skip)]
    pub device: Option<DeviceClass>,
}

fn vital_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=3_600_000.0).contains(&value) {
        Ok(value)
    } else {
        Err(de::Error::custom("must lie between 0 and 3600000"))
    }
}

/// A line that a person agreed to see published. It is redacted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The line.
    pub text: Raw,
}

impl WireBody {
    /// The kind's name on the wire.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Turn(_) => "turn",
            Self::Feedback(_) => "feedback",
            Self::Observation(_) => "observation",
            Self::Error(_) => "error",
            Self::Vital(_) => "vital",
            Self::Journey(_) => "journey",
            Self::Platform(_) => "platform",
            Self::ServiceCost(_) => "service_cost",
            Self::Consent(_) => "consent",
            Self::Crisis(_) => "crisis",
            Self::Incident(_) => "incident",
            Self::Notice(_) => "notice",
            Self::Moment(_) => "moment",
        }
    }
}
