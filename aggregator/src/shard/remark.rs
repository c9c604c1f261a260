//! What a row of the log holds beside its events.

use serde::{Deserialize, Serialize};

use crate::fold::intake::Tally;
use crate::fold::standing::Note;

/// The tally of the intake that made the row, and what is known beside its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Of the events that came in, and those that did not.
    #[serde(flatten)]
    pub tally: Tally,
    /// What its events said of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Remark {
    /// As JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        let encoded =
            if self.notes.is_empty() { serde_json::to_string(&self.tally) } else { serde_json::to_string(self) };
        encoded.unwrap_or_default()
    }

    /// Of JSON; `None` when it is none of these.
    #[must_use]
    pub fn decode(json: &str) -> Option<Self> {
        if json.contains("\"notes\"") {
            return serde_json::from_str(json).ok();
        }
        serde_json::from_str(json).ok().map(|tally| Self { tally, notes: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::intake::DropReason;
    use schemas::consent::{Choice, Choices};
    use schemas::{KeyId, UserKey, UtcMillis};

    #[test]
    fn what_is_written_is_read_back() {
        let tally = Tally { stored: 3, dropped: [(DropReason::Erased, 2)].into(), ..Tally::default() };
        let choices = Choices { analytics: Some(Choice { yes: false, at: UtcMillis(7) }), age_13_plus: None };
        let note = Note::Chose(UserKey::from_mac(KeyId(1), [7; 16]), choices);
        for notes in [Vec::new(), vec![note]] {
            let remark = Remark { tally: tally.clone(), notes };
            assert_eq!(Remark::decode(&remark.encode()), Some(remark));
        }
        assert_eq!(Remark::decode("{"), None);
    }
}
