//! From N Shards to 2N: a Shard learns of a greater count, and one that is new takes its people over from the one that held them.
//!
//! Whoever asks names the count that they know. The new Shard asks its parent for everything before it serves anything, and the
//! parent, told of the greater count, takes nothing in any more that leads to the child. What is handed over therefore stands
//! still, and can be asked for in any number of tries: each page is stored in one step with the place of the next. What is
//! additive stays: the parent's log, its files, its counters. Of a turn that waits for a price both keep a copy: the parent
//! for its counters, the child for what its person spent.
//!
//! No one counts twice in an answer of all Shards, and no one is missing, while this goes on: every Shard answers for one count
//! or not at all, the count of who asks; the child once it has everything, the parent without those that lead to the child.
//! Under one count each person leads to one Shard.

use exporter::Change;
use schemas::{EventKey, NanoUsd, UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

use super::{ROW_BYTES_MAX, Remark, Shard, ShardError, StoredFacts, facts_part, people_part};
use crate::fold;
use crate::fold::standing::Note;
use crate::place::Place;
use crate::protocol::{SplitCursor, SplitPage};
use crate::storage::{Part, Row, Storage, TakeOverWrite};

/// Bytes after which an answer ends; few in tests, so that there are many.
const PAGE_BYTES_MAX: usize = if cfg!(test) { 1 << 9 } else { 4 << 20 };
/// Pages of people: one for each first byte of what leads to them.
const PAGES: u16 = 256;
/// Pages of people that moved on which are forgotten in one step.
const FORGOTTEN_AT_ONCE: u16 = 32;
/// Ledger record: [`Growth`].
const GROWTH: &str = "growth";
/// Start of the ledger's records of Shards that have taken everything over: the first page that still holds people of theirs.
const TAKEN: &str = "taken/";

/// What a Shard knows of its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Growth {
    place: Place,
    state: State,
}

/// How far a Shard is in taking over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// It was never told its place.
    #[default]
    Unknown,
    /// It asks for what is left.
    Taking(SplitCursor),
    /// It has everything, which its parent does not know.
    Untold,
    /// It serves.
    Settled,
}

/// What a Shard has to ask its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The next page, before it serves anything.
    Page(u32, SplitCursor),
    /// To forget what was taken over.
    Tell(u32),
}

impl<S: Storage> Shard<S> {
    /// Reads what was kept. A Shard with a log that was never told its place was there before any was.
    pub(super) fn restore_growth(&mut self) -> Result<(), ShardError> {
        if let Some(kept) = self.storage.get(GROWTH).map_err(|_| ShardError::Ledger)? {
            self.growth = serde_json::from_slice(&kept).map_err(|_| ShardError::Ledger)?;
            self.fold.people.stand_in(self.growth.place);
        }
        Ok(())
    }

    fn record(growth: &Growth) -> Result<Change, ShardError> {
        Ok(Change::Put(GROWTH.into(), serde_json::to_vec(growth).map_err(|_| ShardError::Ledger)?))
    }

    fn keep(&mut self, growth: Growth) -> Result<(), ShardError> {
        self.storage.commit(&[Self::record(&growth)?]).map_err(|_| ShardError::Ledger)?;
        self.fold.people.stand_in(growth.place);
        self.prepared.forget();
        self.growth = growth;
        Ok(())
    }

    /// *Idempotent*. Told by someone who asks, with the count that they know. The Shard keeps the greatest that it was told.
    ///
    /// # Errors
    /// [`ShardError::Moved`] when there are more, or so many can't be: the asker must go by the count that it names.
    pub fn admit(&mut self, told: Place) -> Result<(), ShardError> {
        let known = self.growth.place;
        match self.growth.state {
            State::Settled | State::Untold if known == told => return Ok(()),
            State::Settled | State::Untold if known.shards < told.shards && known.can_grow_to(told.shards) => {}
            State::Settled | State::Untold => return Err(ShardError::Moved(known.shards)),
            _ if told.shard >= told.shards => return Err(ShardError::Malformed("there is no such Shard")),
            // Until it has everything its parent decides how many there are.
            State::Taking(_) => {
                self.growth.place = told;
                return Ok(());
            }
            State::Unknown if self.seq > 0 || told.parent().is_none() => {}
            State::Unknown => {
                self.growth = Growth { place: told, state: State::Taking(SplitCursor::default()) };
                return Ok(());
            }
        }
        let state = if self.growth.state == State::Untold { State::Untold } else { State::Settled };
        self.keep(Growth { place: told, state })
    }

