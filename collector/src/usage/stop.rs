//! How a reply ended.

use schemas::Label;

/// How a reply ended, by the provider's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As it should: the end of the text, a tool call, a stop sequence.
    Complete,
    /// At a limit of tokens.
    Length,
    /// By a filter, or the model refused.
    Filtered,
    /// By an error, with the provider's code where it is a machine word.
    Error(Option<Label>),
}

impl Stop {
    /// What a finish reason of any API means; a reason that is not known is an end all the same.
    pub(super) fn of_reason(reason: &str) -> Self {
        let word = reason.to_ascii_lowercase();
        match word.as_str() {
            "length"
            | "max_tokens"
            | "max_output_tokens"
            | "model_context_window_exceeded"
            | "error_limit"
            | "model_length" => Self::Length,
            "content_filter"
            | "content_filtered"
            | "guardrail_intervened"
            | "refusal"
            | "safety"
            | "recitation"
            | "blocklist"
            | "prohibited_content"
            | "spii"
            | "image_safety"
            | "image_prohibited_content"
            | "image_recitation"
            | "model_armor"
            | "error_toxic"
            | "cyber_policy" => Self::Filtered,
            "error" | "failed" | "timeout" | "network_error" => Self::Error(None),
            "malformed_function_call"
            | "unexpected_tool_call"
            | "too_many_tool_calls"
            | "malformed_response"
            | "malformed_model_output"
            | "malformed_tool_use"
            | "missing_thought_signature" => Self::Error(Label::parse(reason).ok()),
            _ => Self::Complete,
        }
    }

    /// Of two words for one reply, the graver.
    pub(super) fn graver(self, other: Self) -> Self {
        fn weight(stop: &Stop) -> u8 {
            match stop {
                Stop::Complete => 0,
                Stop::Length => 1,
                Stop::Filtered => 2,
                Stop::Error(None) => 3,
                Stop::Error(Some(_)) => 4,
            }
        }
        if weight(&other) > weight(&self) { other } else { self }
    }
}
