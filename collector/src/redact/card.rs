//! Payment cards: ISO/IEC 7812.

use super::context::Context;
use super::groups::{Groups, free_after, value};
use super::tells;
use super::view::{View, is_word};
use super::{Hit, Kind};

const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;

/// A card number: 12–19 digits that pass Luhn, of an issuer's range, or beside a word that says so.
pub(super) fn number(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let start = number.start();
    let joint = number.joint(1);
    let one = number.0.first()?;
    let most = if one.len() >= DIGITS_MIN {
        1
    } else if one.len() == 4 && b"- .".contains(&joint) {
        number
            .0
            .iter()
            .skip(1)
            .take(4)
            .take_while(|group| group.joint == joint && (2..=7).contains(&group.len()))
            .count()
            + 1
    } else {
        return None;
    };
    // A decimal fraction or a part of a longer code is no card; a word glued on with a dash may stand before one.
    let before = view.before(start);
    if is_word(before) || before == b'+' || b".-".contains(&before) && b"0123456789]".contains(&view.before(start - 1))
    {
        return None;
    }
    (1..=most).rev().find_map(|groups| {
        let end = number.end(groups);
        if !(DIGITS_MIN..=DIGITS_MAX).contains(&number.count(groups))
            || !(free_after(view, end) || view.at(end) == b',')
        {
            return None;
        }
        let digits = number.digits(view, groups);
        let digits = digits.all();
        let issued = is_issued(digits);
        let told = !context.bare && context.tells(start, end, tells::CARD);
        if !(issued || told) || !luhn(digits) {
            return None;
        }
        let varied = digits.iter().any(|digit| Some(digit) != digits.first());
        // Thirteen digits from 1 on are the milliseconds of this age.
        let clock = digits.len() == 13 && digits.first() == Some(&1);
        let thing = context.is_thing(start, end, tells::CARD | tells::PHONE);
        (varied && !clock && (told || issued && !thing)).then_some(Hit { kind: Kind::Card, start, end, rank: 90 })
    })
}

/// Luhn's check (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let digit = u32::from(*digit);
            if i % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Is this range and length one that card schemes issue?
fn is_issued(digits: &[u8]) -> bool {
    let first = |count: usize| value(digits.get(..count).unwrap_or_default());
    let len = digits.len();
    match first(1) {
        1 => len == 15,
        2 => match first(4) {
            2014 | 2149 | 2131 => len == 15,
            2200..=2204 => len >= 16,
            2221..=2720 => len == 16,
            _ => false,
        },
        3 => match first(2) {
            34 | 37 => len == 15,
            30 | 36 | 38 | 39 => len >= 14,
            35 => len >= 16 && (3528..=3589).contains(&first(4)),
            _ => false,
        },
        4 => matches!(len, 13 | 16 | 18 | 19),
        5 if (51..=55).contains(&first(2)) => len == 16,
        5 | 6 => len >= DIGITS_MIN,
        8 => matches!(first(2), 81 | 82) && len >= 16,
        9 => first(4) == 9792 && len == 16,
        _ => first(4) == 1800 && len == 15,
    }
}
