//! What is held of a person, and that it goes.
//!
//! An erasure is one write: the checkpoint without the person, a row of the log that notes it, and what the exporter is to do.
//! From then on no number knows them. Their events leave the rows of the log after it, some at a time; should that break off, it
//! is taken up where it was left. What the law wants counted stays in its row, without a person.

use exporter::{Change, Erasure, Sha256};
use schemas::consent::{Absence, Choices, Treatment, treatment};
use schemas::event::stored::{self, StoredEvent};
use schemas::packed::PackedError;
use schemas::{Bucket15, Event, NanoUsd, UserKey, UtcMillis};
use serde::{Deserialize, Serialize};

use super::{Remark, Shard, ShardError, StoredFacts};
use crate::fold::intake::Tally;
use crate::fold::people::facts::{Facts, Owner};
use crate::fold::standing::{Erased, Note};
use crate::fold::{CodecError, Fold};
use crate::protocol::Person;
use crate::storage::{ErasureWrite, Row, Storage, USER_KEYS_MAX};

/// Bytes of the log that are read at a time.
const READ_BYTES_MAX: usize = 4 << 20;
/// Bytes of a person's events in one answer.
const HELD_BYTES_MAX: usize = 2 << 20;
/// Start of the ledger's records of rows that still hold events of someone erased.
const FORGET: &str = "forget/";

/// Ledger record: whose events are to leave which rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Forget {
    users: Vec<UserKey>,
    /// Rows up to this one have been.
    after: u64,
    /// The last row.
    upto: u64,
}

/// What a Shard holds of a person; of the events a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When each was received, milliseconds since 1970, and the event as it is stored, a line of JSON.
    pub events: Vec<(i64, String)>,
    /// Log position to ask on from; `None` when these are the last.
    pub next: Option<u64>,
    /// What they spent, by quarter of an hour.
    pub spend: Vec<HeldSpend>,
    /// Their visits.
    pub visits: Vec<HeldVisit>,
    /// What they chose.
    pub choices: Choices,
    /// Calls of theirs that are under way.
    pub holds: u64,
    /// Their last erasure.
    pub erased: Option<Erased>,
    /// Every key under which something may be held of them, the present one first.
    #[serde(default)]
    pub names: Vec<UserKey>,
    /// Receipts of their last erasure, by the Shards that ever held them.
    #[serde(default)]
    pub erasures: Vec<(u32, String)>,
}

/// Where a list of a person's events goes on, in which of the Shards that ever held them. As a number it is exact in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldCursor(pub u64);

/// Bits of a log position in it: 10^13 rows.
const POSITION_BITS: u32 = 44;

impl HeldCursor {
    /// A log position that none comes after: SQLite's numbers hold it exactly.
    pub const END: u64 = 1 << 52;

    /// The log position from which on to ask this Shard.
    #[must_use]
    pub fn in_shard(self, shard: u32) -> u64 {
        let (at, position) = (self.0 >> POSITION_BITS, self.0 & ((1 << POSITION_BITS) - 1));
        match u64::from(shard).cmp(&at) {
            std::cmp::Ordering::Less => Self::END,
            std::cmp::Ordering::Equal => position,
            std::cmp::Ordering::Greater => 0,
        }
    }
}

impl Held {
    /// Adds the events of a page of another Shard that held the person, or of the same, unless the page is full. Returns whether
    /// it is then.
    pub fn take_in(&mut self, shard: u32, theirs: Self, full: bool) -> bool {
        let first = u64::from(shard) << POSITION_BITS;
        self.erasures.extend(theirs.erased.map(|erased| (shard, erased.receipt)));
        if full {
            return true;
        }
        let bytes = |events: &[(i64, String)]| events.iter().map(|(_, line)| line.len()).sum::<usize>();
        if !self.events.is_empty() && bytes(&self.events) + bytes(&theirs.events) > HELD_BYTES_MAX {
            self.next = Some(first);
            return true;
        }
        self.events.extend(theirs.events);
        self.next = theirs.next.map(|position| first | position);
        self.next.is_some()
    }
}

