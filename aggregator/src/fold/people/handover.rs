//! People who move to another Shard: what is handed over of them, and what stays.

use std::collections::BTreeSet;

use schemas::{UserKey, order};

use super::facts::Owner;
use super::segment;
use super::stored::{Stored, Stretch};
use super::words::Words;
use super::{Page, People};
use crate::fold::CodecError;
use crate::fold::pending::Pending;
use crate::fold::standing::Standing;
use crate::place::Place;

/// What a Shard that takes people over needs of a page.
#[derive(Debug, Default)]
pub struct Handed {
    /// Their facts by stretch, encoded.
    pub segments: Vec<(Stretch, Vec<u8>)>,
    /// What must be at hand of them; `None` when that is nothing.
    pub page: Option<Page>,
}

impl People {
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
                pending: order::map(waiting.map(|(id, turn)| (*id, elsewhere(turn)))),
                pending_over: 0,
                standings: order::map(standings.map(|(user, standing)| (*user, standing.clone()))),
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
}
