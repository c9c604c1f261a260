//! Of someone erased nothing is left but what the law wants counted.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::event::{self, Rating};
use schemas::time::{DAY_MS, HOUR_MS};
use schemas::{Body, Label};

use super::standing_test::bodies;
use super::tests::{NOW, append, message};
use super::*;
use crate::fold::intake::DropReason;
use crate::fold::pending::repriced_event;
use crate::fold::testing::{history, told, turn};
use crate::fold::{Bucket, Day, Fold, health};
use crate::protocol::Person;
use crate::storage::memory::{Fault, Memory};

fn user(n: u8) -> UserKey {
    turn(1, Some(n), None, 0, None, 0).user.unwrap()
}

fn person(n: u8) -> Person {
    Person { user: user(n), was: None, ..Person::default() }
}

/// Turns of a random history, and events of other kinds between them. No one opts out: what is stored without its person is
/// no one's to erase.
fn lives() -> impl Strategy<Value = Vec<Event>> {
    (history(60), proptest::collection::vec((0u8..6, 0usize..15 + told().len(), 0i64..14 * 24), 0..40)).prop_map(
        |(mut events, others)| {
            let start = events.iter().map(|event| event.ts.0).min().unwrap_or(NOW.0);
            for (i, (who, kind, hours)) in others.into_iter().enumerate() {
                let base = turn(10_000 + i as u128, Some(who), None, start + hours * HOUR_MS, None, 0);
                let body = bodies().into_iter().chain(told()).nth(kind).unwrap();
                if body.kind() != "consent" {
                    events.push(Event { body, ..base });
                }
            }
            events.sort_by_key(|event| event.ts);
            events
        },
    )
}

/// Counts by bucket, intake by minute, people, turns that wait for a price, and what days hold beside that.
type Knowledge = (BTreeMap<i32, Bucket>, BTreeMap<(i32, u16), Tally>, Vec<String>, (u64, u64), BTreeMap<UtcDay, Day>);

/// Everything that the Shard counts and knows, but log positions and tombstones.
fn known(shard: &mut Shard<Memory>) -> Knowledge {
    let told = shard.told();
    shard.all_days();
    let Fold { days, people, .. } = &shard.fold;
    let all = days.values().flat_map(|day| &day.buckets);
    let buckets = all.filter(|(_, bucket)| **bucket != Bucket::default()).map(|(at, bucket)| (*at, bucket.clone()));
    let tallies = days
        .iter()
        .flat_map(|(day, content)| content.intake.0.iter().map(|(minute, tally)| ((day.0, *minute), tally.clone())));
    let mut of_people: Vec<String> = told.iter().map(|entry| format!("{entry:?}")).collect();
    let pending = people.pending(None, usize::MAX).turns.into_iter().map(|turn| format!("{turn:?}"));
    let choices = (0..20).map(|n| format!("{:?}", people.standing(user(n)).map(|standing| standing.choices)));
    of_people.extend(pending);
    of_people
        .extend(choices.map(|choices| choices.replace("Some(Choices { analytics: None, age_13_plus: None })", "None")));
    let beside = days.iter().map(|(date, day)| {
        let (buckets, intake, changed) = Default::default();
        // Who has received nothing for a while has not dropped the minutes of before.
        let kept = *date >= health::first_day(NOW.plus_ms(99 * HOUR_MS));
        let minutes = if kept { day.minutes.clone() } else { Default::default() };
        (*date, Day { buckets, intake, changed, minutes, ..day.clone() })
    });
    let beside = beside.filter(|(_, day)| *day != Day::default()).collect();
    (buckets.collect(), tallies.collect(), of_people, people.pending_counts(), beside)
}