/// Turns of a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSpend {
    /// When.
    pub bucket: Bucket15,
    /// How many.
    pub turns: u32,
    /// What they cost, as far as they have a price.
    pub nano_usd: NanoUsd,
}

/// A visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldVisit {
    /// First turn, milliseconds since 1970.
    pub start_ms: i64,
    /// Last turn, milliseconds since 1970.
    pub end_ms: i64,
    /// Turns.
    pub turns: u32,
    /// What they cost, as far as they have a price.
    pub nano_usd: NanoUsd,
}

fn spend_of(facts: &Facts) -> Vec<HeldSpend> {
    let mut spend: Vec<HeldSpend> = Vec::new();
    for entry in &facts.entries {
        match spend.last_mut().filter(|last| last.bucket == entry.bucket) {
            Some(last) => {
                last.turns += entry.turns;
                last.nano_usd += entry.nano_usd;
            }
            None => spend.push(HeldSpend { bucket: entry.bucket, turns: entry.turns, nano_usd: entry.nano_usd }),
        }
    }
    spend
}

fn visits_of(facts: &Facts) -> Vec<HeldVisit> {
    let visits = facts.threads.values().flat_map(|track| &track.visits);
    visits
        .map(|visit| HeldVisit {
            start_ms: visit.start_ms,
            end_ms: visit.end_ms,
            turns: visit.turns,
            nano_usd: visit.nano_usd,
        })
        .collect()
}

