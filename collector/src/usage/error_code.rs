//! The machine word of an error reply. Messages are never read.

use schemas::Label;
use serde_json::value::RawValue;

use super::members::{elements, pick, text};

/// The code of an error reply's body: `error.code`, `error.type`, `error.status`, `__type`, or `code` and `type` of the body
/// itself; `None` where there is none that is a machine word.
#[must_use]
pub fn read_error_code(body: &[u8]) -> Option<Label> {
    let whole = serde_json::from_slice::<&RawValue>(body).ok()?;
    let reply = elements(whole).into_iter().next().unwrap_or(whole);
    let [error, aws, code, kind] = pick(reply.get().as_bytes(), &["error", "__type", "code", "type"])?;
    let of_aws = || word_of(text(aws?)?.rsplit('#').next()?);
    error.and_then(of_error).or_else(of_aws).or_else(|| code.and_then(word)).or_else(|| kind.and_then(word))
}

/// The code of an error: an object, or the word itself.
pub(super) fn of_error(error: &RawValue) -> Option<Label> {
    let Some([code, kind, status]) = pick(error.get().as_bytes(), &["code", "type", "status"]) else {
        return word(error);
    };
    let number = || {
        let number: u16 = serde_json::from_str(code?.get()).ok()?;
        Label::parse(&number.to_string()).ok()
    };
    [code, kind, status].into_iter().flatten().find_map(word).or_else(number)
}

/// A word of a provider, which is not a sentence.
pub(super) fn word(raw: &RawValue) -> Option<Label> {
    word_of(&text(raw)?)
}

fn word_of(word: &str) -> Option<Label> {
    const CODE_BYTES_MAX: usize = 64;
    if word.len() > CODE_BYTES_MAX || word == "error" { None } else { Label::parse(word).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_word_is_read_and_no_message() {
        for (body, code) in [
            (r#"{"error":{"code":"insufficient_quota","type":"requests","message":"x"}}"#, Some("insufficient_quota")),
            (r#"{"error":{"code":null,"type":"invalid_request_error"}}"#, Some("invalid_request_error")),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Some("overloaded_error")),
            (r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}"#, Some("RESOURCE_EXHAUSTED")),
            (r#"[{"error":{"code":429,"message":"x"}}]"#, Some("429")),
            (r#"{"__type":"com.amazon.coral#ThrottlingException","message":"x"}"#, Some("ThrottlingException")),
            (r#"{"object":"error","type":"invalid_model","code":"1500"}"#, Some("1500")),
            (r#"{"error":"rate_limited"}"#, Some("rate_limited")),
            (r#"{"error":"Please ask Priya Raman"}"#, None),
            (r#"{"error":{"code":"alice@example.com","message":"x"}}"#, None),
            (
                r#"{"error":{"type":"a_word_that_is_much_too_long_to_be_a_code_and_may_well_be_a_sentence_of_someone"}}"#,
                None,
            ),
            (r#"{"message":"x"}"#, None),
            ("<html>", None),
            ("", None),
            ("[]", None),
            ("7", None),
        ] {
            assert_eq!(read_error_code(body.as_bytes()).as_ref().map(Label::as_str), code, "{body}");
        }
    }
}
