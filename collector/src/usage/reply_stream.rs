//! A streamed reply, read as its bytes go by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::aws_event_stream::{AwsEventStream, Message};
use super::json_stream::JsonStream;
use super::members::{pick, text};
use super::sse::Sse;
use super::told::Told;
use super::{Api, ReadError, Reply};

/// Longest event of a stream that is read; a terminal event of Responses repeats the whole reply. What is longer is passed over.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest JSON document that is read.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How a reply is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// AWS' binary event stream.
    AwsEventStream,
    /// JSON values, one a line.
    NdJson,
    /// One JSON document; of an array, every element is an event (Gemini).
    Json,
}

impl Framing {
    /// The framing that a content type names.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match essence.as_str() {
            "text/event-stream" => Self::Sse,
            "application/vnd.amazon.eventstream" => Self::AwsEventStream,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/stream+json" => {
                Self::NdJson
            }
            "application/json" => Self::Json,
            _ => return None,
        })
    }

    /// The framing of a stream that starts with this byte, blanks and a byte order mark left out.
    fn of_first(byte: u8) -> Self {
        match byte {
            // A message of the binary stream is shorter than 16 MiB: its length starts with a zero.
            0 => Self::AwsEventStream,
            b'[' => Self::Json,
            // A document, or the first of many lines.
            b'{' => Self::NdJson,
            _ => Self::Sse,
        }
    }
}

/// Reads one streamed reply. Memory is bounded: one event, and never what the model wrote beyond it.
pub struct ReplyStream {
    told: Told,
    frames: Option<Frames>,
    /// Bytes of a byte order mark that were dropped.
    mark: usize,
}

enum Frames {
    Sse(Sse),
    Aws(AwsEventStream),
    Json(JsonStream),
}

impl ReplyStream {
    /// A reply of `provider`. The API is told by its events and the framing by the first byte, unless given.
    #[must_use]
    pub fn new(provider: &str, api: Option<Api>, framing: Option<Framing>) -> Self {
        Self { told: Told::new(provider, api), frames: framing.map(Frames::new), mark: 0 }
    }

    /// Takes the next bytes, cut anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        // Nothing but blanks and a byte order mark may stand before the first event.
        if !matches!(self.frames, Some(Frames::Aws(_))) && self.mark < BEGUN {
            bytes = self.skip_start(bytes);
        }
        let Some(first) = bytes.first() else { return };
        let frames = self.frames.get_or_insert_with(|| Frames::new(Framing::of_first(*first)));
        let told = &mut self.told;
        match frames {
            Frames::Sse(sse) => sse.push(bytes, EVENT_BYTES_MAX, |data| sse_event(told, data)),
            Frames::Aws(aws) => aws.push(bytes, EVENT_BYTES_MAX, |message| aws_event(told, message)),
            Frames::Json(json) => json.push(bytes, DOCUMENT_BYTES_MAX, |value| told.event(value)),
        }
    }

    /// The reply is over, or its reader hung up.
    ///
    /// # Errors
    /// As [`super::read_usage`].
    pub fn finish(self) -> Result<Reply, ReadError> {
        let mut told = self.told;
        match self.frames {
            Some(Frames::Sse(mut sse)) => sse.finish(|data| sse_event(&mut told, data)),
            Some(Frames::Json(json)) => told.ended |= json.is_whole() || json.is_single() && told.has_usage(),
            Some(Frames::Aws(_)) | None => {}
        }
        told.finish()
    }

    fn skip_start<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some((first, rest)) = bytes.split_first() {
            if BYTE_ORDER_MARK.get(self.mark) == Some(first) {
                self.mark += 1;
            } else if !first.is_ascii_whitespace() {
                self.mark = BEGUN;
                break;
            }
            bytes = rest;
        }
        bytes
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The first event has begun: no mark is looked for any more.
const BEGUN: usize = 4;

impl Frames {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(Sse::default()),
            Framing::AwsEventStream => Self::Aws(AwsEventStream::default()),
            Framing::NdJson => Self::Json(JsonStream::of_lines()),
            Framing::Json => Self::Json(JsonStream::default()),
        }
    }
}

fn sse_event(told: &mut Told, data: &[u8]) {
    if data.trim_ascii() == b"[DONE]" {
        told.ended = true;
    } else {
        told.event(data);
    }
}

fn aws_event(told: &mut Told, message: &Message) {
    if message.failed {
        return told.failed(Some(message.name));
    }
    match message.name {
        // InvokeModelWithResponseStream: an event of the vendor's own stream.
        "chunk" => {
            let encoded = pick(message.payload, &["bytes"]).and_then(|[bytes]| text(bytes?));
            if let Some(Ok(event)) = encoded.map(|encoded| STANDARD.decode(encoded.as_bytes())) {
                told.event(&event);
            }
        }
        // ConverseStream: the last event.
        "metadata" => {
            told.event(message.payload);
            told.ended = true;
        }
        "messageStop" => told.event(message.payload),
        _ => {}
    }
}

#[cfg(test)]
#[path = "reply_stream_test.rs"]
mod tests;
