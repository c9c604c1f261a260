//! People leave the lake: files that hold rows of theirs are made anew from the log, once the log has forgotten them.
//!
//! [`queue`] notes the receive days that an erasure touches, in the same commit that forgets the person. [`erase_next`] then
//! makes the objects of one of these days anew, one a call, in the order of their keys, and its manifest last. Objects whose
//! bytes are what they should be are left alone, so a call that is made again does no harm.

use std::collections::BTreeSet;

use schemas::time::DAY_MS;
use schemas::{UtcDay, UtcMillis, order};
use serde::{Deserialize, Serialize};

use crate::bronze;
use crate::error::ExportError;
use crate::export::Export;
use crate::ledger::{self, Change, Ledger};
use crate::log::LogSource;
use crate::manifest::{self, IntakeBalance, Manifest};
use crate::nightly;
use crate::object_store::{Object, ObjectStore, Sha256};
use crate::partition::manifest_key;
use crate::records::{self, BronzeState, FileEntry, NightlyState, Part};

/// Days within which an erasure reaches every file: "one month" (GDPR, Article 12 (3)), and never more than February has.
pub const ERASURE_DAYS_MAX: i64 = 28;

/// What has become of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// When it was asked for.
    pub requested_at: UtcMillis,
    /// When every file must be without the person.
    pub due_at: UtcMillis,
    /// Events that were forgotten.
    pub events: u64,
    /// When the last file was; `None` while files wait.
    pub lake_done_at: Option<UtcMillis>,
}

/// Ledger record: a receive day whose files must be made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TouchedDay {
    /// For which erasures.
    receipts: BTreeSet<String>,
    /// Objects up to this key have been.
    after: Option<String>,
}

const ERASURES: &str = "erasure/";
const DAYS: &str = "erase-day/";

fn day_record(day: UtcDay) -> String {
    format!("{DAYS}{:010}", day.0)
}

/// The changes that note an erasure, for the commit in which the log forgets the person. `touched` are the log rows that held
/// events of theirs.
///
/// A part or file that is being published from such rows is taken for published: its own bytes can't be made again, and
/// [`erase_next`] puts the right ones in their place whether or not it came to stand.
///
/// # Errors
/// [`ExportError`] when the ledger is not readable.
pub fn queue(
    ledger: &impl Ledger,
    receipt: &str,
    at: UtcMillis,
    events: u64,
    touched: &[(u64, UtcMillis)],
) -> Result<Vec<Change>, ExportError> {
    let covers = |first: u64, last: u64| touched.iter().any(|(seq, _)| (first..=last).contains(seq));
    let mut changes = Vec::new();
    let bronze: BronzeState = ledger::load(ledger, records::BRONZE)?;
    if let Some(plan) = bronze.plan.filter(|plan| covers(plan.first_seq, plan.last_seq)) {
        changes.push(ledger::store(records::BRONZE, &BronzeState { after: plan.last_seq, plan: None })?);
        changes.push(ledger::store(records::part_record(&plan), &plan)?);
    }
    let nightly: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    let planned = nightly.hour.as_ref().and_then(|open| open.plan.clone().map(|plan| (open.clone(), plan)));
    if let Some((open, plan)) = planned.filter(|(_, plan)| covers(plan.first_seq, plan.last_seq)) {
        changes.extend(nightly::finished(&nightly, &open, &plan)?);
    }
    let days = order::set(touched.iter().map(|(_, received_at)| UtcDay::of(*received_at)));
    for day in &days {
        let mut record: TouchedDay = ledger::load(ledger, &day_record(*day))?;
        record.receipts.insert(receipt.to_owned());
        record.after = None;
        changes.push(ledger::store(day_record(*day), &record)?);
    }
    let erasure = Erasure {
        requested_at: at,
        due_at: at.plus_ms(ERASURE_DAYS_MAX * DAY_MS),
        events,
        lake_done_at: days.is_empty().then_some(at),
    };
    changes.push(ledger::store(format!("{ERASURES}{receipt}"), &erasure)?);
    Ok(changes)
}

