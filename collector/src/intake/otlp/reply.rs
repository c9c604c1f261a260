//! What an exporter is told: `ExportTraceServiceResponse`, or why not, in the encoding in which it asked.

use prost::Message;
use serde_json::json;

use crate::intake::{Batch, Problem};

/// How a request is written, and so its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

/// Media type and bytes of a reply.
pub type Reply = (&'static str, Vec<u8>);

/// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceResponse`
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Most reasons named in a reply.
const REASONS_MAX: usize = 5;

/// The reply to a batch that was taken. `partialSuccess` is there only when spans were rejected.
#[must_use]
pub fn success(encoding: Encoding, batch: &Batch) -> Reply {
    let rejected = batch.errors.len();
    let mut reasons: Vec<String> = Vec::new();
    for reason in batch.errors.iter().map(|error| error.detail.as_str()) {
        if reasons.len() < REASONS_MAX && !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
        }
    }
    let message = reasons.join("; ");
    match encoding {
        Encoding::Protobuf => {
            let partial =
                PartialSuccess { rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX), error_message: message };
            let response = Response { partial_success: (rejected > 0).then_some(partial) };
            (PROTOBUF, response.encode_to_vec())
        }
        Encoding::Json if rejected == 0 => (JSON, b"{}".to_vec()),
        Encoding::Json => {
            let response =
                json!({ "partialSuccess": { "rejectedSpans": rejected.to_string(), "errorMessage": message } });
            (JSON, response.to_string().into_bytes())
        }
    }
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The body of an error: a `google.rpc.Status` for protobuf, as OTLP wants it; for JSON a problem document, as every other route
/// of Sage's has it (exporters look at the status alone).
#[must_use]
pub fn failure(encoding: Encoding, problem: &Problem) -> Reply {
    match encoding {
        Encoding::Protobuf => {
            let status = Status { code: rpc_code(problem.status), message: problem.detail.clone() };
            (PROTOBUF, status.encode_to_vec())
        }
        Encoding::Json => ("application/problem+json", problem.json().into_bytes()),
    }
}

/// `google.rpc.Code` for an HTTP status.
fn rpc_code(status: u16) -> i32 {
    match status {
        401 => 16,
        403 => 7,
        404 => 5,
        413 | 429 => 8,
        400..500 => 3,
        503 => 14,
        _ => 13,
    }
}