fn lines(storage: &Memory) -> Vec<String> {
    let rows = storage.rows_after(0, usize::MAX).unwrap();
    rows.iter()
        .flat_map(|row| {
            let text = String::from_utf8(schemas::event::stored::lines(&row.events).unwrap()).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// What the law wants counted stays, as if no one had ever been named with it.
fn without(event: &Event, who: UserKey) -> Option<Event> {
    if event.user != Some(who) {
        return Some(event.clone());
    }
    let kept = ["request", "crisis", "incident", "notice"].contains(&event.body.kind());
    kept.then(|| {
        let mut event = event.clone();
        event.without_person();
        event
    })
}

/// Takes in the batches, reopening and checkpointing on the way, and prices what was found later.
fn filled(storage: &Memory, batches: &[Vec<Event>], keep: impl Fn(&Event) -> Option<Event>) -> Shard<Memory> {
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    for (n, batch) in batches.iter().enumerate() {
        let batch: Vec<Event> = batch.iter().filter_map(&keep).collect();
        append(&mut shard, &message(&batch), NOW.plus_ms(n as i64 * HOUR_MS)).unwrap();
        match n % 3 {
            0 => drop(shard.checkpoint(true).unwrap()),
            1 => shard = Shard::open(storage.clone(), NOW).unwrap(),
            _ => {}
        }
    }
    let found: Vec<_> = shard.pending(None).turns.into_iter().step_by(2).collect();
    let price = turn(1, None, None, 0, Some(77), 0).body;
    let Body::Turn(event::Turn { cost, .. }) = price else { unreachable!() };
    let repriced: Vec<Event> =
        found.iter().map(|found| repriced_event(found, cost.clone())).filter_map(|e| keep(&e)).collect();
    append(&mut shard, &message(&repriced), NOW.plus_ms(99 * HOUR_MS)).unwrap();
    shard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_shard_then_equals_one_that_never_saw_them(events in lives(), who in 0u8..6, batch in 1usize..9) {
        let batches: Vec<Vec<Event>> = events.chunks(batch).map(<[Event]>::to_vec).collect();
        let later = NOW.plus_ms(100 * HOUR_MS);
        let (storage, other) = (Memory::default(), Memory::default());
        let mut shard = filled(&storage, &batches, |event| Some(event.clone()));
        // Which turns are priced later depends on their order among the pending; so the same are priced.
        let named: Vec<_> = lines(&storage).iter().map(|line| Event::from_line(line).unwrap()).collect();
        let last: Vec<Event> = named.iter().filter(|event| matches!(event.body, Body::Repriced(_)) && event.source == event::Source::Admin).cloned().collect();
        let mut never = {
            let mut never = Shard::open(other.clone(), NOW).unwrap();
            for (n, batch) in batches.iter().enumerate() {
                let batch: Vec<Event> = batch.iter().filter_map(|event| without(event, user(who))).collect();
                append(&mut never, &message(&batch), NOW.plus_ms(n as i64 * HOUR_MS)).unwrap();
            }
            let last: Vec<Event> = last.iter().filter_map(|event| without(event, user(who))).collect();
            append(&mut never, &message(&last), NOW.plus_ms(99 * HOUR_MS)).unwrap();
            never
        };
        let (receipt, erasure) = shard.erase(&person(who), later).unwrap();
        while shard.forget_rows().unwrap() {}
        prop_assert_eq!(known(&mut shard), known(&mut never));
        prop_assert_eq!(lines(&storage), lines(&other));
        let key = format!("\"user\":\"{}\"", user(who));
        for row in storage.rows_after(0, usize::MAX).unwrap() {
            let text = String::from_utf8(schemas::event::stored::lines(&row.events).unwrap()).unwrap();
            prop_assert!(!text.contains(&key));
            prop_assert!(row.remark.contains("erased") || !row.remark.contains(&user(who).to_string()));
        }
        // Asked again, nothing changes; after a restart nothing comes back.
        prop_assert_eq!(shard.erase(&person(who), later.plus_ms(5)).unwrap(), (receipt, erasure));
        let mut reopened = Shard::open(storage.clone(), later).unwrap();
        prop_assert_eq!(known(&mut reopened), known(&mut never));
    }

    #[test]
    fn it_happens_whole_or_not_at_all(events in lives(), who in 0u8..6, nth in 0u32..6, after: bool) {
        let batches: Vec<Vec<Event>> = events.chunks(7).map(<[Event]>::to_vec).collect();
        let (storage, other) = (Memory::default(), Memory::default());
        let later = NOW.plus_ms(100 * HOUR_MS);
        let mut undisturbed = filled(&other, &batches, |event| Some(event.clone()));
        undisturbed.erase(&person(who), later).unwrap();
        while undisturbed.forget_rows().unwrap() {}

        let mut shard = filled(&storage, &batches, |event| Some(event.clone()));
        storage.fail(nth, if after { Fault::After } else { Fault::Before });
        if shard.erase(&person(who), later).is_err() {
            shard = Shard::open(storage.clone(), later).unwrap();
            shard.erase(&person(who), later).unwrap();
        }
        for _ in 0..9 {
            if !shard.forget_rows().unwrap_or(true) { break }
        }
        prop_assert_eq!(known(&mut shard), known(&mut undisturbed));
        prop_assert_eq!(lines(&storage), lines(&other));
    }
}

#[test]
fn what_comes_late_is_dropped_and_what_comes_after_is_of_someone_new() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let of = |n: u128, ts: i64, body: Body| Event { body, ..turn(n, Some(1), Some(1), ts, Some(5), 0) };
    let a_turn = |n, ts| turn(n, Some(1), Some(1), ts, Some(5), 0);
    append(&mut shard, &message(&[a_turn(1, NOW.0)]), NOW).unwrap();
    let (receipt, erasure) = shard.erase(&person(1), NOW.plus_ms(10)).unwrap();
    assert_eq!((receipt.len(), erasure.events, erasure.lake_done_at), (16, 1, None));
    for restart in [false, true] {
        if restart {
            shard = Shard::open(storage.clone(), NOW).unwrap();
        }
        // The very event once more, another from before, and a referral that the law wants counted.
        let crisis = bodies().into_iter().find(|body| body.kind() == "crisis").unwrap();
        let n = 10 + u128::from(restart);
        let late = [a_turn(1, NOW.0), a_turn(n * 10, NOW.0 + 9), of(n * 10 + 1, NOW.0 + 9, crisis)];
        let reply = append(&mut shard, &message(&late), NOW.plus_ms(20)).unwrap();
        assert_eq!((reply.stored, reply.dropped.get(&DropReason::Erased)), (1, Some(&2)));
        assert_eq!(shard.held(&person(1), 0).unwrap().events, []);
    }
    let reply = append(&mut shard, &message(&[a_turn(30, NOW.0 + 11)]), NOW.plus_ms(30)).unwrap();
    assert_eq!((reply.stored, shard.held(&person(1), 0).unwrap().events.len()), (1, 1));
    let again = shard.erase(&person(1), NOW.plus_ms(40)).unwrap();
    assert_ne!(again.0, receipt);
    assert!(shard.erasure(&receipt).unwrap().is_some() && shard.erasure("0123456789abcdef").unwrap().is_none());
    assert!(shard.told().is_empty());
}

#[test]
fn who_was_never_seen_can_be_erased() {
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let (receipt, erasure) = shard.erase(&person(4), NOW).unwrap();
    assert_eq!((erasure.events, erasure.lake_done_at, erasure.due_at), (0, Some(NOW), NOW.plus_ms(28 * DAY_MS)));
    assert_eq!(shard.erase(&person(4), NOW.plus_ms(1)).unwrap().0, receipt);
}

#[test]
fn all_that_is_held_is_told_in_pages() {
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let feedback = Body::Feedback(event::Feedback {
        rating: Rating::Up,
        turn_index: None,
        model: None,
        intent: Label::parse("sleep").ok(),
        text_chars: 3,
        text: None,
        wishes: Vec::new(),
    });
    let count = 16_000u128;
    let events: Vec<Event> = (0..count)
        .map(|n| {
            let base = turn(n + 1, Some((n % 2) as u8), Some(1), NOW.0 + n as i64, Some(5), 0);
            if n % 100 == 0 { Event { body: feedback.clone(), ..base } } else { base }
        })
        .collect();
    append(&mut shard, &message(&events), NOW).unwrap();
    let (mut after, mut told, mut pages) = (Some(0), Vec::new(), 0);
    while let Some(position) = after {
        let held = shard.held(&person(0), position).unwrap();
        assert_eq!(held.spend.iter().map(|entry| entry.turns).sum::<u32>(), 7_840);
        assert_eq!((held.visits.len(), held.erased), (1, None));
        told.extend(held.events);
        (after, pages) = (held.next, pages + 1);
    }
    let wanted: Vec<String> = events.iter().step_by(2).map(|event| event.to_line().unwrap()).collect();
    assert!(pages > 1 && told.iter().map(|(_, line)| line).eq(wanted.iter()));
    assert_eq!(shard.held(&person(7), 0).unwrap(), Held { names: vec![user(7)], ..Held::default() });
    let spent: i64 = shard.held(&person(0), 0).unwrap().spend.iter().map(|entry| entry.nano_usd.0).sum();
    assert_eq!(spent, 7_840 * 5);
}
