//! What emitters call a provider → what the price list calls it.

use std::borrow::Cow;

/// Stands for a provider or a model that a span does not name: such a turn is counted, and shown as unpriced.
pub(super) const UNKNOWN: &str = "unknown";

/// The price list's names of provider and model.
///
/// A library or a router that stands for the provider (`langchain`, `gateway`), or none at all, is replaced by the one that the
/// model's name begins with (`openai/gpt-4o`), else by the maker of the model: its public price is the best guess there is.
pub(super) fn listed<'a>(provider: Option<&'a str>, model: Option<&'a str>) -> (Cow<'a, str>, &'a str) {
    let model = model.unwrap_or(UNKNOWN);
    let named = provider.map(of_emitter).filter(|name| !STANDS_FOR_OTHERS.contains(&name.as_ref()));
    match (named, model.split_once('/')) {
        (Some(name), _) => (name, model),
        (None, Some((prefix, rest))) if !prefix.is_empty() && !rest.is_empty() => (of_emitter(prefix), rest),
        (None, _) => (Cow::Borrowed(maker(model).unwrap_or(UNKNOWN)), model),
    }
}

/// Libraries, and routers that bill what the provider bills.
const STANDS_FOR_OTHERS: [&str; 17] = [
    "gateway",
    "vercel",
    "litellm",
    "langchain",
    "langgraph",
    "llama_index",
    "llamaindex",
    "crewai",
    "haystack",
    "pydantic_ai",
    "openai_agents",
    "agno",
    "strands_agents",
    "google_adk",
    "gcp.vertex.agent",
    "agent_framework",
    "mastra",
];

/// The price list's provider for an emitter's name; a name that is not known comes back in lower case.
///
/// The first part counts, up to a dot: the conventions have `gcp.vertex_ai`, the Vercel AI SDK `openai.chat` and
/// `vertex.anthropic.messages`, Traceloop `az.ai.openai`.
fn of_emitter(name: &str) -> Cow<'_, str> {
    let name = name.trim().to_ascii_lowercase();
    if STANDS_FOR_OTHERS.contains(&name.as_str()) {
        return name.into();
    }
    let first = name.split('.').next().unwrap_or_default();
    let known = NAMES.iter().find(|(_, names)| names.contains(&first)).map(|(provider, _)| *provider);
    known.map_or(name.into(), Cow::Borrowed)
}

/// The price list's providers, and first parts of what emitters call them.
const NAMES: [(&str, &[&str]); 20] = [
    ("openai", &["openai"]),
    ("anthropic", &["anthropic", "claude"]),
    ("azure", &["azure", "az", "azure-openai", "azure_openai", "azure_ai", "azure-ai", "azure_ai_inference"]),
    ("aws", &["aws", "aws_bedrock", "amazon", "amazon-bedrock", "amazon_bedrock", "bedrock", "bedrock_converse"]),
    (
        "google",
        &[
            "google",
            "gcp",
            "gemini",
            "vertex",
            "vertex_ai",
            "vertexai",
            "google-vertex",
            "google-gla",
            "google-generative-ai",
            "google_genai",
            "google_generativeai",
            "google_vertexai",
        ],
    ),
    ("x-ai", &["x-ai", "x_ai", "xai"]),
    ("mistral", &["mistral", "mistral_ai", "mistral-ai", "mistralai"]),
    ("cohere", &["cohere"]),
    ("deepseek", &["deepseek"]),
    ("groq", &["groq"]),
    ("perplexity", &["perplexity"]),
    ("together", &["together", "together_ai", "together-ai", "togetherai"]),
    ("fireworks", &["fireworks", "fireworks_ai", "fireworks-ai", "fireworksai"]),
    ("openrouter", &["openrouter"]),
    ("cerebras", &["cerebras"]),
    ("moonshotai", &["moonshotai", "moonshot", "moonshot_ai", "moonshot-ai"]),
    ("zhipuai", &["zhipuai", "zhipu", "zhipu_ai"]),
    ("voyageai", &["voyageai", "voyage", "voyage_ai"]),
    ("cloudflare", &["cloudflare", "workers-ai", "workersai"]),
    ("meta", &["meta", "llama_api"]),
];

