//! A turn that several ways tell of counts once.
//!
//! The correlation key is the provider's own id of the reply ([`schemas::Event::reply`]). Within one way ([`Source`]) an
//! event's own id decides, so that a retry is a duplicate and two calls that got the same reply id are two turns. Across ways
//! the n-th turn of a reply by one way is the same turn as the n-th by another: what is stored of a reply is the largest number
//! that any way has told of, in whatever order they come. Of two tellings the first is kept.
//!
//! Nothing is kept for it but further ids among those already seen: one that says that a way has told of its n-th turn of a
//! reply, and, in place of the id of an event that was told before, one that says so. They are forgotten with the rest after
//! seven days; a reply whose ways lie further apart counts twice.

use schemas::event::Source;
use schemas::{Body, Event, EventKey, ReplyKey};

/// Ways by which turns come in.
const WAYS: [Source; 4] = [Source::Backend, Source::Gateway, Source::Otlp, Source::Response];

/// Kinds of ids, mixed with what they are about. Stored: a change makes what was seen unseen.
mod tag {
    /// An event whose turn another way has told of.
    pub(super) const LOST: u64 = 1;
    /// An event whose turn no other way has told of, remembered by a Shard that does not store it.
    pub(super) const WON: u64 = 2;
    /// The n-th turn of a reply by a way; the way's number is added.
    pub(super) const TOLD: u64 = 16;
}

/// A turn's place among those that its way has told of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What is to be remembered of it.
    pub(crate) id: u64,
    /// No other way has told of as many.
    pub(crate) first: bool,
}

/// The reply that an event tells of, where it is a turn that other ways may tell of, too.
pub(crate) fn reply_of(event: &Event) -> Option<ReplyKey> {
    event.reply.filter(|_| matches!(event.body, Body::Turn(_)) && WAYS.contains(&event.source))
}

/// The place of the next turn of `reply` that `way` tells of. `knows` says whether an id was seen.
pub(crate) fn place(reply: ReplyKey, way: Source, knows: impl Fn(u64) -> bool) -> Place {
    let n = count(|n| knows(told(reply, way, n))) + 1;
    let first = !WAYS.into_iter().any(|other| other != way && knows(told(reply, other, n)));
    Place { id: told(reply, way, n), first }
}

/// Remembered in place of the id of an event whose turn another way has told of.
pub(crate) fn lost(id: EventKey) -> u64 {
    mix(id.prefix(), tag::LOST, 0)
}

/// Remembered of an event that has won its claim, and may be stored elsewhere.
pub(crate) fn won(id: EventKey) -> u64 {
    mix(id.prefix(), tag::WON, 0)
}

fn told(reply: ReplyKey, way: Source, n: u64) -> u64 {
    let number = match way {
        Source::Backend => 0,
        Source::Gateway => 1,
        Source::Otlp => 2,
        Source::Response => 3,
        Source::Edge | Source::Browser | Source::Admin => 4,
    };
    mix(reply.prefix(), tag::TOLD + number, n)
}

/// How many of 1, 2, 3… hold, where those that hold come first: in about twice as many steps as the number has bits, for
/// local servers and recorded replies give every reply the same id.
fn count(holds: impl Fn(u64) -> bool) -> u64 {
    let mut beyond = 1;
    while holds(beyond) {
        beyond *= 2;
    }
    let mut known = beyond / 2;
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        if holds(middle) {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    known
}

/// Finaliser of splitmix64 (Steele, Lea & Flood 2014) over bits of a MAC and two numbers.
fn mix(mac: u64, tag: u64, n: u64) -> u64 {
    let mut bits = mac ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ tag.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use super::*;
    use schemas::KeyId;

    #[test]
    fn stored_ids_keep_their_meaning() {
        let (reply, event) = (ReplyKey::from_mac(KeyId(1), [7; 16]), EventKey::from_mac(KeyId(1), [9; 16]));
        let ids = [told(reply, Source::Backend, 1), told(reply, Source::Gateway, 2), lost(event), won(event)];
        assert_eq!(
            ids,
            [
                6_482_583_192_562_270_941,
                12_201_848_133_887_008_634,
                11_586_900_777_713_969_611,
                9_951_908_240_715_010_869
            ]
        );
    }

    #[test]
    fn counting_takes_few_steps() {
        for n in [0, 1, 2, 3, 7, 8, 1_000, 1 << 20] {
            let steps = Cell::new(0);
            let counted = count(|i| {
                steps.set(steps.get() + 1);
                i <= n
            });
            assert_eq!(counted, n);
            assert!(steps.get() <= 2 * n.max(1).ilog2() + 2, "{} steps for {n}", steps.get());
        }
    }

    #[test]
    fn what_any_way_told_most_of_is_what_counts() {
        let reply = ReplyKey::from_mac(KeyId(1), [7; 16]);
        let mut seen = HashSet::new();
        let mut tell = |way| {
            let place = place(reply, way, |id| seen.contains(&id));
            seen.insert(place.id);
            place.first
        };
        let ways = [Source::Gateway, Source::Otlp, Source::Gateway, Source::Backend, Source::Otlp, Source::Otlp];
        assert_eq!(ways.map(&mut tell), [true, false, true, false, false, true]);
        assert_eq!([Source::Gateway, Source::Response].map(&mut tell), [false, false]);
    }
}
