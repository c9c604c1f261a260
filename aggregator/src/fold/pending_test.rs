//! A price that is found later counts as if it had been there, and once.

use super::*;
use crate::batch::ShardBatch;
use crate::fold::cost::{Amount, Rare};
use crate::fold::intake::Tally;
use crate::fold::people::facts::Owner;
use crate::fold::testing::{history, turn};
use crate::fold::{Bucket, Counters, Day, Fold};
use crate::protocol::{AppendReply, ShardHealth};
use crate::shard::Shard;
use crate::storage::memory::{Fault, Memory};
use proptest::prelude::*;
use schemas::event::Provenance;
use schemas::{Bucket15, KeyId, NanoUsd};

const NOW: UtcMillis = UtcMillis(1_793_000_000_000);

fn price(nano_usd: i64) -> Cost {
    Cost::Priced {
        nano_usd: NanoUsd(nano_usd),
        price_version: Label::parse("v").unwrap(),
        tier: Label::parse("base").unwrap(),
        provenance: Provenance::Computed,
        units: Vec::new(),
        range: None,
        cache: None,
    }
}

/// A price that depends on the turn alone.
fn price_of(id: &EventKey) -> i64 {
    (id.prefix() % 1_000) as i64
}

fn append(shard: &mut Shard<Memory>, events: &[Event]) -> Result<AppendReply, crate::shard::ShardError> {
    let mut batch = ShardBatch::default();
    events.iter().for_each(|event| batch.push(event));
    shard.append(&[batch.message()], NOW)?.remove(0)
}

fn fold_of(events: &[Event]) -> Fold {
    let mut fold = Fold::default();
    fold.row(1, NOW, events, &Tally::default());
    fold
}

fn whole(fold: &Fold) -> Amount {
    let mut total = Amount::default();
    let buckets = fold.days.values().flat_map(|day| day.buckets.values());
    buckets.flat_map(|bucket| bucket.cost.lines.values()).for_each(|amount| total.merge(amount));
    total
}

fn pending(fold: &Fold) -> Vec<PendingTurn> {
    fold.people.pending(None, usize::MAX).turns
}

#[test]
fn what_is_known_of_a_person_in_part_is_read_back() {
    use schemas::event::{Cohort, UtcOffset};
    let whole = Cohort {
        country: schemas::event::Country::parse("NP"),
        utc_offset_minutes: UtcOffset::new(345),
        plan: Label::parse("free").ok(),
        guest: Some(false),
    };
    for known in 0..16 {
        let cohort = Cohort {
            country: whole.country.filter(|_| known & 1 > 0),
            utc_offset_minutes: whole.utc_offset_minutes.filter(|_| known & 2 > 0),
            plan: whole.plan.clone().filter(|_| known & 4 > 0),
            guest: whole.guest.filter(|_| known & 8 > 0),
        };
        let fold = fold_of(&[Event { cohort, ..turn(1, Some(1), None, 0, None, 0) }]);
        let waiting = pending(&fold).remove(0).turn;
        let stored = crate::fold::encode(&waiting).unwrap();
        assert_eq!(crate::fold::decode::<Pending>(&stored).unwrap(), waiting);
    }
}

#[test]
fn only_what_a_price_list_can_change_is_pending() {
    let with = |change: fn(&mut Turn)| {
        let mut event = turn(1, Some(1), Some(1), NOW.0, None, 0);
        if let Body::Turn(turn) = &mut event.body {
            change(turn);
        }
        pending(&fold_of(&[event])).len()
    };
    assert_eq!(with(|_| {}), 1);
    assert_eq!(with(|turn| turn.cost = Cost::Unpriced { unpriced: UnpricedReason::NoPrice }), 1);
    assert_eq!(with(|turn| turn.cost = Cost::Unpriced { unpriced: UnpricedReason::UnknownProvider }), 1);
    assert_eq!(with(|turn| turn.cost = Cost::Unpriced { unpriced: UnpricedReason::NotBilled }), 0);
    assert_eq!(with(|turn| turn.cost = Cost::Unpriced { unpriced: UnpricedReason::InconsistentUsage }), 0);
    assert_eq!(with(|turn| turn.usage = None), 0);
    assert_eq!(with(|turn| turn.cost = price(1)), 0);
}

