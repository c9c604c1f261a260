//! A Shard: the log of a partition of the people, exactly once, and the fold of it.

mod erase;
mod group;
mod growth;
mod prepared;
mod remark;

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{Aside, stored};
use schemas::packed::PackedError;
use schemas::{Event, EventKey, UserKey, UtcDay, UtcMillis, order};

use crate::budget::{HoldReply, HoldRequest, Holds, Limit, LimitKind, Span};
use crate::census::{Ask, Taker};
use crate::fold::intake::Tally;
use crate::fold::pending::{PENDING_PAGE_MAX, PendingCursor, PendingPage};
use crate::fold::people::facts::Owner;
use crate::fold::people::stored::{Stored, Stretch};
use crate::fold::{self, CodecError, Day, Fold};
use crate::protocol::{AppendReply, ChangedDay, Changes, Claim, Taken};
use crate::seen::SeenIds;
use crate::storage::{Part, Row, Storage, StorageError};
pub use erase::{Held, HeldCursor};
use group::{Group, Known};
use growth::Growth;
pub use growth::Want;
use prepared::Prepared;
pub use remark::Remark;

/// Most bytes of events in one row of the log: about a MiB as lines, and far below the platform's 2 MB.
pub const ROW_BYTES_MAX: usize = 256 << 10;
/// Bytes of log after which the fold is checkpointed: what a restart reads and folds anew at most, besides one append.
pub const CHECKPOINT_BYTES: usize = 4 << 20;
/// Days that the log is kept, as long as Silver: until then a person can be told what is held of them, and be taken out of every
/// number. What is counted after it knows no one.
pub const LOG_DAYS_MAX: i32 = 730;
/// Days before today that stay in memory after a checkpoint: those that late events most often belong to.
const DAYS_AT_HAND: i32 = 1;
/// Bytes of changed days in one answer: what both objects hold of it at once, several times over.
pub const CHANGES_BYTES_MAX: usize = 1 << 20;

/// Why a Shard could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Storage failed: ask again; the object must be opened anew.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The message is not what the protocol says: do not ask again.
    #[error("append is malformed: {0}")]
    Malformed(&'static str),
    /// The checkpoint can't be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Who asks knows another count of Shards than this: ask again by this one.
    #[error("there are {0} Shards")]
    Moved(u32),
    /// It has not taken its people over yet: ask again.
    #[error("takes people over from another Shard")]
    Unsettled,
    /// What the exporter has noted can't be read.
    #[error("the exporter's ledger can't be read")]
    Ledger,
}

/// The state of one Shard over its storage.
pub struct Shard<S> {
    storage: S,
    seen: SeenIds,
    fold: Fold,
    holds: Holds,
    seq: u64,
    last_received_at: UtcMillis,
    checkpointed: u64,
    bytes_since_checkpoint: usize,
    /// Log position of each day's last change; days are read from storage when they are needed.
    days: BTreeMap<UtcDay, u64>,
    dirty_days: BTreeSet<UtcDay>,
    /// Pages that storage has facts of.
    pages: BTreeSet<u16>,
    prepared: Prepared,
    growth: Growth,
}

/// Part of the checkpoint: [`Shard::days`].
const DAYS: &str = "days";
/// Start of the names of parts that hold facts.
const FACTS: &str = "facts/";
/// Start of the names of parts that hold what must be at hand of people.
const PEOPLE: &str = "people/";

fn day_part(day: UtcDay) -> String {
    format!("day/{}", day.0)
}

fn people_part(page: u16) -> String {
    format!("{PEOPLE}{page}")
}

fn facts_part(page: u16, stretch: Stretch) -> String {
    format!("{FACTS}{page:03}/{stretch}")
}

fn stretch_named(part: &str) -> Result<Stretch, CodecError> {
    part.rsplit('/').next().and_then(|number| number.parse().ok()).ok_or(CodecError)
}

/// Facts in an object's storage.
struct StoredFacts<'a, S>(&'a S);