/// Who makes models of this name.
fn maker(model: &str) -> Option<&'static str> {
    const MAKERS: [(&str, &[&str]); 8] = [
        ("openai", &["gpt-", "chatgpt-", "o1", "o3", "o4-", "text-embedding-"]),
        ("anthropic", &["claude-"]),
        ("google", &["gemini-"]),
        ("mistral", &["mistral-", "ministral-", "codestral-", "magistral-", "pixtral-"]),
        ("deepseek", &["deepseek-"]),
        ("x-ai", &["grok-"]),
        ("cohere", &["command-", "embed-english-", "embed-multilingual-"]),
        ("perplexity", &["sonar"]),
    ];
    let model = model.to_ascii_lowercase();
    MAKERS.iter().find(|(_, starts)| starts.iter().any(|start| model.starts_with(start))).map(|(maker, _)| *maker)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn provider<'a>(name: &'a str) -> Cow<'a, str> {
        listed(Some(name), Some("m")).0
    }

    #[test]
    fn names_of_conventions_and_emitters_are_the_price_lists() {
        for (names, expected) in [
            ("openai OpenAI openai.chat openai.responses openai.embedding", "openai"),
            ("anthropic Anthropic anthropic.messages", "anthropic"),
            (
                "az.ai.openai azure.ai.openai azure.ai.inference az.ai.inference azure Azure azure.chat azure-openai.chat",
                "azure",
            ),
            ("aws.bedrock aws_bedrock AWS bedrock amazon-bedrock bedrock.anthropic.messages", "aws"),
            (
                "gcp.gemini gcp.vertex_ai gcp.gen_ai vertex_ai VertexAI google.generative-ai google.vertex.chat google-vertex gemini \
                 Google vertex.anthropic.messages google-gla",
                "google",
            ),
            ("x_ai xai xai.chat x-ai", "x-ai"),
            ("mistral_ai mistral mistral.chat mistralai MistralAI", "mistral"),
            ("cohere Cohere cohere.chat", "cohere"),
            ("together_ai together togetherai.chat TogetherAI", "together"),
            ("deepseek deepseek.chat", "deepseek"),
            ("groq Groq groq.chat", "groq"),
            ("perplexity", "perplexity"),
            ("fireworks fireworks.chat", "fireworks"),
        ] {
            for name in names.split_ascii_whitespace() {
                assert_eq!(provider(name), expected, "{name}");
            }
        }
        assert_eq!(provider("Ollama"), "ollama");
    }

    #[test]
    fn every_name_leads_to_a_provider_of_the_price_list() {
        let list = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/prices/genai-prices.json"));
        let list: Value = serde_json::from_str(list).unwrap();
        let ids: Vec<&str> = list["providers"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
        assert!(ids.len() > 30);
        for id in &ids {
            assert_eq!(provider(id), *id, "a provider's own name is left alone");
        }
        assert!(NAMES.iter().all(|(name, _)| ids.contains(name)));
    }

    #[test]
    fn without_a_provider_the_models_name_decides() {
        assert_eq!(
            listed(Some("gateway"), Some("anthropic/claude-sonnet-4.5")),
            ("anthropic".into(), "claude-sonnet-4.5")
        );
        assert_eq!(listed(Some("Langchain"), Some("gpt-4o")), ("openai".into(), "gpt-4o"));
        assert_eq!(listed(None, Some("claude-sonnet-4-5")), ("anthropic".into(), "claude-sonnet-4-5"));
        assert_eq!(listed(None, Some("llama3.2")), (UNKNOWN.into(), "llama3.2"));
        assert_eq!(listed(Some("openrouter"), Some("openai/gpt-4o")), ("openrouter".into(), "openai/gpt-4o"));
        assert_eq!(listed(None, Some("/")), (UNKNOWN.into(), "/"));
        assert_eq!(listed(None, None), (UNKNOWN.into(), UNKNOWN));
    }
}
