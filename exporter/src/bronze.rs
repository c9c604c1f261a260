//! Bronze within minutes: the log beyond the last part, as gzip NDJSON.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use schemas::UtcMillis;

use crate::error::ExportError;
use crate::export::Export;
use crate::ledger::{self, Ledger};
use crate::log::{LogRange, LogRow, LogSource, for_each_row};
use crate::object_store::{Object, ObjectStore, Sha256, Stands, publish_once};
use crate::partition::{Hour, part_key};
use crate::records::{self, BronzeState, Part, closed_seq, may_trim_before};

/// Media type of a part.
pub(crate) const CONTENT_TYPE: &str = "application/gzip";

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BronzeReport {
    /// The part that stands now. `None` when nothing waited, or when the hour went to Parquet in the meantime.
    pub published: Option<Part>,
    /// Rows wait for another call.
    pub more: bool,
}

/// Publishes the next part: log rows of one receive-hour, at most [`crate::Limits::part_raw_bytes_max`] of them.
///
/// Each line is the canonical event with `"received_at":<UTC ms>` as its first member. Hours that the nightly job has
/// closed are left out: Parquet covers them. *Idempotent*; *Input*: the log; *Output*: one object or none.
///
/// # Errors
/// [`ExportError`], whose variant says what to do next.
pub async fn publish_bronze(
    export: &Export,
    log: &impl LogSource,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
) -> Result<BronzeReport, ExportError> {
    let state: BronzeState = ledger::load(ledger, records::BRONZE)?;
    let (plan, built, body) = match state.plan {
        Some(plan) => {
            let (built, body) = rebuild(log, &plan)?;
            (plan, built, body)
        }
        None => {
            let Some((built, body)) = build_next(export, log, state.after.max(closed_seq(ledger)?))? else {
                return Ok(BronzeReport::default());
            };
            let planned = BronzeState { after: state.after, plan: Some(built.clone()) };
            ledger.commit(&[ledger::store(records::BRONZE, &planned)?])?;
            (built.clone(), built, body)
        }
    };
    let object = Object { key: &built.key, body: &body, sha256: built.sha256, content_type: CONTENT_TYPE };
    let part = match publish_once(store, &object, plan.sha256).await? {
        Stands::AsBuilt => built,
        Stands::AsPlanned => plan,
    };
    finish(part, log, ledger, store).await
}

/// Records that the part stands, unless another call did so, or took its rows to Parquet, while this one awaited the store.
async fn finish(
    part: Part,
    log: &impl LogSource,
    ledger: &impl Ledger,
    store: &impl ObjectStore,
) -> Result<BronzeReport, ExportError> {
    let state: BronzeState = ledger::load(ledger, records::BRONZE)?;
    let closed = closed_seq(ledger)?;
    if state.plan.is_some_and(|plan| plan.key == part.key) {
        let done = BronzeState { after: part.last_seq, plan: None };
        ledger.commit(&[ledger::store(records::BRONZE, &done)?, ledger::store(records::part_record(&part), &part)?])?;
        return Ok(BronzeReport { more: waiting(log, done.after.max(closed))?, published: Some(part) });
    }
    if part.last_seq <= closed {
        store.delete(std::slice::from_ref(&part.key)).await?;
    }
    Ok(BronzeReport { published: None, more: true })
}

/// Log rows up to this `seq` stand in the lake, as NDJSON or as Parquet. 0 when none do.
///
/// # Errors
/// [`ExportError`] when the ledger is not readable.
pub fn exported_to(ledger: &impl Ledger) -> Result<u64, ExportError> {
    let state: BronzeState = ledger::load(ledger, records::BRONZE)?;
    Ok(state.after.max(may_trim_before(ledger)?))
}

fn waiting(log: &impl LogSource, after: u64) -> Result<bool, ExportError> {
    Ok(log.last(UtcMillis(i64::MAX))?.is_some_and(|end| end.seq > after))
}

/// The next part and its bytes; `None` when no row waits.
fn build_next(export: &Export, log: &impl LogSource, after: u64) -> Result<Option<(Part, Vec<u8>)>, ExportError> {
    let range = LogRange { bytes_max: export.limits.part_raw_bytes_max, ..LogRange::after(after) };
    let rows = log.rows(&range)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let hour = Hour::of(first.received_at);
    let mut part = PartBuilder::default();
    let of_the_hour = rows.iter().take_while(|row| Hour::of(row.received_at) == hour);
    of_the_hour.into_iter().try_for_each(|row| part.push(row))?;
    let key = part_key(export.shard, hour, first.seq, part.last_seq);
    part.finish(key, hour, first.seq).map(Some)
}

/// The planned part once more, from the same rows.
fn rebuild(log: &impl LogSource, plan: &Part) -> Result<(Part, Vec<u8>), ExportError> {
    let (built, body) = build_part(log, plan)?;
    if built.rows == plan.rows {
        Ok((built, body))
    } else {
        Err(ExportError::Bug(format!("log rows of {} changed after it was planned", plan.key)))
    }
}

/// A part of the rows that the log holds between those of `plan`; without rows where it holds none.
pub(crate) fn build_part(log: &impl LogSource, plan: &Part) -> Result<(Part, Vec<u8>), ExportError> {
    let mut part = PartBuilder::default();
    for_each_row(log, LogRange::after(plan.first_seq.saturating_sub(1)), |row| {
        if row.seq > plan.last_seq {
            return Ok(false);
        }
        part.push(row)?;
        Ok(row.seq < plan.last_seq)
    })?;
    part.last_seq = plan.last_seq;
    part.finish(plan.key.clone(), plan.hour, plan.first_seq)
}

#[derive(Default)]
struct PartBuilder {
    ndjson: Vec<u8>,
    rows: u64,
    last_seq: u64,
}

