//! What clients send: an envelope that all kinds share and a body of one kind, in one flat JSON object.
//!
//! Raw ids and text exist only here, inside [`Raw`], which cannot be printed or serialised; `collector::scrub` turns
//! a [`WireEvent`] into an [`crate::Event`].

mod body;
mod envelope;
mod error;
mod raw;

pub use body::{ErrorReport, Feedback, Moment, ServiceCost, Turn, Vital, WireBody, Witnessed};
pub use envelope::Envelope;
pub use error::{WireCode, WireError};
pub use raw::Raw;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One event as a client sent it.
pub struct WireEvent {
    /// What all kinds share.
    pub envelope: Envelope,
    /// The kind's own fields.
    pub body: WireBody,
}

/// Every kind that a client may send.
pub const KINDS: [&str; 13] = [
    "turn",
    "feedback",
    "observation",
    "error",
    "vital",
    "journey",
    "platform",
    "service_cost",
    "consent",
    "crisis",
    "incident",
    "notice",
    "moment",
];

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

impl WireEvent {
    /// Reads one event from the JSON text of one object.
    ///
    /// # Errors
    /// Names the field and what it should be. Never repeats a value; a field's name is repeated only when it looks like
    /// one ([`WireError`]).
    pub fn from_json(json: &str) -> Result<Self, WireError> {
        let kind = match leading_kind(json) {
            Some(kind) => Cow::Borrowed(kind),
            None => serde_json::from_str::<Tag<'_>>(json).map_err(|_| error::diagnose_untagged(json))?.kind,
        };
        match kind.as_ref() {
            "turn" => read(json, WireBody::Turn),
            "feedback" => read(json, WireBody::Feedback),
            "observation" => read(json, WireBody::Observation),
            "error" => read(json, WireBody::Error),
            "vital" => read(json, WireBody::Vital),
            "journey" => read(json, WireBody::Journey),
            "platform" => read(json, WireBody::Platform),
            "service_cost" => read(json, WireBody::ServiceCost),
            "consent" => read(json, WireBody::Consent),
            "crisis" => read(json, WireBody::Crisis),
            "incident" => read(json, WireBody::Incident),
            "notice" => read(json, WireBody::Notice),
            "moment" => read(json, WireBody::Moment),
            _ => Err(error::unknown_kind()),
        }
    }
}

/// The kind, where `type` is the first member and written without a space or escape: spares a pass over the text.
fn leading_kind(json: &str) -> Option<&str> {
    let (kind, _) = json.strip_prefix("{\"type\":\"")?.split_once('"')?;
    (!kind.contains('\\')).then_some(kind)
}

/// JSON Schema of the envelope's members, without `type`.
pub(crate) fn envelope_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    <envelope::Slots as schemars::JsonSchema>::json_schema(generator)
}

