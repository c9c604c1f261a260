//! Which patterns can match a text at all: those of whose literals one is in it.
//!
//! The build writes the patterns with the literals that they need; a table of these is made when the first text is read.

use std::sync::OnceLock;

use super::code;
use super::machine::{Classes, Pattern};

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user_agent.bin"));

const HEADS_BITS: u32 = 12;
const NONE: u16 = u16::MAX;

/// Where the parts of a pattern are in [`PACKED`].
struct Record {
    begins: u8,
    kind: u8,
    /// Its replacements' mask.
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
    /// Numbers of the first pattern of each list, and the end.
    lists: [usize; LISTS + 1],
    entries: Vec<Entry>,
    heads: Vec<u16>,
    /// Patterns that need no literal.
    always: Vec<u16>,
    /// Phrases that are blanked before the rules of robots are asked.
    pub(super) blank: Vec<&'static str>,
    /// Words of people's texts.
    pub(super) person: Vec<&'static str>,
    /// Names of robots, and the number of each one's kind.
    pub(super) names: Vec<(&'static str, u8)>,
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
            lists: [0; LISTS + 1],
            entries: Vec::new(),
            heads: vec![NONE; 1 << HEADS_BITS],
            always: Vec::new(),
            blank: Vec::new(),
            person: Vec::new(),
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
        for number in 0..patterns {
            index.record(&mut reader, number as u16)?;
        }
        for texts in [&mut index.blank, &mut index.person] {
            for _ in 0..reader.byte()? {
                texts.push(reader.text()?);
            }
        }
        let names = reader.number()?;
        let kinds = reader.take(usize::from(names))?;
        for (number, kind) in kinds.iter().enumerate() {
            let name = reader.text()?;
            index.names.push((name, *kind));
            index.add(name.as_bytes().get(..4.min(name.len()))?, NAMES_FROM + number as u16);
        }
        Some(index)
    }

    fn record(&mut self, reader: &mut Reader, number: u16) -> Option<()> {
        let code_bytes = reader.number()?;
        let (begins, kind, grams) = (reader.byte()?, reader.byte()?, reader.number()?);
        let literals = reader.at;
        let mut written = *reader;
        for _ in 0..grams {
            let offset = written.number()?;
            if offset & !code::GRAM_SHORT == code::GRAM_WRITTEN {
                written.take(gram_bytes(offset))?;
            }
        }
        let replacements = written.at;
        let mask = written.byte()?;
        for _ in 0..mask.count_ones() {
            let bytes = written.byte()?;
            written.take(usize::from(bytes))?;
        }
        let code = written.at;
        let compiled = written.take(usize::from(code_bytes))?;
        reader.at = literals;
        for _ in 0..grams {
            let offset = reader.number()?;
            let at = usize::from(offset & !code::GRAM_SHORT);
            let gram = match at == usize::from(code::GRAM_WRITTEN) {
                true => reader.take(gram_bytes(offset))?,
                false => compiled.get(at..at + gram_bytes(offset))?,
            };
            self.add(gram, number);
        }
        if grams == 0 {
            self.always.push(number);
        }
        reader.at = written.at;
        self.records.push(Record { begins, kind, replacements: replacements as u32, code: code as u32, code_bytes });
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

    /// The patterns that `text` may match, and the robot whose name is in it: of several the longest name.
    pub(super) fn candidates(&self, text: &str) -> (Candidates, Option<(&'static str, u8)>) {
        let mut candidates = Candidates([0; PATTERNS_MAX / 64]);
        self.always.iter().for_each(|pattern| candidates.add(*pattern));
        let mut robot: Option<(&str, u8)> = None;
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
                    let Some(name) = found.target.checked_sub(NAMES_FROM) else {
                        candidates.add(found.target);
                        continue;
                    };
                    let Some(named) = self.names.get(usize::from(name)) else { continue };
                    let longer = robot.is_none_or(|(other, _)| other.len() < named.0.len());
                    if longer && (at + 1).checked_sub(bytes).is_some_and(|start| stands_at(text, start, named.0)) {
                        robot = Some(*named);
                    }
                }
            }
        }
        (candidates, robot)
    }

    /// Those of a list, in the list's order.
    pub(super) fn of_list(&self, candidates: &Candidates, list: List) -> impl Iterator<Item = usize> {
        let bound = |list: usize| self.lists.get(list).copied().unwrap_or(0);
        candidates.between(bound(list as usize), bound(list as usize + 1))
    }

    /// A pattern by its number.
    pub(super) fn pattern(&self, number: usize) -> Option<Pattern<'static>> {
        let record = self.records.get(number)?;
        let code = PACKED.get(record.code as usize..)?.get(..usize::from(record.code_bytes))?;
        Some(Pattern { code, classes: self.classes, begins: record.begins })
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

    /// A pattern's kind, as the list has it.
    pub(super) fn kind(&self, number: usize) -> u8 {
        self.records.get(number).map_or(0, |record| record.kind)
    }
}

/// Does `name` stand there, and not in the midst of a word?
fn stands_at(text: &str, start: usize, name: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    bytes.get(start..).is_some_and(|rest| rest.starts_with(name.as_bytes()))
        && !(alphanumeric(before) && alphanumeric(name.as_bytes().first()))
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
