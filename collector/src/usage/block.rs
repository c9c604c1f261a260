//! Counts out of JSON. Absent and `null` are not zero.

use serde_json::{Map, Value};

use super::ReadError;

/// The object that holds a reply's usage, or a part of it.
#[derive(Clone, Copy)]
pub(super) struct Block<'a>(&'a Map<String, Value>);

/// Where replies, and events of streams, keep their usage.
const PLACES: [&[&str]; 13] = [
    &["usage"],
    &["usageMetadata"],
    &["response", "usage"],
    &["response", "usageMetadata"],
    &["message", "usage"],
    &["x_groq", "usage"],
    &["result", "usage"],
    &["metadata", "usage"],
    &["delta", "usage"],
    &["response", "meta"],
    &["usage_info"],
    &["tokenUsage"],
    &["amazon-bedrock-invocationMetrics"],
];

/// What stands in the first place for usage that holds something; `null` where the places there are hold nothing.
pub(super) fn placed(reply: &Value) -> Option<&Value> {
    // Most are the usage itself, in which there is no place for one.
    let starts = |name: &String| PLACES.iter().any(|path| path.first().is_some_and(|first| first == name));
    reply.as_object().filter(|members| members.keys().any(starts))?;
    let at = |path: &&[&str]| path.iter().try_fold(reply, |value, name| value.get(name));
    let mut places = PLACES.iter().filter_map(at);
    places.clone().find(|value| !value.is_null()).or_else(|| places.next())
}

impl<'a> Block<'a> {
    /// The usage of a reply. A list of replies (Gemini's stream without server-sent events) is cumulative: the last holds.
    /// An object that has no place for usage is taken for the usage itself.
    ///
    /// # Errors
    /// Usage that is not an object.
    pub(super) fn within(body: &'a Value) -> Result<Option<Self>, ReadError> {
        if let Value::Array(replies) = body {
            let last = replies.iter().rev().find_map(|reply| Self::within(reply).transpose());
            return last.transpose();
        }
        let Value::Object(reply) = body else { return Ok(None) };
        match placed(body) {
            Some(Value::Object(usage)) => Ok(Some(Self(usage))),
            Some(Value::Null) => Ok(None),
            Some(_) => Err(ReadError { field: "usage", why: "is not an object" }),
            None => Ok(Some(reply.get("meta").and_then(Value::as_object).map_or(Self(reply), Self))),
        }
    }

    /// Names of members that hold something.
    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// A part of the block; `None` when it is not there.
    pub(super) fn part(self, name: &str) -> Option<Self> {
        self.0.get(name).and_then(Value::as_object).map(Self)
    }

    /// The members of a list that are objects.
    pub(super) fn list(self, name: &str) -> impl Iterator<Item = Self> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).map(Self)
    }

    /// Does this field hold this text?
    pub(super) fn is(self, name: &str, text: &str) -> bool {
        self.0.get(name).and_then(Value::as_str) == Some(text)
    }

    /// A count; `None` when it is not there.
    ///
    /// # Errors
    /// The value is not a whole number of at least 0.
    pub(super) fn count(self, name: &'static str) -> Result<Option<u64>, ReadError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().or_else(|| whole(value.as_f64()?)) {
                Some(count) => Ok(Some(count)),
                None => Err(ReadError { field: name, why: "is not a whole number of at least 0" }),
            },
        }
    }

    /// A count within a part; `None` when either is not there.
    ///
    /// # Errors
    /// As [`Block::count`].
    pub(super) fn count_in(self, part: &str, name: &'static str) -> Result<Option<u64>, ReadError> {
        self.part(part).map_or(Ok(None), |part| part.count(name))
    }

    /// A count that is nothing when it is not there: for parts of a whole that is.
    ///
    /// # Errors
    /// As [`Block::count`].
    pub(super) fn part_count(self, part: &str, name: &'static str) -> Result<u64, ReadError> {
        Ok(self.count_in(part, name)?.unwrap_or(0))
    }
}

/// `12.0`, as some gateways write counts.
fn whole(number: f64) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range")]
    (number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number)).then_some(number as u64)
}

/// A sum of counts, which stays so large that [`schemas::Usage::check`] refuses it.
pub(super) fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}
