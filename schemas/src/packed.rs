//! Bytes that hold many small numbers: integers take as many bytes as they need (LEB128), texts and keys stand as they are.

use crate::Label;
use crate::ids::{Key, KeyKind};

/// Bytes that are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packed bytes cannot be read; they were made by another version")]
pub struct PackedError;

/// Bytes in the making.
#[derive(Clone, Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A number.
    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A number of either sign; small ones are short.
    pub fn signed(&mut self, value: i64) {
        self.unsigned((value << 1 ^ value >> 63) as u64);
    }

    /// A number, or none.
    pub fn small_or_none(&mut self, value: Option<u32>) {
        self.unsigned(value.map_or(0, |value| u64::from(value) + 1));
    }

    /// A word.
    pub fn label(&mut self, label: &Label) {
        self.label_or_none(Some(label));
    }

    /// A word, or none.
    pub fn label_or_none(&mut self, label: Option<&Label>) {
        let text = label.map_or("", Label::as_str);
        self.unsigned(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    /// A key.
    pub fn key<K: KeyKind>(&mut self, key: &Key<K>) {
        self.bytes(&key.to_bytes());
    }
}

/// Bytes that are left to read. Every error is that they are not what was written.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

#[allow(clippy::missing_errors_doc, reason = "all the same, said above")]
impl<'a> Reader<'a> {
    /// Nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, PackedError> {
        let (first, rest) = self.0.split_first().ok_or(PackedError)?;
        self.0 = rest;
        Ok(*first)
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], PackedError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PackedError)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number.
    pub fn unsigned(&mut self) -> Result<u64, PackedError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(PackedError)
    }

    /// A number of either sign.
    pub fn signed(&mut self) -> Result<i64, PackedError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Result<u32, PackedError> {
        self.unsigned()?.try_into().map_err(|_| PackedError)
    }

    /// A number of 32 bits, or none.
    pub fn small_or_none(&mut self) -> Result<Option<u32>, PackedError> {
        let value = self.unsigned()?.checked_sub(1);
        value.map(u32::try_from).transpose().map_err(|_| PackedError)
    }

    /// How many of something follow: each takes a byte at least.
    pub fn count(&mut self) -> Result<usize, PackedError> {
        let count = self.unsigned()?;
        usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or(PackedError)
    }

    /// A word.
    pub fn label(&mut self) -> Result<Label, PackedError> {
        self.label_or_none()?.ok_or(PackedError)
    }

    /// A word, or none.
    pub fn label_or_none(&mut self) -> Result<Option<Label>, PackedError> {
        let length = self.count()?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| PackedError)?;
        let label = (length > 0).then(|| Label::parse(text)).transpose();
        label.map_err(|_| PackedError)
    }

    /// A key.
    pub fn key<K: KeyKind>(&mut self) -> Result<Key<K>, PackedError> {
        self.take(17)?.try_into().map(Key::from_bytes).map_err(|_| PackedError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(numbers: Vec<(u64, i64, Option<u32>)>, words in proptest::collection::vec("[a-z-]{0,9}", 0..9)) {
            let mut out = Writer::default();
            for (unsigned, signed, small) in &numbers {
                out.unsigned(*unsigned);
                out.signed(*signed);
                out.small_or_none(*small);
            }
            let words: Vec<_> = words.iter().map(|word| Label::parse(word).ok()).collect();
            words.iter().for_each(|word| out.label_or_none(word.as_ref()));
            let mut input = Reader(&out.0);
            for (unsigned, signed, small) in numbers {
                prop_assert_eq!((input.unsigned(), input.signed(), input.small_or_none()), (Ok(unsigned), Ok(signed), Ok(small)));
            }
            for word in words {
                prop_assert_eq!(input.label_or_none(), Ok(word));
            }
            prop_assert!(input.is_at_end());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut input = Reader(&bytes);
            while input.label_or_none().is_ok() && input.small_or_none().is_ok() && input.signed().is_ok() {}
        }
    }
}