impl<S: Storage> Stored for StoredFacts<'_, S> {
    fn page(&self, page: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError> {
        let parts = self.0.parts(&format!("{FACTS}{page:03}/")).map_err(|_| CodecError)?;
        parts.into_iter().map(|part| Ok((stretch_named(&part.name)?, part.bytes))).collect()
    }

    fn stretches(&self, page: u16) -> Result<Vec<Stretch>, CodecError> {
        let names = self.0.part_names(&format!("{FACTS}{page:03}/")).map_err(|_| CodecError)?;
        names.iter().map(|name| stretch_named(name)).collect()
    }

    fn stretch(&self, page: u16, stretch: Stretch) -> Result<Option<Vec<u8>>, CodecError> {
        let name = facts_part(page, stretch);
        let parts = self.0.parts(&name).map_err(|_| CodecError)?;
        Ok(parts.into_iter().find(|part| part.name == name).map(|part| part.bytes))
    }
}

impl<S: Storage> Shard<S> {
    /// Opens a Shard: its checkpoint, the rows of the log after it, and the ids of the last seven days.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn open(storage: S, now: UtcMillis) -> Result<Self, ShardError> {
        let position = storage.position()?;
        let (seq, last_received_at) = storage.last()?;
        let mut shard = Self {
            seen: SeenIds::default(),
            fold: Fold::default(),
            holds: storage.holds()?.into_iter().collect(),
            seq: seq.max(position),
            last_received_at,
            checkpointed: position,
            bytes_since_checkpoint: 0,
            days: BTreeMap::new(),
            dirty_days: BTreeSet::new(),
            pages: BTreeSet::new(),
            prepared: Prepared::default(),
            growth: Growth::default(),
            storage,
        };
        shard.restore_growth()?;
        shard.restore()?;
        for (received_at, ids) in shard.storage.ids_since(SeenIds::horizon(now))? {
            for id in ids.chunks_exact(8) {
                shard.seen.insert(id.try_into().map(u64::from_le_bytes).unwrap_or_default(), received_at);
            }
        }
        let mut after = position;
        loop {
            let rows = shard.storage.rows_after(after, CHECKPOINT_BYTES)?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                shard.replay(row)?;
            }
        }
        Ok(shard)
    }

    /// *Idempotent* by event id. *Input*: messages of [`AppendHeader`]'s form. *Output*: for each what became of its events, or
    /// [`ShardError::Malformed`]. Everything of the others is stored in one write, or, on an error of the whole, nothing is.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether the rows were stored: the Shard must be opened anew before it is
    /// used again.
    pub fn append(
        &mut self,
        messages: &[Vec<u8>],
        now: UtcMillis,
    ) -> Result<Vec<Result<AppendReply, ShardError>>, ShardError> {
        self.write(messages.iter().map(|message| Ok(message.as_slice())), now)
    }

    /// The same of messages each with the count of Shards that its sender knows: of one who knows another than this Shard
    /// nothing is stored.
    ///
    /// # Errors
    /// As with [`Shard::append`].
    pub fn append_of(
        &mut self,
        messages: &[(u32, Vec<u8>)],
        now: UtcMillis,
    ) -> Result<Vec<Result<AppendReply, ShardError>>, ShardError> {
        let served: Vec<_> =
            messages.iter().map(|(shards, message)| self.serves(*shards).map(|()| message.as_slice())).collect();
        self.write(served.into_iter(), now)
    }

    fn write<'a>(
        &mut self,
        messages: impl Iterator<Item = Result<&'a [u8], ShardError>>,
        now: UtcMillis,
    ) -> Result<Vec<Result<AppendReply, ShardError>>, ShardError> {
        let received_at = now.max(self.last_received_at);
        let mut group = Group { seq: self.seq, received_at, ..Group::default() };
        let known = Known {
            seen: &self.seen,
            holds: &self.holds,
            people: &self.fold.people,
            facts: &StoredFacts(&self.storage),
        };
        let replies: Vec<_> = messages.map(|message| group.add(message?, known)).collect();
        if group.rows.is_empty() {
            return Ok(replies);
        }
        self.storage.append(&group.rows, &group.dead, &group.settled)?;
        self.last_received_at = received_at;
        for ((row, events), remark) in group.rows.iter().zip(&group.events).zip(&group.remarks) {
            self.bytes_since_checkpoint += row.bytes();
            self.count(row, events, remark)?;
        }
        group.fresh.into_iter().for_each(|id| self.seen.insert(id, received_at));
        for id in &group.settled {
            self.holds.remove(id);
        }
        Ok(replies)
    }

    /// *Idempotent* by event id. *Input*: turns that several ways may tell of. *Output*: for each, whether it is the telling to
    /// store.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether the answer is durable: the Shard must be opened anew.
    pub fn claim(&mut self, claims: &[Claim], now: UtcMillis) -> Result<Vec<bool>, ShardError> {
        let received_at = now.max(self.last_received_at);
        let mut group = Group { seq: self.seq, received_at, ..Group::default() };
        group.open_row();
        let won = claims.iter().map(|claim| group.claim(claim, &self.seen)).collect();
        let Some(row) = group.rows.first_mut().filter(|row| !row.ids.is_empty()) else { return Ok(won) };
        row.remark = Remark::default().encode();
        self.storage.append(&group.rows, &[], &[])?;
        self.last_received_at = received_at;
        self.seq = group.seq;
        self.bytes_since_checkpoint += group.rows.iter().map(Row::bytes).sum::<usize>();
        group.fresh.into_iter().for_each(|id| self.seen.insert(id, received_at));
        Ok(won)
    }

    /// *Idempotent* by the turn's id. *Input*: what a call may cost at most. *Output*: whether the limits of its person have
    /// room for it; then it is held until its turn is appended, is released, or its time is over.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether the hold is durable: the Shard must be opened anew.
    pub fn hold(&mut self, request: &HoldRequest, now: UtcMillis) -> Result<HoldReply, ShardError> {
        let there = |user: &UserKey| {
            let standing = self.fold.people.standing(*user);
            standing.is_none_or(|standing| standing.absence(now, Aside::default()).is_none())
        };
        let Some(user) = request.user.filter(|user| request.limits.of_people() && there(user)) else {
            return Ok(HoldReply::Admitted);
        };
        self.settle_names()?;
        let ended = self.holds.expire(now);
        let known = self.holds.contains(&request.id) || self.seen.contains(request.id.prefix());
        let limit = |kind, limit, span: Span| {
            let facts = StoredFacts(&self.storage);
            let spent = self.fold.people.spent(Owner::User(user), (span.from, span.to), &facts)?;
            Ok::<_, CodecError>(Limit { kind, limit, span, spent })
        };
        let limits = [
            limit(LimitKind::UserDay, request.limits.user_day, request.periods.day)?,
            limit(LimitKind::UserMonth, request.limits.user_month, request.periods.month)?,
        ];
        let refusal = self.holds.refusal(Some(user), request.amount, &limits).filter(|_| !known);
        let hold = (refusal.is_none() && !known).then(|| request.hold(Some(user), now));
        if hold.is_some() || !ended.is_empty() {
            self.storage.change_holds(hold.as_ref(), &ended)?;
        }
        hold.into_iter().for_each(|hold| self.holds.put(hold));
        Ok(refusal.map_or(HoldReply::Admitted, HoldReply::Refused))
    }

    /// *Idempotent*. Takes back the hold of a call that made no turn.
    ///
    /// # Errors
    /// [`ShardError::Storage`] as with [`Shard::hold`].
    pub fn release(&mut self, id: EventKey) -> Result<(), ShardError> {
        if self.holds.remove(&id) {
            self.storage.change_holds(None, &[id])?;
        }
        Ok(())
    }

    /// Enough of the log lies behind the last checkpoint.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.bytes_since_checkpoint >= CHECKPOINT_BYTES
    }

    /// Stores what the fold has become, if enough of the log lies behind the last checkpoint or `always`.
    /// Returns whether it did.
    ///
    /// # Errors
    /// When storage fails; the next checkpoint then stores the same and more, or a restart replays the log.
    pub fn checkpoint(&mut self, always: bool) -> Result<bool, ShardError> {
        if self.checkpointed == self.seq || !always && !self.is_due() {
            return Ok(false);
        }
        let parts = self.dirty_parts()?;
        self.storage.save_checkpoint(&parts, self.seq)?;
        self.checkpointed = self.seq;
        self.bytes_since_checkpoint = 0;
        let today = UtcDay::of(self.last_received_at);
        self.fold.days.retain(|day, _| day.0 >= today.0 - DAYS_AT_HAND);
        Ok(true)
    }

    fn dirty_parts(&mut self) -> Result<Vec<Part>, ShardError> {
        let mut parts = Vec::new();
        let dirty = std::mem::take(&mut self.dirty_days);
        for day in &dirty {
            if let Some(content) = self.fold.days.get(day) {
                parts.push(Part { name: day_part(*day), bytes: content.encode()? });
            }
        }
        if !dirty.is_empty() {
            let days: BTreeMap<i32, u64> = order::map(self.days.iter().map(|(day, changed)| (day.0, *changed)));
            parts.push(Part { name: DAYS.into(), bytes: fold::encode(&days)? });
        }
        let unsaved = self.fold.people.take_unsaved(&StoredFacts(&self.storage))?;
        for ((page, stretch), bytes) in unsaved.segments {
            self.pages.insert(page);
            parts.push(Part { name: facts_part(page, stretch), bytes });
        }
        for (number, bytes) in unsaved.pages {
            parts.push(Part { name: people_part(number), bytes });
        }
        Ok(parts)
    }

    /// Facts in storage come to know changes of names: only then can they be read by name.
    fn settle_names(&mut self) -> Result<(), ShardError> {
        if self.fold.people.is_settled() {
            return Ok(());
        }
        self.store_fold()
    }

    fn store_fold(&mut self) -> Result<(), ShardError> {
        let parts = self.dirty_parts()?;
        self.storage.save_checkpoint(&parts, self.seq)?;
        (self.checkpointed, self.bytes_since_checkpoint) = (self.seq, 0);
        Ok(())
    }

    /// Takes days into memory that are in storage.
    fn open_days(&mut self, wanted: impl IntoIterator<Item = UtcDay>) -> Result<(), ShardError> {
        for day in wanted {
            if self.days.contains_key(&day) && !self.fold.days.contains_key(&day) {
                let stored = self.storage.parts(&day_part(day))?;
                let part = stored.into_iter().find(|part| part.name == day_part(day)).ok_or(CodecError)?;
                self.fold.days.insert(day, Day::decode(&part.bytes)?);
            }
        }
        Ok(())
    }

    /// Packs rows of the log that are in the lake up to `lake_seq`, in the checkpoint, and older than the ids' seven days; forgets
    /// those older than [`LOG_DAYS_MAX`]. Returns whether there is more to pack.
    ///
    /// # Errors
    /// When storage fails.
    pub fn pack(&mut self, lake_seq: u64, now: UtcMillis) -> Result<bool, ShardError> {
        let gone = UtcDay(UtcDay::of(now).0 - LOG_DAYS_MAX).start();
        Ok(self.storage.pack(lake_seq.min(self.checkpointed), SeenIds::horizon(now), gone)?)
    }

    /// *Idempotent*. *Input*: the log position that the asker holds. *Output*: the days changed since, whole.
    ///
    /// # Errors
    /// When a day can't be encoded.
    pub fn changes(&self, since: u64) -> Result<Changes, ShardError> {
        let mut changed: Vec<(u64, UtcDay)> =
            self.days.iter().filter(|(_, changed)| **changed > since).map(|(day, changed)| (*changed, *day)).collect();
        order::ascending(&mut changed);
        let mut changes = Changes { since, upto: since, days: Vec::new(), more: false };
        let mut bytes = 0;
        for (seq, day) in changed {
            if bytes >= CHANGES_BYTES_MAX && seq > changes.upto {
                changes.more = true;
                return Ok(changes);
            }
            let encoded = match self.fold.days.get(&day) {
                Some(content) => content.encode()?,
                None => {
                    let stored = self.storage.parts(&day_part(day))?;
                    stored.into_iter().find(|part| part.name == day_part(day)).ok_or(CodecError)?.bytes
                }
            };
            bytes += encoded.len();
            changes.days.push(ChangedDay { day: day.0, changed: seq, bytes: encoded });
            changes.upto = seq;
        }
        changes.upto = self.seq;
        Ok(changes)
    }

    /// What the Shard's people did: for each ask a census.
    ///
    /// # Errors
    /// When storage fails.
    pub fn census(&mut self, asks: &[Ask], now: UtcMillis) -> Result<Vec<Taken>, ShardError> {
        self.settle_names()?;
        let Self { prepared, fold, storage, pages, seq, .. } = self;
        Ok(prepared.answer(asks, *seq, now, |asks| {
            let mut takers: Vec<Taker<'_>> = asks.iter().map(Taker::new).collect();
            let mut size = 0;
            fold.people.each(&StoredFacts(storage), pages, |owner, facts, words| {
                size += facts.size();
                takers.iter_mut().for_each(|taker| taker.take(owner, facts, words));
            })?;
            Ok((takers.into_iter().map(Taker::done).collect(), size))
        })?)
    }

    /// The Shard's turns that wait for a price, after a cursor, [`PENDING_PAGE_MAX`] at most.
    #[must_use]
    pub fn pending(&self, after: Option<PendingCursor>) -> PendingPage {
        self.fold.people.pending(after, PENDING_PAGE_MAX)
    }

    /// How many turns wait for a price, and how many more were not kept.
    #[must_use]
    pub fn pending_counts(&self) -> (u64, u64) {
        self.fold.people.pending_counts()
    }

    /// Position of the last row.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Intake of a UTC day of receive time.
    ///
    /// # Errors
    /// When storage fails.
    pub fn intake_of(&mut self, day: UtcDay) -> Result<Tally, ShardError> {
        self.open_days([day])?;
        let mut total = Tally::default();
        if let Some(day) = self.fold.days.get(&day) {
            day.intake.0.values().for_each(|tally| total.merge(tally));
        }
        Ok(total)
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn restore(&mut self) -> Result<(), ShardError> {
        for part in self.storage.parts(PEOPLE)? {
            let number = part.name.strip_prefix(PEOPLE).and_then(|number| number.parse().ok()).ok_or(CodecError)?;
            self.fold.people.restore(number, fold::decode(&part.bytes)?);
        }
        if let Some(part) = self.storage.parts(DAYS)?.into_iter().find(|part| part.name == DAYS) {
            let days: BTreeMap<i32, u64> = fold::decode(&part.bytes)?;
            self.days = order::map(days.into_iter().map(|(day, changed)| (UtcDay(day), changed)));
        }
        for name in self.storage.part_names(FACTS)? {
            let page =
                name.strip_prefix(FACTS).and_then(|rest| rest.split('/').next()).and_then(|page| page.parse().ok());
            self.pages.insert(page.ok_or(CodecError)?);
        }
        Ok(())
    }

    fn replay(&mut self, row: &Row) -> Result<(), ShardError> {
        let events: Result<Vec<Event>, PackedError> =
            stored::events(&row.events).map(|stored| stored?.event()).collect();
        self.bytes_since_checkpoint += row.bytes();
        let remark = Remark::decode(&row.remark).ok_or(CodecError)?;
        self.count(row, &events.map_err(CodecError::from)?, &remark)
    }

    fn count(&mut self, row: &Row, events: &[Event], remark: &Remark) -> Result<(), ShardError> {
        let mut days = order::set(events.iter().map(|event| UtcDay::of(event.ts)));
        days.insert(UtcDay::of(row.received_at));
        self.open_days(days.iter().copied())?;
        remark.notes.iter().for_each(|note| self.fold.people.note(note));
        let others = self.fold.row(row.seq, row.received_at, events, &remark.tally);
        days.extend(others);
        self.seq = row.seq;
        self.note_changes(&days);
        Ok(())
    }

    fn note_changes(&mut self, days: &BTreeSet<UtcDay>) {
        for day in days {
            if let Some(content) = self.fold.days.get(day) {
                self.days.insert(*day, content.changed);
                self.dirty_days.insert(*day);
            }
        }
    }
}

