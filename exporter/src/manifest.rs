//! What a finished day's files hold: the list that readers and audits start from.

use std::collections::BTreeMap;

use schemas::UtcDay;
use serde::{Deserialize, Serialize};

use crate::error::ExportError;
use crate::export::Export;
use crate::ledger::{self, Change, Ledger};
use crate::object_store::{DELETE_KEYS_MAX, Object, ObjectStore, Sha256, publish_once};
use crate::partition::{ShardNo, events_folder, is_part_of, manifest_key};
use crate::records::{self, FileEntry, NightlyState, Totals};

/// Media type of a manifest.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// What became of a day's events at the door of one Shard, by receive time, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeBalance {
    /// Events that came in.
    pub received: u64,
    /// In the log.
    pub stored: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Not stored, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// In the dead-letter log.
    pub dead_lettered: u64,
}

impl IntakeBalance {
    /// Whether received = stored + duplicate + Σ dropped + dead-lettered.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.received == self.stored + self.duplicate + self.dropped.values().sum::<u64>() + self.dead_lettered
    }
}

/// A day of one Shard, complete. Integers may pass 2^53: read them as 64-bit integers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this document: 1.
    pub version: u32,
    /// Table that the files belong to.
    pub table: String,
    /// Receive day, UTC, `YYYY-MM-DD`.
    pub dt: String,
    /// Which Shard.
    pub shard: ShardNo,
    /// Its Parquet files, in the order of the log.
    pub files: Vec<FileEntry>,
    /// Sums over the files.
    pub totals: Totals,
    /// The day's intake.
    pub intake: IntakeBalance,
}

/// What [`publish_manifest`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestReport {
    /// Key of the manifest.
    pub key: String,
    /// The manifest as it stands.
    pub manifest: Manifest,
    /// Whether the day's balance holds and its `stored` is the number of rows in the files. Where not, log at ERROR.
    pub balanced: bool,
}

/// Publishes the manifest of the day that [`crate::nightly`] named ready, and lets `nightly` go on to the next.
///
/// A second try publishes the balance of the first: it is part of the recorded plan. `None` when that day's manifest
/// stands already. *Idempotent*; *Input*: the ledger; *Output*: one object.
///
/// # Errors
/// [`ExportError`]; [`ExportError::Bug`] also when the day is not ready.
pub async fn publish_manifest(
    export: &Export,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
    day: UtcDay,
    intake: &IntakeBalance,
) -> Result<Option<ManifestReport>, ExportError> {
    let shard = export.shard;
    let state: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    if state.day.is_some_and(|due| day < due) {
        return Ok(None);
    }
    if state.day != Some(day) || !state.day_ready {
        return Err(ExportError::Bug(format!("receive day {} is not exported yet", day.start().utc_date())));
    }
    let body = match ledger.get(records::MANIFEST)? {
        Some(body) => body,
        None => {
            let body = build(shard, ledger, day, intake)?;
            ledger.commit(&[Change::Put(records::MANIFEST.to_owned(), body.clone())])?;
            body
        }
    };
    let manifest = ledger::decode(records::MANIFEST, &body)?;
    // And the day before: a put can be carried out as late as that.
    sweep_parts(shard, store, UtcDay(day.0 - 1)).await?;
    sweep_parts(shard, store, day).await?;
    let (key, sha256) = (manifest_key(shard, day), Sha256::of(&body));
    let object = Object { key: &key, body: &body, sha256, content_type: CONTENT_TYPE };
    publish_once(store, &object, sha256).await?;
    finish(ledger, day)?;
    Ok(Some(report(key, manifest)))
}

fn report(key: String, manifest: Manifest) -> ManifestReport {
    let balanced = manifest.intake.holds() && manifest.intake.stored == manifest.totals.rows;
    ManifestReport { key, manifest, balanced }
}

fn build(shard: ShardNo, ledger: &impl Ledger, day: UtcDay, intake: &IntakeBalance) -> Result<Vec<u8>, ExportError> {
    let records = ledger.scan(records::FILES, usize::MAX)?;
    let files = records.iter().map(|(key, value)| ledger::decode(key, value)).collect::<Result<Vec<FileEntry>, _>>()?;
    write(of(shard, day, files, intake.clone()))
}

/// The manifest of these files, without those that hold nothing any more.
pub(crate) fn of(shard: ShardNo, day: UtcDay, mut files: Vec<FileEntry>, intake: IntakeBalance) -> Manifest {
    files.retain(|file| file.totals.rows > 0);
    let mut totals = Totals::default();
    files.iter().for_each(|file| totals += file.totals);
    Manifest {
        version: 1,
        table: schemas::tables::BRONZE_EVENTS.name.to_owned(),
        dt: day.start().utc_date().to_string(),
        shard,
        files,
        totals,
        intake,
    }
}

/// Its bytes.
pub(crate) fn write(manifest: Manifest) -> Result<Vec<u8>, ExportError> {
    let written = serde_json::to_vec_pretty(&manifest);
    written.map_err(|error| ExportError::Bug(format!("manifest of {} is not writable: {error}", manifest.dt)))
}

/// Deletes NDJSON parts that a put left behind which the store carried out only after the process that sent it had died
/// and its hour had gone to Parquet. Nothing else would ever find them.
async fn sweep_parts(shard: ShardNo, store: &impl ObjectStore, day: UtcDay) -> Result<(), ExportError> {
    let (prefix, mut after) = (events_folder(day), None);
    loop {
        let page = store.list(&prefix, after.as_deref()).await?;
        let left_behind = page.keys.iter().filter(|key| is_part_of(shard, key)).cloned().collect::<Vec<_>>();
        for keys in left_behind.chunks(DELETE_KEYS_MAX) {
            store.delete(keys).await?;
        }
        match page.keys.last() {
            Some(last) if page.more => after = Some(last.clone()),
            _ => return Ok(()),
        }
    }
}

/// Records that the manifest stands, unless another call did so while this one awaited the store.
fn finish(ledger: &impl Ledger, day: UtcDay) -> Result<(), ExportError> {
    let mut next: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    if next.day != Some(day) {
        return Ok(());
    }
    (next.day, next.day_ready) = (Some(UtcDay(day.0 + 1)), false);
    let files = ledger.scan(records::FILES, usize::MAX)?.into_iter().map(|(key, _)| Change::Remove(key));
    let mut changes = vec![ledger::store(records::NIGHTLY, &next)?, Change::Remove(records::MANIFEST.to_owned())];
    changes.extend(files);
    Ok(ledger.commit(&changes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_counts_every_way_out() {
        let mut balance =
            IntakeBalance { received: 10, stored: 5, duplicate: 2, dead_lettered: 1, ..Default::default() };
        assert!(!balance.holds());
        balance.dropped.insert("shard_timeout".to_owned(), 1);
        balance.dropped.insert("too_old".to_owned(), 1);
        assert!(balance.holds());
    }
}