#[test]
fn a_price_moves_its_turn_from_unpriced_to_repriced() {
    let mut fold = fold_of(&[turn(1, Some(1), Some(1), NOW.0, None, 0), turn(2, Some(1), Some(1), NOW.0, Some(5), 0)]);
    let before = whole(&fold);
    assert_eq!((before.unpriced, before.unpriced_tokens, before.nano_usd), (1, 15, NanoUsd(5)));
    let reasons = before.rare.unwrap().unpriced;
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), [(UnpricedReason::UnknownModel, 1)]);
    let event = repriced_event(&pending(&fold)[0], price(70));
    for _ in 0..2 {
        fold.row(2, NOW, std::slice::from_ref(&event), &Tally::default());
        let after = whole(&fold);
        assert_eq!((after.unpriced, after.unpriced_tokens, after.nano_usd, after.count), (0, 0, NanoUsd(75), 2));
        let rare = Rare { repriced: 1, repriced_nano_usd: NanoUsd(70), ..Rare::default() };
        assert_eq!(after.rare.as_deref(), Some(&rare));
        let facts = fold.people.facts(Owner::User(event.user.unwrap()), &()).unwrap();
        let visits = facts.threads.values().flat_map(|track| &track.visits);
        assert_eq!(visits.map(|visit| (visit.turns, visit.nano_usd.0)).collect::<Vec<_>>(), [(2, 75)]);
        let bucket = Bucket15::of(NOW);
        assert_eq!(facts.spent(bucket, Bucket15(bucket.0 + 1)), NanoUsd(75));
        assert_eq!(facts.entries.iter().map(|entry| (entry.turns, entry.priced)).collect::<Vec<_>>(), [(2, 2)]);
        assert!(pending(&fold).is_empty());
    }
}

#[test]
fn a_price_for_another_turn_changes_nothing() {
    let mut fold = fold_of(&[turn(1, Some(1), Some(1), NOW.0, None, 0), turn(2, None, None, NOW.0, None, 0)]);
    let before = (whole(&fold), pending(&fold));
    let event = repriced_event(&before.1[0], price(70));
    let id = |n: u128| turn(n, None, None, 0, None, 0).id;
    let body = |turn, cost| {
        let Body::Repriced(repriced) = event.body.clone() else { unreachable!() };
        Body::Repriced(Repriced { turn, cost, ..repriced })
    };
    let strangers = [
        Event { body: body(id(9), price(70)), ..event.clone() },
        Event { ts: NOW.plus_ms(1), ..event.clone() },
        Event { user: None, ..event.clone() },
        Event { body: body(before.1[0].id, Cost::Unpriced { unpriced: UnpricedReason::NoPrice }), ..event.clone() },
        Event { user: None, conversation: None, ..event.clone() },
    ];
    fold.row(2, NOW, &strangers, &Tally::default());
    assert_eq!((whole(&fold), pending(&fold)), before);
}

#[test]
fn not_billed_is_neither_unpriced_nor_missing() {
    let mut events = [turn(1, Some(1), None, NOW.0, None, 0), turn(2, Some(1), None, NOW.0, Some(3), 0)];
    for event in &mut events {
        if let Body::Turn(turn) = &mut event.body {
            turn.partial = true;
        }
    }
    if let Body::Turn(turn) = &mut events[0].body {
        turn.cost = Cost::Unpriced { unpriced: UnpricedReason::NotBilled };
        turn.usage = None;
    }
    let amount = whole(&fold_of(&events));
    assert_eq!((amount.count, amount.unpriced, amount.usage_missing, amount.estimated), (2, 0, 0, 0));
    assert_eq!(amount.rare.map(|rare| (rare.partial, rare.not_billed)), Some((2, 1)));
}

