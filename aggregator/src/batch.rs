//! Events on their way to the Shards, and the claims that go ahead of them.
//!
//! Events are partitioned by person, but not every way knows whose a turn is: two ways may tell two Shards of one turn. Where
//! there are several Shards, the one that the reply's key leads to therefore decides first which of them is stored: the batch
//! claims its turns there, what has lost its claim is counted as a duplicate by the Shard that it was for, and the rest is
//! stored without another look. A turn that was claimed and then could not be stored is sent again by who sent it, as
//! everything is; were it never sent again, the other ways' tellings of it would be lost with it.

use std::collections::BTreeMap;

use schemas::Event;

use crate::correlate;
use crate::protocol::{AppendHeader, Claim, DeadLetterLine};

/// Events and dead letters for one Shard.
#[derive(Clone, Debug, Default)]
pub struct ShardBatch {
    /// What follows.
    pub header: AppendHeader,
    /// Canonical events, a line each.
    pub events: String,
    /// Dead letters, a line each.
    pub dead_letters: String,
    /// Lines whose turn another way may tell of, too, ascending.
    claims: Vec<(usize, Claim)>,
}

impl ShardBatch {
    /// Adds a canonical event.
    pub fn push(&mut self, event: &Event) {
        if let Ok(line) = event.to_line() {
            if let Some(reply) = correlate::reply_of(event) {
                self.claims.push((self.header.events, Claim { reply, source: event.source, id: event.id }));
            }
            self.header.events += 1;
            self.events.push_str(&line);
            self.events.push('\n');
        }
    }

    /// Adds a dead letter.
    pub fn bury(&mut self, letter: &DeadLetterLine) {
        if let Ok(line) = serde_json::to_string(letter) {
            self.header.dead_letters += 1;
            self.dead_letters.push_str(&line);
            self.dead_letters.push('\n');
        }
    }

    /// The message to the Shard, UTF-8.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let header = serde_json::to_vec(&self.header).unwrap_or_default();
        [header.as_slice(), b"\n", self.events.as_bytes(), self.dead_letters.as_bytes()].concat()
    }

    /// Takes out the lines that have lost their claims, ascending; they are counted as duplicates.
    fn without(mut self, lost: &[usize]) -> Self {
        self.header.claimed = true;
        if lost.is_empty() {
            return self;
        }
        let mut kept = String::with_capacity(self.events.len());
        for (number, line) in self.events.split_inclusive('\n').enumerate() {
            if lost.binary_search(&number).is_err() {
                kept.push_str(line);
            }
        }
        self.events = kept;
        self.header.events -= lost.len();
        self.header.duplicate += lost.len() as u64;
        self
    }
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

/// The batches as they are to be sent, once [`claims`] are decided on. `verdicts` has for each Shard that was asked one for
/// every claim, in order, or why it gave none: then a batch that depends on it must not be sent.
pub fn judged<E: Copy>(
    batches: BTreeMap<u32, ShardBatch>,
    shards: u32,
    verdicts: &BTreeMap<u32, Result<Vec<bool>, E>>,
) -> Vec<(u32, Result<ShardBatch, E>)> {
    let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
    let mut judge = |batch: ShardBatch| {
        let (mut lost, mut failed) = (Vec::new(), None);
        for (line, claim) in &batch.claims {
            let shard = claim.shard(shards);
            let at = taken.entry(shard).or_default();
            match verdicts.get(&shard) {
                Some(Err(error)) => failed = Some(*error),
                Some(Ok(won)) if won.get(*at) == Some(&false) => lost.push(*line),
                _ => {}
            }
            *at += 1;
        }
        failed.map_or(Ok(batch), Err).map(|batch| if shards > 1 { batch.without(&lost) } else { batch })
    };
    batches.into_iter().map(|(shard, batch)| (shard, judge(batch))).collect()
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod tests;
