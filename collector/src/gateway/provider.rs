//! Where a call goes.

use std::borrow::Cow;

use schemas::Label;

use crate::settings::Gateway;
use crate::usage::Api;

/// Where one call goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The address at the provider, with the caller's query.
    pub url: String,
    /// Whose prices hold.
    pub provider: Label,
    /// What kind of call it is; `None`: one that runs no model, and passes unread.
    pub call: Option<ModelCall>,
    /// A stream is read to its end when the caller hangs up, because the provider bills all of it.
    pub drains: bool,
}

/// A call that runs a model.
#[derive(Debug, PartialEq, Eq)]
pub struct ModelCall {
    /// The form of the reply; `None`: told by the reply itself.
    pub api: Option<Api>,
    /// The model, where the path names it.
    pub model: Option<Label>,
    /// A stream tells its usage only when it is asked to.
    pub usage_on_request: bool,
}

/// A provider that Sage knows.
struct Known {
    name: &'static str,
    base_url: &'static str,
    /// In the price list.
    prices: &'static str,
    /// Its chat streams tell their usage only when asked with `stream_options`.
    usage_on_request: bool,
    /// It goes on, and bills, when the caller hangs up: OpenRouter's documentation lists who does (Stream Cancellation).
    drains: bool,
}

const fn known(
    name: &'static str,
    base_url: &'static str,
    prices: &'static str,
    usage_on_request: bool,
    drains: bool,
) -> Known {
    Known { name, base_url, prices, usage_on_request, drains }
}

const KNOWN: [Known; 21] = [
    known("openai", "https://api.openai.com", "openai", true, false),
    known("anthropic", "https://api.anthropic.com", "anthropic", false, false),
    known("google", "https://generativelanguage.googleapis.com", "google", true, true),
    known("gemini", "https://generativelanguage.googleapis.com", "google", true, true),
    known("vertex", "https://aiplatform.googleapis.com", "google", true, true),
    known("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com", "aws", true, true),
    known("deepseek", "https://api.deepseek.com", "deepseek", true, false),
    known("xai", "https://api.x.ai", "x-ai", false, false),
    known("x-ai", "https://api.x.ai", "x-ai", false, false),
    known("groq", "https://api.groq.com", "groq", false, true),
    known("mistral", "https://api.mistral.ai", "mistral", false, true),
    known("cohere", "https://api.cohere.com", "cohere", true, false),
    known("openrouter", "https://openrouter.ai", "openrouter", true, false),
    known("together", "https://api.together.xyz", "together", true, false),
    known("fireworks", "https://api.fireworks.ai", "fireworks", true, false),
    known("perplexity", "https://api.perplexity.ai", "perplexity", false, true),
    known("cerebras", "https://api.cerebras.ai", "cerebras", true, false),
    known("moonshotai", "https://api.moonshot.ai", "moonshotai", true, false),
    known("minimax", "https://api.minimax.io", "minimax", true, true),
    known("zai", "https://api.z.ai", "zai", true, false),
    known("novita", "https://api.novita.ai", "novita", true, false),
];

/// Providers whose address depends on a region or a resource, which the caller adds to the name: `bedrock-eu-central-1`,
/// `vertex-europe-west4`, `azure-my-resource`. Before and after it: the address.
const PLACED: [(&str, &str, &str, &str, bool); 3] = [
    ("bedrock-", "https://bedrock-runtime.", ".amazonaws.com", "aws", true),
    ("vertex-", "https://", "-aiplatform.googleapis.com", "google", true),
    ("azure-", "https://", ".openai.azure.com", "azure", false),
];

/// Where `/sage/llm/{path}?{query}` leads. `query` is with its `?`, or empty. `None`: there is no such provider.
#[must_use]
pub fn target(path: &str, query: &str, settings: &Gateway) -> Option<Target> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let name = name.to_ascii_lowercase();
    let (base_url, prices, usage_on_request, drains) = base(&name, settings)?;
    let call = model_call(&format!("/{rest}"), usage_on_request && asks_safely(&name, rest, query));
    let url = format!("{}/{rest}{query}", base_url.trim_end_matches('/'));
    Some(Target { url, provider: Label::parse(&prices).ok()?, call, drains })
}