#[test]
fn anonymous_turns_are_found_in_their_shard() {
    for shards in [1, 2, 7] {
        let event = turn(5, None, None, NOW.0, None, 0);
        let found = PendingTurn { id: event.id, turn: pending(&fold_of(std::slice::from_ref(&event)))[0].turn.clone() };
        let repriced = repriced_event(&found, price(1));
        assert_eq!((repriced.shard(shards), repriced.belongs_to()), (event.shard(shards), event.belongs_to()));
        assert_ne!(repriced.id, event.id);
    }
}

#[test]
fn the_list_has_an_end_and_pages() {
    let events: Vec<Event> =
        (0..2_500).map(|id| turn(id, (id % 3 > 0).then_some((id % 250) as u8), None, NOW.0, None, 0)).collect();
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    append(&mut shard, &events).unwrap();
    let (mut after, mut ids, mut pages) = (None, std::collections::BTreeSet::new(), 0);
    loop {
        let page = shard.pending(after);
        assert!(page.turns.len() <= PENDING_PAGE_MAX);
        page.turns.iter().for_each(|turn| assert!(ids.insert(turn.id)));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((ids.len(), pages, shard.pending_counts()), (2_500, 3, (2_500, 0)));
}

#[test]
fn what_can_not_be_kept_is_counted() {
    let events: Vec<Event> =
        (0..PENDING_MAX as u128 + 30).map(|id| turn(id, Some((id % 250) as u8), None, NOW.0, None, 0)).collect();
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    for chunk in events.chunks(10_000) {
        append(&mut shard, chunk).unwrap();
    }
    assert_eq!(shard.pending_counts(), (PENDING_MAX as u64, 30));
    let replayed = Shard::open(storage.clone(), NOW).unwrap();
    assert_eq!(replayed.pending(None), shard.pending(None));
    shard.checkpoint(true).unwrap();
    let mut restored = Shard::open(storage, NOW).unwrap();
    assert_eq!(restored.pending_counts(), (PENDING_MAX as u64, 30));
    // Room that a price makes is used again.
    let repriced = repriced_event(&restored.pending(None).turns[0], price(1));
    append(&mut restored, &[repriced, turn(1 << 40, Some(1), None, NOW.0, None, 0)]).unwrap();
    assert_eq!(restored.pending_counts(), (PENDING_MAX as u64, 30));
    assert!(std::mem::size_of::<Pending>() <= 240, "{} bytes", std::mem::size_of::<Pending>());
}

#[test]
fn counters_of_an_earlier_release_are_read() {
    // An amount of twelve numbers, a health of seven members, a reply of three.
    let amount: Amount = rmp_serde::from_slice(&[&[0x9c][..], &[7; 12]].concat()).unwrap();
    assert_eq!((amount.nano_usd, amount.estimated_tokens, amount.rare), (NanoUsd(7), 7, None));
    let health: ShardHealth = rmp_serde::from_slice(&[0x97, 1, 1, 0xc0, 1, 0xc0, 0xc0, 0x90]).unwrap();
    assert_eq!((health.log_position, health.pending_turns), (1, 0));
    let reply: AppendReply = rmp_serde::from_slice(&[0x93, 1, 2, 3]).unwrap();
    assert_eq!((reply.stored, reply.dead_lettered, reply.correlated), (1, 3, 0));
}

#[test]
fn usage_is_read_back_by_position() {
    let usage =
        Usage { input_tokens: 9, output_tokens: 4, reasoning_tokens: 3, output_audio_tokens: 1, ..Usage::default() };
    let mut event = turn(1, Some(1), None, NOW.0, None, 0);
    if let Body::Turn(turn) = &mut event.body {
        turn.usage = Some(usage);
        turn.price_context.insert(Label::parse("service_tier").unwrap(), Label::parse("flex").unwrap());
    }
    let page = PendingPage {
        turns: pending(&fold_of(&[event])),
        next: Some(PendingCursor { page: 3, id: EventKey::from_mac(KeyId(1), [1; 16]) }),
    };
    assert_eq!(page.turns[0].turn.usage.usage(), usage);
    let bytes = crate::fold::encode(&page).unwrap();
    assert_eq!(crate::fold::decode::<PendingPage>(&bytes).unwrap(), page);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Priced at once or later, in any order, with crashes, checkpoints and repeats between: the same money everywhere.
    #[test]
    fn a_price_found_later_counts_as_one_found_at_once(
        events in history(60),
        anonymous in any::<u8>(),
        faults in proptest::collection::vec((0u32..4, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let mut events = events;
        for (i, event) in events.iter_mut().enumerate() {
            if i % 5 == usize::from(anonymous) % 5 { (event.user, event.conversation) = (None, None); }
        }
        let storage = Memory::default();
        let mut shard = Shard::open(storage.clone(), NOW).unwrap();
        let mut faults = faults.into_iter().cycle();
        for chunk in events.chunks(7) {
            let (nth, after, checkpoint) = faults.next().unwrap();
            storage.fail(nth, if after { Fault::After } else { Fault::Before });
            while append(&mut shard, chunk).is_err() { shard = Shard::open(storage.clone(), NOW).unwrap(); }
            if checkpoint && shard.checkpoint(true).is_err() { shard = Shard::open(storage.clone(), NOW).unwrap(); }
            let found = shard.pending(None).turns;
            let priced: Vec<Event> = found.iter().map(|turn| repriced_event(turn, price(price_of(&turn.id)))).collect();
            let half = &priced[..priced.len().div_ceil(2)];
            while append(&mut shard, half).is_err() { shard = Shard::open(storage.clone(), NOW).unwrap(); }
            append(&mut shard, half).unwrap_or_default();
            shard = Shard::open(storage.clone(), NOW).unwrap();
        }
        while let found @ [_, ..] = shard.pending(None).turns.as_slice() {
            let priced: Vec<Event> = found.iter().map(|turn| repriced_event(turn, price(price_of(&turn.id)))).collect();
            if append(&mut shard, &priced).is_err() { shard = Shard::open(storage.clone(), NOW).unwrap(); }
        }
        let mut at_once = events.clone();
        for event in &mut at_once {
            let cost = price(price_of(&event.id));
            if let Body::Turn(turn) = &mut event.body && turn.cost.nano_usd().is_none() { turn.cost = cost; }
        }
        let at_once = fold_of(&at_once);
        let days = shard.changes(0).unwrap().days;
        let mut money = Bucket::default();
        for day in &days {
            Day::decode(&day.bytes).unwrap().buckets.values().for_each(|bucket| money.merge(bucket));
        }
        let mut expected = Bucket::default();
        at_once.days.values().flat_map(|day| day.buckets.values()).for_each(|bucket| expected.merge(bucket));
        let repriced: u64 = money.cost.lines.values().filter_map(|amount| amount.rare.as_ref()).map(|rare| rare.repriced).sum();
        let unpriced = events.iter().filter(|event| matches!(&event.body, Body::Turn(turn) if turn.cost.nano_usd().is_none()));
        prop_assert_eq!(repriced, unpriced.count() as u64);
        money.cost.lines.values_mut().for_each(|amount| amount.rare = None);
        prop_assert_eq!(money, expected);
        let window = crate::budget::Span { from: Bucket15(0), to: Bucket15(i32::MAX / 2) }.window();
        let mut people = Shard::open(Memory::default(), NOW).unwrap();
        let priced: Vec<Event> = events.iter().map(|event| {
            let mut event = event.clone();
            let cost = price(price_of(&event.id));
            if let Body::Turn(turn) = &mut event.body && turn.cost.nano_usd().is_none() { turn.cost = cost; }
            event
        }).collect();
        append(&mut people, &priced).unwrap();
        prop_assert_eq!(shard.people(&window), people.people(&window));
    }
}
