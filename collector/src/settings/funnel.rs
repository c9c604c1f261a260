//! Ways that people take step by step.

use serde::{Deserialize, Serialize};

/// Steps that people take in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Funnel {
    /// Its name.
    pub name: String,
    /// Days from the first step in which the others count.
    #[serde(default = "funnel_days")]
    pub within_days: u16,
    /// `chat`, `guest`, `signed_in`, `journey:NAME`, `step:FUNNEL/STEP`, `platform:EVENT`; several for one step with `|`.
    pub steps: Vec<String>,
}

/// Days when a funnel names none.
fn funnel_days() -> u16 {
    30
}

/// Most funnels.
const FUNNELS_MAX: usize = 20;
/// Most steps of a funnel.
const STEPS_MAX: usize = 12;

impl Funnel {
    /// Those of an app that names none.
    pub(super) fn usual() -> Vec<Self> {
        let funnel = |name: &str, within_days, steps: [&str; 2]| Self {
            name: name.into(),
            within_days,
            steps: steps.map(str::to_owned).to_vec(),
        };
        vec![
            funnel("chat_to_connection", 30, ["chat", "platform:connected"]),
            funnel("guest_to_signup", 30, ["guest", "signed_in|journey:sign_up"]),
            funnel("help_to_action", 1, ["journey:help", "journey:action"]),
        ]
    }

    fn is_right(&self) -> bool {
        let word = |text: &str| {
            (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let events = ["connected", "connection_failed", "disconnected", "expired", "synced"];
        let step = |text: &str| match text.split_once(':') {
            None => ["chat", "guest", "signed_in"].contains(&text),
            Some(("journey", name)) => word(name),
            Some(("step", name)) => name.split_once('/').is_some_and(|(funnel, step)| word(funnel) && word(step)),
            Some(("platform", event)) => events.contains(&event),
            Some(_) => false,
        };
        word(&self.name)
            && (1..=366).contains(&self.within_days)
            && (2..=STEPS_MAX).contains(&self.steps.len())
            && self.steps.iter().all(|steps| steps.split('|').all(step))
    }
}

/// Checks what types can't.
///
/// # Errors
/// What the funnels should be.
pub(super) fn check(funnels: &[Funnel]) -> Result<(), &'static str> {
    let named = |funnel: &Funnel| funnels.iter().filter(|other| other.name == funnel.name).count();
    if funnels.len() > FUNNELS_MAX || !funnels.iter().all(|funnel| funnel.is_right() && named(funnel) == 1) {
        return Err(
            "must be at most 20, each with a name of its own (letters, digits and . _ -), within_days from 1 to 366 and 2 to 12 steps of \"chat\", \"guest\", \
             \"signed_in\", \"journey:NAME\", \"step:FUNNEL/STEP\" or \"platform:connected\" (connection_failed, disconnected, expired, synced)",
        );
    }
    Ok(())
}
