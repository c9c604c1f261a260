//! What a reply has told so far: a whole JSON reply, or event after event of a stream.

use schemas::Label;
use schemas::wire::Raw;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::members::{elements, pick, text};
use super::stop::Stop;
use super::{Api, ReadError, Reply, context, error_code, read_usage_as};

/// Longest id of a reply that is read.
const ID_BYTES_MAX: usize = 256;

/// State of one reply.
#[derive(Default)]
pub(super) struct Told {
    provider: String,
    api: Option<Api>,
    /// The block of the model's own API.
    usage: Map<String, Value>,
    /// The block of the one that runs it (Bedrock), for models whose own API has none.
    metrics: Map<String, Value>,
    usage_is_wrong: bool,
    model: Option<Label>,
    response_id: Option<Raw>,
    service_tier: Option<String>,
    stopped: Option<Stop>,
    /// The provider's last word on usage was read.
    pub(super) ended: bool,
}

const NAMES: [&str; 37] = [
    "type",
    "id",
    "responseId",
    "generation_id",
    "model",
    "modelVersion",
    "service_tier",
    "serviceTier",
    "usage",
    "usageMetadata",
    "usage_info",
    "meta",
    "amazon-bedrock-invocationMetrics",
    "choices",
    "candidates",
    "promptFeedback",
    "finish_reason",
    "stop_reason",
    "stopReason",
    "done_reason",
    "status",
    "incomplete_details",
    "error",
    "code",
    "response",
    "message",
    "result",
    "delta",
    "x_groq",
    "metadata",
    "done",
    "is_finished",
    "event_type",
    "prompt_eval_count",
    "eval_count",
    "prompt_token_count",
    "generation_token_count",
];

impl Told {
    pub(super) fn new(provider: &str, api: Option<Api>) -> Self {
        Self { provider: provider.to_owned(), api, ..Self::default() }
    }

    /// Reads one event if it can tell anything.
    pub(super) fn event(&mut self, json: &[u8]) {
        if may_tell(json, self.model.is_none(), self.response_id.is_none()) {
            self.object(json, true);
        }
    }

    /// Reads a whole reply; whether it is an object.
    pub(super) fn reply(&mut self, json: &[u8]) -> bool {
        self.object(json, true)
    }

    /// Has it said anything of usage?
    pub(super) fn has_usage(&self) -> bool {
        !self.usage.is_empty() || !self.metrics.is_empty()
    }

    /// The stream broke off with this error.
    pub(super) fn failed(&mut self, code: Option<&str>) {
        self.stop(Stop::Error(code.and_then(|code| Label::parse(code).ok())));
    }

    fn object(&mut self, json: &[u8], outermost: bool) -> bool {
        let Some(found) = pick(json, &NAMES) else { return false };
        let [kind, id, response_id, generation_id, model, model_version, tier, bedrock_tier, found @ ..] = found;
        let [usage, usage_metadata, usage_info, meta, metrics, choices, candidates, prompt_feedback, found @ ..] =
            found;
        let [finish_reason, stop_reason, stop_reason_2, done_reason, status, incomplete, error, code, found @ ..] =
            found;
        let [response, message, result, delta, x_groq, metadata, done, finished, event_type, counts @ ..] = found;
        let kind = kind.or(event_type).and_then(text).unwrap_or_default();

        let model = model.or(model_version).and_then(text);
        self.model = self.model.take().or_else(|| Label::parse(&model?).ok());
        let id = response_id.or(id).or(generation_id).and_then(text);
        let id = id.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX);
        self.response_id = self.response_id.take().or_else(|| id.map(|id| Raw::new(&id)));
        if let Some(tier) = tier.or(bedrock_tier) {
            let word = text(tier).or_else(|| text(pick(tier.get().as_bytes(), &["type"])?.into_iter().next()??));
            self.service_tier = word.map(|word| word.into_owned()).or(self.service_tier.take());
        }

        let states_usage = self.usage_block(usage.or(usage_metadata).or(usage_info), &kind);
        self.loose_counts(counts);
        if let Some(meta) = meta.filter(|_| !states_usage) {
            let has_counts = pick(meta.get().as_bytes(), &["billed_units", "tokens"]);
            self.usage_block(has_counts.filter(|found| found.iter().any(Option::is_some)).map(|_| meta), &kind);
        }
        if let Some(Ok(metrics)) = metrics.map(|raw| serde_json::from_str(raw.get())) {
            self.metrics = metrics;
            self.ended = true;
        }