#[cfg(test)]
impl<S: Storage> Shard<S> {
    /// A census of everything, as of an instant.
    pub(crate) fn people(&mut self, window: &crate::civil::Window) -> crate::census::Census {
        self.people_in("UTC", window)
    }

    /// The same with days of a zone.
    pub(crate) fn people_in(&mut self, tz: &str, window: &crate::civil::Window) -> crate::census::Census {
        let now = UtcMillis::parse_rfc3339("2026-11-02T12:00:00Z").unwrap_or_default();
        let scope = crate::census::Scope::Whole;
        let funnels = crate::census::testing::funnels();
        let ask = Ask { window: window.clone(), tz: tz.into(), now, scope, funnels, only: None, after: None };
        self.prepared.forget();
        self.census(&[ask], now).unwrap().remove(0).census
    }

    /// Everything kept of everyone.
    pub(crate) fn told(&mut self) -> BTreeMap<Owner, Vec<u8>> {
        self.settle_names().unwrap();
        self.fold.people.told(&StoredFacts(&self.storage), &self.pages)
    }

    /// Every day.
    pub(crate) fn all_days(&mut self) -> &BTreeMap<UtcDay, Day> {
        let all: Vec<UtcDay> = self.days.keys().copied().collect();
        self.open_days(all).unwrap();
        &self.fold.days
    }
}

#[cfg(test)]
mod erase_test;
#[cfg(test)]
mod growth_test;
#[cfg(test)]
mod rotation_test;
#[cfg(test)]
mod standing_test;
#[cfg(test)]
mod tests;
