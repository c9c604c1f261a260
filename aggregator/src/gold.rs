//! Gold: the days of all Shards, merged. No row of it knows a person.

use std::collections::{BTreeMap, BTreeSet};

use schemas::time::{DAY_MS, MINUTE_MS};
use schemas::{Bucket15, EventKey, NanoUsd, UtcDay, UtcMillis};

use crate::answer::Counted;
use crate::budget::{Hold, HoldReply, HoldRequest, Holds, Limit, LimitKind, Settlement, Span};
use crate::disclosure::archive::Archive;
use crate::disclosure::noted::Noted;
use crate::fold::intake::Tally;
use crate::fold::names::Visited;
use crate::fold::{Bucket, CodecError, Counters, Day};
use crate::protocol::Changes;
use crate::storage::{HoldStorage, StorageError};

/// A stored day of a Shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDay {
    /// Which Shard.
    pub shard: u32,
    /// Which day.
    pub day: UtcDay,
    /// [`Day`], encoded.
    pub bytes: Vec<u8>,
}

/// Gold's storage. Every method is one atomic step.
pub trait GoldStorage: HoldStorage + Archive {
    /// Stores days of a Shard and the log position that they are complete up to.
    ///
    /// # Errors
    /// When storage fails.
    fn save(&self, shard: u32, upto: u64, days: &[StoredDay]) -> Result<(), StorageError>;
    /// Every stored day, and the position of every Shard.
    ///
    /// # Errors
    /// When storage fails.
    fn load(&self) -> Result<(Vec<StoredDay>, BTreeMap<u32, u64>), StorageError>;
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

/// The state of Gold over its storage.
pub struct Gold<S> {
    storage: S,
    days: BTreeMap<(UtcDay, u32), Day>,
    upto: BTreeMap<u32, u64>,
    /// Shards of which some days are on their way: their turns up to `upto` may be in one of those.
    partial: BTreeSet<u32>,
    noted: Noted,
    holds: Holds,
    /// Spend of spans that were asked for since a day last changed.
    spent: BTreeMap<(Bucket15, Bucket15), NanoUsd>,
}

impl<S: GoldStorage> Gold<S> {
    /// Opens Gold.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn open(storage: S) -> Result<Self, GoldError> {
        let (stored, upto) = storage.load()?;
        let mut days = BTreeMap::new();
        for row in stored {
            days.insert((row.day, row.shard), Day::decode(&row.bytes)?);
        }
        let mut noted = Noted::default();
        days.iter().for_each(|((day, shard), content)| noted.note(*day, *shard, content));
        let mut holds: Holds = storage.holds()?.into_iter().collect();
        // Days are stored before the turns that they include are taken away.
        upto.iter().for_each(|(shard, upto)| drop(holds.covered(*shard, *upto)));
        Ok(Self { storage, days, upto, partial: BTreeSet::new(), noted, holds, spent: BTreeMap::new() })
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
    /// When storage fails or the bytes are no days; nothing is taken then.
    pub fn apply(&mut self, shard: u32, changes: &Changes) -> Result<u64, GoldError> {
        let held = self.upto(shard);
        if changes.since > held {
            return Ok(held);
        }
        let mut fresh = Vec::new();
        for changed in &changes.days {
            let day = Day::decode(&changed.bytes)?;
            let newer = self.days.get(&(UtcDay(changed.day), shard)).is_none_or(|old| old.changed < day.changed);
            if newer {
                fresh.push((StoredDay { shard, day: UtcDay(changed.day), bytes: changed.bytes.clone() }, day));
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
        let (stored, days): (Vec<StoredDay>, Vec<Day>) = fresh.into_iter().unzip();
        self.storage.save(shard, upto, &stored)?;
        for (row, day) in stored.iter().zip(days) {
            self.noted.note(row.day, row.shard, &day);
            self.days.insert((row.day, row.shard), day);
        }
        self.upto.insert(shard, upto);
        self.spent.clear();
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
        let mut limit = |kind, limit, span: Span| Limit { kind, limit, span, spent: self.spent_in(limit, span) };
        let limits = [
            limit(LimitKind::Day, request.limits.day, request.periods.day),
            limit(LimitKind::Month, request.limits.month, request.periods.month),
        ];
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
    fn spent_in(&mut self, limit: NanoUsd, span: Span) -> NanoUsd {
        if limit <= NanoUsd::ZERO || span.from >= span.to {
            return NanoUsd::ZERO;
        }
        let days = &self.days;
        *self.spent.entry((span.from, span.to)).or_insert_with(|| {
            let keys = (span.from.utc_day(), 0)..=(Bucket15(span.to.0 - 1).utc_day(), u32::MAX);
            let buckets = days.range(keys).flat_map(|(_, day)| day.buckets.range(span.from.0..span.to.0));
            buckets.flat_map(|(_, bucket)| bucket.cost.lines.values()).map(|amount| amount.nano_usd).sum()
        })
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }
}

impl<S> Counted for Gold<S> {
    fn range(&self, from: Bucket15, to: Bucket15) -> Bucket {
        let mut total = Bucket::default();
        if from >= to {
            return total;
        }
        let days = (from.utc_day(), 0)..=(Bucket15(to.0 - 1).utc_day(), u32::MAX);
        for day in self.days.range(days).map(|(_, day)| day) {
            day.buckets.range(from.0..to.0).for_each(|(_, bucket)| total.merge(bucket));
        }
        total
    }

    fn noted(&self) -> Option<&Noted> {
        Some(&self.noted)
    }

    fn visited(&self, from: Bucket15, to: Bucket15) -> Visited {
        let mut visited = Visited::default();
        if from < to {
            let days = (from.utc_day(), 0)..=(Bucket15(to.0 - 1).utc_day(), u32::MAX);
            for ((day, _), content) in self.days.range(days) {
                content.visits.routes.sum(*day, from, to, &mut visited.routes);
                content.visits.referrers.sum(*day, from, to, &mut visited.referrers);
            }
        }
        visited
    }

    fn intake(&self, from: UtcMillis, to: UtcMillis) -> Vec<(i64, Tally)> {
        let mut minutes: BTreeMap<i64, Tally> = BTreeMap::new();
        let days = (UtcDay::of(from), 0)..=(UtcDay::of(to), u32::MAX);
        for ((day, _), content) in self.days.range(days) {
            let first = i64::from(day.0) * (DAY_MS / MINUTE_MS);
            for (minute, tally) in &content.intake.0 {
                let minute = first + i64::from(*minute);
                if (from.minute()..to.minute()).contains(&minute) {
                    minutes.entry(minute).or_default().merge(tally);
                }
            }
        }
        minutes.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Fold;
    use crate::fold::testing::history;
    use crate::protocol::AppendHeader;
    use crate::shard::Shard;
    use crate::storage::memory::Memory;
    use proptest::prelude::*;
    use schemas::Event;

    fn append(shard: &mut Shard<Memory>, events: &[&Event]) {
        let header = AppendHeader { events: events.len(), ..AppendHeader::default() };
        let lines: Vec<String> = events.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
        let text = format!("{}\n{}\n", serde_json::to_string(&header).unwrap(), lines.join("\n"));
        shard.append(&[text.into_bytes()], UtcMillis(1_793_000_000_000)).unwrap();
    }

    const EVER: (Bucket15, Bucket15) = (Bucket15(0), Bucket15(i32::MAX));

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
            prop_assert_eq!(gold.range(EVER.0, EVER.1), expected.clone());
            let stored: u64 = gold.intake(UtcMillis(0), UtcMillis(i64::MAX / 2)).iter().map(|(_, t)| t.stored).sum();
            prop_assert_eq!(stored, events.len() as u64);
            let days: Vec<Bucket15> = (0..=20_800).step_by(1).map(|d| UtcDay(d).first_bucket()).collect();
            let mut by_day = Bucket::default();
            days.windows(2).skip(20_700).for_each(|pair| by_day.merge(&gold.range(pair[0], pair[1])));
            prop_assert_eq!(by_day, expected);
            prop_assert_eq!(Gold::open(disk.clone()).unwrap().range(EVER.0, EVER.1), gold.range(EVER.0, EVER.1));
        }
    }
}
