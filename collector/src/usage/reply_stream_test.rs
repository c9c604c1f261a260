//! Streams as providers send them, cut anywhere.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Stop, read_reply};
use super::*;

/// What a reply told, for comparison.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    input: u64,
    output: u64,
    known: bool,
    partial: bool,
    model: String,
    id: String,
    context: String,
    stopped: Option<Stop>,
    usage: Option<schemas::Usage>,
}

fn said(reply: Reply) -> Said {
    let usage = reply.usage.unwrap_or_default();
    Said {
        input: usage.input_tokens,
        output: usage.output_tokens,
        known: reply.usage.is_some(),
        partial: reply.partial,
        model: reply.model.map(|model| model.to_string()).unwrap_or_default(),
        id: reply.response_id.map(|id| id.expose().to_owned()).unwrap_or_default(),
        context: reply.price_context.iter().map(|(key, value)| format!("{key}={value} ")).collect(),
        stopped: reply.stopped,
        usage: reply.usage,
    }
}

fn read(provider: &str, parts: &[&[u8]]) -> Said {
    let mut stream = ReplyStream::new(provider, None, None);
    parts.iter().for_each(|part| stream.push(part));
    said(stream.finish().unwrap())
}

/// One message of the binary event stream.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend(name.as_bytes());
        head.push(7);
        head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + head.len() + payload.len()).unwrap();
    let mut bytes = total.to_be_bytes().to_vec();
    bytes.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(head);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

fn chunk(payload: &Value) -> Vec<u8> {
    event("chunk", &json!({"bytes": STANDARD.encode(payload.to_string()), "p": "abc"}))
}

fn sse(events: &[Value]) -> Vec<u8> {
    let data = |event: &Value| match event.get("type").and_then(Value::as_str) {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    events.iter().map(data).collect::<String>().into_bytes()
}

fn with_done(mut stream: Vec<u8>) -> Vec<u8> {
    stream.extend(b"data: [DONE]\n\n");
    stream
}

fn chat(usage: &Value) -> Vec<Value> {
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "r1", "object": "chat.completion.chunk", "model": "m1", "service_tier": "flex",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": null})
    };
    vec![
        chunk(json!({"role": "assistant", "content": ""}), json!(null)),
        chunk(json!({"content": "say \"usage\": 7, \"finish_reason\": \"x\" ü 你"}), json!(null)),
        chunk(json!({}), json!("stop")),
        json!({"id": "r1", "model": "m1", "service_tier": "flex", "choices": [], "usage": usage}),
    ]
}

fn anthropic(start: &Value, last: &Value) -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "r1", "type": "message", "model": "m1", "content": [], "stop_reason": null, "usage": start}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "usage \"model\": 你"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 2, "input_tokens": null}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}),
        json!({"type": "message_stop"}),
    ]
}

fn responses(usage: &Value) -> Vec<Value> {
    vec![
        json!({"type": "response.created", "response": {"id": "r1", "model": "m1", "status": "in_progress", "error": null, "usage": null}}),
        json!({"type": "response.output_text.delta", "item_id": "i", "delta": "usage \"error\": {"}),
        json!({"type": "response.completed", "response": {"id": "r1", "model": "m1", "status": "completed", "service_tier": "flex",
            "error": null, "metadata": {"usage": "mine", "model": "mine"}, "usage": usage}}),
    ]
}

fn gemini(usage: &Value) -> Vec<Value> {
    vec![
        json!({"candidates": [{"content": {"parts": [{"text": "usageMetadata"}]}}], "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12},
            "modelVersion": "m1", "responseId": "r1"}),
        json!({"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}], "usageMetadata": usage, "modelVersion": "m1", "responseId": "r1"}),
    ]
}

fn array(events: &[Value]) -> Vec<u8> {
    serde_json::to_string_pretty(events).unwrap().into_bytes()
}

fn lines(events: &[Value]) -> Vec<u8> {
    events.iter().map(|event| format!("{event}\n")).collect::<String>().into_bytes()
}

fn converse(usage: &Value) -> Vec<u8> {
    [
        event("messageStart", &json!({"role": "assistant"})),
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "usage"}})),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 7}, "serviceTier": {"type": "flex"}})),
    ]
    .concat()
}

