//! What a Shard keeps on disk. One real implementation (the object's SQLite), one for tests that can fail.

use exporter::Change;
use schemas::{EventKey, UserKey, UtcMillis};

use crate::budget::Hold;
use crate::fold::standing::FORMER_KEYS_MAX;

/// Most keys of one person: the present one, and those before it.
pub const USER_KEYS_MAX: usize = 1 + FORMER_KEYS_MAX;

/// A row of the log: events that were accepted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// 1, 2, 3… without holes.
    pub seq: u64,
    /// When the Shard took them in; never decreases with `seq`.
    pub received_at: UtcMillis,
    /// Canonical events: [`schemas::event::stored`].
    pub events: Vec<u8>,
    /// How many.
    pub count: u32,
    /// Two bytes of the key of each person whose events are among them, in any order: finds them again without reading the
    /// events.
    pub users: Vec<u8>,
    /// The first 64 bits of every id that this row makes known, dead letters included, little-endian.
    pub ids: Vec<u8>,
    /// The intake's tally, and what is known beside the events, as JSON: [`crate::shard::Remark`].
    pub remark: String,
}

impl Row {
    /// What names a person in [`Row::users`].
    #[must_use]
    pub fn user_bytes(user: UserKey) -> [u8; 2] {
        let [first, second, ..] = user.prefix().to_be_bytes();
        [first, second]
    }

    /// Notes that events of a person are among its own.
    pub fn note_user(&mut self, user: UserKey) {
        let bytes = Self::user_bytes(user);
        if !self.users.chunks_exact(2).any(|known| known == bytes) {
            self.users.extend_from_slice(&bytes);
        }
    }

    /// Its weight: a row without events weighs something, too.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.events.len() + self.users.len() + self.ids.len() + self.remark.len()
    }
}

/// An event that could not be read, reduced to what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// When the Shard took it in.
    pub received_at: UtcMillis,
    /// Scrubbed description, JSON.
    pub letter: String,
}

/// One part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What an erasure changes: a row of the log that says so, the checkpoint that no longer knows the person, what the exporter
/// is to do.
#[derive(Clone, Copy, Debug)]
pub struct ErasureWrite<'a> {
    /// The row that notes it.
    pub row: &'a Row,
    /// Parts of the checkpoint, which includes the row.
    pub parts: &'a [Part],
    /// Holds of the person's calls.
    pub holds: &'a [EventKey],
    /// Changes of the exporter's ledger.
    pub ledger: &'a [Change],
}

/// What a Shard takes over from another: rows that make ids known, parts of the checkpoint, which includes the rows, holds, and how
/// far it has come.
#[derive(Clone, Copy, Debug)]
pub struct TakeOverWrite<'a> {
    /// Rows without events.
    pub rows: &'a [Row],
    /// Parts of the checkpoint.
    pub parts: &'a [Part],
    /// Log position that it includes.
    pub position: u64,
    /// Holds of calls under way.
    pub holds: &'a [Hold],
    /// How far it has come.
    pub ledger: &'a [Change],
}

