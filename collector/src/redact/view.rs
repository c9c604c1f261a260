//! A text as the detectors read it: one byte a character, written forms of the same character made equal.

use std::borrow::Cow;

/// A letter beyond ASCII, of a script that puts spaces between words.
pub(super) const LETTER: u8 = 0x80;
/// A letter of a script that does not, or whose words take endings: a number beside it stands alone.
pub(super) const IDEOGRAPH: u8 = 0x81;
/// Any other character beyond ASCII.
pub(super) const SYMBOL: u8 = 0x82;

/// Digits, spaces, dashes and full-width forms of any script are their ASCII twin; characters without width are gone.
pub(super) struct View<'a> {
    pub(super) source: &'a str,
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where in the source each character begins; empty for ASCII, where the two are one.
    offsets: Vec<u32>,
}

impl<'a> View<'a> {
    /// Reads a text of less than 4 GiB.
    pub(super) fn new(source: &'a str) -> Self {
        if source.is_ascii() {
            return Self { source, bytes: Cow::Borrowed(source.as_bytes()), offsets: Vec::new() };
        }
        let mut bytes = Vec::with_capacity(source.len());
        let mut offsets = Vec::with_capacity(source.len());
        for (at, c) in source.char_indices() {
            if let Some(byte) = normal(c) {
                bytes.push(byte);
                offsets.push(at as u32);
            }
        }
        Self { source, bytes: Cow::Owned(bytes), offsets }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The character there; 0 beyond the ends. Not inlined: its many callers would be a tenth larger.
    #[inline(never)]
    pub(super) fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    /// The character before.
    #[inline(never)]
    pub(super) fn before(&self, i: usize) -> u8 {
        i.checked_sub(1).map_or(0, |i| self.at(i))
    }

    /// The characters of a range.
    #[inline(never)]
    pub(super) fn slice(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The source from a character on.
    pub(super) fn source_from(&self, i: usize) -> &'a str {
        let at =
            if self.offsets.is_empty() { i } else { self.offsets.get(i).map_or(self.source.len(), |at| *at as usize) };
        self.source.get(at..).unwrap_or_default()
    }

    /// Range in bytes of the source.
    pub(super) fn source_range(&self, start: usize, end: usize) -> (usize, usize) {
        if self.offsets.is_empty() {
            return (start, end);
        }
        let first = self.source.len() - self.source_from(start).len();
        let last = self.source_from(end.saturating_sub(1));
        (first, self.source.len() - last.len() + last.chars().next().map_or(0, char::len_utf8))
    }

    /// Does nothing that makes a longer word or number stand before?
    pub(super) fn starts_word(&self, i: usize) -> bool {
        !is_word(self.before(i))
    }

    /// Does nothing that makes a longer word or number come after?
    pub(super) fn ends_word(&self, i: usize) -> bool {
        !is_word(self.at(i))
    }

    /// First position from `from` on that fails the test, no further than a value or a name can reach: so every look to the
    /// side costs the same.
    pub(super) fn skip(&self, from: usize, test: impl Fn(u8) -> bool) -> usize {
        const LOOK_CHARS_MAX: usize = 128;
        self.skip_some(from, LOOK_CHARS_MAX, test)
    }

    /// The same over so many characters at most.
    pub(super) fn skip_some(&self, from: usize, most: usize, test: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let near = rest.get(..most).unwrap_or(rest);
        from + near.iter().position(|byte| !test(*byte)).unwrap_or(near.len())
    }

    /// The same to the end of the text. The caller goes on from there, or looks from there once.
    pub(super) fn skip_all(&self, from: usize, test: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| !test(*byte)).unwrap_or(rest.len())
    }

    /// Where the letters and digits from `from` on end, and how many of them are digits.
    pub(super) fn word_end(&self, from: usize) -> (usize, usize) {
        let (mut end, mut digits) = (from, 0);
        for byte in self.bytes.get(from..).unwrap_or_default() {
            let class = class(*byte);
            if class & (ALPHABETIC | DIGIT) == 0 {
                break;
            }
            digits += usize::from(class == DIGIT);
            end += 1;
        }
        (end, digits)
    }