/// Every kind of stream, telling of 12 tokens in and 3 out.
fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let chat_usage = json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15});
    let start = json!({"input_tokens": 2, "cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 4},
        "output_tokens": 1, "service_tier": "priority"});
    let last = json!({"output_tokens": 3, "input_tokens": null, "cache_creation_input_tokens": 10});
    let gemini_usage = json!({"promptTokenCount": 12, "candidatesTokenCount": 3, "totalTokenCount": 15, "trafficType": "ON_DEMAND_FLEX"});
    let mut groq = chat(&json!(null));
    groq[2]["x_groq"] = json!({"id": "req", "usage": chat_usage});
    groq.pop();
    let mut vendor: Vec<Vec<u8>> = anthropic(&start, &last).iter().map(chunk).collect();
    vendor.pop();
    vendor.push(chunk(&json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 99, "outputTokenCount": 99}})));
    let metrics = json!({"inputTokenCount": 2, "outputTokenCount": 3, "cacheReadInputTokenCount": 10, "cacheWriteInputTokenCount": 0});
    let llama = [
        chunk(&json!({"generation": "a", "prompt_token_count": 12, "generation_token_count": 1, "stop_reason": null})),
        chunk(
            &json!({"generation": "b", "prompt_token_count": null, "generation_token_count": 3, "stop_reason": "stop"}),
        ),
        chunk(&json!({"generation": "", "amazon-bedrock-invocationMetrics": metrics})),
    ];
    let cohere_usage = json!({"billed_units": {"input_tokens": 12, "output_tokens": 3}, "tokens": {"input_tokens": 70, "output_tokens": 3}});
    let cohere = [
        json!({"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant"}}}),
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "usage"}}}}),
        json!({"type": "message-end", "id": "r1", "delta": {"finish_reason": "COMPLETE", "usage": cohere_usage}}),
    ];
    let cohere_v1 = [
        json!({"is_finished": false, "event_type": "stream-start", "generation_id": "r1"}),
        json!({"is_finished": false, "event_type": "text-generation", "text": "meta"}),
        json!({"is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "x", "meta": cohere_usage}}),
    ];
    let ollama = [
        json!({"model": "m1", "message": {"role": "assistant", "content": "a"}, "done": false}),
        json!({"model": "m1", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 3}),
    ];
    vec![
        ("chat", "openai", with_done(sse(&chat(&chat_usage)))),
        ("chat without [DONE]", "openai", sse(&chat(&chat_usage))),
        ("groq", "groq", with_done(sse(&groq))),
        ("responses", "openai", sse(&responses(&json!({"input_tokens": 12, "output_tokens": 3})))),
        ("anthropic", "anthropic", sse(&anthropic(&start, &last))),
        ("gemini", "google", sse(&gemini(&gemini_usage))),
        ("gemini array", "google", array(&gemini(&gemini_usage))),
        ("converse", "aws", converse(&json!({"inputTokens": 12, "outputTokens": 3, "totalTokens": 15}))),
        ("invoke anthropic", "aws", vendor.concat()),
        ("invoke llama", "aws", llama.concat()),
        ("cohere", "cohere", sse(&cohere)),
        ("cohere v1", "cohere", lines(&cohere_v1)),
        ("ollama", "self-hosted", lines(&ollama)),
    ]
}

#[test]
fn a_whole_stream_tells_all_wherever_it_is_cut() {
    for (name, provider, stream) in all() {
        let whole = read(provider, &[&stream]);
        assert_eq!((whole.input, whole.output, whole.partial), (12, 3, false), "{name}");
        assert_eq!(whole.stopped, Some(Stop::Complete), "{name}");
        for cut in 0..stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(read(provider, &[first, second]), whole, "{name} {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(provider, &bytes), whole, "{name}");
    }
}

#[test]
fn a_stream_tells_model_id_and_kind_of_request() {
    for (name, provider, stream) in all() {
        let told = read(provider, &[&stream]);
        let (model, id, context) = match name {
            "converse" => ("", "", "service_tier=flex "),
            "invoke llama" => ("", "", ""),
            "ollama" => ("m1", "", ""),
            "cohere" | "cohere v1" => ("", "r1", ""),
            "anthropic" | "invoke anthropic" => ("m1", "r1", "service_tier=priority "),
            _ => ("m1", "r1", "service_tier=flex "),
        };
        assert_eq!((told.model.as_str(), told.id.as_str(), told.context.as_str()), (model, id, context), "{name}");
    }
}

#[test]
fn ends_of_lines_comments_and_joined_data_do_not_matter() {
    for (name, provider, stream) in all() {
        let whole = read(provider, &[&stream]);
        let Ok(text) = String::from_utf8(stream) else { continue };
        if !text.starts_with("data:") && !text.starts_with("event:") {
            continue;
        }
        let comments = text.replace("\n\n", "\n\n: keep-alive\n\n:\nretry: 10\nid: usage\n\n");
        let joined = text.replace(",\"", ",\ndata: \"").replace("data: {", "data:{");
        for form in [
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
            comments,
            joined,
            format!("\u{feff}{text}"),
            format!("\n\n{text}"),
        ] {
            assert_eq!(read(provider, &[form.as_bytes()]), whole, "{name}: {form}");
            let bytes: Vec<&[u8]> = form.as_bytes().chunks(1).collect();
            assert_eq!(read(provider, &bytes), whole, "{name}");
        }
    }
}

#[test]
fn cumulative_counts_are_not_added_and_the_split_of_the_start_is_kept() {
    let start = json!({"input_tokens": 2, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}, "output_tokens": 1});
    let last =
        json!({"output_tokens": 3, "cache_read_input_tokens": null, "server_tool_use": {"web_search_requests": 2}});
    let usage = read("anthropic", &[&sse(&anthropic(&start, &last))]).usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cache_read_tokens), (17, 3, 5));
    assert_eq!((usage.cache_write_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens), (10, 5, 4));
    assert_eq!(usage.web_searches, 2);
}

