//! Words and attributes by number, so that a fact of a person is a few integers. Numbers hold for one life of the object; stored
//! facts carry their words with them.

use std::collections::BTreeMap;

use schemas::Label;
use schemas::event::Cohort;

/// Most words and most attributes that are told apart; those beyond are `:other`, and attributes that are not known.
const NUMBERED_MAX: usize = 50_000;

/// A number for a word; 0 for none.
pub type WordNo = u32;
/// A number for attributes; 0 for none.
pub type CohortNo = u32;

/// Things by number.
#[derive(Clone, Debug)]
struct Numbered<T> {
    things: Vec<T>,
    numbers: BTreeMap<T, u32>,
}

impl<T: Ord + Clone> Numbered<T> {
    fn starting_with(first: T) -> Self {
        Self { things: vec![first.clone()], numbers: BTreeMap::from([(first, 0)]) }
    }

    fn number(&mut self, thing: &T) -> Option<u32> {
        if let Some(number) = self.numbers.get(thing) {
            return Some(*number);
        }
        let number = u32::try_from(self.things.len()).ok().filter(|_| self.things.len() < NUMBERED_MAX)?;
        self.things.push(thing.clone());
        self.numbers.insert(thing.clone(), number);
        Some(number)
    }
}

/// The words and attributes that facts speak of.
#[derive(Clone, Debug)]
pub struct Words {
    words: Numbered<Option<Label>>,
    cohorts: Numbered<Cohort>,
    other: WordNo,
}

impl Default for Words {
    fn default() -> Self {
        let mut words = Numbered::starting_with(None);
        let other = Label::parse(crate::fold::names::OTHER).ok().and_then(|other| words.number(&Some(other)));
        Self { words, cohorts: Numbered::starting_with(Cohort::default()), other: other.unwrap_or(0) }
    }
}

impl Words {
    /// The number of a word.
    pub fn number(&mut self, word: &Label) -> WordNo {
        // A clone of a label counts a reference; it copies nothing.
        self.words.number(&Some(word.clone())).unwrap_or(self.other)
    }

    /// The number of attributes.
    pub fn cohort_number(&mut self, cohort: &Cohort) -> CohortNo {
        if let Some(plan) = &cohort.plan {
            self.number(plan);
        }
        self.cohorts.number(cohort).unwrap_or(0)
    }

    /// The number of a word that is known.
    #[must_use]
    pub fn find(&self, word: &Label) -> Option<WordNo> {
        self.words.numbers.get(&Some(word.clone())).copied()
    }

    /// A word; `None` for number 0.
    #[must_use]
    pub fn word(&self, number: WordNo) -> Option<&Label> {
        self.words.things.get(number as usize)?.as_ref()
    }

    /// All words with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (WordNo, &Label)> {
        (0..).zip(&self.words.things).filter_map(|(number, word)| Some((number, word.as_ref()?)))
    }

    /// Attributes.
    #[must_use]
    pub fn cohort(&self, number: CohortNo) -> &Cohort {
        const UNKNOWN: &Cohort = &Cohort { country: None, utc_offset_minutes: None, plan: None, guest: None };
        self.cohorts.things.get(number as usize).unwrap_or(UNKNOWN)
    }

    /// The attributes that come last in the order of their values.
    #[must_use]
    pub fn later(&self, a: CohortNo, b: CohortNo) -> CohortNo {
        if a == b || self.cohort(a) >= self.cohort(b) { a } else { b }
    }

    /// The word that comes last in the alphabet.
    #[must_use]
    pub fn last_word(&self, a: WordNo, b: WordNo) -> WordNo {
        if a == b || self.word(a) >= self.word(b) { a } else { b }
    }
}
