//! Numbers written in groups, and which of them are of a person.

use super::context::{Context, tells};
use super::view::{View, is_word};
use super::{Hit, Kind, birth, card, ip, national, phone};

/// A run of digits, and how it hangs on the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What stands between the group before and this one: one of ` -./()+`; 0: they have nothing to do with each other.
    pub(super) joint: u8,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Most groups of one number.
const GROUPS_MAX: usize = 9;
/// Most digits of one number.
const DIGITS_MAX: usize = 24;

/// The groups from one on, as far as one number can reach.
#[derive(Clone, Copy)]
pub(super) struct Groups<'g>(pub(super) &'g [Group]);

impl<'g> Groups<'g> {
    pub(super) fn start(&self) -> usize {
        self.0.first().map_or(0, |group| group.start)
    }

    /// End of the first `count` groups.
    pub(super) fn end(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.0.get(last)).map_or(0, |group| group.end)
    }

    /// Lengths of the first groups that are joined by this, with the lengths of the list.
    pub(super) fn are(&self, lengths: &[usize], joint: impl Fn(u8) -> bool) -> bool {
        self.0.len() >= lengths.len()
            && self
                .0
                .iter()
                .zip(lengths)
                .enumerate()
                .all(|(i, (group, len))| group.len() == *len && (i == 0 || joint(group.joint)))
    }

    /// Are the first groups of these lengths, joined by one and the same character of a set?
    pub(super) fn are_joined(&self, lengths: &[usize], joints: &[u8]) -> bool {
        let joint = self.0.get(1).map_or(0, |group| group.joint);
        (lengths.len() == 1 || joints.contains(&joint)) && self.are(lengths, |other| other == joint)
    }

    pub(super) fn joint(&self, i: usize) -> u8 {
        self.0.get(i).map_or(0, |group| group.joint)
    }

    /// How many digits the first groups have.
    pub(super) fn count(&self, groups: usize) -> usize {
        self.0.iter().take(groups).map(Group::len).sum()
    }

    pub(super) fn digits(&self, view: &View<'_>, count: usize) -> Digits {
        let mut digits = Digits::default();
        self.0.iter().take(count).for_each(|group| digits.add(view.slice(group.start, group.end)));
        digits
    }

    pub(super) fn first(count: usize, groups: &'g [Group]) -> Self {
        Self(groups.get(..count).unwrap_or(groups))
    }
}

/// The digits of a number, as values.
#[derive(Default)]
pub(super) struct Digits {
    values: [u8; DIGITS_MAX],
    len: usize,
}

impl Digits {
    fn add(&mut self, text: &[u8]) {
        let to = self.values.get_mut(self.len..).unwrap_or_default();
        to.iter_mut().zip(text).for_each(|(to, byte)| *to = byte.wrapping_sub(b'0'));
        self.len += text.len();
    }

    /// The digits; none when there are too many for any number of a person.
    pub(super) fn all(&self) -> &[u8] {
        self.values.get(..self.len).unwrap_or_default()
    }
}

/// The value of decimal digits.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

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

/// Does the number not hang on something before it? What stands for something found is something, too.
pub(super) fn free_before(view: &View<'_>, start: usize) -> bool {
    let before = view.before(start);
    if is_word(before) || before == b'$' {
        return false;
    }
    let further = start.checked_sub(1).map_or(0, |at| view.before(at));
    let hangs = matches!(before, b'.' | b',' | b'-' | b'/' | b'+' | b'*' | b'^' | b'\\' | b'%')
        || before == b':' && further.is_ascii_digit();
    !(hangs && (is_word(further) || further == b']'))
}

/// Does the number not go on?
pub(super) fn free_after(view: &View<'_>, end: usize) -> bool {
    let (after, further) = (view.at(end), view.at(end + 1));
    if is_word(after) || after == b'%' {
        return false;
    }
    let number = matches!(after, b'.' | b',' | b'-' | b'/' | b':' | b'+' | b'*' | b'^') && further.is_ascii_digit();
    let code = after == b'-' && (further.is_ascii_alphanumeric() || further == b'[');
    !(number || code)
}

fn groups(view: &View<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut i = 0;
    while i < view.len() {
        if !view.at(i).is_ascii_digit() {
            i += 1;
            continue;
        }
        let end = view.skip_all(i, |byte| byte.is_ascii_digit());
        let joint = groups.last().map_or(0, |last| joint(view.slice(last.end, i)));
        groups.push(Group { start: i, end, joint });
        i = end;
    }
    groups
}

fn joint(gap: &[u8]) -> u8 {
    match gap {
        [only @ (b' ' | b'-' | b'.' | b'/')] => *only,
        [b'('] | [b' ' | b'-', b'('] => b'(',
        [b')'] | [b')', b' ' | b'-' | b'.' | b'/'] | [b')', b' ', b'-', b' '] => b')',
        [b' ', b'-' | b'/', b' '] => b'~',
        _ => 0,
    }
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
