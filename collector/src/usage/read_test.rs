//! Replies as providers send them.

use serde_json::json;

use super::*;

fn read(provider: &str, body: Value) -> Usage {
    read_usage(provider, &body).unwrap().unwrap()
}

#[test]
fn chat_input_holds_the_cached() {
    let body = json!({"id": "x", "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5, "cache_write_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 2}}});
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 20,
        cache_read_tokens: 60,
        cache_write_tokens: 7,
        reasoning_tokens: 8,
        input_audio_tokens: 5,
        output_audio_tokens: 2,
        ..Usage::default()
    };
    assert_eq!(read("openai", body.clone()), usage);
    assert_eq!(read("openai", body["usage"].clone()), usage);
}

#[test]
fn the_total_shows_whether_reasoning_stands_beside_the_completion() {
    let body = |total| {
        json!({"usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": 3}}})
    };
    assert_eq!(read("gateway-of-mine", body(Some(17))).output_tokens, 7);
    assert_eq!(read("gateway-of-mine", body(Some(14))).output_tokens, 4);
    assert_eq!(read("gateway-of-mine", body(None)).output_tokens, 4);
    assert_eq!(read("x-ai", body(Some(17))).output_tokens, 7);
    assert_eq!(read("openai", body(None)).output_tokens, 4);
}

#[test]
fn deepseek_splits_the_prompt_and_groq_wraps_its_usage() {
    let deepseek = read(
        "deepseek",
        json!({"usage": {"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3, "completion_tokens": 1}}),
    );
    assert_eq!((deepseek.input_tokens, deepseek.cache_read_tokens), (10, 7));
    let groq = read("groq", json!({"x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}}));
    assert_eq!((groq.input_tokens, groq.output_tokens), (3, 1));
}

#[test]
fn anthropic_input_gets_the_cached_added() {
    let body = json!({"usage": {"input_tokens": 10, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}, "output_tokens": 4}});
    let usage = Usage {
        input_tokens: 360,
        output_tokens: 4,
        cache_read_tokens: 300,
        cache_write_tokens: 50,
        cache_write_5m_tokens: 20,
        cache_write_1h_tokens: 30,
        ..Usage::default()
    };
    for provider in ["anthropic", "aws", "google", "gateway-of-mine"] {
        assert_eq!(read(provider, body.clone()), usage, "{provider}");
    }
}

#[test]
fn gemini_counts_thoughts_and_tools() {
    let usage = read(
        "google",
        json!({"usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 10,
        "thoughtsTokenCount": 30, "toolUsePromptTokenCount": 5, "totalTokenCount": 145,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}]}}),
    );
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.reasoning_tokens), (105, 40, 30));
    assert_eq!((usage.cache_read_tokens, usage.input_audio_tokens), (40, 10));
}

#[test]
fn bedrock_input_gets_the_cached_added() {
    let usage = read(
        "aws",
        json!({"usage": {"inputTokens": 10, "outputTokens": 2, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 4,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 1}, {"ttl": "1h", "inputTokens": 3}]}}),
    );
    assert_eq!((usage.input_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens), (19, 4, 3));
}

#[test]
fn absent_is_not_zero() {
    for body in [
        json!(null),
        json!({}),
        json!({"usage": null}),
        json!({"usage": {}}),
        json!({"choices": []}),
        json!({"usage": {"prompt_tokens": 3}}),
        json!({"usage": {"input_tokens": 3, "output_tokens": null}}),
        json!([]),
    ] {
        assert_eq!(read_usage("openai", &body), Ok(None), "{body}");
    }
}

#[test]
fn what_is_wrong_is_named_and_not_repeated() {
    let cases = [
        (
            json!({"usage": {"prompt_tokens": "secret", "completion_tokens": 1}}),
            "prompt_tokens is not a whole number of at least 0",
        ),
        (
            json!({"usage": {"prompt_tokens": -1, "completion_tokens": 1}}),
            "prompt_tokens is not a whole number of at least 0",
        ),
        (
            json!({"usage": {"prompt_tokens": 1.5, "completion_tokens": 1}}),
            "prompt_tokens is not a whole number of at least 0",
        ),
        (json!({"usage": "secret"}), "usage is not an object"),
        (json!({"usage": {"input_tokens": u64::MAX, "output_tokens": 1}}), "input_tokens is above 1000000000"),
    ];
    for (body, message) in cases {
        assert_eq!(read_usage("openai", &body).unwrap_err().to_string(), message);
    }
    assert_eq!(read("openai", json!({"usage": {"prompt_tokens": 3.0, "completion_tokens": 1}})).input_tokens, 3);
}