#[test]
fn a_broken_stream_keeps_what_is_known() {
    let (_, _, stream) = all().into_iter().find(|(name, ..)| *name == "anthropic").unwrap();
    let text = String::from_utf8(stream).unwrap();
    let (start, _) = text.split_once("event: ping").unwrap();
    let told = read("anthropic", &[start.as_bytes()]);
    assert_eq!((told.input, told.output, told.partial, told.model.as_str(), told.stopped), (12, 1, true, "m1", None));
    let events = chat(&json!({"prompt_tokens": 12, "completion_tokens": 3}));
    for (kept, stopped) in [(0, None), (2, None), (3, Some(Stop::Complete))] {
        let told = read("openai", &[&sse(&events[..kept])]);
        assert_eq!((told.known, told.partial, told.stopped), (false, true, stopped), "{kept}");
    }
    let ended_without_usage = read("openai", &[&with_done(sse(&events[..3]))]);
    assert_eq!((ended_without_usage.known, ended_without_usage.partial), (false, false));
}

#[test]
fn how_a_stream_ended_is_told() {
    let label = |text: &str| Some(schemas::Label::parse(text).unwrap());
    let chat_end = |reason: &str| sse(&[json!({"choices": [{"delta": {}, "finish_reason": reason}]})]);
    let gemini_end = |reason: &str| sse(&[json!({"candidates": [{"finishReason": reason}]})]);
    let exception =
        frame(&[(":exception-type", "throttlingException"), (":message-type", "exception")], b"{\"message\":\"x\"}");
    for (stream, stop) in [
        (chat_end("length"), Stop::Length),
        (chat_end("tool_calls"), Stop::Complete),
        (chat_end("content_filter"), Stop::Filtered),
        (gemini_end("SAFETY"), Stop::Filtered),
        (gemini_end("MAX_TOKENS"), Stop::Length),
        (gemini_end("MALFORMED_FUNCTION_CALL"), Stop::Error(label("MALFORMED_FUNCTION_CALL"))),
        (sse(&[json!({"promptFeedback": {"blockReason": "SAFETY"}})]), Stop::Filtered),
        (sse(&[json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {}})]), Stop::Filtered),
        (
            sse(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "alice"}})]),
            Stop::Error(label("overloaded_error")),
        ),
        (sse(&[json!({"error": {"code": "server_error", "message": "alice"}})]), Stop::Error(label("server_error"))),
        (
            sse(&[json!({"error": {"code": 502, "message": "alice"}, "choices": [{"finish_reason": "error"}]})]),
            Stop::Error(label("502")),
        ),
        (
            sse(&[json!({"type": "error", "code": "rate_limit_exceeded", "message": "alice"})]),
            Stop::Error(label("rate_limit_exceeded")),
        ),
        (
            sse(&[
                json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "alice"}}}),
            ]),
            Stop::Error(label("server_error")),
        ),
        (
            sse(&[
                json!({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}}),
            ]),
            Stop::Length,
        ),
        (
            sse(&[
                json!({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}}),
            ]),
            Stop::Filtered,
        ),
        (event("messageStop", &json!({"stopReason": "guardrail_intervened"})), Stop::Filtered),
        (exception, Stop::Error(label("throttlingException"))),
        (sse(&[json!({"error": {"message": "alice@example.com", "code": "alice@example.com"}})]), Stop::Error(None)),
    ] {
        assert_eq!(read("openai", &[&stream]).stopped, Some(stop), "{}", String::from_utf8_lossy(&stream));
    }
}

#[test]
fn a_damaged_message_ends_the_reading() {
    let usage = json!({"inputTokens": 12, "outputTokens": 3});
    let good = converse(&usage);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x41;
        let told = read("aws", &[&bad]);
        assert!(told.partial, "{at}");
        assert!(!told.known || told.input == 12, "{at}");
    }
    for (total, headers) in [(15, 0), (u32::MAX, 0), (16, 1), (20, u32::MAX)] {
        let mut bytes = [u32::to_be_bytes(total), u32::to_be_bytes(headers)].concat();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend([0; 40]);
        let told = said({
            let mut stream = ReplyStream::new("aws", None, Some(Framing::AwsEventStream));
            stream.push(&bytes);
            stream.push(&good);
            stream.finish().unwrap()
        });
        assert!(told.partial && !told.known, "{total} {headers}");
    }
}

