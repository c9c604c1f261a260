//! Phone numbers: E.164, and the national forms of the large markets.
//!
//! libphonenumber's tables do not fit an isolate. What a number looks like (a plus sign, a trunk zero, brackets, groups) and
//! the words beside it decide instead, with the lengths of ITU-T E.164's national numbers.

use super::context::Context;
use super::groups::{Groups, free_after, free_before, value};
use super::tells;
use super::view::{LETTER, View, is_word};
use super::{Hit, Kind};

const DIGITS_MAX: usize = 15;

/// Country codes with the fewest and most digits of their national numbers.
const COUNTRIES: &[(u16, u8, u8)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 8, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 7, 12),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 11),
    (51, 8, 9),
    (52, 10, 11),
    (53, 8, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 10),
    (84, 9, 10),
    (86, 9, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
    (212, 9, 9),
    (234, 8, 10),
    (254, 9, 9),
    (351, 9, 9),
    (352, 6, 9),
    (353, 7, 9),
    (358, 6, 11),
    (370, 8, 8),
    (380, 9, 9),
    (420, 9, 9),
    (421, 9, 9),
    (852, 8, 8),
    (880, 8, 10),
    (886, 8, 9),
    (966, 8, 9),
    (971, 8, 9),
    (972, 8, 9),
    (977, 8, 10),
];

/// Where each country code stands in the list, from one on; 0: nowhere.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const CODES: &[u8; 1000] = &{
    let mut codes = [0; 1000];
    let mut i = 0;
    while i < COUNTRIES.len() {
        codes[COUNTRIES[i].0 as usize] = i as u8 + 1;
        i += 1;
    }
    codes
};

/// The length of the country code that digits begin with, and the bounds of what follows.
fn country(digits: &[u8]) -> Option<(usize, usize, usize)> {
    let mut code = 0;
    for (digit, len) in digits.iter().zip(1..=3) {
        code = code * 10 + usize::from(*digit);
        let known = CODES.get(code).and_then(|place| COUNTRIES.get(usize::from(*place).checked_sub(1)?));
        if let Some((_, least, most)) = known {
            return Some((len, usize::from(*least), usize::from(*most)));
        }
    }
    let zones = [21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99];
    zones.contains(&value(digits.get(..2)?)).then_some((3, 7, 11))
}

pub(super) fn number(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    international(view, context, number).or_else(|| national(view, context, number))
}

/// `+49 30 1234567`, `+44 (0)20 7123 4567`, `0033 1 42 68 53 00`.
fn international(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let first = number.0.first()?;
    let plus = match view.before(first.start) {
        b'+' => Some(first.start - 1),
        b'(' if view.before(first.start - 1) == b'+' => Some(first.start - 2),
        b' ' if first.start >= 2 && view.before(first.start - 1) == b'+' && first.len() <= 3 => Some(first.start - 2),
        _ => None,
    };
    let head = view.slice(first.start, first.end);
    let (mut start, zeros) = match plus {
        Some(start) => (start, 0),
        None if head.starts_with(b"00") && head.get(2) != Some(&b'0') => (first.start, 2),
        None if head == b"011" && number.joint(1) != 0 => (first.start, 3),
        None => return None,
    };
    if view.before(start) == b'(' && number.joint(1) == b')' {
        start -= 1;
    }
    let before = view.before(start);
    if is_word(before)
        || b"+*/^".contains(&before)
        || plus.is_none() && b".,-".contains(&before) && is_word(view.before(start.saturating_sub(1)))
    {
        return None;
    }
    let told = context.nearest(start, first.end, tells::PHONE | tells::THING) == tells::PHONE;
    (1..=number.0.len().min(8)).rev().find_map(|groups| {
        let end = number.end(groups);
        let digits = number.digits(view, groups);
        let digits = digits.all().get(zeros..)?;
        let (code, least, most) = country(digits)?;
        let rest = digits.get(code..)?;
        // The trunk zero is not dialled from abroad, but to Italy.
        let trunk = usize::from(rest.first() == Some(&0) && !digits.starts_with(&[3, 9]));
        let len = rest.len() - trunk;
        let american = code != 1 || digits.first() != Some(&1) || is_american(rest) || told;
        let number = Groups::first(groups, number.0);
        // A signed decimal fraction or coordinate.
        let fraction = groups == 2 && number.joint(1) == b'.' && !told;
        let loose =
            number.0.iter().skip(1).any(|group| group.len() < 2 && !matches!(group.joint, b'(' | b')' | b' ' | b'-'));
        let grouped = groups > 1
            || told
            || zeros == 0
            || !context.is_thing(start, end, tells::PHONE) && zeros == 2 && (11..=14).contains(&digits.len());
        ((least..=most).contains(&len)
            && digits.len() <= DIGITS_MAX + trunk
            && american
            && !fraction
            && !loose
            && grouped
            && ends(view, end))
        .then_some(Hit { kind: Kind::Phone, start, end: extension(view, end), rank: 82 })
    })
}

