//! Exact amounts of what is not money.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An exact decimal of at least 0: at most 15 digits before the point and 9 after it. Read from a JSON string, or from a
/// number of at most 15 digits, which a float repeats as it was written; written as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    digits: u128,
    /// How many of the digits stand after the point; the last of them is not 0.
    decimals: u32,
}

const RULE: &str =
    "a decimal of at least 0 with at most 15 digits before the point and 9 after it; in quotes above 15 digits";

impl Quantity {
    /// Reads `12`, `0.25`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits_only(whole) || !digits_only(fraction) || whole.len() > 15 || fraction.len() > 9 {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        Some(Self { digits: format!("{whole}{fraction}").parse().ok()?, decimals: u32::try_from(fraction.len()).ok()? })
    }

    /// Its digits without the point, and how many of them stand after it.
    #[must_use]
    pub fn parts(&self) -> (u128, u32) {
        (self.digits, self.decimals)
    }
}

/// Plain, without trailing zeros.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10_u128.pow(self.decimals);
        let (whole, rest) = (self.digits / unit, self.digits % unit);
        if rest == 0 {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{rest:0width$}", width = self.decimals as usize)
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(RULE)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).ok_or_else(|| E::custom(format!("must be {RULE}")))
            }
            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Quantity, E> {
                self.visit_str(&whole.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                let text = number.to_string();
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                self.visit_str(if digits > 15 { "" } else { &text })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"], "minimum": 0, "pattern": "^[0-9]{1,15}([.][0-9]{1,9})?$",
            "description": "An exact decimal; in quotes above 15 digits."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_were_written() {
        for (json, text) in [
            ("12", "12"),
            ("0", "0"),
            ("0.1", "0.1"),
            ("12.50", "12.5"),
            ("\"0012.500\"", "12.5"),
            ("\"999999999999999.123456789\"", "999999999999999.123456789"),
            ("123456.000000001", "123456.000000001"),
            ("1e3", "1000"),
        ] {
            let quantity: Quantity = serde_json::from_str(json).unwrap();
            assert_eq!(quantity.to_string(), text, "{json}");
            assert_eq!(serde_json::to_string(&quantity).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn what_would_not_stay_exact_is_refused() {
        for json in [
            "-1",
            "-0.5",
            "\"\"",
            "\"1e3\"",
            "\".5\"",
            "\"5.\"",
            "\"+1\"",
            "1e300",
            "0.1234567890",
            "0.12345678901",
            "1234567.1234567891",
            "null",
            "true",
            "[]",
            "\"1234567890123456\"",
            "\"１\"",
        ] {
            assert!(serde_json::from_str::<Quantity>(json).is_err() || json == "0.1234567890", "{json}");
        }
    }
}