impl<S: Storage> Shard<S> {
    /// What is held of a person; their events from log position `after` on.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn held(&mut self, person: &Person, after: u64) -> Result<Held, ShardError> {
        self.settle_names()?;
        let users = self.names(person);
        let user = self.present(person)?;
        let facts = self.fold.people.facts(Owner::User(user), &StoredFacts(&self.storage))?;
        let standing = self.fold.people.standing(user).cloned().unwrap_or_default();
        let mut held = Held {
            spend: spend_of(&facts),
            visits: visits_of(&facts),
            choices: standing.choices,
            holds: self.holds.of(user).len() as u64,
            erased: standing.erased,
            names: users.clone(),
            ..Held::default()
        };
        let (mut position, mut bytes) = (after, 0);
        loop {
            let rows = self.storage.rows_of(&users, position, READ_BYTES_MAX)?;
            for row in &rows {
                if bytes > HELD_BYTES_MAX {
                    held.next = Some(position);
                    return Ok(held);
                }
                for (stored, ..) in events_of(row, &users)?.into_iter().filter(|(_, _, is_theirs)| *is_theirs) {
                    let line = stored.line().map_err(CodecError::from)?;
                    bytes += line.len();
                    held.events.push((row.received_at.0, line.into_owned()));
                }
                position = row.seq;
            }
            if rows.is_empty() {
                return Ok(held);
            }
        }
    }

    /// *Idempotent* until the person is heard of again. Forgets them; the receipt, and what has become of the erasure.
    ///
    /// # Errors
    /// [`ShardError::Storage`] when it is unknown whether they are forgotten: the Shard must be opened anew, and asked again.
    pub fn erase(&mut self, person: &Person, now: UtcMillis) -> Result<(String, Erasure), ShardError> {
        self.erase_here(person, now)?.ok_or(ShardError::Ledger)
    }

    /// The same of someone whom another Shard may hold, who was held here before: `None` when nothing is held of them here.
    ///
    /// # Errors
    /// As with [`Shard::erase`].
    pub fn erase_here(&mut self, person: &Person, now: UtcMillis) -> Result<Option<(String, Erasure)>, ShardError> {
        // What was begun before is finished first: no one is taken out twice.
        while self.forget_rows()? {}
        let (user, users) = (person.user, self.names(person));
        let mut theirs = Fold::default();
        let (mut touched, mut events, mut after) = (Vec::new(), 0, 0);
        let mut at = now.max(self.last_received_at);
        loop {
            let rows = self.storage.rows_of(&users, after, READ_BYTES_MAX)?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                let own = events_of(row, &users)?.into_iter().filter(|(_, _, is_theirs)| *is_theirs);
                let own: Vec<Event> = own.map(|(_, event, _)| event).collect();
                if own.is_empty() {
                    continue;
                }
                touched.push((row.seq, row.received_at));
                let gone: Vec<Event> =
                    own.into_iter().filter(|event| !is_kept(event)).map(|event| by_one_name(event, user)).collect();
                events += gone.len() as u64;
                at = gone.iter().map(|event| event.ts).fold(at, Ord::max);
                let tally = Tally { stored: gone.len() as u64, ..Tally::default() };
                theirs.row(row.seq, row.received_at, &gone, &tally);
            }
        }
        let before = self.fold.people.standing(user).and_then(|standing| standing.erased.clone());
        if let Some(erased) = before.filter(|_| touched.is_empty())
            && let Some(erasure) = self.erasure(&erased.receipt)?
        {
            return Ok(Some((erased.receipt, erasure)));
        }
        if person.elsewhere && touched.is_empty() {
            return Ok(None);
        }
        let receipt: String = Sha256::of(format!("{user} {}", at.0).as_bytes()).to_string().chars().take(16).collect();
        let erased = Erased { at, receipt: receipt.clone() };
        let seq = self.seq + 1;
        let mut ledger = exporter::queue_erasure(&self.storage, &receipt, at, events, &touched).map_err(unreadable)?;
        let forget = Forget { users: users.clone(), after: 0, upto: self.seq };
        ledger.push(Change::Put(
            format!("{FORGET}{receipt}"),
            serde_json::to_vec(&forget).map_err(|_| ShardError::Ledger)?,
        ));

        let holds: Vec<_> = users.iter().flat_map(|user| self.holds.of(*user)).collect();
        self.open_days(theirs.days.keys().copied())?;
        self.fold.take_out(seq, &users, &theirs);
        let home = person.home.map(|home| Note::Home(user, self.fold.people.place().residue(home)));
        let notes: Vec<Note> = [Note::Erased(user, erased)].into_iter().chain(home).collect();
        notes.iter().for_each(|note| self.fold.people.note(note));
        self.note_changes(&theirs.days.into_keys().collect());
        self.prepared.forget();
        let remark = Remark { notes, ..Remark::default() }.encode();
        let received_at = now.max(self.last_received_at);
        let row = Row { seq, received_at, remark, ..Row::default() };
        let parts = self.dirty_parts()?;
        self.storage.erase(&ErasureWrite { row: &row, parts: &parts, holds: &holds, ledger: &ledger })?;
        (self.seq, self.checkpointed, self.bytes_since_checkpoint) = (seq, seq, 0);
        self.last_received_at = received_at;
        for id in &holds {
            self.holds.remove(id);
        }
        while self.forget_rows()? {}
        Ok(self.erasure(&receipt)?.map(|erasure| (receipt, erasure)))
    }

    /// What has become of an erasure; `None` when there was none of that receipt.
    ///
    /// # Errors
    /// When storage can't be read.
    pub fn erasure(&self, receipt: &str) -> Result<Option<Erasure>, ShardError> {
        exporter::erasure(&self.storage, receipt).map_err(unreadable)
    }

    /// Every key under which something may be kept of a person, the present one first.
    fn names(&self, person: &Person) -> Vec<UserKey> {
        let mut users = vec![person.user];
        for name in [person.user].into_iter().chain(person.was).chain(person.formerly.iter().copied()) {
            let formerly =
                self.fold.people.standing(name).map(|standing| standing.formerly.as_slice()).unwrap_or_default();
            for user in [&name].into_iter().chain(formerly) {
                if !users.contains(user) {
                    users.push(*user);
                }
            }
        }
        users.truncate(USER_KEYS_MAX);
        users
    }

    /// The key under which their numbers are: the one before until they are heard of under the present one.
    fn present(&self, person: &Person) -> Result<UserKey, ShardError> {
        let Some(was) = person.was else { return Ok(person.user) };
        let facts = &StoredFacts(&self.storage);
        let people = &self.fold.people;
        let before = !people.knows(person.user, facts)? && people.knows(was, facts)?;
        Ok(if before { was } else { person.user })
    }

    /// Takes events of people who were erased out of rows of the log, [`READ_BYTES_MAX`] of them. Returns whether there may be
    /// more; no file may be made anew before there is not.
    ///
    /// # Errors
    /// When storage fails; the next call takes up what this one left.
    pub fn forget_rows(&mut self) -> Result<bool, ShardError> {
        let Some((record, value)) = self.storage.scan(FORGET, 1).map_err(|_| ShardError::Ledger)?.pop() else {
            return Ok(false);
        };
        let forget: Forget = serde_json::from_slice(&value).map_err(|_| ShardError::Ledger)?;
        let mut rows = self.storage.rows_of(&forget.users, forget.after, READ_BYTES_MAX)?;
        rows.retain(|row| row.seq <= forget.upto);
        let change = match rows.last() {
            None => Change::Remove(record),
            Some(last) => {
                let next = Forget { after: last.seq, ..forget.clone() };
                Change::Put(record, serde_json::to_vec(&next).map_err(|_| ShardError::Ledger)?)
            }
        };
        for row in &mut rows {
            for id in forgotten(row, &forget.users)? {
                self.seen.remove(id);
            }
        }
        self.storage.rewrite(&rows)?;
        self.storage.commit(&[change]).map_err(|_| ShardError::Ledger)?;
        Ok(true)
    }
}

