//! Words that tell what the number beside them is.

use std::cell::Cell;

use super::tells;
use super::view::{IDEOGRAPH, LETTER, View, is_letter};
use super::words::{PHRASES, WORDS};

/// How far a word tells, in characters.
const BEFORE_MAX: usize = 40;
const AFTER_MAX: usize = 24;
/// Longest word that is looked up, bytes of its folded form.
const WORD_BYTES_MAX: usize = 32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) tells: u32,
}

/// The telling words of a text, in order.
pub(super) struct Context {
    pub(super) marks: Vec<Mark>,
    /// The text is one number and nothing else.
    pub(super) bare: bool,
    cursor: Cell<usize>,
}

impl Context {
    pub(super) fn read(view: &View<'_>) -> Self {
        let mut marks = Vec::new();
        let mut word = Word::default();
        let (mut start, mut placeholder_end) = (None, 0);
        for i in 0..=view.len() {
            let byte = view.at(i);
            if is_letter(byte) {
                if start.is_none() {
                    start = Some(i);
                    // What stands in place of something found tells nothing.
                    if view.before(i) == b'[' {
                        let end = view.skip(i, |byte| byte.is_ascii_uppercase() || byte == b'_');
                        placeholder_end = if view.at(end) == b']' { end } else { placeholder_end };
                    }
                }
                if byte == LETTER {
                    view.source_from(i).chars().next().into_iter().for_each(|c| word.push(c));
                } else {
                    word.push_byte(byte.to_ascii_lowercase());
                }
                continue;
            }
            if let Some(first) = start.take() {
                let tells = if first < placeholder_end { 0 } else { word.tells() };
                let before = marks.last().filter(|last: &&Mark| first - last.end <= 2).map_or(0, |last| last.tells);
                let tells = match tells {
                    // The id is what the word before it says: an order's, or a taxpayer's.
                    tells::ID_WEAK | tells::NUMBER if before & (tells::THING | tells::ID) != 0 => {
                        before & (tells::THING | tells::ID)
                    }
                    tells => tells,
                };
                if tells != 0 {
                    marks.push(Mark { start: first, end: i, tells });
                }
                word.len = 0;
            }
            if byte == IDEOGRAPH
                && let Some((chars, tells)) = phrase(view.source_from(i))
            {
                marks.push(Mark { start: i, end: i + chars, tells });
            }
        }
        Self { marks, bare: is_bare(view), cursor: Cell::new(0) }
    }

    /// How many words end before a position. Positions are asked for nearly in order: the search goes on from the last.
    fn ended(&self, start: usize) -> usize {
        let mut count = self.cursor.get();
        while self.marks.get(count).is_some_and(|mark| mark.end <= start) {
            count += 1;
        }
        while count > 0 && self.marks.get(count - 1).is_some_and(|mark| mark.end > start) {
            count -= 1;
        }
        self.cursor.set(count);
        count
    }

    /// The words before a position, nearest first.
    pub(super) fn before(&self, start: usize) -> impl Iterator<Item = &Mark> {
        let near = move |mark: &&Mark| start - mark.end <= BEFORE_MAX;
        self.marks.get(..self.ended(start)).unwrap_or_default().iter().rev().take_while(near).take(6)
    }

    /// Does no word tell anything of a number, wherever from `start` to `end` it ends?
    pub(super) fn is_silent(&self, start: usize, end: usize) -> bool {
        let count = self.ended(start);
        let last = count.checked_sub(1).and_then(|last| self.marks.get(last));
        last.is_none_or(|last| start - last.end > BEFORE_MAX)
            && self.marks.get(count).is_none_or(|next| next.start > end + AFTER_MAX)
    }

    /// The nearest word that tells any of these, before the number or else just after it; 0 when there is none.
    pub(super) fn nearest(&self, start: usize, end: usize, any: u32) -> u32 {
        if self.is_silent(start, end) {
            return 0;
        }
        if let Some(mark) = self.before(start).find(|mark| mark.tells & any != 0) {
            return mark.tells & any;
        }
        let rest = self.marks.get(self.ended(start)..).unwrap_or_default().iter();
        let near = |mark: &&Mark| mark.start <= end + AFTER_MAX;
        let after = rest.take_while(near).filter(|mark| mark.start >= end).take(4);
        // A thing named after a number is the next thing: "call 555-0132 about order 7".
        after.map(|mark| mark.tells & any & !tells::THING).find(|tells| *tells != 0).unwrap_or(0)
    }

    /// Is a word that tells this the nearest of those that matter?
    pub(super) fn tells(&self, start: usize, end: usize, wanted: u32) -> bool {
        let rivals = tells::PHONE
            | tells::CARD
            | tells::SSN
            | tells::ID
            | tells::ID_WEAK
            | tells::THING
            | tells::IP
            | tells::VERSION;
        self.bare || self.nearest(start, end, wanted | rivals) & wanted != 0
    }

    /// Is this a number of a thing: an order, a version, a place on a map?
    pub(super) fn is_thing(&self, start: usize, end: usize, unless: u32) -> bool {
        let any = unless | tells::THING | tells::VERSION;
        !self.bare && self.nearest(start, end, any) & !unless != 0 && self.nearest(start, end, any) & unless == 0
    }
}

