//! Instructions of compiled patterns: written at build, unpacked by `unpack`, run by `machine`.
//!
//! Packed, [`EITHER`], its ways and the loops have no marks, and no way has a length or a jump: [`NEXT`], [`AGAIN`] and [`DONE`] end the
//! ways. A byte from [`FIRST_LITERAL`] to [`LAST_LITERAL`] asks for itself, one from [`CLASS`] up for a character of that class.
//! Lengths and distances are two bytes, little-endian.

/// The pattern has matched.
pub const MATCH: u8 = 0x00;
/// The byte that follows.
pub const BYTE: u8 = 0x01;
/// The ASCII letter that follows, in either case.
pub const FOLD: u8 = 0x02;
/// Ways to go on, the better first: a mark, then for each its length and code, then a length of 0.
pub const EITHER: u8 = 0x03;
/// On, by the distance that follows, counted from behind it.
pub const JUMP: u8 = 0x04;
/// Back, likewise.
pub const BACK: u8 = 0x05;
/// The text begins here.
pub const START: u8 = 0x06;
/// The text ends here.
pub const END: u8 = 0x07;
/// A word of ASCII begins or ends here.
pub const WORD: u8 = 0x08;
/// None does.
pub const NOT_WORD: u8 = 0x09;
/// A class's characters, as many as there are: a mark, a class, least (one byte), most (two; [`NO_LIMIT`]).
pub const GREEDY: u8 = 0x0A;
/// Likewise, as few as will do.
pub const LAZY: u8 = 0x0B;
/// Any number of a class's characters, as many as there are: a mark, a class.
pub const ANY: u8 = 0x0C;
/// One or more, likewise.
pub const SOME: u8 = 0x0D;
/// A group's start or end: this plus the slot.
pub const SAVE: u8 = 0x10;
/// Packed: a way ends, another follows.
pub const NEXT: u8 = 0x0E;
/// Packed: a way ends and leads back to where the ways began; another follows.
pub const AGAIN: u8 = 0x0F;
/// Packed: the last way ends.
pub const DONE: u8 = 0x1F;
/// Slots: two for each group from 1.
pub const SLOTS: usize = 10;
/// First byte that asks for itself.
pub const FIRST_LITERAL: u8 = 0x20;
/// Last byte that asks for itself.
pub const LAST_LITERAL: u8 = 0x7E;
/// First class.
pub const CLASS: u8 = 0x80;
/// No most.
pub const NO_LIMIT: u16 = u16::MAX;

/// Bytes of a class: a bit for each ASCII character, and one byte that says whether all others are in it.
pub const CLASS_BYTES: usize = 17;

/// A pattern that can begin with any byte.
pub const BEGINS_ANYHOW: u8 = 0;
/// A pattern that begins where the text does.
pub const BEGINS_AT_START: u8 = 1;

/// Marks among the words of texts, a bit each: what a word tells. The words are in `lists/devices.toml` and
/// `lists/crawlers/rules.toml`.
pub const WORDS: [&str; 7] = ["tv", "console", "tablet", "mobile", "desktop", "browser", "person"];
/// Added to the number of a word's mark, where others have the kind of a robot.
pub const WORD_FROM: u8 = 0x80;

/// A literal that is written out, because the code does not hold it in one piece.
pub const GRAM_WRITTEN: u16 = 0x7FFF;
/// Marks a literal of three bytes; others have four.
pub const GRAM_SHORT: u16 = 0x8000;

/// Kinds of robots by number, as `schemas::event::BotKind` names them; where a robot is of several, the first counts.
pub const KINDS: [&str; 14] = [
    "ai_assistant",
    "ai_crawler",
    "search_engine",
    "social_preview",
    "feed_reader",
    "advertising",
    "monitoring",
    "scanner",
    "seo",
    "archiver",
    "academic",
    "http_library",
    "browser_automation",
    "other",
];
/// Marks a kind whose robots' names are read from the text.
pub const NAMED: u8 = 0x40;
/// Marks a pattern that does not hold for a text with a word of people's.
pub const UNLESS_PERSON: u8 = 0x80;
