//! Limits hold whatever the order of holds, turns, settlements, releases, pushes, ends and restarts.

use super::*;
use crate::batch::ShardBatch;
use crate::fold::testing::turn;
use crate::gold::{Gold, GoldError};
use crate::shard::{Shard, ShardError};
use crate::storage::memory::{Fault, Memory};
use proptest::prelude::*;
use schemas::Event;
use schemas::event::Source;

const NOW: UtcMillis = UtcMillis(1_793_000_000_000);
const USER: u8 = 1;

fn call(id: u128, at: UtcMillis, nano_usd: i64) -> Event {
    Event { source: Source::Gateway, ..turn(id, Some(USER), None, at.0, Some(nano_usd), 0) }
}

fn ask(id: u128, at: UtcMillis, amount: i64, limits: Limits) -> HoldRequest {
    let event = call(id, at, 0);
    HoldRequest {
        id: event.id,
        user: event.user,
        bits: 0,
        at,
        amount: NanoUsd(amount),
        limits,
        periods: Periods::at(crate::zone::Zone::UTC, at),
        hold_ms: HOLD_MS,
    }
}

fn of_all(day: i64, month: i64) -> Limits {
    Limits { day: NanoUsd(day), month: NanoUsd(month), ..Limits::default() }
}

fn of_person(day: i64, month: i64) -> Limits {
    Limits { user_day: NanoUsd(day), user_month: NanoUsd(month), ..Limits::default() }
}

fn append(shard: &mut Shard<Memory>, event: &Event, now: UtcMillis) -> Result<u64, ShardError> {
    let mut batch = ShardBatch::default();
    batch.push(event);
    Ok(shard.append(&[batch.message()], now)?.remove(0)?.seq)
}

fn settlement(event: &Event, cost: Option<i64>, seq: u64) -> Settlement {
    Settlement { id: event.id, at: event.ts, cost: cost.map(NanoUsd), stored: StoredAt { shard: 0, seq } }
}

fn push(shard: &Shard<Memory>, gold: &mut Gold<Memory>) -> Result<u64, GoldError> {
    let changes = shard.changes(gold.upto(0)).unwrap();
    gold.apply(0, &changes)
}

#[test]
fn of_two_hundred_calls_at_once_a_hundred_have_room() {
    let (shard, gold) = (Memory::default(), Memory::default());
    let mut admitted = (0, 0);
    for id in 0..200 {
        // Evicted between any two calls, the objects know what they have granted.
        let mut shard = Shard::open(shard.clone(), NOW).unwrap();
        let mut gold = Gold::open(gold.clone()).unwrap();
        let person = shard.hold(&ask(id, NOW, 10, of_person(1_000, 0)), NOW).unwrap();
        let all = gold.hold(&ask(id, NOW, 10, of_all(0, 1_000)), NOW).unwrap();
        admitted.0 += usize::from(person == HoldReply::Admitted);
        admitted.1 += usize::from(all == HoldReply::Admitted);
        // Asked again, whoever was admitted still is, and holds no more.
        assert_eq!(shard.hold(&ask(0, NOW, 10, of_person(1_000, 0)), NOW).unwrap(), HoldReply::Admitted);
        assert_eq!(gold.hold(&ask(0, NOW, 10, of_all(0, 1_000)), NOW).unwrap(), HoldReply::Admitted);
    }
    assert_eq!(admitted, (100, 100));
}

