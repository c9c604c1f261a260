//! Short machine words: model names, features, error codes. Not a place for text.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A machine word of 1–128 characters out of `A–Z a–z 0–9 . _ - : / @ + ~ [ ] =`, that does not look like an e-mail address, an
/// IP address, a phone, card or account number, or a secret.
///
/// Model names, features, error codes and the like are labels; nothing that a person typed is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

/// Most characters in a label.
pub const LABEL_CHARS_MAX: usize = 128;

/// Labels that are remembered: the same few come with every event, and share their memory.
const KNOWN_MAX: usize = 256;

thread_local! {
    /// Labels that were read lately, each in the place that its characters lead to.
    static KNOWN: RefCell<[Option<Label>; KNOWN_MAX]> = const { RefCell::new([const { None }; KNOWN_MAX]) };
}

/// Why a text is not a label. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Empty, or above [`LABEL_CHARS_MAX`].
    #[error("must have 1 to 128 characters")]
    Length,
    /// A character outside the set.
    #[error("may hold only letters, digits and . _ - : / @ + ~ [ ] =")]
    Character,
    /// Looks like something personal or secret.
    #[error("looks like an address, a number of a person or a secret; send a fixed word")]
    Personal,
}

impl Label {
    /// Reads a label.
    ///
    /// # Errors
    /// Says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() || text.len() > LABEL_CHARS_MAX {
            return Err(LabelError::Length);
        }
        KNOWN.with_borrow_mut(|known| {
            // FNV-1a.
            let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
            let Some(place) = known.get_mut((hash >> 16) as usize % KNOWN_MAX) else { return Self::check(text) };
            match place {
                Some(label) if label.as_str() == text => Ok(label.clone()),
                _ => Self::check(text).inspect(|label| *place = Some(label.clone())),
            }
        })
    }

    fn check(text: &str) -> Result<Self, LabelError> {
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/@+~[]=".contains(&b)) {
            return Err(LabelError::Character);
        }
        if looks_personal(text) {
            return Err(LabelError::Personal);
        }
        Ok(Self(text.into()))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address, an IPv4 or IPv6 address, nine or more digits (also when grouped), or one long token of mixed
/// letters and digits. Dated names such as `gpt-4o-2024-08-06` and `claude-sonnet-4-5-20250929` are none of these.
///
/// Each check is made only where counts of characters leave it a chance: this runs for every label of every event.
fn looks_personal(text: &str) -> bool {
    let (mut digits, mut dots, mut colons, mut ats) = (0, 0, 0, 0);
    for byte in text.bytes() {
        digits += u32::from(byte.is_ascii_digit());
        dots += u32::from(byte == b'.');
        colons += u32::from(byte == b':');
        ats += u32::from(byte == b'@');
    }
    ats > 0 && is_email(text)
        || (dots >= 3 || colons >= 2) && is_ip(text)
        || (digits >= 9 || digits >= 7 && text.starts_with('+')) && has_number_of_a_person(text)
        || digits > 0 && text.len() >= 12 && has_token(text)
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(_, domain)| {
        domain.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
        })
    })
}

fn is_ip(text: &str) -> bool {
    text.split(['/', '@', '_', '-', '+']).any(|part| {
        part.parse::<std::net::Ipv4Addr>().is_ok()
            || (part.contains("::") || part.matches(':').count() >= 4) && part.parse::<std::net::Ipv6Addr>().is_ok()
            || part.rsplit_once(':').is_some_and(|(host, _)| host.parse::<std::net::Ipv4Addr>().is_ok())
    })
}

fn has_number_of_a_person(text: &str) -> bool {
    let grouped = text.split(|c: char| c.is_ascii_alphabetic() || "/:@_".contains(c)).any(|run| {
        let groups: Vec<&str> = run.split(['-', '.', '+']).collect();
        digits_beside_dates(&groups) >= 9
    });
    grouped || text.starts_with('+') && text.bytes().filter(u8::is_ascii_digit).count() >= 7
}