fn base<'a>(name: &'a str, settings: &'a Gateway) -> Option<(Cow<'a, str>, Cow<'a, str>, bool, bool)> {
    let known = KNOWN.iter().find(|known| known.name == name);
    if let Some(own) = settings.providers.get(name) {
        let prices = if own.prices.is_empty() { known.map_or(name, |known| known.prices) } else { own.prices.as_str() };
        let asks = own.ask_for_usage.unwrap_or(known.is_none_or(|known| known.usage_on_request));
        let drains = own.drain.unwrap_or(known.is_some_and(|known| known.drains));
        return Some((own.base_url.as_str().into(), prices.into(), asks, drains));
    }
    if let Some(known) = known {
        return Some((known.base_url.into(), known.prices.into(), known.usage_on_request, known.drains));
    }
    let (prefix, before, after, prices, drains) = PLACED.iter().find(|placed| name.starts_with(placed.0))?;
    let place = name.strip_prefix(prefix).filter(|place| is_host_label(place))?;
    Some((format!("{before}{place}{after}").into(), (*prices).into(), true, *drains))
}

/// One label of a host's name: nothing in it can lead to another host.
fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Azure's versions before 2024-09-01 refuse a request that asks for usage.
fn asks_safely(name: &str, rest: &str, query: &str) -> bool {
    let version = query.split(['?', '&']).find_map(|pair| pair.strip_prefix("api-version="));
    !name.starts_with("azure")
        || rest.starts_with("openai/v1/")
        || version.is_some_and(|version| version >= "2024-09-01")
}

/// Ends of paths that run a model, and the form of what they answer.
const CALLS: [(&str, Option<Api>); 16] = [
    ("/chat/completions", Some(Api::OpenAiChat)),
    ("/completions", Some(Api::OpenAiChat)),
    ("/embeddings", Some(Api::OpenAiChat)),
    ("/responses", Some(Api::OpenAiResponses)),
    ("/images/generations", None),
    ("/images/edits", None),
    ("/audio/transcriptions", None),
    ("/messages", Some(Api::Anthropic)),
    ("/converse", Some(Api::Bedrock)),
    ("/converse-stream", Some(Api::Bedrock)),
    ("/invoke", None),
    ("/invoke-with-response-stream", None),
    ("/v2/chat", Some(Api::Cohere)),
    ("/v1/chat", Some(Api::Cohere)),
    ("/v1/embed", Some(Api::Cohere)),
    ("/v2/embed", Some(Api::Cohere)),
];
/// What follows the colon in Google's paths.
const METHODS: [(&str, Option<Api>); 6] = [
    ("generateContent", Some(Api::Gemini)),
    ("streamGenerateContent", Some(Api::Gemini)),
    ("embedContent", Some(Api::Gemini)),
    ("batchEmbedContents", Some(Api::Gemini)),
    ("rawPredict", None),
    ("streamRawPredict", None),
];

fn model_call(path: &str, usage_on_request: bool) -> Option<ModelCall> {
    let method = path.rsplit_once(':').and_then(|(_, method)| METHODS.iter().find(|(name, _)| *name == method));
    let (_, api) = method.or_else(|| CALLS.iter().find(|(end, _)| path.ends_with(end)))?;
    let usage_on_request = usage_on_request && path.ends_with("/completions") && !path.ends_with("/fim/completions");
    Some(ModelCall { api: *api, model: model_in(path), usage_on_request })
}

