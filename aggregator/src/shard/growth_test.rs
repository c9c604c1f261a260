//! However and whenever Shards double, everything told equals what one Shard would tell that never split.

use proptest::prelude::*;
use schemas::event::{self, Aside, Cost, Source};
use schemas::time::{DAY_MS, HOUR_MS};
use schemas::{Bucket15, Event, KeyId, NanoUsd, ReplyKey, UserKey};

use super::rotation_test::{turned, turned_user};
use super::*;
use crate::batch::{ShardBatch, claims, judged, regrouped};
use crate::budget::{HOLD_MS, Limits, Periods, Refusal};
use crate::fold::cost::Amount;
use crate::fold::pending::{PendingTurn, repriced_event};
use crate::fold::testing::{history, turn};
use crate::fold::{Bucket, Counters};
use crate::place::Place;
use crate::protocol::Person;
use crate::storage::memory::{Fault, Memory};

const NOW: UtcMillis = UtcMillis(1_796_000_000_000);

fn user(n: u8) -> UserKey {
    turn(1, Some(n), None, 0, None, 0).user.unwrap()
}

/// Shards as objects of a host: what fails is opened anew, and who is told of another count asks again.
struct Net {
    disks: BTreeMap<u32, Memory>,
    open: BTreeMap<u32, Shard<Memory>>,
    now: UtcMillis,
    /// The greatest count that a sender knows.
    shards: u32,
}

impl Net {
    fn new() -> Self {
        Self { disks: BTreeMap::new(), open: BTreeMap::new(), now: NOW, shards: 1 }
    }

    fn disk(&mut self, shard: u32) -> Memory {
        self.disks.entry(shard).or_default().clone()
    }

    fn on<T>(
        &mut self,
        shard: u32,
        work: impl FnOnce(&mut Shard<Memory>) -> Result<T, ShardError>,
    ) -> Result<T, ShardError> {
        let mut state = match self.open.remove(&shard) {
            Some(state) => state,
            None => Shard::open(self.disk(shard), self.now)?,
        };
        let result = work(&mut state);
        if !matches!(result, Err(ShardError::Storage(_) | ShardError::Ledger | ShardError::Codec(_))) {
            self.open.insert(shard, state);
        }
        result
    }

    /// One try to bring a Shard to where it serves who knows the count.
    fn ready(&mut self, at: Place) -> Result<(), ShardError> {
        self.on(at.shard, |shard| shard.admit(at))?;
        while let Some(Want::Page(parent, from)) = self.on(at.shard, |shard| Ok(shard.wants()))? {
            let parent = Place { shard: parent, ..at };
            self.ready(parent)?;
            let page = self.on(parent.shard, |shard| {
                shard.serves(at.shards)?;
                shard.hand_over(at.shard, from)
            })?;
            // As it goes from object to object.
            let page = fold::decode(&fold::encode(&page).unwrap()).unwrap();
            self.on(at.shard, |shard| shard.take_over(from, page))?;
            if self.on(at.shard, |shard| Ok(!matches!(shard.wants(), Some(Want::Page(..)))))? {
                self.open.remove(&at.shard);
            }
        }
        if let Some(Want::Tell(parent)) = self.on(at.shard, |shard| Ok(shard.wants()))? {
            self.ready(Place { shard: parent, ..at })?;
            self.on(parent, |shard| shard.taken_over(at.shard))?;
            self.on(at.shard, Shard::told_parent)?;
        }
        self.on(at.shard, |shard| shard.serves(at.shards))
    }

    fn ask<T>(
        &mut self,
        at: Place,
        work: impl FnOnce(&mut Shard<Memory>) -> Result<T, ShardError>,
    ) -> Result<T, ShardError> {
        self.ready(at)?;
        self.on(at.shard, work)
    }

