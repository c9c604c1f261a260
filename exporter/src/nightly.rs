//! The log becomes Parquet, hour by hour of receive time.
//!
//! Hours are taken in the order of the log; the running one may be taken as far as it has come, and taken up again another
//! night. Its rows are closed in the ledger first, so that Bronze publishes none of them any more; then its files are
//! written one a call; then the NDJSON parts that held them go.

use schemas::tables::BRONZE_EVENTS;
use schemas::{UtcDay, UtcMillis};

use crate::error::ExportError;
use crate::event_row::EventRow;
use crate::export::Export;
use crate::ledger::{self, Change, Ledger};
use crate::log::{LogRange, LogRow, LogSource, for_each_row};
use crate::object_store::{DELETE_KEYS_MAX, Object, ObjectStore, Sha256, Stands, publish_once};
use crate::parquet_file::TableWriter;
use crate::partition::{Hour, day_end, file_key};
use crate::records::{self, FileEntry, NightlyState, OpenHour, Part, Totals, give_up_plan, parts_reach};

/// Media type of a file.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.apache.parquet";

/// What a call of [`nightly`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nightly {
    /// A Parquet file stands. Call again.
    Wrote(FileEntry),
    /// All rows of the hour that were closed are in Parquet, and up to 1,000 of the NDJSON parts that they replace are gone. Call again.
    Replaced(Hour),
    /// Every row received on that UTC day is in Parquet: call [`crate::publish_manifest`] with its balance, then again.
    DayReady(UtcDay),
    /// Another call did it while this one awaited the store. Call again.
    Overtaken,
    /// No row is left that was received before the given instant.
    Idle,
}

/// Takes the next step of turning rows received before `before` into Parquet: one file, or one delete. A day is ready for
/// its manifest once `before` lies behind it.
///
/// *Idempotent*; *Input*: the log; *Output*: at most one object created, or the parts of one hour deleted.
///
/// # Errors
/// [`ExportError`], whose variant says what to do next.
pub async fn nightly(
    export: &Export,
    log: &impl LogSource,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
    before: UtcMillis,
) -> Result<Nightly, ExportError> {
    let state: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    let state = match (&state.hour, state.day) {
        (Some(_), _) => state,
        (None, Some(day)) if state.day_ready => return Ok(Nightly::DayReady(day)),
        _ => match next_hour(log, &state, before)? {
            Next::Hour(hour) => open_hour(log, ledger, state, hour, before)?,
            Next::DayIsOver(day) => {
                close_day(ledger, state)?;
                return Ok(Nightly::DayReady(day));
            }
            Next::Nothing => return Ok(Nightly::Idle),
        },
    };
    let Some(open) = &state.hour else { return Ok(Nightly::Idle) };
    let (plan, built, body) = match &open.plan {
        Some(plan) => {
            let (built, body) = rebuild(export, log, state.seq, plan)?;
            (plan.clone(), built, body)
        }
        None => {
            let key = file_key(export.shard, open.hour, open.files);
            let Some((built, body)) = build(export, log, key, state.seq, Rows::UpTo(state.closed_seq))? else {
                return replace_parts(ledger, store, &state, open.hour).await;
            };
            record_plan(ledger, &state, open, &built)?;
            (built.clone(), built, body)
        }
    };
    let (key, sha256) = (built.key.clone(), built.sha256);
    let object = Object { key: &key, body: &body, sha256, content_type: CONTENT_TYPE };
    let file = match publish_once(store, &object, plan.sha256).await? {
        Stands::AsBuilt => built,
        Stands::AsPlanned => plan,
    };
    finish_file(ledger, file)
}

enum Next {
    Hour(Hour),
    DayIsOver(UtcDay),
    Nothing,
}

fn next_hour(log: &impl LogSource, state: &NightlyState, before: UtcMillis) -> Result<Next, ExportError> {
    let range = LogRange { to: before, bytes_max: 0, ..LogRange::after(state.seq) };
    let hour = log.rows(&range)?.first().map(|row| Hour::of(row.received_at));
    // A clock that stepped back behind a finished day: its rows go to the day that is open.
    let hour = hour.map(|hour| state.day.map_or(hour, |day| hour.max(Hour::of(day.start()))));
    Ok(match (hour, state.day) {
        (Some(hour), Some(day)) if hour.day() > day => Next::DayIsOver(day),
        (Some(hour), _) => Next::Hour(hour),
        (None, Some(day)) if day_end(day) <= before => Next::DayIsOver(day),
        (None, _) => Next::Nothing,
    })
}

