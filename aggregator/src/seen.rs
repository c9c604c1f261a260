//! Which event ids were seen in the last seven days.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use schemas::{FlatMap, UtcDay, UtcMillis};

/// Days that an id is remembered after the day it was seen on: at least seven times 24 hours.
pub const SEEN_DAYS: i32 = 7;
/// Parts in which a day's ids are handed on.
pub const WINDOWS: u64 = 16;

/// A set of bits of MACs.
pub(crate) type IdSet = HashSet<u64, BuildHasherDefault<MacHasher>>;

/// Ids by the UTC day of their receipt, as the first 64 bits of their MAC: 8 bytes an id, and one chance in 10^6 that any
/// two of 10 million coincide.
#[derive(Default)]
pub struct SeenIds {
    days: FlatMap<UtcDay, IdSet>,
}

impl SeenIds {
    /// Was this id seen?
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.days.values().rev().any(|ids| ids.contains(&id))
    }

    /// Remembers an id, and forgets the days that lie too far back.
    pub fn insert(&mut self, id: u64, received_at: UtcMillis) {
        let day = UtcDay::of(received_at);
        if !self.days.contains_key(&day) {
            self.days.retain(|old, _| old.0 + SEEN_DAYS >= day.0);
        }
        self.days.entry(day).or_default().insert(id);
    }

    /// Forgets an id.
    pub fn remove(&mut self, id: u64) {
        for ids in self.days.values_mut() {
            ids.remove(&id);
        }
    }

    /// Part `window` of the ids of a day, little-endian, or the first part of the next day that has any where the day has no
    /// such part; with its day and number. `None` after the last.
    #[must_use]
    pub fn part(&self, day: UtcDay, window: u64) -> Option<(UtcDay, u64, Vec<u8>)> {
        let (found, ids) = self.days.range(day..).find(|(found, _)| **found > day || window < WINDOWS)?;
        let window = if *found == day { window } else { 0 };
        let of_part = ids.iter().filter(|id| *id / (u64::MAX / WINDOWS + 1) == window);
        Some((*found, window, of_part.flat_map(|id| id.to_le_bytes()).collect()))
    }

    /// The instant before which nothing need be remembered.
    #[must_use]
    pub fn horizon(now: UtcMillis) -> UtcMillis {
        UtcDay(UtcDay::of(now).0 - SEEN_DAYS).start()
    }
}

/// The bits of a MAC are their own hash.
#[derive(Default)]
pub(crate) struct MacHasher(u64);

impl Hasher for MacHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::time::DAY_MS;

    #[test]
    fn an_id_is_known_for_seven_days() {
        let start = UtcMillis::parse_rfc3339("2026-11-01T23:59:59Z").unwrap();
        let mut seen = SeenIds::default();
        seen.insert(1, start);
        seen.insert(2, start.plus_ms(7 * DAY_MS));
        assert!(seen.contains(1) && seen.contains(2));
        seen.insert(3, start.plus_ms(8 * DAY_MS));
        assert!(!seen.contains(1) && seen.contains(2));
        assert!(SeenIds::horizon(start.plus_ms(7 * DAY_MS)) <= start);
    }
}