/// North American numbers: neither area nor exchange begins with 0 or 1.
fn is_american(digits: &[u8]) -> bool {
    matches!(digits, [2..=9, 0..=8, _, 2..=9, ..])
}

/// End of an extension (`ext. 12`, `x12`) that stands there, or `end`.
fn extension(view: &View<'_>, end: usize) -> usize {
    let at = view.skip_some(end, 2, |byte| byte == b' ' || byte == b',');
    let mark = ["extension", "ext.", "ext", "x"].iter().find(|mark| view.has(at, mark.as_bytes()));
    let Some(mark) = mark else { return end };
    let from = view.skip(at + mark.len(), |byte| byte == b' ' || byte == b'.' || byte == b':');
    let stop = view.skip(from, |byte| byte.is_ascii_digit());
    if from < stop && stop - from <= 6 && from <= at + mark.len() + 2 && view.ends_word(stop) { stop } else { end }
}

/// Does the number end there, or go on in an extension?
fn ends(view: &View<'_>, end: usize) -> bool {
    free_after(view, end) || extension(view, end) > end
}

struct Shape {
    groups: usize,
    rank: u8,
    /// It takes a word to tell it from other numbers.
    needs_word: bool,
}

fn national(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let first = number.0.first()?;
    let bracket = view.before(first.start) == b'(' && number.joint(1) == b')';
    let start = first.start - usize::from(bracket);
    let silent = context.is_silent(start, number.end(number.0.len()));
    let shape = shape(view, number, bracket, silent)?;
    let end = number.end(shape.groups);
    // A hyphenated number may be glued to the word before it.
    let glued = view.before(start).is_ascii_lowercase() && number.joint(1) == b'-' && shape.groups >= 3;
    let word = view.before(start) == LETTER;
    if !glued && (!free_before(view, start) || word) || !ends(view, end) || view.before(start) == b'#' {
        return None;
    }
    let rivals = tells::PHONE | tells::CARD | tells::SSN | tells::ID | tells::ID_WEAK | tells::THING | tells::VERSION;
    let nearest = context.nearest(start, end, rivals);
    let told = nearest & tells::PHONE != 0;
    let thing = nearest & (tells::THING | tells::ID_WEAK | tells::VERSION | tells::CARD) != 0 && !told;
    let numbered = nearest == 0 && context.nearest(start, end, tells::NUMBER) != 0;
    let digits = number.count(shape.groups);
    let asks = shape.needs_word && !(told || numbered && (9..=11).contains(&digits));
    if asks || thing && !bracket {
        return None;
    }
    let rank = if told { shape.rank + 12 } else { shape.rank };
    Some(Hit { kind: Kind::Phone, start, end: extension(view, end), rank })
}

