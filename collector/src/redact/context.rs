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
        for (i, byte) in view.bytes.iter().copied().chain([0]).enumerate() {
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
        // A word and the stem of it may stand side by side in the list: the longer comes later.
        let fits = |(known, tells): &&(&str, u32)| {
            known.as_bytes() == word || tells & tells::STEM != 0 && word.starts_with(known.as_bytes())
        };
        alike(word).iter().rfind(fits).map_or(0, |(_, tells)| tells & !tells::STEM)
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

/// Where in the list the words of each two first letters begin, and where those end; those beyond ASCII come last.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const PAIRS: &[u16; 26 * 26 + 1] = &{
    let mut pairs = [0; 26 * 26 + 1];
    let mut i = 0;
    let mut place = 0;
    while i < WORDS.len() && WORDS[i].0.as_bytes()[0] <= b'z' {
        let word = WORDS[i].0.as_bytes();
        let of_word = (word[0] - b'a') as usize * 26 + (word[1] - b'a') as usize;
        while place <= of_word {
            pairs[place] = i as u16;
            place += 1;
        }
        i += 1;
    }
    while place < pairs.len() {
        pairs[place] = i as u16;
        place += 1;
    }
    pairs
};

/// The known words that begin as a word does, with two bytes.
fn alike(word: &[u8]) -> &'static [(&'static str, u32)] {
    let place = |place: usize| PAIRS.get(place).map_or(WORDS.len(), |at| usize::from(*at));
    match word {
        [first @ b'a'..=b'z', second @ b'a'..=b'z', ..] => {
            let pair = usize::from(first - b'a') * 26 + usize::from(second - b'a');
            WORDS.get(place(pair)..place(pair + 1)).unwrap_or_default()
        }
        [0x80..=0xFF, ..] => {
            let foreign = WORDS.get(place(26 * 26)..).unwrap_or_default();
            let first = |(known, _): &(&str, u32)| beginning(known.as_bytes());
            let from = foreign.partition_point(|known| first(known) < beginning(word));
            let to = foreign.partition_point(|known| first(known) <= beginning(word));
            foreign.get(from..to).unwrap_or_default()
        }
        _ => &[],
    }
}

/// The phrase that a text begins with: its characters and what it tells.
fn phrase(text: &str) -> Option<(usize, u32)> {
    let first: [u8; 3] = *text.as_bytes().first_chunk()?;
    let [_, row, bit] = first;
    if HEADS.get(usize::from(row & 63)).is_none_or(|bits| bits >> (bit & 63) & 1 == 0) {
        return None;
    }
    let from = PHRASES.partition_point(|(known, _)| known.as_bytes().first_chunk() < Some(&first));
    let alike = PHRASES.get(from..).unwrap_or_default().iter();
    let alike = alike.take_while(|(known, _)| known.as_bytes().first_chunk() == Some(&first));
    alike.filter(|(known, _)| text.starts_with(known)).last().map(|(known, tells)| (known.len() / 3, *tells))
}

/// What the last two bytes of phrases' first characters count: most characters are turned away here.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const HEADS: &[u64; 64] = &{
    let mut heads = [0u64; 64];
    let mut i = 0;
    while i < PHRASES.len() {
        let phrase = PHRASES[i].0.as_bytes();
        heads[(phrase[1] & 63) as usize] |= 1 << (phrase[2] & 63);
        i += 1;
    }
    heads
};
