//! A span as either encoding gives it, with the attributes on the list and no other.

use std::rc::Rc;

use schemas::wire::{WireCode, WireError};

use super::conventions::{Emitter, Fact, is_listed};

/// Most spans in a request, model calls or not.
pub(super) const SPANS_MAX: usize = 50_000;
/// Most bytes of an attribute's value that is decoded.
pub(super) const VALUE_BYTES_MAX: usize = 64 << 10;
/// Most texts kept of a list.
pub(super) const LIST_TEXTS_MAX: usize = 16;

/// A span. Its name, its events, its links and its status message are never read.
#[derive(Default)]
pub(super) struct Span {
    /// `None` where it is not 16 bytes, or all zero.
    pub trace_id: Option<[u8; 16]>,
    /// `None` where it is not 8 bytes, or all zero.
    pub span_id: Option<[u8; 8]>,
    pub parent_id: Option<[u8; 8]>,
    /// Nanoseconds since 1970; 0: not told.
    pub start_ns: u64,
    /// Nanoseconds since 1970; 0: not told.
    pub end_ns: u64,
    /// The status is an error.
    pub failed: bool,
    pub attributes: Rc<Attributes>,
    /// Those of the spans around it, the nearest first.
    pub outer: Vec<Rc<Attributes>>,
    pub around: Rc<Around>,
}

/// What spans share: who made them, and the attributes of their resource.
#[derive(Clone, Default)]
pub(super) struct Around {
    pub emitter: Emitter,
    pub attributes: Rc<Attributes>,
}

/// A value of an attribute on the list. It has no `Debug`: it can't be logged.
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Texts(Vec<String>),
    /// Of a kind that no attribute on the list has, or broken.
    Other,
}

impl Value {
    /// Name of its kind, for a dead letter's outline.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Whole(_) | Self::Number(_) => "number",
            Self::Flag(_) => "boolean",
            Self::Texts(_) => "array",
            Self::Other => "object",
        }
    }
}

/// Attributes by name, each name once: the first holds.
#[derive(Default)]
pub(super) struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    /// Adds an attribute whose key is on the list, where it has a value. The value of any other is not decoded.
    pub(super) fn add(&mut self, key: &[u8], value: impl FnOnce() -> Option<Value>) {
        if let Some(name) = is_listed(key)
            && self.get(name).is_none()
            && let Some(value) = value()
        {
            self.0.push((name, value));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        self.0.iter()
    }
}

impl Span {
    /// The values under the names of a fact, in the order of the names: the span's own, then, where the fact holds for all that
    /// is done within a span, those of the spans around it, then its resource's.
    fn values(&self, fact: Fact) -> impl Iterator<Item = (&'static str, &Value)> {
        let outer = self.outer.iter().filter(move |_| fact.holds_within());
        let all = [&self.attributes].into_iter().chain(outer).chain([&self.around.attributes]);
        all.flat_map(move |attributes| fact.names().iter().filter_map(|name| Some((*name, attributes.get(name)?))))
    }

    /// The first text, which is not empty.
    pub(super) fn text(&self, fact: Fact) -> Option<&str> {
        self.texts(fact).next().map(|(_, text)| text)
    }

    /// Every text that is not empty, with its attribute's name.
    pub(super) fn texts(&self, fact: Fact) -> impl Iterator<Item = (&'static str, &str)> {
        self.values(fact).filter_map(|(name, value)| match value {
            Value::Text(text) if !text.is_empty() => Some((name, text.as_str())),
            _ => None,
        })
    }

    /// The texts of a list, or one text.
    pub(super) fn list(&self, fact: Fact) -> impl Iterator<Item = &str> {
        self.values(fact)
            .flat_map(|(_, value)| match value {
                Value::Text(text) => std::slice::from_ref(text),
                Value::Texts(texts) => texts.as_slice(),
                _ => &[],
            })
            .map(String::as_str)
    }

    /// Is there any value?
    pub(super) fn has(&self, fact: Fact) -> bool {
        self.values(fact).next().is_some()
    }

    /// A yes or no.
    pub(super) fn flag(&self, fact: Fact) -> Option<bool> {
        self.flags(fact).next()
    }

    /// Every yes or no.
    pub(super) fn flags(&self, fact: Fact) -> impl Iterator<Item = bool> {
        self.values(fact).filter_map(|(_, value)| match value {
            Value::Flag(flag) => Some(*flag),
            Value::Whole(number) => Some(*number != 0),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// A number that is not negative.
    pub(super) fn number(&self, fact: Fact) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "times of less than 2^53")]
        let number = self.values(fact).find_map(|(_, value)| match value {
            Value::Whole(number) => Some(*number as f64),
            Value::Number(number) => Some(*number),
            _ => None,
        });
        number.filter(|number| number.is_finite() && *number >= 0.0)
    }

    /// A count. Absent is not zero, nor is what is not a number: so JavaScript's emitters write what they do not know.
    ///
    /// # Errors
    /// The first value is not a whole number of at least 0.
    pub(super) fn count(&self, fact: Fact) -> Result<Option<u64>, WireError> {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let is_told = |value: &Value| !matches!(value, Value::Number(number) if number.is_nan());
        let Some((name, value)) = self.values(fact).find(|(_, value)| is_told(value)) else { return Ok(None) };
        let count = match value {
            Value::Whole(number) => u64::try_from(*number).ok(),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range")]
            Value::Number(number) => {
                (number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number)).then_some(*number as u64)
            }
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        match count {
            Some(count) => Ok(Some(count)),
            None => Err(WireError::at(WireCode::InvalidValue, name, "must be a whole number of at least 0")),
        }
    }
}
