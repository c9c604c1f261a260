//! The names that emitters have for a fact, the current one first: the list of attributes that are read, and no other.
//!
//! Sources: OpenTelemetry's GenAI conventions (`open-telemetry/semantic-conventions-genai`) and their older names, OpenInference
//! (`openinference.semconv`), the Vercel AI SDK 4 to 7 (`ai`, `@ai-sdk/otel`), OpenLIT, Traceloop, Pydantic AI.
//! What people write and models answer has no name here, so it is dropped before its value is looked at.

use schemas::order;
use std::sync::LazyLock;

macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident: $($name:literal)+;)+) => {
        /// What an attribute says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fact {
            $($(#[$doc])* $fact,)+
        }

        impl Fact {
            /// Every fact.
            pub(super) const ALL: &'static [Self] = &[$(Self::$fact),+];

            /// Its attributes, the one that holds first.
            pub(super) const fn names(self) -> &'static [&'static str] {
                match self {
                    $(Self::$fact => &[$($name),+],)+
                }
            }
        }
    };
}

facts! {
    /// The Vercel AI SDK's own name of what is done.
    VercelOperation: "ai.operationId";
    /// OpenInference's kind of span.
    OpenInferenceKind: "openinference.span.kind";
    /// What is done: `chat`, `invoke_agent`…
    Operation: "gen_ai.operation.name";
    /// What was done, before there was an operation.
    RequestType: "llm.request.type";

    /// Who runs the model.
    Provider: "gen_ai.provider.name" "gen_ai.system" "ai.model.provider" "llm.provider" "llm.system";
    /// The model that answered, else the one that was asked.
    Model: "gen_ai.response.model" "ai.response.model" "llm.response.model_name" "gen_ai.request.model" "ai.model.id"
        "llm.model_name" "llm.request.model_name" "embedding.model_name" "llm.request.model" "llm.response.model";
    /// The provider's id of the reply.
    ResponseId: "gen_ai.response.id" "ai.response.id";
    /// Why the model stopped.
    FinishReasons: "gen_ai.response.finish_reasons" "ai.response.finishReason" "llm.finish_reason" "gen_ai.response.finish_reason"
        "llm.response.finish_reason" "gen_ai.response.stop_reason" "llm.response.stop_reason";
    /// Class of error.
    ErrorType: "error.type";
    /// The provider's HTTP status, where there is no class of error.
    HttpStatus: "http.response.status_code";
    /// Was the reply streamed?
    Stream: "gen_ai.request.stream" "gen_ai.request.is_stream" "gen_ai.is_streaming" "llm.is_streaming";
    /// Seconds to the first token.
    FirstTokenSeconds: "gen_ai.response.time_to_first_chunk" "gen_ai.client.operation.time_to_first_chunk"
        "gen_ai.server.time_to_first_token";
    /// Milliseconds to the first token.
    FirstTokenMilliseconds: "ai.response.msToFirstChunk" "ai.stream.msToFirstChunk";
    /// The tier that served the request.
    ResponseTier: "openai.response.service_tier" "gen_ai.openai.response.service_tier";
    /// The tier that was asked for.
    RequestTier: "openai.request.service_tier" "gen_ai.openai.request.service_tier";

    /// All tokens read, or those that no cache took part in.
    InputTokens: "gen_ai.usage.input_tokens" "gen_ai.usage.prompt_tokens" "ai.usage.inputTokens" "ai.usage.promptTokens"
        "ai.usage.tokens" "llm.token_count.prompt" "llm.usage.prompt_tokens";
    /// All tokens written.
    OutputTokens: "gen_ai.usage.output_tokens" "gen_ai.usage.completion_tokens" "ai.usage.outputTokens" "ai.usage.completionTokens"
        "llm.token_count.completion" "llm.usage.completion_tokens";
    /// Their sum.
    TotalTokens: "gen_ai.usage.total_tokens" "ai.usage.totalTokens" "llm.token_count.total" "llm.usage.total_tokens";
    /// Read from a cache.
    CacheRead: "gen_ai.usage.cache_read.input_tokens" "gen_ai.usage.cache_read_input_tokens"
        "ai.usage.inputTokenDetails.cacheReadTokens" "ai.usage.cachedInputTokens" "llm.token_count.prompt_details.cache_read"
        "llm.token_count.prompt_details.cache_input" "llm.usage.cache_read_input_tokens" "gen_ai.usage.details.cache_read_tokens"
        "gen_ai.usage.prompt_tokens_details.cached_tokens";
    /// Written to a cache.
    CacheWrite: "gen_ai.usage.cache_creation.input_tokens" "gen_ai.usage.cache_write.input_tokens"
        "gen_ai.usage.cache_creation_input_tokens" "ai.usage.inputTokenDetails.cacheWriteTokens"
        "llm.token_count.prompt_details.cache_write" "llm.usage.cache_creation_input_tokens" "gen_ai.usage.details.cache_write_tokens"
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens";
    /// The Vercel AI SDK 6 and later, whose input holds the cached.
    UncachedInput: "ai.usage.inputTokenDetails.noCacheTokens";
    /// Of the output: reasoning.
    Reasoning: "gen_ai.usage.reasoning.output_tokens" "gen_ai.usage.reasoning_tokens" "ai.usage.outputTokenDetails.reasoningTokens"
        "ai.usage.reasoningTokens" "llm.token_count.completion_details.reasoning" "llm.usage.reasoning_tokens"
        "gen_ai.usage.details.reasoning_tokens" "gen_ai.usage.completion_tokens_details.reasoning_tokens";
    /// Of the input: audio.
    InputAudio: "gen_ai.usage.audio.input_tokens" "llm.token_count.prompt_details.audio" "gen_ai.usage.details.input_audio_tokens";
    /// Of the cache reads: audio.
    CacheAudio: "gen_ai.usage.details.cache_audio_read_tokens";
    /// Of the output: audio.
    OutputAudio: "gen_ai.usage.audio.output_tokens" "llm.token_count.completion_details.audio"
        "gen_ai.usage.details.output_audio_tokens" "gen_ai.usage.completion_tokens_details.audio_tokens";

    /// The app's id of the person.
    User: "user.id" "enduser.id" "ai.telemetry.metadata.userId" "ai.settings.context.userId"
        "traceloop.association.properties.user_id" "gen_ai.user" "gen_ai.request.user" "llm.user" "user.hash";
    /// The app's id of the conversation.
    Conversation: "gen_ai.conversation.id" "ai.telemetry.metadata.conversationId" "ai.settings.context.conversationId"
        "traceloop.association.properties.conversation_id";
    /// The app's id of the visit; of the conversation where that has none.
    Session: "session.id" "ai.telemetry.metadata.sessionId" "ai.settings.context.sessionId"
        "traceloop.association.properties.session_id";
    /// The part of the app that asked.
    Feature: "sage.feature" "ai.telemetry.functionId" "gen_ai.agent.name" "traceloop.workflow.name";
    /// The program, where it names no feature.
    Service: "service.name";
    /// The person opted out.
    OptedOut: "sage.opted_out";
    /// Whether it is attested that the person is 13 or older.
    Age13Plus: "sage.age_13_plus";
}

