//! Ways, retries, restarts and Shards in any order: what is stored of a reply is what the way that told most of it told.

use super::*;
use crate::fold::intake::Tally;
use crate::fold::testing::turn;
use crate::protocol::AppendReply;
use crate::shard::{Shard, ShardError};
use crate::storage::memory::{Fault, Memory};
use proptest::prelude::*;
use schemas::event::Source;
use schemas::{Body, KeyId, ReplyKey, UtcDay, UtcMillis};

const NOW: UtcMillis = UtcMillis(1_793_000_000_000);
const WAYS: [Source; 4] = [Source::Backend, Source::Gateway, Source::Otlp, Source::Response];

/// A turn that `way` tells of. The gateway knows its person, OpenTelemetry does not, the app's events know another name.
fn telling(id: u128, reply: u8, way: usize) -> Event {
    let user = [Some(reply % 3), Some(reply % 3 + 10), None, Some(reply % 3)][way];
    let mac = u128::from(reply).wrapping_add(1).wrapping_mul(0xD6E8_FEB8_6659_FD93_9E37_79B9_7F4A_7C15);
    Event {
        source: WAYS[way],
        reply: Some(ReplyKey::from_mac(KeyId(1), mac.to_be_bytes())),
        ..turn(id, user, None, NOW.0, Some(1), 0)
    }
}

/// Shards with their storage; what fails is opened anew.
struct Shards(Vec<(Memory, Shard<Memory>)>);

impl Shards {
    fn new(number: u32) -> Self {
        let open = |_| {
            let storage = Memory::default();
            (storage.clone(), Shard::open(storage, NOW).unwrap())
        };
        Self((0..number).map(open).collect())
    }

    fn reopen(&mut self, shard: u32) {
        let (storage, state) = &mut self.0[shard as usize];
        *state = Shard::open(storage.clone(), NOW).unwrap();
    }

    fn on<T>(
        &mut self,
        shard: u32,
        work: impl FnOnce(&mut Shard<Memory>) -> Result<T, ShardError>,
    ) -> Result<T, ShardError> {
        let result = work(&mut self.0[shard as usize].1);
        if result.is_err() {
            self.reopen(shard);
        }
        result
    }

    /// What the collector does with a request.
    fn send(&mut self, events: &[Event]) -> Result<AppendReply, ShardError> {
        let shards = self.0.len() as u32;
        let mut batches: BTreeMap<u32, ShardBatch> = BTreeMap::new();
        events.iter().for_each(|event| batches.entry(event.shard(shards)).or_default().push(event));
        let verdicts = claims(&batches, shards)
            .into_iter()
            .map(|(shard, claims)| (shard, self.on(shard, |state| state.claim(&claims, NOW))))
            .collect();
        let mut total = AppendReply::default();
        for (shard, batch) in judged(&batches, shards, &verdicts) {
            let message = batch?;
            let reply = self.on(shard, |state| state.append(&[message], NOW)?.remove(0))?;
            total.stored += reply.stored;
            total.duplicate += reply.duplicate;
            total.correlated += reply.correlated;
        }
        Ok(total)
    }

    fn tally(&mut self) -> Tally {
        let mut total = Tally::default();
        self.0.iter_mut().for_each(|(_, shard)| total.merge(&shard.intake_of(UtcDay::of(NOW)).unwrap()));
        total
    }
}

#[test]
fn what_another_way_told_is_a_duplicate_and_so_is_its_retry() {
    for shards in [1, 4] {
        let mut objects = Shards::new(shards);
        let (gateway, otlp) = (telling(1, 0, 1), telling(2, 0, 2));
        assert_eq!(objects.send(std::slice::from_ref(&gateway)).unwrap().stored, 1);
        for _ in 0..2 {
            let reply = objects.send(std::slice::from_ref(&otlp)).unwrap();
            assert_eq!((reply.stored, reply.duplicate, reply.correlated), (0, 1, 1));
            let reply = objects.send(std::slice::from_ref(&gateway)).unwrap();
            assert_eq!((reply.stored, reply.duplicate, reply.correlated), (0, 1, 0));
            (0..shards).for_each(|shard| objects.reopen(shard));
        }
        let second = [telling(3, 0, 2), telling(4, 0, 1)];
        let reply = objects.send(&second).unwrap();
        assert_eq!((reply.stored, reply.duplicate, reply.correlated), (1, 1, 1));
        assert_eq!((objects.tally().received(), objects.tally().stored), (7, 2));
    }
}

