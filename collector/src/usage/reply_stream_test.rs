//! Streams as providers send them, cut anywhere.

use proptest::prelude::*;

use super::*;

const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"the usage of\"},\"finish_reason\":null}],\"usage\":null}\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n\
    event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":12,\"output_tokens\":3}}}\n\n";
const ANTHROPIC: &str = "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":2,\
    \"cache_creation_input_tokens\":10,\"cache_creation\":{\"ephemeral_1h_input_tokens\":4},\"output_tokens\":1}}}\r\n\r\n\
    event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n\
    event: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":2}}\r\n\r\n\
    event: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\r\n\r\n\
    event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n";
const GEMINI: &str = "data: {\"candidates\":[{}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":1}}\r\r\
    data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":3}}\r\r";
const ALL: [(&str, &str); 4] = [("openai", CHAT), ("openai", RESPONSES), ("anthropic", ANTHROPIC), ("google", GEMINI)];

fn read(provider: &str, parts: &[&[u8]]) -> Reply {
    let mut stream = ReplyStream::new(provider, None, None);
    parts.iter().for_each(|part| stream.push(part));
    stream.finish().unwrap()
}

#[test]
fn a_whole_stream_tells_all_wherever_it_is_cut() {
    for (provider, text) in ALL {
        for cut in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let told = read(provider, &[first, second]);
            let usage = told.usage.unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens, told.partial), (12, 3, false), "{provider} {cut}");
        }
    }
}

#[test]
fn cumulative_counts_are_not_added_and_the_split_of_the_start_is_kept() {
    let usage = read("anthropic", &[ANTHROPIC.as_bytes()]).usage.unwrap();
    assert_eq!((usage.output_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens), (3, 10, 4));
}

#[test]
fn a_broken_stream_keeps_what_is_known() {
    let (start, _) = ANTHROPIC.split_once("event: ping").unwrap();
    let told = read("anthropic", &[start.as_bytes()]);
    assert_eq!((told.usage.map(|usage| usage.output_tokens), told.partial), (Some(1), true));
    let (start, _) = CHAT.split_once("data: {\"choices\":[],").unwrap();
    for told in [read("openai", &[start.as_bytes()]), read("openai", &[])] {
        assert_eq!((told.usage, told.partial), (None, true));
    }
}

#[test]
fn an_event_too_long_is_passed_over() {
    let long = format!("data: {{\"usage\":{{\"a\":\"{}\"}}}}\n\n", "x".repeat(EVENT_BYTES_MAX));
    let told = read("openai", &[long.as_bytes(), CHAT.as_bytes()]);
    assert_eq!((told.usage.map(|usage| usage.input_tokens), told.partial), (Some(12), false));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut stream = ReplyStream::new("openai", None, None);
        stream.push(first);
        stream.push(second);
        let _ = stream.finish();
    }

    #[test]
    fn a_cut_off_stream_never_tells_more_than_the_whole((provider, text) in prop::sample::select(ALL.to_vec()), cut in 0_usize..2000) {
        let (part, _) = text.as_bytes().split_at(cut.min(text.len()));
        let told = read(provider, &[part]);
        prop_assert!(told.usage.is_none_or(|usage| usage.input_tokens <= 12 && usage.output_tokens <= 3));
        prop_assert!(told.partial || told.usage.is_some());
    }
}