/// Closes the hour's rows for Bronze and opens it here, in one commit. Rows are closed up to `before`, or as far as a part
/// of the hour reaches that holds such rows.
fn open_hour(
    log: &impl LogSource,
    ledger: &impl Ledger,
    state: NightlyState,
    hour: Hour,
    before: UtcMillis,
) -> Result<NightlyState, ExportError> {
    let last = |before| Ok::<_, ExportError>(log.last(before)?.map_or(0, |end| end.seq));
    let closed_seq = last(hour.end().min(before))?.max(parts_reach(ledger)?.min(last(hour.end())?));
    let files = u32::try_from(ledger.scan(&records::files_of(hour), usize::MAX)?.len()).unwrap_or(u32::MAX);
    let day = Some(state.day.unwrap_or(hour.day()));
    let open = Some(OpenHour { hour, files, plan: None });
    let next = NightlyState { closed_seq, hour: open, day, ..state };
    let mut changes = give_up_plan(ledger, closed_seq)?;
    changes.push(ledger::store(records::NIGHTLY, &next)?);
    ledger.commit(&changes)?;
    Ok(next)
}

fn close_day(ledger: &impl Ledger, state: NightlyState) -> Result<(), ExportError> {
    let next = NightlyState { day_ready: true, ..state };
    Ok(ledger.commit(&[ledger::store(records::NIGHTLY, &next)?])?)
}

fn record_plan(
    ledger: &impl Ledger,
    state: &NightlyState,
    open: &OpenHour,
    plan: &FileEntry,
) -> Result<(), ExportError> {
    let hour = Some(OpenHour { plan: Some(plan.clone()), ..open.clone() });
    Ok(ledger.commit(&[ledger::store(records::NIGHTLY, &NightlyState { hour, ..state.clone() })?])?)
}

/// Records that the file stands, unless another call did so while this one awaited the store.
fn finish_file(ledger: &impl Ledger, file: FileEntry) -> Result<Nightly, ExportError> {
    let state: NightlyState = ledger::load(ledger, records::NIGHTLY)?;
    let open = match &state.hour {
        Some(open) if open.plan.as_ref().is_some_and(|plan| plan.key == file.key) => open.clone(),
        _ => return Ok(Nightly::Overtaken),
    };
    ledger.commit(&finished(&state, &open, &file)?)?;
    Ok(Nightly::Wrote(file))
}

/// The changes that record that the hour's planned file stands.
pub(crate) fn finished(state: &NightlyState, open: &OpenHour, file: &FileEntry) -> Result<[Change; 2], ExportError> {
    let record = ledger::store(records::file_record(open.hour, open.files), file)?;
    let hour = Some(OpenHour { files: open.files + 1, plan: None, ..open.clone() });
    let next = NightlyState { seq: file.last_seq, hour, ..state.clone() };
    Ok([ledger::store(records::NIGHTLY, &next)?, record])
}

/// Deletes NDJSON parts whose rows are all in Parquet, and leaves the hour when none remain.
async fn replace_parts(
    ledger: &impl Ledger,
    store: &impl ObjectStore,
    state: &NightlyState,
    hour: Hour,
) -> Result<Nightly, ExportError> {
    let parts = ledger.scan(records::PARTS, DELETE_KEYS_MAX)?;
    let parts = parts.into_iter().map(|(key, value)| Ok((ledger::decode::<Part>(&key, &value)?, key)));
    let mut parts = parts.collect::<Result<Vec<_>, ExportError>>()?;
    parts.retain(|(part, _)| part.last_seq <= state.closed_seq);
    let keys = parts.iter().map(|(part, _)| part.key.clone()).collect::<Vec<_>>();
    if !keys.is_empty() {
        store.delete(&keys).await?;
    }
    if ledger::load::<NightlyState>(ledger, records::NIGHTLY)? != *state {
        return Ok(Nightly::Overtaken);
    }
    let mut changes = parts.into_iter().map(|(_, record)| Change::Remove(record)).collect::<Vec<_>>();
    if changes.len() < DELETE_KEYS_MAX {
        changes.push(ledger::store(records::NIGHTLY, &NightlyState { hour: None, ..state.clone() })?);
    }
    ledger.commit(&changes)?;
    Ok(Nightly::Replaced(hour))
}

