//! Which Shard holds what, and which Shard a new one takes over from.
//!
//! The count of Shards doubles: of 2N Shards, number `s + N` holds half of what Shard `s` of N held. Two senders may know two
//! counts for a while. A Shard serves those only who know its own count; it goes on to a greater one when it is told of it, and
//! never back, and says so to who knows a smaller one. So of what leads to one Shard, under whatever count, one Shard at a time
//! takes anything in.

use serde::{Deserialize, Serialize};

/// Most Shards.
pub const SHARDS_MAX: u32 = 256;

/// One of a number of Shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which, from 0.
    pub shard: u32,
    /// Of how many.
    pub shards: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self { shard: 0, shards: 1 }
    }
}

impl Place {
    /// The Shard that holds what these bits lead to: see [`schemas::event::Belonging::bits`].
    #[must_use]
    pub fn of(bits: u64, shards: u32) -> Self {
        let shards = shards.max(1);
        Self { shard: u32::try_from(bits % u64::from(shards)).unwrap_or(0), shards }
    }

    /// Do these bits lead here?
    #[must_use]
    pub fn holds(self, bits: u64) -> bool {
        Self::of(bits, self.shards).shard == self.shard
    }

    /// As one of the fewest Shards that it can be one of: what it takes over is all that leads there.
    #[must_use]
    pub fn at_birth(self) -> Self {
        let mut shards = self.shards.max(1);
        while shards.is_multiple_of(2) && self.shard < shards / 2 {
            shards /= 2;
        }
        Self { shards, ..self }
    }

    /// Whom it takes over from; `None` of Shard 0. One that was never split off from another has nothing to take from Shard 0,
    /// and asks it whether there are so many.
    #[must_use]
    pub fn parent(self) -> Option<u32> {
        let Self { shard, shards } = self.at_birth();
        (shard > 0).then(|| if shards.is_multiple_of(2) { shard - shards / 2 } else { 0 })
    }

    /// The Shards whose logs may hold what leads here: those that it descends from, and itself, ascending.
    #[must_use]
    pub fn line(self) -> Vec<u32> {
        let mut line = vec![self.shard];
        let mut at = self;
        while let Some(shard) = at.parent() {
            line.push(shard);
            at.shard = shard;
        }
        line.reverse();
        line
    }

    /// Can there be as many, one day?
    #[must_use]
    pub fn can_grow_to(self, shards: u32) -> bool {
        let times = shards / self.shards.max(1);
        shards <= SHARDS_MAX && times.is_power_of_two() && times * self.shards == shards
    }

    /// What is left of bits when all that is to be known of them is where they lead, however far the count doubles.
    #[must_use]
    pub fn residue(self, bits: u64) -> u16 {
        let mut most = self.shards.max(1);
        while most * 2 <= SHARDS_MAX {
            most *= 2;
        }
        u16::try_from(bits % u64::from(most)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shard: u32, shards: u32) -> Place {
        Place { shard, shards }
    }

    #[test]
    fn a_line_goes_back_to_where_the_count_was_odd() {
        assert_eq!(place(0, 4).line(), [0]);
        assert_eq!(place(3, 4).line(), [0, 1, 3]);
        assert_eq!(place(2, 4).line(), [0, 2]);
        assert_eq!(place(5, 12).line(), [0, 2, 5]);
        assert_eq!(place(255, 256).line(), [0, 1, 3, 7, 15, 31, 63, 127, 255]);
        assert_eq!(place(1, 8).at_birth(), place(1, 2));
        assert_eq!(place(2, 3).at_birth(), place(2, 3));
    }

    #[test]
    fn counts_double() {
        for (from, to, can) in [
            (1, 2, true),
            (1, 4, true),
            (3, 12, true),
            (2, 6, false),
            (4, 2, false),
            (4, 4, true),
            (256, 512, false),
            (2, 3, false),
        ] {
            assert_eq!(place(0, from).can_grow_to(to), can, "{from} to {to}");
        }
    }

    #[test]
    fn whatever_the_count_was_the_line_held_it() {
        for (bits, shards) in
            (0..2_000u64).flat_map(|bits| [1, 2, 3, 4, 6, 24, 64, 192, 256].map(|shards| (bits * 7_919, shards)))
        {
            let now = Place::of(bits, shards);
            let mut before = shards;
            loop {
                assert!(now.line().contains(&Place::of(bits, before).shard));
                assert_eq!(Place::of(u64::from(Place::of(bits, before).residue(bits)), shards), now);
                if before % 2 == 1 {
                    break;
                }
                before /= 2;
            }
            assert!(now.at_birth().holds(bits));
        }
    }
}