#[test]
fn a_refusal_says_which_limit_and_until_when() {
    let mut gold = Gold::open(Memory::default()).unwrap();
    let at = UtcMillis::parse_rfc3339("2026-11-21T19:00:00Z").unwrap();
    let refused = |gold: &mut Gold<Memory>, limits| match gold.hold(&ask(9, at, 50, limits), at).unwrap() {
        HoldReply::Refused(refusal) => (refusal.kind, refusal.held.0, refusal.opens_at.to_rfc3339()),
        HoldReply::Admitted => panic!("admitted"),
    };
    assert_eq!(gold.hold(&ask(1, at, 60, of_all(100, 100)), at).unwrap(), HoldReply::Admitted);
    assert_eq!(refused(&mut gold, of_all(100, 0)), (LimitKind::Day, 60, "2026-11-22T00:00:00.000Z".into()));
    assert_eq!(refused(&mut gold, of_all(100, 100)), (LimitKind::Month, 60, "2026-12-01T00:00:00.000Z".into()));
    assert_eq!(gold.hold(&ask(2, at, 40, of_all(100, 100)), at).unwrap(), HoldReply::Admitted);
    // The next day has its own room; the month has not.
    let tomorrow = at.plus_ms(6 * HOUR_MS);
    assert_eq!(gold.hold(&ask(3, tomorrow, 100, of_all(100, 0)), at).unwrap(), HoldReply::Admitted);
    let reply = gold.hold(&ask(4, tomorrow, 1, of_all(0, 200)), at).unwrap();
    assert!(matches!(reply, HoldReply::Refused(Refusal { kind: LimitKind::Month, held: NanoUsd(200), .. })));
}

#[test]
fn other_people_and_no_limits_are_not_held_up() {
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    assert_eq!(shard.hold(&ask(1, NOW, 100, of_person(100, 0)), NOW).unwrap(), HoldReply::Admitted);
    assert_ne!(shard.hold(&ask(2, NOW, 1, of_person(100, 0)), NOW).unwrap(), HoldReply::Admitted);
    let other = HoldRequest { user: turn(0, Some(7), None, 0, None, 0).user, ..ask(3, NOW, 100, of_person(100, 0)) };
    let nobody = HoldRequest { user: None, ..ask(4, NOW, 1_000, of_person(100, 0)) };
    for request in [other, nobody, ask(5, NOW, 1_000, Limits::default())] {
        assert_eq!(shard.hold(&request, NOW).unwrap(), HoldReply::Admitted);
    }
    assert!(!ask(5, NOW, 1, of_all(1, 1)).asks_person() && !ask(5, NOW, 1, of_person(1, 1)).asks_all());
}

#[test]
fn a_turn_takes_the_place_of_its_hold_in_one_step() {
    for fault in [Fault::Before, Fault::After] {
        let storage = Memory::default();
        let mut shard = Shard::open(storage.clone(), NOW).unwrap();
        assert_eq!(shard.hold(&ask(1, NOW, 100, of_person(100, 0)), NOW).unwrap(), HoldReply::Admitted);
        storage.fail(0, fault);
        assert!(append(&mut shard, &call(1, NOW, 30), NOW).is_err());
        let mut shard = Shard::open(storage.clone(), NOW).unwrap();
        let room = if fault == Fault::Before { 0 } else { 70 };
        assert_ne!(shard.hold(&ask(2, NOW, room + 1, of_person(100, 0)), NOW).unwrap(), HoldReply::Admitted);
        append(&mut shard, &call(1, NOW, 30), NOW).unwrap();
        assert_eq!(shard.hold(&ask(2, NOW, 70, of_person(100, 0)), NOW).unwrap(), HoldReply::Admitted);
        assert!(append(&mut shard, &call(2, NOW, 70), NOW).is_ok() && storage_is_empty(&storage));
    }
}

fn storage_is_empty(storage: &Memory) -> bool {
    crate::storage::HoldStorage::holds(storage).unwrap().is_empty()
}

#[test]
fn a_turn_that_another_way_told_of_frees_its_hold() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let reply = Some(schemas::ReplyKey::from_mac(schemas::KeyId(1), [3; 16]));
    let span = Event { source: Source::Otlp, reply, ..turn(8, Some(USER), None, NOW.0, Some(30), 0) };
    shard.hold(&ask(1, NOW, 100, of_person(200, 0)), NOW).unwrap();
    append(&mut shard, &span, NOW).unwrap();
    append(&mut shard, &Event { reply, ..call(1, NOW, 30) }, NOW).unwrap();
    assert!(storage_is_empty(&storage));
    assert_eq!(shard.hold(&ask(2, NOW, 170, of_person(200, 0)), NOW).unwrap(), HoldReply::Admitted);
}

