//! Numbers written in groups, and which of them are of a person.

use super::context::Context;
use super::groups::{DIGITS_MAX, GROUPS_MAX, Group, Groups, free_after, free_before, groups, value};
use super::tells;
use super::view::View;
use super::{Hit, Kind, birth, card, ip, national, phone};

/// Every number of a person.
pub(super) fn scan(view: &View<'_>, context: &Context, hits: &mut Vec<Hit>) {
    let groups = groups(view);
    let mut from = 0;
    while let Some(group) = groups.get(from) {
        let rest = groups.get(from..).unwrap_or_default();
        let joined = rest.iter().skip(1).take(GROUPS_MAX - 1).take_while(|group| group.joint != 0).count() + 1;
        let number = Groups(rest.get(..joined).unwrap_or(rest));
        let found = at(view, context, number, group);
        let Some(hit) = found else {
            from += 1;
            continue;
        };
        from += rest.iter().take_while(|group| group.start < hit.end).count().max(1);
        hits.push(hit);
    }
}

fn at(view: &View<'_>, context: &Context, number: Groups<'_>, group: &Group) -> Option<Hit> {
    const ALONE_DIGITS_MIN: usize = 6;
    if number.0.len() == 1 && group.len() < ALONE_DIGITS_MIN {
        return birth::number(view, context, number);
    }
    // What hangs on a number before it is no number of its own, but the end of a range of addresses.
    match group.joint {
        b'.' => return None,
        b'-' | b'/' => return ip::v4(view, context, number),
        _ => {}
    }
    // Single digits are dates or addresses, or begin an international number.
    let single = matches!(number.0, [_, second, ..] if second.len() == 1 && second.joint != b'.');
    if single && group.len() < ALONE_DIGITS_MIN && view.before(group.start) != b'+' {
        return birth::number(view, context, number);
    }
    let mut best: Option<Hit> = None;
    let mut keep = |hit: Option<Hit>| {
        if let Some(hit) = hit
            && best.as_ref().is_none_or(|best| hit.beats(best))
        {
            best = Some(hit);
        }
    };
    // One or two digits begin a date, a phone number or an address; those ask for more themselves.
    keep(ip::v4(view, context, number));
    if group.len() > DIGITS_MAX {
        return best;
    }
    keep(phone::number(view, context, number));
    keep(birth::number(view, context, number));
    keep(card::number(view, context, number));
    keep(ssn(view, context, number));
    keep(national::number(view, context, number));
    best
}

/// A US social security number.
///
/// Areas 000, 666 and 9xx, group 00 and serial 0000 are never given out, nor is 078-05-1120 (SSA; it was printed on
/// wallets).
fn ssn(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let shaped = number.are_joined(&[3, 2, 4], b"- .");
    let groups = match () {
        () if shaped => 3,
        () if number.are_joined(&[9], b"") => 1,
        () if number.are_joined(&[3, 6], b"-") || number.are_joined(&[5, 4], b"-") => 2,
        () => return None,
    };
    let (start, end) = (number.start(), number.end(groups));
    let digits = number.digits(view, groups);
    let [a, b, c, d, e, f, g, h, i] = *digits.all() else { return None };
    let area = value(&[a, b, c]);
    let given = !matches!(area, 0 | 666 | 900..) && (d, e) != (0, 0) && (f, g, h, i) != (0, 0, 0, 0);
    let whole = value(digits.all());
    if !given || whole == 78_051_120 || digits.all().iter().all(|digit| *digit == a) {
        return None;
    }
    // Values of a table stand between commas.
    let before = free_before(view, start) || view.before(start) == b',';
    let after = free_after(view, end) || view.at(end) == b',';
    if !before || !after {
        return None;
    }
    let told = context.tells(start, end, tells::SSN);
    if shaped {
        // A phone number may be grouped so, too.
        let phone = context.nearest(start, end, tells::PHONE | tells::SSN) == tells::PHONE;
        let thing = view.slice(start, end).contains(&b'.') && context.is_thing(start, end, tells::SSN | tells::ID);
        return (!phone && !thing).then_some(Hit { kind: Kind::Ssn, start, end, rank: 72 });
    }
    (told && (whole != 123_456_789 || !context.bare)).then_some(Hit {
        kind: Kind::Ssn,
        start,
        end,
        rank: if groups == 1 { 66 } else { 72 },
    })
}
