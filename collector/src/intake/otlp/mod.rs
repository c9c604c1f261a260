//! `POST /sage/v1/traces`: OTLP/HTTP with GenAI spans, each call of a model a turn.
//!
//! `protobuf` and `json` read spans, `conventions` names the attributes that are read, `call` tells calls from what wraps them,
//! `provider` and `usage` read what is priced, `turn` makes the turn, `reply` answers. From there on a turn goes the way of every
//! event. Span events are not read: `gen_ai.evaluation.result` rates with words of its own, which no observation has.

mod call;
mod conventions;
mod json;
mod protobuf;
mod provider;
mod reply;
mod span;
mod turn;
mod usage;

use http::StatusCode;
use schemas::event::Source;

use super::batch::Batch;
use super::body::{BODY_BYTES_MAX, INFLATED_BYTES_MAX, inflate, media_type, not_parseable, too_large};
use super::problem::Problem;
use crate::scrub::Door;
use call::Call;
pub use reply::{Encoding, Reply, failure, success};
use span::Span;

/// The calls of models in a request.
pub struct Traces(Vec<(Call, Span)>);

/// Why spans can't be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    /// Not of the encoding.
    Broken,
    /// More than [`span::SPANS_MAX`].
    TooMany,
    /// More calls of models than there may be events.
    TooManyCalls,
}

/// The encoding that a request's `Content-Type` names.
///
/// # Errors
/// 415 for any but protobuf and JSON.
pub fn encoding(content_type: Option<&str>) -> Result<Encoding, Problem> {
    match media_type(content_type).as_str() {
        "application/x-protobuf" | "application/protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send OTLP as application/x-protobuf or application/json",
        )),
    }
}

/// Most bytes of a body as sent: exporters send whole batches as they are, unless they are told to compress.
#[must_use]
pub fn body_bytes_max(content_encoding: Option<&str>) -> usize {
    match content_encoding.unwrap_or_default().trim() {
        "" | "identity" => INFLATED_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

/// Reads a request's calls of models. All other spans are taken and forgotten.
///
/// # Errors
/// 413 over a limit, 415 for another content encoding, 400 for what can't be parsed.
pub fn read(body: Vec<u8>, encoding: Encoding, content_encoding: Option<&str>) -> Result<Traces, Problem> {
    if body.len() > body_bytes_max(content_encoding) {
        return Err(too_large("the body is larger than 1 MiB, or 8 MiB uncompressed; export smaller batches"));
    }
    let body = inflate(body, content_encoding, INFLATED_BYTES_MAX)?;
    let spans = match encoding {
        Encoding::Protobuf => protobuf::read(&body),
        Encoding::Json => std::str::from_utf8(&body).map_err(|_| Unreadable::Broken).and_then(json::read),
    };
    let calls = spans.and_then(call::innermost).map_err(|error| match error {
        Unreadable::Broken => {
            not_parseable("the body is not an ExportTraceServiceRequest of the Content-Type's encoding")
        }
        Unreadable::TooMany => too_large("there are more than 50000 spans; export smaller batches"),
        Unreadable::TooManyCalls => too_large("there are more than 10000 calls of models; export smaller batches"),
    })?;
    Ok(Traces(calls))
}

/// Scrubs and prices turns and sorts them by Shard. Spans that can't be right become dead letters.
#[must_use]
pub fn take_in(traces: &Traces, door: &Door<'_>) -> Batch {
    let mut batch = Batch::default();
    for (index, (call, span)) in traces.0.iter().enumerate() {
        let name = turn::name(span, index);
        let letter = |error: &_| turn::dead_letter(span, &name, error, door.keys);
        batch.take(turn::read(*call, span), &name, Source::Otlp, door, letter);
    }
    batch.forget_ids();
    batch
}

/// An id of `N` bytes, not all of them zero.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok().filter(|id| *id != [0; N])
}

#[cfg(test)]
#[path = "hostile_test.rs"]
mod hostile;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
