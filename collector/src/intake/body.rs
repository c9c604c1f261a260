//! From the bytes of a request to the texts of its events.

use std::io::Read;
use std::ops::Range;

use http::StatusCode;
use serde_json::value::RawValue;

use super::problem::Problem;

/// Most bytes of a body as sent.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a body after gzip.
pub const INFLATED_BYTES_MAX: usize = 8 << 20;
/// Most events in a request.
pub const EVENTS_MAX: usize = 10_000;

/// How much a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as sent.
    pub body_bytes: usize,
    /// Bytes after gzip.
    pub inflated_bytes: usize,
    /// Events.
    pub events: usize,
}

impl Limits {
    /// Of a backend.
    pub const BACKEND: Self =
        Self { body_bytes: BODY_BYTES_MAX, inflated_bytes: INFLATED_BYTES_MAX, events: EVENTS_MAX };
    /// Of a page: what a browser sends of a page that it leaves.
    pub const PAGE: Self = Self { body_bytes: 64 << 10, inflated_bytes: 64 << 10, events: 100 };
}
/// Most bytes of one event.
pub const EVENT_BYTES_MAX: usize = 64 << 10;

/// The texts of the events of a body, in order, as parts of one string.
#[derive(Debug, PartialEq, Eq)]
pub struct Texts {
    body: String,
    spans: Vec<Range<usize>>,
}

impl Texts {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// None at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Each event's text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(|span| self.body.get(span.clone()).unwrap_or_default())
    }
}

/// The texts of the events in a body, one each, in order: a JSON object, an array of objects, or NDJSON (also where the
/// content type says JSON). A line of NDJSON may be broken; a JSON array may not.
///
/// `content_type` and `content_encoding` are the headers' values.
///
/// # Errors
/// 413 over a limit, 415 for another content type or encoding, 400 for what can't be parsed.
pub fn read(
    body: Vec<u8>,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    limits: &Limits,
) -> Result<Texts, Problem> {
    let lines = is_ndjson(content_type)?;
    if body.len() > limits.body_bytes {
        return Err(body_too_large(limits.body_bytes));
    }
    let bytes = inflate(body, content_encoding, limits.inflated_bytes)?;
    let body = String::from_utf8(bytes).map_err(|_| not_parseable("the body is not UTF-8"))?;
    let text = body.trim();
    if text.is_empty() {
        return Err(not_parseable("the body is empty; send one event, an array of events or one event a line"));
    }
    let events: Vec<&str> = if lines {
        split_lines(text)
    } else if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
            not_parseable(format!("the array is not JSON at line {}, column {}", error.line(), error.column()))
        })?;
        items.into_iter().map(RawValue::get).collect()
    } else if serde_json::from_str::<&RawValue>(text).is_ok() {
        vec![text]
    } else if text.starts_with('{') && text.contains('\n') {
        split_lines(text)
    } else {
        return Err(not_parseable("the body is not JSON; send one event, an array of events or one event a line"));
    };
    if events.len() > limits.events {
        return Err(too_large(format!("there are more than {} events; send smaller batches", limits.events)));
    }
    let start = body.as_ptr() as usize;
    let span = |event: &str| {
        let at = event.as_ptr() as usize - start;
        at..at + event.len()
    };
    let spans = events.into_iter().map(span).collect();
    Ok(Texts { body, spans })
}

fn split_lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// `text/plain` is what `navigator.sendBeacon` sends.
fn is_ndjson(content_type: Option<&str>) -> Result<bool, Problem> {
    match media_type(content_type).as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => Ok(true),
        "" | "application/json" | "text/plain" => Ok(false),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send application/json or application/x-ndjson",
        )),
    }
}

/// A `Content-Type` without its parameters, in lower case.
pub(super) fn media_type(content_type: Option<&str>) -> String {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body without its `Content-Encoding`, at most `bytes_max`.
///
/// # Errors
/// 413 over the limit, 415 for another encoding than gzip, 400 for what is no gzip.
pub(super) fn inflate(body: Vec<u8>, content_encoding: Option<&str>, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    match content_encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => {
            let mut inflated = Vec::new();
            let limit = bytes_max as u64 + 1;
            flate2::read::MultiGzDecoder::new(body.as_slice())
                .take(limit)
                .read_to_end(&mut inflated)
                .map_err(|_| not_parseable("the body is not gzip, though Content-Encoding says so"))?;
            if inflated.len() > bytes_max {
                let size = size(bytes_max);
                return Err(too_large(format!("the body is larger than {size} when inflated; send smaller batches")));
            }
            Ok(inflated)
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "send the body as it is or with gzip",
        )),
    }
}

