//! Nothing is lost and nothing doubled, wherever the process dies: every write × before, during, after.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use proptest::prelude::*;
use schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use schemas::{UtcDay, UtcMillis};

use crate::memory::{Fault, MemoryLedger, MemoryLog, MemoryStore, When, World, block_on, gunzip};
use crate::parquet_file::tests::ids_of;
use crate::*;

/// 2026-11-21T22:00:00Z: two hours before midnight.
const START: i64 = 1_795_298_400_000;

/// A part holds two or three of the sample's batches, a file one or two: every loop goes around.
const EXPORT: Export = Export {
    shard: ShardNo(0),
    limits: Limits { part_raw_bytes_max: 4_000, file_raw_bytes_max: 6_000, file_rows_max: 7 },
};

/// More calls than any story needs to get everything done.
const CALLS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Milliseconds pass.
    Pass(i64),
    /// A batch of that many events comes in.
    Batch(usize),
    /// All that waits goes to Bronze.
    Bronze,
    /// All closed hours go to Parquet, all closed days get their manifest.
    Night,
}

/// Two days, parts that are cut by limit and by hour, hours that never reach Bronze, an hour without rows.
const STORY: &[Act] = &[
    Act::Batch(3),
    Act::Batch(1),
    Act::Bronze,
    Act::Pass(20 * MINUTE_MS),
    Act::Batch(4),
    Act::Batch(4),
    Act::Batch(5),
    Act::Bronze,
    Act::Pass(45 * MINUTE_MS),
    Act::Batch(2),
    Act::Bronze,
    Act::Night,
    Act::Batch(2),
    Act::Pass(2 * HOUR_MS),
    Act::Batch(6),
    Act::Bronze,
    Act::Batch(1),
    Act::Night,
    Act::Pass(DAY_MS),
    Act::Night,
    Act::Batch(2),
    Act::Bronze,
];

struct Shard {
    world: Rc<World>,
    store: MemoryStore,
    ledger: MemoryLedger,
    log: MemoryLog,
    now: UtcMillis,
    /// Everything that ever came in.
    history: Vec<(UtcMillis, Vec<String>)>,
    events: u64,
}

impl Shard {
    fn new() -> Self {
        let world = Rc::new(World::default());
        let (store, ledger) = (MemoryStore::new(&world), MemoryLedger::new(&world));
        Self { world, store, ledger, log: MemoryLog::default(), now: UtcMillis(START), history: Vec::new(), events: 0 }
    }

    fn batch(&mut self, events: usize) {
        let lines = (0..events as u64).map(|n| sample::turn_line(self.events + n)).collect::<Vec<_>>();
        self.events += events as u64;
        self.append(self.now, lines);
    }