#[test]
fn a_whole_reply_tells_what_a_stream_does() {
    let told = |provider, body: Value| read_reply(None, provider, body.to_string().as_bytes()).unwrap();
    let chat = told(
        "openai",
        json!({"id": "r1", "model": "gpt-4o-2024-08-06", "service_tier": "priority", "metadata": {"model": "mine", "usage": 7},
            "choices": [{"message": {"content": "usage \"id\": 7"}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3}}),
    );
    assert_eq!(chat.usage.map(|usage| usage.input_tokens), Some(12));
    assert_eq!((chat.partial, chat.stopped), (false, Some(Stop::Length)));
    assert_eq!(chat.model.as_ref().map(Label::as_str), Some("gpt-4o-2024-08-06"));
    assert_eq!(chat.response_id.map(|id| id.expose().to_owned()).as_deref(), Some("r1"));
    let pairs: Vec<_> = chat.price_context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("service_tier", "priority")]);

    let claude = told(
        "anthropic",
        json!({"type": "message", "stop_reason": "refusal", "usage": {"input_tokens": 1, "output_tokens": 2, "service_tier": "batch", "speed": "fast"}}),
    );
    let pairs: Vec<_> = claude.price_context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!((pairs, claude.stopped), (vec![("processing", "batch"), ("speed", "fast")], Some(Stop::Filtered)));
    for tier in ["auto", "standard", "scale", "ON_DEMAND", "alice@example.com"] {
        let told = told("openai", json!({"service_tier": tier, "usage": {"service_tier": tier, "trafficType": tier}}));
        assert!(told.price_context.is_empty() && told.usage.is_none(), "{tier}");
    }
    let array = told(
        "google",
        json!([{"usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 1}}, {"candidates": [{"finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 3}}]),
    );
    assert_eq!((array.usage.map(|usage| usage.output_tokens), array.stopped), (Some(3), Some(Stop::Complete)));
    let broken =
        br#"[{"usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 1}}, {"candidates": [{"content"#;
    let broken = read_reply(None, "google", broken).unwrap();
    assert_eq!((broken.usage.map(|usage| usage.input_tokens), broken.partial), (Some(12), true));
    let converse = told(
        "aws",
        json!({"stopReason": "end_turn", "output": {"message": {"content": []}}, "usage": {"inputTokens": 12, "outputTokens": 3}}),
    );
    assert_eq!((converse.usage.map(|usage| usage.input_tokens), converse.stopped), (Some(12), Some(Stop::Complete)));
    let llama = told(
        "aws",
        json!({"generation": "x", "prompt_token_count": 12, "generation_token_count": 3, "stop_reason": "stop"}),
    );
    assert_eq!(llama.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((12, 3)));
    for body in ["", "<html>", "[7]", "\"x\"", "{\"usage\":", "[]"] {
        let error = read_reply(None, "openai", body.as_bytes()).err().unwrap();
        assert_eq!(error.to_string(), "body is not a JSON object or a list of them", "{body}");
    }
    assert!(
        read_reply(None, "openai", b"{\"usage\":\"secret\"}").err().unwrap().to_string() == "usage is not an object"
    );
}

#[test]
fn the_list_knows_what_one_providers_replies_mean() {
    let body = json!({"usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "reasoning_tokens": 3, "citation_tokens": 5,
        "num_search_queries": 2, "prompt_tokens_details": {"cached_tokens": 6}}});
    let perplexity = read("perplexity", body.clone());
    assert_eq!((perplexity.output_tokens, perplexity.reasoning_tokens, perplexity.output_citation_tokens), (12, 3, 5));
    assert_eq!((perplexity.web_searches, perplexity.cache_read_tokens), (2, 0));
    assert_eq!((read("openai", body.clone()).output_tokens, read("openai", body).cache_read_tokens), (4, 6));
    let cohere = json!({"usage": {"billed_units": {"input_tokens": 2, "output_tokens": 1}, "tokens": {"input_tokens": 9, "output_tokens": 1}}});
    let as_tokens = read_usage_as(Api::parse("tokens"), "cohere", &cohere).unwrap().unwrap();
    assert_eq!((read("cohere", cohere).input_tokens, as_tokens.input_tokens), (2, 9));
    let image = json!({"usage": {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 7}});
    for provider in ["openai", "gateway-of-mine"] {
        assert_eq!(read(provider, image.clone()).input_image_tokens, 40, "{provider}");
    }
    let spoken = json!({"response": {"usage": {"input_tokens": 50, "output_tokens": 7, "input_token_details": {"audio_tokens": 30,
        "cached_tokens": 20, "cached_tokens_details": {"audio_tokens": 15}}, "output_token_details": {"audio_tokens": 6}}}});
    for provider in ["openai", "azure", "gateway-of-mine"] {
        let usage = read(provider, spoken.clone());
        assert_eq!(
            (usage.input_audio_tokens, usage.cache_audio_read_tokens, usage.output_audio_tokens),
            (30, 15, 6),
            "{provider}"
        );
    }
}

#[test]
fn every_kind_of_reply_of_the_list_has_a_name() {
    for provider in
        ["openai", "anthropic", "google", "aws", "cohere", "mistral", "x-ai", "cursor", "openrouter", "cloudflare"]
    {
        for (flavor, _) in crate::price::PriceBook::builtin().extractors(provider) {
            assert!(Api::parse(flavor).is_some(), "{provider} {flavor}");
        }
    }
}