    /// What [`crate::runtime`] does with a request of a sender that knows `shards`.
    fn send(&mut self, events: &[Event], mut shards: u32) -> Result<AppendReply, ShardError> {
        let now = self.now;
        let mut all = ShardBatch::default();
        events.iter().for_each(|event| all.push(event));
        let mut left = regrouped([all], shards);
        let mut total = AppendReply::default();
        while !left.is_empty() {
            let asked = claims(&left, shards);
            let verdicts: BTreeMap<u32, Result<Vec<bool>, ShardError>> = asked
                .into_iter()
                .map(|(shard, claims)| (shard, self.ask(Place { shard, shards }, |state| state.claim(&claims, now))))
                .collect();
            let mut moved = None;
            let mut again = Vec::new();
            for (shard, message) in judged(&left, shards, &verdicts) {
                let message = message.and_then(|message| {
                    self.ready(Place { shard, shards })?;
                    self.on(shard, |state| state.append_of(&[(shards, message)], now)?.remove(0))
                });
                match message {
                    Ok(reply) => {
                        total.stored += reply.stored;
                        total.duplicate += reply.duplicate;
                        reply
                            .dropped
                            .into_iter()
                            .for_each(|(reason, n)| *total.dropped.entry(reason).or_default() += n);
                    }
                    Err(ShardError::Moved(more)) => {
                        moved = moved.max(Some(more));
                        again.extend(left.remove(&shard));
                    }
                    Err(error) => return Err(error),
                }
            }
            shards = moved.unwrap_or(shards);
            left = regrouped(again, shards);
        }
        self.shards = self.shards.max(shards);
        Ok(total)
    }

    /// Everything kept of everyone, as an answer of all Shards that goes by one count.
    fn told(&mut self, shards: u32) -> Result<BTreeMap<Owner, Vec<u8>>, ShardError> {
        let mut told = BTreeMap::new();
        for shard in 0..shards {
            for (owner, facts) in
                self.ask(Place { shard, shards }, |state| state.settle_names().map(|()| state.told()))?
            {
                assert!(told.insert(owner, facts).is_none(), "{owner:?} is in two Shards");
            }
        }
        Ok(told)
    }

    fn erase(&mut self, person: &Person, bits: u64, shards: u32) -> Result<(), ShardError> {
        let (at, now) = (Place::of(bits, shards), self.now);
        let names = self.ask(at, |state| state.held(person, u64::MAX))?.names;
        for shard in at.line() {
            let person = Person { elsewhere: shard != at.shard, formerly: names.clone(), ..person.clone() };
            self.ask(Place { shard, shards }, |state| state.erase_here(&person, now))?;
        }
        Ok(())
    }

    fn held(&mut self, person: &Person, bits: u64, shards: u32) -> Result<Held, ShardError> {
        let at = Place::of(bits, shards);
        let mut held = self.ask(at, |state| state.held(person, u64::MAX))?;
        for shard in at.line() {
            let person = Person { formerly: held.names.clone(), ..person.clone() };
            held.events.extend(self.ask(Place { shard, shards }, |state| state.held(&person, 0))?.events);
        }
        Ok(held)
    }

    fn reprice(&mut self, shards: u32) -> Result<(), ShardError> {
        let now = self.now;
        for shard in 0..shards {
            let at = Place { shard, shards };
            let (elsewhere, own): (Vec<PendingTurn>, Vec<PendingTurn>) = self
                .ask(at, |state| Ok(state.pending(None)))?
                .turns
                .into_iter()
                .partition(|found| found.turn.elsewhere);
            let mut batch = ShardBatch::default();
            own.iter().for_each(|found| batch.push(&repriced_event(found, price(&found.id))));
            self.ask(at, |state| state.append_of(&[(shards, batch.message())], now)?.remove(0))?;
            let prices: Vec<_> =
                elsewhere.iter().filter_map(|found| Some((found.id, price(&found.id).nano_usd()?))).collect();
            self.ask(at, |state| state.price(&prices, now))?;
        }
        Ok(())
    }

    fn refusal(&mut self, who: UserKey, bits: u64, shards: u32) -> Result<Refusal, ShardError> {
        let now = self.now;
        self.ask(Place::of(bits, shards), |state| refusal(state, who, now))
    }
}

fn price(id: &EventKey) -> Cost {
    let event::Turn { cost, .. } = match turn(1, None, None, 0, Some((id.prefix() % 1_000) as i64), 0).body {
        schemas::Body::Turn(turn) => turn,
        _ => unreachable!(),
    };
    cost
}

fn hold(id: u128, who: UserKey, bits: u64, amount: i64, month: i64, now: UtcMillis) -> HoldRequest {
    HoldRequest {
        id: turn(1_000_000 + id, None, None, 0, None, 0).id,
        user: Some(who),
        bits,
        at: now,
        amount: NanoUsd(amount),
        limits: Limits { user_month: NanoUsd(month), ..Limits::default() },
        periods: Periods { month: Span { from: Bucket15(0), to: Bucket15(i32::MAX) }, ..Periods::default() },
        hold_ms: 6 * HOLD_MS,
    }
}

