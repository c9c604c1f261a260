//! Gold: the days of all Shards, merged. No row of it knows a person.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schemas::{Bucket15, EventKey, FlatMap, NanoUsd, UtcDay, UtcMillis};

use crate::answer::{ByQuarter, Counted, LastWords, Part, Sample, sum_of};
use crate::budget::{Hold, HoldReply, HoldRequest, Holds, Limit, LimitKind, Settlement, Span};
use crate::disclosure::archive::Archive;
use crate::fold::intake::Tally;
use crate::fold::named::NamedTotals;
use crate::fold::{self, Bucket, CodecError, Day};
use crate::protocol::Changes;
use crate::storage::{HoldStorage, StorageError};

/// A stored day of a Shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDay {
    /// Which Shard.
    pub shard: u32,
    /// Which day.
    pub day: UtcDay,
    /// The Shard's log position of its last change.
    pub changed: u64,
    /// [`Day`], encoded.
    pub bytes: Vec<u8>,
}

/// What Gold holds: of each Shard and day the log position of its last change, and of each Shard the position that its days are
/// complete up to.
pub type Held = (BTreeMap<(UtcDay, u32), u64>, BTreeMap<u32, u64>);

/// Gold's storage. Every method is one atomic step.
pub trait GoldStorage: HoldStorage + Archive {
    /// Stores days of a Shard and the log position that they are complete up to.
    ///
    /// # Errors
    /// When storage fails.
    fn save(&self, shard: u32, upto: u64, days: &[StoredDay]) -> Result<(), StorageError>;
    /// What is stored, but the days themselves.
    ///
    /// # Errors
    /// When storage fails.
    fn held(&self) -> Result<Held, StorageError>;
    /// A stored day, encoded.
    ///
    /// # Errors
    /// When storage fails.
    fn day(&self, shard: u32, day: UtcDay) -> Result<Option<Vec<u8>>, StorageError>;
}

/// Why Gold could not take something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoldError {
    /// Storage failed: send again.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The bytes are no day.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Days in memory, decoded, beside the newest of each Shard.
const OPEN_DAYS_MAX: usize = 14;
/// Of each Shard.
const NEWEST_DAYS: usize = 2;
/// Sums in memory.
const SUMS_MAX: usize = 2_000;
/// UTC days of which the sums of each are kept once one was asked for: those of a year, and the month before it.
const KEPT_DAYS: i32 = 400;
/// UTC days of a block: a year is a dozen of them.
const BLOCK_DAYS: i32 = 32;
/// Buckets of a span that is summed from the days themselves: a civil day has 100 at most.
const SPAN_READ_MAX: i32 = 100;

/// Decoded days, those used last.
#[derive(Default)]
struct Open {
    days: FlatMap<(UtcDay, u32), (Rc<Day>, u64)>,
    uses: u64,
}

impl Open {
    fn get(&mut self, key: (UtcDay, u32)) -> Option<Rc<Day>> {
        self.uses += 1;
        let (day, used) = self.days.get_mut(&key)?;
        *used = self.uses;
        Some(day.clone())
    }

    fn put(&mut self, key: (UtcDay, u32), day: Rc<Day>, shards: usize) {
        self.uses += 1;
        self.days.insert(key, (day, self.uses));
        if self.days.len() > OPEN_DAYS_MAX + NEWEST_DAYS * shards {
            let oldest = self.days.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| drop(self.days.remove(&key)));
        }
    }
}

/// Sums of one kind by their span of buckets.
type Kept<T> = FlatMap<(i32, i32), Rc<T>>;

/// Sums of spans of buckets that were asked for since a day of theirs last changed.
#[derive(Default)]
struct Sums {
    range: Kept<Bucket>,
    named: Kept<NamedTotals>,
    intake_total: Kept<Tally>,
    sentiment_by_quarter: Kept<ByQuarter>,
    sample: Kept<Sample>,
    last_words: Kept<LastWords>,
}

impl Sums {
    fn forget(&mut self, day: UtcDay) {
        let (first, end) = (day.first_bucket().0, UtcDay(day.0 + 1).first_bucket().0);
        let stays = |(from, to): &(i32, i32)| *to <= first || *from >= end;
        self.range.retain(|span, _| stays(span));
        self.named.retain(|span, _| stays(span));
        self.intake_total.retain(|span, _| stays(span));
        self.sentiment_by_quarter.retain(|span, _| stays(span));
        self.sample.retain(|span, _| stays(span));
        self.last_words.retain(|span, _| stays(span));
    }
}

