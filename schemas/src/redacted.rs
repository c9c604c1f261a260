//! Text that may be stored.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Most characters of a stored text.
pub const REDACTED_CHARS_MAX: usize = 2_000;

/// A text in which everything personal that was recognised is replaced by its type, `[EMAIL]`: at most 2,000 characters.
///
/// Made by `collector::redact` alone, or read back from storage. Like [`crate::ids::Key`] it has no constructor from raw
/// text: what clients send is a [`crate::wire::Raw`], which is no part of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted(Box<str>);

impl Redacted {
    /// Wraps what the redactor made. For the redactor alone.
    #[must_use]
    pub fn from_redactor(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Redacted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Redacted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        if text.chars().count() > REDACTED_CHARS_MAX {
            return Err(de::Error::custom("must have at most 2000 characters"));
        }
        Ok(Self(text.into()))
    }
}

impl JsonSchema for Redacted {
    fn schema_name() -> Cow<'static, str> {
        "redacted".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "maxLength": REDACTED_CHARS_MAX,
            "description": "Text in which everything personal that was recognised is replaced by its type."
        })
    }
}
