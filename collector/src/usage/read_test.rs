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
