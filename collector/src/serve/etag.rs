//! Entity tags: what a reader holds need not be sent again.

use schemas::FlatMap;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Members that say when an answer was made, not what it says.
const WHEN: [&str; 2] = ["generated_at", "people_as_of"];

/// A weak entity tag: `W/"`, 16 hex digits, `"`. Source: RFC 9110 §8.8.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of a body: the first 64 bits of its SHA-256.
    #[must_use]
    pub fn of_body(body: &str) -> Self {
        Self::of_digest(&Sha256::digest(body.as_bytes()))
    }

    fn of_digest(digest: &[u8]) -> Self {
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("W/\"{hex}\""))
    }

    /// Of an answer's JSON: of its members but those that say when it was made.
    #[must_use]
    pub fn of_answer(json: &str) -> Self {
        let Ok(members) = serde_json::from_str::<FlatMap<String, &RawValue>>(json) else { return Self::of_body(json) };
        let mut digest = Sha256::new();
        for (name, value) in members.iter().filter(|(name, _)| !WHEN.contains(&name.as_str())) {
            digest.update(name);
            digest.update(value.get());
        }
        Self::of_digest(&digest.finalize())
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 304 where an `If-None-Match` names this tag or `*`, else 200. Compared weakly; from where on a list can't be read it
    /// names nothing. Source: RFC 9110 §13.1.2.
    #[must_use]
    pub fn status(&self, if_none_match: Option<&str>) -> u16 {
        let held = if_none_match.map(str::trim).unwrap_or_default();
        if held == "*" || tags(held).any(|tag| self.0.strip_prefix("W/") == Some(tag)) { 304 } else { 200 }
    }
}

/// The tags of a list, each with its quotes, without `W/`. A tag may hold commas.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let tag = rest.trim_start_matches([' ', '\t', ',']);
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        let end = tag.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = tag.split_at_checked(end)?;
        rest = after;
        Some(tag)
    })
}

/// What an answer says: all of it but when it was made.
#[must_use]
pub fn said(mut answer: Value) -> Value {
    if let Value::Object(members) = &mut answer {
        members.retain(|name, _| !WHEN.contains(&name.as_str()));
    }
    answer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tag_is_of_what_is_said_and_not_of_when() {
        let answer = |at: &str, spend: i64| {
            let panels = json!({"cost": {"spend": {"value": spend}, "generated_at": "kept"}});
            json!({"from": "a", "generated_at": at, "people_as_of": at, "panels": panels})
        };
        let tag = |answer: Value| Tag::of_body(&said(answer).to_string());
        assert_eq!(tag(answer("10:00", 1)), tag(answer("10:01", 1)));
        assert_ne!(tag(answer("10:00", 1)), tag(answer("10:00", 2)));
        let tag = |answer: Value| Tag::of_answer(&answer.to_string());
        assert_eq!(tag(answer("10:00", 1)), tag(answer("10:01", 1)));
        assert_ne!(tag(answer("10:00", 1)), tag(answer("10:00", 2)));
        assert_eq!(Tag::of_answer("abc"), Tag::of_body("abc"));
        assert_eq!(said(answer("x", 1)), json!({"from": "a", "panels": answer("x", 1)["panels"]}));
        // SHA-256 of "abc", FIPS 180-4.
        assert_eq!(Tag::of_body("abc").as_str(), "W/\"ba7816bf8f01cfea\"");
    }

    #[test]
    fn what_is_held_is_not_sent_again() {
        let tag = Tag::of_body("abc");
        for held in [
            "W/\"ba7816bf8f01cfea\"",
            "\"ba7816bf8f01cfea\"",
            " * ",
            "\"x\", W/\"ba7816bf8f01cfea\"",
            "\"x,y\",,\t\"ba7816bf8f01cfea\" , \"z\"",
            "W/\"\",W/\"ba7816bf8f01cfea\"",
        ] {
            assert_eq!(tag.status(Some(held)), 304, "{held}");
        }
        for held in [
            "",
            "ba7816bf8f01cfea",
            "\"BA7816BF8F01CFEA\"",
            "w/\"ba7816bf8f01cfea\"",
            "W/ \"ba7816bf8f01cfea\"",
            "\"x\"*",
            "*, \"x\"",
            "\"x, ba7816bf8f01cfea",
            "\"",
            "W/",
            "\"x\" y \"ba7816bf8f01cfea\"",
        ] {
            assert_eq!(tag.status(Some(held)), 200, "{held}");
        }
        assert_eq!(tag.status(None), 200);
    }

    proptest! {
        #[test]
        fn any_header_is_read(held in "[\"*, W/a-fé0-9]{0,60}") {
            prop_assert!([200, 304].contains(&Tag::of_body("abc").status(Some(&held))));
        }
    }
}