        let answers = choices.or(candidates);
        let answered = answers.map(|answers| self.answers(answers));
        self.ended |= states_usage && answered == Some(true);
        for reason in [finish_reason, stop_reason, stop_reason_2, done_reason].into_iter().flatten() {
            if let Some(reason) = text(reason) {
                self.stop(Stop::of_reason(&reason));
                self.ended |= kind.is_empty() && outermost && states_usage;
            }
        }
        self.status(status, incomplete);
        if let Some(feedback) = prompt_feedback
            && let Some([Some(reason)]) = pick(feedback.get().as_bytes(), &["blockReason"])
            && text(reason).is_some()
        {
            self.stop(Stop::Filtered);
        }
        if let Some(error) = error.filter(|error| error.get() != "null") {
            self.stop(Stop::Error(error_code::of_error(error)));
        } else if kind == "error" {
            self.stop(Stop::Error(code.and_then(error_code::word)));
        }
        self.ended |= [done, finished].iter().flatten().any(|done| done.get() == "true")
            || matches!(
                kind.as_ref(),
                "message_stop" | "message-end" | "response.completed" | "response.incomplete" | "response.failed"
            );
        if outermost {
            // What a stream wraps: the reply itself, or its last part.
            for within in [response, message, result, delta, x_groq].into_iter().flatten() {
                self.object(within.get().as_bytes(), false);
            }
            // Chat replies carry metadata of the app's own: nothing but Bedrock's usage is taken from there.
            if let Some([Some(usage)]) = metadata.and_then(|raw| pick(raw.get().as_bytes(), &["usage"])) {
                self.usage_block(Some(usage), &kind);
            }
        }
        true
    }

    /// Takes a usage block; whether there is one. Counts are cumulative: the last block holds, but for Anthropic's
    /// `message_delta`, which states what has changed since the start.
    fn usage_block(&mut self, block: Option<&RawValue>, kind: &str) -> bool {
        match block.map(|raw| serde_json::from_str(raw.get())) {
            Some(Ok(Value::Object(block))) => {
                if kind == "message_delta" {
                    self.usage.extend(block.into_iter().filter(|(_, value)| !value.is_null()));
                } else {
                    self.usage = block;
                }
                true
            }
            Some(Ok(Value::Null)) | None => false,
            Some(_) => {
                self.usage_is_wrong = true;
                false
            }
        }
    }

    /// Counts that stand in the reply itself (Ollama; Llama at Bedrock).
    fn loose_counts<const N: usize>(&mut self, counts: [Option<&RawValue>; N]) {
        let names = NAMES.iter().rev().take(N).rev();
        for (name, count) in names.zip(counts) {
            let count = count.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
            if let Some(count) = count.filter(|count| !count.is_null()) {
                self.metrics.insert((*name).to_owned(), count);
            }
        }
    }

    /// Reads how the answers ended; whether none goes on.
    fn answers(&mut self, answers: &RawValue) -> bool {
        let answers = elements(answers);
        let mut finished = answers.is_empty();
        for answer in answers {
            let Some([reason, reason_2, error]) =
                pick(answer.get().as_bytes(), &["finish_reason", "finishReason", "error"])
            else {
                continue;
            };
            if let Some(reason) = reason.or(reason_2).and_then(text) {
                self.stop(Stop::of_reason(&reason));
                finished = true;
            }
            if let Some(error) = error.filter(|error| error.get() != "null") {
                self.stop(Stop::Error(error_code::of_error(error)));
            }
        }
        finished
    }

    /// The status of a Responses reply.
    fn status(&mut self, status: Option<&RawValue>, incomplete: Option<&RawValue>) {
        match status.and_then(text).as_deref() {
            Some("completed") => self.stop(Stop::Complete),
            Some("failed") => self.stop(Stop::Error(None)),
            Some("incomplete") => {
                let reason = incomplete.and_then(|raw| pick(raw.get().as_bytes(), &["reason"]));
                let reason = reason.and_then(|[reason]| text(reason?));
                self.stop(reason.map_or(Stop::Length, |reason| Stop::of_reason(&reason)));
            }
            _ => {}
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.stopped = Some(match self.stopped.take() {
            Some(known) => known.graver(stop),
            None => stop,
        });
    }

    /// What the reply said.
    ///
    /// # Errors
    /// As [`super::read_usage`].
    pub(super) fn finish(self) -> Result<Reply, ReadError> {
        if self.usage_is_wrong && self.usage.is_empty() {
            return Err(ReadError { field: "usage", why: "is not an object" });
        }
        let price_context = context::of_reply(&self.usage, self.service_tier.as_deref());
        let mut usage = None;
        for (block, api) in [(self.usage, self.api), (self.metrics, None)] {
            if usage.is_none() && !block.is_empty() {
                let block = Map::from_iter([("usage".to_owned(), Value::Object(block))]);
                usage = read_usage_as(api, &self.provider, &Value::Object(block))?;
            }
        }
        Ok(Reply {
            usage,
            partial: !self.ended,
            model: self.model,
            response_id: self.response_id,
            price_context,
            stopped: self.stopped,
        })
    }
}