#[test]
fn only_turns_of_a_way_are_correlated() {
    let mut objects = Shards::new(1);
    let by_hand = |id| Event { source: Source::Admin, ..telling(id, 0, 0) };
    let without = |id, way| Event { reply: None, ..telling(id, 0, way) };
    let events = [by_hand(1), by_hand(2), without(3, 1), without(4, 2), telling(5, 0, 0), telling(6, 1, 0)];
    assert_eq!(objects.send(&events).unwrap().stored, 6);
    let mut feedback = telling(7, 0, 1);
    feedback.body = Body::Moment(schemas::event::Moment { text_chars: 1, text: None });
    assert_eq!(objects.send(&[feedback]).unwrap().stored, 1);
}

#[test]
fn a_claim_that_got_no_answer_keeps_its_batch_back() {
    let events = [telling(1, 0, 1), telling(2, 1, 1)];
    let mut batches: BTreeMap<u32, ShardBatch> = BTreeMap::new();
    events.iter().for_each(|event| batches.entry(event.shard(2)).or_default().push(event));
    let asked = claims(&batches, 2);
    let verdicts = asked.keys().map(|shard| (*shard, Err::<Vec<bool>, _>("silent"))).collect();
    assert!(judged(&batches, 2, &verdicts).iter().all(|(_, batch)| batch.is_err()));
    assert!(claims(&batches, 1).is_empty());
    let alone = judged(&batches, 1, &BTreeMap::<u32, Result<Vec<bool>, &str>>::new());
    assert!(alone.iter().all(|(_, batch)| !String::from_utf8_lossy(batch.as_ref().unwrap()).contains("claimed")));
}

#[test]
fn a_reply_id_that_never_changes_is_a_turn_each_time() {
    let mut objects = Shards::new(1);
    let calls: Vec<Event> = (0..5_000).map(|id| telling(id, 0, 1)).collect();
    let spans: Vec<Event> = (0..5_000).map(|id| telling(10_000 + id, 0, 2)).collect();
    for (calls, spans) in calls.chunks(70).zip(spans.chunks(70)) {
        objects.send(calls).unwrap();
        objects.send(spans).unwrap();
    }
    assert_eq!((objects.tally().stored, objects.tally().duplicate), (5_000, 5_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_order_of_ways_changes_nothing(
        tellings in proptest::collection::vec((0u8..4, 0usize..4, 1u8..3), 1..40),
        batch in 1usize..6,
        shards in 1u32..5,
        faults in proptest::collection::vec((0u32..4, any::<bool>(), 0u32..8), 1..8),
    ) {
        let mut objects = Shards::new(shards);
        let mut sent = Vec::new();
        let mut most: BTreeMap<(u8, usize), u64> = BTreeMap::new();
        for (i, (reply, way, times)) in tellings.iter().enumerate() {
            *most.entry((*reply, *way)).or_default() += 1;
            (0..*times).for_each(|again| sent.push((u32::from(again) * 7 + i as u32, telling(i as u128 + 1, *reply, *way))));
        }
        sent.sort_by_key(|(at, _)| *at);
        let sent: Vec<Event> = sent.into_iter().map(|(_, event)| event).collect();
        let mut faults = faults.into_iter().cycle();
        for chunk in sent.chunks(batch) {
            let (nth, after, victim) = faults.next().unwrap();
            objects.0[(victim % shards) as usize].0.fail(nth, if after { Fault::After } else { Fault::Before });
            while objects.send(chunk).is_err() {}
            objects.reopen(victim % shards);
        }
        let expected: u64 = (0..4).map(|reply| (0..4).filter_map(|way| most.get(&(reply, way))).max().unwrap_or(&0)).sum();
        let tally = objects.tally();
        prop_assert_eq!(tally.stored, expected);
        prop_assert!(tally.received() >= sent.len() as u64);
        (0..shards).for_each(|shard| objects.reopen(shard));
        prop_assert_eq!(objects.tally(), tally);
    }
}
