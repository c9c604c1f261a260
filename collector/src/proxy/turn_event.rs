//! `Sage-Turn` in a stream of the app's: the event of that name is taken out, every other byte passes at once.

use schemas::UtcMillis;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Takes events named `Sage-Turn` out of a stream of server-sent events whose lines end in LF or CRLF.
///
/// The event begins with the line `event: Sage-Turn`; case does not matter. Only bytes that may become that line wait for
/// more.
#[derive(Debug, Default)]
pub struct TurnEvents {
    place: Place,
    /// The start of a line: one that may become the event's first, or one of the event.
    line: Vec<u8>,
    /// The event's data, line after line.
    data: Vec<u8>,
    found: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Where a line begins, or in one that may become the event's first.
    #[default]
    Start,
    /// Within a line that passes.
    Passing,
    /// Within an event that is taken out.
    Taking,
}

/// Most bytes of an event's data, and most events of a stream: what is beyond is taken out and lost.
const DATA_BYTES_MAX: usize = 64 << 10;
const EVENTS_MAX: usize = 16;

impl TurnEvents {
    /// Takes the next bytes, cut anywhere. `None`: they pass as they are. Else what passes instead.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.passes_whole(bytes) {
            return None;
        }
        let mut out = Vec::with_capacity(self.line.len() + bytes.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.take_in(piece, &mut out);
        }
        Some(out)
    }

    /// The stream is over: bytes that still waited, and pass now.
    pub fn take_rest(&mut self) -> Vec<u8> {
        if self.place == Place::Taking { Vec::new() } else { std::mem::take(&mut self.line) }
    }

    /// The data of the events that were taken out.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        if self.place == Place::Taking {
            self.end_line();
            self.end_event();
        }
        self.found
    }

    /// Most chunks are whole lines, none of which begins like ours: nothing to copy.
    fn passes_whole(&self, bytes: &[u8]) -> bool {
        let begins_like_ours = |line: &[u8]| line.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e'));
        self.place == Place::Start
            && self.line.is_empty()
            && bytes.ends_with(b"\n")
            && !bytes.split(|byte| *byte == b'\n').any(begins_like_ours)
    }

    fn take_in(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let ends = piece.ends_with(b"\n");
        match self.place {
            Place::Passing => {
                out.extend_from_slice(piece);
                if ends {
                    self.place = Place::Start;
                }
            }
            Place::Start => {
                self.line.extend_from_slice(piece);
                match resembles(&self.line) {
                    Resembles::Whole if ends => {
                        self.line.clear();
                        self.place = Place::Taking;
                    }
                    Resembles::Whole | Resembles::Part if !ends => {}
                    _ => {
                        out.append(&mut self.line);
                        self.place = if ends { Place::Start } else { Place::Passing };
                    }
                }
            }
            Place::Taking => {
                let room = DATA_BYTES_MAX.saturating_sub(self.line.len());
                self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
                if ends && self.end_line() {
                    self.end_event();
                    self.place = Place::Start;
                }
            }
        }
    }

    /// Returns whether the line was the blank one that ends the event.
    fn end_line(&mut self) -> bool {
        let line = self.line.trim_ascii_end();
        let blank = line.is_empty();
        if let Some(data) = line.strip_prefix(b"data:")
            && self.data.len() + data.len() < DATA_BYTES_MAX
        {
            self.data.extend_from_slice(data);
            self.data.push(b'\n');
        }
        self.line.clear();
        blank
    }

    fn end_event(&mut self) {
        let text = String::from_utf8(std::mem::take(&mut self.data)).unwrap_or_default();
        if self.found.len() < EVENTS_MAX && !text.trim().is_empty() {
            self.found.push(text.trim().to_owned());
        }
    }
}

/// The events that an app told: one JSON object, or several parted by commas, as a header that is there twice is joined.
/// `type` and `ts` may be left out: a turn, now.
#[must_use]
pub fn turn_texts(told: &str, now: UtcMillis) -> Vec<String> {
    let list = format!("[{told}]");
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(&list) else { return vec![told.to_owned()] };
    items.into_iter().map(|item| completed(item.get(), now)).collect()
}

fn completed(text: &str, now: UtcMillis) -> String {
    #[derive(serde::Deserialize)]
    struct Known {
        #[serde(rename = "type")]
        kind: Option<IgnoredAny>,
        ts: Option<IgnoredAny>,
    }
    let Ok(known) = serde_json::from_str::<Known>(text) else { return text.to_owned() };
    let Some(members) = text.strip_prefix('{') else { return text.to_owned() };
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    let kind = if known.kind.is_none() { "\"type\":\"turn\"" } else { "" };
    let ts = if known.ts.is_none() { format!("\"ts\":\"{}\"", now.to_rfc3339()) } else { String::new() };
    let between = if kind.is_empty() || ts.is_empty() { "" } else { "," };
    if kind.is_empty() && ts.is_empty() { text.to_owned() } else { format!("{{{kind}{between}{ts}{comma}{members}") }
}