    fn append(&mut self, at: UtcMillis, lines: Vec<String>) {
        self.log.append(at, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        self.history.push((at, lines));
    }

    fn balance(&self, day: UtcDay) -> IntakeBalance {
        let of_the_day = self.history.iter().filter(|(at, _)| UtcDay::of(*at) == day);
        let stored = of_the_day.map(|(_, lines)| lines.len() as u64).sum();
        IntakeBalance { received: stored + 1, stored, duplicate: 1, ..IntakeBalance::default() }
    }

    /// Calls until nothing is left to do, trims the log as far as it may, and gives up at the first error.
    async fn bronze(&self) -> Result<(), ExportError> {
        for _ in 0..CALLS_MAX {
            if !publish_bronze(&EXPORT, &self.log, &self.ledger, &self.store).await?.more {
                return Ok(());
            }
        }
        panic!("bronze does not come to an end")
    }

    async fn night(&self) -> Result<(), ExportError> {
        for _ in 0..CALLS_MAX {
            match nightly(&EXPORT, &self.log, &self.ledger, &self.store, self.now).await? {
                Nightly::Idle => return Ok(()),
                Nightly::DayReady(day) => {
                    let report = publish_manifest(&EXPORT, &self.ledger, &self.store, day, &self.balance(day)).await?;
                    assert!(report.is_none_or(|report| report.balanced));
                }
                _ => self.log.trim(may_trim_before(&self.ledger)?),
            }
        }
        panic!("night does not come to an end")
    }

    /// Runs the act; after a crash or a refusal, `after_error` happens and it is run again.
    fn run(&mut self, act: Act, after_error: &mut impl FnMut(&mut Self)) {
        match act {
            Act::Pass(ms) => self.now = self.now.plus_ms(ms),
            Act::Batch(events) => self.batch(events),
            Act::Bronze | Act::Night => {
                while let Err(error) = block_on(async {
                    if matches!(act, Act::Bronze) { self.bronze().await } else { self.night().await }
                }) {
                    assert!(matches!(error, ExportError::Retry(_)), "{error}");
                    self.world.restart();
                    after_error(self);
                }
            }
        }
    }

    /// Finishes what was begun; until then, rows of an hour that is on its way to Parquet may be in the log alone.
    fn finish(mut self) -> Self {
        self.run(Act::Night, &mut |_| panic!());
        self.run(Act::Bronze, &mut |_| panic!());
        self
    }

    fn tell(acts: &[Act], fault: Option<Fault>, mut after_error: impl FnMut(&mut Self)) -> Self {
        let mut shard = Self::new();
        shard.world.crash_at(fault);
        acts.iter().for_each(|act| shard.run(*act, &mut after_error));
        shard
    }

    /// Ids of all events in the lake, with how often each is there.
    fn lake(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for (key, body) in self.store.objects() {
            let ids = if key.ends_with(".parquet") {
                ids_of(&body)
            } else if key.ends_with(".gz") {
                let text = String::from_utf8(gunzip(&body)).unwrap();
                text.lines().map(id_of).collect()
            } else {
                continue;
            };
            ids.into_iter().for_each(|id| *found.entry(id).or_default() += 1);
        }
        found
    }

    fn received(&self) -> BTreeMap<String, usize> {
        let lines = self.history.iter().flat_map(|(_, lines)| lines);
        lines.map(|line| (id_of(line), 1)).collect()
    }

    /// Every event is in the lake once, now and two days later.
    fn check(&mut self, what: &str) {
        assert_eq!(self.lake(), self.received(), "{what}");
        self.check_two_days_later(what);
    }

    /// Two days later the lake holds Parquet and manifests alone, the manifests list exactly that Parquet, and every event is
    /// there once.
    fn check_two_days_later(&mut self, what: &str) {
        self.now = self.now.plus_ms(2 * DAY_MS);
        self.run(Act::Night, &mut |_| ());
        assert_eq!(self.lake(), self.received(), "{what}");
        let objects = self.store.objects();
        let (manifests, files): (Vec<_>, Vec<_>) = objects.iter().partition(|(key, _)| key.starts_with("manifest/"));
        let mut listed = BTreeMap::new();
        let mut rows = 0;
        for (_, body) in manifests {
            let manifest: Manifest = serde_json::from_slice(body).unwrap();
            assert!(manifest.files.windows(2).all(|pair| pair[0].last_seq < pair[1].first_seq), "{what}");
            rows += manifest.totals.rows;
            listed.extend(manifest.files.into_iter().map(|file| (file.key, (file.sha256, file.bytes))));
        }
        let stand = files.into_iter().map(|(key, body)| (key.clone(), (Sha256::of(body), body.len() as u64)));
        assert_eq!(listed, stand.collect(), "{what}");
        assert_eq!(rows, self.events, "{what}");
        let left = self.ledger.records().into_keys().filter(|key| key != "bronze" && key != "nightly");
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}");
        assert_eq!(may_trim_before(&self.ledger), Ok(self.history.len() as u64), "{what}");
    }
}

fn id_of(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["id"].as_str().unwrap().to_owned()
}

/// Every write of the story and every way to fail at it.
fn matrix() -> Vec<(Fault, String)> {
    let writes = Shard::tell(STORY, None, |_| panic!()).world.writes();
    let ways = [When::Before, When::During, When::After];
    let rows = writes.into_iter().enumerate();
    rows.flat_map(|(step, write)| ways.map(|when| (Fault { step, when }, format!("{when:?} write {step}: {write}"))))
        .collect()
}

#[test]
fn the_story_meets_every_kind_of_write() {
    let writes = Shard::tell(STORY, None, |_| panic!()).world.writes();
    for kind in [
        "commit bronze",
        "commit bronze part/",
        "commit nightly",
        "commit nightly file/",
        "commit manifest",
        "commit nightly -manifest -file/",
        "commit -part/",
        "put_new events/dt=2026-11-21/hour=22/s000-000000000001-2.ndjson.gz",
        "put_new events/dt=2026-11-22/hour=01/s000-00.parquet",
        "put_new manifest/dt=2026-11-21/s000.json",
        "delete events/",
    ] {
        assert!(writes.iter().any(|write| write.replace('+', "").starts_with(kind)), "{kind}: {writes:#?}");
    }
}

