//! What needs to know that two events are one person's: who was active when, what each spent, visits, and what happened in them.
//!
//! It stays in the Shard; only sums, counts and sorted values leave it, and keys for admins. Facts lie in the object's storage,
//! by page (the first byte of the key) and stretch of time; in memory are those since the last checkpoint, and what must be at
//! hand when an event comes in.

pub mod facts;
pub mod segment;
pub mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::ops::Bound;

use schemas::consent::choice_of;
use schemas::event::{Journey, Observation, Platform, Repriced, Turn, TurnStatus};
use schemas::{Body, Bucket15, Event, EventKey, Label, NanoUsd, UserKey, UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

use super::CodecError;
use super::pending::{PENDING_MAX, Pending, PendingCursor, PendingPage, PendingTurn};
use super::standing::{Note, Standing};
use super::thread::Thread;
use crate::place::Place;
use facts::{Entry, Facts, Mark, MarkKind, Mention, Mood, Owner, ThreadId, Visit};
use segment::Segment;
use words::Words;

/// UTC days of a stretch of time whose facts are stored together: a person's month is read and written, not their years.
pub const STRETCH_DAYS: i32 = 32;

/// A stretch of time, counted from 1970.
pub type Stretch = i32;

/// Facts as they are stored.
pub trait Stored {
    /// The stored facts of a page, by stretch, ascending.
    ///
    /// # Errors
    /// When storage fails.
    fn page(&self, page: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError>;

    /// The stored facts of one stretch of a page.
    ///
    /// # Errors
    /// When storage fails.
    fn stretch(&self, page: u16, stretch: Stretch) -> Result<Option<Vec<u8>>, CodecError> {
        Ok(self.page(page)?.into_iter().find(|(at, _)| *at == stretch).map(|(_, bytes)| bytes))
    }
}

/// No facts are stored.
impl Stored for () {
    fn page(&self, _: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError> {
        Ok(Vec::new())
    }
}

/// A change of names that facts in storage do not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    /// An owner goes by another name.
    Owner(Owner, Owner),
    /// A thread goes by another name.
    Thread((Owner, ThreadId), (Owner, ThreadId)),
    /// An owner is forgotten.
    Gone(Owner),
}

/// Owners and threads of a page in storage.
#[derive(Clone, Debug, Default)]
struct Names {
    owners: BTreeSet<Owner>,
    threads: BTreeSet<(Owner, ThreadId)>,
}

/// People and their facts.
#[derive(Clone, Debug, Default)]
pub struct People {
    words: Words,
    /// Facts since the last checkpoint.
    recent: BTreeMap<(u16, Stretch), Segment>,
    moves: Vec<Move>,
    /// Names in storage as it has them, of pages that were asked for since the last checkpoint.
    names: RefCell<BTreeMap<u16, Names>>,
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
    /// How many more there were when [`PENDING_MAX`] were kept.
    pub pending_over: u64,
    /// Where people stand of whom anything is known.
    pub standings: BTreeMap<UserKey, Standing>,
}

/// What a Shard that takes people over needs of a page.
#[derive(Debug, Default)]
pub struct Handed {
    /// Their facts by stretch, encoded.
    pub segments: Vec<(Stretch, Vec<u8>)>,
    /// What must be at hand of them; `None` when that is nothing.
    pub page: Option<Page>,
}

/// What is new for storage.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// Facts by page and stretch, whole.
    pub segments: Vec<((u16, Stretch), Vec<u8>)>,
    /// Pages.
    pub pages: Vec<(u16, Vec<u8>)>,
}

fn stretch_of(at_ms: i64) -> Stretch {
    UtcDay::of(UtcMillis(at_ms)).0.div_euclid(STRETCH_DAYS)
}

impl People {
    /// Counts what an event says of its person or thread.
    pub fn fold(&mut self, event: &Event) {
        if let (Some(user), Some(consent)) = (event.user, choice_of(&event.body)) {
            self.standing_mut(user).choices.fold(consent, event.ts);
        }
        if let Body::Turn(turn) = &event.body
            && let Some(pending) = Pending::of(event, turn)
        {
            self.wait(event, pending);
        }
        let Some(owner) = Owner::of(event.user, event.conversation, event.session) else { return };
        let thread = ThreadId::of(event.conversation, event.session);
        match &event.body {
            Body::Turn(turn) => self.turn(owner, thread, event, turn),
            Body::Observation(observation) => self.observation(owner, thread, event, observation),
            Body::Feedback(feedback) => {
                feedback.wishes.iter().for_each(|wish| self.mark(owner, event.ts, MarkKind::Wish, Some(wish), None));
            }
            Body::Journey(journey) => self.journey(owner, thread, event, journey),
            Body::Platform(platform) => self.platform(owner, event, platform),
            Body::ServiceCost(cost) => {
                let cohort = self.words.cohort_number(&event.cohort);
                let (facts, _) = self.facts_mut(owner, event.ts);
                facts.add_entry(Entry { services: cost.nano_usd, ..Entry::at(Bucket15::of(event.ts), cohort) });
            }
            Body::Error(error) => {
                let name = Label::parse(&format!("{}/{}", error.component, error.code)).ok();
                self.mark(owner, event.ts, MarkKind::Error, name.as_ref(), None);
            }
            _ => {}
        }
    }

    fn facts_mut(&mut self, owner: Owner, at: UtcMillis) -> (&mut Facts, &Words) {
        let place = (page_number(owner.bits()), stretch_of(at.0));
        (self.recent.entry(place).or_default().entry(owner).or_default(), &self.words)
    }

    fn turn(&mut self, owner: Owner, thread: ThreadId, event: &Event, turn: &Turn) {
        let nano_usd = turn.cost.nano_usd();
        let ok = turn.status == TurnStatus::Ok;
        let cohort = self.words.cohort_number(&event.cohort);
        let model = self.words.number(&turn.model);
        let entry = Entry {
            bucket: Bucket15::of(event.ts),
            cohort,
            turns: 1,
            turns_ok: u32::from(ok),
            priced: u32::from(nano_usd.is_some()),
            nano_usd: nano_usd.unwrap_or_default(),
            services: NanoUsd::ZERO,
        };
        let visit = Visit {
            start_ms: event.ts.0,
            end_ms: event.ts.0,
            turns: 1,
            turns_ok: u32::from(ok),
            nano_usd: nano_usd.unwrap_or_default(),
            tokens: turn.usage.map_or(0, |usage| usage.input_tokens + usage.output_tokens),
            cohort,
            last_ok: ok,
            model,
        };
        let (facts, words) = self.facts_mut(owner, event.ts);
        facts.add_entry(entry);
        facts.add_visit(thread, visit, words);
    }

    fn observation(&mut self, owner: Owner, thread: ThreadId, event: &Event, observation: &Observation) {
        let mood = Mood {
            ts_ms: event.ts.0,
            emotion: observation.emotion,
            intensity: observation.intensity,
            frustrated: !observation.frustration.is_empty(),
        };
        self.facts_mut(owner, event.ts).0.add_mood(thread, mood);
        self.mention(owner, thread, event.ts, observation.intent.as_ref());
        if let Some(wish) = &observation.wish {
            self.mark(owner, event.ts, MarkKind::Wish, Some(&wish.tag), None);
        }
    }

    fn journey(&mut self, owner: Owner, thread: ThreadId, event: &Event, journey: &Journey) {
        self.mention(owner, thread, event.ts, journey.intent.as_ref());
        self.mark(owner, event.ts, MarkKind::Journey, Some(&journey.name), None);
        if let (Some(funnel), Some(step)) = (&journey.funnel, &journey.step) {
            let name = Label::parse(&format!("{funnel}/{step}")).ok();
            self.mark(owner, event.ts, MarkKind::Step, name.as_ref(), None);
        }
    }

    fn platform(&mut self, owner: Owner, event: &Event, platform: &Platform) {
        let kind = MarkKind::Platform(platform.event);
        // Calls come by the thousand, and say nothing of whether someone is connected.
        let is_call = matches!(
            platform.event,
            schemas::event::PlatformEvent::ApiCall | schemas::event::PlatformEvent::RateLimited
        );
        if !is_call || platform.token_expires_days.is_some() {
            self.mark(owner, event.ts, kind, Some(&platform.platform), platform.token_expires_days);
        }
    }

    fn mention(&mut self, owner: Owner, thread: ThreadId, ts: UtcMillis, intent: Option<&Label>) {
        if let Some(intent) = intent {
            let mention = Mention { ts_ms: ts.0, intent: self.words.number(intent) };
            self.facts_mut(owner, ts).0.add_mention(thread, mention);
        }
    }

    fn mark(&mut self, owner: Owner, ts: UtcMillis, kind: MarkKind, name: Option<&Label>, days: Option<i32>) {
        let name = name.map_or(0, |name| self.words.number(name));
        self.facts_mut(owner, ts).0.add_mark(Mark { ts_ms: ts.0, kind, name, days });
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

    /// Is anything known of a person by that key?
    ///
    /// # Errors
    /// When storage fails.
    pub fn knows(&self, user: UserKey, stored: &dyn Stored) -> Result<bool, CodecError> {
        let number = page_number(user.prefix());
        let owner = Owner::User(user);
        if self.pages.get(&number).is_some_and(|page| page.standings.contains_key(&user))
            || self.recent_of(number).any(|segment| segment.contains_key(&owner))
        {
            return Ok(true);
        }
        self.is_stored(owner, None, stored)
    }

    /// Is there a thread by that key?
    ///
    /// # Errors
    /// When storage fails.
    pub fn has_thread(&self, thread: &Thread, stored: &dyn Stored) -> Result<bool, CodecError> {
        let (owner, id) = Owner::of_thread(thread);
        let number = page_number(owner.bits());
        let has = |segment: &Segment| segment.get(&owner).is_some_and(|facts| facts.threads.contains_key(&id));
        if self.recent_of(number).any(has) {
            return Ok(true);
        }
        self.is_stored(owner, Some(id), stored)
    }

    fn recent_of(&self, page: u16) -> impl Iterator<Item = &Segment> {
        self.recent.range((page, Stretch::MIN)..=(page, Stretch::MAX)).map(|(_, segment)| segment)
    }

    /// Whether facts in storage are of an owner, or of a thread of theirs, by the name that they go by now.
    fn is_stored(&self, owner: Owner, thread: Option<ThreadId>, stored: &dyn Stored) -> Result<bool, CodecError> {
        // The names that storage may have them by: back through what it does not know yet.
        let mut names = vec![(owner, thread)];
        for change in self.moves.iter().rev() {
            match change {
                Move::Gone(gone) => names.retain(|(owner, _)| owner != gone),
                Move::Owner(from, to) => {
                    names.retain(|(owner, _)| owner != from);
                    let before: Vec<_> =
                        names.iter().filter(|(owner, _)| owner == to).map(|(_, thread)| (*from, *thread)).collect();
                    names.extend(before);
                }
                Move::Thread(from, to) => {
                    names.retain(|(owner, thread)| (*owner, *thread) != (from.0, Some(from.1)));
                    if names.contains(&(to.0, Some(to.1))) {
                        names.push((from.0, Some(from.1)));
                    }
                }
            }
        }
        for (owner, thread) in names {
            let number = page_number(owner.bits());
            if !self.names.borrow().contains_key(&number) {
                let mut read = Names::default();
                let mut words = Words::default();
                for (_, bytes) in stored.page(number)? {
                    for (owner, facts) in segment::decode(&bytes, &mut words)? {
                        read.threads.extend(facts.threads.keys().map(|thread| (owner, *thread)));
                        read.owners.insert(owner);
                    }
                }
                self.names.borrow_mut().insert(number, read);
            }
            let known = self.names.borrow();
            let Some(names) = known.get(&number) else { continue };
            if thread.map_or_else(|| names.owners.contains(&owner), |thread| names.threads.contains(&(owner, thread))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A person goes by another key from now on: all that is known of them goes with them.
    fn rename(&mut self, from: UserKey, to: UserKey) {
        let (old, new) = (page_number(from.prefix()), page_number(to.prefix()));
        self.dirty.extend([old, new]);
        let page = self.pages.entry(old).or_default();
        let standing = page.standings.remove(&from).unwrap_or_default();
        let (waiting, others) =
            std::mem::take(&mut page.pending).into_iter().partition(|(_, turn)| turn.user == Some(from));
        page.pending = others;
        let waiting: BTreeMap<EventKey, Box<Pending>> = waiting;
        let page = self.pages.entry(new).or_default();
        for (id, turn) in waiting {
            page.pending.insert(id, Box::new(Pending { user: Some(to), ..*turn }));
        }
        let mine = page.standings.entry(to).or_default();
        mine.formerly.insert(0, from);
        mine.merge(&standing);

        let (from, to) = (Owner::User(from), Owner::User(to));
        for stretch in self.stretches(old) {
            let gone = self.recent.get_mut(&(old, stretch)).and_then(|segment| segment.remove(&from));
            if let Some(facts) = gone {
                let mine = self.recent.entry((new, stretch)).or_default().entry(to).or_default();
                mine.join(facts, &self.words);
            }
        }
        self.moves.push(Move::Owner(from, to));
    }

    fn stretches(&self, page: u16) -> Vec<Stretch> {
        self.recent.range((page, Stretch::MIN)..=(page, Stretch::MAX)).map(|((_, stretch), _)| *stretch).collect()
    }

    /// Visits of a thread go on under another key.
    fn continue_thread(&mut self, from: Thread, to: Thread) {
        let (old, new) = (page_number(from.belongs_to()), page_number(to.belongs_to()));
        self.dirty.extend([old, new]);
        let page = self.pages.entry(old).or_default();
        let (waiting, others) =
            std::mem::take(&mut page.pending).into_iter().partition(|(_, turn)| turn.thread() == from);
        page.pending = others;
        let waiting: BTreeMap<EventKey, Box<Pending>> = waiting;
        let page = self.pages.entry(new).or_default();
        for (id, mut turn) in waiting {
            (turn.user, turn.conversation, turn.session) = to.keys(turn.conversation);
            page.pending.insert(id, turn);
        }

        let (from, to) = (Owner::of_thread(&from), Owner::of_thread(&to));
        for stretch in self.stretches(old) {
            if let Some(segment) = self.recent.get_mut(&(old, stretch)) {
                let moved = take_thread(segment, from);
                let target = self.recent.entry((new, stretch)).or_default();
                give_thread(target, to, moved, &self.words);
            }
        }
        self.moves.push(Move::Thread(from, to));
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

    fn wait(&mut self, event: &Event, mut pending: Pending) {
        let number = page_number(event.belongs_to());
        self.dirty.insert(number);
        let page = self.pages.entry(number).or_default();
        if self.pending >= PENDING_MAX {
            page.pending_over += 1;
            return;
        }
        share_words(&mut self.pending_words, &mut pending);
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
    fn price_elsewhere(&mut self, id: EventKey, nano_usd: NanoUsd) {
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

    /// Calls `take` with every owner and all of their facts, page by page: whatever the number of people, a page is in memory.
    ///
    /// # Errors
    /// When storage fails.
    pub fn each(
        &mut self,
        stored: &dyn Stored,
        pages: &BTreeSet<u16>,
        mut take: impl FnMut(Owner, &Facts, &Words),
    ) -> Result<(), CodecError> {
        let mut words = std::mem::take(&mut self.words);
        let recent: BTreeSet<u16> = self.recent.keys().map(|(page, _)| *page).collect();
        let result = recent.union(pages).try_for_each(|page| {
            let mut all: BTreeMap<Owner, Facts> = BTreeMap::new();
            let stretches = if pages.contains(page) { self.moved(*page, stored, &mut words)? } else { BTreeMap::new() };
            for (owner, facts) in stretches.into_values().flatten() {
                all.entry(owner).or_default().join(facts, &words);
            }
            for (owner, facts) in self.recent_of(*page).flatten() {
                all.entry(*owner).or_default().join(facts.clone(), &words);
            }
            let own = all.iter().filter(|(owner, facts)| !facts.is_empty() && self.is_own(owner));
            own.for_each(|(owner, facts)| take(*owner, facts, &words));
            Ok(())
        });
        self.words = words;
        result
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
        let mut changed: BTreeSet<(u16, Stretch)> = recent.keys().copied().collect();
        for (page, _) in &changed {
            if let btree_map::Entry::Vacant(place) = pages.entry(*page) {
                place.insert(self.moved(*page, stored, &mut words)?);
            }
        }
        let numbers = |change: &Move| match change {
            Move::Owner(from, to) | Move::Thread((from, _), (to, _)) => [*from, *to],
            Move::Gone(owner) => [*owner, *owner],
        };
        for owner in moves.iter().flat_map(numbers) {
            let number = page_number(owner.bits());
            if let btree_map::Entry::Vacant(place) = pages.entry(number) {
                place.insert(self.moved(number, stored, &mut words)?);
            }
        }
        for change in &moves {
            let [from, to] = numbers(change).map(|owner| page_number(owner.bits()));
            let stretches: Vec<Stretch> = pages.get(&from).into_iter().flat_map(BTreeMap::keys).copied().collect();
            for stretch in stretches {
                let Some(segment) = pages.get_mut(&from).and_then(|segments| segments.get_mut(&stretch)) else {
                    continue;
                };
                match change {
                    Move::Gone(owner) => {
                        if segment.remove(owner).is_some() {
                            changed.insert((from, stretch));
                        }
                    }
                    Move::Owner(owner, other) => {
                        if let Some(facts) = segment.remove(owner) {
                            changed.extend([(from, stretch), (to, stretch)]);
                            let target = pages.entry(to).or_default().entry(stretch).or_default();
                            target.entry(*other).or_default().join(facts, &words);
                        }
                    }
                    Move::Thread(thread, other) => {
                        if let Some(facts) = take_thread(segment, *thread) {
                            changed.extend([(from, stretch), (to, stretch)]);
                            let target = pages.entry(to).or_default().entry(stretch).or_default();
                            give_thread(target, *other, Some(facts), &words);
                        }
                    }
                }
            }
        }
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

    /// What a page holds of those who belong in another place. Changes of names must have been stored.
    ///
    /// # Errors
    /// When storage fails; then the object must be opened anew.
    pub fn hand_over(&mut self, number: u16, to: Place, stored: &dyn Stored) -> Result<Handed, CodecError> {
        let mut words = std::mem::take(&mut self.words);
        let mut segments = self.moved(number, stored, &mut words)?;
        for ((_, stretch), segment) in self.recent.range((number, Stretch::MIN)..=(number, Stretch::MAX)) {
            let joined = segments.entry(*stretch).or_default();
            segment.iter().for_each(|(owner, facts)| joined.entry(*owner).or_default().join(facts.clone(), &words));
        }
        let mut handed = Handed::default();
        for (stretch, mut segment) in segments {
            segment.retain(|owner, facts| to.holds(self.home(owner)) && !facts.is_empty());
            if !segment.is_empty() {
                handed.segments.push((stretch, segment::encode(&segment, &words)));
            }
        }
        self.words = words;
        if let Some(page) = self.pages.get(&number) {
            let goes = |owner: &Owner| to.holds(self.home(owner));
            let waiting = page.pending.iter().filter(|(_, turn)| turn.owner().is_some_and(|owner| goes(&owner)));
            let elsewhere = |turn: &Pending| Box::new(Pending { elsewhere: true, ..turn.clone() });
            let standings = page.standings.iter().filter(|(user, _)| goes(&Owner::User(**user)));
            let page = Page {
                pending: waiting.map(|(id, turn)| (*id, elsewhere(turn))).collect(),
                pending_over: 0,
                standings: standings.map(|(user, standing)| (*user, standing.clone())).collect(),
            };
            handed.page = (page != Page::default()).then_some(page);
        }
        Ok(handed)
    }

    /// Forgets those of a page who belong in another place, where everything of them is. Tombstones stay, and turns that are
    /// counted here and wait for a price.
    ///
    /// # Errors
    /// When storage fails; then the object must be opened anew.
    pub fn let_go(&mut self, number: u16, to: Place, stored: &dyn Stored) -> Result<(), CodecError> {
        let mut owners: BTreeSet<Owner> = BTreeSet::new();
        let mut words = Words::default();
        for segment in self.moved(number, stored, &mut words)?.into_values() {
            owners.extend(segment.into_keys());
        }
        self.recent_of(number).for_each(|segment| owners.extend(segment.keys()));
        owners.retain(|owner| to.holds(self.home(owner)));
        for owner in &owners {
            self.forget_facts(*owner);
        }
        let Some(mut page) = self.pages.remove(&number) else { return Ok(()) };
        let before = (page.pending.len(), page.standings.len());
        let place = |user: &UserKey, standing: &Standing| standing.home.map_or(user.prefix(), u64::from);
        page.pending.retain(|_, turn| !turn.elsewhere || turn.owner().is_none_or(|owner| !owners.contains(&owner)));
        page.standings.retain(|user, standing| {
            standing.erased.is_some() || standing.home.is_some() || !to.holds(place(user, standing))
        });
        if before != (page.pending.len(), page.standings.len()) {
            self.dirty.insert(number);
        }
        self.pending = self.pending.saturating_sub(before.0 - page.pending.len());
        self.pages.insert(number, page);
        Ok(())
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
        page.pending.values_mut().for_each(|turn| share_words(&mut self.pending_words, turn));
        self.pending += page.pending.len();
        self.pages.insert(number, page);
    }
}

/// What there is of a thread: a track of its person's, or all that its own owner has.
fn take_thread(segment: &mut Segment, (owner, thread): (Owner, ThreadId)) -> Option<Facts> {
    match owner {
        Owner::User(_) => {
            let track = segment.get_mut(&owner)?.threads.remove(&thread)?;
            Some(Facts { threads: [(thread, track)].into(), ..Facts::default() })
        }
        Owner::Thread(_) => segment.remove(&owner),
    }
}

fn give_thread(segment: &mut Segment, (owner, thread): (Owner, ThreadId), facts: Option<Facts>, words: &Words) {
    if let Some(mut facts) = facts {
        let tracks = std::mem::take(&mut facts.threads);
        let mine = segment.entry(owner).or_default();
        mine.join(facts, words);
        tracks.into_values().for_each(|track| mine.join_track(thread, track, words));
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
