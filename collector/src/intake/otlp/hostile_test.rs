//! What no exporter would send, and what must never get through.

use std::io::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::sample::{Any, BOTH, Sample, pairs, sample, span};
use super::span;
use super::tests::{message, taken};
use super::*;

fn chat() -> Json {
    json!({ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1 })
}

fn chat_with(name: &str, value: Any) -> Sample {
    let mut sample = sample(vec![span(1, chat())]);
    sample.spans[0].attributes.retain(|(known, _)| known != name);
    sample.spans[0].attributes.push((name.into(), value));
    sample
}

/// Code and place of the one mistake in a request; the same in both encodings.
fn mistake(sample: &Sample) -> (String, String) {
    let [protobuf, json] = BOTH.map(|encoding| {
        let batch = taken(sample.encoded(encoding), encoding).unwrap();
        assert_eq!((batch.received, batch.errors.len()), (1, 1), "{sample:?}");
        let message = message(&batch);
        let letter: Json = serde_json::from_str(message.lines().nth(1).unwrap()).unwrap();
        assert_eq!(letter["kind"], "turn");
        (letter["code"].as_str().unwrap().to_owned(), letter["field"].as_str().unwrap().to_owned())
    });
    assert_eq!(protobuf, json);
    protobuf
}

#[test]
fn spans_that_cannot_be_right_are_dead_letters() {
    let count = |value: Any| chat_with("gen_ai.usage.input_tokens", value);
    let invalid = |field: &str| ("invalid_value".to_owned(), field.to_owned());
    let input = || invalid("gen_ai.usage.input_tokens");
    for value in [
        Any::Whole(-1),
        Any::Whole(i64::MIN),
        Any::Number(f64::INFINITY),
        Any::Number(1.5),
        Any::Number(-1.0),
        Any::Number(1e300),
        Any::Text("many".into()),
        Any::Flag(true),
        Any::List(vec![Any::Whole(1)]),
        Any::Map(vec![("a".into(), Any::Whole(1))]),
    ] {
        assert_eq!(mistake(&count(value.clone())), input(), "{value:?}");
    }
    assert_eq!(mistake(&count(Any::Whole(i64::MAX))), invalid("usage.input_tokens"));
    assert_eq!(
        mistake(&chat_with("gen_ai.usage.audio.input_tokens", Any::Whole(11))),
        invalid("usage.input_audio_tokens")
    );
    assert_eq!(
        mistake(&chat_with("gen_ai.provider.name", "alice@example.com".into())),
        invalid("gen_ai.provider.name")
    );
    assert_eq!(
        mistake(&chat_with("gen_ai.request.model", "alice@example.com".into())),
        invalid("gen_ai.response.model")
    );

    let spoilt = |spoil: fn(&mut super::sample::SampleSpan)| {
        let mut sample = sample(vec![span(1, chat())]);
        spoil(&mut sample.spans[0]);
        mistake(&sample)
    };
    assert_eq!(spoilt(|span| span.trace_id = vec![0; 16]), invalid("trace_id"));
    assert_eq!(spoilt(|span| span.trace_id = vec![7; 15]), invalid("trace_id"));
    assert_eq!(spoilt(|span| span.trace_id = vec![]), invalid("trace_id"));
    assert_eq!(spoilt(|span| span.span_id = vec![0; 8]), invalid("trace_id"));
    assert_eq!(spoilt(|span| span.span_id = vec![7; 300]), invalid("trace_id"));
    assert_eq!(spoilt(|span| span.start_ns = 0), ("missing_field".into(), "start_time_unix_nano".into()));
    assert_eq!(spoilt(|span| span.start_ns = 1_000_000), ("ts_too_old".into(), "ts".into()));
    assert_eq!(spoilt(|span| span.start_ns += 3_600_000_000_000), ("ts_in_future".into(), "ts".into()));
    assert_eq!(spoilt(|span| span.start_ns = u64::MAX), ("ts_in_future".into(), "ts".into()));
}