/// `/models/{model}:…`, `/model/{model}/…`, `/deployments/{model}/…`.
fn model_in(path: &str) -> Option<Label> {
    let after = ["/models/", "/model/", "/deployments/"].iter().find_map(|word| Some(path.split_once(word)?.1))?;
    let segment = after.split('/').next()?;
    let colon = segment.rsplit_once(':').filter(|(_, method)| METHODS.iter().any(|(name, _)| name == method));
    let name = colon.map_or(segment, |(name, _)| name);
    let decoded =
        form_urlencoded::parse(name.replace('+', "%2B").as_bytes()).next().map(|(name, _)| name.into_owned())?;
    Label::parse(&decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GatewayProvider;

    fn lead(path: &str) -> Option<Target> {
        target(path, "", &Gateway::default())
    }

    #[test]
    fn one_base_url_leads_to_each_provider() {
        for (path, url, prices) in [
            ("openai/v1/chat/completions", "https://api.openai.com/v1/chat/completions", "openai"),
            ("anthropic/v1/messages", "https://api.anthropic.com/v1/messages", "anthropic"),
            (
                "gemini/v1beta/models/gemini-2.5-pro:generateContent",
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
                "google",
            ),
            (
                "bedrock-eu-central-1/model/x/converse",
                "https://bedrock-runtime.eu-central-1.amazonaws.com/model/x/converse",
                "aws",
            ),
            ("vertex-europe-west4/v1/p", "https://europe-west4-aiplatform.googleapis.com/v1/p", "google"),
            ("azure-acme/openai/v1/responses", "https://acme.openai.azure.com/openai/v1/responses", "azure"),
            ("groq/openai/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions", "groq"),
        ] {
            let target = lead(path).unwrap();
            assert_eq!((target.url.as_str(), target.provider.as_str()), (url, prices));
        }
        assert_eq!(
            target("openai/v1/models", "?limit=2&a=b", &Gateway::default()).unwrap().url,
            "https://api.openai.com/v1/models?limit=2&a=b"
        );
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for path in [
            "",
            "nobody/v1",
            "azure-evil.example.com#/x",
            "azure-/x",
            "azure-a.b/x",
            "bedrock-a@b/x",
            "vertex--/x",
            "azure-a:80/x",
            "azure-%2e/x",
        ] {
            assert_eq!(lead(path), None, "{path}");
        }
    }

    #[test]
    fn every_known_provider_has_prices() {
        let list = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/prices/genai-prices.json"));
        let known = KNOWN.iter().map(|known| known.prices).chain(PLACED.iter().map(|placed| placed.3));
        for prices in known {
            assert!(list.contains(&format!("\"id\": \"{prices}\",\n")), "{prices}");
        }
    }

    #[test]
    fn calls_that_run_a_model_are_told_from_others() {
        let call = |path: &str| lead(path).unwrap().call;
        assert_eq!(call("openai/v1/models"), None);
        assert_eq!(call("anthropic/v1/messages/count_tokens"), None);
        assert_eq!(call("openai/v1/files"), None);
        let chat = call("openai/v1/chat/completions").unwrap();
        assert_eq!((chat.api, chat.usage_on_request), (Some(Api::OpenAiChat), true));
        assert!(!call("mistral/v1/chat/completions").unwrap().usage_on_request);
        assert!(!call("openai/v1/responses").unwrap().usage_on_request);
        for (path, model) in [
            ("gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro"),
            (
                "bedrock/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
            (
                "bedrock/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke",
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
            ("azure-acme/openai/deployments/my-gpt/chat/completions", "my-gpt"),
        ] {
            assert_eq!(call(path).unwrap().model.unwrap().as_str(), model);
        }
    }

    #[test]
    fn azure_is_asked_only_where_it_understands() {
        let asks = |query: &str| {
            target("azure-acme/openai/deployments/d/chat/completions", query, &Gateway::default())
                .unwrap()
                .call
                .unwrap()
                .usage_on_request
        };
        assert!(asks("?api-version=2024-10-21") && !asks("?api-version=2024-06-01") && !asks(""));
    }

    #[test]
    fn an_operator_may_add_and_move_providers() {
        let mut gateway = Gateway::default();
        let own = |base_url: &str, prices: &str| GatewayProvider {
            base_url: base_url.into(),
            prices: prices.into(),
            ask_for_usage: None,
            drain: None,
        };
        gateway.providers.insert("local".into(), own("http://127.0.0.1:11434/v1/", "ollama"));
        gateway.providers.insert("mistral".into(), own("https://eu.example.com", ""));
        let local = target("local/chat/completions", "", &gateway).unwrap();
        assert_eq!(
            (local.url.as_str(), local.provider.as_str()),
            ("http://127.0.0.1:11434/v1/chat/completions", "ollama")
        );
        assert!(local.call.unwrap().usage_on_request);
        let moved = target("mistral/v1/chat/completions", "", &gateway).unwrap();
        assert_eq!(
            (moved.url.as_str(), moved.provider.as_str(), moved.drains),
            ("https://eu.example.com/v1/chat/completions", "mistral", true)
        );
        assert!(!moved.call.unwrap().usage_on_request);
    }
}
