//! Reads the MessagePack that `rmp-serde` writes for the counters and the messages between objects.
//!
//! Its own reader asks every value what it is, which makes a copy of all its code for each type that is read: 190 KiB of the
//! Worker, gzipped. Here the type says what must come. Structs are arrays, so a shorter one is of an earlier release.
//! Format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::{
    self, DeserializeSeed, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::CodecError;

/// How deep values may lie in one another.
const DEPTH_MAX: u8 = 64;

/// The value of these bytes, all of them.
///
/// # Errors
/// [`CodecError`] when they are not MessagePack, not of this type, too many or too few.
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, CodecError> {
    let mut reader = Reader { rest: bytes, depth: DEPTH_MAX };
    let value = T::deserialize(&mut reader)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(CodecError) }
}

struct Reader<'de> {
    rest: &'de [u8],
    depth: u8,
}

/// A value's head: all that is needed to know where its content ends or its items begin.
enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(usize),
    Bytes(usize),
    Array(usize),
    Map(usize),
}

impl<'de> Reader<'de> {
    fn take(&mut self, count: usize) -> Result<&'de [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CodecError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of this many bytes, at most eight.
    fn number(&mut self, bytes: usize) -> Result<u64, CodecError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        let (byte, rest) = self.rest.split_first().ok_or(CodecError)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, CodecError> {
        usize::try_from(self.number(bytes)?).map_err(|_| CodecError)
    }

    #[inline(never)]
    fn head(&mut self) -> Result<Head, CodecError> {
        let marker = self.byte()?;
        Ok(match marker {
            0x00..=0x7f => Head::Unsigned(marker.into()),
            0x80..=0x8f => Head::Map(usize::from(marker & 0x0f)),
            0x90..=0x9f => Head::Array(usize::from(marker & 0x0f)),
            0xa0..=0xbf => Head::Text(usize::from(marker & 0x1f)),
            0xc0 => Head::Nil,
            0xc2 | 0xc3 => Head::Bool(marker == 0xc3),
            0xc4..=0xc6 => Head::Bytes(self.length(1 << (marker - 0xc4))?),
            0xca => Head::Float(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Head::Float(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => Head::Unsigned(self.number(1 << (marker - 0xcc))?),
            0xd0 => signed(self.number(1)? as i8),
            0xd1 => signed(self.number(2)? as i16),
            0xd2 => signed(self.number(4)? as i32),
            0xd3 => signed(self.number(8)? as i64),
            0xd9..=0xdb => Head::Text(self.length(1 << (marker - 0xd9))?),
            0xdc | 0xdd => Head::Array(self.length(2 << (marker - 0xdc))?),
            0xde | 0xdf => Head::Map(self.length(2 << (marker - 0xde))?),
            0xe0..=0xff => signed(marker as i8),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(CodecError),
        })
    }

    #[inline(never)]
    fn text(&mut self) -> Result<&'de str, CodecError> {
        match self.head()? {
            Head::Text(length) => std::str::from_utf8(self.take(length)?).map_err(|_| CodecError),
            _ => Err(CodecError),
        }
    }

    /// Steps over one value.
    fn skip(&mut self) -> Result<(), CodecError> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            match self.head()? {
                Head::Text(length) | Head::Bytes(length) => {
                    self.take(length)?;
                }
                Head::Array(items) => left = left.checked_add(items).ok_or(CodecError)?,
                Head::Map(pairs) => {
                    left = pairs.checked_mul(2).and_then(|items| left.checked_add(items)).ok_or(CodecError)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), CodecError> {
        self.depth = self.depth.checked_sub(1).ok_or(CodecError)?;
        Ok(())
    }

    fn array<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper()?;
        let mut items = Items { reader: self, left: length };
        let value = visitor.visit_seq(&mut items)?;
        let all = items.left == 0;
        self.depth += 1;
        if all { Ok(value) } else { Err(CodecError) }
    }

    fn map<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper()?;
        let mut items = Items { reader: self, left: length };
        let value = visitor.visit_map(&mut items)?;
        let all = items.left == 0;
        self.depth += 1;
        if all { Ok(value) } else { Err(CodecError) }
    }
}

fn signed(number: impl Into<i64>) -> Head {
    let number = number.into();
    u64::try_from(number).map_or(Head::Negative(number), Head::Unsigned)
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            match self.head()? {
                Head::Unsigned(number) => visitor.visit_u64(number),
                Head::Negative(number) => visitor.visit_i64(number),
                _ => Err(CodecError),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = CodecError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Negative(number) => visitor.visit_i64(number),
            Head::Float(number) => visitor.visit_f64(number),
            Head::Text(length) => {
                visitor.visit_borrowed_str(std::str::from_utf8(self.take(length)?).map_err(|_| CodecError)?)
            }
            Head::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            Head::Array(length) => self.array(length, visitor),
            Head::Map(length) => self.map(length, visitor),
        }
    }

    integers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Bool(value) => visitor.visit_bool(value),
            _ => Err(CodecError),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Float(number) => visitor.visit_f64(number),
            _ => Err(CodecError),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            _ => Err(CodecError),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.rest.split_first() {
            Some((0xc0, rest)) => {
                self.rest = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            _ => Err(CodecError),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Array(0) => visitor.visit_unit(),
            _ => Err(CodecError),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Array(length) => self.array(length, visitor),
            _ => Err(CodecError),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.head()? {
            Head::Map(length) => self.map(length, visitor),
            _ => Err(CodecError),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deeper()?;
        // A variant that holds something is a map of one pair.
        let bare = match self.rest {
            [0x81, rest @ ..] => {
                self.rest = rest;
                false
            }
            _ => true,
        };
        let value = visitor.visit_enum(Variant { reader: &mut *self, bare })?;
        self.depth += 1;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.skip()?;
        visitor.visit_unit()
    }
}

struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
}

impl Items<'_, '_> {
    fn next(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= usize::from(more);
        more
    }

    /// A value is a byte at least, so a length that the bytes left can't hold reserves no memory.
    fn most(&self) -> usize {
        self.left.min(self.reader.rest.len())
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, CodecError> {
        if self.next() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.most())
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, CodecError> {
        if self.next() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CodecError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.most())
    }
}

struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
    bare: bool,
}

impl<'r, 'de> Variant<'r, 'de> {
    fn content(self) -> Result<&'r mut Reader<'de>, CodecError> {
        if self.bare { Err(CodecError) } else { Ok(self.reader) }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), CodecError> {
        let name = seed.deserialize(&mut *self.reader)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;

    fn unit_variant(self) -> Result<(), CodecError> {
        if self.bare { Ok(()) } else { Deserialize::deserialize(self.reader) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, CodecError> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, CodecError> {
        de::Deserializer::deserialize_seq(self.content()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, CodecError> {
        de::Deserializer::deserialize_seq(self.content()?, visitor)
    }
}

// What was wrong is of no use: bytes of another version can't be mended by hand.
impl de::Error for CodecError {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

#[cfg(test)]
#[path = "msgpack_test.rs"]
mod tests;
