//! What needs to know that two events are one person's: who was active when, what each spent, visits, and what happened in them.
//!
//! It stays in the Shard; only sums, counts and sorted values leave it, and keys for admins. Facts lie in the object's storage,
//! by page (the first byte of the key) and stretch of time; in memory are those since the last checkpoint, and what must be at
//! hand when an event comes in.

mod events;
pub mod facts;
pub mod handover;
mod keys;
mod moves;
pub mod segment;
pub mod stored;
mod unpriced;
pub mod walk;
pub mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, btree_map};

use schemas::{Bucket15, EventKey, Label, NanoUsd, UserKey, UtcMillis, order};
use serde::{Deserialize, Serialize};

use super::CodecError;
use super::pending::Pending;
use super::standing::{Note, Standing};
use crate::place::Place;
use facts::{Facts, Owner};
use moves::Move;
use segment::Segment;
use stored::{Names, Stored, Stretch, Unsaved, page_number, stretch_of};
use walk::Walked;
use words::Words;

/// People and their facts.
#[derive(Clone, Debug, Default)]
pub struct People {
    words: Words,
    /// Facts since the last checkpoint.
    recent: BTreeMap<(u16, Stretch), Segment>,
    moves: Vec<Move>,
    /// Names in storage as it has them, of pages that were asked for since the last checkpoint.
    names: RefCell<BTreeMap<u16, Names>>,
    walked: Walked,
    pages: BTreeMap<u16, Page>,
    dirty: BTreeSet<u16>,
    /// Pending turns of all pages.
    pending: usize,
    /// The words of pending turns, so that equal ones share their memory.
    pending_words: BTreeSet<Label>,
    /// Whose people are told of: those of others are kept for a while after they moved.
    place: Place,
}

/// What must be at hand of the people whose keys begin with one byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Turns that wait for a price, by id.
    pub pending: BTreeMap<EventKey, Box<Pending>>,
    /// How many more there were when [`super::pending::PENDING_MAX`] were kept.
    pub pending_over: u64,
    /// Where people stand of whom anything is known.
    pub standings: BTreeMap<UserKey, Standing>,
}

impl People {
    fn facts_mut(&mut self, owner: Owner, at: UtcMillis) -> (&mut Facts, &Words) {
        let place = (page_number(owner.bits()), stretch_of(at.0));
        (self.recent.entry(place).or_default().entry(owner).or_default(), &self.words)
    }

    /// Takes in what a row of the log says beside its events.
    pub fn note(&mut self, note: &Note) {
        match note {
            Note::Chose(user, choices) => self.standing_mut(*user).choices.merge(choices),
            Note::Erased(user, erased) => self.standing_mut(*user).erased = Some(erased.clone()),
            Note::Renamed(from, to) => self.rename(*from, *to),
            Note::Continued(from, to) => self.continue_thread(*from, *to),
            Note::Home(user, home) => self.standing_mut(*user).home = Some(*home),
            Note::Priced(turn, nano_usd) => self.price_elsewhere(*turn, *nano_usd),
        }
    }

    fn recent_of(&self, page: u16) -> impl Iterator<Item = &Segment> {
        self.recent.range((page, Stretch::MIN)..=(page, Stretch::MAX)).map(|(_, segment)| segment)
    }

    /// Where a person stands; `None` when nothing is known of it.
    #[must_use]
    pub fn standing(&self, user: UserKey) -> Option<&Standing> {
        self.pages.get(&page_number(user.prefix()))?.standings.get(&user)
    }

    /// Forgets a person: what they did, what they chose, and that they were.
    pub fn forget(&mut self, user: UserKey) {
        let number = page_number(user.prefix());
        self.forget_facts(Owner::User(user));
        let Some(page) = self.pages.get_mut(&number) else { return };
        self.dirty.insert(number);
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

    /// All facts of one owner.
    ///
    /// # Errors
    /// When storage fails.
    pub fn facts(&self, owner: Owner, stored: &dyn Stored) -> Result<Facts, CodecError> {
        let mut words = self.words.clone();
        let number = page_number(owner.bits());
        let mut all = Facts::default();
        for segment in self.moved(number, stored, &mut words)?.into_values() {
            segment.into_iter().filter(|(other, _)| *other == owner).for_each(|(_, facts)| all.join(facts, &words));
        }
        for segment in self.recent_of(number) {
            segment.get(&owner).into_iter().for_each(|facts| all.join(facts.clone(), &words));
        }
        Ok(all)
    }

    /// What an owner's turns in `[from, to)` have cost. Changes of names must have been stored.
    ///
    /// # Errors
    /// When storage fails.
    pub fn spent(
        &self,
        owner: Owner,
        (from, to): (Bucket15, Bucket15),
        stored: &dyn Stored,
    ) -> Result<NanoUsd, CodecError> {
        let number = page_number(owner.bits());
        let of = |segment: &Segment| segment.get(&owner).map_or(NanoUsd::ZERO, |facts| facts.spent(from, to));
        let mut sum: NanoUsd = self.recent_of(number).map(of).sum();
        let wanted = stretch_of(from.start().0)..=stretch_of(to.start().0);
        for stretch in stored.stretches(number)?.into_iter().filter(|stretch| wanted.contains(stretch)) {
            if let Some(bytes) = stored.stretch(number, stretch)? {
                sum += of(&segment::decode(&bytes, &mut Words::default())?);
            }
        }
        Ok(sum)
    }

    /// A page as storage has it. Changes of names must have been stored.
    fn moved(
        &self,
        page: u16,
        stored: &dyn Stored,
        words: &mut Words,
    ) -> Result<BTreeMap<Stretch, Segment>, CodecError> {
        let mut segments = BTreeMap::new();
        for (stretch, bytes) in stored.page(page)? {
            segments.insert(stretch, segment::decode(&bytes, words)?);
        }
        Ok(segments)
    }

    /// Facts in storage know all names.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.moves.is_empty()
    }

