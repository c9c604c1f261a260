//! What the ledger remembers: objects that stand or are about to, and how far each job has come.

use schemas::{NanoUsd, UtcDay};
use serde::{Deserialize, Serialize};

use crate::error::ExportError;
use crate::ledger::{self, Change, Ledger};
use crate::object_store::Sha256;
use crate::partition::Hour;

/// A Bronze NDJSON part: consecutive log rows of one receive-hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Key of the object.
    pub key: String,
    /// Receive-hour of all its rows.
    pub hour: Hour,
    /// First log row.
    pub first_seq: u64,
    /// Last log row.
    pub last_seq: u64,
    /// Events, one line each.
    pub rows: u64,
    /// Length of the object.
    pub bytes: u64,
    /// Digest of the object.
    pub sha256: Sha256,
}

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Events.
    pub rows: u64,
    /// Priced turns and service costs.
    pub nano_usd: NanoUsd,
    /// Tokens that models read, where known.
    pub input_tokens: u64,
    /// Tokens that models wrote, where known.
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.nano_usd += other.nano_usd;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
}

/// A Parquet file of the lake: consecutive log rows of one receive-hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Key of the object.
    pub key: String,
    /// Length of the object.
    pub bytes: u64,
    /// Digest of the object.
    pub sha256: Sha256,
    /// First log row.
    pub first_seq: u64,
    /// Last log row.
    pub last_seq: u64,
    /// Sums over its rows.
    #[serde(flatten)]
    pub totals: Totals,
}

impl FileEntry {
    /// The record of a file that is gone because none of its rows is left; it keeps the file's number from being used again.
    pub(crate) fn emptied(&self) -> Self {
        Self { bytes: 0, sha256: Sha256::of(b""), totals: Totals::default(), ..self.clone() }
    }
}

/// Ledger record: how far Bronze has come, and the part that is being published.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BronzeState {
    /// Log rows up to this one are in parts.
    pub(crate) after: u64,
    /// Recorded before the object is put, so that a second try makes the very same object although rows have come in.
    pub(crate) plan: Option<Part>,
}

/// Ledger record: how far the nightly job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NightlyState {
    /// Log rows up to this one are in published Parquet.
    pub(crate) seq: u64,
    /// Log rows up to this one are left to Parquet.
    pub(crate) closed_seq: u64,
    /// The hour that is being written.
    pub(crate) hour: Option<OpenHour>,
    /// The first day without a manifest; `None` until there is a row.
    pub(crate) day: Option<UtcDay>,
    /// Whether that day waits for nothing but its manifest.
    pub(crate) day_ready: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenHour {
    pub(crate) hour: Hour,
    /// Files of the hour that stand, those of earlier nights included.
    pub(crate) files: u32,
    /// The file that is being published. Recorded before the object is put.
    pub(crate) plan: Option<FileEntry>,
}

/// Key of Bronze's position and open plan.
pub(crate) const BRONZE: &str = "bronze";
/// Key of the nightly job's position and open plan.
pub(crate) const NIGHTLY: &str = "nightly";
/// Key of the manifest that is being published: its very bytes.
pub(crate) const MANIFEST: &str = "manifest";
/// Keys of the Parquet files whose day has no manifest yet.
pub(crate) const FILES: &str = "file/";
/// Start of the keys of NDJSON parts, in the order of the log.
pub(crate) const PARTS: &str = "part/";

/// Key of an NDJSON part.
pub(crate) fn part_record(part: &Part) -> String {
    format!("{PARTS}{:020}", part.first_seq)
}

/// Start of the keys of an hour's Parquet files.
pub(crate) fn files_of(hour: Hour) -> String {
    format!("{FILES}{:010}/", hour.0)
}

/// The hour that a file's record lies in.
pub(crate) fn hour_of(record: &str) -> Option<Hour> {
    record.strip_prefix(FILES)?.split('/').next()?.parse().ok().map(Hour)
}

/// Key of a Parquet file.
pub(crate) fn file_record(hour: Hour, index: u32) -> String {
    format!("{}{index:010}", files_of(hour))
}

/// Log position that parts reach to, the planned one included: every part ends at or before it.
pub(crate) fn parts_reach(ledger: &impl Ledger) -> Result<u64, ExportError> {
    let state: BronzeState = ledger::load(ledger, BRONZE)?;
    Ok(state.plan.map_or(state.after, |plan| plan.last_seq))
}

/// The change that gives up the open part when its rows are closed under it: it may stand, so it is put on the list of
/// parts that go once Parquet stands.
pub(crate) fn give_up_plan(ledger: &impl Ledger, closed: u64) -> Result<Vec<Change>, ExportError> {
    let state: BronzeState = ledger::load(ledger, BRONZE)?;
    match state.plan {
        Some(plan) if plan.last_seq <= closed => Ok(vec![
            ledger::store(BRONZE, &BronzeState { after: state.after, plan: None })?,
            ledger::store(part_record(&plan), &plan)?,
        ]),
        _ => Ok(Vec::new()),
    }
}

/// Log position up to which Bronze leaves the rows to Parquet.
pub(crate) fn closed_seq(ledger: &impl Ledger) -> Result<u64, ExportError> {
    Ok(ledger::load::<NightlyState>(ledger, NIGHTLY)?.closed_seq)
}

/// Log rows up to this `seq` are in published Parquet and may be trimmed. 0 when none are.
///
/// # Errors
/// [`ExportError`] when the ledger is not readable.
pub fn may_trim_before(ledger: &impl Ledger) -> Result<u64, ExportError> {
    Ok(ledger::load::<NightlyState>(ledger, NIGHTLY)?.seq)
}
