//! One write in the making: which events are stored, which were told before, and the rows that hold them.

use schemas::{Event, EventKey, UtcMillis};

use super::{ROW_BYTES_MAX, ShardError};
use crate::budget::Holds;
use crate::correlate;
use crate::fold::intake::Tally;
use crate::protocol::{AppendHeader, AppendReply, Claim, DeadLetterLine};
use crate::seen::{IdSet, SeenIds};
use crate::storage::{DeadLetter, Row};

/// Rows of one write in the making.
#[derive(Default)]
pub(super) struct Group {
    pub(super) seq: u64,
    pub(super) received_at: UtcMillis,
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<Vec<Event>>,
    pub(super) tallies: Vec<Tally>,
    pub(super) dead: Vec<DeadLetter>,
    pub(super) fresh: IdSet,
    pub(super) settled: Vec<EventKey>,
}

impl Group {
    /// Adds a message's rows; of a malformed one nothing.
    pub(super) fn add(&mut self, message: &[u8], seen: &SeenIds, holds: &Holds) -> Result<AppendReply, ShardError> {
        let text = std::str::from_utf8(message).map_err(|_| ShardError::Malformed("not UTF-8"))?;
        let mut lines = text.lines();
        let header: AppendHeader = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or(ShardError::Malformed("no header line"))?;
        let mut own = Group { seq: self.seq, received_at: self.received_at, ..Group::default() };
        let mut tally = Tally { dropped: header.dropped, duplicate: header.duplicate, ..Tally::default() };
        let mut correlated = header.duplicate;
        own.open_row();
        for _ in 0..header.events {
            let line = lines.next().ok_or(ShardError::Malformed("fewer events than the header says"))?;
            let event = Event::from_line(line).map_err(|_| ShardError::Malformed("a line is no event"))?;
            if !holds.is_empty() && holds.contains(&event.id) {
                own.settled.push(event.id);
            }
            let id = event.id.prefix();
            let knows = |id| seen.contains(id) || self.fresh.contains(&id) || own.fresh.contains(&id);
            if knows(id) {
                tally.duplicate += 1;
                continue;
            }
            let Some(reply) = correlate::reply_of(&event).filter(|_| !header.claimed) else {
                own.push(line, id, event);
                continue;
            };
            let lost = correlate::lost(event.id);
            if knows(lost) {
                tally.duplicate += 1;
                correlated += 1;
                continue;
            }
            let place = correlate::place(reply, event.source, knows);
            if place.first {
                own.push(line, id, event);
            } else {
                tally.duplicate += 1;
                correlated += 1;
                own.know(lost);
            }
            own.know(place.id);
        }
        for _ in 0..header.dead_letters {
            let line = lines.next().ok_or(ShardError::Malformed("fewer dead letters than the header says"))?;
            let letter: DeadLetterLine =
                serde_json::from_str(line).map_err(|_| ShardError::Malformed("a dead letter is none"))?;
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
        if let Some(first) = own.tallies.first_mut() {
            first.merge(&tally);
        }
        let stored = own.tallies.iter().map(|tally| tally.stored).sum();
        let mut reply = AppendReply {
            stored,
            duplicate: tally.duplicate,
            dead_lettered: tally.dead_lettered,
            correlated,
            seq: self.seq,
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
        let (won, lost) = (correlate::won(claim.id), correlate::lost(claim.id));
        if knows(won) || knows(lost) {
            return knows(won);
        }
        let place = correlate::place(claim.reply, claim.source, knows);
        self.know(if place.first { won } else { lost });
        self.know(place.id);
        place.first
    }

    pub(super) fn open_row(&mut self) {
        self.seq += 1;
        self.rows.push(Row { seq: self.seq, received_at: self.received_at, ..Row::default() });
        self.events.push(Vec::new());
        self.tallies.push(Tally::default());
    }

    fn push(&mut self, line: &str, id: u64, event: Event) {
        if self.rows.last().is_some_and(|row| row.count > 0 && row.events.len() + line.len() + 1 > ROW_BYTES_MAX) {
            self.open_row();
        }
        if let (Some(row), Some(events), Some(tally)) =
            (self.rows.last_mut(), self.events.last_mut(), self.tallies.last_mut())
        {
            row.events.extend_from_slice(line.as_bytes());
            row.events.push(b'\n');
            row.count += 1;
            events.push(event);
            tally.stored += 1;
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
        for (row, tally) in other.rows.iter_mut().zip(&other.tallies) {
            row.tally = serde_json::to_string(tally).unwrap_or_default();
        }
        self.seq = other.seq;
        self.rows.append(&mut other.rows);
        self.events.append(&mut other.events);
        self.tallies.append(&mut other.tallies);
        self.dead.append(&mut other.dead);
        self.fresh.extend(other.fresh);
        self.settled.append(&mut other.settled);
    }
}
