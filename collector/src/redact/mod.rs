//! Text without what is personal in it: every address, number or key of a person is replaced by its type.
//!
//! Scanners look for what each type hangs on (an at sign, a run of digits, a colon, the start of a word), read a bounded
//! stretch around it, and check what can be checked. So the time is linear in the text, whatever the text is. The `regex`
//! crate would take 128 KiB of the Worker and `phonenumber` 505.
//!
//! Names and free descriptions of a person are not recognised.

mod address;
mod birth;
mod card;
mod context;
mod crypto;
mod email;
mod groups;
mod iban;
mod ip;
mod national;
mod number;
mod phone;
mod secret;
mod tells;
mod url;
mod view;
mod words;

use std::cmp::Reverse;

use context::Context;
use schemas::Redacted;
use schemas::order;
use view::{View, is_alphanumeric, is_word};

/// What was found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// E-mail address.
    Email,
    /// Phone number.
    Phone,
    /// Payment card.
    Card,
    /// Bank account, ISO 13616.
    Iban,
    /// US social security number.
    Ssn,
    /// Any other national identity number, passport or licence.
    NationalId,
    /// IPv4 or IPv6 address or network.
    Ip,
    /// Hardware address.
    Mac,
    /// Link that carries a secret.
    Url,
    /// Key, token or password.
    Secret,
    /// Address of a crypto currency.
    Crypto,
    /// Date of birth.
    Birth,
    /// Postal address.
    Address,
}

impl Kind {
    /// The name that stands in brackets in place of what was found.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Card => "CARD",
            Self::Iban => "IBAN",
            Self::Ssn => "SSN",
            Self::NationalId => "NATIONAL_ID",
            Self::Ip => "IP",
            Self::Mac => "MAC",
            Self::Url => "URL",
            Self::Secret => "SECRET",
            Self::Crypto => "CRYPTO",
            Self::Birth => "DATE_OF_BIRTH",
            Self::Address => "ADDRESS",
        }
    }
}

/// Something personal and where it stands: bytes of the text, `start` to before `end`, at characters' bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// First byte after.
    pub end: usize,
}

/// A candidate: positions in the view, and how certain it is.
#[derive(Clone, Copy, Debug)]
struct Hit {
    kind: Kind,
    start: usize,
    end: usize,
    rank: u8,
}

impl Hit {
    /// Of two that overlap the more certain goes first, then the longer, then the earlier.
    fn certainty(&self) -> (u8, usize, Reverse<usize>) {
        (self.rank, self.end - self.start, Reverse(self.start))
    }

    fn beats(&self, other: &Self) -> bool {
        self.certainty() > other.certainty()
    }
}

/// What is personal in a text, in order, without overlaps.
///
/// What a first reading replaces can bare more to a second (a number that hung on another one stands alone then): it reads
/// until nothing is found, so that a redacted text, redacted again, stays as it is.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    const READINGS_MAX: usize = 6;
    let mut found = read(text);
    // Which of them the last reading found.
    let mut fresh = vec![true; found.len()];
    for _ in 1..READINGS_MAX {
        if found.is_empty() {
            break;
        }
        let (redacted, offsets) = replace(text, &found);
        let more = read_around(&redacted, offsets.iter().skip(1).zip(&fresh).filter(|(_, fresh)| **fresh));
        if more.is_empty() {
            break;
        }
        let count = found.len();
        fresh.clear();
        let mut known = std::mem::take(&mut found).into_iter().enumerate().peekable();
        for more in more {
            // Which untouched stretch it lies in: what reaches into a placeholder is nothing.
            let at = offsets.partition_point(|(redacted, _)| *redacted <= more.start).saturating_sub(1);
            while let Some((_, before)) = known.next_if(|(index, _)| *index < at) {
                found.push(before);
                fresh.push(false);
            }
            let Some((redacted, source)) = offsets.get(at) else { continue };
            let (start, end) = (more.start - redacted + source, more.end - redacted + source);
            if end <= known.peek().map_or(text.len(), |(_, next)| next.start) {
                found.push(Found { kind: more.kind, start, end });
                fresh.push(true);
            }
        }
        found.extend(known.map(|(_, found)| found));
        fresh.resize(found.len(), false);
        if found.len() == count {
            break;
        }
    }
    found
}

