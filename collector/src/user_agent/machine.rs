//! Runs compiled patterns: a backtracker that enters no state twice, so that its time is bounded by the length of the pattern
//! times the length of the text.

use super::code;

/// Longest text that is looked at, bytes. Longer than any User-Agent of uap-core's own lists, which end at 492.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;

const UNSET: u16 = u16::MAX;

/// The classes of characters that patterns name.
#[derive(Clone, Copy)]
pub(super) struct Classes<'a>(pub(super) &'a [u8]);

impl Classes<'_> {
    /// Is the character that begins with `byte` in the class?
    fn has(&self, class: u8, byte: u8) -> bool {
        let at = usize::from(class.wrapping_sub(code::CLASS)) * code::CLASS_BYTES + usize::from(byte.min(128) >> 3);
        self.0.get(at).is_some_and(|bits| bits >> (byte.min(128) & 7) & 1 == 1)
    }
}

/// Where a match and its groups 1 to 5 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    slots: [u16; code::SLOTS],
    /// Bytes of the whole match.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Groups {
    /// Group `number`, from 1; `None` where it took no part.
    pub(super) fn get<'t>(&self, text: &'t str, number: usize) -> Option<&'t str> {
        let at = number.checked_sub(1)? * 2;
        let (start, end) = (*self.slots.get(at)?, *self.slots.get(at + 1)?);
        text.get(usize::from(start)..usize::from(end))
    }
}

/// What to try when the way taken leads nowhere.
enum Frame {
    /// The next of several ways.
    Way { code: u16, at: u16 },
    /// A slot's former value.
    Slot { slot: u8, was: u16 },
    /// A loop that gives back one character after the other, down to `least`.
    Greedy { code: u16, mark: u8, least: u16, at: u16 },
    /// A loop that takes one character after the other, `left` at most.
    Lazy { code: u16, mark: u8, class: u8, at: u16, left: u16 },
}

/// Memory that one text's matches share.
#[derive(Default)]
pub(super) struct Machine {
    entered: Vec<u64>,
    frames: Vec<Frame>,
    columns: usize,
}

/// A pattern, ready to run.
#[derive(Clone, Copy)]
pub(super) struct Pattern<'a> {
    pub(super) code: &'a [u8],
    pub(super) classes: Classes<'a>,
    /// As in [`code`]: what a match begins with.
    pub(super) begins: u8,
}

impl Machine {
    /// The first match in `text`, of at most [`TEXT_BYTES_MAX`] bytes.
    pub(super) fn find(&mut self, pattern: Pattern<'_>, text: &str) -> Option<Groups> {
        let text = text.as_bytes();
        self.columns = text.len() + 1;
        self.entered.clear();
        for start in 0..=text.len() {
            match (pattern.begins, text.get(start)) {
                (code::BEGINS_ANYHOW, Some(byte)) if byte & 0xC0 == 0x80 => continue,
                (code::BEGINS_ANYHOW, _) => {}
                (code::BEGINS_AT_START, _) => {
                    if start > 0 {
                        return None;
                    }
                }
                (needed, byte) => {
                    if byte != Some(&needed) {
                        continue;
                    }
                }
            }
            if let Some(groups) = self.run(pattern, text, start) {
                return Some(groups);
            }
        }
        None
    }