#[test]
fn a_hold_ends_by_itself_and_can_be_released() {
    let storage = (Memory::default(), Memory::default());
    let mut shard = Shard::open(storage.0.clone(), NOW).unwrap();
    let mut gold = Gold::open(storage.1.clone()).unwrap();
    let mut hold = |id, now| {
        (
            shard.hold(&ask(id, NOW, 100, of_person(100, 0)), now).unwrap(),
            gold.hold(&ask(id, NOW, 100, of_all(100, 0)), now).unwrap(),
        )
    };
    assert_eq!(hold(1, NOW), (HoldReply::Admitted, HoldReply::Admitted));
    assert!(!matches!(hold(2, NOW.plus_ms(HOLD_MS - 1)), (HoldReply::Admitted, _) | (_, HoldReply::Admitted)));
    assert_eq!(hold(2, NOW.plus_ms(HOLD_MS)), (HoldReply::Admitted, HoldReply::Admitted));
    let (two, three) = (ask(2, NOW, 0, of_all(1, 1)).id, ask(3, NOW, 0, of_all(1, 1)).id);
    for _ in 0..2 {
        shard.release(two).unwrap();
        shard.release(three).unwrap();
        gold.settle(&Settlement { id: two, ..settlement(&call(2, NOW, 0), None, 0) }, NOW).unwrap();
        gold.settle(&Settlement { id: three, ..settlement(&call(3, NOW, 0), None, 0) }, NOW).unwrap();
    }
    assert!(storage_is_empty(&storage.0) && storage_is_empty(&storage.1));
}

#[test]
fn a_settled_turn_counts_once_before_and_after_the_days_include_it() {
    let storage = Memory::default();
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let mut gold = Gold::open(storage.clone()).unwrap();
    let spent = |gold: &mut Gold<Memory>| match gold.hold(&ask(99, NOW, i64::MAX, of_all(1_000, 0)), NOW).unwrap() {
        HoldReply::Refused(refusal) => (refusal.spent.0, refusal.held.0),
        HoldReply::Admitted => panic!("admitted"),
    };
    let (one, two) = (call(1, NOW, 30), call(2, NOW, 50));
    gold.hold(&ask(1, NOW, 100, of_all(1_000, 0)), NOW).unwrap();
    let seq = append(&mut shard, &one, NOW).unwrap();
    gold.settle(&settlement(&one, Some(30), seq), NOW).unwrap();
    assert_eq!(spent(&mut gold), (0, 30));
    push(&shard, &mut gold).unwrap();
    assert_eq!(spent(&mut gold), (30, 0));
    // Again, and late: the days know already.
    gold.settle(&settlement(&one, Some(30), seq), NOW).unwrap();
    assert_eq!(spent(&mut gold), (30, 0));
    // The push came before the settlement.
    gold.hold(&ask(2, NOW, 100, of_all(1_000, 0)), NOW).unwrap();
    let seq = append(&mut shard, &two, NOW).unwrap();
    push(&shard, &mut gold).unwrap();
    assert_eq!(spent(&mut gold), (80, 100));
    gold.settle(&settlement(&two, Some(50), seq), NOW).unwrap();
    assert_eq!(spent(&mut gold), (80, 0));
    assert!(storage_is_empty(&storage));
    // Gold fell between storing the days and taking away what they include.
    let three = call(3, NOW, 5);
    let seq = append(&mut shard, &three, NOW).unwrap();
    gold.settle(&settlement(&three, Some(5), seq), NOW).unwrap();
    storage.fail(1, Fault::Before);
    assert!(push(&shard, &mut gold).is_err());
    assert_eq!(spent(&mut Gold::open(storage.clone()).unwrap()), (85, 0));
}