/// Types of events that tell something by their name.
const WORDS: [&[u8]; 6] =
    [b"error", b"message_stop", b"message-end", b"response.completed", b"response.incomplete", b"response.failed"];

/// Can this event tell anything? Most carry text and nothing else, and are not parsed.
///
/// One pass that looks at what follows each quote: a name whose value is not `null`, or a type that tells by its name. Quotes
/// in what a model wrote are escaped; a word of it that looks like a name at worst costs a parse.
fn may_tell(json: &[u8], wants_model: bool, wants_id: bool) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let names: &[&[u8]] = match rest.first() {
            Some(b'a') => &[b"amazon-bedrock-invocationMetrics"],
            Some(b'd') => &[b"done"],
            Some(b'e') => &[b"error", b"eval_count"],
            Some(b'f') => &[b"finish_reason", b"finishReason"],
            Some(b'g') if wants_id => &[b"generation_id", b"generation_token_count"],
            Some(b'g') => &[b"generation_token_count"],
            Some(b'i') if wants_id => &[b"incomplete_details", b"is_finished", b"id"],
            Some(b'i') => &[b"incomplete_details", b"is_finished"],
            Some(b'm') if wants_model => &[b"message_stop", b"message-end", b"meta", b"model", b"modelVersion"],
            Some(b'm') => &[b"message_stop", b"message-end", b"meta"],
            Some(b'p') => &[b"promptFeedback", b"prompt_token_count", b"prompt_eval_count"],
            Some(b'r') if wants_id => {
                &[b"response.completed", b"response.incomplete", b"response.failed", b"responseId"]
            }
            Some(b'r') => &[b"response.completed", b"response.incomplete", b"response.failed"],
            Some(b's') => &[b"stop_reason", b"stopReason", b"serviceTier"],
            Some(b'u') => &[b"usage", b"usageMetadata", b"usage_info"],
            _ => continue,
        };
        for name in names {
            if let Some([b'"', after @ ..]) = rest.strip_prefix(*name) {
                let after = after.trim_ascii_start();
                let value = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
                let tells = match value {
                    Some(value) => !value.starts_with(b"null") && !value.starts_with(b"false"),
                    None => WORDS.contains(name),
                };
                if tells {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_text_are_passed_over() {
        for (event, tells) in [
            (r#"{"choices":[{"delta":{"content":"usage"},"finish_reason":null}],"usage" : null}"#, false),
            (r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}"#, true),
            (r#"{"type":"response.output_text.delta","delta":"say \"usage\": no","id":"x","model":"y"}"#, false),
            (r#"{"type":"response.output_text.delta","delta":"say usage: no","id":"x","model":"y"}"#, false),
            (r#"{"type":"message_stop"}"#, true),
            (r#"{"type":"error","message":"x"}"#, true),
            (r#"{"done":false,"response":"a"}"#, false),
            (r#"{"done":true}"#, true),
            (r#"{"a":""#, false),
            ("", false),
        ] {
            assert_eq!(may_tell(event.as_bytes(), false, false), tells, "{event}");
        }
        assert!(may_tell(br#"{"id":"x"}"#, false, true) && !may_tell(br#"{"id":"x"}"#, true, false));
        assert!(may_tell(br#"{"model":"x"}"#, true, false) && !may_tell(br#"{"model":"x"}"#, false, true));
    }
}
