//! Where files lie: receive-hours, and the keys of objects.

use schemas::time::{DAY_MS, HOUR_MS};
use schemas::{UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

/// An hour of receive time: hours since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour that holds `at`.
    #[must_use]
    pub fn of(at: UtcMillis) -> Self {
        Self(at.0.div_euclid(HOUR_MS))
    }

    /// When it starts.
    #[must_use]
    pub fn start(self) -> UtcMillis {
        UtcMillis(self.0.saturating_mul(HOUR_MS))
    }

    /// When it ends: the start of the next.
    #[must_use]
    pub fn end(self) -> UtcMillis {
        self.start().plus_ms(HOUR_MS)
    }

    /// The UTC day it lies in.
    #[must_use]
    pub fn day(self) -> UtcDay {
        UtcDay::of(self.start())
    }

    /// `events/dt=YYYY-MM-DD/hour=HH/`
    fn folder(self) -> String {
        format!("{}hour={:02}/", events_folder(self.day()), self.start().utc_hour())
    }
}

/// When a UTC day ends: the start of the next.
pub(crate) fn day_end(day: UtcDay) -> UtcMillis {
    day.start().plus_ms(DAY_MS)
}

/// Number of a Shard; in keys `s000`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardNo(pub u16);

impl std::fmt::Display for ShardNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s{:03}", self.0)
    }
}

/// Folder of a receive day's events, with a slash at the end.
pub(crate) fn events_folder(day: UtcDay) -> String {
    format!("events/dt={}/", day.start().utc_date())
}

/// Key of a Bronze NDJSON part; names the log rows it holds, so that the same rows always have the same key.
pub(crate) fn part_key(shard: ShardNo, hour: Hour, first_seq: u64, last_seq: u64) -> String {
    format!("{}{shard}-{first_seq:012}-{last_seq}{PART_SUFFIX}", hour.folder())
}

/// How a Bronze NDJSON part's key ends.
const PART_SUFFIX: &str = ".ndjson.gz";

/// Whether `key` is a Bronze NDJSON part of that Shard.
pub(crate) fn is_part_of(shard: ShardNo, key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.ends_with(PART_SUFFIX) && name.starts_with(&format!("{shard}-"))
}

/// Key of the `index`-th Parquet file of an hour, from 0.
pub(crate) fn file_key(shard: ShardNo, hour: Hour, index: u32) -> String {
    format!("{}{shard}-{index:02}.parquet", hour.folder())
}

/// Key of a day's manifest.
pub(crate) fn manifest_key(shard: ShardNo, day: UtcDay) -> String {
    format!("manifest/dt={}/{shard}.json", day.start().utc_date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_readers_expect_them() {
        let hour = Hour::of(UtcMillis::parse_rfc3339("2026-11-21T09:59:59.999Z").unwrap());
        let shard = ShardNo(0);
        let part = part_key(shard, hour, 7, 4711);
        assert_eq!(part, "events/dt=2026-11-21/hour=09/s000-000000000007-4711.ndjson.gz");
        assert_eq!(file_key(shard, hour, 3), "events/dt=2026-11-21/hour=09/s000-03.parquet");
        assert_eq!(manifest_key(ShardNo(12), hour.day()), "manifest/dt=2026-11-21/s012.json");
        assert!(is_part_of(shard, &part) && !is_part_of(ShardNo(1), &part));
        assert!(!is_part_of(shard, &file_key(shard, hour, 3)));
    }
}