fn read<T: DeserializeOwned>(json: &str, wrap: fn(T) -> WireBody) -> Result<WireEvent, WireError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parts = envelope::split::<T, _>(&mut deserializer).and_then(|parts| deserializer.end().map(|()| parts));
    match parts {
        Ok((envelope, body)) => Ok(WireEvent { envelope: envelope.check()?, body: wrap(body) }),
        Err(_) => Err(error::diagnose(|deserializer| envelope::split::<T, _>(deserializer).map(drop), json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> (WireCode, Option<String>, String) {
        match WireEvent::from_json(json) {
            Ok(_) => panic!("accepted: {json}"),
            Err(e) => (e.code, e.field, e.detail),
        }
    }

    const TURN: &str = r#"{"type":"turn","id":"01JD","ts":"2026-11-21T18:56:03.120Z","user_id":"raw","conversation_id":"c","turn_index":3,
        "provider":"anthropic","model":"claude-sonnet-4-5","feature":"chat","status":"ok","latency_ms":1840,"ttft_ms":310,
        "user_chars":120,"assistant_chars":900,"usage":{"input_tokens":1200,"output_tokens":340}}"#;

    #[test]
    fn reads_the_turn_of_the_contract() {
        let event = WireEvent::from_json(TURN).unwrap();
        assert!(event.envelope.id.is_some() && event.envelope.user_id.is_some());
        let WireBody::Turn(turn) = event.body else { panic!() };
        assert_eq!(turn.usage.unwrap().input_tokens, 1200);
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        assert!(
            WireEvent::from_json(r#"{"model":"m","ts":"2026-11-21T00:00:00Z","provider":"p","type":"turn"}"#).is_ok()
        );
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            (TURN.replace("\"feature\"", "\"featrue\""), WireCode::UnknownField, Some("featrue")),
            (
                TURN.replace("\"output_tokens\":340", "\"output_tokens\":-1"),
                WireCode::InvalidValue,
                Some("usage.output_tokens"),
            ),
            (TURN.replace(",\"output_tokens\":340", ""), WireCode::MissingField, Some("usage.output_tokens")),
            (TURN.replace("\"provider\":\"anthropic\",", ""), WireCode::MissingField, Some("provider")),
            (TURN.replace("2026-11-21T18:56:03.120Z", "yesterday"), WireCode::InvalidValue, Some("ts")),
            (TURN.replace("\"ts\":\"2026-11-21T18:56:03.120Z\",", ""), WireCode::MissingField, Some("ts")),
            (TURN.replace("\"user_id\":\"raw\"", "\"user_id\":7"), WireCode::InvalidValue, Some("user_id")),
            (TURN.replace("\"user_id\":\"raw\"", "\"user_id\":\"\""), WireCode::InvalidValue, Some("user_id")),
            (TURN.replace("\"status\":\"ok\"", "\"status\":\"fine\""), WireCode::InvalidValue, Some("status")),
            (TURN.replace("\"type\":\"turn\"", "\"type\":\"turm\""), WireCode::UnknownType, Some("type")),
            (TURN.replace("\"type\":\"turn\",", ""), WireCode::MissingField, Some("type")),
            (TURN.replace("\"cache\"", ""), WireCode::NotJson, None),
            ("[]".into(), WireCode::NotAnObject, None),
            ("7".into(), WireCode::NotAnObject, None),
            (r#"{ "type":"turn","type":"turn"}"#.into(), WireCode::NotJson, None),
            (
                r#"{"type":"turn","model":"m","model":"m","ts":"2026-11-21T00:00:00Z","provider":"p"}"#.into(),
                WireCode::InvalidValue,
                None,
            ),
            (
                TURN.replace("\"input_tokens\":1200", "\"input_tokens\":1200,\"cache_read_tokens\":1201"),
                WireCode::InvalidValue,
                Some("usage.cache_read_tokens"),
            ),
        ];
        for (json, code, field) in cases.into_iter().filter(|(json, ..)| json != TURN) {
            let (got, at, detail) = error(&json);
            assert_eq!((got, at.as_deref()), (code, field), "{json}: {detail}");
        }
    }

    #[test]
    fn an_error_never_repeats_a_value() {
        let secret = "alice.secret@example.com";
        for json in [
            TURN.replace("\"turn_index\":3", &format!("\"turn_index\":\"{secret}\"")),
            TURN.replace("claude-sonnet-4-5", secret),
            TURN.replace("\"status\":\"ok\"", &format!("\"status\":\"{secret}, expected {secret}\"")),
            TURN.replace("\"feature\"", &format!("\"{secret}\"")),
            TURN.replace("2026-11-21T18:56:03.120Z", secret),
            TURN.replace("{\"input_tokens\"", &format!("{{\"{secret}\":1,\"input_tokens\"")),
            TURN.replace("\"type\":\"turn\"", &format!("\"type\":\"{secret}\"")),
            format!("{{\"type\":\"turn\" {secret}"),
            format!("\"{secret}\""),
        ] {
            let (_, field, detail) = error(&json);
            assert!(!detail.contains("alice") && !field.unwrap_or_default().contains("alice"), "{detail}");
        }
    }
}
