//! One write in the making: which events are stored, which were told before, and the rows that hold them.

use std::collections::BTreeMap;

use schemas::consent::{Absence, Treatment, choice_of, treatment};
use schemas::event::stored::{self, StoredEvent};
use schemas::event::{Aside, Was};
use schemas::{Event, EventKey, FlatMap, UserKey, UtcMillis};

use super::{ROW_BYTES_MAX, Remark, ShardError};
use crate::budget::Holds;
use crate::correlate;
use crate::fold::intake::{DropReason, Tally};
use crate::fold::people::People;
use crate::fold::people::stored::Stored;
use crate::fold::standing::{Note, Standing};
use crate::fold::thread::Thread;
use crate::protocol::{AppendHeader, AppendReply, Claim, DeadLetterLine};
use crate::seen::{IdSet, SeenIds};
use crate::storage::{DeadLetter, Row};

/// What becomes of an event.
enum Kept {
    AsItIs,
    Changed,
    Not(Absence),
}

/// Rows of one write in the making.
#[derive(Default)]
pub(super) struct Group {
    pub(super) seq: u64,
    pub(super) received_at: UtcMillis,
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<Vec<Event>>,
    pub(super) remarks: Vec<Remark>,
    pub(super) dead: Vec<DeadLetter>,
    pub(super) fresh: IdSet,
    pub(super) settled: Vec<EventKey>,
    /// Where people stand whose standing these rows change.
    pub(super) standings: BTreeMap<UserKey, Standing>,
}

/// What the Shard knows from before.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) seen: &'a SeenIds,
    pub(super) holds: &'a Holds,
    pub(super) people: &'a People,
    pub(super) facts: &'a dyn Stored,
}

impl Group {
    /// Adds a message's rows; of a malformed one nothing.
    pub(super) fn add(&mut self, message: &[u8], known: Known<'_>) -> Result<AppendReply, ShardError> {
        let Known { seen, holds, .. } = known;
        let (head, mut rest) = line_of(message)?;
        let header: AppendHeader = text(head)
            .and_then(|head| serde_json::from_str(head).ok())
            .ok_or(ShardError::Malformed("no header line"))?;
        let mut letters = Vec::new();
        for _ in 0..header.dead_letters {
            let (letter, after) = line_of(rest)?;
            letters.push(letter);
            rest = after;
        }
        let mut told = stored::events(rest);
        let standings = self.standings.clone();
        let mut own = Group { seq: self.seq, received_at: self.received_at, standings, ..Group::default() };
        let mut dropped = FlatMap::new();
        let mut notes = Vec::new();
        let mut tally = Tally { dropped: header.dropped, duplicate: header.duplicate, ..Tally::default() };
        let mut correlated = header.duplicate;
        own.open_row();
        for _ in 0..header.events {
            let told = told.next().ok_or(ShardError::Malformed("fewer events than the header says"))?;
            let told = told.map_err(|_| ShardError::Malformed("events break off"))?;
            let mut event = told.event().map_err(|_| ShardError::Malformed("an event is none"))?;
            if !holds.is_empty() && holds.contains(&event.id) {
                own.settled.push(event.id);
            }
            let id = event.id.prefix();
            let knew = |id| seen.contains(id) || self.fresh.contains(&id);
            let before = event.aside.as_ref().and_then(|aside| aside.was).map(|was| was.id.prefix());
            if knew(id) || own.fresh.contains(&id) || before.is_some_and(knew) {
                tally.duplicate += 1;
                continue;
            }
            let is_changed = match own.place(&mut event, known, &mut notes)? {
                Kept::AsItIs => false,
                Kept::Changed => true,
                Kept::Not(absence) => {
                    *dropped.entry(DropReason::from(absence)).or_default() += 1;
                    continue;
                }
            };
            let told = Some(told).filter(|_| !is_changed);
            let Some(reply) = correlate::reply_of(&event).filter(|_| !header.claimed) else {
                own.push(told, id, event);
                continue;
            };
            let knows = |id| knew(id) || own.fresh.contains(&id);
            let lost = correlate::lost(event.id);
            if knows(lost) {
                tally.duplicate += 1;
                correlated += 1;
                continue;
            }
            let place = correlate::place(reply, event.source, knows);
            if place.first {
                own.push(told, id, event);
            } else {
                tally.duplicate += 1;
                correlated += 1;
                own.know(lost);
            }
            own.know(place.id);
        }
        if told.next().is_some() {
            return Err(ShardError::Malformed("more events than the header says"));
        }
        for line in letters {
            let wrong = ShardError::Malformed("a dead letter is none");
            let line = text(line).ok_or(wrong)?;
            let letter: DeadLetterLine = serde_json::from_str(line).map_err(|_| wrong)?;
            let id = letter.id().ok_or(ShardError::Malformed("a dead letter has no digest"))?;
            if seen.contains(id) || self.fresh.contains(&id) || own.fresh.contains(&id) {
                tally.duplicate += 1;
            } else {
                tally.dead_lettered += 1;
                own.know(id);
                own.dead.push(DeadLetter { received_at: self.received_at, letter: line.to_owned() });
            }
        }
        // The first row carries the whole tally but the stored events of the rows after it.
        for (reason, count) in &dropped {
            *tally.dropped.entry(*reason).or_default() += count;
        }
        if let Some(first) = own.remarks.first_mut() {
            first.tally.merge(&tally);
            first.notes = notes;
        }
        let stored = own.remarks.iter().map(|remark| remark.tally.stored).sum();
        let mut reply = AppendReply {
            stored,
            duplicate: tally.duplicate,
            dead_lettered: tally.dead_lettered,
            correlated,
            seq: self.seq,
            dropped,
        };
        if stored + tally.received() > 0 {
            reply.seq = own.seq;
            self.take(own);
        }
        Ok(reply)
    }