/// What someone has spent, and what is held for them.
fn refusal(shard: &mut Shard<Memory>, who: UserKey, now: UtcMillis) -> Result<Refusal, ShardError> {
    match shard.hold(&hold(0, who, 0, i64::MAX / 4, 1, now), now)? {
        HoldReply::Refused(refusal) => Ok(refusal),
        HoldReply::Admitted => panic!("admitted"),
    }
}

/// Counts of all Shards together, and turns that wait for a price.
fn counted<'a>(shards: impl Iterator<Item = &'a mut Shard<Memory>>) -> (BTreeMap<i32, Bucket>, u64, u64) {
    let (mut buckets, mut stored, mut pending) = (BTreeMap::<i32, Bucket>::new(), 0, 0);
    for shard in shards {
        pending += shard.pending_counts().0;
        for day in shard.all_days().values() {
            stored += day.intake.0.values().map(|tally| tally.stored).sum::<u64>();
            day.buckets.iter().for_each(|(at, bucket)| buckets.entry(*at).or_default().merge(bucket));
        }
    }
    // Empty counts that a price or an erasure left behind say nothing.
    for bucket in buckets.values_mut() {
        bucket.cost.lines.retain(|_, amount| *amount != Amount::default());
    }
    buckets.retain(|_, bucket| *bucket != Bucket::default());
    (buckets, stored, pending)
}

#[derive(Clone, Debug)]
enum Step {
    /// So many events, by a sender who knows 2 to the power of this many Shards less than there can be.
    Send(usize, u32),
    /// Events from before once more.
    Again(usize, u32),
    Double(u32),
    Erase(u8),
    Reprice,
    Hold(u8),
    Restart(u32),
    Checkpoint(u32),
    Forget(u32),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1usize..9, 0u32..3).prop_map(|(n, less)| Step::Send(n, less)),
        2 => (0usize..60, 0u32..3).prop_map(|(n, less)| Step::Again(n, less)),
        2 => (1u32..3).prop_map(Step::Double),
        1 => (0u8..3).prop_map(Step::Erase),
        1 => Just(Step::Reprice),
        1 => (3u8..6).prop_map(Step::Hold),
        2 => (0u32..8).prop_map(Step::Restart),
        1 => (0u32..8).prop_map(Step::Checkpoint),
        2 => (0u32..8).prop_map(Step::Forget),
        1 => Just(Step::Look),
    ];
    proptest::collection::vec(step, 1..50)
}

