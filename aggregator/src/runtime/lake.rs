//! The Shard's SQLite as the exporter's log and ledger, and one bounded round of the lake's work.

use exporter::{
    Change, Export, ExportError, IntakeBalance, Ledger, LogEnd, LogRange, LogRow, LogSource, Nightly, ObjectStore,
    SqlError,
};
use schemas::event::stored;
use schemas::{Clock, UtcDay, UtcMillis, order};
use wasm_bindgen::JsValue;
use worker::SqlStorageValue;

use super::objects::WorkerClock;
use super::sql::{Sql, blob, change, int, number, text, unpacked};
use crate::fold::intake::Tally;

/// Bronze parts of one round.
const PARTS_MAX: usize = 8;
/// Nightly steps of one round.
const STEPS_MAX: usize = 40;

fn failed(_: crate::storage::StorageError) -> SqlError {
    SqlError("the object's storage".into())
}

impl LogSource for Sql {
    fn rows(&self, range: &LogRange) -> Result<Vec<LogRow>, SqlError> {
        let statement = "SELECT seq, received_at, count, packed, events FROM log \
                         WHERE seq > ? AND received_at >= ? AND received_at < ? AND count > 0 ORDER BY seq";
        let mut bytes = 0;
        self.take_rows(statement, vec![number(range.after as i64), instant(range.from), instant(range.to)], |row| {
            let lines = stored::lines(&unpacked(int(&row, 3) != 0, blob(&row, 4)));
            let row = LogRow {
                seq: int(&row, 0) as u64,
                received_at: UtcMillis(int(&row, 1)),
                count: int(&row, 2) as u32,
                // The exporter refuses a row that does not hold what it says.
                events: lines.unwrap_or_default(),
            };
            let fits = bytes == 0 || bytes + row.events.len() <= range.bytes_max;
            bytes += row.events.len();
            fits.then_some(row)
        })
        .map_err(failed)
    }

    fn last(&self, before: UtcMillis) -> Result<Option<LogEnd>, SqlError> {
        let statement =
            "SELECT seq, received_at FROM log WHERE count > 0 AND received_at < ? ORDER BY seq DESC LIMIT 1";
        let rows = Sql::rows(self, statement, vec![instant(before)]).map_err(failed)?;
        Ok(rows.first().map(|row| LogEnd { seq: int(row, 0) as u64, received_at: UtcMillis(int(row, 1)) }))
    }
}

/// Instants without bounds are brought within what SQLite's numbers hold exactly.
fn instant(at: UtcMillis) -> JsValue {
    number(at.0.clamp(-1, 1 << 52))
}

impl Ledger for Sql {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, SqlError> {
        let rows = Sql::rows(self, "SELECT value FROM export WHERE key = ?", vec![key.into()]).map_err(failed)?;
        Ok(rows.first().map(|row| blob(row, 0)))
    }

    fn scan(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, SqlError> {
        let statement =
            "SELECT key, value FROM export WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key LIMIT ?2";
        let rows = Sql::rows(self, statement, vec![prefix.into(), number(limit as i64)]).map_err(failed)?;
        Ok(rows.iter().map(|row: &Vec<SqlStorageValue>| (text(row, 0), blob(row, 1))).collect())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), SqlError> {
        self.write(changes.iter().map(change).collect()).map_err(failed)
    }
}

/// What a round did.
pub(super) struct Round {
    /// There is more to do.
    pub more: bool,
    /// The day whose manifest was published last.
    pub day: Option<UtcDay>,
}

/// Publishes what is due: files without those who were erased, Bronze parts, and, up to `nightly_before`, Parquet and manifests.
pub(super) async fn round(
    export: &Export,
    sql: &Sql,
    store: &impl ObjectStore,
    nightly_before: Option<UtcMillis>,
    intake_of: impl Fn(UtcDay) -> Tally,
) -> Result<Round, ExportError> {
    let mut round = Round { more: false, day: None };
    for step in 0.. {
        let now = WorkerClock.now();
        if !exporter::erase_next(export, sql, sql, store, now, |day| balance(&intake_of(day))).await? {
            break;
        }
        if step >= STEPS_MAX {
            round.more = true;
            return Ok(round);
        }
    }
    if let Some(before) = nightly_before {
        for step in 0.. {
            match exporter::nightly(export, sql, sql, store, before).await? {
                Nightly::Idle => break,
                Nightly::DayReady(day) => {
                    let intake = balance(&intake_of(day));
                    if let Some(report) = exporter::publish_manifest(export, sql, store, day, &intake).await? {
                        round.day = Some(day);
                        if !report.balanced {
                            worker::console_error!("{} does not balance", report.key);
                        }
                    }
                }
                _ => {}
            }
            if step >= STEPS_MAX {
                round.more = true;
                return Ok(round);
            }
        }
    }
    for _ in 0..PARTS_MAX {
        round.more = exporter::publish_bronze(export, sql, sql, store).await?.more;
        if !round.more {
            break;
        }
    }
    Ok(round)
}

fn balance(tally: &Tally) -> IntakeBalance {
    let name = |reason| serde_json::json!(reason).as_str().unwrap_or_default().to_owned();
    IntakeBalance {
        received: tally.received(),
        stored: tally.stored,
        duplicate: tally.duplicate,
        dropped: order::map(tally.dropped.iter().map(|(reason, count)| (name(reason), *count))),
        dead_lettered: tally.dead_lettered,
    }
}
