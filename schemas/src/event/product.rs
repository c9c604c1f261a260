//! Product events, integrations, other spend, consent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::label::Label;
use crate::money::NanoUsd;
use crate::quantity::Quantity;

/// A product event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journey {
    /// What was done: `chat_opened`, `platform_connected`…
    pub name: Label,
    /// Funnel that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel: Option<Label>,
    /// The step's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Label>,
    /// What the person wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Label>,
    /// Whether it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// 0–1.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: Option<f64>,
    /// Milliseconds that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
}

fn optional_share<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    super::conversation::share(deserializer).map(Some)
}

/// Health of a platform integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Which platform.
    pub platform: Label,
    /// What happened.
    pub event: PlatformEvent,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Label>,
    /// HTTP status of the platform's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds that the platform's API took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// Days until the token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_days: Option<i32>,
}

/// What happened to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PlatformEvent {
    Connected,
    ConnectionFailed,
    Disconnected,
    Expired,
    Synced,
    ApiCall,
    RateLimited,
}

impl PlatformEvent {
    /// All of them. What is stored tells them by their place here: add at the end.
    pub const ALL: [Self; 7] = [
        Self::Connected,
        Self::ConnectionFailed,
        Self::Disconnected,
        Self::Expired,
        Self::Synced,
        Self::ApiCall,
        Self::RateLimited,
    ];
}

/// Spend on something else than a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceCost {
    /// Which line of the bill.
    pub service: Service,
    /// Who bills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Label>,
    /// What it cost, USD × 1e-9. Fixed when the event is received: a stored cost does not change when prices do.
    pub nano_usd: NanoUsd,
    /// What was counted, where Sage priced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Label>,
    /// How much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The list that the price is of, and the price within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_version: Option<Label>,
}

/// Lines of the bill beside the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Service {
    Model,
    SpeechToText,
    TextToSpeech,
    Cdn,
    Compute,
    Database,
    Other,
}

/// A change of consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The new state.
    pub state: ConsentState,
    /// What it is about: `analytics`, `publish`…
    pub purpose: Label,
}

/// Given or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ConsentState {
    Granted,
    Withdrawn,
}
