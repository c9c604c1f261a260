//! Which patterns can match a text at all: those of whose literals one is in it.
//!
//! The build writes the patterns with the literals that they need; a table of these is made when the first text is read.

use std::sync::OnceLock;

use super::code;
use super::machine::{Classes, Pattern};
use super::unpack::{begins, unpack};

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user_agent.bin"));

const HEADS_BITS: u32 = 12;
const NONE: u16 = u16::MAX;

/// Where the parts of a pattern are in [`PACKED`]: its replacements' mask and its code.
struct Record {
    replacements: u32,
    code: u32,
    code_bytes: u16,
}

struct Entry {
    gram: u32,
    /// A pattern, or from [`NAMES_FROM`] on a name.
    target: u16,
    next: u16,
}

/// The patterns, and the table of their literals.
pub(super) struct Index {
    classes: Classes<'static>,
    records: Vec<Record>,
    /// Kinds of the patterns of robots, from the list of them on.
    kinds: &'static [u8],
    /// Numbers of the first pattern of each list, and the end.
    lists: [usize; LISTS + 1],
    entries: Vec<Entry>,
    heads: Vec<u16>,
    /// Patterns that need no literal.
    always: Vec<u16>,
    /// Phrases that are blanked before the rules of robots are asked.
    pub(super) blank: Vec<&'static str>,
    /// Names of robots with the number of each one's kind, and words with their marks.
    names: Vec<(&'static str, u8)>,
}

/// Lists of patterns, in their order.
#[derive(Clone, Copy)]
pub(super) enum List {
    Browsers,
    Systems,
    /// Robots of the list whose pattern is no plain name.
    Listed,
    /// Words and shapes of robots' texts.
    Rules,
}

const LISTS: usize = 4;
const PATTERNS_MAX: usize = 1_024;
/// Entries of names are numbered from here.
const NAMES_FROM: u16 = PATTERNS_MAX as u16;

/// Patterns that a text may match.
pub(super) struct Candidates([u64; PATTERNS_MAX / 64]);

/// What kinds of words are in a text.
#[derive(Clone, Copy)]
pub(super) struct Words(u8);

impl Words {
    /// Is one with this mark of [`code::WORDS`] there?
    pub(super) fn has(self, mark: &str) -> bool {
        code::WORDS.iter().position(|known| *known == mark).is_some_and(|number| self.0 >> number & 1 == 1)
    }
}

/// What the literals in a text tell.
pub(super) struct Scan {
    pub(super) candidates: Candidates,
    /// The robot whose name is in it, and the number of its kind: of several the longest name.
    pub(super) robot: Option<(&'static str, u8)>,
    pub(super) words: Words,
}

impl Candidates {
    fn add(&mut self, pattern: u16) {
        if let Some(word) = self.0.get_mut(usize::from(pattern) / 64) {
            *word |= 1 << (pattern % 64);
        }
    }

    /// Those from `from` to before `to`, in order.
    fn between(&self, from: usize, to: usize) -> impl Iterator<Item = usize> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(word, bits)| {
                let mut bits = *bits;
                std::iter::from_fn(move || {
                    let bit = bits.trailing_zeros() as usize;
                    bits &= bits.checked_sub(1)?;
                    Some(word * 64 + bit)
                })
            })
            .filter(move |pattern| (from..to).contains(pattern))
    }
}

fn slot(gram: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> (32 - HEADS_BITS)) as usize
}