#[test]
fn a_settled_turn_counts_while_its_day_is_on_its_way() {
    let mut gold = Gold::open(Memory::default()).unwrap();
    let turn = call(1, NOW, 30);
    let limits = of_all(30, 0);
    let part = |since, more| crate::protocol::Changes { since, upto: since + 10, days: Vec::new(), more };
    gold.settle(&settlement(&turn, Some(30), 7), NOW).unwrap();
    gold.apply(0, &part(0, true)).unwrap();
    assert_ne!(gold.hold(&ask(2, NOW, 1, limits), NOW).unwrap(), HoldReply::Admitted);
    gold.settle(&settlement(&turn, Some(30), 7), NOW).unwrap();
    assert_ne!(gold.hold(&ask(2, NOW, 1, limits), NOW).unwrap(), HoldReply::Admitted);
    gold.apply(0, &part(10, false)).unwrap();
    assert_eq!(gold.hold(&ask(2, NOW, 1, limits), NOW).unwrap(), HoldReply::Admitted);
}

/// What happens to a world of one Shard and Gold.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(i64),
    Turn(usize, u8),
    Settle(usize),
    Release(usize),
    OtherWay(i64),
    Push,
    Wait,
    Restart,
    Fail(u32, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1i64..40).prop_map(Step::Ask),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(which, share)| Step::Turn(which, share)),
        4 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Release),
        1 => (1i64..20).prop_map(Step::OtherWay),
        2 => Just(Step::Push),
        1 => Just(Step::Wait),
        1 => Just(Step::Restart),
        1 => (0u32..3, any::<bool>()).prop_map(|(nth, after)| Step::Fail(nth, after)),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Held,
    Stored { cost: i64, seq: u64 },
    Over,
}

