//! A Shard: the log of a partition of the people, exactly once, and the fold of it.

mod erase;
mod group;
mod people_answer;
mod remark;

use std::collections::BTreeMap;

use schemas::event::Aside;
use schemas::{Event, EventKey, UserKey, UtcDay, UtcMillis};

use crate::budget::{HoldReply, HoldRequest, Holds, Limit, LimitKind, Span};
use crate::disclosure::contribution::Cap;
use crate::fold::intake::Tally;
use crate::fold::pending::{PENDING_PAGE_MAX, PendingCursor, PendingPage};
use crate::fold::{self, CodecError, Day, Fold};
use crate::protocol::{AppendReply, ChangedDay, Changes, Claim, PeopleAnswer, Window};
use crate::seen::SeenIds;
use crate::storage::{Part, Row, Storage, StorageError};
pub use erase::Held;
use group::{Group, Known};
pub use remark::Remark;

/// Most bytes of events in one row of the log: half of the platform's 2 MB limit of a row.
pub const ROW_BYTES_MAX: usize = 1 << 20;
/// Bytes of log after which the fold is checkpointed: what a restart reads and folds anew at most, besides one append.
pub const CHECKPOINT_BYTES: usize = 8 << 20;
/// Days that the log is kept, as long as Silver: until then a person can be told what is held of them, and be taken out of every
/// number. What is counted after it knows no one.
pub const LOG_DAYS_MAX: i32 = 730;
/// Bytes of changed days in one answer.
pub const CHANGES_BYTES_MAX: usize = 4 << 20;

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
    dirty_days: BTreeMap<UtcDay, ()>,
}