impl Index {
    /// The index of this isolate.
    pub(super) fn get() -> &'static Self {
        static INDEX: OnceLock<Index> = OnceLock::new();
        INDEX.get_or_init(|| Self::read(PACKED).unwrap_or_else(Self::empty))
    }

    fn empty() -> Self {
        Self {
            classes: Classes(&[]),
            records: Vec::new(),
            kinds: &[],
            lists: [0; LISTS + 1],
            entries: Vec::new(),
            heads: vec![NONE; 1 << HEADS_BITS],
            always: Vec::new(),
            blank: Vec::new(),
            names: Vec::new(),
        }
    }

    fn read(packed: &'static [u8]) -> Option<Self> {
        let mut index = Self::empty();
        let mut reader = Reader { bytes: packed, at: 0 };
        let classes = usize::from(reader.byte()?) * code::CLASS_BYTES;
        index.classes = Classes(reader.take(classes)?);
        let lists = reader.byte()?;
        let mut patterns = 0;
        for list in 1..=usize::from(lists) {
            patterns += usize::from(reader.number()?);
            *index.lists.get_mut(list)? = patterns;
        }
        index.records.reserve_exact(patterns);
        index.entries.reserve(2 * patterns);
        for number in 0..patterns {
            index.record(&mut reader, number as u16)?;
        }
        index.kinds = reader.take(patterns.checked_sub(*index.lists.get(List::Listed as usize)?)?)?;
        for _ in 0..reader.byte()? {
            index.blank.push(reader.text()?);
        }
        let names = reader.number()?;
        let kinds = reader.take(usize::from(names))?;
        index.names.reserve_exact(kinds.len());
        index.entries.reserve(kinds.len());
        for (number, kind) in kinds.iter().enumerate() {
            let name = reader.text()?;
            index.names.push((name, *kind));
            index.add(name.as_bytes().get(..4.min(name.len()))?, NAMES_FROM + number as u16);
        }
        Some(index)
    }

    fn record(&mut self, reader: &mut Reader, number: u16) -> Option<()> {
        let (code_bytes, grams) = (reader.number()?, reader.number()?);
        let mut literals = *reader;
        for _ in 0..grams {
            let offset = reader.number()?;
            if offset & !code::GRAM_SHORT == code::GRAM_WRITTEN {
                reader.take(gram_bytes(offset))?;
            }
        }
        let replacements = reader.at as u32;
        for _ in 0..reader.byte()?.count_ones() {
            let bytes = reader.byte()?;
            reader.take(usize::from(bytes))?;
        }
        let code = reader.at as u32;
        let packed = reader.take(usize::from(code_bytes))?;
        for _ in 0..grams {
            let offset = literals.number()?;
            let at = usize::from(offset & !code::GRAM_SHORT);
            let gram = match at == usize::from(code::GRAM_WRITTEN) {
                true => literals.take(gram_bytes(offset))?,
                false => packed.get(at..at + gram_bytes(offset))?,
            };
            self.add(gram, number);
        }
        if grams == 0 {
            self.always.push(number);
        }
        self.records.push(Record { replacements, code, code_bytes });
        Some(())
    }

    fn add(&mut self, gram: &[u8], target: u16) {
        let gram = gram.iter().fold(0, |gram, byte| gram << 8 | u32::from(byte.to_ascii_lowercase()));
        let number = self.entries.len() as u16;
        if let Some(head) = self.heads.get_mut(slot(gram)) {
            self.entries.push(Entry { gram, target, next: *head });
            *head = number;
        }
    }

    /// What the literals in `text` tell.
    pub(super) fn scan(&self, text: &str) -> Scan {
        let mut scan = Scan { candidates: Candidates([0; PATTERNS_MAX / 64]), robot: None, words: Words(0) };
        self.always.iter().for_each(|pattern| scan.candidates.add(*pattern));
        let mut gram = 0u32;
        for (at, byte) in text.bytes().enumerate() {
            gram = gram << 8 | u32::from(byte.to_ascii_lowercase());
            for (gram, bytes) in [(gram, 4), (gram & 0x00FF_FFFF, 3)] {
                let mut entry = self.heads.get(slot(gram)).copied().unwrap_or(NONE);
                while let Some(found) = self.entries.get(usize::from(entry)) {
                    entry = found.next;
                    if found.gram != gram {
                        continue;
                    }
                    match (found.target.checked_sub(NAMES_FROM), (at + 1).checked_sub(bytes)) {
                        (None, _) => scan.candidates.add(found.target),
                        (Some(name), Some(start)) => self.name(text, start, name, &mut scan),
                        (Some(_), None) => {}
                    }
                }
            }
        }
        scan
    }

    /// Does this name or word begin at `start`?
    fn name(&self, text: &str, start: usize, number: u16, scan: &mut Scan) {
        let Some((name, kind)) = self.names.get(usize::from(number)).copied() else { return };
        let Some(rest) = text.as_bytes().get(start..).and_then(|rest| rest.get(..name.len())) else { return };
        if let Some(mark) = kind.checked_sub(code::WORD_FROM) {
            if rest.eq_ignore_ascii_case(name.as_bytes()) {
                scan.words.0 |= 1 << mark;
            }
            return;
        }
        let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        let in_word = alphanumeric(before) && alphanumeric(rest.first());
        let longer = scan.robot.is_none_or(|(other, _)| other.len() < name.len());
        if longer && !in_word && rest == name.as_bytes() {
            scan.robot = Some((name, kind));
        }
    }

    /// Those of a list, in the list's order.
    pub(super) fn of_list(&self, candidates: &Candidates, list: List) -> impl Iterator<Item = usize> {
        let bound = |list: usize| self.lists.get(list).copied().unwrap_or(0);
        candidates.between(bound(list as usize), bound(list as usize + 1))
    }

    /// A pattern by its number, unpacked into `code`.
    pub(super) fn pattern<'c>(&self, number: usize, code: &'c mut Vec<u8>) -> Option<Pattern<'c>> {
        let record = self.records.get(number)?;
        let packed = PACKED.get(record.code as usize..)?.get(..usize::from(record.code_bytes))?;
        code.clear();
        unpack(packed, code)?;
        Some(Pattern { begins: begins(code), code, classes: self.classes })
    }

    /// What takes the place of a pattern's groups 1 to 5.
    pub(super) fn replacements(&self, number: usize) -> [Option<&'static str>; 5] {
        let mut replacements = [None; 5];
        let at = self.records.get(number).map_or(usize::MAX, |record| record.replacements as usize);
        let mut reader = Reader { bytes: PACKED, at };
        let mask = reader.byte().unwrap_or(0);
        for (field, replacement) in replacements.iter_mut().enumerate() {
            if mask >> field & 1 == 1 {
                *replacement = reader.text();
            }
        }
        replacements
    }

    /// The kind of a robot's pattern.
    pub(super) fn kind(&self, number: usize) -> u8 {
        let from = self.lists.get(List::Listed as usize).copied().unwrap_or(0);
        number.checked_sub(from).and_then(|number| self.kinds.get(number)).copied().unwrap_or(0)
    }
}

fn gram_bytes(offset: u16) -> usize {
    if offset & code::GRAM_SHORT == 0 { 4 } else { 3 }
}

#[derive(Clone, Copy)]
struct Reader {
    bytes: &'static [u8],
    at: usize,
}

impl Reader {
    fn take(&mut self, bytes: usize) -> Option<&'static [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..bytes)?;
        self.at += bytes;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn text(&mut self) -> Option<&'static str> {
        let bytes = self.byte()?;
        std::str::from_utf8(self.take(usize::from(bytes))?).ok()
    }

    fn number(&mut self) -> Option<u16> {
        match self.take(2)? {
            [low, high] => Some(u16::from_le_bytes([*low, *high])),
            _ => None,
        }
    }
}
