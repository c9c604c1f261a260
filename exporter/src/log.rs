//! The Shard's log as the exporter reads it.

use schemas::UtcMillis;

use crate::error::{ExportError, SqlError};

/// One accepted batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Position in the log; grows, gaps are allowed.
    pub seq: u64,
    /// Stamped by the Shard; never decreases with `seq`.
    pub received_at: UtcMillis,
    /// Canonical [`schemas::Event`] JSON, one per line, each line ended by a newline.
    pub events: Vec<u8>,
    /// Lines in `events`.
    pub count: u32,
}

/// Which rows of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// Only `seq` above this.
    pub after: u64,
    /// Only `received_at` at or after this…
    pub from: UtcMillis,
    /// …and before this.
    pub to: UtcMillis,
    /// Stop before the row that brings the sum of `events` above this; the first row comes whatever its length.
    pub bytes_max: usize,
}

impl LogRange {
    /// All rows after `after`, as many as one read brings into memory.
    pub(crate) fn after(after: u64) -> Self {
        Self { after, from: UtcMillis(i64::MIN), to: UtcMillis(i64::MAX), bytes_max: READ_BYTES_MAX }
    }
}

/// 1 MiB of log at a time: half of the largest row (2 MB) and small beside the memory of an isolate (128 MB).
const READ_BYTES_MAX: usize = 1 << 20;

/// The last row of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Its `seq`.
    pub seq: u64,
    /// Its `received_at`.
    pub received_at: UtcMillis,
}

/// The log, read only. Rows up to [`crate::may_trim_before`] may be missing.
pub trait LogSource {
    /// The first rows of the range, in the order of `seq`; empty only when the range is.
    ///
    /// # Errors
    /// [`SqlError`].
    fn rows(&self, range: &LogRange) -> Result<Vec<LogRow>, SqlError>;

    /// The last row that was received before `before`; `None` when there is none.
    ///
    /// # Errors
    /// [`SqlError`].
    fn last(&self, before: UtcMillis) -> Result<Option<LogEnd>, SqlError>;
}

/// Hands over the rows after `after`, in order and a bounded number of bytes at a time, until `each` says `false`.
pub(crate) fn for_each_row(
    log: &impl LogSource,
    mut range: LogRange,
    mut each: impl FnMut(&LogRow) -> Result<bool, ExportError>,
) -> Result<(), ExportError> {
    loop {
        let rows = log.rows(&range)?;
        let Some(last) = rows.last() else { return Ok(()) };
        range.after = last.seq;
        for row in &rows {
            if !each(row)? {
                return Ok(());
            }
        }
    }
}

impl LogRow {
    /// The events, one line each, without the newline.
    ///
    /// # Errors
    /// [`ExportError::Bug`] when the row is not what it says: an export that skipped it would lose events.
    pub(crate) fn lines(&self) -> Result<impl Iterator<Item = &str>, ExportError> {
        let broken = |what: &str| ExportError::Bug(format!("log row {} {what}", self.seq));
        let text = std::str::from_utf8(&self.events).map_err(|_| broken("is not UTF-8"))?;
        let lines = text.strip_suffix('\n').ok_or_else(|| broken("does not end in a newline"))?.split('\n');
        if lines.clone().count() != self.count as usize {
            return Err(broken("does not hold as many lines as it says"));
        }
        if !lines.clone().all(|line| line.starts_with("{\"")) {
            return Err(broken("holds a line that is not a JSON object"));
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_what_it_says_is_refused() {
        let row = |events: &[u8], count| LogRow { seq: 7, received_at: UtcMillis(0), events: events.to_vec(), count };
        assert_eq!(row(b"{\"a\":1}\n{\"b\":2}\n", 2).lines().unwrap().collect::<Vec<_>>(), ["{\"a\":1}", "{\"b\":2}"]);
        for (events, count) in
            [(&b"{\"a\":1}\n"[..], 2), (b"{\"a\":1}", 1), (b"", 0), (b"\xff\n", 1), (b"{\"a\":1}\n\n", 2), (b"x\n", 1)]
        {
            assert!(matches!(row(events, count).lines().err(), Some(ExportError::Bug(_))), "{events:?}");
        }
    }
}