/// 413: the body as sent is larger than `bytes_max`.
#[must_use]
pub fn body_too_large(bytes_max: usize) -> Problem {
    too_large(format!("the body is larger than {}; send smaller batches, or gzip", size(bytes_max)))
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

pub(super) fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

pub(super) fn not_parseable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not_parseable", detail)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn texts(body: &str, content_type: &str) -> Vec<String> {
        owned(&read(body.into(), Some(content_type), None, &Limits::BACKEND).unwrap())
    }

    fn owned(texts: &Texts) -> Vec<String> {
        texts.iter().map(str::to_owned).collect()
    }

    #[test]
    fn one_event_an_array_and_lines_are_read() {
        assert_eq!(texts(r#" {"a":1} "#, "application/json"), [r#"{"a":1}"#]);
        assert_eq!(texts(r#"[{"a":1}, {"b":[2]}]"#, "application/json; charset=utf-8"), [r#"{"a":1}"#, r#"{"b":[2]}"#]);
        assert_eq!(texts("[]", "application/json"), Vec::<String>::new());
        assert_eq!(
            texts("{\"a\":1}\r\n\n{broken\n{\"b\":2}", "application/x-ndjson"),
            [r#"{"a":1}"#, "{broken", r#"{"b":2}"#]
        );
        assert_eq!(texts("{\"a\":1}\n{\"b\":2}\n", "application/json"), [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!(owned(&read(gzip(b"{\"a\":1}"), None, Some("gzip"), &Limits::BACKEND).unwrap()), [r#"{"a":1}"#]);
    }

    #[test]
    fn what_cannot_be_read_has_its_status() {
        let status = |body: Vec<u8>, kind: &str, encoding: Option<&str>| {
            read(body, Some(kind), encoding, &Limits::BACKEND).unwrap_err().status
        };
        let json = "application/json";
        assert_eq!(status(b"".to_vec(), json, None), 400);
        assert_eq!(status(b"hello".to_vec(), json, None), 400);
        assert_eq!(status(b"[{]".to_vec(), json, None), 400);
        assert_eq!(status(b"\xff\xfe".to_vec(), json, None), 400);
        assert_eq!(status(b"not gzip".to_vec(), json, Some("gzip")), 400);
        assert_eq!(status(b"{}".to_vec(), "application/xml", None), 415);
        assert_eq!(status(b"{}".to_vec(), json, Some("br")), 415);
        assert_eq!(status(vec![b' '; BODY_BYTES_MAX + 1], json, None), 413);
        assert_eq!(status(gzip(&vec![b' '; INFLATED_BYTES_MAX + 1]), json, Some("gzip")), 413);
        assert_eq!(status(format!("[{}0]", "0,".repeat(EVENTS_MAX)).into(), json, None), 413);
    }

    #[test]
    fn a_page_sends_less() {
        let ask = |body: Vec<u8>, encoding: Option<&str>| {
            read(body, Some("text/plain;charset=UTF-8"), encoding, &Limits::PAGE).map(|texts| texts.len())
        };
        let spaces = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2)).into_bytes();
        let events = |count: usize| format!("[{}0]", "0,".repeat(count - 1)).into_bytes();
        assert_eq!(ask(spaces(64 << 10), None), Ok(1));
        assert_eq!(ask(events(100), None), Ok(100));
        for (body, encoding) in
            [(spaces((64 << 10) + 1), None), (gzip(&spaces((64 << 10) + 1)), Some("gzip")), (events(101), None)]
        {
            let problem = ask(body, encoding).unwrap_err();
            assert_eq!(problem.status, 413);
            assert!(problem.detail.contains("64 KiB") || problem.detail.contains("100 events"), "{}", problem.detail);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_body() {
        let problem = read(b"[\"alice@example.com\" oops]".to_vec(), None, None, &Limits::BACKEND).unwrap_err();
        assert!(!problem.json().contains("alice"));
    }
}