/// Storage refused a read or a write; nothing of the write took effect, or all of it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object's storage failed: {0}")]
pub struct StorageError(pub &'static str);

/// Storage of holds, of either object. Every method is one atomic step.
pub trait HoldStorage {
    /// Stores a hold, in place of one of the same id, and forgets others.
    ///
    /// # Errors
    /// When storage fails.
    fn change_holds(&self, put: Option<&Hold>, gone: &[EventKey]) -> Result<(), StorageError>;
    /// Every hold.
    ///
    /// # Errors
    /// When storage fails.
    fn holds(&self) -> Result<Vec<Hold>, StorageError>;
}

/// The object's storage. Every method is one atomic step.
pub trait Storage: HoldStorage + exporter::Ledger {
    /// Appends rows to the log, and dead letters beside it; forgets the holds whose turns are among them.
    ///
    /// # Errors
    /// When storage fails.
    fn append(&self, rows: &[Row], dead_letters: &[DeadLetter], settled: &[EventKey]) -> Result<(), StorageError>;
    /// The rows after `seq`, ascending, at most `bytes_max` but at least one row if there is any.
    ///
    /// # Errors
    /// When storage fails.
    fn rows_after(&self, seq: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError>;
    /// The ids of all rows received at or after `since`, as stored, with their time.
    ///
    /// # Errors
    /// When storage fails.
    fn ids_since(&self, since: UtcMillis) -> Result<Vec<(UtcMillis, Vec<u8>)>, StorageError>;
    /// Position and time of the last row.
    ///
    /// # Errors
    /// When storage fails.
    fn last(&self) -> Result<(u64, UtcMillis), StorageError>;
    /// Stores parts of a checkpoint together with the log position that they include.
    ///
    /// # Errors
    /// When storage fails.
    fn save_checkpoint(&self, parts: &[Part], position: u64) -> Result<(), StorageError>;
    /// Log position that the checkpoint includes; 0 when there is none.
    ///
    /// # Errors
    /// When storage fails.
    fn position(&self) -> Result<u64, StorageError>;
    /// The parts of the checkpoint whose names start like this, by name.
    ///
    /// # Errors
    /// When storage fails.
    fn parts(&self, prefix: &str) -> Result<Vec<Part>, StorageError>;
    /// The names of these.
    ///
    /// # Errors
    /// When storage fails.
    fn part_names(&self, prefix: &str) -> Result<Vec<String>, StorageError>;
    /// Rows after `seq` that may hold events of a person, under any of their keys (at most [`USER_KEYS_MAX`]), ascending, at most `bytes_max` but at least one if there is any.
    ///
    /// # Errors
    /// When storage fails.
    fn rows_of(&self, users: &[UserKey], after: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError>;
    /// Stores rows in place of those at the same positions.
    ///
    /// # Errors
    /// When storage fails.
    fn rewrite(&self, rows: &[Row]) -> Result<(), StorageError>;
    /// Stores what an erasure changes, in one step.
    ///
    /// # Errors
    /// When storage fails.
    fn erase(&self, erasure: &ErasureWrite<'_>) -> Result<(), StorageError>;
    /// Stores what is taken over from another Shard, in one step.
    ///
    /// # Errors
    /// When storage fails.
    fn take_over(&self, page: &TakeOverWrite<'_>) -> Result<(), StorageError>;
    /// Packs rows up to `seq` that were received before `packed`, as many as one step takes, forgetting their ids; forgets rows
    /// that were received before `gone`. Returns whether there are more to pack.
    ///
    /// # Errors
    /// When storage fails.
    fn pack(&self, seq: u64, packed: UtcMillis, gone: UtcMillis) -> Result<bool, StorageError>;
}

#[cfg(test)]
pub(crate) mod memory {
    //! Storage in memory that survives a crash of its owner and can fail before or after a write takes effect.

    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::*;
    use crate::disclosure::archive::Archive;
    use crate::gold::{GoldStorage, Held, StoredDay};
    use exporter::{Ledger, SqlError};
    use schemas::UtcDay;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        Before,
        After,
    }

    /// A stored day: its last change, and its bytes.
    type Kept = (u64, Vec<u8>);

    #[derive(Default)]
    struct Disk {
        rows: RefCell<Vec<Row>>,
        dead: RefCell<Vec<DeadLetter>>,
        parts: RefCell<BTreeMap<String, Vec<u8>>>,
        position: Cell<u64>,
        holds: RefCell<BTreeMap<EventKey, Hold>>,
        days: RefCell<BTreeMap<(u32, i32), Kept>>,
        upto: RefCell<BTreeMap<u32, u64>>,
        records: RefCell<BTreeMap<String, String>>,
        ledger: RefCell<BTreeMap<String, Vec<u8>>>,
        fault: Cell<Option<(u32, Fault)>>,
    }

    impl Ledger for Memory {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, SqlError> {
            Ok(self.0.ledger.borrow().get(key).cloned())
        }
        fn scan(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, SqlError> {
            let records = self.0.ledger.borrow();
            let found = records.iter().filter(|(key, _)| key.starts_with(prefix)).take(limit);
            Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        fn commit(&self, changes: &[Change]) -> Result<(), SqlError> {
            self.write(|| self.apply(changes)).map_err(|error| SqlError(error.to_string()))
        }
    }

    #[derive(Clone, Default)]
    pub(crate) struct Memory(Rc<Disk>);

    impl Memory {
        /// Fails the `nth` write from now.
        pub(crate) fn fail(&self, nth: u32, fault: Fault) {
            self.0.fault.set(Some((nth, fault)));
        }
        /// Fails no more.
        pub(crate) fn calm(&self) {
            self.0.fault.set(None);
        }
        pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
            self.0.dead.borrow().clone()
        }
        fn apply(&self, changes: &[Change]) {
            let mut records = self.0.ledger.borrow_mut();
            for change in changes {
                match change {
                    Change::Put(key, value) => drop(records.insert(key.clone(), value.clone())),
                    Change::Remove(key) => drop(records.remove(key)),
                }
            }
        }
        fn write(&self, effect: impl FnOnce()) -> Result<(), StorageError> {
            match self.0.fault.get() {
                Some((0, fault)) => {
                    self.0.fault.set(None);
                    if fault == Fault::After {
                        effect();
                    }
                    Err(StorageError("told to"))
                }
                Some((n, fault)) => {
                    self.0.fault.set(Some((n - 1, fault)));
                    effect();
                    Ok(())
                }
                None => {
                    effect();
                    Ok(())
                }
            }
        }
    }

    impl HoldStorage for Memory {
        fn change_holds(&self, put: Option<&Hold>, gone: &[EventKey]) -> Result<(), StorageError> {
            self.write(|| {
                let mut holds = self.0.holds.borrow_mut();
                holds.retain(|id, _| !gone.contains(id));
                holds.extend(put.map(|hold| (hold.id, *hold)));
            })
        }
        fn holds(&self) -> Result<Vec<Hold>, StorageError> {
            Ok(self.0.holds.borrow().values().copied().collect())
        }
    }

    impl Archive for Memory {
        fn keep_record(&self, name: &str, record: &str) -> Result<(), StorageError> {
            self.write(|| _ = self.0.records.borrow_mut().entry(name.into()).or_insert_with(|| record.into()))
        }
        fn records(&self) -> Result<Vec<(String, String)>, StorageError> {
            Ok(self.0.records.borrow().iter().map(|(name, record)| (name.clone(), record.clone())).collect())
        }
    }

    impl GoldStorage for Memory {
        fn save(&self, shard: u32, upto: u64, days: &[StoredDay]) -> Result<(), StorageError> {
            self.write(|| {
                let rows = days.iter().map(|row| ((row.shard, row.day.0), (row.changed, row.bytes.clone())));
                self.0.days.borrow_mut().extend(rows);
                self.0.upto.borrow_mut().insert(shard, upto);
            })
        }
        fn held(&self) -> Result<Held, StorageError> {
            let days = self.0.days.borrow();
            let day = |((shard, day), (changed, _)): (&(u32, i32), &(u64, Vec<u8>))| ((UtcDay(*day), *shard), *changed);
            Ok((days.iter().map(day).collect(), self.0.upto.borrow().clone()))
        }
        fn day(&self, shard: u32, day: UtcDay) -> Result<Option<Vec<u8>>, StorageError> {
            Ok(self.0.days.borrow().get(&(shard, day.0)).map(|(_, bytes)| bytes.clone()))
        }
    }

    impl Storage for Memory {
        fn append(&self, rows: &[Row], dead_letters: &[DeadLetter], settled: &[EventKey]) -> Result<(), StorageError> {
            self.write(|| {
                self.0.rows.borrow_mut().extend_from_slice(rows);
                self.0.dead.borrow_mut().extend_from_slice(dead_letters);
                self.0.holds.borrow_mut().retain(|id, _| !settled.contains(id));
            })
        }
        fn rows_after(&self, seq: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError> {
            let mut bytes = 0;
            let rows = self.0.rows.borrow();
            let take = |row: &&Row| {
                let fits = bytes == 0 || bytes + row.bytes() <= bytes_max;
                bytes += row.bytes();
                fits
            };
            Ok(rows.iter().filter(|row| row.seq > seq).take_while(take).cloned().collect())
        }
        fn ids_since(&self, since: UtcMillis) -> Result<Vec<(UtcMillis, Vec<u8>)>, StorageError> {
            Ok(self
                .0
                .rows
                .borrow()
                .iter()
                .filter(|r| r.received_at >= since)
                .map(|r| (r.received_at, r.ids.clone()))
                .collect())
        }
        fn last(&self) -> Result<(u64, UtcMillis), StorageError> {
            Ok(self.0.rows.borrow().last().map(|r| (r.seq, r.received_at)).unwrap_or_default())
        }
        fn save_checkpoint(&self, parts: &[Part], position: u64) -> Result<(), StorageError> {
            self.write(|| {
                self.0.parts.borrow_mut().extend(parts.iter().map(|p| (p.name.clone(), p.bytes.clone())));
                self.0.position.set(position);
            })
        }
        fn position(&self) -> Result<u64, StorageError> {
            Ok(self.0.position.get())
        }
        fn parts(&self, prefix: &str) -> Result<Vec<Part>, StorageError> {
            let parts = self.0.parts.borrow();
            let named = parts.iter().filter(|(name, _)| name.starts_with(prefix));
            Ok(named.map(|(name, bytes)| Part { name: name.clone(), bytes: bytes.clone() }).collect())
        }
        fn part_names(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
            Ok(self.0.parts.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
        }
        fn rows_of(&self, users: &[UserKey], after: u64, bytes_max: usize) -> Result<Vec<Row>, StorageError> {
            let mut rows = self.rows_after(after, usize::MAX)?;
            let is_theirs = |known: &[u8]| users.iter().any(|user| known == Row::user_bytes(*user));
            rows.retain(|row| row.users.chunks_exact(2).any(is_theirs));
            let mut bytes = 0;
            Ok(rows
                .into_iter()
                .take_while(|row| {
                    let fits = bytes == 0 || bytes + row.bytes() <= bytes_max;
                    bytes += row.bytes();
                    fits
                })
                .collect())
        }
        fn rewrite(&self, rows: &[Row]) -> Result<(), StorageError> {
            self.write(|| {
                for row in rows {
                    if let Some(old) = self.0.rows.borrow_mut().iter_mut().find(|old| old.seq == row.seq) {
                        old.clone_from(row);
                    }
                }
            })
        }
        fn erase(&self, erasure: &ErasureWrite<'_>) -> Result<(), StorageError> {
            self.write(|| {
                self.0.rows.borrow_mut().push(erasure.row.clone());
                self.0.parts.borrow_mut().extend(erasure.parts.iter().map(|p| (p.name.clone(), p.bytes.clone())));
                self.0.position.set(erasure.row.seq);
                self.0.holds.borrow_mut().retain(|id, _| !erasure.holds.contains(id));
                self.apply(erasure.ledger);
            })
        }
        fn take_over(&self, page: &TakeOverWrite<'_>) -> Result<(), StorageError> {
            self.write(|| {
                self.0.rows.borrow_mut().extend_from_slice(page.rows);
                self.0.parts.borrow_mut().extend(page.parts.iter().map(|p| (p.name.clone(), p.bytes.clone())));
                self.0.position.set(page.position);
                self.0.holds.borrow_mut().extend(page.holds.iter().map(|hold| (hold.id, *hold)));
                self.apply(page.ledger);
            })
        }
        fn pack(&self, seq: u64, packed: UtcMillis, gone: UtcMillis) -> Result<bool, StorageError> {
            self.write(|| {
                let mut rows = self.0.rows.borrow_mut();
                rows.retain(|row| row.received_at >= gone);
                let old = rows.iter_mut().filter(|row| row.seq <= seq && row.received_at < packed);
                old.for_each(|row| row.ids.clear());
            })
            .map(|()| false)
        }
    }
}
