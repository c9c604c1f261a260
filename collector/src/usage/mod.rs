//! What a model provider says of the tokens of a turn → [`Usage`].
//!
//! A file for each API; `block` reads counts out of JSON, `stream` finds the usage in a stream of server-sent events. Field
//! names and what they include are the providers' own documents', as listed beside each reader.

mod anthropic;
mod bedrock;
mod block;
mod cohere;
mod gemini;
mod openai_chat;
mod openai_responses;
mod reply;
mod stream;

use schemas::Usage;
use serde_json::Value;

use block::Block;
pub use reply::{Framing, Reply, ReplyStream, Stop, read_error_code, read_reply};
pub use stream::{StreamUsage, UsageStream};

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
}

impl Api {
    /// Reads the name that an operator gives an API: `chat`, `responses`, `anthropic`, `gemini`, `bedrock`, `cohere`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "chat" | "embeddings" | "openai_chat" => Self::OpenAiChat,
            "responses" | "openai_responses" => Self::OpenAiResponses,
            "anthropic" | "messages" => Self::Anthropic,
            "gemini" => Self::Gemini,
            "bedrock" | "converse" => Self::Bedrock,
            "cohere" => Self::Cohere,
            _ => return None,
        })
    }

    /// The API that has these fields. They differ but for a bare pair of `input_tokens` and `output_tokens`, which means the
    /// same in either API that has it.
    fn of(provider: &str, block: Block) -> Option<Self> {
        let any = |names: &[&str]| names.iter().any(|name| block.has(name));
        Some(if any(&["promptTokenCount", "candidatesTokenCount", "totalTokenCount"]) {
            Self::Gemini
        } else if any(&["inputTokens", "outputTokens", "inputTokenCount", "outputTokenCount"]) {
            Self::Bedrock
        } else if any(&["billed_units", "tokens"]) {
            Self::Cohere
        } else if any(&["prompt_tokens", "completion_tokens", "prompt_cache_hit_tokens"]) {
            Self::OpenAiChat
        } else if any(&["cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"]) {
            Self::Anthropic
        } else if any(&["input_tokens", "output_tokens"]) {
            let claude = provider.to_ascii_lowercase().contains("anthropic") && !block.has("input_tokens_details");
            if claude { Self::Anthropic } else { Self::OpenAiResponses }
        } else {
            return None;
        })
    }
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
    let Some(api) = api.or_else(|| Api::of(provider, block)) else { return Ok(None) };
    let usage = match api {
        Api::OpenAiChat => openai_chat::read(provider, block),
        Api::OpenAiResponses => openai_responses::read(block),
        Api::Anthropic => anthropic::read(block),
        Api::Gemini => gemini::read(block),
        Api::Bedrock => bedrock::read(block),
        Api::Cohere => cohere::read(block),
    }?;
    if let Some(usage) = &usage {
        usage.check().map_err(|error| ReadError { field: error.field, why: error.why })?;
    }
    Ok(usage)
}

#[cfg(test)]
#[path = "read_test.rs"]
mod tests;
