//! What an export is of, and how much it does at a time.

use crate::partition::ShardNo;

/// The export of one Shard's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// Whose log: part of every key, and a column.
    pub shard: ShardNo,
    /// How much a call does.
    pub limits: Limits,
}

impl Export {
    /// The export of that Shard, with the limits that fit an isolate.
    #[must_use]
    pub fn of(shard: ShardNo) -> Self {
        Self { shard, limits: Limits::default() }
    }
}

/// Bounds of one object. A log row (one batch) is never split: an object of a single row may be above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of log in a Bronze NDJSON part.
    pub part_raw_bytes_max: usize,
    /// Most bytes of log in a Parquet file.
    pub file_raw_bytes_max: usize,
    /// Most rows in a Parquet file.
    pub file_rows_max: u64,
}

impl Default for Limits {
    /// Parts of 4 MiB: log, NDJSON and gzip of it are in memory at once, 16 MiB of an isolate's 128 MB (measured).
    ///
    /// Files of 32 MiB of log (54,000 turns, 14 MiB of Parquet) or 200,000 rows (two row groups of the largest size).
    /// The log is read 1 MiB at a time; with row group and file that takes 42 MiB at its peak (measured).
    fn default() -> Self {
        Self { part_raw_bytes_max: 4 << 20, file_raw_bytes_max: 32 << 20, file_rows_max: 200_000 }
    }
}
