//! What needs to know that two events are one person's: who was active when, what each spent, and visits.
//!
//! It stays in the Shard; only sums, counts and sorted values leave it, and the keys of the top spenders for admins.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use schemas::consent::choice_of;
use schemas::event::Repriced;
use schemas::{Body, Bucket15, Event, EventKey, Label, NanoUsd, UserKey};
use serde::{Deserialize, Serialize};

use super::pending::{PENDING_MAX, Pending, PendingCursor, PendingPage, PendingTurn};
use super::standing::{Note, Standing};
use super::visits::{Thread, Visit, join};

/// Pages that people are stored in, by the first byte of their key.
pub const PAGES: u16 = 256;

/// A person's activity: one entry per 15-minute bucket, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Buckets with any turn, ascending.
    pub entries: Vec<Entry>,
}

/// A person's turns of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub bucket: Bucket15,
    /// How many.
    pub turns: u32,
    /// What they cost, as far as they have a price.
    pub nano_usd: NanoUsd,
}

impl Ledger {
    fn join(&mut self, entry: Entry) {
        match self.entries.binary_search_by_key(&entry.bucket, |entry| entry.bucket) {
            Ok(at) => {
                if let Some(mine) = self.entries.get_mut(at) {
                    mine.turns += entry.turns;
                    mine.nano_usd += entry.nano_usd;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    fn add_cost(&mut self, bucket: Bucket15, nano_usd: NanoUsd) {
        let at = self.entries.binary_search_by_key(&bucket, |entry| entry.bucket);
        if let Some(entry) = at.ok().and_then(|at| self.entries.get_mut(at)) {
            entry.nano_usd += nano_usd;
        }
    }

    /// The entries of `[from, to)`.
    #[must_use]
    pub fn between(&self, from: Bucket15, to: Bucket15) -> &[Entry] {
        let first = self.entries.partition_point(|entry| entry.bucket < from);
        let end = self.entries.partition_point(|entry| entry.bucket < to);
        self.entries.get(first..end).unwrap_or_default()
    }
}

/// People and their visits, in pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    pages: BTreeMap<u16, Page>,
    dirty: BTreeSet<u16>,
    /// Pending turns of all pages.
    pending: usize,
    /// The words of pending turns, so that equal ones share their memory.
    words: BTreeSet<Label>,
}

/// The people whose keys begin with one byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// By person.
    pub ledgers: BTreeMap<UserKey, Ledger>,
    /// By thread, ascending and disjoint within each.
    pub visits: BTreeMap<Thread, Vec<Visit>>,
    /// Turns that wait for a price, by id.
    #[serde(default)]
    pub pending: BTreeMap<EventKey, Box<Pending>>,
    /// How many more there were when [`PENDING_MAX`] were kept.
    #[serde(default)]
    pub pending_over: u64,
    /// Where people stand of whom anything is known.
    #[serde(default)]
    pub standings: BTreeMap<UserKey, Standing>,
}

impl People {
    /// Counts a turn, and takes in a choice; other kinds do not make a person active.
    pub fn fold(&mut self, event: &Event) {
        if let (Some(user), Some(consent)) = (event.user, choice_of(&event.body)) {
            self.standing_mut(user).choices.fold(consent, event.ts);
        }
        let Body::Turn(turn) = &event.body else { return };
        if let Some(pending) = Pending::of(event, turn) {
            self.wait(event, pending);
        }
        if (event.user, event.session, event.conversation) == (None, None, None) {
            return;
        }
        let nano_usd = turn.cost.nano_usd().unwrap_or_default();
        let number = page_number(event.belongs_to());
        self.dirty.insert(number);
        let page = self.pages.entry(number).or_default();
        if let Some(user) = event.user {
            page.ledgers.entry(user).or_default().join(Entry { bucket: Bucket15::of(event.ts), turns: 1, nano_usd });
        }
        let thread = Thread::of(event.user, event.conversation, event.session);
        let visit = Visit { start_ms: event.ts.0, end_ms: event.ts.0, turns: 1, nano_usd };
        join(page.visits.entry(thread).or_default(), visit, thread.gap_ms());
    }

    /// Takes in what a row of the log says beside its events.
    pub fn note(&mut self, note: &Note) {
        match note {
            Note::Chose(user, choices) => self.standing_mut(*user).choices.merge(choices),
            Note::Erased(user, erased) => self.standing_mut(*user).erased = Some(erased.clone()),
            Note::Renamed(from, to) => self.rename(*from, *to),
            Note::Continued(from, to) => self.continue_thread(*from, *to),
        }
    }

    /// Is anything known of a person by that key?
    #[must_use]
    pub fn knows(&self, user: UserKey) -> bool {
        let page = self.pages.get(&page_number(user.prefix()));
        page.is_some_and(|page| page.ledgers.contains_key(&user) || page.standings.contains_key(&user))
    }

    /// Is there a thread by that key?
    #[must_use]
    pub fn has_thread(&self, thread: &Thread) -> bool {
        self.pages.get(&page_number(thread.belongs_to())).is_some_and(|page| page.visits.contains_key(thread))
    }

    /// A person goes by another key from now on: all that is known of them goes with them.
    fn rename(&mut self, from: UserKey, to: UserKey) {
        let (old, new) = (page_number(from.prefix()), page_number(to.prefix()));
        self.dirty.extend([old, new]);
        let page = self.pages.entry(old).or_default();
        let ledger = page.ledgers.remove(&from).unwrap_or_default();
        let standing = page.standings.remove(&from).unwrap_or_default();
        let (theirs, others) =
            std::mem::take(&mut page.visits).into_iter().partition(|(thread, _)| thread.user() == Some(from));
        page.visits = others;
        let theirs: BTreeMap<Thread, Vec<Visit>> = theirs;
        let (waiting, others) =
            std::mem::take(&mut page.pending).into_iter().partition(|(_, turn)| turn.user == Some(from));
        page.pending = others;
        let waiting: BTreeMap<EventKey, Box<Pending>> = waiting;

        let page = self.pages.entry(new).or_default();
        let mine = page.ledgers.entry(to).or_default();
        ledger.entries.into_iter().for_each(|entry| mine.join(entry));
        for (thread, visits) in theirs {
            let gap_ms = thread.gap_ms();
            let mine = page.visits.entry(thread.of_user(to)).or_default();
            visits.into_iter().for_each(|visit| join(mine, visit, gap_ms));
        }
        for (id, turn) in waiting {
            page.pending.insert(id, Box::new(Pending { user: Some(to), ..*turn }));
        }
        let mine = page.standings.entry(to).or_default();
        mine.formerly.insert(0, from);
        mine.merge(&standing);
    }

    /// Visits of a thread go on under another key.
    fn continue_thread(&mut self, from: Thread, to: Thread) {
        let (old, new) = (page_number(from.belongs_to()), page_number(to.belongs_to()));
        self.dirty.extend([old, new]);
        let page = self.pages.entry(old).or_default();
        let visits = page.visits.remove(&from).unwrap_or_default();
        let (waiting, others) =
            std::mem::take(&mut page.pending).into_iter().partition(|(_, turn)| turn.thread() == from);
        page.pending = others;
        let waiting: BTreeMap<EventKey, Box<Pending>> = waiting;
        let page = self.pages.entry(new).or_default();
        let mine = page.visits.entry(to).or_default();
        visits.into_iter().for_each(|visit| join(mine, visit, to.gap_ms()));
        for (id, mut turn) in waiting {
            (turn.user, turn.conversation, turn.session) = to.keys(turn.conversation);
            page.pending.insert(id, turn);
        }
    }

    /// Where a person stands; `None` when nothing is known of it.
    #[must_use]
    pub fn standing(&self, user: UserKey) -> Option<&Standing> {
        self.pages.get(&page_number(user.prefix()))?.standings.get(&user)
    }

    /// Forgets a person: what they did, what they chose, and that they were.
    pub fn forget(&mut self, user: UserKey) {
        let number = page_number(user.prefix());
        let Some(page) = self.pages.get_mut(&number) else { return };
        self.dirty.insert(number);
        page.ledgers.remove(&user);
        page.visits.retain(|thread, _| thread.user() != Some(user));
        let before = page.pending.len();
        page.pending.retain(|_, turn| turn.user != Some(user));
        self.pending = self.pending.saturating_sub(before - page.pending.len());
        page.standings.remove(&user);
    }

    fn standing_mut(&mut self, user: UserKey) -> &mut Standing {
        let number = page_number(user.prefix());
        self.dirty.insert(number);
        self.pages.entry(number).or_default().standings.entry(user).or_default()
    }

    fn wait(&mut self, event: &Event, mut pending: Pending) {
        let number = page_number(event.belongs_to());
        self.dirty.insert(number);
        let page = self.pages.entry(number).or_default();
        if self.pending >= PENDING_MAX {
            page.pending_over += 1;
            return;
        }
        share_words(&mut self.words, &mut pending);
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
        let turn = page.pending.remove(&repriced.turn)?;
        self.pending = self.pending.saturating_sub(1);
        self.dirty.insert(number);
        if let Some(ledger) = event.user.and_then(|user| page.ledgers.get_mut(&user)) {
            ledger.add_cost(Bucket15::of(event.ts), nano_usd);
        }
        if let Some(visits) = page.visits.get_mut(&Thread::of(event.user, event.conversation, event.session)) {
            let at = visits.partition_point(|visit| visit.end_ms < event.ts.0);
            if let Some(visit) = visits.get_mut(at).filter(|visit| visit.start_ms <= event.ts.0) {
                visit.nano_usd += nano_usd;
            }
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
            page.pending.range((from, Bound::Unbounded)).map(|(id, turn)| (*number, *id, turn))
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
        (self.pending as u64, self.pages.values().map(|page| page.pending_over).sum())
    }

    /// What a person spent in `[from, to)`.
    #[must_use]
    pub fn spent(&self, user: UserKey, from: Bucket15, to: Bucket15) -> NanoUsd {
        let page = self.pages.get(&page_number(user.prefix()));
        let ledger = page.and_then(|page| page.ledgers.get(&user));
        ledger.map_or(NanoUsd::ZERO, |ledger| ledger.between(from, to).iter().map(|entry| entry.nano_usd).sum())
    }

    /// A person's activity by bucket, ascending.
    #[must_use]
    pub fn ledger(&self, user: UserKey) -> &[Entry] {
        let page = self.pages.get(&page_number(user.prefix()));
        page.and_then(|page| page.ledgers.get(&user)).map(|ledger| ledger.entries.as_slice()).unwrap_or_default()
    }

    /// A person's visits, ascending within each thread.
    #[must_use]
    pub fn visits_of(&self, user: UserKey) -> Vec<Visit> {
        let page = self.pages.get(&page_number(user.prefix()));
        let threads = page.into_iter().flat_map(|page| &page.visits).filter(|(thread, _)| thread.user() == Some(user));
        threads.flat_map(|(_, visits)| visits).copied().collect()
    }

    /// Every person and their activity.
    pub fn ledgers(&self) -> impl Iterator<Item = (&UserKey, &Ledger)> {
        self.pages.values().flat_map(|page| &page.ledgers)
    }

    /// Every thread and its visits.
    pub fn threads(&self) -> impl Iterator<Item = (&Thread, &[Visit])> {
        self.pages.values().flat_map(|page| &page.visits).map(|(thread, visits)| (thread, visits.as_slice()))
    }

    /// Every visit.
    pub fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.pages.values().flat_map(|page| page.visits.values().flatten())
    }

    /// Takes the pages changed since the last call.
    pub fn take_dirty(&mut self) -> Vec<(u16, &Page)> {
        let numbers = std::mem::take(&mut self.dirty);
        self.pages.iter().filter(|(number, _)| numbers.contains(number)).map(|(number, page)| (*number, page)).collect()
    }

    /// Puts a stored page back.
    pub fn restore(&mut self, number: u16, mut page: Page) {
        page.pending.values_mut().for_each(|turn| share_words(&mut self.words, turn));
        self.pending += page.pending.len();
        self.pages.insert(number, page);
    }
}

fn share_words(words: &mut BTreeSet<Label>, turn: &mut Pending) {
    for word in [&mut turn.provider, &mut turn.model].into_iter().chain(&mut turn.feature) {
        match words.get(word) {
            Some(known) => *word = known.clone(),
            None => drop(words.insert(word.clone())),
        }
    }
}

fn page_number(belongs_to: u64) -> u16 {
    u16::try_from(belongs_to >> 56).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{history, turn};
    use proptest::prelude::*;

    fn visits_of(minutes: &[i64]) -> Vec<(i64, i64, u32)> {
        let mut people = People::default();
        for (i, minute) in minutes.iter().enumerate() {
            people.fold(&turn(i as u128, Some(1), Some(1), minute * 60_000, Some(1), 0));
        }
        people.visits().map(|v| (v.start_ms / 60_000, v.end_ms / 60_000, v.turns)).collect()
    }

    #[test]
    fn a_visit_ends_after_thirty_minutes_of_silence() {
        assert_eq!(visits_of(&[0, 29, 58]), [(0, 58, 3)]);
        assert_eq!(visits_of(&[0, 30]), [(0, 0, 1), (30, 30, 1)]);
        assert_eq!(visits_of(&[0, 50, 25]), [(0, 50, 3)]);
        assert_eq!(visits_of(&[1439, 1445]), [(1439, 1445, 2)]);
    }

    proptest! {
        #[test]
        fn order_changes_nothing(events in history(60), seed: u64) {
            let mut shuffled = events.clone();
            let len = shuffled.len();
            for i in (1..len).rev() {
                shuffled.swap(i, (seed.wrapping_mul(i as u64 + 7) >> 13) as usize % (i + 1));
            }
            let fold = |events: &[Event]| { let mut p = People::default(); events.iter().for_each(|e| p.fold(e)); p };
            prop_assert_eq!(fold(&events), fold(&shuffled));
        }
    }
}