    /// Decides on a claim; the last row remembers it.
    pub(super) fn claim(&mut self, claim: &Claim, seen: &SeenIds) -> bool {
        let knows = |id| seen.contains(id) || self.fresh.contains(&id);
        // Told, and stored, when there was one Shard: whoever is asked to store it again knows it.
        if knows(claim.id.prefix()) {
            return true;
        }
        let (won, lost) = (correlate::won(claim.id), correlate::lost(claim.id));
        if knows(won) || knows(lost) {
            return knows(won);
        }
        let place = correlate::place(claim.reply, claim.source, knows);
        self.know(if place.first { won } else { lost });
        self.know(place.id);
        place.first
    }

    /// Takes in what an event says of its person, and treats it as their standing asks for.
    fn place(&mut self, event: &mut Event, knows: Known<'_>, notes: &mut Vec<Note>) -> Result<Kept, ShardError> {
        let people = knows.people;
        let told = event.aside.take();
        let unchanged = if told.is_some() { Kept::Changed } else { Kept::AsItIs };
        let was = told.as_ref().and_then(|aside| aside.was);
        let Some(user) = event.user else {
            was.map_or(Ok(()), |was| follow(event, was, knows, notes))?;
            return Ok(unchanged);
        };
        let aside = told.map_or_else(Aside::default, |aside| *aside);
        let known = self.standings.get(&user).or_else(|| people.standing(user));
        let known_as = |was: &UserKey| known.is_some_and(|known| known.formerly.contains(was));
        let before = match was.and_then(|was| was.user).filter(|was| !known_as(was)) {
            Some(was) if people.knows(was, knows.facts)? => Some(was),
            _ => None,
        };
        let mut renamed = None;
        if let Some(was) = before {
            notes.push(Note::Renamed(was, user));
            let mut standing = known.cloned().unwrap_or_default();
            standing.formerly.insert(0, was);
            people.standing(was).into_iter().for_each(|before| standing.merge(before));
            renamed = Some(standing);
        }
        let known = renamed.as_ref().or(known);
        let home = aside.home.map(|home| people.place().residue(home));
        let housed = home.filter(|home| known.is_none_or(|known| known.home != Some(*home))).map(|home| {
            notes.push(Note::Home(user, home));
            Standing { home: Some(home), ..known.cloned().unwrap_or_default() }
        });
        let known = housed.as_ref().or(known);
        was.map_or(Ok(()), |was| follow(event, was, knows, notes))?;
        let choice = choice_of(&event.body);
        if known.is_none() && choice.is_none() && (aside.said, aside.policy) == Default::default() {
            return Ok(unchanged);
        }
        let mut standing = known.cloned().unwrap_or_default();
        if standing.absence(event.ts, Aside::default()) != Some(Absence::Erased) {
            let chose = standing.choices.note(aside.said, event.ts);
            choice.into_iter().for_each(|consent| standing.choices.fold(consent, event.ts));
            if chose {
                notes.push(Note::Chose(user, standing.choices));
            }
        }
        let absence = standing.absence(event.ts, aside);
        self.standings.insert(user, standing);
        Ok(match absence.map(|absence| (absence, treatment(event.body.kind(), absence))) {
            None | Some((_, Treatment::Whole)) => unchanged,
            Some((_, Treatment::WithoutPerson)) => {
                event.without_person();
                Kept::Changed
            }
            Some((absence, Treatment::Dropped)) => Kept::Not(absence),
        })
    }