    /// What changed since the last call, for storage: facts joined with those that are there.
    ///
    /// # Errors
    /// When storage fails; then the object must be opened anew.
    pub fn take_unsaved(&mut self, stored: &dyn Stored) -> Result<Unsaved, CodecError> {
        let mut words = std::mem::take(&mut self.words);
        let moves = std::mem::take(&mut self.moves);
        let mut recent = std::mem::take(&mut self.recent);
        self.names.borrow_mut().clear();
        self.walked = Walked::default();
        let mut unsaved = Unsaved::default();
        // Where no name has changed, stretch by stretch: one at a time is in memory.
        if moves.is_empty() {
            for ((page, stretch), fresh) in std::mem::take(&mut recent) {
                let stored = stored.stretch(page, stretch)?;
                let mut segment =
                    stored.map_or_else(|| Ok(Segment::new()), |bytes| segment::decode(&bytes, &mut words))?;
                fresh.into_iter().for_each(|(owner, facts)| segment.entry(owner).or_default().join(facts, &words));
                segment.retain(|_, facts| !facts.is_empty());
                unsaved.segments.push(((page, stretch), segment::encode(&segment, &words)));
            }
        }
        let mut pages: BTreeMap<u16, BTreeMap<Stretch, Segment>> = BTreeMap::new();
        let mut changed = order::set(recent.keys().copied());
        for number in changed.iter().map(|(page, _)| *page).chain(moves::pages(&moves)) {
            if let btree_map::Entry::Vacant(place) = pages.entry(number) {
                place.insert(self.moved(number, stored, &mut words)?);
            }
        }
        changed.extend(moves::apply(&moves, &mut pages, &words));
        for (page, stretch) in changed {
            let segments = pages.entry(page).or_default();
            let mut segment = segments.remove(&stretch).unwrap_or_default();
            for (owner, facts) in recent.remove(&(page, stretch)).unwrap_or_default() {
                segment.entry(owner).or_default().join(facts, &words);
            }
            segment.retain(|_, facts| !facts.is_empty());
            unsaved.segments.push(((page, stretch), segment::encode(&segment, &words)));
        }
        for number in std::mem::take(&mut self.dirty) {
            if let Some(page) = self.pages.get(&number) {
                unsaved.pages.push((number, super::encode(page)?));
            }
        }
        Ok(unsaved)
    }

    /// From now on only those are told of who are held in that place.
    pub fn stand_in(&mut self, place: Place) {
        self.place = place;
    }

    /// Whose people these are.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    fn is_own(&self, owner: &Owner) -> bool {
        self.place.holds(self.home(owner))
    }

    /// What leads to an owner's Shard.
    fn home(&self, owner: &Owner) -> u64 {
        let known = match owner {
            Owner::User(user) => self.standing(*user).and_then(|standing| standing.home),
            Owner::Thread(_) => None,
        };
        known.map_or(owner.bits(), u64::from)
    }

    fn forget_facts(&mut self, owner: Owner) {
        let number = page_number(owner.bits());
        self.recent.range_mut((number, Stretch::MIN)..=(number, Stretch::MAX)).for_each(|(_, segment)| {
            segment.remove(&owner);
        });
        self.moves.push(Move::Gone(owner));
    }

    /// Puts a stored page back.
    pub fn restore(&mut self, number: u16, mut page: Page) {
        page.pending.values_mut().for_each(|turn| turn.share_words(&mut self.pending_words));
        self.pending += page.pending.len();
        self.pages.insert(number, page);
    }
}

#[cfg(test)]
impl People {
    /// Everything kept of everyone, as bytes that equal facts make equal.
    pub(crate) fn told(&mut self, stored: &dyn Stored, pages: &BTreeSet<u16>) -> BTreeMap<Owner, Vec<u8>> {
        let mut told = BTreeMap::new();
        self.each(stored, pages, |owner, facts, words| {
            told.insert(owner, segment::encode(&Segment::from([(owner, facts.clone())]), words));
        })
        .unwrap();
        told
    }
}
