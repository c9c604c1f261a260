//! What spans of the emitters become.

use serde_json::{Value as Json, json};

use super::sample::{BOTH, Sample, SampleSpan, pairs, sample, span};
use super::*;
use crate::price::Prices;
use crate::scrub::Keyring;
use schemas::UtcMillis;

const NOW: &str = "2026-11-21T19:00:00Z";

pub(super) fn keys() -> Keyring {
    Keyring::new(Some("0123456789abcdef0123456789abcdef")).unwrap()
}

/// What becomes of a body.
pub(super) fn taken(body: Vec<u8>, encoding: Encoding) -> Result<Batch, Problem> {
    let traces = read(body, encoding, None)?;
    let (keys, prices, now) = (keys(), Prices::default(), UtcMillis::parse_rfc3339(NOW).unwrap());
    Ok(take_in(
        &traces,
        &Door { keys: &keys, prices: &prices, policy: Default::default(), text: Default::default(), shards: 1, now },
    ))
}

pub(super) fn message(batch: &Batch) -> String {
    crate::intake::batch::testing::told(batch)
}

/// The events that a request becomes; the same in both encodings.
fn events(sample: &Sample) -> Vec<Json> {
    let [protobuf, json] = BOTH.map(|encoding| {
        let batch = taken(sample.encoded(encoding), encoding).unwrap();
        assert!(batch.errors.is_empty(), "{:?}", batch.errors);
        message(&batch)
    });
    assert_eq!(protobuf, json);
    protobuf.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The turn that a span of these attributes becomes.
fn turn(attributes: Json) -> Json {
    turn_of(&sample(vec![span(1, attributes)]))
}

fn turn_of(sample: &Sample) -> Json {
    let events = events(sample);
    assert_eq!(events.len(), 1, "{events:?}");
    events[0]["body"]["turn"].clone()
}

/// Whether each of these spans is told as a turn, by their ids' first byte.
fn told(spans: Vec<SampleSpan>) -> Vec<u8> {
    let encoded = sample(spans).encoded(Encoding::Protobuf);
    let traces = read(encoded, Encoding::Protobuf, None).unwrap();
    traces.0.iter().map(|(_, span)| span.span_id.unwrap()[0]).collect()
}

fn chat(input: i64, output: i64) -> Json {
    json!({ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": input, "gen_ai.usage.output_tokens": output })
}

fn with(mut attributes: Json, more: Json) -> Json {
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    attributes
}

#[test]
fn a_span_of_the_current_conventions_is_a_priced_turn() {
    let attributes = json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-1", "gen_ai.conversation.id": "talk-1", "session.id": "visit-1", "user.id": "alice", "gen_ai.request.stream": true,
        "gen_ai.response.time_to_first_chunk": 0.31, "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 340, "gen_ai.usage.cache_read.input_tokens": 200, "gen_ai.usage.reasoning.output_tokens": 40,
        "openai.response.service_tier": "default", "gen_ai.agent.name": "support",
    });
    let event = &events(&sample(vec![span(1, attributes)]))[0];
    assert_eq!((event["source"].as_str(), event["ts"].as_i64()), (Some("otlp"), Some(1_795_287_363_120)));
    for key in ["id", "user", "conversation", "session", "reply"] {
        assert!(event[key].as_str().unwrap().starts_with("k1_"), "{key} in {event}");
    }
    let turn = &event["body"]["turn"];
    for (name, expected) in [
        ("provider", json!("openai")),
        ("model", json!("gpt-4o-2024-08-06")),
        ("feature", json!("support")),
        ("status", json!("ok")),
        ("latency_ms", json!(1840)),
        ("ttft_ms", json!(310)),
        (
            "usage",
            json!({ "input_tokens": 1200, "output_tokens": 340, "cache_read_tokens": 200, "reasoning_tokens": 40 }),
        ),
        ("price_context", json!({ "service_tier": "default" })),
    ] {
        assert_eq!(turn[name], expected, "{name} of {turn}");
    }
    // 1,000 at $2.50, 200 at $1.25, 340 at $10 a million.
    assert_eq!(turn["cost"]["nano_usd"], 6_150_000);
    assert_eq!(turn["cost"]["provenance"], "computed");
}

#[test]
fn keys_are_those_of_the_events_route() {
    let attributes = with(chat(1, 1), json!({ "user.id": "alice", "session.id": "talk-1" }));
    let event = &events(&sample(vec![span(1, attributes)]))[0];
    let keys = keys();
    let user: schemas::UserKey = keys.key(&schemas::wire::Raw::new("alice"));
    let conversation: schemas::ConversationKey = keys.key(&schemas::wire::Raw::new("talk-1"));
    assert_eq!(event["user"], user.to_string());
    // A session alone is what the turns of a conversation share.
    assert_eq!((event["conversation"].as_str(), event.get("session")), (Some(conversation.to_string().as_str()), None));
}

#[test]
fn older_names_and_other_conventions_say_the_same() {
    let usage = json!({ "input_tokens": 100, "output_tokens": 20, "cache_read_tokens": 30 });
    let emitters = [
        // Traceloop 0.3x; its integers may come as numbers of either kind.
        json!({ "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.prompt_tokens": 100.0,
            "gen_ai.usage.completion_tokens": 20, "llm.usage.total_tokens": 120, "gen_ai.usage.cache_read_input_tokens": 30, "gen_ai.prompt.0.content": "secret" }),
        // OpenInference.
        json!({ "openinference.span.kind": "LLM", "llm.provider": "openai", "llm.system": "openai", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 100,
            "llm.token_count.completion": 20, "llm.token_count.total": 120, "llm.token_count.prompt_details.cache_read": 30, "input.value": "secret" }),
        // Vercel AI SDK 4 and 5.
        json!({ "ai.operationId": "ai.streamText.doStream", "ai.model.provider": "openai.chat", "ai.model.id": "gpt-4o", "ai.response.model": "gpt-4o",
            "ai.usage.inputTokens": 100, "ai.usage.outputTokens": 20, "ai.usage.cachedInputTokens": 30, "ai.usage.totalTokens": 120, "ai.prompt.messages": "secret" }),
        json!({ "ai.operationId": "ai.generateText.doGenerate", "gen_ai.system": "openai.responses", "gen_ai.request.model": "gpt-4o",
            "ai.usage.promptTokens": 100, "ai.usage.completionTokens": 20, "ai.usage.inputTokenDetails.cacheReadTokens": 30 }),
        // No operation, but everything that a turn has.
        json!({ "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.details.cache_read_tokens": 30 }),
    ];
    for attributes in emitters {
        let turn = turn(attributes.clone());
        assert_eq!(
            (&turn["provider"], &turn["model"], &turn["usage"]),
            (&json!("openai"), &json!("gpt-4o"), &usage),
            "{attributes}"
        );
        // 70 at $2.50, 30 at $1.25, 20 at $10 a million.
        assert_eq!(turn["cost"]["nano_usd"], 412_500, "{attributes}");
    }
}

#[test]
fn embeddings_write_nothing() {
    for attributes in [
        json!({ "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai", "gen_ai.request.model": "text-embedding-3-small", "gen_ai.usage.input_tokens": 1000 }),
        json!({ "ai.operationId": "ai.embed.doEmbed", "ai.model.provider": "openai.embedding", "ai.model.id": "text-embedding-3-small", "ai.usage.tokens": 1000 }),
    ] {
        let turn = turn(attributes);
        assert_eq!(
            (&turn["usage"], &turn["cost"]["nano_usd"]),
            (&json!({ "input_tokens": 1000, "output_tokens": 0 }), &json!(20_000))
        );
        assert_eq!(turn.get("partial"), None);
    }
}

#[test]
fn what_wraps_calls_is_no_turn() {
    let usage = json!({ "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 9,
        "ai.usage.inputTokens": 9, "ai.usage.outputTokens": 9 });
    for wrapper in [
        json!({ "gen_ai.operation.name": "invoke_agent" }),
        json!({ "gen_ai.operation.name": "execute_tool" }),
        json!({ "gen_ai.operation.name": "create_agent" }),
        json!({ "gen_ai.operation.name": "agent_step" }),
        json!({ "ai.operationId": "ai.generateText" }),
        json!({ "ai.operationId": "ai.streamText" }),
        json!({ "ai.operationId": "ai.embedMany" }),
        json!({ "ai.operationId": "ai.toolCall" }),
        json!({ "openinference.span.kind": "CHAIN" }),
        json!({ "openinference.span.kind": "AGENT" }),
        json!({ "openinference.span.kind": "TOOL" }),
        json!({ "llm.request.type": "rerank" }),
    ] {
        assert_eq!(told(vec![span(1, with(usage.clone(), wrapper.clone()))]), Vec::<u8>::new(), "{wrapper}");
    }
    assert_eq!(told(vec![span(1, json!({ "http.request.method": "GET" })), span(2, json!({}))]), Vec::<u8>::new());
}

#[test]
fn of_a_call_within_a_call_the_inner_one_is_told() {
    let of = |id: &str, input, output| with(chat(input, output), json!({ "gen_ai.response.id": id }));
    let bare =
        json!({ "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m" });
    for (what, spans, expected) in [
        ("two libraries watch one call", vec![span(2, of("r1", 9, 9)).within(1), span(1, of("r1", 9, 9))], vec![2]),
        ("the outer one comes first", vec![span(1, chat(9, 9)), span(2, chat(9, 9)).within(1)], vec![2]),
        ("the outer one has no tokens", vec![span(2, chat(9, 9)).within(1), span(1, bare)], vec![2]),
        (
            "a chain between them",
            vec![span(1, chat(9, 9)), span(2, json!({})).within(1), span(3, chat(9, 9)).within(2)],
            vec![3],
        ),
        (
            "a sum of two",
            vec![span(1, chat(9, 9)), span(2, chat(4, 4)).within(1), span(3, chat(5, 5)).within(1)],
            vec![2, 3],
        ),
        (
            "three deep",
            vec![span(1, chat(9, 9)), span(2, chat(9, 9)).within(1), span(3, chat(9, 9)).within(2)],
            vec![3],
        ),
        ("more than those within", vec![span(1, chat(90, 9)), span(2, chat(9, 9)).within(1)], vec![1, 2]),
        ("another reply", vec![span(1, of("r1", 9, 9)), span(2, of("r2", 20, 20)).within(1)], vec![1, 2]),
        ("side by side", vec![span(1, chat(9, 9)).within(4), span(2, chat(9, 9)).within(4)], vec![1, 2]),
        ("of another request", vec![span(1, chat(9, 9)).within(8)], vec![1]),
        ("around itself", vec![span(1, chat(9, 9)).within(1)], vec![1]),
        ("around each other", vec![span(1, chat(9, 9)).within(2), span(2, chat(9, 9)).within(1)], vec![1, 2]),
    ] {
        assert_eq!(told(spans), expected, "{what}");
    }
}

#[test]
fn emitters_that_leave_the_cached_out_of_input_are_known() {
    let claude = |provider: &str, input: i64| {
        json!({ "gen_ai.operation.name": "chat", "gen_ai.system": provider, "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": input,
            "gen_ai.usage.output_tokens": 50, "gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.usage.cache_creation.input_tokens": 20 })
    };
    let vercel = |more: Json| {
        with(
            json!({ "ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages", "ai.model.id": "claude-sonnet-4-5",
            "ai.usage.inputTokens": 300, "ai.usage.outputTokens": 50, "ai.usage.cachedInputTokens": 100 }),
            more,
        )
    };
    let converse = json!({ "openinference.span.kind": "LLM", "llm.provider": "aws", "llm.model_name": "amazon.nova-pro-v1:0", "llm.token_count.prompt": 300,
        "llm.token_count.completion": 50, "llm.token_count.total": 470, "llm.token_count.prompt_details.cache_read": 100, "llm.token_count.prompt_details.cache_write": 20 });
    for (scope, attributes, input) in [
        ("", claude("anthropic", 300), 300),
        ("", claude("anthropic", 119), 239),
        ("", claude("openai", 120), 120),
        ("opentelemetry.instrumentation.anthropic", claude("anthropic", 300), 300),
        ("openlit.otel.tracing", claude("anthropic", 300), 420),
        ("openlit.otel.tracing", claude("aws.bedrock", 300), 420),
        ("openlit.otel.tracing", claude("openai", 300), 300),
        ("opentelemetry.instrumentation.bedrock", claude("aws.bedrock", 300), 420),
        ("opentelemetry.instrumentation.llamaindex", claude("llamaindex", 300), 420),
        ("ai", vercel(json!({})), 400),
        ("my-tracer", vercel(json!({})), 400),
        ("ai", vercel(json!({ "ai.usage.inputTokenDetails.noCacheTokens": 200 })), 300),
        ("ai", vercel(json!({ "ai.operationId": "ai.generateObject.doGenerate" })), 300),
        ("ai", vercel(json!({ "ai.model.provider": "openai.chat" })), 300),
        ("openinference.instrumentation.bedrock", converse, 420),
    ] {
        let turn = turn_of(&sample(vec![span(1, attributes.clone())]).of_scope(scope));
        assert_eq!(turn["usage"]["input_tokens"], input, "{scope}: {attributes}");
    }
}

#[test]
fn reasoning_beside_the_output_is_added_to_it() {
    let gemini = |output: i64, reasoning: i64, total: i64| {
        json!({ "ai.operationId": "ai.streamText.doStream", "ai.model.provider": "google.generative-ai", "ai.model.id": "gemini-2.5-flash", "ai.usage.inputTokens": 10,
            "ai.usage.outputTokens": output, "ai.usage.reasoningTokens": reasoning, "ai.usage.totalTokens": total })
    };
    for (attributes, output) in
        [(gemini(5, 40, 15), 45), (gemini(50, 40, 100), 90), (gemini(50, 40, 60), 50), (gemini(50, 40, 77), 50)]
    {
        assert_eq!(turn(attributes)["usage"]["output_tokens"], output);
    }
}

#[test]
fn absent_is_not_zero() {
    let base =
        json!({ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o" });
    let missing = turn(base.clone());
    assert_eq!((missing.get("usage"), &missing["cost"]), (None, &json!({ "unpriced": "usage_missing" })));
    let output_alone = turn(with(base.clone(), json!({ "gen_ai.usage.output_tokens": 5 })));
    assert_eq!(output_alone.get("usage"), None);
    let unknown = |name: &str| {
        let mut sample = sample(vec![span(1, base.clone())]);
        let number = super::sample::Any::Number(f64::NAN);
        sample.spans[0].attributes.push((name.into(), number));
        turn_of(&sample)
    };
    assert_eq!(unknown("gen_ai.usage.input_tokens").get("usage"), None);
    let broken_off = turn(with(base.clone(), json!({ "gen_ai.usage.input_tokens": 5 })));
    assert_eq!(
        (&broken_off["usage"], &broken_off["partial"]),
        (&json!({ "input_tokens": 5, "output_tokens": 0 }), &json!(true))
    );
    let by_total = turn(with(base, json!({ "gen_ai.usage.input_tokens": 5, "gen_ai.usage.total_tokens": 8 })));
    assert_eq!((&by_total["usage"]["output_tokens"], by_total.get("partial")), (&json!(3), None));
}

#[test]
fn unknown_names_are_counted_as_unpriced() {
    let nothing = turn(
        json!({ "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5 }),
    );
    assert_eq!(
        (&nothing["provider"], &nothing["model"], &nothing["cost"]["unpriced"]),
        (&json!("unknown"), &json!("unknown"), &json!("unknown_provider"))
    );
    let local = turn(with(chat(5, 5), json!({ "gen_ai.provider.name": "ollama", "gen_ai.request.model": "llama3.2" })));
    assert_eq!((&local["provider"], &local["cost"]["unpriced"]), (&json!("ollama"), &json!("unknown_provider")));
    // The model's own name holds where a deployment's is no word.
    let azure = turn(with(
        chat(5, 5),
        json!({ "gen_ai.provider.name": "azure.ai.openai", "gen_ai.response.model": "My deployment", "gen_ai.request.model": "gpt-4o" }),
    ));
    assert_eq!((&azure["provider"], &azure["model"]), (&json!("azure"), &json!("gpt-4o")));
}

#[test]
fn how_a_call_ended() {
    for (attributes, failed, status, code) in [
        (json!({}), false, "ok", None),
        (json!({}), true, "error", None),
        (json!({ "error.type": "RateLimitError" }), true, "error", Some("RateLimitError")),
        (json!({ "error.type": "429" }), false, "error", Some("429")),
        (json!({ "error.type": "openai.APITimeoutError" }), true, "timeout", Some("openai.APITimeoutError")),
        (json!({ "error.type": "504" }), true, "timeout", Some("504")),
        (json!({ "http.response.status_code": 429 }), true, "error", Some("429")),
        (json!({ "http.response.status_code": 200 }), false, "ok", None),
        (json!({ "http.response.status_code": -7 }), true, "error", None),
        (json!({ "error.type": "AbortError" }), true, "cancelled", Some("AbortError")),
        (json!({ "error.type": "asyncio.CancelledError" }), true, "cancelled", Some("asyncio.CancelledError")),
        (json!({ "error.type": "user alice@example.com failed" }), true, "error", None),
        (json!({ "gen_ai.response.finish_reasons": ["stop", "content_filter"] }), false, "filtered", None),
        (json!({ "ai.response.finishReason": "content-filter" }), false, "filtered", None),
        (json!({ "gen_ai.response.finish_reasons": ["SAFETY"] }), false, "filtered", None),
        (json!({ "ai.response.finishReason": "error" }), false, "error", None),
    ] {
        let own = span(1, with(chat(1, 1), attributes.clone()));
        let turn = turn_of(&sample(vec![if failed { own.failed() } else { own }]));
        assert_eq!(
            (turn["status"].as_str(), turn.get("error_code").and_then(Json::as_str)),
            (Some(status), code),
            "{attributes}"
        );
    }
}

#[test]
fn times_to_the_first_token() {
    for (attributes, expected) in [
        (json!({ "gen_ai.response.time_to_first_chunk": 0.5 }), Some(500)),
        (json!({ "gen_ai.client.operation.time_to_first_chunk": 1 }), Some(1000)),
        (json!({ "gen_ai.server.time_to_first_token": 0.25, "gen_ai.request.is_stream": true }), Some(250)),
        (json!({ "gen_ai.server.time_to_first_token": 1.84, "gen_ai.request.is_stream": false }), None),
        (json!({ "ai.response.msToFirstChunk": 123.4 }), Some(123)),
        (json!({ "gen_ai.response.time_to_first_chunk": 60 }), None),
        (json!({ "gen_ai.response.time_to_first_chunk": -1 }), None),
        (json!({ "gen_ai.response.time_to_first_chunk": "soon" }), None),
    ] {
        let turn = turn(with(chat(1, 1), attributes.clone()));
        assert_eq!(turn.get("ttft_ms").and_then(Json::as_u64), expected, "{attributes}");
    }
    let mut backwards = span(1, chat(1, 1));
    backwards.end_ns = backwards.start_ns - 1;
    assert_eq!(turn_of(&sample(vec![backwards])).get("latency_ms"), None);
}

#[test]
fn features_are_the_apps_own_words() {
    for (attributes, resource, expected) in [
        (
            json!({ "sage.feature": "search", "gen_ai.agent.name": "x" }),
            json!({ "service.name": "chat-api" }),
            Some("search"),
        ),
        (json!({ "ai.telemetry.functionId": "summary" }), json!({}), Some("summary")),
        (json!({ "gen_ai.agent.name": "Support Agent", "traceloop.workflow.name": "ask" }), json!({}), Some("ask")),
        (json!({}), json!({ "service.name": "chat-api" }), Some("chat-api")),
        (json!({}), json!({ "service.name": "unknown_service:node" }), None),
        (json!({}), json!({ "service.name": "/home/alice/app/main.py" }), None),
        (json!({}), json!({ "service.name": "api of Alice" }), None),
        (json!({}), json!({ "sage.feature": "all" }), Some("all")),
    ] {
        let mut sample = sample(vec![span(1, with(chat(1, 1), attributes.clone()))]);
        sample.resource = pairs(resource);
        assert_eq!(turn_of(&sample).get("feature").and_then(Json::as_str), expected, "{attributes}");
    }
}

#[test]
fn of_a_person_who_opted_out_only_money_is_kept() {
    let known = with(chat(10, 1), json!({ "sage.opted_out": true, "sage.age_13_plus": false, "user.id": "alice" }));
    let said = &events(&sample(vec![span(1, known)]))[0]["aside"]["said"];
    assert_eq!(*said, json!({ "opted_out": true, "age_13_plus": false }));
    for opted_out in [json!(true), json!("true")] {
        let attributes =
            with(chat(10, 1), json!({ "sage.opted_out": opted_out, "session.id": "s", "gen_ai.conversation.id": "c" }));
        let event = &events(&sample(vec![span(1, attributes)]))[0];
        assert!(["user", "conversation", "session"].iter().all(|key| event.get(*key).is_none()), "{event}");
        assert_eq!(event["body"]["turn"]["cost"]["nano_usd"], 35_000);
    }
}

#[test]
fn what_is_said_around_a_call_holds_for_it() {
    let turn = |attributes: Json, around: Json| {
        let agent = span(2, with(json!({ "gen_ai.operation.name": "invoke_agent" }), around)).within(3);
        let root = span(
            3,
            json!({ "user.id": "alice", "session.id": "s1", "gen_ai.request.model": "m", "error.type": "500" }),
        );
        events(&sample(vec![span(1, with(chat(1, 1), attributes)).within(2), agent, root])).remove(0)
    };
    let event = turn(json!({}), json!({ "gen_ai.agent.name": "support", "gen_ai.conversation.id": "c1" }));
    assert!(["user", "conversation", "session"].iter().all(|key| event.get(*key).is_some()), "{event}");
    let told = &event["body"]["turn"];
    assert_eq!(
        (&told["feature"], &told["model"], &told["status"]),
        (&json!("support"), &json!("gpt-4o"), &json!("ok"))
    );
    let nearer = turn(json!({ "user.id": "bob" }), json!({ "user.id": "carol" }));
    assert_eq!(
        (nearer["user"] == turn(json!({ "user.id": "bob" }), json!({}))["user"], nearer["user"] == event["user"]),
        (true, false)
    );
    let opted_out = turn(json!({ "sage.opted_out": false }), json!({ "sage.opted_out": true }));
    assert_eq!(opted_out["aside"]["said"]["opted_out"], true);
}

#[test]
fn a_span_has_one_id_whatever_the_encoding_and_the_batch() {
    let id = |sample: &Sample| events(sample).last().unwrap()["id"].clone();
    let own = id(&sample(vec![span(1, chat(1, 1))]));
    assert_eq!(own, id(&sample(vec![span(2, chat(5, 5)), span(1, chat(1, 1))])));
    assert_ne!(own, id(&sample(vec![span(2, chat(1, 1))])));
}

#[test]
fn json_as_exporters_write_it() {
    let body = r#"{"unknown":[1,{"a":null}],"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"07070707070707070707070707070707","spanId":"0101020304050607",
        "parentSpanId":"","startTimeUnixNano":1795287363120000000,"endTimeUnixNano":"1795287364960000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"ch\u0061t"}},
        {"key":"gen_ai.system","value":{"stringValue":"openai"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":10}},
        {"key":"gen_ai.usage.output_tokens","value":{"intValue":"1"}},{"key":"x"},{"key":"y","value":null},{"key":"ai.usage.totalTokens","value":{"doubleValue":null}},{"key":"sage.opted_out","value":{}},{"key":"sage.feature","value":{}}],"status":{"code":"STATUS_CODE_ERROR"}}],"scope":null}],
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]}},{"resource":{},"scopeSpans":null},{"instrumentationLibrarySpans":[]}]}"#;
    let batch = taken(body.into(), Encoding::Json).unwrap();
    let message = message(&batch);
    for part in [r#""nano_usd":35000"#, r#""status":"error""#, r#""feature":"api""#, r#""latency_ms":1840"#] {
        assert!(message.contains(part), "{part} in {message}");
    }
    for empty in ["{}", r#"{"resourceSpans":[]}"#, r#"{"resourceSpans":null}"#] {
        assert_eq!(taken(empty.into(), Encoding::Json).unwrap().received, 0);
    }
    assert_eq!(taken(Vec::new(), Encoding::Protobuf).unwrap().received, 0);
}

