//! Dates of birth: dates beside a word that says so.

use super::context::Context;
use super::groups::{Groups, free_after, free_before, value};
use super::tells;
use super::view::{IDEOGRAPH, LETTER, View, is_word};
use super::{Hit, Kind};

/// Years in which the living were born, and some after.
const YEARS: std::ops::RangeInclusive<u64> = 1890..=2039;
/// Longest word between a day and a year.
const MONTH_CHARS_MAX: usize = 14;
/// The same with what stands around it: `12th of March, 1985`.
const WORDED_CHARS_MAX: usize = MONTH_CHARS_MAX + 12;

/// A date that begins with a number: `12/03/1985`, `1985-03-12`, `12. März 1985`, `1985年3月12日`.
pub(super) fn number(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let first = number.0.first()?;
    if first.len() > 8 || context.bare || !told(context, first.start) {
        return None;
    }
    let start = first.start;
    let end = numeric(view, number).or_else(|| worded(view, number)).or_else(|| ideographic(view, start))?;
    let free = !is_word(view.before(start)) && !view.at(end).is_ascii_alphanumeric();
    free.then_some(Hit { kind: Kind::Birth, start, end, rank: 76 })
}

fn told(context: &Context, start: usize) -> bool {
    context
        .before(start)
        .find(|mark| mark.tells & (tells::BIRTH | tells::THING | tells::CARD | tells::PHONE) != 0)
        .is_some_and(|mark| mark.tells & tells::BIRTH != 0)
}

fn numeric(view: &View<'_>, number: Groups<'_>) -> Option<usize> {
    let part = |i: usize| {
        value(
            number.0.get(i).map(|group| Groups(std::slice::from_ref(group)).digits(view, 1)).unwrap_or_default().all(),
        )
    };
    let first = number.0.first()?;
    if first.len() == 8 {
        let whole = part(0);
        let day_first = (1..=31).contains(&(whole / 1_000_000))
            && (1..=12).contains(&(whole / 10_000 % 100))
            && YEARS.contains(&(whole % 10_000));
        let year_first = YEARS.contains(&(whole / 10_000))
            && (1..=12).contains(&(whole / 100 % 100))
            && (1..=31).contains(&(whole % 100));
        return (day_first || year_first).then_some(first.end);
    }
    let short = |i: usize| number.0.get(i).is_some_and(|group| group.len() <= 2) && (1..=31).contains(&part(i));
    let year = |i: usize| {
        number.0.get(i).is_some_and(|group| group.len() == 4 && YEARS.contains(&part(i)) || group.len() == 2)
    };
    let joint = number.joint(1);
    let joined = b"/.- ".contains(&joint) && number.joint(2) == joint;
    let dated = short(0) && short(1) && year(2) || first.len() == 4 && year(0) && short(1) && short(2);
    // `12. 3. 1985` is joined by two characters.
    (joined && dated && (part(0) <= 12 || part(1) <= 12 || first.len() == 4))
        .then(|| number.end(3))
        .filter(|end| free_before(view, first.start) && free_after(view, *end))
}

/// `12 March 1985`, `12th of March, 1985`, `12. März 1985`, `12 de marzo de 1985`, `12. 3. 1985`.
fn worded(view: &View<'_>, number: Groups<'_>) -> Option<usize> {
    let first = number.0.first()?;
    if first.len() > 2 {
        return None;
    }
    let between = |byte: u8| byte.is_ascii_alphabetic() || b" .,'-".contains(&byte) || byte == LETTER;
    let month = view.skip_some(first.end, WORDED_CHARS_MAX + 1, between);
    if month - first.end > WORDED_CHARS_MAX {
        return None;
    }
    let text = view.slice(first.end, month);
    let words =
        text.split(|byte| !(byte.is_ascii_alphabetic() || *byte == LETTER)).filter(|word| !word.is_empty()).count();
    if words == 0 {
        // Dots and spaces between numbers.
        let after = view.skip(month, |byte| byte.is_ascii_digit());
        let gap = view.skip(after, |byte| b". ".contains(&byte));
        return (text == b". " && after - month <= 2 && view.slice(after, gap) == b". ")
            .then(|| year_end(view, gap))
            .flatten();
    }
    (words <= 4).then(|| year_end(view, month)).flatten()
}

fn year_end(view: &View<'_>, start: usize) -> Option<usize> {
    let end = view.skip_some(start, 5, |byte| byte.is_ascii_digit());
    let year = view.slice(start, end).iter().fold(0, |sum, byte| sum * 10 + u64::from(byte.wrapping_sub(b'0')));
    (end == start + 4 && YEARS.contains(&year)).then_some(end)
}

/// `1985年3月12日`, `1985년 3월 12일`.
fn ideographic(view: &View<'_>, start: usize) -> Option<usize> {
    let mut at = start;
    for len in [4, 2, 2] {
        let end = view.skip(at, |byte| byte.is_ascii_digit());
        if end == at || end - at > len || view.at(end) != IDEOGRAPH {
            return None;
        }
        at = view.skip(end + 1, |byte| byte == b' ');
    }
    Some(view.skip(start, |byte| byte.is_ascii_digit() || byte == b' ' || byte == IDEOGRAPH).min(at))
}

/// Dates that begin with their month.
pub(super) fn scan(view: &View<'_>, context: &Context, hits: &mut Vec<Hit>) {
    let births = context.marks.iter().filter(|mark| mark.tells & tells::BIRTH != 0);
    hits.extend(births.filter_map(|mark| month_first(view, mark.end)));
}

/// A date that begins with its month, after a word that tells of birth: `March 12, 1985`.
fn month_first(view: &View<'_>, start: usize) -> Option<Hit> {
    let at = view.skip_some(start, 24, |byte| byte == b' ' || byte == b':');
    let mut word = at;
    // Up to three small words may stand between.
    for _ in 0..4 {
        let end = view
            .skip_some(word, MONTH_CHARS_MAX + 1, |byte| byte.is_ascii_alphabetic() || byte == LETTER || byte == b'.');
        let day = view.skip(end, |byte| byte == b' ');
        let after = view.skip(day, |byte| byte.is_ascii_digit());
        if end == word || end - word > MONTH_CHARS_MAX || day == end {
            return None;
        }
        if after > day {
            let ordinal = view.skip_some(after, 2, |byte| byte.is_ascii_lowercase());
            let year = view.skip_some(ordinal, 2, |byte| byte == b' ' || byte == b',');
            let dated = after - day <= 2 && year > ordinal && end - word >= 3;
            return dated.then(|| year_end(view, year)).flatten().map(|end| Hit {
                kind: Kind::Birth,
                start: word,
                end,
                rank: 76,
            });
        }
        word = day;
    }
    None
}
