//! Text that must not leave the door.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A raw id or text as a client sent it: 1–65,536 bytes.
///
/// It has no `Debug`, `Display`, `Serialize` or `Clone`: it can't be logged, stored or copied about. It is read once, by
/// the scrubber, through [`Raw::expose`].
pub struct Raw(Box<str>);

/// Most bytes of a raw text.
pub const RAW_BYTES_MAX: usize = 65_536;

impl Raw {
    /// Wraps raw text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself. For the scrubber alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in characters (Unicode scalar values).
    #[must_use]
    pub fn chars(&self) -> u32 {
        u32::try_from(self.0.chars().count()).unwrap_or(u32::MAX)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string of 1 to 65536 bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
                if text.is_empty() || text.len() > RAW_BYTES_MAX {
                    return Err(E::custom("must be a string of 1 to 65536 bytes"));
                }
                Ok(Raw::new(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Raw {
    fn schema_name() -> Cow<'static, str> {
        "raw".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "description": "Reduced at the edge; never stored." })
    }
}
