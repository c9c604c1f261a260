//! Crisis handling, incidents and public notices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::label::Label;

/// A step in the handling of a crisis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crisis {
    /// Which step.
    pub event: CrisisEvent,
    /// 0–4.
    #[schemars(range(min = 0, max = 4))]
    #[serde(deserialize_with = "severity")]
    pub severity: u8,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// Seconds from the first sign to the escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation_s: Option<u32>,
    /// Version of the detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector_version: Option<Label>,
    /// A human looked and found none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub false_positive: bool,
}

fn severity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let value = u8::deserialize(deserializer)?;
    if value <= 4 { Ok(value) } else { Err(serde::de::Error::custom("must lie between 0 and 4")) }
}

/// Steps of crisis handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CrisisEvent {
    /// A turn was flagged.
    Flagged,
    /// A crisis-referral notification was issued (California B&P §22603 counts these).
    Referral,
    /// A human or a protocol took over.
    Escalation,
    /// It ended.
    Disposition,
}

/// How a crisis ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Disposition {
    ResolvedInSession,
    ResourcesShown,
    ReferralIssued,
    HumanHandOff,
    EmergencyInstructions,
    Declined,
}

/// An outage or a harm that touched people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// P0–P3.
    pub severity: IncidentSeverity,
    /// The app's name for it.
    pub code: Label,
    /// It is over.
    #[serde(default)]
    pub resolved: bool,
}

/// P0 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum IncidentSeverity {
    P0,
    P1,
    P2,
    P3,
}

/// A change that the public should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// What about.
    pub kind: NoticeKind,
    /// The app's name for it; for a wish its tag.
    pub code: Label,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum NoticeKind {
    SafetyPolicy,
    WishBuilding,
    WishPlanned,
    WishDeclined,
}
