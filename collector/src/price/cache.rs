//! What a prompt cache saves and costs: cached tokens against the same tokens at the full input price.

use schemas::Usage;
use schemas::event::CacheEffect;

use super::amount::ExactUsd;
use super::model::{Rate, Rates};

/// A unit of cached input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachedUnit {
    /// Tokens are read from the cache; else written to it.
    reads: bool,
    /// What they would be without a cache: the same kind of input, by position.
    full: usize,
}

impl CachedUnit {
    /// The price of the same tokens without a cache: of their kind of input, else of any input. `None` where input has no price.
    pub(super) fn full_rate<'a>(self, rates: &Rates<'a>) -> Option<&'a Rate> {
        rates.get(self.full).copied().flatten().or_else(|| rates.get(INPUT).copied().flatten())
    }
}

const INPUT: usize = at("input_tokens");

/// Cached units, by position of the count in [`Usage::FIELDS`].
const UNITS: [(usize, CachedUnit); 8] = [
    cached("cache_read_tokens", true, "input_tokens"),
    cached("cache_text_read_tokens", true, "input_text_tokens"),
    cached("cache_audio_read_tokens", true, "input_audio_tokens"),
    cached("cache_image_read_tokens", true, "input_image_tokens"),
    cached("cache_video_read_tokens", true, "input_video_tokens"),
    cached("cache_write_tokens", false, "input_tokens"),
    cached("cache_write_5m_tokens", false, "input_tokens"),
    cached("cache_write_1h_tokens", false, "input_tokens"),
];

const fn cached(name: &str, reads: bool, full: &str) -> (usize, CachedUnit) {
    (at(name), CachedUnit { reads, full: at(full) })
}

/// Position of a count in [`Usage::FIELDS`], which is that of its unit.
const fn at(name: &str) -> usize {
    let name = name.as_bytes();
    let mut at = 0;
    let mut fields = Usage::FIELDS;
    while let [field, rest @ ..] = fields {
        if same(field.as_bytes(), name) {
            return at;
        }
        at += 1;
        fields = rest;
    }
    usize::MAX
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty() && b.is_empty()
}

/// The cached unit at this position; `None` where the unit is none.
pub(super) fn unit(at: usize) -> Option<CachedUnit> {
    UNITS.iter().find(|(place, _)| *place == at).map(|(_, unit)| *unit)
}

/// What a turn's cached tokens cost, and what they would have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cached {
    reads: Pair,
    writes: Pair,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    paid: ExactUsd,
    full: ExactUsd,
}

impl Cached {
    /// Adds a unit's amounts; `None` where one is too large.
    pub(super) fn add(&mut self, unit: CachedUnit, paid: ExactUsd, full: ExactUsd) -> Option<()> {
        let pair = if unit.reads { &mut self.reads } else { &mut self.writes };
        *pair = Pair { paid: pair.paid.plus(paid)?, full: pair.full.plus(full)? };
        Some(())
    }

    /// `part` of `whole` of all amounts: a discount takes its share of both sides. `None` where one is too large.
    pub(super) fn share(&mut self, part: u128, whole: u128) -> Option<()> {
        for amount in [&mut self.reads.paid, &mut self.reads.full, &mut self.writes.paid, &mut self.writes.full] {
            *amount = amount.share(part, whole)?;
        }
        Some(())
    }

    /// What the cache saved, and what it cost; `None` where that is too large.
    pub(super) fn effect(&self) -> Option<CacheEffect> {
        let Self { reads, writes } = self;
        Some(CacheEffect { saved: reads.full.less(reads.paid)?, write_premium: writes.paid.less(writes.full)? })
    }
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