    pub(super) fn open_row(&mut self) {
        self.seq += 1;
        self.rows.push(Row { seq: self.seq, received_at: self.received_at, ..Row::default() });
        self.events.push(Vec::new());
        self.remarks.push(Remark::default());
    }

    /// Stores an event, as it was `told` where that is what it still is.
    fn push(&mut self, told: Option<StoredEvent<'_>>, id: u64, event: Event) {
        let bytes = told.map_or(0, StoredEvent::bytes);
        if self.rows.last().is_some_and(|row| row.count > 0 && row.events.len() + bytes > ROW_BYTES_MAX) {
            self.open_row();
        }
        if let (Some(row), Some(events), Some(remark)) =
            (self.rows.last_mut(), self.events.last_mut(), self.remarks.last_mut())
        {
            match told {
                Some(told) => stored::push_stored(&mut row.events, told),
                None => stored::push(&mut row.events, &event),
            }
            row.count += 1;
            event.user.into_iter().for_each(|user| row.note_user(user));
            events.push(event);
            remark.tally.stored += 1;
        }
        self.know(id);
    }

    fn know(&mut self, id: u64) {
        self.fresh.insert(id);
        if let Some(row) = self.rows.last_mut() {
            row.ids.extend_from_slice(&id.to_le_bytes());
        }
    }

    fn take(&mut self, mut other: Self) {
        for (row, remark) in other.rows.iter_mut().zip(&other.remarks) {
            row.remark = remark.encode();
            for note in &remark.notes {
                note.user().into_iter().for_each(|user| row.note_user(user));
            }
        }
        self.seq = other.seq;
        self.rows.append(&mut other.rows);
        self.events.append(&mut other.events);
        self.remarks.append(&mut other.remarks);
        self.dead.append(&mut other.dead);
        self.fresh.extend(other.fresh);
        self.settled.append(&mut other.settled);
        self.standings = other.standings;
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The first line, without its end, and what follows it.
fn line_of(bytes: &[u8]) -> Result<(&[u8], &[u8]), ShardError> {
    let end =
        bytes.iter().position(|byte| *byte == b'\n').and_then(|end| Some((bytes.get(..end)?, bytes.get(end + 1..)?)));
    end.ok_or(ShardError::Malformed("fewer lines than the header says"))
}

/// Lets the visits of the event's thread go on under its present key.
fn follow(event: &Event, was: Was, knows: Known<'_>, notes: &mut Vec<Note>) -> Result<(), ShardError> {
    let to = Thread::of(event.user, event.conversation, event.session);
    let before = Thread::of(was.user, was.conversation, was.session);
    // By the time that this note is read, the person has been renamed.
    let from = Thread::of(event.user, was.conversation, was.session);
    let note = Note::Continued(from, to);
    let known = |thread: &Thread| knows.people.has_thread(thread, knows.facts);
    if from != to && !notes.contains(&note) && (known(&before)? || known(&from)?) {
        notes.push(note);
    }
    Ok(())
}