/// The state of Gold over its storage.
pub struct Gold<S> {
    storage: S,
    /// Log position of each stored day's last change.
    days: BTreeMap<(UtcDay, u32), u64>,
    open: RefCell<Open>,
    sums: RefCell<Sums>,
    /// Why a stored day could not be read: what was summed since is wrong.
    failed: Cell<Option<GoldError>>,
    upto: BTreeMap<u32, u64>,
    /// Shards of which some days are on their way: their turns up to `upto` may be in one of those.
    partial: BTreeSet<u32>,
    holds: Holds,
}

impl<S: GoldStorage> Gold<S> {
    /// Opens Gold.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn open(storage: S) -> Result<Self, GoldError> {
        let (days, upto) = storage.held()?;
        let mut holds: Holds = storage.holds()?.into_iter().collect();
        // Days are stored before the turns that they include are taken away.
        upto.iter().for_each(|(shard, upto)| drop(holds.covered(*shard, *upto)));
        Ok(Self {
            storage,
            days,
            open: RefCell::default(),
            sums: RefCell::default(),
            failed: Cell::new(None),
            upto,
            partial: BTreeSet::new(),
            holds,
        })
    }

    /// Works something out from the days.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn count<T>(&self, work: impl FnOnce(&Self) -> T) -> Result<T, GoldError> {
        let result = work(self);
        self.failed.take().map_or(Ok(result), Err)
    }

    fn day(&self, key: (UtcDay, u32)) -> Rc<Day> {
        if let Some(day) = self.open.borrow_mut().get(key) {
            return day;
        }
        let (date, shard) = key;
        let read = self
            .storage
            .day(shard, date)
            .map_err(GoldError::from)
            .and_then(|bytes| Ok(Day::decode(&bytes.ok_or(CodecError)?)?));
        let day = Rc::new(read.unwrap_or_else(|error| {
            self.failed.set(Some(error));
            Day::default()
        }));
        self.open.borrow_mut().put(key, day.clone(), self.upto.len());
        day
    }

    fn read<T: Part>(&self, sum: &mut T, from: i32, to: i32) {
        let (first, last) = (Bucket15(from).utc_day().0, Bucket15(to - 1).utc_day().0);
        for date in (first..=last).map(UtcDay) {
            let days = self.days(date, date);
            days.iter().for_each(|(_, day)| sum.read(date, day, Bucket15(from), Bucket15(to)));
            self.keep(date, &days);
        }
    }

    /// Keeps what else is asked of a day: to decode it takes longest.
    fn keep(&self, date: UtcDay, days: &[(UtcDay, Rc<Day>)]) {
        let newest = self.days.last_key_value().map_or(date, |((newest, _), _)| *newest);
        let (from, to) = (date.first_bucket(), UtcDay(date.0 + 1).first_bucket());
        let span = (from.0, to.0);
        let mut sums = self.sums.borrow_mut();
        if days.is_empty() || !(2..KEPT_DAYS).contains(&(newest.0 - date.0)) || sums.last_words.contains_key(&span) {
            return;
        }
        sums.range.insert(span, Rc::new(sum_of(days, from, to)));
        sums.intake_total.insert(span, Rc::new(sum_of(days, from, to)));
        sums.sample.insert(span, Rc::new(sum_of(days, from, to)));
        sums.last_words.insert(span, Rc::new(sum_of(days, from, to)));
    }

    /// The sum over a span, which is kept until a day of it changes. Long spans are summed from blocks of UTC days and from single ones,
    /// all but the last two of which seldom change.
    fn sum<T: Part>(&self, (from, to): (i32, i32), kept: fn(&mut Sums) -> &mut Kept<T>) -> Rc<T> {
        if from >= to {
            return Rc::default();
        }
        if let Some(sum) = kept(&mut self.sums.borrow_mut()).get(&(from, to)) {
            return sum.clone();
        }
        let part = |from, to| self.sum((from, to), kept);
        let is_kept = |from, to| kept(&mut self.sums.borrow_mut()).contains_key(&(from, to));
        let settled = self.days.last_key_value().map_or(0, |((day, _), _)| UtcDay(day.0 - 1).first_bucket().0);
        let mut sum = T::default();
        if to - from <= SPAN_READ_MAX {
            self.read(&mut sum, from, to);
        } else if from < settled && settled < to {
            sum = (*part(from, settled)).clone();
            sum.join(&part(settled, to));
        } else {
            let mut at = from;
            while at < to {
                let day = Bucket15(at).utc_day();
                let block = UtcDay(day.0 + BLOCK_DAYS).first_bucket().0;
                let starts_block = day.0 % BLOCK_DAYS == 0 && day.first_bucket().0 == at;
                let mut end = UtcDay(day.0 + 1).first_bucket().0.min(to);
                if starts_block && block <= to && (from, to) != (at, block) {
                    end = block;
                    sum.join(&part(at, end));
                } else if T::KEEPS_DAYS || at >= settled || is_kept(at, end) {
                    sum.join(&part(at, end));
                } else {
                    self.read(&mut sum, at, end);
                }
                at = end;
            }
        }
        let sum = Rc::new(sum);
        let mut sums = self.sums.borrow_mut();
        let kept = kept(&mut sums);
        if kept.len() >= SUMS_MAX {
            kept.clear();
        }
        kept.insert((from, to), sum.clone());
        sum
    }

    /// Log position up to which Gold holds a Shard's days.
    #[must_use]
    pub fn upto(&self, shard: u32) -> u64 {
        self.upto.get(&shard).copied().unwrap_or(0)
    }

    /// *Idempotent*: whole days replace older ones, in any order and any number of times. *Input*: a Shard's changed days.
    /// *Output*: the position that Gold now holds; changes that start after it are not taken, and must be sent from there.
    ///
    /// # Errors
    /// When storage fails or the bytes are another version's; nothing is taken then.
    pub fn apply(&mut self, shard: u32, changes: &Changes) -> Result<u64, GoldError> {
        let held = self.upto(shard);
        if changes.since > held {
            return Ok(held);
        }
        let mut fresh = Vec::new();
        for changed in &changes.days {
            fold::check_format(&changed.bytes)?;
            let day = UtcDay(changed.day);
            if self.days.get(&(day, shard)).is_none_or(|old| *old < changed.changed) {
                fresh.push(StoredDay { shard, day, changed: changed.changed, bytes: changed.bytes.clone() });
            }
        }
        let upto = held.max(changes.upto);
        if changes.more {
            self.partial.insert(shard);
        } else {
            self.partial.remove(&shard);
        }
        if fresh.is_empty() && upto == held {
            return Ok(held);
        }
        self.storage.save(shard, upto, &fresh)?;
        for day in &fresh {
            self.days.insert((day.day, shard), day.changed);
            self.sums.borrow_mut().forget(day.day);
            // One that is asked about is at hand.
            let mut open = self.open.borrow_mut();
            if open.days.remove(&(day.day, shard)).is_some()
                && let Ok(decoded) = Day::decode(&day.bytes)
            {
                open.put((day.day, shard), Rc::new(decoded), self.upto.len());
            }
        }
        self.upto.insert(shard, upto);
        if !changes.more {
            let covered = self.holds.covered(shard, changes.upto);
            self.forget(&covered)?;
        }
        Ok(upto)
    }

    /// *Idempotent* by the turn's id. *Input*: what a call may cost at most. *Output*: whether the app's limits have room for
    /// it; then it is held until it is settled or its time is over.
    ///
    /// # Errors
    /// When storage fails; Gold must be opened anew.
    pub fn hold(&mut self, request: &HoldRequest, now: UtcMillis) -> Result<HoldReply, GoldError> {
        let ended = self.holds.expire(now);
        let known = self.holds.contains(&request.id);
        let limit = |kind, limit, span: Span| Limit { kind, limit, span, spent: self.spent_in(limit, span) };
        let limits = [
            limit(LimitKind::Day, request.limits.day, request.periods.day),
            limit(LimitKind::Month, request.limits.month, request.periods.month),
        ];
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let refusal = self.holds.refusal(None, request.amount, &limits).filter(|_| !known);
        let hold = (refusal.is_none() && !known && request.asks_all()).then(|| request.hold(None, now));
        if hold.is_some() || !ended.is_empty() {
            self.storage.change_holds(hold.as_ref(), &ended)?;
        }
        hold.into_iter().for_each(|hold| self.holds.put(hold));
        Ok(refusal.map_or(HoldReply::Admitted, HoldReply::Refused))
    }

    /// *Idempotent*. *Input*: what a held call has cost, and where its turn is. It takes the hold's place until the days
    /// include it.
    ///
    /// # Errors
    /// When storage fails; Gold must be opened anew.
    pub fn settle(&mut self, settlement: &Settlement, now: UtcMillis) -> Result<(), GoldError> {
        let at = settlement.stored;
        let included = at.seq <= self.upto(at.shard) && !self.partial.contains(&at.shard);
        match settlement.cost.filter(|cost| *cost > NanoUsd::ZERO && !included) {
            Some(cost) => {
                let hold = Hold::settled(settlement, cost, now);
                self.storage.change_holds(Some(&hold), &[])?;
                self.holds.put(hold);
            }
            None if self.holds.remove(&settlement.id) => self.forget(&[settlement.id])?,
            None => {}
        }
        Ok(())
    }

    fn forget(&self, ids: &[EventKey]) -> Result<(), StorageError> {
        if ids.is_empty() { Ok(()) } else { self.storage.change_holds(None, ids) }
    }

    /// What the days say was spent; not looked up where there is no limit.
    fn spent_in(&self, limit: NanoUsd, span: Span) -> NanoUsd {
        if limit <= NanoUsd::ZERO { NanoUsd::ZERO } else { self.spend(span.from, span.to) }
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }
}

