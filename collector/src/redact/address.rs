//! Postal addresses: a kind of street with its name and number, and what follows of the town.

use super::context::{Context, Mark};
use super::tells;
use super::view::{IDEOGRAPH, LETTER, SYMBOL, View, is_letter, is_word};
use super::{Hit, Kind};

/// Longest stretch that is read to either side of the street.
const SIDE_CHARS_MAX: usize = 48;
/// Kinds of street that are other things, too: a drive, a court.
const AMBIGUOUS: [&[u8]; 13] = [
    b"drive", b"dr", b"court", b"ct", b"place", b"pl", b"square", b"sq", b"close", b"row", b"circle", b"cir", b"grove",
];

/// Every address.
pub(super) fn scan(view: &View<'_>, context: &Context, hits: &mut Vec<Hit>) {
    for mark in &context.marks {
        let found = [
            (tells::STREET_AFTER, after_name as fn(&View<'_>, &Context, &Mark) -> Option<(usize, usize)>),
            (tells::STREET_BEFORE, before_name),
            (tells::STREET, one_word),
            (tells::PLACE, unspaced),
        ];
        let span =
            found.iter().filter(|(kind, _)| mark.tells & kind != 0).find_map(|(_, read)| read(view, context, mark));
        if let Some((start, end)) = span {
            hits.push(Hit { kind: Kind::Address, start, end: town(view, end), rank: 40 });
        }
    }
}

fn told(context: &Context, at: usize) -> bool {
    context.before(at).any(|mark| mark.tells & tells::PLACE != 0)
}

fn is_name(view: &View<'_>, at: usize) -> bool {
    view.at(at).is_ascii_uppercase() || view.at(at) == LETTER
}

/// `12 Elm Road`, `221b Baker Street`.
fn after_name(view: &View<'_>, context: &Context, mark: &Mark) -> Option<(usize, usize)> {
    let mut at = mark.start;
    let mut names = 0;
    let start = loop {
        let gap = at.checked_sub(1)?;
        if view.at(gap) != b' ' || mark.start - gap > SIDE_CHARS_MAX || names > 4 {
            return None;
        }
        let mut word = gap;
        while word > 0
            && gap - word < SIDE_CHARS_MAX
            && (is_word(view.before(word)) || b"'.-".contains(&view.before(word)))
        {
            word -= 1;
        }
        let text = view.slice(word, gap);
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let house = (1..=5).contains(&digits) && text.len() <= digits + 1;
        if house && names > 0 {
            break word;
        }
        let ordinal = digits > 0 && [&b"st"[..], b"nd", b"rd", b"th"].contains(&text.get(digits..).unwrap_or_default());
        if text.is_empty() || !(is_name(view, word) || ordinal || told(context, word) && digits == 0) {
            return None;
        }
        names += 1;
        at = word;
    };
    let end = mark.end
        + usize::from(view.at(mark.end) == b'.' && view.at(mark.end + 1) != 0 && view.at(mark.end + 1) != b'\n');
    let lower = |text: &[u8]| AMBIGUOUS.iter().any(|known| text.eq_ignore_ascii_case(known));
    let sure = is_name(view, mark.start) && !lower(view.slice(mark.start, mark.end))
        || told(context, start)
        || town(view, end) > end;
    (sure && view.starts_word(start)).then_some((start, end))
}

/// `12 rue des Lilas`, `Calle Mayor, 5`, `ул. Ленина, д. 5`.
fn before_name(view: &View<'_>, context: &Context, mark: &Mark) -> Option<(usize, usize)> {
    let told = told(context, mark.start);
    let name = view.skip_some(mark.end, 2, |byte| b". ".contains(&byte));
    if name == mark.end || !(view.at(name).is_ascii_alphabetic() || view.at(name) == LETTER) {
        return None;
    }
    if !is_named(view, name) {
        return None;
    }
    let words = view.skip(name, |byte| of_name(byte) || byte == b' ');
    let mut before = mark.start;
    while before > 0 && mark.start - before < 6 && b" ,".contains(&view.before(before)) {
        before -= 1;
    }
    let number = view.bytes.get(..before)?.iter().rev().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    if before < mark.start && (1..=5).contains(&number) && view.starts_word(before - number) {
        // The name ends at a comma or with its capitals.
        return Some((before - number, capitals(view, name)));
    }
    let end = house(view, words).filter(|_| words - name <= SIDE_CHARS_MAX)?;
    // "Sent via Outlook 365" has no town after it.
    let by = view.at(mark.start).is_ascii_lowercase() && view.has(mark.start, b"via ") && !told;
    (!by || town(view, end) > end).then_some((mark.start, end))
}

fn of_name(byte: u8) -> bool {
    is_letter(byte) || matches!(byte, b'\'' | b'-' | b'.' | b',')
}

/// Does one of the next few words begin with a capital?
fn is_named(view: &View<'_>, start: usize) -> bool {
    let mut at = start;
    for _ in 0..4 {
        if is_name(view, at) {
            return true;
        }
        at = view.skip(at, of_name);
        if view.at(at) != b' ' {
            return false;
        }
        at += 1;
    }
    false
}

/// `Hauptstraße 12a`.
fn one_word(view: &View<'_>, _: &Context, mark: &Mark) -> Option<(usize, usize)> {
    let number = mark.end + usize::from(view.at(mark.end) == b'.');
    (is_name(view, mark.start) && view.at(number) == b' ')
        .then(|| house(view, number + 1))
        .flatten()
        .map(|end| (mark.start, end))
}

/// An address without spaces after a word for it, to the end of its clause.
fn unspaced(view: &View<'_>, _: &Context, mark: &Mark) -> Option<(usize, usize)> {
    if view.at(mark.start) != IDEOGRAPH {
        return None;
    }
    let start = view.skip_some(mark.end, 3, |byte| byte == SYMBOL || b": ".contains(&byte));
    let end = view.skip_some(start, SIDE_CHARS_MAX, |byte| {
        byte == IDEOGRAPH || byte.is_ascii_alphanumeric() || b"- ".contains(&byte)
    });
    let text = view.slice(start, end);
    let numbered = text.iter().any(u8::is_ascii_digit) && text.iter().filter(|byte| **byte == IDEOGRAPH).count() >= 4;
    (numbered && text.first() == Some(&IDEOGRAPH)).then_some((start, end))
}

/// End of a house number that stands there.
fn house(view: &View<'_>, at: usize) -> Option<usize> {
    let digits = view.skip(at, |byte| byte.is_ascii_digit());
    let end = digits + usize::from(view.at(digits).is_ascii_alphabetic());
    ((1..=5).contains(&(digits - at)) && view.ends_word(end) && view.at(end) != b'%').then_some(end)
}

/// End of a name in capitals, small words between them.
fn capitals(view: &View<'_>, from: usize) -> usize {
    let (mut at, mut end) = (from, from);
    for _ in 0..6 {
        let word = view.skip(at, |byte| is_word(byte) || byte == b'\'' || byte == b'-');
        if word == at {
            break;
        }
        let small = word - at <= 3;
        if is_name(view, at) || view.slice(at, word).iter().any(u8::is_ascii_uppercase) {
            end = word;
        } else if !small {
            break;
        }
        if view.at(word) != b' ' {
            break;
        }
        at = word + 1;
    }
    end.max(view.skip(from, is_word))
}

/// End of the flat, town, state and post code that follow a street, each after a comma and in capitals or digits.
fn town(view: &View<'_>, from: usize) -> usize {
    let mut end = from;
    for _ in 0..4 {
        let comma = view.at(end) == b',' && view.at(end + 1) == b' ';
        let start = if comma {
            end + 2
        } else if view.at(end) == b' ' && view.at(end + 1).is_ascii_digit() {
            end + 1
        } else {
            break;
        };
        let (mut at, mut last) = (start, end);
        for _ in 0..4 {
            let word = view.skip(at, |byte| is_word(byte) || b"'-".contains(&byte));
            let named = is_name(view, at) || view.at(at).is_ascii_digit() || view.at(at) == b'#';
            if word == at || !named {
                break;
            }
            last = word;
            if view.at(word) != b' ' {
                break;
            }
            at = word + 1;
        }
        // A segment that goes on in small letters is a sentence.
        if last == end
            || view.at(last) == b' ' && view.at(last + 1).is_ascii_lowercase() && !view.before(last).is_ascii_digit()
        {
            break;
        }
        end = last;
    }
    end
}
