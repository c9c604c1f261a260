//! Events on their way to the Shards, and the claims that go ahead of them.
//!
//! Events are partitioned by person, but not every way knows whose a turn is: two ways may tell two Shards of one turn. Where
//! there are several Shards, the one that the reply's key leads to therefore decides first which of them is stored: the batch
//! claims its turns there, what has lost its claim is counted as a duplicate by the Shard that it was for, and the rest is
//! stored without another look. A turn that was claimed and then could not be stored is sent again by who sent it, as
//! everything is; were it never sent again, the other ways' tellings of it would be lost with it.
//!
//! A Shard that knows of more Shards than the sender stores nothing of its batch, and says how many there are: [`regrouped`]
//! sorts such batches anew, as if they came just now.

use std::collections::BTreeMap;

use schemas::Event;
use schemas::event::stored;

use crate::correlate;
use crate::place::Place;
use crate::protocol::{AppendHeader, Claim, DeadLetterLine};

/// Events and dead letters for one Shard.
#[derive(Clone, Debug, Default)]
pub struct ShardBatch {
    /// What follows.
    pub header: AppendHeader,
    /// Canonical events, as the log keeps them.
    pub events: Vec<u8>,
    /// Dead letters, a line each.
    pub dead_letters: String,
    /// Events whose turn another way may tell of, too, by their numbers, ascending.
    claims: Vec<(usize, Claim)>,
    /// What leads to the Shard of each event, in order.
    bits: Vec<u64>,
}

impl ShardBatch {
    /// Adds a canonical event.
    pub fn push(&mut self, event: &Event) {
        if let Some(reply) = correlate::reply_of(event) {
            self.claims.push((self.header.events, Claim { reply, source: event.source, id: event.id }));
        }
        stored::push(&mut self.events, event);
        self.header.events += 1;
        self.bits.push(event.belongs_to());
    }

    /// Adds a dead letter.
    pub fn bury(&mut self, letter: &DeadLetterLine) {
        if let Ok(line) = serde_json::to_string(letter) {
            self.bury_line(&line);
        }
    }

    fn bury_line(&mut self, line: &str) {
        self.header.dead_letters += 1;
        self.dead_letters.push_str(line);
        self.dead_letters.push('\n');
    }

    /// The message to the Shard.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let header = serde_json::to_vec(&self.header).unwrap_or_default();
        [header.as_slice(), b"\n", self.dead_letters.as_bytes(), &self.events].concat()
    }

    /// The message without the events that have lost their claims, by their numbers, ascending; they are counted as duplicates.
    fn claimed(&self, lost: &[usize]) -> Vec<u8> {
        let header = AppendHeader {
            claimed: true,
            events: self.header.events - lost.len(),
            duplicate: self.header.duplicate + lost.len() as u64,
            ..self.header.clone()
        };
        let mut events = Vec::with_capacity(self.events.len());
        for (number, event) in stored::events(&self.events).flatten().enumerate() {
            if lost.binary_search(&number).is_err() {
                stored::push_stored(&mut events, event);
            }
        }
        Self { header, events, dead_letters: self.dead_letters.clone(), ..Self::default() }.message()
    }
}

/// Batches that were not stored, sorted for another number of Shards.
#[must_use]
pub fn regrouped(batches: impl IntoIterator<Item = ShardBatch>, shards: u32) -> BTreeMap<u32, ShardBatch> {
    let mut sorted: BTreeMap<u32, ShardBatch> = BTreeMap::new();
    for batch in batches {
        let mut claims = batch.claims.iter().peekable();
        for (number, (event, bits)) in stored::events(&batch.events).flatten().zip(&batch.bits).enumerate() {
            let target = sorted.entry(Place::of(*bits, shards).shard).or_default();
            if let Some((_, claim)) = claims.next_if(|(claimed, _)| *claimed == number) {
                target.claims.push((target.header.events, *claim));
            }
            stored::push_stored(&mut target.events, event);
            target.header.events += 1;
            target.bits.push(*bits);
        }
        for line in batch.dead_letters.lines() {
            let digest = serde_json::from_str(line).ok().and_then(|letter: DeadLetterLine| letter.id());
            sorted.entry(Place::of(digest.unwrap_or_default(), shards).shard).or_default().bury_line(line);
        }
        if !batch.header.dropped.is_empty() {
            let dropped = &mut sorted.entry(0).or_default().header.dropped;
            batch.header.dropped.iter().for_each(|(reason, count)| *dropped.entry(*reason).or_default() += count);
        }
    }
    sorted
}

/// The claims of all batches by the Shard that decides on them; none where there is one Shard only.
#[must_use]
pub fn claims(batches: &BTreeMap<u32, ShardBatch>, shards: u32) -> BTreeMap<u32, Vec<Claim>> {
    let mut claims: BTreeMap<u32, Vec<Claim>> = BTreeMap::new();
    if shards > 1 {
        for (_, claim) in batches.values().flat_map(|batch| &batch.claims) {
            claims.entry(claim.shard(shards)).or_default().push(*claim);
        }
    }
    claims
}

/// The messages of the batches, once [`claims`] are decided on. `verdicts` has for each Shard that was asked one for
/// every claim, in order, or why it gave none: then a batch that depends on it must not be sent.
pub fn judged<E: Copy>(
    batches: &BTreeMap<u32, ShardBatch>,
    shards: u32,
    verdicts: &BTreeMap<u32, Result<Vec<bool>, E>>,
) -> Vec<(u32, Result<Vec<u8>, E>)> {
    let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
    let mut judge = |batch: &ShardBatch| {
        let (mut lost, mut failed) = (Vec::new(), None);
        for (number, claim) in &batch.claims {
            let shard = claim.shard(shards);
            let at = taken.entry(shard).or_default();
            match verdicts.get(&shard) {
                Some(Err(error)) => failed = Some(*error),
                Some(Ok(won)) if won.get(*at) == Some(&false) => lost.push(*number),
                _ => {}
            }
            *at += 1;
        }
        failed.map_or(Ok(()), Err).map(|()| if shards > 1 { batch.claimed(&lost) } else { batch.message() })
    };
    batches.iter().map(|(shard, batch)| (*shard, judge(batch))).collect()
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod tests;