    /// Does this text stand there, letters of either case?
    pub(super) fn has(&self, i: usize, text: &[u8]) -> bool {
        self.slice(i, i + text.len()).eq_ignore_ascii_case(text)
    }
}

/// A letter, digit or low line.
pub(super) fn is_word(byte: u8) -> bool {
    class(byte) != 0
}

/// A letter or digit of ASCII.
pub(super) fn is_alphanumeric(byte: u8) -> bool {
    class(byte) & (ALPHABETIC | DIGIT) != 0
}

/// A letter, of ASCII or not.
pub(super) fn is_letter(byte: u8) -> bool {
    class(byte) & (ALPHABETIC | FOREIGN) != 0
}

const ALPHABETIC: u8 = 1;
const DIGIT: u8 = 1 << 1;
const FOREIGN: u8 = 1 << 2;
const LOW_LINE: u8 = 1 << 3;

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// What words are made of. A look at a table takes half the time of the comparisons, and every character is asked.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const CLASSES: &[u8; 256] = &{
    let mut classes = [0; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'0'..=b'9' => DIGIT,
            b'_' => LOW_LINE,
            _ if byte.is_ascii_alphabetic() => ALPHABETIC,
            _ => 0,
        };
        byte += 1;
    }
    classes[LETTER as usize] = FOREIGN;
    classes
};

fn normal(c: char) -> Option<u8> {
    let code = c as u32;
    let digit = |zero: u32| Some(b'0' + (code - zero) as u8);
    match code {
        0..=0x7F => Some(code as u8),
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(b' '),
        0xAD | 0x034F | 0x061C | 0x180B..=0x180E | 0x200B..=0x200F | 0x202A..=0x202E => None,
        0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF => None,
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 => Some(b'-'),
        0x2018 | 0x2019 => Some(b'\''),
        0xFF01..=0xFF5E => Some((code - 0xFEE0) as u8),
        0x0660..=0x0669 => digit(0x0660),
        0x06F0..=0x06F9 => digit(0x06F0),
        0x07C0..=0x07C9 => digit(0x07C0),
        // From Devanagari to Malayalam the blocks are 0x80 apart, each with its digits at 0x66.
        0x0966..=0x0D6F if (0x66..=0x6F).contains(&(code & 0x7F)) => Some(b'0' + (code & 0x7F) as u8 - 0x66),
        0x0E50..=0x0E59 => digit(0x0E50),
        0x0ED0..=0x0ED9 => digit(0x0ED0),
        0x0F20..=0x0F29 => digit(0x0F20),
        0x1040..=0x1049 => digit(0x1040),
        0x17E0..=0x17E9 => digit(0x17E0),
        0x1810..=0x1819 => digit(0x1810),
        0x1D7CE..=0x1D7FF => Some(b'0' + ((code - 0x1D7CE) % 10) as u8),
        0xAA | 0xB5 | 0xBA => Some(LETTER),
        0xD7 | 0xF7 | 0x0589 | 0x05BE | 0x060C | 0x061B | 0x061F | 0x066A..=0x066D | 0x06D4 | 0x0964 | 0x0965 => {
            Some(SYMBOL)
        }
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF => Some(IDEOGRAPH),
        0xC0..=0x1FFF | 0x2C00..=0x2DFF | 0xA640..=0xA7FF | 0xFB00..=0xFDFF | 0xFE70..=0xFEFC => Some(LETTER),
        0x3005..=0x3007 | 0x3041..=0x318F | 0x3400..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF => Some(IDEOGRAPH),
        0xFF66..=0xFF9F | 0x20000..=0x3FFFF => Some(IDEOGRAPH),
        _ => Some(SYMBOL),
    }
}
