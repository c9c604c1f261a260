//! Crisis handling, incidents and public notices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::label::Label;
use crate::time::UtcDay;

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
    /// The app's name for it; for a wish its tag; for an audit the ISO week whose observations were checked, `2026-W47`.
    pub code: Label,
    /// Of an audit: how many of the week's sampled observations a human has checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<u32>,
    /// Of those: with how many the human agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<u32>,
}

impl Notice {
    /// The Monday of the week that an audit is of. `None` of other notices, and where `code` names no week.
    #[must_use]
    pub fn audited_week(&self) -> Option<UtcDay> {
        let (year, week) = self.code.as_str().split_once("-W")?;
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let named = self.kind == NoticeKind::ObservationAudit && digits(year, 4) && digits(week, 2);
        let (year, week) = (year.parse().ok().filter(|_| named)?, week.parse().ok()?);
        let monday = chrono::NaiveDate::from_isoywd_opt(year, week, chrono::Weekday::Mon)?;
        let days = monday.signed_duration_since(chrono::NaiveDate::default()).num_days();
        i32::try_from(days).ok().map(UtcDay)
    }

    /// Is each member there that its kind asks for, and no other?
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (self.kind, self.checked, self.agreed) {
            (NoticeKind::ObservationAudit, Some(checked), Some(agreed)) => {
                if self.audited_week().is_none() {
                    Err(("code", "must be an ISO week such as 2026-W47 for observation_audit"))
                } else if agreed > checked {
                    Err(("agreed", "is above checked"))
                } else {
                    Ok(())
                }
            }
            (NoticeKind::ObservationAudit, None, _) => Err(("checked", "is missing; observation_audit needs it")),
            (NoticeKind::ObservationAudit, _, None) => Err(("agreed", "is missing; observation_audit needs it")),
            (_, Some(_), _) => Err(("checked", "belongs to observation_audit alone")),
            (_, _, Some(_)) => Err(("agreed", "belongs to observation_audit alone")),
            (_, None, None) => Ok(()),
        }
    }
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
    ObservationAudit,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(kind: &str, code: &str, counts: &str) -> Notice {
        serde_json::from_str(&format!(r#"{{"kind":"{kind}","code":"{code}"{counts}}}"#)).unwrap()
    }

    #[test]
    fn an_audit_names_a_week_and_two_counts() {
        let both = r#","checked":10,"agreed":9"#;
        for (kind, code, counts, wrong) in [
            ("observation_audit", "2026-W47", both, None),
            ("observation_audit", "2026-W47", r#","checked":0,"agreed":0"#, None),
            ("wish_planned", "dark-mode", "", None),
            ("observation_audit", "2026-W54", both, Some("code")),
            ("observation_audit", "2026-W00", both, Some("code")),
            ("observation_audit", "2026-w47", both, Some("code")),
            ("observation_audit", "+026-W47", both, Some("code")),
            ("observation_audit", "2026-W7", both, Some("code")),
            ("observation_audit", "2026-W47", "", Some("checked")),
            ("observation_audit", "2026-W47", r#","checked":1"#, Some("agreed")),
            ("observation_audit", "2026-W47", r#","checked":1,"agreed":2"#, Some("agreed")),
            ("wish_planned", "dark-mode", r#","checked":1"#, Some("checked")),
            ("safety_policy", "v2", r#","agreed":1"#, Some("agreed")),
        ] {
            assert_eq!(
                notice(kind, code, counts).check().err().map(|(field, _)| field),
                wrong,
                "{kind} {code} {counts}"
            );
        }
    }

    #[test]
    fn weeks_begin_on_their_monday() {
        let monday =
            |code: &str| notice("observation_audit", code, "").audited_week().map(|day| day.start().to_rfc3339());
        assert_eq!(monday("2026-W47").unwrap(), "2026-11-16T00:00:00.000Z");
        assert_eq!(monday("2026-W01").unwrap(), "2025-12-29T00:00:00.000Z");
        assert_eq!(monday("2026-W53").unwrap(), "2026-12-28T00:00:00.000Z");
        assert_eq!(notice("wish_planned", "2026-W47", "").audited_week(), None);
    }
}