fn is_bare(view: &View<'_>) -> bool {
    const BARE_CHARS_MAX: usize = 40;
    let text = view.bytes.trim_ascii();
    text.len() <= BARE_CHARS_MAX && text.iter().all(|b| b.is_ascii_alphanumeric() || b" -./()+".contains(b))
        && text.iter().filter(|b| b.is_ascii_digit()).count() * 2 > text.len()
        // More than two letters at a time is a word.
        && !text.windows(3).any(|three| three.iter().all(u8::is_ascii_alphabetic))
}

/// A word being read: lower case, accents off.
#[derive(Default)]
struct Word {
    bytes: [u8; WORD_BYTES_MAX],
    len: usize,
}

impl Word {
    fn push_byte(&mut self, byte: u8) {
        if let Some(to) = self.bytes.get_mut(self.len) {
            *to = byte;
        }
        self.len += 1;
    }

    fn push(&mut self, c: char) {
        match c {
            'à'..='ſ' | 'À'..='ß' => {
                let at = c as usize - 0xC0;
                self.push_byte(FOLDED.get(at).copied().unwrap_or(b'?'));
            }
            'А'..='Я' => self.push_utf8(char::from_u32(c as u32 + 0x20).unwrap_or(c)),
            'ё' | 'Ё' => self.push_utf8('е'),
            _ => self.push_utf8(c),
        }
    }

    fn push_utf8(&mut self, c: char) {
        let mut buffer = [0; 4];
        c.encode_utf8(&mut buffer).bytes().for_each(|byte| self.push_byte(byte));
    }

    fn tells(&self) -> u32 {
        let Some(word) = self.bytes.get(..self.len).filter(|word| word.len() > 1) else { return 0 };
        if matches!(word.last(), Some(b'e' | b'r' | b't'))
            && STREETS.iter().any(|end| word.ends_with(end) && word.len() > end.len() + 2)
        {
            return tells::STREET;
        }
        if !may_be_known(word) {
            return 0;
        }
        let first = word.first().map_or(0, |first| usize::from(first.saturating_sub(b'a').min(26)));
        let (from, to) = (first_of(first), first_of(first + 1));
        let among = WORDS.get(from..to).unwrap_or_default();
        let from = among.partition_point(|(known, _)| beginning(known.as_bytes()) < beginning(word));
        let alike = among.get(from..).unwrap_or_default().iter();
        let alike = alike.take_while(|(known, _)| beginning(known.as_bytes()) == beginning(word));
        // A word and the stem of it may stand side by side in the list: the longer comes later.
        let fits = |(known, tells): &&(&str, u32)| {
            known.as_bytes() == word || tells & tells::STEM != 0 && word.starts_with(known.as_bytes())
        };
        alike.filter(fits).last().map_or(0, |(_, tells)| tells & !tells::STEM)
    }
}

/// The first two bytes: they settle most comparisons.
pub(super) fn beginning(word: &[u8]) -> u16 {
    word.first_chunk().map_or(0, |first| u16::from_be_bytes(*first))
}

/// How the names of streets end where they are one word.
const STREETS: [&[u8]; 6] = [b"strase", b"strasse", b"str", b"straat", b"gasse", b"allee"];

/// Letters from U+00C0 on without their accents.
const FOLDED: &[u8; 192] = b"aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuyty\
aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Second letters that follow each first letter in the list: most words of a text are turned away here.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const PAIRS: [u32; 26] = {
    let mut pairs = [0u32; 26];
    let mut i = 0;
    while i < WORDS.len() {
        let word = WORDS[i].0.as_bytes();
        if word[0].is_ascii_lowercase() && word[1].is_ascii_lowercase() {
            pairs[(word[0] - b'a') as usize] |= 1 << (word[1] - b'a');
        }
        i += 1;
    }
    pairs
};

/// Where in the list the words of each first letter begin; those beyond ASCII come last.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const FIRSTS: [u16; 27] = {
    let mut firsts = [0; 27];
    let mut i = WORDS.len();
    let mut letter = 27;
    while letter > 0 {
        letter -= 1;
        while i > 0 && WORDS[i - 1].0.as_bytes()[0] >= b'a' + letter as u8 {
            i -= 1;
        }
        firsts[letter] = i as u16;
    }
    firsts
};

fn first_of(letter: usize) -> usize {
    FIRSTS.get(letter).map_or(WORDS.len(), |first| usize::from(*first))
}

fn may_be_known(word: &[u8]) -> bool {
    match word {
        [first @ b'a'..=b'z', second @ b'a'..=b'z', ..] => {
            PAIRS.get(usize::from(first - b'a')).is_some_and(|seconds| seconds >> (second - b'a') & 1 == 1)
        }
        _ => true,
    }
}

/// The phrase that a text begins with: its characters and what it tells.
fn phrase(text: &str) -> Option<(usize, u32)> {
    let first = text.chars().next()?;
    let from = PHRASES.partition_point(|(known, _)| known.chars().next() < Some(first));
    let alike = PHRASES.get(from..).unwrap_or_default().iter().take_while(|(known, _)| known.starts_with(first));
    alike.filter(|(known, _)| text.starts_with(known)).last().map(|(known, tells)| (known.chars().count(), *tells))
}
