//! What is wrong with an event, without repeating what it holds.

use serde::Serialize;

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{detail}", field.as_ref().map(|f| format!("{f}: ")).unwrap_or_default())]
pub struct WireError {
    /// What kind of mistake.
    pub code: WireCode,
    /// The field, dotted. A name that the contract does not know is repeated only when it looks like a field's name.
    pub field: Option<String>,
    /// What it should be.
    pub detail: String,
}

/// Kinds of mistake; stable names in replies and dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireCode {
    /// Not JSON.
    NotJson,
    /// JSON, but no object.
    NotAnObject,
    /// `type` is none of the kinds.
    UnknownType,
    /// This sender may not send this kind.
    TypeNotAllowed,
    /// A field that the kind does not have.
    UnknownField,
    /// A field that the kind must have.
    MissingField,
    /// A field's value is none of those it may have.
    InvalidValue,
    /// `ts` lies ahead of the receiver's clock.
    TsInFuture,
    /// `ts` lies before 2020.
    TsTooOld,
    /// The event is larger than an event may be.
    TooLarge,
}

impl WireCode {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::UnknownType => "unknown_type",
            Self::TypeNotAllowed => "type_not_allowed",
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::InvalidValue => "invalid_value",
            Self::TsInFuture => "ts_in_future",
            Self::TsTooOld => "ts_too_old",
            Self::TooLarge => "too_large",
        }
    }
}

impl WireError {
    /// An error at a field.
    #[must_use]
    pub fn at(code: WireCode, field: &str, detail: impl Into<String>) -> Self {
        Self { code, field: Some(field.into()), detail: detail.into() }
    }

    /// A required field is absent.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::at(WireCode::MissingField, field, "is required")
    }
}

pub(super) fn unknown_kind() -> WireError {
    WireError::at(WireCode::UnknownType, "type", format!("must be one of {}", super::KINDS.join(", ")))
}

/// For text whose `type` could not be read.
pub(super) fn diagnose_untagged(json: &str) -> WireError {
    match serde_json::from_str::<serde_json::Value>(json) {
        Err(_) => WireError { code: WireCode::NotJson, field: None, detail: "is not JSON".into() },
        Ok(serde_json::Value::Object(members)) => match members.get("type") {
            None => WireError::missing("type"),
            Some(serde_json::Value::String(_)) => {
                WireError { code: WireCode::NotJson, field: None, detail: "has a member twice".into() }
            }
            Some(_) => unknown_kind(),
        },
        Ok(_) => WireError { code: WireCode::NotAnObject, field: None, detail: "must be a JSON object".into() },
    }
}

type PathDeserializer<'a, 'b> =
    serde_path_to_error::Deserializer<'a, 'b, &'a mut serde_json::Deserializer<serde_json::de::StrRead<'a>>>;

/// Reads the text once more, keeping track of where it stands, and says what is wrong there.
///
/// A parser's own message can hold the value, so only the parts of it that are fixed text are used: the name in
/// ``missing field `…` ``, what follows the last `expected`, and the messages of this crate's own types.
pub(super) fn diagnose<F>(read: F, json: &str) -> WireError
where
    F: for<'a, 'b> FnOnce(PathDeserializer<'a, 'b>) -> Result<(), serde_json::Error>,
{
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let mut track = serde_path_to_error::Track::new();
    let error = match read(serde_path_to_error::Deserializer::new(&mut deserializer, &mut track)) {
        Ok(()) => return WireError { code: WireCode::NotJson, field: None, detail: "is not one JSON object".into() },
        Err(error) => error,
    };
    if !error.is_data() {
        return WireError { code: WireCode::NotJson, field: None, detail: "is not JSON".into() };
    }
    let path = shown_path(&track.path());
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return WireError::missing(&joined(&path, name));
    }
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split_once('`').map_or("", |(name, _)| name);
        return WireError::at(
            WireCode::UnknownField,
            &joined_unknown(&path, name),
            "is not a field of this type of event",
        );
    }
    let invalid = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    let detail = if invalid.iter().any(|prefix| message.starts_with(prefix)) {
        message
            .rsplit_once("expected ")
            .map_or("has a value that is not allowed".into(), |(_, what)| format!("must be {what}"))
    } else if message.starts_with("duplicate field") {
        "is there twice".into()
    } else {
        message.to_owned()
    };
    match crate::usage_field(&detail) {
        Some(field) => WireError::at(WireCode::InvalidValue, &joined(&path, field), detail),
        None => WireError { code: WireCode::InvalidValue, field: (!path.is_empty()).then_some(path), detail },
    }
}

/// The path with every part that does not look like a field's name left out.
fn shown_path(path: &serde_path_to_error::Path) -> String {
    let parts = path.iter().map(|segment| match segment {
        serde_path_to_error::Segment::Map { key } => shown(key).to_owned(),
        serde_path_to_error::Segment::Seq { index } => index.to_string(),
        _ => "(unnamed)".to_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

fn shown(name: &str) -> &str {
    let word = name.len() <= 40
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_[]".contains(&b))
        && name.bytes().filter(u8::is_ascii_digit).count() <= 2;
    if word { name } else { "(unnamed)" }
}

fn joined(path: &str, name: &str) -> String {
    let ends_so = path == name || path.ends_with(&format!(".{name}"));
    if path.is_empty() {
        name.into()
    } else if ends_so {
        path.into()
    } else {
        format!("{path}.{name}")
    }
}

fn joined_unknown(path: &str, name: &str) -> String {
    let name = shown(name);
    joined(path, name)
}
