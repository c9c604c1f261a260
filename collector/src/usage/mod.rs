//! What a model provider says of the tokens of a turn → [`Usage`].
//!
//! Counts: a file for each API, and `listed` for where the price list knows better what one provider's replies mean; `block`
//! reads counts out of JSON. Field names and what they include are the providers' own documents', as listed beside each reader.
//! Replies: `told` gathers what a reply says, whole or event by event; `reply_stream` cuts streams into events with `sse`,
//! `json_stream` and `aws_event_stream`.

mod anthropic;
mod aws_event_stream;
mod bedrock;
mod block;
mod buffer;
mod cohere;
mod context;
mod error_code;
mod gemini;
mod json_stream;
pub(crate) mod listed;
mod members;
mod ollama;
mod openai_chat;
mod openai_responses;
mod reply_stream;
mod sse;
mod stop;
mod told;

use schemas::event::PriceContext;
use schemas::wire::Raw;
use schemas::{Label, Usage};
use serde_json::Value;
use serde_json::value::RawValue;

use block::Block;
pub use error_code::read_error_code;
pub use reply_stream::{Framing, ReplyStream};
pub use stop::Stop;
use told::Told;

/// What a provider's reply says besides its text.
pub struct Reply {
    /// Tokens; `None` when the provider did not say.
    pub usage: Option<Usage>,
    /// The reply broke off before the provider's last word on usage.
    pub partial: bool,
    /// The model that answered.
    pub model: Option<Label>,
    /// The provider's id of the reply.
    pub response_id: Option<Raw>,
    /// What the reply says of the kind of request, in the price list's words.
    pub price_context: PriceContext,
    /// How it ended; `None` when it did not say.
    pub stopped: Option<Stop>,
}

/// Reads a JSON reply from its whole body. Of a list of replies (Gemini) that broke off, what had come is kept.
///
/// # Errors
/// The body is not JSON, or as [`read_usage`].
pub fn read_reply(api: Option<Api>, provider: &str, body: &[u8]) -> Result<Reply, ReadError> {
    let mut told = Told::new(provider, api);
    let wrong = ReadError { field: "body", why: "is not a JSON object or a list of them" };
    let is_reply = match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(parts) => parts.iter().fold(!parts.is_empty(), |all, part| told.reply(part.get().as_bytes()) && all),
        Err(_) => told.reply(body),
    };
    if !is_reply {
        let mut stream = ReplyStream::new(provider, api, Some(Framing::Json));
        stream.push(body);
        return stream.finish().ok().filter(|reply| reply.usage.is_some()).ok_or(wrong);
    }
    told.ended = true;
    told.finish()
}

/// Why a usage can't be read. Names fields of the API, never what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct ReadError {
    /// The field to look at.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The form that a provider's usage comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// OpenAI Chat Completions, and the many that copy it.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Anthropic Messages, wherever it runs.
    Anthropic,
    /// Gemini `generateContent`, at Google AI and Vertex.
    Gemini,
    /// Bedrock Converse and the metrics of `InvokeModel`.
    Bedrock,
    /// Cohere v1 and v2.
    Cohere,
    /// Ollama's own, and Llama at Bedrock: counts stand in the reply itself.
    Ollama,
    /// A kind of reply as the price list names it, of providers whose replies it knows: `default`, `embeddings`, `realtime`…
    Listed(&'static str),
}

/// Kinds of replies that have no reader of their own.
const LISTED: [&str; 10] = [
    "default",
    "embeddings",
    "realtime",
    "images",
    "tokens",
    "decisions",
    "systemone",
    "ocr",
    "ocr_annotated",
    "usage-event",
];

impl Api {
    /// Reads the name of an API: `chat`, `responses`, `anthropic`, `gemini`, `bedrock`, `cohere`, `ollama`, or the price list's name of
    /// a kind of reply.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "chat" | "openai_chat" => Self::OpenAiChat,
            "responses" | "openai_responses" => Self::OpenAiResponses,
            "anthropic" | "messages" => Self::Anthropic,
            "gemini" => Self::Gemini,
            "bedrock" | "converse" => Self::Bedrock,
            "cohere" => Self::Cohere,
            "ollama" => Self::Ollama,
            _ => return LISTED.into_iter().find(|listed| *listed == name).map(Self::Listed),
        })
    }

    /// The price list's names for it, the more special first. OpenAI has three kinds of replies with nearly the same fields.
    fn flavors(self, block: Block) -> &'static [&'static str] {
        match self {
            Self::OpenAiChat => &["chat", "default"],
            Self::OpenAiResponses if block.has("input_token_details") => &["realtime"],
            Self::OpenAiResponses
                if block.part("input_tokens_details").is_some_and(|part| part.has("image_tokens")) =>
            {
                &["images", "responses", "default"]
            }
            Self::OpenAiResponses => &["responses", "default"],
            Self::Anthropic => &["anthropic", "default"],
            Self::Bedrock => &["default"],
            Self::Cohere => &["default", "tokens", "embeddings"],
            // Totals arbitrate in the reader; the list has none.
            Self::Gemini | Self::Ollama | Self::Listed(_) => &[],
        }
    }

    /// The API that has these fields. They differ but for a bare pair of `input_tokens` and `output_tokens`, which means the
    /// same in either API that has it.
    fn of(provider: &str, block: Block) -> Option<Self> {
        let rank = |name: &str| TOLD_BY.iter().position(|(_, names)| names.contains(&name));
        let (api, _) = TOLD_BY.get(block.names().filter_map(rank).min()?)?;
        let claude = || provider.to_ascii_lowercase().contains("anthropic") && !block.has("input_tokens_details");
        Some(if *api == Self::OpenAiResponses && claude() { Self::Anthropic } else { *api })
    }
}

