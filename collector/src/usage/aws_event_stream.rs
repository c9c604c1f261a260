//! Cuts AWS' binary event stream (`application/vnd.amazon.eventstream`) into messages.
//!
//! A message: total length and length of headers (4 bytes each, big-endian), CRC-32 of those 8 bytes, headers, payload, CRC-32
//! of all before it. A header: length of the name (1 byte), name, type of the value (1 byte), value; type 7 is a string with a
//! length of 2 bytes. Source: Amazon Transcribe Developer Guide, "Event stream encoding"; Smithy, "Amazon Event Stream".
//! `aws-smithy-eventstream` reads the same and brings `aws-smithy-types`, `bytes` and `time` with it, for a page of code.

/// Shortest message: prelude, its checksum, the message's checksum.
const FRAME_BYTES_MIN: usize = 16;
const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;

/// Cuts bytes into messages.
#[derive(Default)]
pub(super) struct AwsEventStream {
    frame: Vec<u8>,
    /// Bytes still to come of a message that is passed over.
    passing: usize,
    broken: bool,
}

/// One message.
pub(super) struct Message<'a> {
    /// `event`, or `exception` and `error`, after which nothing comes.
    pub(super) failed: bool,
    /// Which event or exception.
    pub(super) name: &'a str,
    pub(super) payload: &'a [u8],
}

impl AwsEventStream {
    /// Takes the next bytes and gives each message that is whole. One longer than `bytes_max` is passed over; after one that
    /// is damaged nothing more is read, since its length can't be trusted.
    pub(super) fn push(&mut self, mut bytes: &[u8], bytes_max: usize, mut give: impl FnMut(&Message)) {
        while !self.broken && !bytes.is_empty() {
            if self.passing > 0 {
                let passed = self.passing.min(bytes.len());
                self.passing -= passed;
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            let Some(wanted) = self.frame_bytes() else {
                self.broken = true;
                break;
            };
            if wanted > bytes_max {
                self.passing = wanted - self.frame.len();
                self.frame.clear();
                continue;
            }
            let (part, rest) = bytes.split_at_checked(wanted - self.frame.len()).unwrap_or((bytes, &[]));
            self.frame.extend_from_slice(part);
            bytes = rest;
            if self.frame.len() == wanted && wanted > PRELUDE_BYTES {
                match message(&self.frame) {
                    Some(message) => give(&message),
                    None => self.broken = true,
                }
                super::buffer::clear(&mut self.frame);
            }
        }
    }

    /// How many bytes the message has, or its prelude while that is not whole. `None` for a prelude that is damaged.
    fn frame_bytes(&self) -> Option<usize> {
        let Some(prelude) = self.frame.first_chunk::<PRELUDE_BYTES>() else { return Some(PRELUDE_BYTES) };
        let (lengths, crc) = prelude.split_last_chunk::<CRC_BYTES>()?;
        let total = usize::try_from(number(lengths.first_chunk()?)).ok()?;
        let headers = usize::try_from(number(lengths.last_chunk()?)).ok()?;
        let fits = total >= FRAME_BYTES_MIN && headers <= total - FRAME_BYTES_MIN;
        (fits && crc32fast::hash(lengths) == number(crc)).then_some(total)
    }
}

fn number(bytes: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*bytes)
}

/// Reads a frame that is whole; `None` when it is damaged.
fn message(frame: &[u8]) -> Option<Message<'_>> {
    let (checked, crc) = frame.split_last_chunk::<CRC_BYTES>()?;
    if crc32fast::hash(checked) != number(crc) {
        return None;
    }
    let headers_bytes = usize::try_from(number(checked.get(4..8)?.first_chunk()?)).ok()?;
    let (mut headers, payload) = checked.get(PRELUDE_BYTES..)?.split_at_checked(headers_bytes)?;
    let mut message = Message { failed: false, name: "", payload };
    while let Some((length, rest)) = headers.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (value, rest) = value(rest)?;
        headers = rest;
        match (name, value) {
            (b":message-type", Some(kind)) => message.failed = kind != "event",
            (b":event-type" | b":exception-type" | b":error-code", Some(text)) => message.name = text,
            _ => {}
        }
    }
    Some(message)
}

/// A header's value, where it is a string, and what follows it.
fn value(bytes: &[u8]) -> Option<(Option<&str>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let fixed = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let text = std::str::from_utf8(value).ok().filter(|_| *kind == 7);
            return Some((text, rest));
        }
        _ => return None,
    };
    rest.get(fixed..).map(|rest| (None, rest))
}