/// Tries again until it works, by the count that a Shard names.
fn until<T>(net: &mut Net, mut shards: u32, mut work: impl FnMut(&mut Net, u32) -> Result<T, ShardError>) -> T {
    for _ in 0..1_000 {
        match work(net, shards) {
            Ok(done) => {
                net.shards = net.shards.max(shards);
                return done;
            }
            Err(ShardError::Moved(more)) => {
                assert!(more > shards);
                shards = more;
            }
            Err(ShardError::Storage(_) | ShardError::Ledger | ShardError::Codec(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no end")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn shards_that_doubled_tell_what_one_that_did_not_tells(
        events in history(100),
        ways in proptest::collection::vec(0usize..9, 100),
        steps in steps(),
        turned_at in 0usize..140,
        faults in proptest::collection::vec((0u32..8, 0u32..6, any::<bool>()), 1..12),
    ) {
        let mut one = Shard::open(Memory::default(), NOW).unwrap();
        let mut net = Net::new();
        let mut count = 1;
        let mut faults = faults.into_iter().cycle();
        // From some event on, the secret is another one.
        let turns = turned_at < events.len();
        let event = |n: usize, next: usize| -> Event {
            let mut event = events[n].clone();
            // One of several tellings of a reply, each by another way; of no one who is erased, for a claim is won all the same.
            if !turns && ways[n] < 4 && (0..3).all(|who| event.user != Some(user(who))) {
                let mac = (n as u128 / 4 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93_9E37_79B9_7F4A_7C15);
                event.reply = Some(ReplyKey::from_mac(KeyId(1), mac.to_be_bytes()));
                event.source = [Source::Backend, Source::Gateway, Source::Otlp, Source::Response][ways[n]];
            }
            if next <= turned_at || event.user.is_none() {
                return event;
            }
            let home = event.user.map(|user| user.prefix());
            let mut event = turned(&event);
            event.aside = event.aside.map(|aside| Box::new(Aside { home, ..*aside }));
            event
        };
        let person = |who: u8, next: usize| match next > turned_at {
            true => Person {
                user: turned_user(user(who)),
                was: Some(user(who)),
                home: Some(user(who).prefix()),
                ..Person::default()
            },
            false => Person { user: user(who), ..Person::default() },
        };
        let (mut next, mut holds) = (0, 0);
        let rest = events.len();
        for (n, step) in steps.into_iter().chain([Step::Send(rest, 0), Step::Look]).enumerate() {
            let now = NOW.plus_ms(n as i64 * HOUR_MS / 60);
            net.now = now;
            let (victim, nth, after) = faults.next().unwrap();
            let disk = net.disk(victim);
            disk.fail(nth, if after { Fault::After } else { Fault::Before });
            match step {
                Step::Send(size, less) => {
                    let known = (count >> less).max(1);
                    // One at a time: two tellings of a reply in one request may be decided in another order.
                    for _ in 0..size.min(rest - next) {
                        let event = [event(next, next + 1)];
                        next += 1;
                        super::tests::append(&mut one, &super::tests::message(&event), now).unwrap();
                        until(&mut net, known, |net, shards| net.send(&event, shards));
                    }
                }
                Step::Again(size, less) => {
                    let again: Vec<Event> = (0..size.min(next)).map(|n| event(n, next)).collect();
                    let told = super::tests::append(&mut one, &super::tests::message(&again), now).unwrap();
                    let reply = until(&mut net, (count >> less).max(1), |net, shards| net.send(&again, shards));
                    prop_assert_eq!(reply.stored, told.stored, "{:?} {:?}", reply, told);
                }
                Step::Double(times) => count = (count << times).min(8),
                // Of events that are told again under the next secret one Shard forgets that it knew them, others know them as told;
                // either way they are not stored, but only the first takes in the person's next name.
                Step::Erase(_) if turns && next <= turned_at => {}
                Step::Erase(who) => {
                    let person = person(who, next);
                    one.erase(&person, now).unwrap();
                    until(&mut net, count, |net, shards| net.erase(&person, user(who).prefix(), shards));
                }
                Step::Reprice => {
                    let found = one.pending(None).turns;
                    let events: Vec<Event> = found.iter().map(|found| repriced_event(found, price(&found.id))).collect();
                    super::tests::append(&mut one, &super::tests::message(&events), now).unwrap();
                    until(&mut net, count, Net::reprice);
                }
                Step::Hold(who) => {
                    holds += 1;
                    let request = hold(holds, person(who, next).user, user(who).prefix(), 5, i64::MAX / 2, now);
                    one.hold(&request, now).unwrap();
                    until(&mut net, count, |net, shards| {
                        net.ask(Place::of(user(who).prefix(), shards), |state| state.hold(&request, now))
                    });
                }
                Step::Restart(shard) => drop(net.open.remove(&shard)),
                Step::Checkpoint(shard) => drop(net.on(shard, |state| state.checkpoint(true))),
                Step::Forget(shard) => while net.on(shard, Shard::forget_taken).unwrap_or(false) {},
                Step::Look => {
                    let told = until(&mut net, count, Net::told);
                    prop_assert_eq!(told, one.told(), "as of step {}", n);
                }
            }
        }
        net.disks.values().for_each(Memory::calm);
        net.open.clear();
        let compare = |net: &mut Net, one: &mut Shard<Memory>| {
            let shards = net.shards.max(count);
            prop_assert_eq!(until(net, shards, Net::told), one.told());
            prop_assert_eq!(counted(net.open.values_mut()), counted([&mut *one].into_iter()));
            for who in 0..6 {
                let (person, bits) = (person(who, next), user(who).prefix());
                let (mine, theirs) = (until(net, shards, |net, n| net.held(&person, bits, n)), one.held(&person, 0).unwrap());
                let lines = |held: &Held| held.events.iter().map(|(_, line)| Event::from_line(line).unwrap().id).collect::<BTreeSet<_>>();
                prop_assert_eq!((lines(&mine), mine.events.len()), (lines(&theirs), theirs.events.len()));
                prop_assert_eq!((&mine.spend, &mine.visits, mine.holds), (&theirs.spend, &theirs.visits, theirs.holds));
                prop_assert_eq!(mine.erased.is_some(), theirs.erased.is_some());
                let now = net.now;
                let spent = |refusal: Refusal| (refusal.spent, refusal.held);
                prop_assert_eq!(
                    spent(until(net, shards, |net, n| net.refusal(person.user, bits, n))),
                    spent(refusal(one, person.user, now).unwrap())
                );
            }
            Ok(())
        };
        compare(&mut net, &mut one)?;
        for shard in 0..8 {
            while net.on(shard, Shard::forget_taken).unwrap() {}
        }
        net.open.clear();
        // What moved on is gone from where it was.
        for shard in 0..net.shards {
            net.on(shard, |state| { state.fold.people.stand_in(Place::default()); Ok(()) }).unwrap();
            let kept = net.on(shard, |state| state.settle_names().map(|()| state.told())).unwrap();
            net.open.remove(&shard);
            let owned = until(&mut net, count, |net, shards| net.ask(Place { shard, shards }, |state| state.settle_names().map(|()| state.told())));
            prop_assert!(kept.len() <= owned.len() + 6, "{} of {}", kept.len(), owned.len());
        }
        let found = one.pending(None).turns;
        let events: Vec<Event> = found.iter().map(|found| repriced_event(found, price(&found.id))).collect();
        super::tests::append(&mut one, &super::tests::message(&events), net.now).unwrap();
        until(&mut net, count, Net::reprice);
        prop_assert_eq!(one.pending_counts().0, 0);
        compare(&mut net, &mut one)?;
    }
}

#[test]
fn the_count_never_goes_down_and_only_doubles() {
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let place = |shards| Place { shard: 0, shards };
    assert_eq!(shard.serves(2), Err(ShardError::Unsettled));
    shard.admit(place(2)).unwrap();
    assert_eq!(shard.admit(place(1)), Err(ShardError::Moved(2)));
    assert_eq!(shard.admit(place(6)), Err(ShardError::Moved(2)));
    assert_eq!(shard.admit(place(512)), Err(ShardError::Moved(2)));
    shard.admit(place(8)).unwrap();
    let mut shard = Shard::open(shard.storage().clone(), NOW).unwrap();
    assert_eq!(shard.admit(place(4)), Err(ShardError::Moved(8)));
    assert_eq!((shard.serves(8), shard.serves(4)), (Ok(()), Err(ShardError::Moved(8))));
    let mut other = Shard::open(Memory::default(), NOW).unwrap();
    assert!(matches!(other.admit(Place { shard: 3, shards: 2 }), Err(ShardError::Malformed(_))));
    assert!(matches!(shard.hand_over(9, Default::default()), Err(ShardError::Malformed(_))));
}

#[test]
fn a_fresh_shard_of_a_fresh_install_serves_at_once() {
    let mut net = Net::new();
    for shard in (0..256).rev() {
        net.ready(Place { shard, shards: 256 }).unwrap();
    }
    for shard in 0..256 {
        assert_eq!(net.on(shard, |state| Ok(state.seq())).unwrap(), 0);
    }
    let mut odd = Net::new();
    odd.ready(Place { shard: 2, shards: 3 }).unwrap();
    assert_eq!(odd.ready(Place { shard: 1, shards: 5 }), Err(ShardError::Moved(3)));
    odd.ready(Place { shard: 5, shards: 6 }).unwrap();
}

#[test]
fn a_shard_that_was_there_before_counts_were_told_takes_nothing_over() {
    let mut net = Net::new();
    for shard in 0..4 {
        let event = turn(u128::from(shard) + 1, None, None, NOW.0, Some(1), 0);
        net.on(shard, |state| state.append(&[super::tests::message(&[event])], NOW)?.remove(0)).unwrap();
    }
    for shard in 0..8 {
        net.ready(Place { shard, shards: 8 }).unwrap();
    }
    assert_eq!(net.on(3, |state| Ok(state.seq())).unwrap(), 1);
    assert!(net.on(7, |state| Ok(state.seen.contains(turn(4, None, None, 0, None, 0).id.prefix()))).unwrap());
}

#[test]
fn ids_that_were_taken_over_are_forgotten_after_seven_days() {
    let mut net = Net::new();
    let event = |n| turn(n, Some(1), None, NOW.0, Some(1), 0);
    net.send(&(1..40).map(event).collect::<Vec<_>>(), 1).unwrap();
    net.ready(Place { shard: 1, shards: 2 }).unwrap();
    let knows = |net: &mut Net| net.on(1, |state| Ok(state.seen.contains(event(7).id.prefix()))).unwrap();
    assert!(knows(&mut net));
    net.open.clear();
    net.now = NOW.plus_ms(8 * DAY_MS);
    assert!(!knows(&mut net));
}