#[test]
fn ids_that_are_not_hex_are_dead_letters() {
    let body = sample(vec![span(1, chat())]).json().to_string();
    let trace = "07".repeat(16);
    for id in [
        trace.replace('0', "g"),
        trace.replace("07", "é"),
        "BwcHBwcHBwcHBwcHBwcHBw==".into(),
        format!("{trace}00"),
        format!("{trace}0"),
        "+7".repeat(16),
    ] {
        let batch = taken(body.replace(&trace, &id).into(), Encoding::Json).unwrap();
        assert_eq!(batch.errors.len(), 1, "{id}");
        assert!(batch.errors[0].detail.starts_with("trace_id: must be 16 bytes"));
    }
    let numbers = body.replace(&format!("\"{trace}\""), "7");
    assert_eq!(taken(numbers.into(), Encoding::Json).unwrap().errors.len(), 1);
    let upper = body.replace("0101020304050607", "0A01020304050607").replace(&trace, &"0A".repeat(16));
    assert!(taken(upper.into(), Encoding::Json).unwrap().errors.is_empty());
}

#[test]
fn bodies_that_are_something_else_are_refused_without_a_word_of_them() {
    let json: [&[u8]; 12] = [
        b"",
        b"alice",
        b"[]",
        b"7",
        b"null",
        b"{\"resourceSpans\":{\"alice\":1}}",
        b"{\"resourceSpans\":[7]}",
        b"{\"resourceSpans\":[{\"scopeSpans\":\"alice\"}]}",
        b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":[{\"value\":1}]}]}]}]}",
        b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"attributes\":[{\"key\":7}]}]}]}]}",
        b"{\"resourceSpans\":[]} alice",
        b"\xff\xfe",
    ];
    // Lengths beyond the end, an unfinished number, a group, field 0.
    let protobuf: [&[u8]; 7] = [
        b"\x0a\x05ab",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01alice",
        b"\x0a",
        b"\x80",
        b"\x0b\x0c",
        b"\x02\x00",
        b"alice@example.com",
    ];
    let all =
        json.map(|body| (body, Encoding::Json)).into_iter().chain(protobuf.map(|body| (body, Encoding::Protobuf)));
    for (body, encoding) in all {
        let problem = taken(body.to_vec(), encoding).unwrap_err();
        assert_eq!((problem.status, problem.code), (400, "not_parseable"), "{body:?}");
        assert!(!problem.json().contains("alice"));
    }
    let status = |body: &[u8], content: Option<&str>| {
        read(body.to_vec(), Encoding::Json, content).err().map(|problem| problem.status)
    };
    assert_eq!(status(b"not gzip", Some("gzip")), Some(400));
    assert_eq!(status(b"{}", Some("br")), Some(415));
    assert_eq!(status(&vec![b' '; INFLATED_BYTES_MAX + 1], None), Some(413));
    assert_eq!(status(&vec![b' '; BODY_BYTES_MAX + 1], Some("gzip")), Some(413));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&vec![b' '; INFLATED_BYTES_MAX + 1]).unwrap();
    assert_eq!(status(&gzip.finish().unwrap(), Some("gzip")), Some(413));
    for (content_type, known) in [
        ("application/x-protobuf", true),
        ("application/json; charset=utf-8", true),
        ("text/plain", false),
        ("", false),
    ] {
        assert_eq!(encoding(Some(content_type)).map_err(|problem| problem.status).is_ok(), known);
    }
    assert_eq!(encoding(None).unwrap_err().status, 415);
}

