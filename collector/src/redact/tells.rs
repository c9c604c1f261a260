//! What a word tells, as bits.

pub(super) const PHONE: u32 = 1;
pub(super) const CARD: u32 = 1 << 1;
pub(super) const SSN: u32 = 1 << 2;
/// Passport, licence, tax number and the like.
pub(super) const ID: u32 = 1 << 3;
pub(super) const IP: u32 = 1 << 4;
pub(super) const VERSION: u32 = 1 << 5;
pub(super) const BIRTH: u32 = 1 << 6;
/// Somebody's address.
pub(super) const PLACE: u32 = 1 << 7;
pub(super) const CRYPTO: u32 = 1 << 8;
pub(super) const SECRET: u32 = 1 << 9;
/// "Number", of anything.
pub(super) const NUMBER: u32 = 1 << 10;
/// Order, invoice, coordinate…: numbers of things.
pub(super) const THING: u32 = 1 << 11;
pub(super) const MAC: u32 = 1 << 12;
/// A kind of street that stands after its name: "Elm Road".
pub(super) const STREET_AFTER: u32 = 1 << 13;
/// A kind of street that stands before its name: "rue des Lilas".
pub(super) const STREET_BEFORE: u32 = 1 << 14;
/// The entry is the beginning of words.
pub(super) const STEM: u32 = 1 << 15;
/// "Id", of anything or anybody.
pub(super) const ID_WEAK: u32 = 1 << 17;
/// A street's whole name in one word: "Hauptstraße".
pub(super) const STREET: u32 = 1 << 16;
