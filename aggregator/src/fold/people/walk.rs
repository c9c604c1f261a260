//! The walk from person to person.

use std::collections::{BTreeMap, BTreeSet};

use schemas::order;

use super::People;
use super::facts::{Facts, Owner};
use super::stored::Stored;
use super::words::Words;
use crate::fold::CodecError;

/// Entries and marks of few people: to walk over them takes milliseconds, to read them from storage some dozens.
pub const FEW: usize = 20_000;

/// Facts as storage has them, of pages that were walked over since the last checkpoint; none where they are more than [`FEW`].
#[derive(Clone, Debug, Default)]
pub(super) struct Walked {
    pages: BTreeMap<u16, BTreeMap<Owner, Facts>>,
    size: usize,
}

impl Walked {
    /// Keeps a page; hands it back where that would be too much.
    fn keep(&mut self, number: u16, page: BTreeMap<Owner, Facts>) -> Option<BTreeMap<Owner, Facts>> {
        self.size += page.values().map(Facts::size).sum::<usize>();
        if self.size > FEW {
            self.pages.clear();
            return Some(page);
        }
        self.pages.insert(number, page);
        None
    }
}

impl People {
    /// Calls `take` with every owner and all of their facts, page by page: whatever the number of people, a page is in memory.
    /// Changes of names must have been stored.
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
        let mut walked = std::mem::take(&mut self.walked);
        let recent = order::set(self.recent.keys().map(|(page, _)| *page));
        let result = recent.union(pages).try_for_each(|page| {
            let mut read = None;
            if pages.contains(page) && !walked.pages.contains_key(page) {
                read = walked.keep(*page, self.page(*page, stored, &mut words)?);
            }
            let mut fresh: BTreeMap<Owner, Facts> = BTreeMap::new();
            for (owner, facts) in self.recent_of(*page).flatten() {
                fresh.entry(*owner).or_default().join(facts.clone(), &words);
            }
            let mut one = |owner: &Owner, facts: &Facts| {
                if !facts.is_empty() && self.is_own(owner) {
                    take(*owner, facts, &words);
                }
            };
            for (owner, known) in read.as_ref().or_else(|| walked.pages.get(page)).into_iter().flatten() {
                match fresh.remove(owner) {
                    Some(more) => {
                        let mut all = known.clone();
                        all.join(more, &words);
                        one(owner, &all);
                    }
                    None => one(owner, known),
                }
            }
            fresh.iter().for_each(|(owner, facts)| one(owner, facts));
            Ok(())
        });
        (self.words, self.walked) = (words, walked);
        result
    }

    fn page(&self, page: u16, stored: &dyn Stored, words: &mut Words) -> Result<BTreeMap<Owner, Facts>, CodecError> {
        let mut all: BTreeMap<Owner, Facts> = BTreeMap::new();
        for (owner, facts) in self.moved(page, stored, words)?.into_values().flatten() {
            all.entry(owner).or_default().join(facts, words);
        }
        Ok(all)
    }
}