/// What has become of the erasure of that receipt; `None` when there was none.
///
/// # Errors
/// [`ExportError`] when the ledger is not readable.
pub fn erasure(ledger: &impl Ledger, receipt: &str) -> Result<Option<Erasure>, ExportError> {
    let key = format!("{ERASURES}{receipt}");
    ledger.get(&key)?.map(|value| ledger::decode(&key, &value)).transpose()
}

/// Instant by which the oldest erasure that still waits for files is due; `None` when none waits.
///
/// # Errors
/// [`ExportError`] when the ledger is not readable.
pub fn erasure_due(ledger: &impl Ledger) -> Result<Option<UtcMillis>, ExportError> {
    let mut due = None;
    for (key, value) in ledger.scan(DAYS, usize::MAX)? {
        for receipt in ledger::decode::<TouchedDay>(&key, &value)?.receipts {
            let at = erasure(ledger, &receipt)?.map(|erasure| erasure.due_at);
            due = due.into_iter().chain(at).min();
        }
    }
    Ok(due)
}

/// Makes the next object anew that may hold rows of someone erased. Returns whether there may be more to do.
///
/// *Idempotent*; *Input*: the log, which no longer holds them; *Output*: at most one object replaced or deleted.
///
/// # Errors
/// [`ExportError`], whose variant says what to do next.
pub async fn erase_next(
    export: &Export,
    log: &impl LogSource,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
    now: UtcMillis,
    intake_of: impl Fn(UtcDay) -> IntakeBalance,
) -> Result<bool, ExportError> {
    for (key, value) in ledger.scan(DAYS, usize::MAX)? {
        let touched: TouchedDay = ledger::decode(&key, &value)?;
        let Some(day) = key.strip_prefix(DAYS).and_then(|day| day.parse().ok()).map(UtcDay) else { continue };
        // A manifest that is being published is let stand first.
        if ledger.get(records::MANIFEST)?.is_some()
            && ledger::load::<NightlyState>(ledger, records::NIGHTLY)?.day == Some(day)
        {
            continue;
        }
        let published = published_manifest(export, ledger, store, day).await?;
        match next_object(ledger, day, published.as_ref(), touched.after.as_deref())? {
            Some(target) => {
                let mut changes = renew(log, export, store, &target).await?;
                let after = Some(target.key().to_owned());
                changes.push(ledger::store(key, &TouchedDay { after, ..touched })?);
                ledger.commit(&changes)?;
            }
            None => {
                if let Some(manifest) = published {
                    renew_manifest(export, log, store, day, manifest, intake_of(day)).await?;
                }
                finish(ledger, &key, &touched, now)?;
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// An object that may have to be made anew, and the record that says so.
enum Target {
    Part(Part),
    /// Without a record where the manifest lists it.
    File {
        record: Option<String>,
        entry: FileEntry,
    },
}

impl Target {
    fn key(&self) -> &str {
        match self {
            Self::Part(part) => &part.key,
            Self::File { entry, .. } => &entry.key,
        }
    }
}

async fn published_manifest(
    export: &Export,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
    day: UtcDay,
) -> Result<Option<Manifest>, ExportError> {
    let state: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    if state.day.is_none_or(|open| day >= open) {
        return Ok(None);
    }
    let key = manifest_key(export.shard, day);
    Ok(match store.get(&key).await? {
        Some(body) => Some(ledger::decode(&key, &body)?),
        None => None,
    })
}

/// The first object of the day after a key: its parts, and its files, which either the ledger or the manifest lists.
fn next_object(
    ledger: &impl Ledger,
    day: UtcDay,
    published: Option<&Manifest>,
    after: Option<&str>,
) -> Result<Option<Target>, ExportError> {
    let mut targets = Vec::new();
    for (key, value) in ledger.scan(records::PARTS, usize::MAX)? {
        let part: Part = ledger::decode(&key, &value)?;
        if part.hour.day() == day {
            targets.push(Target::Part(part));
        }
    }
    for (record, value) in ledger.scan(records::FILES, usize::MAX)? {
        let entry: FileEntry = ledger::decode(&record, &value)?;
        if records::hour_of(&record).is_some_and(|hour| hour.day() == day) {
            targets.push(Target::File { record: Some(record), entry });
        }
    }
    for entry in published.into_iter().flat_map(|manifest| &manifest.files) {
        targets.push(Target::File { record: None, entry: entry.clone() });
    }
    targets.retain(|target| after.is_none_or(|after| target.key() > after));
    Ok(targets.into_iter().min_by(|a, b| a.key().cmp(b.key())))
}

/// Puts the object's right bytes in its place, or deletes it where no row is left. The changes that record it.
async fn renew(
    log: &impl LogSource,
    export: &Export,
    store: &impl ObjectStore,
    target: &Target,
) -> Result<Vec<Change>, ExportError> {
    match target {
        Target::Part(part) => {
            let record = records::part_record(part);
            let (built, body) = bronze::build_part(log, part)?;
            if built.rows == 0 {
                store.delete(std::slice::from_ref(&part.key)).await?;
                return Ok(vec![Change::Remove(record)]);
            }
            if built.sha256 != part.sha256 {
                replace(store, &part.key, &body, built.sha256, bronze::CONTENT_TYPE).await?;
            }
            Ok(vec![ledger::store(record, &built)?])
        }
        // What has passed its time in the lake does not come back.
        Target::File { record: None, entry } if store.head(&entry.key).await?.is_none() => Ok(Vec::new()),
        Target::File { record, entry } => {
            let built = nightly::build_file(export, log, entry)?;
            let next = match built {
                Some((built, body)) => {
                    if built.sha256 != entry.sha256 {
                        replace(store, &entry.key, &body, built.sha256, nightly::CONTENT_TYPE).await?;
                    }
                    built
                }
                None => {
                    store.delete(std::slice::from_ref(&entry.key)).await?;
                    entry.emptied()
                }
            };
            // The manifest's own entries are made anew with it.
            record.as_ref().map(|record| ledger::store(record.clone(), &next)).into_iter().collect()
        }
    }
}

async fn replace(
    store: &impl ObjectStore,
    key: &str,
    body: &[u8],
    sha256: Sha256,
    content_type: &'static str,
) -> Result<(), ExportError> {
    Ok(store.put(&Object { key, body, sha256, content_type }).await?)
}

/// The manifest of files that were made anew. What their bytes are is worked out once more, so that no other record is needed.
async fn renew_manifest(
    export: &Export,
    log: &impl LogSource,
    store: &impl ObjectStore,
    day: UtcDay,
    published: Manifest,
    intake: IntakeBalance,
) -> Result<(), ExportError> {
    let mut files = Vec::new();
    for entry in &published.files {
        files.extend(nightly::build_file(export, log, entry)?.map(|(built, _)| built));
    }
    let body = manifest::write(manifest::of(export.shard, day, files, intake))?;
    let key = manifest_key(export.shard, day);
    replace(store, &key, &body, Sha256::of(&body), manifest::CONTENT_TYPE).await
}

fn finish(ledger: &impl Ledger, key: &str, touched: &TouchedDay, now: UtcMillis) -> Result<(), ExportError> {
    let mut changes = vec![Change::Remove(key.to_owned())];
    let mut waiting = BTreeSet::new();
    for (other, value) in ledger.scan(DAYS, usize::MAX)? {
        if other != key {
            waiting.extend(ledger::decode::<TouchedDay>(&other, &value)?.receipts);
        }
    }
    for receipt in touched.receipts.difference(&waiting) {
        if let Some(erasure) = erasure(ledger, receipt)? {
            let done = Erasure { lake_done_at: Some(now), ..erasure };
            changes.push(ledger::store(format!("{ERASURES}{receipt}"), &done)?);
        }
    }
    Ok(ledger.commit(&changes)?)
}

#[cfg(test)]
#[path = "erasure_test.rs"]
mod tests;