#[test]
fn replies_say_what_was_rejected_in_the_encoding_of_the_request() {
    let good = sample(vec![span(1, chat(1, 1))]);
    let mut two_wrong = sample(vec![span(1, chat(1, 1)), span(2, chat(-1, 1)), span(3, chat(-1, 1))]);
    two_wrong.spans[2].attributes = pairs(chat(-3, 1));
    let reply = |sample: &Sample, encoding| success(encoding, &taken(sample.encoded(encoding), encoding).unwrap());
    assert_eq!(reply(&good, Encoding::Protobuf), ("application/x-protobuf", vec![]));
    assert_eq!(reply(&good, Encoding::Json), ("application/json", b"{}".to_vec()));
    let (kind, json) = reply(&two_wrong, Encoding::Json);
    let json: Json = serde_json::from_slice(&json).unwrap();
    let detail = "gen_ai.usage.input_tokens: must be a whole number of at least 0";
    assert_eq!(
        (kind, json),
        ("application/json", json!({ "partialSuccess": { "rejectedSpans": "2", "errorMessage": detail } }))
    );
    let (_, bytes) = reply(&two_wrong, Encoding::Protobuf);
    // Field 1, a message of: field 1, the number 2; field 2, the text.
    assert_eq!(bytes, [&[0x0a, bytes.len() as u8 - 2, 0x08, 2, 0x12, detail.len() as u8], detail.as_bytes()].concat());

    let problem = Problem::unavailable("shard_unreachable", "later", 2);
    assert_eq!(failure(Encoding::Protobuf, &problem), ("application/x-protobuf", b"\x08\x0e\x12\x05later".to_vec()));
    assert_eq!(failure(Encoding::Json, &problem), ("application/problem+json", problem.json().into_bytes()));
}