struct Call {
    event: Event,
    amount: i64,
    ends: UtcMillis,
    state: State,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is spent and under way never passes a limit by what was admitted under it: only other ways, and holds that ended
    /// before their turn came, can.
    #[test]
    fn what_is_admitted_stays_within_the_limits(steps in proptest::collection::vec(step(), 1..80), limit in 20i64..200) {
        let disks = (Memory::default(), Memory::default());
        let mut shard = Shard::open(disks.0.clone(), NOW).unwrap();
        let mut gold = Gold::open(disks.1.clone()).unwrap();
        let (mut now, mut id, mut beyond) = (NOW, 1_000_000u128, 0);
        let mut calls: Vec<Call> = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let pick = |which: usize, fits: fn(&State) -> bool| {
                let fitting: Vec<usize> = calls.iter().enumerate().filter(|(_, c)| fits(&c.state)).map(|(i, _)| i).collect();
                (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
            };
            match *step {
                Step::Ask(amount) => {
                    let person = shard.hold(&ask(i as u128, now, amount, of_person(0, limit)), now);
                    if person.is_err() { shard = Shard::open(disks.0.clone(), now).unwrap(); continue }
                    if person != Ok(HoldReply::Admitted) { continue }
                    let all = gold.hold(&ask(i as u128, now, amount, of_all(0, limit)), now);
                    if all.is_err() { gold = Gold::open(disks.1.clone()).unwrap(); continue }
                    if all != Ok(HoldReply::Admitted) {
                        if shard.release(ask(i as u128, now, 0, of_all(0, 0)).id).is_err() {
                            shard = Shard::open(disks.0.clone(), now).unwrap();
                        }
                        continue;
                    }
                    calls.push(Call { event: call(i as u128, now, 0), amount, ends: now.plus_ms(HOLD_MS), state: State::Held });
                }
                Step::Turn(which, share) => {
                    let Some(at) = pick(which, |state| *state == State::Held) else { continue };
                    let cost = calls[at].amount * i64::from(share) / 255;
                    let event = Event { body: call(0, now, cost).body, ..calls[at].event.clone() };
                    match append(&mut shard, &event, now) {
                        Ok(seq) => {
                            if now >= calls[at].ends { beyond += cost }
                            calls[at].state = State::Stored { cost, seq };
                        }
                        Err(_) => {
                            shard = Shard::open(disks.0.clone(), now).unwrap();
                            let seq = append(&mut shard, &event, now).unwrap();
                            if now >= calls[at].ends { beyond += cost }
                            calls[at].state = State::Stored { cost, seq };
                        }
                    }
                }
                Step::Settle(which) => {
                    let Some(at) = pick(which, |state| matches!(state, State::Stored { .. })) else { continue };
                    let State::Stored { cost, seq } = calls[at].state else { continue };
                    if now >= calls[at].ends { beyond += cost }
                    if gold.settle(&settlement(&calls[at].event, Some(cost), seq), now).is_err() {
                        gold = Gold::open(disks.1.clone()).unwrap();
                    }
                }
                Step::Release(which) => {
                    let Some(at) = pick(which, |state| *state == State::Held) else { continue };
                    if shard.release(calls[at].event.id).is_err() { shard = Shard::open(disks.0.clone(), now).unwrap() }
                    if gold.settle(&settlement(&calls[at].event, None, 0), now).is_err() { gold = Gold::open(disks.1.clone()).unwrap() }
                    calls[at].state = State::Over;
                }
                Step::OtherWay(cost) => {
                    id += 1;
                    let event = Event { source: Source::Otlp, ..call(id, now, cost) };
                    if append(&mut shard, &event, now).is_err() { shard = Shard::open(disks.0.clone(), now).unwrap() }
                    beyond += cost;
                }
                Step::Push => if push(&shard, &mut gold).is_err() { gold = Gold::open(disks.1.clone()).unwrap() },
                Step::Wait => now = now.plus_ms(HOLD_MS / 2),
                Step::Restart => {
                    shard = Shard::open(disks.0.clone(), now).unwrap();
                    gold = Gold::open(disks.1.clone()).unwrap();
                }
                Step::Fail(nth, after) => {
                    let fault = if after { Fault::After } else { Fault::Before };
                    if nth % 2 == 0 { disks.0.fail(nth, fault) } else { disks.1.fail(nth, fault) }
                }
            }
            let stored: i64 = calls.iter().map(|c| match c.state { State::Stored { cost, .. } => cost, _ => 0 }).sum();
            let under_way: i64 = calls.iter().filter(|c| c.state == State::Held && now < c.ends).map(|c| c.amount).sum();
            prop_assert!(stored + under_way <= limit + beyond, "{} + {} > {} + {}", stored, under_way, limit, beyond);
        }
        // In the end, whatever was lost on the way, both objects know the same and nothing but what is stored.
        now = now.plus_ms(SETTLED_MS_MAX);
        while push(&shard, &mut gold).is_err() { gold = Gold::open(disks.1.clone()).unwrap() }
        let spent = |reply| match reply { HoldReply::Refused(refusal) => (refusal.spent, refusal.held), HoldReply::Admitted => panic!() };
        let _ = shard.hold(&ask(9_999, NOW, i64::MAX, of_person(0, 1)), now);
        let mut shard = Shard::open(disks.0.clone(), now).unwrap();
        let of_person = spent(shard.hold(&ask(9_999, NOW, i64::MAX, of_person(0, 1)), now).unwrap());
        let _ = gold.hold(&ask(9_999, NOW, i64::MAX, of_all(0, 1)), now);
        let mut gold = Gold::open(disks.1.clone()).unwrap();
        let of_all = spent(gold.hold(&ask(9_999, NOW, i64::MAX, of_all(0, 1)), now).unwrap());
        prop_assert_eq!(of_person, of_all);
        prop_assert_eq!(of_all.1, NanoUsd::ZERO);
    }
}
