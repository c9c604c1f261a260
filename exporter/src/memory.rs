//! Store, ledger and log in memory, with a world around them that can fail before, during or after any write.
//!
//! Feature `testing`. Not for production: nothing here outlives the process.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use schemas::UtcMillis;

use crate::error::{SqlError, StoreError};
use crate::ledger::{Change, Ledger};
use crate::log::{LogEnd, LogRange, LogRow, LogSource};
use crate::object_store::{Listing, Object, ObjectInfo, ObjectStore, PutNew, Sha256};

/// When a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It never takes effect.
    Before,
    /// Half of it takes effect, where it is not atomic (a delete of several keys); else none.
    During,
    /// It takes effect and its answer is lost.
    After,
}

/// Crash at the `step`-th write, counted from 0 over store and ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which write.
    pub step: usize,
    /// Before, during or after it took effect.
    pub when: When,
}

/// What happens around store and ledger. After a crash everything fails until [`World::restart`].
#[derive(Debug, Default)]
pub struct World {
    fault: Cell<Option<Fault>>,
    crashed: Cell<bool>,
    refusals: Cell<usize>,
    pauses: Cell<bool>,
    writes: RefCell<Vec<String>>,
}

impl World {
    /// Crashes at `fault`.
    pub fn crash_at(&self, fault: Option<Fault>) {
        self.fault.set(fault);
    }

    /// Lets the next `n` calls of the store end in [`StoreError::Retry`], without effect.
    pub fn refuse(&self, n: usize) {
        self.refusals.set(n);
    }

    /// Lets every call of the store give way to other futures, once before its effect and once after.
    pub fn pause(&self, on: bool) {
        self.pauses.set(on);
    }

    /// Comes back up after a crash; memory of the process is gone, what was written is not.
    pub fn restart(&self) {
        self.crashed.set(false);
    }

    /// Every write that was asked for, in order: what kind, of which key.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.writes.borrow().clone()
    }

    fn alive(&self) -> Result<(), String> {
        if self.crashed.get() { Err("the process is down".to_owned()) } else { Ok(()) }
    }

    /// `effect` is told how much of it takes place.
    fn write<T>(&self, name: String, effect: impl FnOnce(When) -> T) -> Result<T, String> {
        self.alive()?;
        let step = self.writes.borrow().len();
        self.writes.borrow_mut().push(name);
        match self.fault.get().filter(|fault| fault.step == step) {
            None => Ok(effect(When::After)),
            Some(Fault { when, .. }) => {
                self.crashed.set(true);
                if when != When::Before {
                    effect(when);
                }
                Err("the process went down".to_owned())
            }
        }
    }
}

/// A bucket.
#[derive(Debug, Default)]
pub struct MemoryStore {
    world: Rc<World>,
    objects: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    /// An empty bucket in `world`.
    #[must_use]
    pub fn new(world: &Rc<World>) -> Self {
        Self { world: Rc::clone(world), objects: RefCell::default() }
    }

    /// Puts an object behind the exporter's back.
    pub fn insert(&self, key: &str, body: &[u8]) {
        self.objects.borrow_mut().insert(key.to_owned(), body.to_vec());
    }

    /// The bytes at `key`.
    #[must_use]
    pub fn body(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.borrow().get(key).cloned()
    }

    /// Everything that stands.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects.borrow().clone()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.give_way().await;
        let refusals = self.world.refusals.get();
        if refusals > 0 {
            self.world.refusals.set(refusals - 1);
            return Err(StoreError::Retry("503 slow down".to_owned()));
        }
        self.world.alive().map_err(StoreError::Retry)
    }

    async fn give_way(&self) {
        if self.world.pauses.get() {
            GiveWay::default().await;
        }
    }

    fn info(key: &str, body: &[u8]) -> ObjectInfo {
        ObjectInfo { key: key.to_owned(), bytes: body.len() as u64, sha256: Some(Sha256::of(body)) }
    }

    async fn write<T>(&self, name: String, effect: impl FnOnce(When) -> T) -> Result<T, StoreError> {
        self.ready().await?;
        let done = self.world.write(name, effect).map_err(StoreError::Retry);
        self.give_way().await;
        done
    }
}

impl ObjectStore for MemoryStore {
    async fn put_new(&self, object: &Object<'_>) -> Result<PutNew, StoreError> {
        let put = |when| {
            let mut objects = self.objects.borrow_mut();
            match objects.get(object.key) {
                Some(body) => PutNew::Exists(Self::info(object.key, body)),
                None => {
                    if when == When::After {
                        objects.insert(object.key.to_owned(), object.body.to_vec());
                    }
                    PutNew::Created
                }
            }
        };
        self.write(format!("put_new {}", object.key), put).await
    }