impl Fact {
    /// Does it hold for everything that is done within a span? An app says once, around its calls, for whom it makes them.
    pub(super) fn holds_within(self) -> bool {
        matches!(
            self,
            Self::User | Self::Conversation | Self::Session | Self::Feature | Self::OptedOut | Self::Age13Plus
        )
    }
}

/// The name on the list that these bytes are.
pub(super) fn is_listed(key: &[u8]) -> Option<&'static str> {
    static SORTED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut names: Vec<_> = Fact::ALL.iter().flat_map(|fact| fact.names()).copied().collect();
        order::ascending(&mut names);
        names
    });
    let at = SORTED.binary_search_by(|name| name.as_bytes().cmp(key)).ok()?;
    SORTED.get(at).copied()
}

/// Who made the spans, as far as it matters to what they mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Emitter {
    /// `openlit…`
    OpenLit,
    /// `opentelemetry.instrumentation.bedrock`: Traceloop's.
    TraceloopBedrock,
    /// `opentelemetry.instrumentation.llamaindex`: Traceloop's.
    TraceloopLlamaIndex,
    /// Any other.
    #[default]
    Other,
}

impl Emitter {
    /// Reads the name of an instrumentation scope, which is not kept.
    pub(super) fn of_scope(name: &str) -> Self {
        match name {
            "opentelemetry.instrumentation.bedrock" => Self::TraceloopBedrock,
            "opentelemetry.instrumentation.llamaindex" => Self::TraceloopLlamaIndex,
            _ if name.starts_with("openlit") => Self::OpenLit,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_fact() {
        let mut names: Vec<_> = Fact::ALL.iter().flat_map(|fact| fact.names()).collect();
        let count = names.len();
        order::ascending(&mut names);
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| is_listed(name.as_bytes()) == Some(**name)));
    }

    #[test]
    fn what_people_and_models_say_is_not_listed() {
        let said = "gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions gen_ai.prompt gen_ai.prompt.0.content \
            gen_ai.completion gen_ai.completion.0.content gen_ai.tool.call.arguments gen_ai.tool.call.result gen_ai.tool.definitions \
            llm.input_messages llm.input_messages.0.message.content llm.output_messages llm.prompts input.value output.value \
            ai.prompt ai.prompt.messages ai.response.text ai.response.toolCalls ai.response.object ai.response.reasoning ai.value \
            ai.values ai.toolCall.args ai.toolCall.result ai.schema ai.response.providerMetadata traceloop.entity.input \
            traceloop.entity.output gen_ai.retrieval.query.text embedding.text exception.message metadata";
        for name in said.split_ascii_whitespace() {
            assert_eq!(is_listed(name.as_bytes()), None, "{name}");
        }
        assert_eq!(is_listed(b""), None);
        assert_eq!(is_listed(b"\xff"), None);
    }
}