impl PartBuilder {
    fn push(&mut self, row: &LogRow) -> Result<(), ExportError> {
        let received_at = format!("{{\"received_at\":{},", row.received_at.0);
        for line in row.lines()? {
            self.ndjson.extend_from_slice(received_at.as_bytes());
            self.ndjson.extend_from_slice(line.strip_prefix('{').unwrap_or(line).as_bytes());
            self.ndjson.push(b'\n');
        }
        self.rows += u64::from(row.count);
        self.last_seq = row.seq;
        Ok(())
    }

    fn finish(self, key: String, hour: Hour, first_seq: u64) -> Result<(Part, Vec<u8>), ExportError> {
        let body =
            gzip(&self.ndjson).map_err(|error| ExportError::Bug(format!("{key} could not be packed: {error}")))?;
        let (rows, last_seq) = (self.rows, self.last_seq);
        let part = Part { key, hour, first_seq, last_seq, rows, bytes: body.len() as u64, sha256: Sha256::of(&body) };
        Ok((part, body))
    }
}

/// Gzip without name and time, so that equal input has equal bytes. Fast, since a part lives for a day at most.
fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryLedger, MemoryLog, MemoryStore, block_on, gunzip};
    use crate::partition::ShardNo;

    const AT: i64 = 1_795_255_200_000;

    fn publish(log: &MemoryLog, ledger: &MemoryLedger, store: &MemoryStore) -> Result<BronzeReport, ExportError> {
        block_on(publish_bronze(&Export::of(ShardNo(0)), log, ledger, store))
    }

    #[test]
    fn each_line_carries_its_receive_time_first() {
        let (log, ledger, store) = (MemoryLog::default(), MemoryLedger::default(), MemoryStore::default());
        log.append(UtcMillis(AT), &["{\"id\":\"a\"}", "{\"id\":\"b\"}"]);
        log.append(UtcMillis(AT + 5), &["{\"id\":\"c\"}"]);
        let report = publish(&log, &ledger, &store).unwrap();
        let part = report.published.unwrap();
        assert!(!report.more);
        assert_eq!(part.key, "events/dt=2026-11-21/hour=10/s000-000000000001-2.ndjson.gz");
        let body = store.body(&part.key).unwrap();
        assert_eq!(
            String::from_utf8(gunzip(&body)).unwrap(),
            format!(
                "{{\"received_at\":{AT},\"id\":\"a\"}}\n{{\"received_at\":{AT},\"id\":\"b\"}}\n{{\"received_at\":{},\"id\":\"c\"}}\n",
                AT + 5
            )
        );
        assert_eq!(body.get(4..8), Some(&[0; 4][..]), "gzip mtime");
        assert_eq!(publish(&log, &ledger, &store).unwrap(), BronzeReport::default());
    }

    #[test]
    fn parts_end_with_the_hour_and_at_the_limit() {
        let (log, ledger, store) = (MemoryLog::default(), MemoryLedger::default(), MemoryStore::default());
        let big = format!("{{\"id\":\"{}\"}}", "x".repeat((4 << 20) / 3));
        for minute in [0, 1, 2, 59, 61] {
            log.append(UtcMillis(AT + minute * 60_000), &[&big]);
        }
        let mut parts = Vec::new();
        loop {
            let report = publish(&log, &ledger, &store).unwrap();
            parts.extend(report.published.map(|part| (part.first_seq, part.last_seq)));
            if !report.more {
                break;
            }
        }
        assert_eq!(parts, [(1, 2), (3, 4), (5, 5)]);
    }

    #[test]
    fn another_object_at_the_key_is_left_as_it_is() {
        let (log, ledger, store) = (MemoryLog::default(), MemoryLedger::default(), MemoryStore::default());
        log.append(UtcMillis(AT), &["{\"id\":\"a\"}"]);
        let key = "events/dt=2026-11-21/hour=10/s000-000000000001-1.ndjson.gz";
        store.insert(key, b"other");
        for _ in 0..2 {
            assert!(matches!(publish(&log, &ledger, &store), Err(ExportError::Bug(_))));
            assert_eq!(store.body(key).unwrap(), b"other");
        }
    }

    #[test]
    fn what_was_never_written_is_not_said_to_be_in_the_lake() {
        let world = std::rc::Rc::default();
        let (log, ledger, store) = (MemoryLog::default(), MemoryLedger::new(&world), MemoryStore::new(&world));
        let export = Export::of(ShardNo(0));
        log.append(UtcMillis(AT), &["{\"id\":\"a\"}"]);
        let before = UtcMillis(AT + 1);
        world.refuse(usize::MAX);
        assert!(publish(&log, &ledger, &store).is_err());
        assert!(crate::memory::block_on(crate::nightly(&export, &log, &ledger, &store, before)).is_err());
        assert_eq!(exported_to(&ledger), Ok(0));
    }

    #[test]
    fn a_part_put_by_an_earlier_release_with_other_bytes_of_the_same_rows_stands() {
        let (log, ledger, store) = (MemoryLog::default(), MemoryLedger::default(), MemoryStore::default());
        log.append(UtcMillis(AT), &["{\"id\":\"a\"}"]);
        let (mut plan, _) = build_next(&Export::of(ShardNo(0)), &log, 0).unwrap().unwrap();
        plan.sha256 = Sha256::of(b"bytes of an earlier release");
        store.insert(&plan.key, b"bytes of an earlier release");
        let planned = BronzeState { after: 0, plan: Some(plan.clone()) };
        ledger.commit(&[ledger::store(records::BRONZE, &planned).unwrap()]).unwrap();
        assert_eq!(publish(&log, &ledger, &store).unwrap().published, Some(plan));
    }
}
