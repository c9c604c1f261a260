//! A call of a model → the turn that it is on the wire.

use aggregator::protocol::DeadLetterLine;
use schemas::event::{PriceContext, TurnStatus};
use schemas::wire::{Envelope, Raw, Turn, WireBody, WireCode, WireError, WireEvent};
use schemas::{Label, UtcMillis, order};

use super::call::Call;
use super::conventions::Fact;
use super::provider;
use super::span::Span;
use super::usage;
use crate::intake::EVENT_BYTES_MAX;
use crate::scrub::Keyring;

const NS_PER_MS: u64 = 1_000_000;

/// Reads a turn. Attributes that a turn can do without and that can't be used are left out.
///
/// # Errors
/// Ids, times, provider, model or tokens that can't be right.
pub(super) fn read(call: Call, span: &Span) -> Result<WireEvent, WireError> {
    let (Some(_), Some(_)) = (span.trace_id, span.span_id) else {
        let detail = "must be 16 bytes, 32 hex digits in JSON, and the span's id 8 bytes, 16 hex digits; neither may be all zero";
        return Err(WireError::at(WireCode::InvalidValue, "trace_id", detail));
    };
    if span.start_ns == 0 {
        return Err(WireError::missing("start_time_unix_nano"));
    }
    let (provider, model) = names(span)?;
    let told = usage::read(span, provider.as_str(), call == Call::Embedding)?;
    let conversation = span.text(Fact::Conversation);
    let session = span.text(Fact::Session);
    let envelope = Envelope {
        id: Some(Raw::new(&name(span, 0))),
        ts: UtcMillis(i64::try_from(span.start_ns / NS_PER_MS).unwrap_or(i64::MAX)),
        user_id: raw(span.text(Fact::User), "user.id")?,
        conversation_id: raw(conversation.or(session), "gen_ai.conversation.id")?,
        session_id: raw(session.filter(|_| conversation.is_some()), "session.id")?,
        country: None,
        utc_offset_minutes: None,
        plan: None,
        guest: None,
        opted_out: span.flags(Fact::OptedOut).any(|opted_out| opted_out),
        age_13_plus: span.flags(Fact::Age13Plus).reduce(|all, one| all && one),
    };
    let latency_ms = span.end_ns.checked_sub(span.start_ns).and_then(|ns| u32::try_from(ns / NS_PER_MS).ok());
    let body = Turn {
        turn_index: None,
        provider,
        model,
        feature: feature(span),
        status: status(span),
        error_code: Label::parse(&error_type(span)).ok(),
        latency_ms,
        ttft_ms: first_token_ms(span).filter(|ttft| latency_ms.is_none_or(|latency| *ttft <= latency)),
        user_chars: None,
        assistant_chars: None,
        usage: told.usage,
        provider_usage: None,
        response_id: raw(span.text(Fact::ResponseId), "gen_ai.response.id")?,
        partial: told.partial,
        price_context: price_context(span),
        witnessed: None,
    };
    Ok(WireEvent { envelope, body: WireBody::Turn(body) })
}

/// What names a span for ever: its trace and its own id. One without them is named by its times and its place in the request.
pub(super) fn name(span: &Span, index: usize) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match (&span.trace_id, &span.span_id) {
        (Some(trace), Some(own)) => format!("otlp:{}:{}", hex(trace), hex(own)),
        _ => format!("otlp:{}:{}:{index}", span.start_ns, span.end_ns),
    }
}

/// What is wrong and which attributes the span has: names on the list, and the kinds of their values.
pub(super) fn dead_letter(span: &Span, name: &str, error: &WireError, keys: &Keyring) -> DeadLetterLine {
    let outline = span.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.kind().to_owned()));
    DeadLetterLine {
        digest: keys.digest("dead", name),
        code: error.code.as_str().to_owned(),
        field: error.field.clone(),
        detail: error.detail.clone(),
        kind: Some("turn".to_owned()),
        outline: order::map(outline),
    }
}