/// Bodies that are as deep, or as wide, as their size allows are read in time, on a small stack.
#[test]
fn deep_and_wide_bodies_are_read_in_time() {
    const SIZE: usize = 2 << 20;
    let within = |parts: [&str; 2], middle: String| [parts[0], &middle, parts[1]].concat().into_bytes();
    let in_attributes = [r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":["#, "]}]}]}]}"];
    let value = |key: &str, value: String| within(in_attributes, format!(r#"{{"key":"{key}","value":{value}}}"#));
    let list = |depth: usize| format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(depth), "]}}".repeat(depth));
    let json = [
        value("gen_ai.operation.name", "[".repeat(SIZE / 2) + &"]".repeat(SIZE / 2)),
        value("gen_ai.response.finish_reasons", list(SIZE / 30)),
        value("gen_ai.response.finish_reasons", list(1_000)),
        value("gen_ai.input.messages", list(SIZE / 30)),
        within(in_attributes, vec![r#"{"key":""}"#; SIZE / 11].join(",")),
        within([r#"{"resourceSpans":[{"scopeSpans":["#, "]}]}"], vec!["{}"; SIZE / 3].join(",")),
        within([r#"{"resourceSpans":["#, "]}"], vec!["{}"; SIZE / 3].join(",")),
        "[".repeat(SIZE).into_bytes(),
    ];
    let nest = |tag: &[u8], depth: usize| (0..depth).fold(Vec::new(), |inner, _| message_of(tag, &inner));
    let attribute = |key: &[u8], value: Vec<u8>| [message_of(b"\x0a", key), message_of(b"\x12", &value)].concat();
    let request = |span: Vec<u8>| message_of(b"\x0a", &message_of(b"\x12", &message_of(b"\x12", &span)));
    let protobuf = [
        request(message_of(b"\x4a", &attribute(b"gen_ai.response.finish_reasons", nest(b"\x2a", 5_000)))),
        request(message_of(b"\x4a", &attribute(b"gen_ai.input.messages", nest(b"\x2a", 5_000)))),
        request(b"\x4a\x00".repeat(SIZE / 2)),
        message_of(b"\x0a", &b"\x12\x00".repeat(SIZE / 2)),
        b"\x0a\x00".repeat(SIZE / 2),
        request(message_of(
            b"\x4a",
            &attribute(b"gen_ai.response.finish_reasons", message_of(b"\x2a", &b"\x0a\x00".repeat(SIZE / 2))),
        )),
    ];
    let bodies = json
        .into_iter()
        .map(|body| (body, Encoding::Json))
        .chain(protobuf.into_iter().map(|body| (body, Encoding::Protobuf)));
    for (at, (body, encoding)) in bodies.enumerate() {
        let started = Instant::now();
        let read = std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || taken(body, encoding).map(|batch| batch.received));
        let read = read.unwrap().join().unwrap();
        assert!(matches!(&read, Ok(0)) || matches!(&read, Err(problem) if problem.status == 400), "{at}: {read:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{at} took {:?}", started.elapsed());
    }
}

fn message_of(tag: &[u8], body: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    prost::encode_length_delimiter(body.len(), &mut length).unwrap();
    [tag, &length, body].concat()
}

#[test]
fn ten_thousand_calls_are_taken_and_no_more() {
    let many = |count: u32| {
        let spans = (0..count).map(|number| {
            let mut span = span(1, chat());
            span.span_id = u64::from(number + 1).to_be_bytes().to_vec();
            span
        });
        sample(spans.collect())
    };
    let batch = taken(many(10_000).encoded(Encoding::Protobuf), Encoding::Protobuf).unwrap();
    assert_eq!((batch.received, batch.errors.len(), batch.shards[&0].header.events), (10_000, 0, 10_000));
    let problem = taken(many(10_001).encoded(Encoding::Protobuf), Encoding::Protobuf).unwrap_err();
    assert_eq!((problem.status, problem.code), (413, "too_large"));

    let empty = |count: usize| {
        let scope = message_of(b"\x0a", &message_of(b"\x12", &b"\x12\x00".repeat(count)));
        let json = [r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#, &vec!["{}"; count].join(","), "]}]}]}"].concat();
        [taken(scope, Encoding::Protobuf), taken(json.into(), Encoding::Json)]
            .map(|taken| taken.map(|batch| batch.received))
    };
    assert!(empty(span::SPANS_MAX).iter().all(|read| matches!(read, Ok(0))));
    assert!(empty(span::SPANS_MAX + 1).iter().all(|read| matches!(read, Err(problem) if problem.status == 413)));
}

/// Chains as deep as they can be, each with a call at its end, and calls around each other in a ring.
#[test]
fn parents_without_end_cost_little() {
    let mut spans: Vec<_> = (0..40_000_u64).map(|number| (number, false)).collect();
    spans.extend((40_000..50_000).map(|number| (number, true)));
    let spans = spans.into_iter().map(|(number, call)| {
        let id = |number: u64| (number + 1).to_be_bytes();
        let mut own = Span { trace_id: Some([7; 16]), span_id: Some(id(number)), ..Span::default() };
        own.parent_id = Some(id(if number == 0 { 49_999 } else { number - 1 }));
        if call {
            let mut attributes = span::Attributes::default();
            attributes.add(b"gen_ai.operation.name", || Some(span::Value::Text("chat".into())));
            own.attributes = std::rc::Rc::new(attributes);
        }
        own
    });
    let started = Instant::now();
    let told = call::innermost(spans.collect()).unwrap();
    assert!(told.len() < 10_000 && started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Every place of a request that people, models and programmers can fill, each with a secret of its own.
fn planted(secret: &dyn Fn() -> String) -> Sample {
    let said = "gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions gen_ai.prompt gen_ai.prompt.0.content gen_ai.completion.0.content \
        gen_ai.tool.call.arguments gen_ai.tool.call.result gen_ai.tool.definitions llm.input_messages.0.message.content llm.output_messages.0.message.content \
        input.value output.value ai.prompt ai.prompt.messages ai.response.text ai.response.toolCalls ai.response.object ai.response.providerMetadata ai.value \
        ai.toolCall.args traceloop.entity.input traceloop.entity.output gen_ai.headers url.full http.url client.address exception.message db.statement anything \
        user.id enduser.id user.hash gen_ai.conversation.id session.id gen_ai.response.id";
    let mut attributes: Vec<_> =
        said.split_ascii_whitespace().map(|name| (name.to_owned(), Any::Text(secret()))).collect();
    attributes.push((secret(), Any::Text(secret())));
    attributes
        .push(("gen_ai.input.messages.list".into(), Any::List(vec![Any::Map(vec![(secret(), Any::Text(secret()))])])));
    // What is no word is left out where a turn can do without it.
    for name in
        ["sage.feature", "gen_ai.agent.name", "ai.telemetry.functionId", "error.type", "openai.response.service_tier"]
    {
        attributes.push((name.into(), Any::Text(format!("{} !", secret()))));
    }
    attributes.push(("gen_ai.response.finish_reasons".into(), Any::List(vec![Any::Text(secret())])));
    let mut own = span(1, chat()).failed();
    own.attributes.extend(attributes.clone());
    own.name = secret();
    own.status_message = secret();
    own.events = vec![
        (secret(), attributes.clone()),
        ("gen_ai.user.message".into(), vec![("content".into(), Any::Text(secret()))]),
    ];
    let mut other = span(2, json!({}));
    other.attributes = attributes.clone();
    other.name = secret();
    let mut resource = attributes;
    resource.push(("service.name".into(), Any::Text(format!("{} !", secret()))));
    Sample { resource, scope: secret(), spans: vec![own, other] }
}

#[test]
fn nothing_that_is_said_gets_through() {
    let count = std::cell::Cell::new(0);
    let secret = || {
        count.set(count.get() + 1);
        format!("Zq{:04}xsecret", count.get())
    };
    let good = planted(&secret);
    let mut samples = vec![good.clone()];
    // The same where the span is refused, for every reason that there is.
    for (name, value) in [
        ("gen_ai.usage.input_tokens", Any::Text(secret())),
        ("gen_ai.usage.output_tokens", Any::Map(vec![(secret(), Any::Text(secret()))])),
        ("gen_ai.request.model", Any::Text(format!("{}@example.com", secret()))),
        ("gen_ai.provider.name", Any::Text(format!("{} of Alice", secret()))),
        ("user.id", Any::Text(secret().repeat(5_000))),
    ] {
        let mut sample = good.clone();
        let attributes = &mut sample.spans[0].attributes;
        attributes.retain(|(known, _)| known != name);
        attributes.push((name.into(), value));
        samples.push(sample);
    }
    let mut without_id = good.clone();
    without_id.spans[0].trace_id = secret().into_bytes();
    let mut without_time = good;
    without_time.spans[0].start_ns = 0;
    samples.extend([without_id, without_time]);
    assert!(count.get() > 50);
    for (at, sample) in samples.iter().enumerate() {
        for encoding in BOTH {
            let body = sample.encoded(encoding);
            assert!(String::from_utf8_lossy(&body).contains("Zq0001xsecret"));
            let batch = taken(body, encoding).unwrap();
            // A user's id that is too long to be decoded is as none.
            assert_eq!(
                (batch.received, batch.errors.len()),
                (1, usize::from(at != 0 && at != 5)),
                "{at}: {:?}",
                batch.errors
            );
            let (_, reply) = success(encoding, &batch);
            let kept = format!("{}{:?}{}", message(&batch), batch.errors, String::from_utf8_lossy(&reply));
            assert!(!kept.to_lowercase().contains("xsecret") && !kept.contains("Alice"), "{at}: {kept}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400), start in 0..60_usize) {
        for encoding in BOTH {
            let good = sample(vec![span(1, chat())]).encoded(encoding);
            let mixed = [&good[..start.min(good.len())], &body].concat();
            for body in [body.clone(), mixed] {
                if let Err(problem) = taken(body, encoding) {
                    prop_assert_eq!(problem.status, 400);
                }
            }
        }
    }

    #[test]
    fn a_byte_changed_anywhere_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for encoding in BOTH {
            let mut body = sample(vec![span(1, chat())]).encoded(encoding);
            let at = at.index(body.len());
            body[at] = byte;
            if let Ok(batch) = taken(body, encoding) {
                prop_assert_eq!(batch.errors.len() as u64 + batch.shards.values().map(|own| own.header.events as u64).sum::<u64>(), batch.received as u64);
            }
        }
    }

    #[test]
    fn both_encodings_mean_the_same(counts in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..12), scope in "(openlit|ai|x)?") {
        let names: Vec<_> = conventions::Fact::ALL.iter().flat_map(|fact| fact.names()).collect();
        let mut sample = sample(vec![span(1, chat())]).of_scope(&scope);
        sample.resource = pairs(json!({ "service.name": "api" }));
        sample.spans[0].attributes.extend(counts.iter().map(|(at, value)| ((*at.get(&names)).to_string(), value.clone())));
        let [protobuf, json] = BOTH.map(|encoding| message(&taken(sample.encoded(encoding), encoding).unwrap()));
        prop_assert_eq!(protobuf, json);
    }
}

fn value() -> impl Strategy<Value = Any> {
    prop_oneof![
        (-2_i64..5_000).prop_map(Any::Whole),
        any::<i64>().prop_map(Any::Whole),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, -0.0, 1e300]).prop_map(Any::Number),
        (-2_i32..5_000).prop_map(|number| Any::Number(f64::from(number) / 2.0)),
        any::<bool>().prop_map(Any::Flag),
        "[a-z@. ]{0,12}".prop_map(Any::Text),
        prop::collection::vec("[a-z_]{0,15}".prop_map(Any::Text), 0..3).prop_map(Any::List),
    ]
}

#[test]
fn a_request_cut_anywhere_is_refused_or_read_in_part() {
    let sample = sample(vec![span(1, chat()), span(2, chat())]);
    for encoding in BOTH {
        let body = sample.encoded(encoding);
        for cut in 0..body.len() {
            if let Ok(batch) = taken(body[..cut].to_vec(), encoding) {
                assert_eq!((encoding, cut, batch.received), (Encoding::Protobuf, 0, 0));
            }
        }
    }
}
