//! After an erasure the lake stands as if the person had never been, whenever it comes and whatever fails.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::Nightly;
use crate::memory::{Fault, MemoryLedger, MemoryLog, MemoryStore, When, World, block_on};
use crate::partition::ShardNo;
use crate::sample;
use schemas::time::{HOUR_MS, MINUTE_MS};
use schemas::{KeyId, UserKey};

const START: i64 = 1_795_255_200_000;
const RECEIPT: &str = "receipt";

fn leaver() -> UserKey {
    UserKey::from_mac(KeyId(1), [0xee; 16])
}

/// Batches of two days: some hold events of the one who leaves among others', one holds nothing else.
fn batches() -> Vec<(UtcMillis, Vec<String>)> {
    (0..14i64)
        .map(|batch| {
            let lines = (0..3u64).map(|n| {
                let mut event = sample::turn(batch as u64 * 3 + n + 1);
                if batch == 5 || batch % 4 == 1 && n == 1 {
                    event.user = Some(leaver());
                }
                event.to_line().unwrap()
            });
            (UtcMillis(START + batch * 3 * HOUR_MS + MINUTE_MS), lines.collect())
        })
        .collect()
}

struct Lake {
    world: Rc<World>,
    log: MemoryLog,
    ledger: MemoryLedger,
    store: MemoryStore,
    export: Export,
}

impl Lake {
    fn new() -> Self {
        let world = Rc::<World>::default();
        let (ledger, store) = (MemoryLedger::new(&world), MemoryStore::new(&world));
        let export = Export::of(ShardNo(0));
        Self { log: MemoryLog::default(), ledger, store, world, export }
    }

    fn fill(&self, keep: impl Fn(&str) -> bool) {
        for (at, lines) in batches() {
            let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| keep(line)).collect();
            self.log.append(at, &lines);
        }
        self.log.forget("\u{0}");
    }

    fn intake(&self, day: UtcDay) -> IntakeBalance {
        let range = crate::LogRange { from: day.start(), to: day.start().plus_ms(DAY_MS), ..crate::LogRange::after(0) };
        let stored = crate::LogSource::rows(&self.log, &range).unwrap().iter().map(|row| u64::from(row.count)).sum();
        IntakeBalance { received: stored, stored, ..IntakeBalance::default() }
    }

    /// One round of everything that is due. `None` when there was nothing to do.
    fn step(&self, before: UtcMillis) -> Result<Option<()>, ExportError> {
        let Self { export, log, ledger, store, .. } = self;
        block_on(async {
            if erase_next(export, log, ledger, store, before, |day| self.intake(day)).await? {
                return Ok(Some(()));
            }
            match crate::nightly(export, log, ledger, store, before).await? {
                Nightly::Idle => {}
                Nightly::DayReady(day) => {
                    crate::publish_manifest(export, ledger, store, day, &self.intake(day)).await?;
                    return Ok(Some(()));
                }
                _ => return Ok(Some(())),
            }
            let bronze = crate::publish_bronze(export, log, ledger, store).await?;
            Ok((bronze.more || bronze.published.is_some()).then_some(()))
        })
    }

    /// Takes steps to the end, starting anew after a crash; how many there were.
    fn run(&self, before: UtcMillis) -> usize {
        for steps in 0..500 {
            match self.step(before) {
                Ok(None) => return steps,
                Ok(Some(())) => {}
                Err(_) => self.world.restart(),
            }
        }
        panic!("no end");
    }

    fn erase(&self) -> usize {
        let touched = self.log.forget(&leaver().to_string());
        let at = UtcMillis(START + 40 * HOUR_MS);
        let changes = queue(&self.ledger, RECEIPT, at, 6, &touched).unwrap();
        self.ledger.commit(&changes).unwrap();
        touched.len()
    }
}

const END: UtcMillis = UtcMillis(START + 72 * HOUR_MS);

fn never_saw() -> BTreeMap<String, Vec<u8>> {
    let lake = Lake::new();
    lake.fill(|line| !line.contains(&leaver().to_string()));
    lake.run(END);
    lake.store.objects()
}

#[test]
fn an_erasure_at_any_point_leaves_no_trace() {
    let wanted = never_saw();
    assert_eq!(wanted.keys().filter(|key| key.ends_with(".parquet")).count(), 13);
    // The lake has come to some point of its first night, or is finished; then someone leaves.
    for steps in (0..20).chain([25, 31, 40, 60]) {
        for before in [UtcMillis(START + 20 * HOUR_MS), END] {
            let lake = Lake::new();
            lake.fill(|_| true);
            (0..steps).for_each(|_| drop(lake.step(before)));
            assert_eq!(lake.erase(), 4);
            lake.run(END);
            assert_eq!(lake.store.objects().keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{steps}");
            assert!(lake.store.objects() == wanted, "bytes differ after {steps} steps");
            let receipt = erasure(&lake.ledger, RECEIPT).unwrap().unwrap();
            assert!(receipt.lake_done_at.is_some() && erasure_due(&lake.ledger).unwrap().is_none());
            assert_eq!(receipt.due_at.0 - receipt.requested_at.0, 28 * DAY_MS);
        }
    }
}

#[test]
fn an_erasure_survives_a_crash_before_or_after_any_write() {
    let wanted = never_saw();
    for ready in [3, 1_000] {
        let prepared = || {
            let lake = Lake::new();
            lake.fill(|_| true);
            (0..ready).take_while(|_| lake.step(END).unwrap().is_some()).for_each(drop);
            lake.erase();
            lake
        };
        let whole = prepared();
        let first = whole.world.writes().len();
        whole.run(END);
        for step in first..whole.world.writes().len() {
            for when in [When::Before, When::During, When::After] {
                let lake = prepared();
                lake.world.crash_at(Some(Fault { step, when }));
                lake.run(END);
                assert!(lake.store.objects() == wanted, "{when:?} step {step}: {}", whole.world.writes()[step]);
            }
        }
    }
}

#[test]
fn what_is_due_is_known_until_it_is_done() {
    let lake = Lake::new();
    lake.fill(|_| true);
    lake.run(END);
    assert_eq!(erasure_due(&lake.ledger).unwrap(), None);
    lake.erase();
    assert_eq!(erasure_due(&lake.ledger).unwrap(), Some(UtcMillis(START + 40 * HOUR_MS + 28 * DAY_MS)));
    assert_eq!(erasure(&lake.ledger, RECEIPT).unwrap().unwrap().lake_done_at, None);
    assert_eq!(erasure(&lake.ledger, "another").unwrap(), None);
    let nothing = queue(&lake.ledger, "nothing", UtcMillis(START), 0, &[]).unwrap();
    lake.ledger.commit(&nothing).unwrap();
    assert!(erasure(&lake.ledger, "nothing").unwrap().unwrap().lake_done_at.is_some());
}

#[test]
fn files_that_have_passed_their_time_do_not_come_back() {
    let lake = Lake::new();
    lake.fill(|_| true);
    lake.run(END);
    let gone: Vec<String> = lake.store.objects().into_keys().filter(|key| key.ends_with(".parquet")).collect();
    block_on(lake.store.delete(&gone)).unwrap();
    lake.erase();
    lake.run(END);
    assert!(lake.store.objects().keys().all(|key| key.starts_with("manifest/")));
}
