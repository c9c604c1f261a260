//! Changes of names: facts in memory have those of now, facts in storage those of the last checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Owner, ThreadId};
use super::segment::Segment;
use super::stored::{Stretch, page_number};
use super::words::Words;

/// A change of names that facts in storage do not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// An owner goes by another name.
    Owner(Owner, Owner),
    /// A thread goes by another name.
    Thread((Owner, ThreadId), (Owner, ThreadId)),
    /// An owner is forgotten.
    Gone(Owner),
}

impl Move {
    /// Who had the facts, and who has them now.
    fn owners(&self) -> [Owner; 2] {
        match self {
            Self::Owner(from, to) | Self::Thread((from, _), (to, _)) => [*from, *to],
            Self::Gone(owner) => [*owner, *owner],
        }
    }
}

/// Pages whose facts the changes concern.
pub(super) fn pages(moves: &[Move]) -> impl Iterator<Item = u16> {
    moves.iter().flat_map(Move::owners).map(|owner| page_number(owner.bits()))
}

/// The names that storage may have an owner by, or a thread of theirs: back through what it does not know yet.
pub(super) fn names_before(moves: &[Move], owner: Owner, thread: Option<ThreadId>) -> Vec<(Owner, Option<ThreadId>)> {
    let mut names = vec![(owner, thread)];
    for change in moves.iter().rev() {
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
    names
}

/// Gives the facts of stored pages, all of [`pages`] among them, their names of now. Returns the places of those that changed.
pub(super) fn apply(
    moves: &[Move],
    pages: &mut BTreeMap<u16, BTreeMap<Stretch, Segment>>,
    words: &Words,
) -> BTreeSet<(u16, Stretch)> {
    let mut changed = BTreeSet::new();
    for change in moves {
        let [from, to] = change.owners().map(|owner| page_number(owner.bits()));
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
                        target.entry(*other).or_default().join(facts, words);
                    }
                }
                Move::Thread(thread, other) => {
                    if let Some(facts) = take_thread(segment, *thread) {
                        changed.extend([(from, stretch), (to, stretch)]);
                        let target = pages.entry(to).or_default().entry(stretch).or_default();
                        give_thread(target, *other, Some(facts), words);
                    }
                }
            }
        }
    }
    changed
}

/// What there is of a thread: a track of its person's, or all that its own owner has.
pub(super) fn take_thread(segment: &mut Segment, (owner, thread): (Owner, ThreadId)) -> Option<Facts> {
    match owner {
        Owner::User(_) => {
            let track = segment.get_mut(&owner)?.threads.remove(&thread)?;
            Some(Facts { threads: [(thread, track)].into(), ..Facts::default() })
        }
        Owner::Thread(_) => segment.remove(&owner),
    }
}

/// Adds what there is of a thread to what its owner has.
pub(super) fn give_thread(
    segment: &mut Segment,
    (owner, thread): (Owner, ThreadId),
    facts: Option<Facts>,
    words: &Words,
) {
    if let Some(mut facts) = facts {
        let tracks = std::mem::take(&mut facts.threads);
        let mine = segment.entry(owner).or_default();
        mine.join(facts, words);
        tracks.into_values().for_each(|track| mine.join_track(thread, track, words));
    }
}