fn shape(view: &View<'_>, number: Groups<'_>, bracket: bool, silent: bool) -> Option<Shape> {
    let first = number.0.first()?;
    let head = view.slice(first.start, first.end);
    let joint = number.joint(1);
    let sure = |groups: usize| Some(Shape { groups, rank: 62, needs_word: false });
    let weak = |groups: usize| Some(Shape { groups, rank: 50, needs_word: true });
    let digits = |groups: usize| number.digits(view, groups);
    let any = |joint: u8| b" -.)".contains(&joint);
    // A country code without its plus sign: 91-415-555-0132, 1 (415) 555-0132.
    if first.len() <= 3
        && number.are(&[first.len(), 3, 3, 4], |joint| b" -.()".contains(&joint))
        && head.first() != Some(&b'0')
    {
        let number = digits(4);
        let (code, ..) = country(number.all())?;
        let american = is_american(number.all().get(first.len()..).unwrap_or_default());
        if code == first.len() && american && (joint != b' ' || head == b"1") {
            return sure(4);
        }
    }
    // The trunk zero apart: 0 (532) 123 45 67.
    if head == b"0" && (joint == b'(' || number.are(&[1, 3, 3, 2, 2], |other| other == joint) && b" -".contains(&joint))
    {
        let most = number.0.iter().skip(2).take(4).take_while(|group| b" -)".contains(&group.joint)).count() + 2;
        let count = (3..=most).rev().find(|groups| (10..=11).contains(&number.count(*groups)))?;
        return sure(count);
    }
    // Russia within: 8 (912) 345-67-89.
    if head == b"8" && number.are(&[1, 3, 3, 2, 2], |joint| b" -()".contains(&joint)) {
        return sure(5);
    }
    if number.are(&[3, 3, 4], any) {
        let american = is_american(digits(3).all());
        let round = joint == b' ' && digits(3).all().get(5) == Some(&0) && digits(3).all().get(2) == Some(&0);
        return if american && !round || bracket {
            sure(3)
        } else {
            weak(3).filter(|_| head.first() != Some(&b'0')).or_else(|| trunk(view, number))
        };
    }
    if number.are_joined(&[3, 3, 2, 2], b" -") && matches!(head, [b'2'..=b'9', ..]) {
        return sure(4);
    }
    if let Some(shape) = trunk(view, number) {
        return Some(shape);
    }
    // Brazil: 11 98456-5666, (11) 3456-7890; Mexico: (55) 1234 5678.
    if number.are(&[2, 5, 4], any) || number.are(&[2, 4, 4], any) {
        let dash = number.joint(2) == b'-' && joint != b'-';
        return if bracket || dash { sure(3) } else { weak(3) };
    }
    // China: 138-1234-5678.
    let chinese = matches!(head, [b'1', b'3'..=b'9', _, ..]);
    if chinese && (number.are_joined(&[3, 4, 4], b" -") || number.are_joined(&[11], b"")) {
        let own = Shape { groups: if first.len() == 11 { 1 } else { 3 }, rank: 58, needs_word: false };
        return Some(own);
    }
    // Anything of a phone number's length beside a word that says so.
    if silent {
        return None;
    }
    let most =
        number.0.iter().skip(1).take(5).take_while(|group| b" -./)".contains(&group.joint) && group.len() >= 2).count()
            + 1;
    let count = (1..=most).rev().find(|groups| {
        let len = number.count(*groups);
        let whole = *groups == 1 || number.0.iter().take(*groups).all(|group| group.len() <= 8);
        let quad = number.joint(1) == b'.' && number.joint(3) == b'.';
        (7..=13).contains(&len) && whole && !quad && !is_date(view, number, *groups)
    })?;
    if head.starts_with(b"00") {
        return None;
    }
    weak(count)
}

/// A number with the trunk zero of most of the world: 020 7123 4567, 01 42 68 53 00, 09-7625400, (030) 1234567.
fn trunk(view: &View<'_>, number: Groups<'_>) -> Option<Shape> {
    let first = number.0.first()?;
    let head = view.slice(first.start, first.end);
    if !matches!(head, [b'0', b'1'..=b'9', ..]) {
        return None;
    }
    if first.len() >= 10 {
        // Mobile numbers are the ones that people write in one.
        let mobile = matches!(head, [_, b'4'..=b'9', ..] | [_, b'1', b'0' | b'5'..=b'7', ..]) && first.len() <= 12;
        let counting = head.windows(2).all(|two| matches!(two, [a, b] if *b == a + 1));
        return (first.len() <= 12 && !counting).then_some(Shape { groups: 1, rank: 55, needs_word: !mobile });
    }
    if !(2..=5).contains(&first.len()) {
        return None;
    }
    let joint = number.joint(2);
    let most = number
        .0
        .iter()
        .skip(1)
        .take(5)
        .enumerate()
        .take_while(|(i, group)| {
            let joins = b" -.)/~".contains(&group.joint);
            joins
                && (*i == 0 || group.joint == joint || b" -".contains(&group.joint) && b" -".contains(&joint))
                && (2..=8).contains(&group.len())
        })
        .count()
        + 1;
    let pairs = number.0.iter().take_while(|group| group.len() == 2).count();
    (2..=most).rev().find_map(|groups| {
        let len = number.count(groups);
        // A list of pairs is longer than a French number.
        let list = groups == pairs && (groups != 5 || number.joint(0) == joint) || groups == 5 && pairs > 5;
        let ssn = number.are(&[3, 2, 4], |_| true) && groups == 3;
        let long = (9..=12).contains(&len) && !ssn && !list && !is_date(view, number, groups);
        long.then_some(Shape { groups, rank: 60, needs_word: number.joint(1) == b'.' && groups == 2 })
    })
}

/// Three groups that are a day, or begin with one.
fn is_date(view: &View<'_>, number: Groups<'_>, groups: usize) -> bool {
    if groups < 3 {
        return false;
    }
    let part =
        |i: usize| number.0.get(i).map_or(0, |group| value(Groups(std::slice::from_ref(group)).digits(view, 1).all()));
    let joined = number.joint(1) == number.joint(2) && b"-./".contains(&number.joint(1));
    let year_first = number.are(&[4, 2, 2], |_| true) && (1..=12).contains(&part(1)) && part(2) <= 31;
    let year_last =
        number.are(&[2, 2, 4], |_| true) && part(0) <= 31 && part(1) <= 31 && (1900..=2100).contains(&part(2));
    joined && (year_first || year_last)
}