#[test]
fn a_crash_at_any_write_leaves_the_lake_of_an_undisturbed_run() {
    let expected = Shard::tell(STORY, None, |_| panic!());
    for (fault, what) in matrix() {
        let mut crashes = 0;
        let mut shard = Shard::tell(STORY, Some(fault), |_| crashes += 1);
        assert_eq!(crashes, 1, "{what}");
        assert!(shard.store.objects() == expected.store.objects(), "{what}");
        shard.check(&what);
    }
}

#[test]
fn rows_that_come_in_between_crash_and_retry_change_no_planned_object() {
    for (fault, what) in matrix() {
        Shard::tell(STORY, Some(fault), |shard| shard.batch(2)).finish().check(&what);
    }
}

#[test]
fn the_hour_may_roll_over_between_crash_and_retry() {
    for (fault, what) in matrix() {
        let crash = |shard: &mut Shard| {
            shard.now = shard.now.plus_ms(HOUR_MS);
            shard.batch(1);
        };
        Shard::tell(STORY, Some(fault), crash).finish().check(&what);
    }
}

#[test]
fn the_night_may_fall_between_crash_and_retry() {
    for (fault, what) in matrix() {
        let crash = |shard: &mut Shard| {
            shard.now = shard.now.plus_ms(DAY_MS);
            shard.run(Act::Night, &mut |_| panic!());
        };
        Shard::tell(STORY, Some(fault), crash).finish().check(&what);
    }
}

#[test]
fn a_store_that_refuses_is_asked_again() {
    let expected = Shard::tell(STORY, None, |_| panic!());
    for refusals in 1..40 {
        let mut shard = Shard::new();
        for act in STORY {
            shard.world.refuse(refusals);
            shard.run(*act, &mut |_| ());
        }
        shard.world.refuse(0);
        assert!(shard.store.objects() == expected.store.objects());
        shard.check("refused");
    }
}

