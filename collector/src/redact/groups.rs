//! Digits in groups: what numbers of every kind are made of.

use super::view::{View, is_word};

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
pub(super) const GROUPS_MAX: usize = 9;
/// Most digits of one number.
pub(super) const DIGITS_MAX: usize = 24;

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

pub(super) fn groups(view: &View<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let next = |from: usize| view.skip_all(from, |byte| !byte.is_ascii_digit());
    let mut start = next(0);
    while start < view.len() {
        let end = view.skip_all(start, |byte| byte.is_ascii_digit());
        let joint = groups.last().map_or(0, |last| joint(view.slice(last.end, start)));
        groups.push(Group { start, end, joint });
        start = next(end);
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
