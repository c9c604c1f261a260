//! The keys of people and threads: whether anything is known by one, and that they go by another from now on.

use std::collections::BTreeMap;

use schemas::{EventKey, UserKey};

use super::People;
use super::facts::{Owner, ThreadId};
use super::moves::{self, Move, give_thread, take_thread};
use super::segment::Segment;
use super::stored::{Names, Stored, Stretch, page_number};
use crate::fold::CodecError;
use crate::fold::pending::Pending;
use crate::fold::thread::Thread;

impl People {
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

    /// Whether facts in storage are of an owner, or of a thread of theirs, by the name that they go by now.
    fn is_stored(&self, owner: Owner, thread: Option<ThreadId>, stored: &dyn Stored) -> Result<bool, CodecError> {
        for (owner, thread) in moves::names_before(&self.moves, owner, thread) {
            let number = page_number(owner.bits());
            if !self.names.borrow().contains_key(&number) {
                let read = Names::read(number, stored)?;
                self.names.borrow_mut().insert(number, read);
            }
            if self.names.borrow().get(&number).is_some_and(|names| names.contain(owner, thread)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A person goes by another key from now on: all that is known of them goes with them.
    pub(super) fn rename(&mut self, from: UserKey, to: UserKey) {
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
    pub(super) fn continue_thread(&mut self, from: Thread, to: Thread) {
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
}