impl<S: Storage> Shard<S> {
    /// Opens a Shard: its checkpoint, the rows of the log after it, and the ids of the last seven days.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn open(storage: S, now: UtcMillis) -> Result<Self, ShardError> {
        let (parts, position) = storage.checkpoint()?;
        let (seq, last_received_at) = storage.last()?;
        let mut shard = Self {
            seen: SeenIds::default(),
            fold: Fold::default(),
            holds: storage.holds()?.into_iter().collect(),
            seq: seq.max(position),
            last_received_at,
            checkpointed: position,
            bytes_since_checkpoint: 0,
            dirty_days: BTreeMap::new(),
            storage,
        };
        for part in parts {
            shard.restore(&part)?;
        }
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
        let received_at = now.max(self.last_received_at);
        let mut group = Group { seq: self.seq, received_at, ..Group::default() };
        let known = Known { seen: &self.seen, holds: &self.holds, people: &self.fold.people };
        let replies: Vec<_> = messages.iter().map(|message| group.add(message, known)).collect();
        if group.rows.is_empty() {
            return Ok(replies);
        }
        self.storage.append(&group.rows, &group.dead, &group.settled)?;
        self.last_received_at = received_at;
        for ((row, events), remark) in group.rows.iter().zip(&group.events).zip(&group.remarks) {
            self.bytes_since_checkpoint += row.bytes();
            self.count(row, events, remark);
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
        let ended = self.holds.expire(now);
        let known = self.holds.contains(&request.id) || self.seen.contains(request.id.prefix());
        let limit = |kind, limit, span: Span| {
            let spent = self.fold.people.spent(user, span.from, span.to);
            Limit { kind, limit, span, spent }
        };
        let limits = [
            limit(LimitKind::UserDay, request.limits.user_day, request.periods.day),
            limit(LimitKind::UserMonth, request.limits.user_month, request.periods.month),
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

    /// Stores what the fold has become, if enough of the log lies behind the last checkpoint or `always`.
    /// Returns whether it did.
    ///
    /// # Errors
    /// When storage fails; the next checkpoint then stores the same and more, or a restart replays the log.
    pub fn checkpoint(&mut self, always: bool) -> Result<bool, ShardError> {
        if self.checkpointed == self.seq || !always && self.bytes_since_checkpoint < CHECKPOINT_BYTES {
            return Ok(false);
        }
        let parts = self.dirty_parts()?;
        self.storage.save_checkpoint(&parts, self.seq)?;
        self.checkpointed = self.seq;
        self.bytes_since_checkpoint = 0;
        Ok(true)
    }

    fn dirty_parts(&mut self) -> Result<Vec<Part>, ShardError> {
        let mut parts = Vec::new();
        for day in std::mem::take(&mut self.dirty_days).into_keys() {
            if let Some(content) = self.fold.days.get(&day) {
                parts.push(Part { name: format!("day/{}", day.0), bytes: content.encode()? });
            }
        }
        for (number, page) in self.fold.people.take_dirty() {
            parts.push(Part { name: format!("people/{number}"), bytes: fold::encode(page)? });
        }
        Ok(parts)
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
        let mut changed: Vec<(u64, UtcDay, &Day)> =
            self.fold.days.iter().filter(|(_, d)| d.changed > since).map(|(day, d)| (d.changed, *day, d)).collect();
        changed.sort_by_key(|(seq, day, _)| (*seq, *day));
        let mut changes = Changes { since, upto: since, days: Vec::new(), more: false };
        let mut bytes = 0;
        for (seq, day, content) in changed {
            if bytes >= CHANGES_BYTES_MAX && seq > changes.upto {
                changes.more = true;
                return Ok(changes);
            }
            let encoded = content.encode()?;
            bytes += encoded.len();
            changes.days.push(ChangedDay { day: day.0, bytes: encoded });
            changes.upto = seq;
        }
        changes.upto = self.seq;
        Ok(changes)
    }

    /// What the Shard's people did in a window.
    #[must_use]
    pub fn people(&self, window: &Window) -> PeopleAnswer {
        people_answer::answer(&self.fold.people, window)
    }

    /// [`Self::people`] with the sums that are published, each person's up to `cap`.
    #[must_use]
    pub fn people_capped(&self, window: &Window, cap: Option<Cap>) -> PeopleAnswer {
        let sums = cap.map(|cap| people_answer::capped(&self.fold.people, window, cap)).unwrap_or_default();
        PeopleAnswer { capped_sessions: sums.sessions, capped_turns: sums.turns, ..self.people(window) }
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
    #[must_use]
    pub fn intake_of(&self, day: UtcDay) -> Tally {
        let mut total = Tally::default();
        if let Some(day) = self.fold.days.get(&day) {
            day.intake.0.values().for_each(|tally| total.merge(tally));
        }
        total
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn restore(&mut self, part: &Part) -> Result<(), ShardError> {
        match part.name.split_once('/').map(|(kind, number)| (kind, number.parse::<i32>())) {
            Some(("day", Ok(day))) => {
                self.fold.days.insert(UtcDay(day), Day::decode(&part.bytes)?);
            }
            Some(("people", Ok(number))) => {
                self.fold.people.restore(u16::try_from(number).unwrap_or(0), fold::decode(&part.bytes)?);
            }
            _ => return Err(CodecError.into()),
        }
        Ok(())
    }

    fn replay(&mut self, row: &Row) -> Result<(), ShardError> {
        let text = std::str::from_utf8(&row.events).map_err(|_| CodecError)?;
        let events: Result<Vec<Event>, _> = text.lines().map(Event::from_line).collect();
        self.bytes_since_checkpoint += row.bytes();
        let remark = Remark::decode(&row.remark).ok_or(CodecError)?;
        self.count(row, &events.map_err(|_| CodecError)?, &remark);
        Ok(())
    }

    fn count(&mut self, row: &Row, events: &[Event], remark: &Remark) {
        remark.notes.iter().for_each(|note| self.fold.people.note(note));
        self.fold.row(row.seq, row.received_at, events, &remark.tally);
        self.seq = row.seq;
        self.dirty_days.extend(events.iter().map(|event| (UtcDay::of(event.ts), ())));
        self.dirty_days.insert(UtcDay::of(row.received_at), ());
    }
}

#[cfg(test)]
mod erase_test;
#[cfg(test)]
mod rotation_test;
#[cfg(test)]
mod standing_test;
#[cfg(test)]
mod tests;