    /// Serves the Shard who knows this count?
    ///
    /// # Errors
    /// [`ShardError::Moved`] as with [`Shard::admit`]; [`ShardError::Unsettled`] when it has not taken over yet.
    pub fn serves(&self, shards: u32) -> Result<(), ShardError> {
        match self.growth.state {
            State::Settled | State::Untold if self.growth.place.shards == shards => Ok(()),
            State::Settled | State::Untold => Err(ShardError::Moved(self.growth.place.shards)),
            State::Unknown | State::Taking(_) => Err(ShardError::Unsettled),
        }
    }

    /// What it has to ask its parent; `None` when nothing.
    #[must_use]
    pub fn wants(&self) -> Option<Want> {
        let parent = self.growth.place.parent()?;
        match self.growth.state {
            State::Taking(from) => Some(Want::Page(parent, from)),
            State::Untold => Some(Want::Tell(parent)),
            State::Unknown | State::Settled => None,
        }
    }

    /// *Idempotent*. *Input*: the page that was asked for from there. Once the last is stored, the Shard must be opened anew.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether the page is stored: the Shard must be opened anew.
    pub fn take_over(&mut self, from: SplitCursor, page: SplitPage) -> Result<(), ShardError> {
        if self.growth.state != State::Taking(from) {
            return Ok(());
        }
        let mut rows = Vec::new();
        let mut seq = self.seq;
        for (day, ids) in &page.ids {
            for ids in ids.chunks(ROW_BYTES_MAX) {
                seq += 1;
                let received_at = UtcDay(*day).start().max(self.last_received_at);
                let remark = Remark::default().encode();
                rows.push(Row { seq, received_at, ids: ids.to_vec(), remark, ..Row::default() });
            }
        }
        let parts: Vec<Part> =
            page.parts.into_iter().map(|(name, bytes)| Part { name, bytes: bytes.into_vec() }).collect();
        let state = page.next.map_or(State::Untold, State::Taking);
        let growth = Growth { place: self.growth.place, state };
        let ledger = [Self::record(&growth)?];
        let write = TakeOverWrite { rows: &rows, parts: &parts, position: seq, holds: &page.holds, ledger: &ledger };
        self.storage.take_over(&write)?;
        self.last_received_at = rows.last().map_or(self.last_received_at, |row| row.received_at);
        (self.seq, self.checkpointed, self.growth) = (seq, seq, growth);
        Ok(())
    }

    /// Its parent has been told.
    ///
    /// # Errors
    /// When storage fails.
    pub fn told_parent(&mut self) -> Result<(), ShardError> {
        if self.growth.state != State::Untold {
            return Ok(());
        }
        self.keep(Growth { state: State::Settled, ..self.growth.clone() })
    }