#[test]
fn sums_and_rows_of_the_manifest_are_those_of_the_log() {
    let mut shard = Shard::tell(STORY, None, |_| panic!());
    shard.now = shard.now.plus_ms(2 * DAY_MS);
    shard.run(Act::Night, &mut |_| ());
    let mut totals = Totals::default();
    let mut seq = 0;
    for (key, body) in shard.store.objects().into_iter().filter(|(key, _)| key.starts_with("manifest/")) {
        let manifest: Manifest = serde_json::from_slice(&body).unwrap();
        for file in &manifest.files {
            let body = shard.store.body(&file.key).unwrap();
            assert_eq!((Sha256::of(&body), body.len() as u64), (file.sha256, file.bytes), "{key}");
            assert_eq!((file.totals.rows, file.first_seq), (ids_of(&body).len() as u64, seq + 1));
            seq = file.last_seq;
        }
        totals += manifest.totals;
    }
    let events = (0..shard.events).map(sample::turn).map(|event| match event.body {
        schemas::Body::Turn(turn) => turn,
        _ => panic!(),
    });
    let mut expected = Totals::default();
    for turn in events {
        let usage = turn.usage.unwrap_or_default();
        expected += Totals {
            rows: 1,
            nano_usd: turn.cost.nano_usd().unwrap_or_default(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
        };
    }
    assert_eq!(totals, expected);
}

#[test]
fn a_clock_that_steps_back_loses_nothing() {
    for ms in [MINUTE_MS, HOUR_MS] {
        let mut shard = Shard::tell(STORY, None, |_| panic!());
        shard.append(shard.now.plus_ms(-ms), vec![sample::turn_line(900)]);
        shard.append(shard.now.plus_ms(5), vec![sample::turn_line(901)]);
        shard.run(Act::Bronze, &mut |_| panic!());
        shard.now = shard.now.plus_ms(2 * DAY_MS);
        shard.run(Act::Night, &mut |_| panic!());
        assert_eq!(shard.lake(), shard.received());
    }
}

#[test]
fn a_night_takes_the_running_hour_as_far_as_it_has_come() {
    let mut shard = Shard::new();
    let night = [Act::Batch(3), Act::Bronze, Act::Batch(2), Act::Pass(1), Act::Night];
    night.iter().for_each(|act| shard.run(*act, &mut |_| panic!()));
    let keys = |shard: &Shard| shard.store.objects().into_keys().collect::<Vec<_>>();
    assert_eq!(keys(&shard), ["events/dt=2026-11-21/hour=22/s000-00.parquet"]);
    shard.run(Act::Batch(1), &mut |_| panic!());
    shard.run(Act::Bronze, &mut |_| panic!());
    assert_eq!(keys(&shard).len(), 2);
    assert_eq!(shard.lake(), shard.received());
    shard.run(Act::Pass(1), &mut |_| panic!());
    shard.run(Act::Night, &mut |_| panic!());
    assert_eq!(keys(&shard)[1..], ["events/dt=2026-11-21/hour=22/s000-01.parquet"]);
    shard.check("running hour");
}

#[test]
fn a_part_that_the_store_writes_after_its_hour_went_to_parquet_is_swept() {
    let mut shard = Shard::tell(&STORY[..12], None, |_| panic!());
    let late = "events/dt=2026-11-21/hour=22/s000-000000000001-2.ndjson.gz";
    let of_another_shard = "events/dt=2026-11-21/hour=22/s001-000000000001-2.ndjson.gz";
    assert_eq!(shard.store.body(late), None);
    shard.store.insert(late, b"late");
    shard.store.insert(of_another_shard, b"other");
    shard.now = shard.now.plus_ms(2 * DAY_MS);
    shard.run(Act::Night, &mut |_| panic!());
    assert_eq!(shard.store.body(late), None);
    assert_eq!(shard.store.body(of_another_shard).unwrap(), b"other");
}

#[test]
fn a_part_that_was_under_way_while_its_day_was_finished_is_taken_back() {
    for polls in 1..3 {
        let mut shard = Shard::new();
        shard.batch(3);
        shard.now = shard.now.plus_ms(2 * DAY_MS);
        shard.world.pause(true);
        {
            let mut part: Call<'_> = Box::pin(shard.bronze());
            for _ in 0..polls {
                assert!(part.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            block_on(shard.night()).unwrap();
            block_on(part).unwrap();
        }
        shard.world.pause(false);
        assert_eq!(shard.lake(), shard.received(), "{polls}");
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (1..9_usize).prop_map(Act::Batch),
        2 => (0..90 * MINUTE_MS).prop_map(Act::Pass),
        1 => (0..30 * HOUR_MS).prop_map(Act::Pass),
        2 => Just(Act::Bronze),
        1 => Just(Act::Night),
    ]
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), ExportError>> + 'a>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_story_with_any_crashes(
        acts in prop::collection::vec(any_act(), 1..25),
        crashes in prop::collection::vec((0..12_usize, prop_oneof![Just(When::Before), Just(When::During), Just(When::After)]), 0..6),
    ) {
        let mut crashes = crashes.into_iter();
        let mut shard = Shard::new();
        let next = |shard: &Shard, crash: Option<(usize, When)>| {
            let from = shard.world.writes().len();
            shard.world.crash_at(crash.map(|(step, when)| Fault { step: from + step, when }));
        };
        next(&shard, crashes.next());
        for act in acts {
            shard.run(act, &mut |shard| next(shard, crashes.next()));
        }
        shard.world.crash_at(None);
        shard.finish().check("any story");
    }

    /// While one call awaits the store, others run; and all of them may be dropped at any time.
    #[test]
    fn calls_that_overlap_do_no_harm(schedule in prop::collection::vec((0..7_u8, 1..40_i64), 1..200)) {
        let mut shard = Shard::new();
        let mut steps = schedule.into_iter().peekable();
        while steps.peek().is_some() {
            for (step, size) in steps.by_ref().take_while(|(step, _)| *step < 4) {
                shard.now = shard.now.plus_ms(size * MINUTE_MS * i64::from(step % 2));
                shard.batch(usize::try_from(size % 7 + 1).unwrap());
            }
            shard.world.pause(true);
            {
                let here = &shard;
                let mut calls: Vec<Call<'_>> =
                    vec![Box::pin(here.bronze()), Box::pin(here.night()), Box::pin(here.bronze()), Box::pin(here.night())];
                for (step, size) in steps.by_ref().take_while(|(step, _)| *step < 6) {
                    let call = &mut calls[usize::from(step) % 4];
                    for _ in 0..size % 5 + 1 {
                        if let std::task::Poll::Ready(done) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                            prop_assert_eq!(done, Ok(()));
                            *call = if step % 2 == 0 { Box::pin(here.bronze()) } else { Box::pin(here.night()) };
                        }
                    }
                }
            }
            shard.world.pause(false);
        }
        let mut shard = shard.finish();
        // A put that was dropped after it took effect and after its rows went to Parquet leaves a part until the day is over.
        prop_assert!(shard.lake().keys().eq(shard.received().keys()));
        shard.check_two_days_later("overlapping");
    }
}