/// Reads a redacted text again around what stands for something found: further away it reads as it did before.
///
/// Takes where the placeholders end. Reads all where that is not much more, or where something reaches beyond.
fn read_around<'a>(text: &str, placeholders: impl Iterator<Item = (&'a (usize, usize), &'a bool)>) -> Vec<Found> {
    /// A key with a check, the words before it that may tell of it, and a placeholder.
    const BEFORE_CHARS: usize = 184;
    const AFTER_CHARS: usize = 120;
    /// How far from a window's ends words tell, and numbers hang together.
    const EDGE_CHARS: (usize, usize) = (80, 56);
    let bytes = if text.is_ascii() { 1 } else { 3 };
    let edge = (EDGE_CHARS.0 * bytes, EDGE_CHARS.1 * bytes);
    let mut windows: Vec<(usize, usize)> = Vec::new();
    let mut sum = 0;
    for ((at, _), _) in placeholders {
        let start = text.floor_char_boundary(at.saturating_sub(BEFORE_CHARS * bytes));
        let end = text.ceil_char_boundary(at + AFTER_CHARS * bytes);
        match windows.last_mut() {
            Some(last) if start <= last.1 => {
                sum += end - last.1;
                last.1 = end;
            }
            _ => {
                sum += end - start;
                windows.push((start, end));
            }
        }
    }
    if sum > text.len() / 4 * 3 {
        return read(text);
    }
    let mut found = Vec::new();
    for (from, to) in windows {
        for hit in read(text.get(from..to).unwrap_or_default()) {
            let hit = Found { start: hit.start + from, end: hit.end + from, ..hit };
            if from > 0 && hit.start < from + edge.0 {
                continue;
            }
            if to < text.len() && hit.end + edge.1 > to {
                if hit.start + edge.1 > to {
                    continue;
                }
                return read(text);
            }
            found.push(hit);
        }
    }
    found
}

/// The text with everything that was found replaced, and where its untouched stretches lie: (in it, in the source).
fn replace(text: &str, found: &[Found]) -> (String, Vec<(usize, usize)>) {
    let mut redacted = String::with_capacity(text.len());
    let mut offsets = vec![(0, 0)];
    let mut from = 0;
    for found in found {
        redacted.push_str(text.get(from..found.start).unwrap_or_default());
        redacted.push('[');
        redacted.push_str(found.kind.name());
        redacted.push(']');
        from = found.end;
        offsets.push((redacted.len(), from));
    }
    redacted.push_str(text.get(from..).unwrap_or_default());
    (redacted, offsets)
}

fn read(text: &str) -> Vec<Found> {
    let view = View::new(text);
    let context = Context::read(&view);
    let mut hits = Vec::new();
    number::scan(&view, &context, &mut hits);
    signs(&view, &context, &mut hits);
    secret::scan(&view, &context, &mut hits);
    address::scan(&view, &context, &mut hits);
    birth::scan(&view, &context, &mut hits);
    let kept = settle(hits, &view);
    kept.iter()
        .map(|hit| {
            let (start, end) = view.source_range(hit.start, hit.end);
            Found { kind: hit.kind, start, end }
        })
        .collect()
}