#[test]
fn an_event_too_long_is_passed_over() {
    let long = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}, "text": "x".repeat(EVENT_BYTES_MAX)});
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 3});
    let told = read("openai", &[&sse(std::slice::from_ref(&long)), &sse(&chat(&usage))]);
    assert_eq!((told.input, told.partial), (12, false));
    let told = read("aws", &[&event("metadata", &long), &converse(&json!({"inputTokens": 12, "outputTokens": 3}))]);
    assert_eq!((told.input, told.partial), (12, false));
    let longer = json!({"usageMetadata": {"promptTokenCount": 1}, "text": "x".repeat(DOCUMENT_BYTES_MAX)});
    let stream = format!("[{longer},{}]", gemini(&json!({"promptTokenCount": 12, "candidatesTokenCount": 3}))[1]);
    let told = read("google", &[stream.as_bytes()]);
    assert_eq!((told.input, told.partial), (12, false));
}

#[test]
fn a_framing_is_named_by_the_content_type() {
    for (content_type, framing) in [
        ("text/event-stream; charset=utf-8", Some(Framing::Sse)),
        ("Application/JSON", Some(Framing::Json)),
        ("application/vnd.amazon.eventstream", Some(Framing::AwsEventStream)),
        ("application/x-ndjson", Some(Framing::NdJson)),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(Framing::of_content_type(content_type), framing, "{content_type}");
    }
}

/// Every real reply in its API's stream forms tells the same as the reply itself.
#[test]
fn real_replies_as_streams_cut_at_every_byte() {
    let bodies = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/usage_bodies.jsonl"));
    let mut streams = 0;
    for body in bodies.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone()) {
        let has = |name: &str| body["usage"].get(name).is_some();
        let (provider, forms) = if body.get("usageMetadata").is_some() {
            let events = gemini(&body["usageMetadata"]);
            ("google", vec![sse(&events), array(&events)])
        } else if has("inputTokens") {
            ("aws", vec![converse(&body["usage"])])
        } else if has("prompt_tokens") {
            ("openai", vec![with_done(sse(&chat(&body["usage"])))])
        } else if has("input_tokens_details") || has("output_tokens") && !has("cache_read_input_tokens") {
            ("openai", vec![sse(&responses(&body["usage"]))])
        } else if has("input_tokens") {
            let usage = &body["usage"];
            let events = anthropic(&json!({"input_tokens": 1, "output_tokens": 1}), usage);
            ("anthropic", vec![sse(&events), events.iter().map(chunk).collect::<Vec<_>>().concat()])
        } else {
            continue;
        };
        let wanted = read_reply(None, provider, body.to_string().as_bytes()).unwrap().usage;
        for stream in forms {
            streams += 1;
            let whole = read(provider, &[&stream]);
            assert_eq!((whole.usage, whole.partial), (wanted, false), "{body}");
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(read(provider, &bytes), whole, "{body}");
            // Unoptimised, each position once over some tens of streams of its form: all of them over all would take a minute.
            let step = if cfg!(debug_assertions) { 29 } else { 1 };
            for cut in (streams % step..stream.len()).step_by(step) {
                let (first, second) = stream.split_at(cut);
                assert_eq!(read(provider, &[first, second]), whole, "{cut} {body}");
            }
        }
    }
    assert!(streams > 600, "{streams}");
}

proptest! {
    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200, framing in 0_usize..5) {
        let framing = [None, Some(Framing::Sse), Some(Framing::AwsEventStream), Some(Framing::NdJson), Some(Framing::Json)][framing];
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut stream = ReplyStream::new("openai", None, framing);
        stream.push(first);
        stream.push(second);
        let _ = stream.finish();
    }

    #[test]
    fn a_stream_that_is_changed_somewhere_does_no_harm(at in 0_usize..13, cut in 0_usize..2000, byte in any::<u8>()) {
        let (_, provider, mut stream) = all().swap_remove(at);
        let cut = cut % stream.len();
        stream[cut] = byte;
        let mut reader = ReplyStream::new(provider, None, None);
        reader.push(&stream);
        let _ = reader.finish();
    }

    #[test]
    fn a_cut_off_stream_never_tells_more_than_the_whole(at in 0_usize..13, cut in 0_usize..2000) {
        let (_, provider, stream) = all().swap_remove(at);
        let told = read(provider, &[&stream[..cut % stream.len()]]);
        prop_assert!(told.input <= 12 && told.output <= 3);
        prop_assert!(told.partial || told.known);
    }
}