    /// *Idempotent*. *Input*: the Shard that takes over, and from where on. *Output*: some of what leads to it.
    ///
    /// # Errors
    /// [`ShardError::Malformed`] when it is no child of this one.
    pub fn hand_over(&mut self, child: u32, from: SplitCursor) -> Result<SplitPage, ShardError> {
        let to = self.child(child)?;
        self.settle_names()?;
        let mut page = SplitPage::default();
        let mut bytes = 0;
        let mut at = from;
        while at.page < PAGES {
            if bytes >= PAGE_BYTES_MAX {
                page.next = Some(at);
                return Ok(page);
            }
            let handed = self.fold.people.hand_over(at.page, to, &StoredFacts(&self.storage))?;
            for (stretch, segment) in handed.segments {
                page.parts.push((facts_part(at.page, stretch), segment.into()));
            }
            if let Some(people) = handed.page {
                page.parts.push((people_part(at.page), fold::encode(&people)?.into()));
            }
            bytes = page.parts.iter().map(|(_, part)| part.len()).sum();
            at.page += 1;
        }
        // All ids, whosever: more are known than need be, until their seven days are over.
        while let Some((day, window, ids)) = self.seen.part(UtcDay(at.day), at.window) {
            if bytes >= PAGE_BYTES_MAX {
                page.next = Some(at);
                return Ok(page);
            }
            bytes += ids.len();
            match page.ids.last_mut().filter(|(last, _)| *last == day.0) {
                Some((_, all)) => all.extend(ids),
                None if ids.is_empty() => {}
                None => page.ids.push((day.0, ids.into())),
            }
            (at.day, at.window) = (day.0, window + 1);
        }
        page.holds = self.holds.of_people().filter(|hold| to.holds(hold.bits)).copied().collect();
        Ok(page)
    }

    /// A Shard that takes over from this one, as it was born.
    fn child(&self, child: u32) -> Result<Place, ShardError> {
        let place = Place { shard: child, ..self.growth.place };
        if child >= place.shards || place.parent() != Some(self.growth.place.shard) {
            return Err(ShardError::Malformed("it takes nothing over from here"));
        }
        Ok(place.at_birth())
    }

    /// *Idempotent*. A Shard has everything that leads to it: here it is to be forgotten.
    ///
    /// # Errors
    /// When storage fails.
    pub fn taken_over(&mut self, child: u32) -> Result<(), ShardError> {
        let record = serde_json::to_vec(&(self.child(child)?, 0u16)).map_err(|_| ShardError::Ledger)?;
        self.storage.commit(&[Change::Put(format!("{TAKEN}{child}"), record)]).map_err(|_| ShardError::Ledger)
    }

    /// Forgets some of those whom another Shard has taken over. Returns whether there may be more.
    ///
    /// # Errors
    /// When storage fails; the next call takes up what this one left.
    pub fn forget_taken(&mut self) -> Result<bool, ShardError> {
        let Some((record, value)) = self.storage.scan(TAKEN, 1).map_err(|_| ShardError::Ledger)?.pop() else {
            return Ok(false);
        };
        let (to, first): (Place, u16) = serde_json::from_slice(&value).map_err(|_| ShardError::Ledger)?;
        self.settle_names()?;
        let next = first + FORGOTTEN_AT_ONCE;
        for page in first..next.min(PAGES) {
            self.fold.people.let_go(page, to, &StoredFacts(&self.storage))?;
        }
        self.store_fold()?;
        let change = if next < PAGES {
            Change::Put(record, serde_json::to_vec(&(to, next)).map_err(|_| ShardError::Ledger)?)
        } else {
            Change::Remove(record)
        };
        self.storage.commit(&[change]).map_err(|_| ShardError::Ledger)?;
        Ok(true)
    }

    /// *Idempotent*. Notes prices of turns that an ancestor counts, for what their people spent.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether they are noted: the Shard must be opened anew.
    pub fn price(&mut self, prices: &[(EventKey, NanoUsd)], now: UtcMillis) -> Result<(), ShardError> {
        let waits = |(id, _): &&(EventKey, NanoUsd)| self.fold.people.awaits_elsewhere(id);
        let notes: Vec<Note> = prices.iter().filter(waits).map(|(id, nano_usd)| Note::Priced(*id, *nano_usd)).collect();
        if notes.is_empty() {
            return Ok(());
        }
        let remark = Remark { notes, ..Remark::default() };
        let received_at = now.max(self.last_received_at);
        let row = Row { seq: self.seq + 1, received_at, remark: remark.encode(), ..Row::default() };
        self.storage.append(std::slice::from_ref(&row), &[], &[])?;
        self.last_received_at = received_at;
        self.bytes_since_checkpoint += row.bytes();
        self.count(&row, &[], &remark)
    }
}
