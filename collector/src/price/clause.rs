//! How the list says which names mean a provider or a model.

use super::pattern::{self, Inst};

/// A condition on a name in lower case. Texts are in lower case too; patterns are as the list has them.
pub(super) enum Clause {
    Equals(&'static str),
    StartsWith(&'static str),
    #[allow(dead_code, reason = "the list of some versions has none")]
    EndsWith(&'static str),
    Contains(&'static str),
    Pattern(&'static [Inst]),
    Or(&'static [Clause]),
    And(&'static [Clause]),
}

impl Clause {
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == *text,
            Self::StartsWith(text) => name.starts_with(text),
            Self::EndsWith(text) => name.ends_with(text),
            Self::Contains(text) => name.contains(text),
            Self::Pattern(code) => pattern::search(code, name),
            Self::Or(parts) => parts.iter().any(|part| part.matches(name)),
            Self::And(parts) => parts.iter().all(|part| part.matches(name)),
        }
    }
}