/// Names that tell an API by its usage; of several the first API here. The last pair is Anthropic's, too.
const TOLD_BY: [(Api, &[&str]); 7] = [
    (Api::Gemini, &["promptTokenCount", "candidatesTokenCount", "totalTokenCount"]),
    (Api::Bedrock, &["inputTokens", "outputTokens", "inputTokenCount", "outputTokenCount"]),
    (Api::Ollama, &["prompt_eval_count", "eval_count", "prompt_token_count", "generation_token_count"]),
    (Api::Cohere, &["billed_units", "tokens"]),
    (Api::OpenAiChat, &["prompt_tokens", "completion_tokens", "prompt_cache_hit_tokens"]),
    (Api::Anthropic, &["cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"]),
    (Api::OpenAiResponses, &["input_tokens", "output_tokens"]),
];

/// What a provider's reply, or its usage block alone, says of the kind of request, in the price list's words.
#[must_use]
pub fn read_price_context(body: &Value) -> PriceContext {
    let block = block::placed(body).unwrap_or(body);
    let service_tier = body.get("service_tier").and_then(Value::as_str);
    block.as_object().map(|block| context::of_reply(block, service_tier)).unwrap_or_default()
}

/// Reads a usage out of a provider's reply, or out of its usage block alone; `None` where the provider said nothing.
///
/// # Errors
/// Names a field that is not a count, or that contradicts another.
pub fn read_usage(provider: &str, body: &Value) -> Result<Option<Usage>, ReadError> {
    read_usage_as(None, provider, body)
}

/// As [`read_usage`], where the API is known.
///
/// # Errors
/// As [`read_usage`].
pub fn read_usage_as(api: Option<Api>, provider: &str, body: &Value) -> Result<Option<Usage>, ReadError> {
    let Some(block) = Block::within(body)? else { return Ok(None) };
    let named = match api {
        Some(Api::Listed(flavor)) => listed::read(provider, &[flavor], block)?,
        _ => None,
    };
    // A kind that the list does not know is told by its fields.
    let api = api.filter(|api| !matches!(api, Api::Listed(_))).or_else(|| Api::of(provider, block));
    let usage = match (named, api) {
        (Some(usage), _) => Some(usage),
        (None, None) => None,
        (None, Some(api)) => {
            by_list(api, provider, block)?.map_or_else(|| by_api(api, provider, block), |known| Ok(Some(known)))?
        }
    };
    if let Some(usage) = &usage {
        usage.check().map_err(|error| ReadError { field: error.field, why: error.why })?;
    }
    Ok(usage)
}

/// As the price list reads this provider's replies. A reading that contradicts itself is none: the API's own reader knows
/// more ways in which parts are stated.
fn by_list(api: Api, provider: &str, block: Block) -> Result<Option<Usage>, ReadError> {
    let Some(mut usage) = listed::read(provider, api.flavors(block), block)? else { return Ok(None) };
    if api == Api::OpenAiChat {
        openai_chat::amend(&mut usage, block)?;
    }
    Ok(Some(usage).filter(|usage| usage.check().is_ok()))
}

fn by_api(api: Api, provider: &str, block: Block) -> Result<Option<Usage>, ReadError> {
    match api {
        Api::OpenAiChat => openai_chat::read(provider, block),
        Api::OpenAiResponses => openai_responses::read(block),
        Api::Anthropic => anthropic::read(block),
        Api::Gemini => gemini::read(block),
        Api::Bedrock => bedrock::read(block),
        Api::Cohere => cohere::read(block),
        Api::Ollama => ollama::read(block),
        Api::Listed(_) => Ok(None),
    }
}

#[cfg(test)]
#[path = "read_test.rs"]
mod tests;
