//! Hides from a caller what only Sage asked for: in a chat stream the last chunk, which holds usage and no choice, and
//! `"usage":null` in all others.

/// Passes a stream on without the usage that the caller did not ask for. Whole events pass at once; the start of one waits
/// for its end.
#[derive(Debug, Default)]
pub struct UsageChunk {
    /// The start of an event.
    pending: Vec<u8>,
    /// Up to where no event of it ends.
    looked_at: usize,
}

/// Longest event that is looked at; a longer one passes as it is.
const EVENT_BYTES_MAX: usize = 1 << 20;

impl UsageChunk {
    /// Takes the next bytes, cut anywhere. Returns those that the caller gets now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(self.pending.len());
        while let Some(length) = self.event_length() {
            let rest = self.pending.split_off(length.min(self.pending.len()));
            let event = std::mem::replace(&mut self.pending, rest);
            self.looked_at = 0;
            out.extend(without_usage(event));
        }
        if self.pending.len() > EVENT_BYTES_MAX {
            out.append(&mut self.pending);
            self.looked_at = 0;
        }
        out
    }

    /// The stream is over: what is left.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.pending
    }

    /// Bytes up to the end of the first event, its blank line included; `None` while that is not there. Lines end in LF or
    /// CRLF; an event of other lines passes as it is, once it is too long or the stream over.
    fn event_length(&mut self) -> Option<usize> {
        let ends = [&b"\n\n"[..], b"\n\r\n"];
        // The end may have begun in what was looked at before.
        let from = self.looked_at.saturating_sub(2);
        let unseen = self.pending.get(from..)?;
        let end = |end: &[u8]| Some(unseen.windows(end.len()).position(|window| window == end)? + end.len());
        let length = ends.into_iter().filter_map(end).min().map(|length| from + length);
        self.looked_at = self.pending.len();
        length
    }
}

/// The event as the caller gets it; empty where it holds nothing else than usage.
fn without_usage(event: Vec<u8>) -> Vec<u8> {
    const NAME: &[u8] = b"\"usage\"";
    if !event.windows(NAME.len()).any(|window| window == NAME) {
        return event;
    }
    let Some((range, is_null)) = usage_member(&event) else { return event };
    if is_null {
        return [event.get(..range.start).unwrap_or_default(), event.get(range.end..).unwrap_or_default()].concat();
    }
    if has_no_choice(&event) { Vec::new() } else { event }
}

/// Is it a chunk without a choice, which comes only with usage?
fn has_no_choice(event: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Chunk {
        choices: Vec<serde::de::IgnoredAny>,
    }
    data(event)
        .and_then(|data| serde_json::from_slice::<Chunk>(data).ok())
        .is_some_and(|chunk| chunk.choices.is_empty())
}

/// The data of an event of one line.
fn data(event: &[u8]) -> Option<&[u8]> {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| line.strip_prefix(b"data:"));
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

/// Where the member `usage` of the chunk stands, with the comma that parts it, and whether it is `null`.
fn usage_member(event: &[u8]) -> Option<(std::ops::Range<usize>, bool)> {
    let (mut depth, mut at, mut comma) = (0_i32, 0, None);
    while let Some(byte) = event.get(at) {
        match byte {
            b'"' => {
                let end = string_end(event, at)?;
                if depth == 1 && event.get(at..end) == Some(b"\"usage\"") {
                    let colon = skip_space(event, end);
                    if event.get(colon) == Some(&b':') {
                        let value = skip_space(event, colon + 1);
                        let is_null = event.get(value..)?.starts_with(b"null");
                        let mut range = comma.unwrap_or(at)..value + 4;
                        if comma.is_none() {
                            let next = skip_space(event, range.end);
                            range.end = if event.get(next) == Some(&b',') { next + 1 } else { range.end };
                        }
                        return Some((range, is_null));
                    }
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 1 => comma = Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The position after the string that starts at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(stream: &str, cut: usize) -> String {
        let mut filter = UsageChunk::default();
        let mut out = Vec::new();
        for part in stream.as_bytes().chunks(cut) {
            out.extend(filter.push(part));
        }
        out.extend(filter.finish());
        String::from_utf8(out).unwrap()
    }

    const ASKED: &str = concat!(
        "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\":null, or \\u00e9 é\"}}],\"usage\":null,\"obfuscation\":\"x\"}\n\n",
        ": keep-alive\n\n",
        "data: {\"id\": \"c\", \"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}], \"usage\": null}\n\n",
        "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );
    const PLAIN: &str = concat!(
        "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\":null, or \\u00e9 é\"}}],\"obfuscation\":\"x\"}\n\n",
        ": keep-alive\n\n",
        "data: {\"id\": \"c\", \"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn what_was_not_asked_for_is_not_seen_wherever_the_stream_is_cut() {
        for cut in 1..=ASKED.len() {
            assert_eq!(pass(ASKED, cut), PLAIN, "{cut}");
            let with_returns = |text: &str| text.replace('\n', "\r\n");
            assert_eq!(pass(&with_returns(ASKED), cut), with_returns(PLAIN), "{cut}");
        }
    }

    #[test]
    fn usage_beside_a_choice_and_everything_else_stays() {
        for stream in [
            "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\n",
            "data: {\"choices\":[{\"usage\":null}]}\n\n",
            "data: {\"usage\n\n",
            "\n\n\nevent: x\ndata: y\n\ndata: tail without end",
            "data: {\"usage\":7,\"choices\":1}\n\n",
        ] {
            for cut in 1..=stream.len() {
                assert_eq!(pass(stream, cut), stream, "{cut}");
            }
        }
        assert_eq!(pass("data: {\"usage\":null,\"choices\":[1]}\n\n", 3), "data: {\"choices\":[1]}\n\n");
        assert_eq!(pass("data: {\"usage\":null}\n\n", 3), "data: {}\n\n");
    }

    #[test]
    fn whole_events_do_not_wait() {
        let mut filter = UsageChunk::default();
        assert_eq!(filter.push(b"data: 1\n\ndata: 2"), b"data: 1\n\n");
        assert_eq!(filter.push(b"\n\n"), b"data: 2\n\n");
        let long = vec![b'x'; EVENT_BYTES_MAX + 1];
        assert_eq!(filter.push(&long).len(), long.len());
    }
}