macro_rules! kept_sums {
    ($($name:ident: $part:ty,)+) => {
        $(fn $name(&self, from: Bucket15, to: Bucket15) -> Rc<$part> {
            self.sum((from.0, to.0), |sums| &mut sums.$name)
        })+
    };
}

impl<S: GoldStorage> Counted for Gold<S> {
    kept_sums! {
        range: Bucket,
        named: NamedTotals,
        intake_total: Tally,
        sentiment_by_quarter: ByQuarter,
        sample: Sample,
        last_words: LastWords,
    }

    fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, Rc<Day>)> {
        if from > to {
            return Vec::new();
        }
        self.days.range((from, 0)..=(to, u32::MAX)).map(|(key, _)| (key.0, self.day(*key))).collect()
    }

    fn ever(&self) -> Option<(UtcDay, UtcDay)> {
        let first = self.days.first_key_value().map(|((day, _), _)| *day);
        first.zip(self.days.last_key_value().map(|((day, _), _)| *day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ShardBatch;
    use crate::fold::testing::history;
    use crate::fold::{Counters, Fold};
    use crate::shard::Shard;
    use crate::storage::memory::Memory;
    use proptest::prelude::*;
    use schemas::Event;
    use serde_json::json;

    fn append(shard: &mut Shard<Memory>, events: &[&Event]) {
        let mut batch = ShardBatch::default();
        events.iter().for_each(|event| batch.push(event));
        shard.append(&[batch.message()], UtcMillis(1_793_000_000_000)).unwrap();
    }

    /// Its days, nothing kept.
    struct Days<'a>(&'a Gold<Memory>);

    impl Counted for Days<'_> {
        fn days(&self, from: UtcDay, to: UtcDay) -> Vec<(UtcDay, Rc<Day>)> {
            self.0.days(from, to)
        }
        fn ever(&self) -> Option<(UtcDay, UtcDay)> {
            self.0.ever()
        }
    }

    const EVER: (Bucket15, Bucket15) = (Bucket15(96 * 20_700), Bucket15(96 * 20_800));

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However changes are cut, repeated and delayed, Gold ends up with the fold of all events, for any number of Shards.
        #[test]
        fn gold_is_the_fold_of_everything(events in history(80), shards in 1u32..5, order in proptest::collection::vec(any::<u8>(), 40)) {
            let disk = Memory::default();
            let mut gold = Gold::open(disk.clone()).unwrap();
            let mut objects: Vec<Shard<Memory>> = (0..shards).map(|_| Shard::open(Memory::default(), UtcMillis(0)).unwrap()).collect();
            let mut in_flight: Vec<(u32, Changes)> = Vec::new();
            for (chunk, choice) in events.chunks(3).zip(order.iter().cycle()) {
                for number in 0..shards {
                    let own: Vec<&Event> = chunk.iter().filter(|e| e.shard(shards) == number).collect();
                    append(&mut objects[number as usize], &own);
                }
                let number = u32::from(*choice) % shards;
                in_flight.push((number, objects[number as usize].changes(gold.upto(number)).unwrap()));
                if choice % 3 == 0 {
                    let (number, changes) = in_flight[usize::from(*choice) % in_flight.len()].clone();
                    gold.apply(number, &changes).unwrap();
                }
                if choice % 7 == 0 {
                    gold = Gold::open(disk.clone()).unwrap();
                }
            }
            for number in 0..shards {
                let changes = objects[number as usize].changes(gold.upto(number)).unwrap();
                prop_assert_eq!(gold.apply(number, &changes).unwrap(), objects[number as usize].seq());
            }
            for (number, changes) in &in_flight {
                gold.apply(*number, changes).unwrap();
            }
            let mut fold = Fold::default();
            fold.row(1, UtcMillis(0), &events, &Tally::default());
            let mut expected = Bucket::default();
            fold.days.values().flat_map(|d| d.buckets.values()).for_each(|b| expected.merge(b));
            prop_assert_eq!(&*gold.range(EVER.0, EVER.1), &expected);
            let stored: u64 = gold.intake(EVER.0.start(), EVER.1.start()).iter().map(|(_, t)| t.stored).sum();
            prop_assert_eq!(stored, events.len() as u64);
            let days: Vec<Bucket15> = (20_700..=20_800).map(|d| UtcDay(d).first_bucket()).collect();
            let mut by_day = Bucket::default();
            days.windows(2).for_each(|pair| by_day.merge(&gold.range(pair[0], pair[1])));
            prop_assert_eq!(by_day, expected);
            prop_assert_eq!(Gold::open(disk.clone()).unwrap().range(EVER.0, EVER.1), gold.range(EVER.0, EVER.1));
        }

        /// Whatever was asked before, and whatever came in since, a sum is that of the days.
        #[test]
        fn what_is_kept_is_what_is_there(events in history(60), spans in proptest::collection::vec((0i32..16, 0i32..16, 0i32..96), 30)) {
            let mut events = events;
            for (event, n) in events.iter_mut().zip(0u32..).filter(|(_, n)| n % 2 == 1) {
                let body = match n % 3 {
                    0 => json!({ "observation": { "emotion": "joy", "intensity": 1, "confidence": 1, "model_version": "s1" } }),
                    1 => json!({ "platform": { "platform": "whatsapp", "event": "synced" } }),
                    _ => json!({ "notice": { "kind": "wish_planned", "code": "export" } }),
                };
                event.body = serde_json::from_value(body).unwrap();
            }
            let mut gold = Gold::open(Memory::default()).unwrap();
            let mut shards = [0, 1].map(|_| Shard::open(Memory::default(), UtcMillis(0)).unwrap());
            let first = UtcDay::of(UtcMillis::parse_rfc3339("2026-10-19T00:00:00Z").unwrap());
            for (chunk, asked) in events.chunks(6).zip(spans.chunks(3)) {
                for (number, shard) in (0..).zip(&mut shards) {
                    append(shard, &chunk.iter().filter(|e| e.shard(2) == number).collect::<Vec<_>>());
                    gold.apply(number, &shard.changes(gold.upto(number)).unwrap()).unwrap();
                }
                for (from, days, off) in asked {
                    // Days of UTC, and of zones that are off by so many quarters.
                    for off in [0, *off] {
                        let from = UtcDay(first.0 + from).first_bucket().0 + off;
                        let (from, to) = (Bucket15(from), Bucket15(from + days * 96));
                        let said = |counted: &dyn Counted| {
                            let sums = (counted.range(from, to), counted.named(from, to), counted.intake_total(from, to));
                            let quarters = counted.sentiment_by_quarter(from, to);
                            format!("{sums:?} {quarters:?} {:?} {:?}", counted.sample(from, to), counted.last_words(from, to))
                        };
                        prop_assert_eq!(said(&gold), said(&Days(&gold)));
                    }
                }
            }
        }
    }
}
