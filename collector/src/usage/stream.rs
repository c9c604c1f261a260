//! The usage in a stream of server-sent events, read as the bytes go by.
//!
//! Chat: the last chunk that has one. Responses: the terminal event. Anthropic: `message_start`, then every `message_delta`
//! over it, field by field, since counts are cumulative. Gemini: the last chunk. Most events carry text and no usage; they
//! are not parsed.

use schemas::Usage;
use serde_json::{Map, Value};

use super::block::placed;
use super::{Api, ReadError, read_usage_as};

/// Longest event that is read; a terminal event of Responses repeats the whole reply. What is longer is passed over.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads the usage of one streamed reply.
#[derive(Debug, Default)]
pub struct UsageStream {
    provider: String,
    api: Option<Api>,
    /// Of the present line, unless the event is passed over.
    line: Vec<u8>,
    line_bytes: usize,
    /// Of the present event.
    data: Vec<u8>,
    too_long: bool,
    after_cr: bool,
    usage: Map<String, Value>,
    ended: bool,
}

/// What a stream said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamUsage {
    /// Tokens known; `None` when the stream never said.
    pub usage: Option<Usage>,
    /// The stream broke off before the provider's last word on usage.
    pub partial: bool,
}

impl UsageStream {
    /// A stream of `provider`; the API is told by the events unless given.
    #[must_use]
    pub fn new(provider: &str, api: Option<Api>) -> Self {
        Self { provider: provider.to_owned(), api, ..Self::default() }
    }

    /// Takes the next bytes, cut anywhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some((part, end, rest)) = split_line(bytes) {
            let second_half_of_crlf = self.after_cr && end == b'\n' && part.is_empty();
            if !second_half_of_crlf {
                self.keep(part);
                self.end_line();
            }
            self.after_cr = end == b'\r';
            bytes = rest;
        }
        self.keep(bytes);
    }

    /// The stream is over, or the reader hung up.
    ///
    /// # Errors
    /// As [`super::read_usage`].
    pub fn finish(mut self) -> Result<StreamUsage, ReadError> {
        self.end_line();
        self.end_event();
        let usage = if self.usage.is_empty() {
            None
        } else {
            let block = Map::from_iter([("usage".to_owned(), Value::Object(self.usage))]);
            read_usage_as(self.api, &self.provider, &Value::Object(block))?
        };
        Ok(StreamUsage { usage, partial: !self.ended })
    }

    fn keep(&mut self, part: &[u8]) {
        self.after_cr &= part.is_empty();
        self.line_bytes = self.line_bytes.saturating_add(part.len());
        self.too_long |= self.line_bytes.saturating_add(self.data.len()) > EVENT_BYTES_MAX;
        if !self.too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        if self.line_bytes == 0 {
            self.end_event();
        } else {
            let line = self.line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.line);
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
                self.data.push(b'\n');
            }
        }
        self.line.clear();
        self.line_bytes = 0;
    }

    fn end_event(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.too_long) {
            if data.trim_ascii() == b"[DONE]" {
                self.ended = true;
            } else if may_tell(&data)
                && let Ok(event) = serde_json::from_slice(&data)
            {
                self.read(&event);
            }
        }
        data.clear();
        self.data = data;
    }

    fn read(&mut self, event: &Value) {
        let usage = placed(event).and_then(Value::as_object);
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "message_delta" {
            let known = usage.into_iter().flatten().filter(|(_, value)| !value.is_null());
            self.usage.extend(known.map(|(name, value)| (name.clone(), value.clone())));
            self.ended |= event.get("delta").is_some_and(|delta| is_set(delta, "stop_reason"));
            return;
        }
        self.ended |= matches!(kind, "message_stop" | "response.completed" | "response.incomplete" | "response.failed");
        let Some(usage) = usage else { return };
        self.usage.clone_from(usage);
        let answers = ["choices", "candidates"].iter().find_map(|name| event.get(name)?.as_array());
        self.ended |= answers.is_some_and(|answers| {
            answers.is_empty()
                || answers.iter().any(|answer| is_set(answer, "finish_reason") || is_set(answer, "finishReason"))
        });
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The bytes before the first end of a line, that end, and the rest.
fn split_line(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let length = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let (part, rest) = bytes.split_at_checked(length)?;
    let (end, rest) = rest.split_first()?;
    Some((part, *end, rest))
}

/// Events of text have neither word, but for text that does.
fn may_tell(data: &[u8]) -> bool {
    [&b"usage"[..], b"message_stop"].iter().any(|word| data.windows(word.len()).any(|window| window == *word))
}

fn is_set(object: &Value, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

#[cfg(test)]
#[path = "stream_test.rs"]
mod tests;