fn names(span: &Span) -> Result<(Label, Label), WireError> {
    let word = |text: &str, fact: Fact| {
        let at = fact.names().first().copied().unwrap_or_default();
        Label::parse(text).map_err(|error| WireError::at(WireCode::InvalidValue, at, error.to_string()))
    };
    // A deployment's own name may be no label where the model's is.
    let models = || span.texts(Fact::Model).map(|(_, model)| model);
    let model = models().find(|model| Label::parse(model).is_ok()).or_else(|| models().next());
    let (provider, model) = provider::listed(span.text(Fact::Provider), model);
    Ok((word(&provider, Fact::Provider)?, word(model, Fact::Model)?))
}

fn raw(text: Option<&str>, field: &str) -> Result<Option<Raw>, WireError> {
    match text {
        Some(text) if text.len() > EVENT_BYTES_MAX => {
            Err(WireError::at(WireCode::InvalidValue, field, "must be a string of 1 to 65536 bytes"))
        }
        text => Ok(text.map(Raw::new)),
    }
}

fn feature(span: &Span) -> Option<Label> {
    let named = span.texts(Fact::Feature).find_map(|(_, name)| Label::parse(name).ok());
    // The default of some libraries is the path of the program, which can hold a person's name; of others that there is none.
    let service =
        || span.text(Fact::Service).filter(|name| !name.contains('/') && !name.starts_with("unknown_service"));
    named.or_else(|| Label::parse(service()?).ok())
}

/// The class of the error in which a call ended, else the provider's HTTP status of a call that failed; empty for one that did not.
fn error_type(span: &Span) -> String {
    let status =
        || span.count(Fact::HttpStatus).ok().flatten().filter(|_| span.failed).map(|status| status.to_string());
    span.text(Fact::ErrorType).map(str::to_owned).or_else(status).unwrap_or_default()
}

fn status(span: &Span) -> TurnStatus {
    let error = error_type(span).to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let ends = |words: &[&str]| {
        span.list(Fact::FinishReasons).any(|end| words.iter().any(|word| end.eq_ignore_ascii_case(word)))
    };
    if any(&["timeout", "timed_out", "deadline"]) || error == "408" || error == "504" {
        TurnStatus::Timeout
    } else if any(&["cancel", "abort"]) {
        TurnStatus::Cancelled
    } else if ends(&FILTERED) || any(&["content_filter", "contentfilter"]) {
        TurnStatus::Filtered
    } else if span.failed || !error.is_empty() || ends(&["error"]) {
        TurnStatus::Error
    } else {
        TurnStatus::Ok
    }
}

/// What providers call it when a filter stops a reply: OpenAI, the Vercel AI SDK, Bedrock, Anthropic, Gemini.
const FILTERED: [&str; 11] = [
    "content_filter",
    "content-filter",
    "content_filtered",
    "guardrail_intervened",
    "refusal",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
];

/// Milliseconds to the first token of a streamed reply. For one that came whole, some emitters say how long it took in all.
fn first_token_ms(span: &Span) -> Option<u32> {
    const MS_MAX: f64 = 4_294_967_295.0;
    if span.flag(Fact::Stream) == Some(false) {
        return None;
    }
    let ms = span.number(Fact::FirstTokenSeconds).map(|seconds| seconds * 1_000.0);
    let ms = ms.or_else(|| span.number(Fact::FirstTokenMilliseconds)).filter(|ms| *ms <= MS_MAX)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, not negative")]
    Some(ms.round() as u32)
}

/// The tier that served the request, else the one that was asked for, as far as that is one.
fn price_context(span: &Span) -> PriceContext {
    let asked = span.text(Fact::RequestTier).filter(|tier| !tier.eq_ignore_ascii_case("auto"));
    let tier = span.text(Fact::ResponseTier).or(asked).and_then(|tier| Label::parse(&tier.to_ascii_lowercase()).ok());
    order::map(Label::parse("service_tier").ok().zip(tier))
}