/// How far a file goes.
#[derive(Clone, Copy)]
enum Rows {
    /// As far as one file goes, and not beyond this row.
    UpTo(u64),
    /// Exactly to this row.
    Through(u64),
}

/// A file of the rows after `after`; `None` when there are none.
fn build(
    export: &Export,
    log: &impl LogSource,
    key: String,
    after: u64,
    rows: Rows,
) -> Result<Option<(FileEntry, Vec<u8>)>, ExportError> {
    let mut file = FileBuilder::new(export)?;
    for_each_row(log, LogRange::after(after), |row| {
        let within = match rows {
            Rows::UpTo(last) => row.seq <= last && file.has_room_for(row),
            Rows::Through(last) => row.seq <= last,
        };
        if within {
            file.push(row)?;
        }
        Ok(within)
    })?;
    file.finish(key)
}

/// The planned file once more, from the same rows.
fn rebuild(
    export: &Export,
    log: &impl LogSource,
    after: u64,
    plan: &FileEntry,
) -> Result<(FileEntry, Vec<u8>), ExportError> {
    match build(export, log, plan.key.clone(), after, Rows::Through(plan.last_seq))? {
        Some((built, body))
            if (built.first_seq, built.last_seq, built.totals) == (plan.first_seq, plan.last_seq, plan.totals) =>
        {
            Ok((built, body))
        }
        _ => Err(ExportError::Bug(format!("log rows of {} changed after it was planned", plan.key))),
    }
}

/// A file of the rows that the log holds between those of `entry`; `None` where it holds none.
pub(crate) fn build_file(
    export: &Export,
    log: &impl LogSource,
    entry: &FileEntry,
) -> Result<Option<(FileEntry, Vec<u8>)>, ExportError> {
    let rows = Rows::Through(entry.last_seq);
    build(export, log, entry.key.clone(), entry.first_seq.saturating_sub(1), rows)
}

struct FileBuilder {
    export: Export,
    writer: TableWriter,
    raw_bytes: usize,
    first_seq: Option<u64>,
    last_seq: u64,
    totals: Totals,
}

impl FileBuilder {
    fn new(export: &Export) -> Result<Self, ExportError> {
        let writer = TableWriter::new(&BRONZE_EVENTS)?;
        Ok(Self { export: *export, writer, raw_bytes: 0, first_seq: None, last_seq: 0, totals: Totals::default() })
    }

    fn has_room_for(&self, row: &LogRow) -> bool {
        let fits = self.raw_bytes + row.events.len() <= self.export.limits.file_raw_bytes_max
            && self.totals.rows + u64::from(row.count) <= self.export.limits.file_rows_max;
        fits || self.first_seq.is_none()
    }

    fn push(&mut self, row: &LogRow) -> Result<(), ExportError> {
        for line in row.lines()? {
            let event = EventRow::read(line).map_err(|error| {
                ExportError::Bug(format!("log row {} holds an event that is not readable: {error}", row.seq))
            })?;
            self.writer.push(&event.cells(self.export.shard, row.received_at, line))?;
            self.totals += event.totals();
        }
        self.raw_bytes += row.events.len();
        self.first_seq.get_or_insert(row.seq);
        self.last_seq = row.seq;
        Ok(())
    }

    fn finish(self, key: String) -> Result<Option<(FileEntry, Vec<u8>)>, ExportError> {
        let Some(first_seq) = self.first_seq else { return Ok(None) };
        let body = self.writer.finish()?;
        let (bytes, sha256) = (body.len() as u64, Sha256::of(&body));
        Ok(Some((FileEntry { key, bytes, sha256, first_seq, last_seq: self.last_seq, totals: self.totals }, body)))
    }
}
