//! Turns of people that wait for a price.

use std::ops::Bound;

use schemas::event::Repriced;
use schemas::{Bucket15, Event, EventKey, NanoUsd};

use super::facts::{Entry, ThreadId, Visit};
use super::stored::page_number;
use super::{Page, People};
use crate::fold::pending::{PENDING_MAX, Pending, PendingCursor, PendingPage, PendingTurn};

impl People {
    pub(super) fn wait(&mut self, event: &Event, mut pending: Pending) {
        let number = page_number(event.belongs_to());
        self.dirty.insert(number);
        let page = self.pages.entry(number).or_default();
        if self.pending >= PENDING_MAX {
            page.pending_over += 1;
            return;
        }
        pending.share_words(&mut self.pending_words);
        self.pending += usize::from(page.pending.insert(event.id, Box::new(pending)).is_none());
    }

    /// Adds the price that was found for a pending turn to what its person and its visit cost, and returns the turn, which is
    /// no longer pending. `None`, and no change, when there is no such turn.
    pub fn reprice(&mut self, event: &Event, repriced: &Repriced) -> Option<Box<Pending>> {
        let nano_usd = repriced.cost.nano_usd()?;
        let number = page_number(event.belongs_to());
        let page = self.pages.get_mut(&number)?;
        let turn = page.pending.get(&repriced.turn)?;
        let its = (turn.ts, turn.user, turn.conversation, turn.session);
        if its != (event.ts, event.user, event.conversation, event.session) {
            return None;
        }
        if turn.elsewhere {
            return None;
        }
        self.priced(number, repriced.turn, nano_usd)
    }

    /// Adds the price of a turn that another Shard counts. No change when no such turn is pending.
    pub(super) fn price_elsewhere(&mut self, id: EventKey, nano_usd: NanoUsd) {
        let waits = |page: &Page| page.pending.get(&id).is_some_and(|turn| turn.elsewhere);
        let number = self.pages.iter().find(|(_, page)| waits(page)).map(|(number, _)| *number);
        number.into_iter().for_each(|number| drop(self.priced(number, id, nano_usd)));
    }

    /// Waits a turn that another Shard counts for a price?
    #[must_use]
    pub fn awaits_elsewhere(&self, id: &EventKey) -> bool {
        self.pages.values().any(|page| page.pending.get(id).is_some_and(|turn| turn.elsewhere))
    }

    /// A pending turn is so no longer: its price is added to what its person and its visit cost.
    fn priced(&mut self, number: u16, id: EventKey, nano_usd: NanoUsd) -> Option<Box<Pending>> {
        let turn = self.pages.get_mut(&number)?.pending.remove(&id)?;
        self.pending = self.pending.saturating_sub(1);
        self.dirty.insert(number);
        if let Some(owner) = turn.owner() {
            let cohort = self.words.cohort_number(&turn.cohort);
            let bucket = Bucket15::of(turn.ts);
            let entry = Entry { priced: 1, nano_usd, ..Entry::at(bucket, cohort) };
            let visit = Visit {
                start_ms: turn.ts.0,
                end_ms: turn.ts.0,
                turns: 0,
                turns_ok: 0,
                nano_usd,
                tokens: 0,
                cohort: 0,
                last_ok: false,
                model: 0,
            };
            let (facts, words) = self.facts_mut(owner, turn.ts);
            facts.add_entry(entry);
            facts.add_visit(ThreadId::of(turn.conversation, turn.session), visit, words);
        }
        Some(turn)
    }

    /// Pending turns after a cursor, at most `limit`.
    #[must_use]
    pub fn pending(&self, after: Option<PendingCursor>, limit: usize) -> PendingPage {
        let first = after.map_or(0, |cursor| cursor.page);
        let rest = self.pages.range(first..).flat_map(|(number, page)| {
            let from = match after.filter(|cursor| cursor.page == *number) {
                Some(cursor) => Bound::Excluded(cursor.id),
                None => Bound::Unbounded,
            };
            let waiting = page.pending.range((from, Bound::Unbounded)).map(|(id, turn)| (*number, *id, turn));
            // Of one who moved on, the Shard that holds them tells what their own numbers wait for.
            waiting.filter(|(_, _, turn)| !turn.elsewhere || turn.owner().is_none_or(|owner| self.is_own(&owner)))
        });
        let mut page = PendingPage::default();
        for (number, id, turn) in rest {
            if page.turns.len() >= limit {
                return page;
            }
            page.turns.push(PendingTurn { id, turn: (**turn).clone() });
            page.next = Some(PendingCursor { page: number, id });
        }
        page.next = None;
        page
    }

    /// How many turns are pending, and how many more were not kept.
    #[must_use]
    pub fn pending_counts(&self) -> (u64, u64) {
        let elsewhere =
            self.pages.values().flat_map(|page| page.pending.values()).filter(|turn| turn.elsewhere).count();
        ((self.pending - elsewhere) as u64, self.pages.values().map(|page| page.pending_over).sum())
    }
}
