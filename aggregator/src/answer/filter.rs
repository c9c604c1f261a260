//! Which part of the numbers is asked for. What a panel does not keep apart it does not answer: never a wrong number.

use schemas::Label;
use schemas::event::Country;
use serde::{Deserialize, Serialize};

use super::Panel;
use crate::census::Only;

/// A part of the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// All of them.
    #[default]
    None,
    /// What one model answered.
    Model(String),
    /// People of one country.
    Country(String),
    /// People on one class of device.
    Device(String),
    /// People of one plan.
    Plan(String),
}

impl Filter {
    /// What filters are called, in the order of [`Filter`].
    pub const KINDS: [&str; 4] = ["model", "country", "device", "plan"];

    /// Reads `kind:name`. `None` where it is none, or names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty())?;
        let name = name.to_owned();
        match kind {
            "model" => Some(Self::Model(name)),
            "country" => Country::parse(&name).map(|country| Self::Country(country.as_str().to_owned())),
            "device" => Some(Self::Device(name)),
            "plan" => Label::parse(&name).ok().map(|_| Self::Plan(name)),
            _ => None,
        }
    }

    /// What it is called; `None` of [`Filter::None`].
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Model(_) => Some("model"),
            Self::Country(_) => Some("country"),
            Self::Device(_) => Some("device"),
            Self::Plan(_) => Some("plan"),
        }
    }

    /// Which kinds of filters a panel answers.
    #[must_use]
    pub fn kept_by(panel: Panel) -> &'static [&'static str] {
        match panel {
            Panel::Cost | Panel::Operations => &["model"],
            Panel::Demographics => &["country", "device"],
            Panel::Usage => &["country", "plan"],
            Panel::Sentiment | Panel::Crisis | Panel::Integrations => &[],
        }
    }

    /// Does a panel answer it?
    #[must_use]
    pub fn is_kept_by(&self, panel: Panel) -> bool {
        self.kind().is_none_or(|kind| Self::kept_by(panel).contains(&kind))
    }

    /// Attributes that people are asked for by.
    #[must_use]
    pub fn only(&self) -> Option<Only> {
        match self {
            Self::Country(country) => Country::parse(country).map(Only::Country),
            Self::Plan(plan) => Label::parse(plan).ok().map(Only::Plan),
            _ => None,
        }
    }

    /// The model, where one is asked for.
    pub(super) fn model(&self) -> Option<&str> {
        match self {
            Self::Model(model) => Some(model),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_a_kind_and_a_name() {
        assert_eq!(Filter::parse("model:ft:gpt-4o:acme"), Some(Filter::Model("ft:gpt-4o:acme".into())));
        assert_eq!(Filter::parse("country:de"), Some(Filter::Country("DE".into())));
        for text in ["", "model", "model:", ":x", "user:alice", "Model:x"] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
        for kind in Filter::KINDS {
            assert_eq!(Filter::parse(&format!("{kind}:de")).unwrap().kind(), Some(kind));
        }
        assert!(Panel::ALL.into_iter().all(|panel| Filter::None.is_kept_by(panel)));
        assert!(Panel::ALL.into_iter().flat_map(Filter::kept_by).all(|kind| Filter::KINDS.contains(kind)));
    }
}
