//! Cuts a stream of server-sent events into the data of its events.
//!
//! Source: WHATWG HTML, "Interpreting an event stream": lines end in CR, LF or both; a blank line ends an event; several
//! `data` lines are joined by a line feed; a byte order mark at the start is dropped; comments and other fields tell nothing.

/// Cuts bytes into events.
#[derive(Default)]
pub(super) struct Sse {
    /// Of the present line, unless the event is passed over.
    line: Vec<u8>,
    line_bytes: usize,
    /// Of the present event.
    data: Vec<u8>,
    too_long: bool,
    after_cr: bool,
}

impl Sse {
    /// Takes the next bytes and gives the data of each event that is whole. One longer than `bytes_max` is passed over.
    pub(super) fn push(&mut self, mut bytes: &[u8], bytes_max: usize, mut give: impl FnMut(&[u8])) {
        while let Some((part, end, rest)) = split_line(bytes) {
            let second_half_of_crlf = self.after_cr && end == b'\n' && part.is_empty();
            if !second_half_of_crlf {
                self.keep(part, bytes_max);
                self.end_line(&mut give);
            }
            self.after_cr = end == b'\r';
            bytes = rest;
        }
        self.keep(bytes, bytes_max);
    }

    /// The stream is over: an event that no blank line ended is given, too.
    pub(super) fn finish(&mut self, mut give: impl FnMut(&[u8])) {
        self.end_line(&mut give);
        self.end_event(&mut give);
    }

    fn keep(&mut self, part: &[u8], bytes_max: usize) {
        self.after_cr &= part.is_empty();
        self.line_bytes = self.line_bytes.saturating_add(part.len());
        self.too_long |= self.line_bytes.saturating_add(self.data.len()) > bytes_max;
        if !self.too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, give: &mut impl FnMut(&[u8])) {
        if self.line_bytes == 0 {
            self.end_event(give);
        } else if let Some(data) = self.line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            self.data.push(b'\n');
        }
        super::buffer::clear(&mut self.line);
        self.line_bytes = 0;
    }

    fn end_event(&mut self, give: &mut impl FnMut(&[u8])) {
        if !std::mem::take(&mut self.too_long) && !self.data.is_empty() {
            give(&self.data);
        }
        super::buffer::clear(&mut self.data);
    }
}

/// The bytes before the first end of a line, that end, and the rest.
fn split_line(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let length = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let (part, rest) = bytes.split_at_checked(length)?;
    let (end, rest) = rest.split_first()?;
    Some((part, *end, rest))
}