#[derive(PartialEq, Eq)]
enum Resembles {
    /// The event's first line.
    Whole,
    /// What may become it.
    Part,
    Nothing,
}

fn resembles(line: &[u8]) -> Resembles {
    const FIELD: &[u8] = b"event:";
    const NAME: &[u8] = b"sage-turn";
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let begins =
        |text: &[u8], whole: &[u8]| whole.get(..text.len()).is_some_and(|part| part.eq_ignore_ascii_case(text));
    let Some((field, rest)) = line.split_at_checked(FIELD.len()) else {
        return if begins(line, FIELD) { Resembles::Part } else { Resembles::Nothing };
    };
    let name = rest.strip_prefix(b" ").unwrap_or(rest);
    if !field.eq_ignore_ascii_case(FIELD) || !begins(name, NAME) {
        return Resembles::Nothing;
    }
    if name.len() == NAME.len() { Resembles::Whole } else { Resembles::Part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(stream: &str, cut: usize) -> (String, Vec<String>) {
        let (mut filter, mut out) = (TurnEvents::default(), Vec::new());
        for part in stream.as_bytes().chunks(cut) {
            out.extend(filter.push(part).unwrap_or_else(|| part.to_vec()));
        }
        out.extend(filter.take_rest());
        (String::from_utf8(out).unwrap(), filter.finish())
    }

    #[test]
    fn the_turn_is_taken_out_wherever_the_stream_is_cut() {
        let before =
            "event: token\ndata: {\"text\":\"é event: Sage-Turn\"}\n\nevent: Sage-Turnip\ndata: 1\n\n: ping\n\n";
        let turn = "event: Sage-Turn\ndata: {\"provider\":\"openai\",\ndata: \"model\":\"gpt-4o\"}\n\n";
        let after = "data: [DONE]\n\n";
        for line_end in ["\n", "\r\n"] {
            let [before, turn, after] = [before, turn, after].map(|text| text.replace('\n', line_end));
            let stream = [before.as_str(), &turn, &after].concat();
            for cut in 1..=stream.len() {
                let (passed, found) = pass(&stream, cut);
                assert_eq!(passed, [before.as_str(), &after].concat(), "{cut}");
                assert_eq!(found, ["{\"provider\":\"openai\",\n \"model\":\"gpt-4o\"}"]);
            }
        }
    }

    #[test]
    fn without_a_turn_every_byte_passes() {
        for stream in [
            "",
            "e",
            "event",
            "event: ",
            "event: sage-tur",
            "eventual\n\nevent: x\n\n",
            "\n\n\n",
            "data: x",
            "\r\n\r\n",
        ] {
            for cut in 1..=stream.len().max(1) {
                assert_eq!(pass(stream, cut), (stream.to_owned(), Vec::new()));
            }
        }
    }

    #[test]
    fn a_turn_at_the_very_end_needs_no_blank_line() {
        let (passed, found) = pass("data: a\n\nevent:SAGE-TURN\ndata:{}", 4);
        assert_eq!((passed.as_str(), found), ("data: a\n\n", vec!["{}".to_owned()]));
    }

    #[test]
    fn nothing_waits_but_what_may_be_a_turn() {
        let mut filter = TurnEvents::default();
        assert_eq!(filter.push(b"data: partial"), Some(b"data: partial".to_vec()));
        assert_eq!(filter.push(b" line"), Some(b" line".to_vec()));
        assert_eq!(filter.push(b"\nev"), Some(b"\n".to_vec()));
        assert_eq!(filter.push(b"il"), Some(b"evil".to_vec()));
    }

    #[test]
    fn an_endless_turn_does_not_fill_memory() {
        let mut filter = TurnEvents::default();
        filter.push(b"event: sage-turn\ndata: ");
        for _ in 0..100 {
            assert_eq!(filter.push(&[b'x'; 10_000]), Some(Vec::new()));
        }
        assert!(filter.line.len() <= DATA_BYTES_MAX && filter.data.len() <= DATA_BYTES_MAX);
        filter.push(b"\n\n");
        for _ in 0..100 {
            filter.push(b"event: sage-turn\ndata: {}\n\n");
        }
        assert!(filter.finish().len() <= EVENTS_MAX);
    }

    #[test]
    fn what_the_app_told_becomes_events() {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03.120Z").unwrap();
        let texts = |told: &str| turn_texts(told, now);
        let whole = r#"{"ts":"2026-01-01T00:00:00Z","type":"turn","model":"m"}"#;
        assert_eq!(texts(whole), [whole]);
        assert_eq!(
            texts(r#"{"model":"m"}, {"ts":"2026-01-01T00:00:00Z"}"#),
            [
                r#"{"type":"turn","ts":"2026-11-21T18:56:03.120Z","model":"m"}"#,
                r#"{"type":"turn","ts":"2026-01-01T00:00:00Z"}"#
            ]
        );
        assert_eq!(texts("{}"), [r#"{"type":"turn","ts":"2026-11-21T18:56:03.120Z"}"#]);
        for broken in ["{", "hello", "7"] {
            assert_eq!(texts(broken), [broken]);
        }
    }
}