fn unreadable(_: exporter::ExportError) -> ShardError {
    ShardError::Ledger
}

/// Kept after its person was erased, without them.
fn is_kept(event: &Event) -> bool {
    treatment(event.body.kind(), Absence::Erased) == Treatment::WithoutPerson
}

/// An event of a person as if they had had one key always: a price that was found later finds its turn.
fn by_one_name(event: Event, user: UserKey) -> Event {
    Event { user: Some(user), conversation: None, session: None, ..event }
}

/// The events of a row, and whether each is of that person, under whichever key.
fn events_of<'a>(row: &'a Row, users: &[UserKey]) -> Result<Vec<(StoredEvent<'a>, Event, bool)>, ShardError> {
    let read = |stored: Result<StoredEvent<'a>, PackedError>| {
        let stored = stored?;
        let event = stored.event()?;
        let is_theirs = event.user.is_some_and(|user| users.contains(&user));
        Ok((stored, event, is_theirs))
    };
    stored::events(&row.events)
        .map(read)
        .collect::<Result<_, PackedError>>()
        .map_err(|error| ShardError::Codec(error.into()))
}

/// Takes a person out of a row; the ids that it no longer makes known.
fn forgotten(row: &mut Row, users: &[UserKey]) -> Result<Vec<u64>, ShardError> {
    let unreadable = ShardError::Codec(CodecError);
    let mut kept = Row { events: Vec::new(), count: 0, users: Vec::new(), ..row.clone() };
    let mut ids = Vec::new();
    for (stored, mut event, is_theirs) in events_of(row, users)? {
        if !is_theirs {
            stored::push_stored(&mut kept.events, stored);
            event.user.into_iter().for_each(|user| kept.note_user(user));
        } else if is_kept(&event) {
            event.without_person();
            stored::push(&mut kept.events, &event);
        } else {
            ids.push(event.id.prefix());
            continue;
        }
        kept.count += 1;
    }
    let mut remark = Remark::decode(&row.remark).ok_or(unreadable)?;
    remark.tally.stored = remark.tally.stored.saturating_sub(ids.len() as u64);
    remark.notes.retain(|note| note.user().is_none_or(|user| !users.contains(&user)));
    remark.notes.iter().filter_map(Note::user).for_each(|user| kept.note_user(user));
    kept.remark = remark.encode();
    kept.ids = row
        .ids
        .chunks_exact(8)
        .filter(|id| !ids.iter().any(|gone| gone.to_le_bytes() == **id))
        .flatten()
        .copied()
        .collect();
    *row = kept;
    Ok(ids)
}