    /// Marks a state; was it new?
    fn enter(&mut self, mark: u8, at: usize) -> bool {
        let bit = usize::from(mark) * self.columns + at;
        let (word, bit) = (bit / 64, 1u64 << (bit % 64));
        if word >= self.entered.len() {
            self.entered.resize(word + 8, 0);
        }
        match self.entered.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    fn was_entered(&self, mark: u8, at: usize) -> bool {
        let bit = usize::from(mark) * self.columns + at;
        self.entered.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn run(&mut self, pattern: Pattern<'_>, text: &[u8], start: usize) -> Option<Groups> {
        let Pattern { code, classes, .. } = pattern;
        let mut slots = [UNSET; code::SLOTS];
        self.frames.clear();
        let (mut pc, mut at) = (0, start);
        loop {
            let op = code.get(pc).copied()?;
            let here = text.get(at).copied();
            let goes_on = match op {
                code::FIRST_LITERAL..=code::LAST_LITERAL => {
                    pc += 1;
                    at += 1;
                    here == Some(op)
                }
                code::CLASS.. => {
                    pc += 1;
                    at += character_bytes(text, at);
                    here.is_some_and(|byte| classes.has(op, byte))
                }
                code::MATCH => return Some(Groups { slots, start, end: at }),
                code::BYTE => {
                    let wanted = code.get(pc + 1).copied();
                    pc += 2;
                    at += 1;
                    here.is_some() && here == wanted
                }
                code::FOLD => {
                    let wanted = code.get(pc + 1).copied();
                    pc += 2;
                    at += 1;
                    here.is_some() && here.map(|byte| byte.to_ascii_lowercase()) == wanted
                }
                code::EITHER => {
                    let mark = code.get(pc + 1).copied()?;
                    let way = self.enter(mark, at).then(|| self.way(pattern, here, pc + 2, at)).flatten();
                    pc = way.unwrap_or(pc);
                    way.is_some()
                }
                code::JUMP => {
                    pc = pc + 3 + number(code, pc + 1)?;
                    true
                }
                code::BACK => {
                    pc = (pc + 3).checked_sub(number(code, pc + 1)?)?;
                    true
                }
                code::START => {
                    pc += 1;
                    at == 0
                }
                code::END => {
                    pc += 1;
                    at == text.len()
                }
                code::WORD | code::NOT_WORD => {
                    pc += 1;
                    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
                    let border = word(at.checked_sub(1).and_then(|before| text.get(before))) != word(text.get(at));
                    border == (op == code::WORD)
                }
                code::GREEDY | code::LAZY | code::ANY | code::SOME => {
                    let (mark, class) = (code.get(pc + 1).copied()?, code.get(pc + 2).copied()?);
                    let (least, most, next) = match op {
                        code::ANY => (0, code::NO_LIMIT, pc + 3),
                        code::SOME => (1, code::NO_LIMIT, pc + 3),
                        _ => (usize::from(code.get(pc + 3).copied()?), number(code, pc + 4)? as u16, pc + 6),
                    };
                    let first = characters(text, at, classes, class, least);
                    match first {
                        None => false,
                        Some(first) if op == code::LAZY => {
                            let left = most.saturating_sub(least as u16);
                            self.frames.push(Frame::Lazy {
                                code: next as u16,
                                mark,
                                class,
                                at: first as u16,
                                left: if most == code::NO_LIMIT { most } else { left },
                            });
                            false
                        }
                        Some(first) => {
                            let mut left = usize::from(most) - least.min(usize::from(most));
                            let mut last = first;
                            while left > 0
                                && text.get(last).is_some_and(|byte| classes.has(class, *byte))
                                // Whoever was here before went on from all that follows, too.
                                && !(most == code::NO_LIMIT && self.was_entered(mark, last))
                            {
                                last += character_bytes(text, last);
                                left -= 1;
                            }
                            self.frames.push(Frame::Greedy {
                                code: next as u16,
                                mark,
                                least: first as u16,
                                at: last as u16,
                            });
                            false
                        }
                    }
                }
                slot => {
                    let slot = slot.wrapping_sub(code::SAVE);
                    let kept = slots.get_mut(usize::from(slot))?;
                    if !self.frames.is_empty() {
                        self.frames.push(Frame::Slot { slot, was: *kept });
                    }
                    *kept = at as u16;
                    pc += 1;
                    true
                }
            };
            if !goes_on {
                (pc, at) = self.back(pattern, text, &mut slots)?;
            }
        }
    }

    /// Takes the first of the ways at `header` that can begin with `here`, and keeps those that follow.
    fn way(&mut self, pattern: Pattern<'_>, here: Option<u8>, mut header: usize, at: usize) -> Option<usize> {
        loop {
            let length = number(pattern.code, header)?;
            if length == 0 {
                return None;
            }
            let body = header + 2;
            header = body + length;
            if !can_begin(pattern, body, here) {
                continue;
            }
            if number(pattern.code, header)? != 0 {
                self.frames.push(Frame::Way { code: header as u16, at: at as u16 });
            }
            return Some(body);
        }
    }

    /// The state to go on from, after a failure.
    fn back(&mut self, pattern: Pattern<'_>, text: &[u8], slots: &mut [u16; code::SLOTS]) -> Option<(usize, usize)> {
        loop {
            match self.frames.pop()? {
                Frame::Slot { slot, was } => {
                    if let Some(kept) = slots.get_mut(usize::from(slot)) {
                        *kept = was;
                    }
                }
                Frame::Way { code, at } => {
                    let at = usize::from(at);
                    if let Some(pc) = self.way(pattern, text.get(at).copied(), usize::from(code), at) {
                        return Some((pc, at));
                    }
                }
                Frame::Greedy { code, mark, least, at: from } => {
                    let next = usize::from(code);
                    let mut at = usize::from(from);
                    loop {
                        let here = text.get(at).copied();
                        let fits = here.is_none_or(|byte| byte & 0xC0 != 0x80) && can_begin(pattern, next, here);
                        let last = at <= usize::from(least);
                        if fits && self.enter(mark, at) {
                            if !last {
                                self.frames.push(Frame::Greedy { code, mark, least, at: at as u16 - 1 });
                            }
                            return Some((next, at));
                        }
                        if last {
                            break;
                        }
                        at -= 1;
                    }
                }
                Frame::Lazy { code, mark, class, at, left } => {
                    let at = usize::from(at);
                    let more = left > 0 && text.get(at).is_some_and(|byte| pattern.classes.has(class, *byte));
                    if more {
                        let left = if left == code::NO_LIMIT { left } else { left - 1 };
                        let after = (at + character_bytes(text, at)) as u16;
                        self.frames.push(Frame::Lazy { code, mark, class, at: after, left });
                    }
                    if self.enter(mark, at) {
                        return Some((usize::from(code), at));
                    }
                }
            }
        }
    }
}

/// Can what stands at `pc` match a text that goes on with `here`?
fn can_begin(pattern: Pattern<'_>, pc: usize, here: Option<u8>) -> bool {
    match pattern.code.get(pc).copied() {
        Some(literal @ code::FIRST_LITERAL..=code::LAST_LITERAL) => here == Some(literal),
        Some(class @ code::CLASS..) => here.is_some_and(|byte| pattern.classes.has(class, byte)),
        _ => true,
    }
}

/// The length or distance that stands there.
pub(super) fn number(code: &[u8], at: usize) -> Option<usize> {
    match code.get(at..at + 2)? {
        [low, high] => Some(usize::from(u16::from_le_bytes([*low, *high]))),
        _ => None,
    }
}

/// Where a text stands behind exactly `count` characters of a class.
fn characters(text: &[u8], mut at: usize, classes: Classes<'_>, class: u8, count: usize) -> Option<usize> {
    for _ in 0..count {
        if !text.get(at).is_some_and(|byte| classes.has(class, *byte)) {
            return None;
        }
        at += character_bytes(text, at);
    }
    Some(at)
}

/// Bytes of the UTF-8 character that begins at `at`.
fn character_bytes(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        Some(0xC0..) => 2,
        _ => 1,
    }
}
