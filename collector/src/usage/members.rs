//! Single members out of a JSON object, the rest passed over: what a model wrote is never parsed, let alone kept.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of these names, as JSON text; of a name that is there twice, the last. `None` where the text is not one JSON
/// object.
pub(super) fn pick<'a, const N: usize>(json: &'a [u8], names: &[&str; N]) -> Option<[Option<&'a RawValue>; N]> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let picked = Pick(names).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| picked)
}

/// The text of a JSON string.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text>(raw.get()).ok().map(|text| text.0)
}

/// The elements of a JSON array; nothing for anything else.
pub(super) fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

struct Pick<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Pick<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut picked = [None; N];
        while let Some(at) = members.next_key_seed(Position(self.0))? {
            match at.and_then(|at| picked.get_mut(at)) {
                Some(slot) => *slot = Some(members.next_value()?),
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(picked)
    }
}

/// Which of the names a key is.
struct Position<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Position<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Position<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(json: &str) -> Option<[Option<&str>; 2]> {
        pick(json.as_bytes(), &["a", "b"]).map(|found| found.map(|raw| raw.map(RawValue::get)))
    }

    #[test]
    fn takes_what_is_named_and_passes_over_the_rest() {
        assert_eq!(
            picked(r#"{"c":{"a":1},"a":[1, {"b":2}],"\u0062":"x\"y"}"#),
            Some([Some(r#"[1, {"b":2}]"#), Some(r#""x\"y""#)])
        );
        assert_eq!(picked(r#"{"a":1,"a":null}"#), Some([Some("null"), None]));
        for broken in ["", "[]", "{", r#"{"a":1}}"#, r#"{"a":1} x"#, "\u{feff}{}", "null"] {
            assert_eq!(picked(broken), None, "{broken}");
        }
        assert!(pick(b"{\"a\":\"\xff\"}", &["a"]).is_none());
    }
}