/// Digits of a run that belong to no date of this century (`20250929`, `2025-09-29`).
fn digits_beside_dates(groups: &[&str]) -> usize {
    match groups {
        [] => 0,
        [year, month, day, rest @ ..]
            if (year.len(), month.len(), day.len()) == (4, 2, 2)
                && is_compact_date(&[*year, *month, *day].concat()) =>
        {
            digits_beside_dates(rest)
        }
        [first, rest @ ..] if is_compact_date(first) => digits_beside_dates(rest),
        [first, rest @ ..] => first.len() + digits_beside_dates(rest),
    }
}

/// `20YYMMDD`, as model names carry it.
fn is_compact_date(group: &str) -> bool {
    let part = |range: std::ops::Range<usize>| group.get(range).and_then(|digits| digits.parse::<u32>().ok());
    group.len() == 8
        && group.starts_with("20")
        && part(4..6).is_some_and(|month| (1..=12).contains(&month))
        && part(6..8).is_some_and(|day| (1..=31).contains(&day))
}

fn has_token(text: &str) -> bool {
    const TOKEN_CHARS_MIN: usize = 20;
    text.split(['.', '-', ':', '/', '@', '+', '_']).any(|part| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() >= TOKEN_CHARS_MIN && digits >= 2 && digits < part.len()
    }) || ["sk-", "sk_", "pk_", "ghp_", "xox", "AKIA", "eyJ"]
        .iter()
        .any(|prefix| text.starts_with(prefix) && text.len() >= 12 && text.bytes().any(|b| b.is_ascii_digit()))
        || is_uuid(text)
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| if hyphens.contains(&i) { b == b'-' } else { b.is_ascii_hexdigit() })
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelVisitor;
        impl de::Visitor<'_> for LabelVisitor {
            type Value = Label;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Label, E> {
                Label::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(LabelVisitor)
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("label")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": LABEL_CHARS_MAX, "pattern": "^[A-Za-z0-9._:/@+~=\\[\\]-]+$",
            "description": "A machine word. What looks like an address, a person's number or a secret is refused."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_are_labels() {
        for model in [
            "gpt-4o-2024-08-06",
            "gpt-5-2025-08-07",
            "claude-sonnet-4-5-20250929",
            "claude-3-5-sonnet@20240620",
            "o3",
            "ft:gpt-4o-mini:acme::9f2k1",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "accounts/fireworks/models/llama-v3p1-405b-instruct",
            "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo",
            "gemini-2.5-flash-lite-preview-09-2025",
            "google/gemini-2.5-pro",
            "computer-use-preview-2025-03-11",
            "@cf/meta/llama-3.1-8b-instruct",
            "net.timeout",
            "chat",
        ] {
            assert!(Label::parse(model).is_ok(), "{model}");
        }
    }

    #[test]
    fn a_label_is_itself_whatever_came_before() {
        for _ in 0..2 {
            for n in 0..2_000 {
                let text = format!("model-{n}");
                assert_eq!(Label::parse(&text).unwrap().as_str(), text);
                assert_eq!(Label::parse(&format!("203.0.113.{}", n % 256)), Err(LabelError::Personal));
            }
        }
    }

    #[test]
    fn what_looks_personal_is_refused_and_not_repeated() {
        for text in [
            "alice@example.com",
            "203.0.113.77",
            "2001:db8::77",
            "4111111111111111",
            "4111-1111-1111-1111",
            "+49-151-2345678",
            "078-05-1120",
            "sk-live1234567890abcdef",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "host/203.0.113.77:443",
            "123e4567-e89b-12d3-a456-426614174000",
            "a9f8e7d6c5b4a3f2e1d0c9b8",
        ] {
            let error = Label::parse(text).unwrap_err();
            assert!(!error.to_string().contains(text), "{text}");
        }
        assert_eq!(Label::parse("Priya Raman"), Err(LabelError::Character));
        assert_eq!(Label::parse(""), Err(LabelError::Length));
    }
}