/// What hangs on signs and on words.
fn signs(view: &View<'_>, context: &Context, hits: &mut Vec<Hit>) {
    let (mut email_end, mut colon_end, mut url_end, mut digit) = (0, 0, 0, 0);
    let bytes: &[u8] = &view.bytes;
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'@' => {
                let hit = email::at(view, i, email_end);
                email_end = hit.map_or(email_end, |hit| hit.end);
                hits.extend(hit);
            }
            b':' if view.at(i + 1) == b'/' && view.at(i + 2) == b'/' => {
                if i >= url_end {
                    let (end, hit) = url::at(view, i);
                    url_end = end;
                    hits.extend(hit);
                }
                i += 2;
            }
            b':' if i >= colon_end => colon_end = ip::colons(view, context, i, hits),
            b'=' if view.at(i + 1) == b'=' => hits.extend(secret::base64_end(view, i)),
            byte if is_alphanumeric(*byte) && (i == 0 || !bytes.get(i - 1).is_some_and(|byte| is_word(*byte))) => {
                let (end, digits) = view.word_end(i);
                // Most numbers of a text.
                let next = bytes.get(end).copied().unwrap_or(0);
                if digits == end - i && digits < PLAIN_DIGITS_MIN && !(next == b':' || next == b'-' || next == b'.') {
                    i = end;
                    continue;
                }
                if digits == 0 && digit < i {
                    digit = view.skip_all(i, |byte| !byte.is_ascii_digit());
                }
                let near = digits > 0 || digit <= end + DIGIT_CHARS_MAX || is_header(view, i, end);
                let hit = if near { word(view, context, i, end, digits) } else { None };
                i = hit.map_or(end, |hit| hit.end.max(end));
                hits.extend(hit);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
}

/// Fewest digits in one that can be more than a number: an address of a crypto currency.
const PLAIN_DIGITS_MIN: usize = 26;

/// How far behind a word its first digit stands where the word begins a key, an account or an address.
const DIGIT_CHARS_MAX: usize = 44;

/// The one secret without a digit near its beginning: `-----BEGIN RSA PRIVATE KEY-----`.
fn is_header(view: &View<'_>, start: usize, end: usize) -> bool {
    view.before(start) == b'-' && view.slice(start, end) == b"BEGIN"
}

/// What a word is, or begins; `digits` of its characters are digits.
fn word(view: &View<'_>, context: &Context, start: usize, end: usize, digits: usize) -> Option<Hit> {
    let text = view.slice(start, end);
    let next = view.at(end);
    let digits = digits > 0 && (text.len() <= 128 || text.iter().take(128).any(u8::is_ascii_digit));
    if !digits && !matches!(next, b'-' | b'_' | b'.' | b'~' | b' ') {
        return None;
    }
    if let Some(hit) = secret::at(view, start, end) {
        return Some(hit);
    }
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters == 2
        && digits
        && let Some(hit) = iban::at(view, start)
    {
        return Some(hit);
    }
    if (text.len() == 2 && next == b'-' || text.len() == 4 && next == b'.')
        && let Some(hit) = ip::mac(view, context, start)
    {
        return Some(hit);
    }
    if digits
        && text.len() >= crypto::CHARS_MIN
        && let Some(hit) = crypto::token(view, context, start, end)
    {
        return Some(hit);
    }
    let spaced = letters == 2 && text.len() == 2 && next == b' ' && view.at(end + 1).is_ascii_digit();
    let person = (digits && letters < text.len() || spaced) && text.len() <= 20;
    if person { national::token(view, context, start, end) } else { None }
}

/// The hits in order, without overlaps: the surest takes its span first, and every other keeps what is left of its own, so
/// that nothing that was found survives in part.
fn settle(mut hits: Vec<Hit>, view: &View<'_>) -> Vec<Hit> {
    if !hits.is_sorted_by_key(|hit| hit.start) {
        sort(&mut hits, true);
    }
    let mut kept = Vec::with_capacity(hits.len());
    let mut rest = hits.as_mut_slice();
    // Those that overlap stand together, and few do.
    while let Some(first) = rest.first() {
        let mut end = first.end;
        let alike = rest.iter().skip(1).take_while(|hit| {
            let overlaps = hit.start < end;
            end = end.max(hit.end);
            overlaps
        });
        let count = 1 + alike.count();
        let Some((alike, others)) = rest.split_at_mut_checked(count) else { break };
        match alike {
            [one] => kept.push(*one),
            _ => settle_overlapping(alike, view, &mut kept),
        }
        rest = others;
    }
    kept
}

/// In the text's order, or the surest first. One sort for both, because a sort's code is large.
fn sort(hits: &mut [Hit], by_place: bool) {
    order::by_key(hits, |hit| {
        let place = hit.start as u64;
        if by_place {
            (0, place)
        } else {
            (u8::MAX - hit.rank, u64::from(u32::MAX - (hit.end - hit.start) as u32) << 32 | place)
        }
    });
}

fn settle_overlapping(hits: &mut [Hit], view: &View<'_>, kept: &mut Vec<Hit>) {
    sort(hits, false);
    // A look at every character: hits are short, and a map of what is taken takes ten times as long.
    let from = hits.iter().map(|hit| hit.start).min().unwrap_or(0);
    let mut taken: Vec<bool> = Vec::new();
    let first = kept.len();
    for hit in hits {
        let mut start = hit.start;
        while start < hit.end {
            let rest = taken.get(start - from..).unwrap_or_default();
            let rest = rest.get(..hit.end - start).unwrap_or(rest);
            let free = rest.iter().position(|taken| *taken).unwrap_or(hit.end - start);
            let end = start + free;
            if free > 0 && (free == hit.end - hit.start || view.slice(start, end).iter().any(|byte| is_word(*byte))) {
                taken.resize(taken.len().max(end - from), false);
                taken.get_mut(start - from..end - from).unwrap_or_default().fill(true);
                kept.push(Hit { start, end, ..*hit });
            }
            let after = taken.get(end - from..).unwrap_or_default();
            start = end + after.iter().take_while(|taken| **taken).count().max(1);
        }
    }
    if let Some(kept) = kept.get_mut(first..)
        && !kept.is_sorted_by_key(|hit| hit.start)
    {
        sort(kept, true);
    }
}

/// A text that may be stored: redacted, and cut to so many characters.
#[must_use]
pub fn redact(text: &str, chars_max: usize) -> Redacted {
    let (redacted, _) = replace(text, &find(text));
    let cut = redacted.char_indices().nth(chars_max).map_or(redacted.len(), |(at, _)| at);
    let mut kept = redacted.get(..cut).unwrap_or_default();
    // Half of a placeholder says nothing.
    if cut < redacted.len()
        && let Some(open) = kept.rfind('[')
        && !kept.get(open..).unwrap_or_default().contains(']')
    {
        kept = kept.get(..open).unwrap_or_default();
    }
    Redacted::from_redactor(kept.to_owned())
}

#[cfg(test)]
#[path = "hostile_test.rs"]
mod hostile_test;
#[cfg(test)]
mod tests;
