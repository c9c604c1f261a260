//! The object's SQLite as the storage that Shard and Gold ask for.

use std::io::{Read, Write};

use exporter::Change;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use js_sys::{Function, Reflect, Uint8Array};
use schemas::{EventKey, UserKey, UtcDay, UtcMillis, order};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use worker::{SqlCursor, SqlStorage, SqlStorageValue, State};

use crate::budget::Hold;
use crate::disclosure::archive::Archive;
use crate::gold::{GoldStorage, Held, StoredDay};
use crate::protocol::BuriedLetter;
use crate::storage::{
    DeadLetter, ErasureWrite, HoldStorage, Part, Row, Storage, StorageError, TakeOverWrite, USER_KEYS_MAX,
};

/// Most bytes of one BLOB: below the platform's 2 MB a row.
const BLOB_BYTES_MAX: usize = 1_500_000;
/// Bytes of events packed in one step.
const PACKED_AT_ONCE_BYTES_MAX: usize = 8 << 20;
/// Dead letters that are kept.
const DEAD_LETTERS_MAX: u32 = 10_000;

const SHARD_SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, count INTEGER NOT NULL, packed INTEGER NOT NULL,
  users BLOB NOT NULL, remark TEXT NOT NULL, ids BLOB NOT NULL, events BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letter(id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, letter TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint(part TEXT NOT NULL, chunk INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(part, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS export(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold(id TEXT PRIMARY KEY, hold TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

const GOLD_SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS day(shard INTEGER NOT NULL, day INTEGER NOT NULL, chunk INTEGER NOT NULL, changed INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY(shard, day, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard(shard INTEGER PRIMARY KEY, upto INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS record(name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold(id TEXT PRIMARY KEY, hold TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

pub(super) type Statement = (&'static str, Vec<JsValue>);

/// SQLite of one object.
#[derive(Clone)]
pub(super) struct Sql {
    sql: SqlStorage,
    storage: JsValue,
}

impl Sql {
    pub(super) fn shard(state: &State) -> Result<Self, StorageError> {
        Self::open(state, SHARD_SCHEMA)
    }

    pub(super) fn gold(state: &State) -> Result<Self, StorageError> {
        Self::open(state, GOLD_SCHEMA)
    }

    fn open(state: &State, schema: &'static str) -> Result<Self, StorageError> {
        let storage = state.storage();
        let sql = Self { sql: storage.sql(), storage: AsRef::<JsValue>::as_ref(storage.as_raw()).clone() };
        sql.sql.exec(schema, None).map_err(|_| StorageError("schema"))?;
        Ok(sql)
    }

    /// One statement is atomic by itself; several are made so by `transactionSync`, which undoes all when one throws.
    pub(super) fn write(&self, statements: Vec<Statement>) -> Result<(), StorageError> {
        let failed = |_| StorageError("write");
        let mut statements = statements;
        if statements.len() < 2 {
            return match statements.pop() {
                Some((text, bindings)) => {
                    self.sql.exec_raw(text, bindings).map(|done| metered(&done)).map_err(|_| StorageError("write"))
                }
                None => Ok(()),
            };
        }
        let sql = self.sql.clone();
        let run = Closure::once(move || -> Result<(), JsValue> {
            for (text, bindings) in statements {
                metered(&sql.exec_raw(text, bindings).map_err(|error| JsValue::from(error.to_string()))?);
            }
            Ok(())
        });
        let transaction: Function =
            Reflect::get(&self.storage, &"transactionSync".into()).map_err(failed)?.dyn_into().map_err(failed)?;
        transaction.call1(&self.storage, run.as_ref()).map(drop).map_err(failed)
    }

    pub(super) fn rows(&self, text: &str, bindings: Vec<JsValue>) -> Result<Vec<Vec<SqlStorageValue>>, StorageError> {
        let cursor = self.sql.exec_raw(text, bindings).map_err(|_| StorageError("read"))?;
        cursor.raw().collect::<Result<Vec<_>, _>>().map_err(|_| StorageError("read"))
    }

    /// Reads rows until `take` has enough.
    pub(super) fn take_rows<T>(
        &self,
        text: &str,
        bindings: Vec<JsValue>,
        mut take: impl FnMut(Vec<SqlStorageValue>) -> Option<T>,
    ) -> Result<Vec<T>, StorageError> {
        let cursor = self.sql.exec_raw(text, bindings).map_err(|_| StorageError("read"))?;
        let mut found = Vec::new();
        for row in cursor.raw() {
            match take(row.map_err(|_| StorageError("read"))?) {
                Some(value) => found.push(value),
                None => break,
            }
        }
        Ok(found)
    }

    /// Rows of the log, at most `bytes_max` but at least one if there is any.
    fn log_rows(&self, text: &str, bindings: Vec<JsValue>, bytes_max: usize) -> Result<Vec<Row>, StorageError> {
        let mut bytes = 0;
        self.take_rows(text, bindings, |row| {
            let row = row_of(&row);
            let fits = bytes == 0 || bytes + row.bytes() <= bytes_max;
            bytes += row.bytes();
            fits.then_some(row)
        })
    }

    /// A number kept beside the tables; `None` when it was never kept.
    pub(super) fn kept(&self, key: &str) -> Result<Option<i64>, StorageError> {
        let rows = self.rows("SELECT value FROM meta WHERE key = ?", vec![key.into()])?;
        Ok(rows.first().map(|row| int(row, 0)))
    }

    /// Keeps a number.
    pub(super) fn keep(&self, key: &str, value: i64) -> Result<(), StorageError> {
        self.write(vec![("INSERT OR REPLACE INTO meta VALUES (?, ?)", vec![key.into(), number(value)])])
    }

    /// A write that is durable once the reply is out.
    pub(super) fn probe(&self, now: UtcMillis) -> Result<(), StorageError> {
        self.keep("probe", now.0)
    }

    /// The newest dead letters, newest first.
    pub(super) fn dead_letters(&self, limit: usize) -> Result<Vec<BuriedLetter>, StorageError> {
        let text_of = "SELECT received_at, letter FROM dead_letter ORDER BY id DESC LIMIT ?";
        let rows = self.rows(text_of, vec![number(limit as i64)])?;
        let letter = |row: &Vec<SqlStorageValue>| {
            let letter = serde_json::from_str(&text(row, 1)).ok()?;
            Some(BuriedLetter { received_at_ms: int(row, 0), letter })
        };
        Ok(rows.iter().filter_map(letter).collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.sql.database_size() as u64
    }

    /// Receive time of the first row after `seq`.
    pub(super) fn received_after(&self, seq: u64) -> Result<Option<UtcMillis>, StorageError> {
        let rows = self.rows(
            "SELECT received_at FROM log WHERE seq > ? AND count > 0 ORDER BY seq LIMIT 1",
            vec![number(seq as i64)],
        )?;
        Ok(rows.first().map(|row| UtcMillis(int(row, 0))))
    }
}

impl HoldStorage for Sql {
    fn change_holds(&self, put: Option<&Hold>, gone: &[EventKey]) -> Result<(), StorageError> {
        let mut statements = forget_holds(gone)?;
        if let Some(hold) = put {
            statements.push(put_hold(hold)?);
        }
        self.write(statements)
    }

    fn holds(&self) -> Result<Vec<Hold>, StorageError> {
        let rows = self.rows("SELECT hold FROM hold", vec![])?;
        rows.iter().map(|row| serde_json::from_str(&text(row, 0)).map_err(|_| StorageError("read"))).collect()
    }
}

fn put_hold(hold: &Hold) -> Result<Statement, StorageError> {
    // As text, for amounts can pass what SQLite's numbers hold exactly.
    Ok(("INSERT OR REPLACE INTO hold VALUES (?, ?)", vec![hold.id.to_string().into(), json(hold)?]))
}

fn forget_holds(gone: &[EventKey]) -> Result<Vec<Statement>, StorageError> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![("DELETE FROM hold WHERE id IN (SELECT value FROM json_each(?))", vec![json(&gone)?])])
}

fn json<T: serde::Serialize>(value: &T) -> Result<JsValue, StorageError> {
    serde_json::to_string(value).map(JsValue::from).map_err(|_| StorageError("write"))
}

impl Storage for Sql {
    fn append(&self, rows: &[Row], dead_letters: &[DeadLetter], settled: &[EventKey]) -> Result<(), StorageError> {
        let mut statements: Vec<Statement> = rows.iter().map(insert_row).collect();
        for letter in dead_letters {
            let bindings = vec![number(letter.received_at.0), letter.letter.as_str().into()];
            statements.push(("INSERT INTO dead_letter(received_at, letter) VALUES (?, ?)", bindings));
        }
        if !dead_letters.is_empty() {
            let text = "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?";
            statements.push((text, vec![number(i64::from(DEAD_LETTERS_MAX))]));
        }
        statements.extend(forget_holds(settled)?);
        self.write(statements)
    }

    fn rows_after(&self, seq: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError> {
        let text =
            "SELECT seq, received_at, count, packed, users, remark, ids, events FROM log WHERE seq > ? ORDER BY seq";
        self.log_rows(text, vec![number(seq as i64)], bytes_max)
    }

    fn rows_of(&self, users: &[UserKey], after: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError> {
        let Some(present) = users.first() else { return Ok(Vec::new()) };
        let names = users.iter().chain(std::iter::repeat(present)).take(USER_KEYS_MAX);
        let mut bindings = vec![number(after as i64)];
        bindings.extend(names.map(|user| binary(&Row::user_bytes(*user))));
        let text = "SELECT seq, received_at, count, packed, users, remark, ids, events FROM log \
                    WHERE seq > ? AND max(instr(users, ?), instr(users, ?), instr(users, ?), instr(users, ?)) > 0 ORDER BY seq";
        self.log_rows(text, bindings, bytes_max)
    }

    fn rewrite(&self, rows: &[Row]) -> Result<(), StorageError> {
        let text = "UPDATE log SET count = ?, packed = 0, users = ?, remark = ?, ids = ?, events = ? WHERE seq = ?";
        let statement = |row: &Row| {
            let bindings = vec![
                number(i64::from(row.count)),
                binary(&row.users),
                row.remark.as_str().into(),
                binary(&row.ids),
                binary(&row.events),
                number(row.seq as i64),
            ];
            (text, bindings)
        };
        let mut statements: Vec<Statement> = rows.iter().map(statement).collect();
        if let Some(first) = rows.iter().map(|row| row.seq).min() {
            // They are packed anew.
            let text = "UPDATE meta SET value = min(value, ?) WHERE key = 'packed'";
            statements.push((text, vec![number(first as i64 - 1)]));
        }
        self.write(statements)
    }

    fn erase(&self, erasure: &ErasureWrite<'_>) -> Result<(), StorageError> {
        let mut statements = vec![insert_row(erasure.row)];
        statements.extend(checkpoint(erasure.parts, erasure.row.seq));
        statements.extend(forget_holds(erasure.holds)?);
        statements.extend(erasure.ledger.iter().map(change));
        self.write(statements)
    }

    fn take_over(&self, page: &TakeOverWrite<'_>) -> Result<(), StorageError> {
        let mut statements: Vec<Statement> = page.rows.iter().map(insert_row).collect();
        statements.extend(checkpoint(page.parts, page.position));
        for hold in page.holds {
            statements.push(put_hold(hold)?);
        }
        statements.extend(page.ledger.iter().map(change));
        self.write(statements)
    }

    fn pack(&self, seq: u64, packed: UtcMillis, gone: UtcMillis) -> Result<bool, StorageError> {
        let after = self.kept("packed")?.unwrap_or(0);
        let text = "SELECT seq, events FROM log WHERE seq > ? AND seq <= ? AND received_at < ? ORDER BY seq";
        let mut bytes = 0;
        let rows = self.take_rows(text, vec![number(after), number(seq as i64), number(packed.0)], |row| {
            let events = blob(&row, 1);
            let fits = bytes == 0 || bytes + events.len() <= PACKED_AT_ONCE_BYTES_MAX;
            bytes += events.len();
            fits.then(|| (int(&row, 0), events))
        })?;
        let mut statements = vec![("DELETE FROM log WHERE received_at < ?", vec![number(gone.0)])];
        for (seq, events) in &rows {
            let text = "UPDATE log SET packed = 1, ids = x'', events = ? WHERE seq = ? AND packed = 0";
            statements.push((text, vec![binary(&deflated(events)?), number(*seq)]));
        }
        if let Some((last, _)) = rows.last() {
            statements.push(("INSERT OR REPLACE INTO meta VALUES ('packed', ?)", vec![number(*last)]));
        }
        self.write(statements)?;
        Ok(!rows.is_empty())
    }

    fn ids_since(&self, since: UtcMillis) -> Result<Vec<(UtcMillis, Vec<u8>)>, StorageError> {
        let rows = self.rows("SELECT received_at, ids FROM log WHERE received_at >= ?", vec![number(since.0)])?;
        Ok(rows.into_iter().map(|row| (UtcMillis(int(&row, 0)), blob(&row, 1))).collect())
    }

    fn last(&self) -> Result<(u64, UtcMillis), StorageError> {
        let rows = self.rows("SELECT seq, received_at FROM log ORDER BY seq DESC LIMIT 1", vec![])?;
        Ok(rows.first().map(|row| (int(row, 0) as u64, UtcMillis(int(row, 1)))).unwrap_or_default())
    }

    fn save_checkpoint(&self, parts: &[Part], position: u64) -> Result<(), StorageError> {
        self.write(checkpoint(parts, position))
    }

    fn position(&self) -> Result<u64, StorageError> {
        Ok(self.kept("checkpoint")?.unwrap_or(0) as u64)
    }

    fn parts(&self, prefix: &str) -> Result<Vec<Part>, StorageError> {
        let mut parts: Vec<Part> = Vec::new();
        let text_of = "SELECT part, bytes FROM checkpoint WHERE part >= ? AND part < ? ORDER BY part, chunk";
        for row in self.rows(text_of, names_from(prefix))? {
            let (name, bytes) = (text(&row, 0), blob(&row, 1));
            match parts.last_mut().filter(|last| last.name == name) {
                Some(last) => last.bytes.extend_from_slice(&bytes),
                None => parts.push(Part { name, bytes }),
            }
        }
        Ok(parts)
    }

    fn part_names(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let text_of = "SELECT DISTINCT part FROM checkpoint WHERE part >= ? AND part < ?";
        Ok(self.rows(text_of, names_from(prefix))?.iter().map(|row| text(row, 0)).collect())
    }
}

/// The bounds of all names that start like this; names are ASCII.
fn names_from(prefix: &str) -> Vec<JsValue> {
    vec![prefix.into(), format!("{prefix}\u{7f}").into()]
}

impl Archive for Sql {
    fn keep_record(&self, name: &str, record: &str) -> Result<(), StorageError> {
        self.write(vec![("INSERT OR IGNORE INTO record VALUES (?, ?)", vec![name.into(), record.into()])])
    }

    fn records(&self) -> Result<Vec<(String, String)>, StorageError> {
        let rows = self.rows("SELECT name, record FROM record ORDER BY name", vec![])?;
        Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
    }
}

impl GoldStorage for Sql {
    fn save(&self, shard: u32, upto: u64, days: &[StoredDay]) -> Result<(), StorageError> {
        let mut statements: Vec<Statement> = Vec::new();
        let shard = number(i64::from(shard));
        for row in days {
            let day = number(i64::from(row.day.0));
            statements.push(("DELETE FROM day WHERE shard = ? AND day = ?", vec![shard.clone(), day.clone()]));
            for (chunk, bytes) in row.bytes.chunks(BLOB_BYTES_MAX).enumerate() {
                let changed = number(row.changed as i64);
                let bindings = vec![shard.clone(), day.clone(), number(chunk as i64), changed, binary(bytes)];
                statements.push(("INSERT INTO day VALUES (?, ?, ?, ?, ?)", bindings));
            }
        }
        statements.push(("INSERT OR REPLACE INTO shard VALUES (?, ?)", vec![shard, number(upto as i64)]));
        self.write(statements)
    }

    fn held(&self) -> Result<Held, StorageError> {
        let days = self.rows("SELECT day, shard, changed FROM day WHERE chunk = 0", vec![])?;
        let day = |row: &Vec<SqlStorageValue>| ((UtcDay(int(row, 0) as i32), int(row, 1) as u32), int(row, 2) as u64);
        let shards = self.rows("SELECT shard, upto FROM shard", vec![])?;
        let upto = shards.iter().map(|row| (int(row, 0) as u32, int(row, 1) as u64));
        Ok((order::map(days.iter().map(day)), order::map(upto)))
    }

    fn day(&self, shard: u32, day: UtcDay) -> Result<Option<Vec<u8>>, StorageError> {
        let bindings = vec![number(i64::from(shard)), number(i64::from(day.0))];
        let chunks = self.rows("SELECT bytes FROM day WHERE shard = ? AND day = ? ORDER BY chunk", bindings)?;
        let chunks: Vec<Vec<u8>> = chunks.iter().map(|row| blob(row, 0)).collect();
        Ok((!chunks.is_empty()).then(|| chunks.concat()))
    }
}

fn metered(_done: &SqlCursor) {
    #[cfg(feature = "fault-injection")]
    super::objects::meter(_done.rows_written(), 0);
}

fn checkpoint(parts: &[Part], position: u64) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for part in parts {
        statements.push(("DELETE FROM checkpoint WHERE part = ?", vec![part.name.as_str().into()]));
        for (chunk, bytes) in part.bytes.chunks(BLOB_BYTES_MAX).enumerate() {
            let bindings = vec![part.name.as_str().into(), number(chunk as i64), binary(bytes)];
            statements.push(("INSERT INTO checkpoint VALUES (?, ?, ?)", bindings));
        }
    }
    statements.push(("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", vec![number(position as i64)]));
    statements
}

/// The statement for a change of the exporter's ledger.
pub(super) fn change(change: &Change) -> Statement {
    match change {
        Change::Put(key, value) => {
            ("INSERT OR REPLACE INTO export VALUES (?, ?)", vec![key.as_str().into(), binary(value)])
        }
        Change::Remove(key) => ("DELETE FROM export WHERE key = ?", vec![key.as_str().into()]),
    }
}

fn insert_row(row: &Row) -> Statement {
    let bindings = vec![
        number(row.seq as i64),
        number(row.received_at.0),
        number(i64::from(row.count)),
        binary(&row.users),
        row.remark.as_str().into(),
        binary(&row.ids),
        binary(&row.events),
    ];
    let text =
        "INSERT INTO log(seq, received_at, count, packed, users, remark, ids, events) VALUES (?, ?, ?, 0, ?, ?, ?, ?)";
    (text, bindings)
}

fn deflated(events: &[u8]) -> Result<Vec<u8>, StorageError> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(events.len() / 4), Compression::fast());
    encoder.write_all(events).and_then(|()| encoder.finish()).map_err(|_| StorageError("pack"))
}

/// The events of a row that has been packed, or not.
pub(super) fn unpacked(packed: bool, events: Vec<u8>) -> Vec<u8> {
    if !packed {
        return events;
    }
    let mut text = Vec::new();
    // What can't be unpacked holds no line, which readers take for a row that is broken.
    let _ = DeflateDecoder::new(events.as_slice()).read_to_end(&mut text);
    text
}

fn row_of(row: &[SqlStorageValue]) -> Row {
    Row {
        seq: int(row, 0) as u64,
        received_at: UtcMillis(int(row, 1)),
        count: int(row, 2) as u32,
        users: blob(row, 4),
        remark: text(row, 5),
        ids: blob(row, 6),
        events: unpacked(int(row, 3) != 0, blob(row, 7)),
    }
}

/// Exact to 2^53, which positions and instants stay below.
pub(super) fn number(value: i64) -> JsValue {
    JsValue::from_f64(value as f64)
}

pub(super) fn binary(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(super) fn int(row: &[SqlStorageValue], column: usize) -> i64 {
    match row.get(column) {
        Some(SqlStorageValue::Integer(value)) => *value,
        Some(SqlStorageValue::Float(value)) => *value as i64,
        _ => 0,
    }
}

pub(super) fn text(row: &[SqlStorageValue], column: usize) -> String {
    match row.get(column) {
        Some(SqlStorageValue::String(value)) => value.clone(),
        _ => String::new(),
    }
}

pub(super) fn blob(row: &[SqlStorageValue], column: usize) -> Vec<u8> {
    match row.get(column) {
        Some(SqlStorageValue::Blob(value)) => value.clone(),
        _ => Vec::new(),
    }
}