    async fn put(&self, object: &Object<'_>) -> Result<(), StoreError> {
        let put = |when| {
            if when == When::After {
                self.insert(object.key, object.body);
            }
        };
        self.write(format!("put {}", object.key), put).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.ready().await?;
        Ok(self.objects.borrow().get(key).map(|body| Self::info(key, body)))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.ready().await?;
        Ok(self.body(key))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        const PAGE: usize = 3;
        self.ready().await?;
        let objects = self.objects.borrow();
        let mut found =
            objects.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        let keys = found.by_ref().take(PAGE).cloned().collect();
        Ok(Listing { keys, more: found.next().is_some() })
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let delete = |when| {
            let gone = if when == When::After { keys.len() } else { keys.len() / 2 };
            let mut objects = self.objects.borrow_mut();
            keys.iter().take(gone).for_each(|key| drop(objects.remove(key)));
        };
        self.write(format!("delete {}", keys.join(" ")), delete).await
    }
}

/// A ledger.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    world: Rc<World>,
    records: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl MemoryLedger {
    /// An empty ledger in `world`.
    #[must_use]
    pub fn new(world: &Rc<World>) -> Self {
        Self { world: Rc::clone(world), records: RefCell::default() }
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> BTreeMap<String, Vec<u8>> {
        self.records.borrow().clone()
    }
}

impl Ledger for MemoryLedger {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, SqlError> {
        self.world.alive().map_err(SqlError)?;
        Ok(self.records.borrow().get(key).cloned())
    }

    fn scan(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, SqlError> {
        self.world.alive().map_err(SqlError)?;
        let records = self.records.borrow();
        let found = records.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), SqlError> {
        let names = changes.iter().map(|change| match change {
            Change::Put(key, _) => format!("+{key}"),
            Change::Remove(key) => format!("-{key}"),
        });
        let commit = |when| {
            let mut records = self.records.borrow_mut();
            for change in changes.iter().filter(|_| when == When::After) {
                match change {
                    Change::Put(key, value) => drop(records.insert(key.clone(), value.clone())),
                    Change::Remove(key) => drop(records.remove(key)),
                }
            }
        };
        self.world.write(format!("commit {}", names.collect::<Vec<_>>().join(" ")), commit).map_err(SqlError)
    }
}

/// A log that is appended to and trimmed at will.
#[derive(Debug, Default)]
pub struct MemoryLog {
    rows: RefCell<Vec<LogRow>>,
    last_seq: Cell<u64>,
}

impl MemoryLog {
    /// Appends a batch of lines (no newlines); returns its `seq`.
    pub fn append(&self, received_at: UtcMillis, lines: &[&str]) -> u64 {
        let events = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).collect::<Vec<_>>().concat();
        let seq = self.last_seq.get() + 1;
        self.last_seq.set(seq);
        self.rows.borrow_mut().push(LogRow {
            seq,
            received_at,
            events,
            count: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        });
        seq
    }

    /// Takes out the lines that hold `word`; the rows that held any, with their time.
    pub fn forget(&self, word: &str) -> Vec<(u64, UtcMillis)> {
        let mut touched = Vec::new();
        for row in self.rows.borrow_mut().iter_mut() {
            let text = String::from_utf8_lossy(&row.events).into_owned();
            let kept: Vec<_> = text.split_inclusive('\n').filter(|line| !line.contains(word)).collect();
            if kept.len() < row.count as usize {
                touched.push((row.seq, row.received_at));
                (row.count, row.events) = (u32::try_from(kept.len()).unwrap_or(0), kept.concat().into_bytes());
            }
        }
        self.rows.borrow_mut().retain(|row| row.count > 0);
        touched
    }

    /// Removes rows up to `seq`.
    pub fn trim(&self, seq: u64) {
        self.rows.borrow_mut().retain(|row| row.seq > seq);
    }
}

impl LogSource for MemoryLog {
    fn rows(&self, range: &LogRange) -> Result<Vec<LogRow>, SqlError> {
        let rows = self.rows.borrow();
        let wanted =
            |row: &&LogRow| row.seq > range.after && row.received_at >= range.from && row.received_at < range.to;
        let mut bytes = 0;
        let within = |row: &&LogRow| {
            let first = bytes == 0;
            bytes += row.events.len();
            first || bytes <= range.bytes_max
        };
        Ok(rows.iter().filter(wanted).take_while(within).cloned().collect())
    }

    fn last(&self, before: UtcMillis) -> Result<Option<LogEnd>, SqlError> {
        Ok(self
            .rows
            .borrow()
            .iter()
            .rfind(|row| row.received_at < before)
            .map(|row| LogEnd { seq: row.seq, received_at: row.received_at }))
    }
}

/// Pending once.
#[derive(Default)]
struct GiveWay(bool);

impl Future for GiveWay {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Runs a future of this module's store to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Unpacks gzip; empty when it is none.
#[must_use]
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    match std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut unpacked) {
        Ok(_) => unpacked,
        Err(_) => Vec::new(),
    }
}
