//! A secret is replaced: no one counts twice, and what was said under the old one still holds.

use proptest::prelude::*;
use schemas::event::Said;
use schemas::event::{self, Aside, Was};
use schemas::time::HOUR_MS;
use schemas::{Body, Bucket15, ConversationKey, Event, EventKey, KeyId};

use super::tests::{NOW, append, message};
use super::*;
use crate::census::Census;
use crate::civil::{CivilDay, Window};
use crate::fold::pending::repriced_event;
use crate::fold::testing::{history, turn};
use crate::protocol::Person;
use crate::storage::memory::Memory;

fn mac(text: &str) -> [u8; 16] {
    let hex = text.split('_').nth(1).unwrap_or_default();
    let bits = u128::from_str_radix(hex, 16).unwrap_or_default();
    bits.wrapping_mul(0xA24B_AED4_963E_E407_9FB2_1C65_1E98_DF25).rotate_left(41).to_be_bytes()
}

pub(super) fn turned_user(user: UserKey) -> UserKey {
    UserKey::from_mac(KeyId(2), mac(&user.to_string()))
}

/// The event as the next secret names everything in it.
pub(super) fn turned(event: &Event) -> Event {
    let was = Was { id: event.id, user: event.user, conversation: event.conversation, session: None };
    Event {
        id: EventKey::from_mac(KeyId(2), mac(&event.id.to_string())),
        user: event.user.map(turned_user),
        conversation: event.conversation.map(|key| ConversationKey::from_mac(KeyId(2), mac(&key.to_string()))),
        aside: Some(Box::new(Aside { was: Some(was), ..Aside::default() })),
        ..event.clone()
    }
}

fn window(events: &[Event]) -> Window {
    let first = events.iter().map(|event| UtcDay::of(event.ts).0).min().unwrap_or_default();
    let day = |n: i32| CivilDay {
        date: n.to_string(),
        from: Bucket15::of(UtcDay(n).start()),
        to: Bucket15::of(UtcDay(n + 1).start()),
    };
    let days: Vec<CivilDay> = (first..first + 16).map(day).collect();
    let (from, to) = (days[0].from, days[15].to);
    Window { days, before: (first - 29..first).map(day).collect(), from, to }
}

/// What is answered of people, but their names.
fn answered(shard: &mut Shard<Memory>, window: &Window) -> Census {
    let mut answer = shard.people(window);
    answer.activity.top_users.iter_mut().for_each(|top| top.user = UserKey::default());
    answer.churn.users.iter_mut().for_each(|at_risk| at_risk.user = UserKey::default());
    // Those who are silent as long stand in the order of their names.
    answer.churn.users.sort_by_key(|at_risk| (at_risk.silent_days, format!("{:?}", at_risk.reason)));
    answer
}

fn price(shard: &mut Shard<Memory>) -> u64 {
    let Body::Turn(event::Turn { cost, .. }) = turn(1, None, None, 0, Some(77), 0).body else { unreachable!() };
    let found = shard.pending(None).turns;
    let events: Vec<Event> = found.iter().map(|found| repriced_event(found, cost.clone())).collect();
    append(shard, &message(&events), NOW.plus_ms(90 * HOUR_MS)).unwrap();
    events.len() as u64 - shard.pending(None).turns.len() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers_are_as_if_the_secret_had_not_been_replaced(
        events in history(60), at in 0usize..60, batch in 1usize..9, restart: bool, again in 0usize..9,
    ) {
        let at = at.min(events.len());
        let (before, after) = events.split_at(at);
        let (storage, other) = (Memory::default(), Memory::default());
        let mut shard = Shard::open(storage.clone(), NOW).unwrap();
        let mut unturned = Shard::open(other, NOW).unwrap();
        for batch in events.chunks(batch) {
            append(&mut unturned, &message(batch), NOW).unwrap();
        }
        for batch in before.chunks(batch) {
            append(&mut shard, &message(batch), NOW).unwrap();
        }
        if restart {
            shard.checkpoint(true).unwrap();
            shard = Shard::open(storage.clone(), NOW).unwrap();
        }
        // Some are sent once more, and come with the names of the next secret.
        let once_more: Vec<Event> = before.iter().rev().take(again).map(turned).collect();
        let reply = append(&mut shard, &message(&once_more), NOW).unwrap();
        prop_assert_eq!((reply.stored, reply.duplicate), (0, once_more.len() as u64));
        for batch in after.chunks(batch) {
            append(&mut shard, &message(&batch.iter().map(turned).collect::<Vec<_>>()), NOW).unwrap();
            if restart {
                shard = Shard::open(storage.clone(), NOW).unwrap();
            }
        }
        let window = window(&events);
        prop_assert_eq!(answered(&mut shard, &window), answered(&mut unturned, &window));
        prop_assert_eq!(shard.pending_counts(), unturned.pending_counts());
        prop_assert_eq!(price(&mut shard), price(&mut unturned));
        prop_assert_eq!(answered(&mut shard, &window), answered(&mut unturned, &window));
        for user in events.iter().filter_map(|event| event.user) {
            let person = Person { user: turned_user(user), was: Some(user), ..Person::default() };
            let held = shard.held(&person, 0).unwrap();
            let all = unturned.held(&Person { user, was: None, ..Person::default() }, 0).unwrap();
            prop_assert_eq!(held.events.len(), all.events.len());
            prop_assert_eq!(held.spend, all.spend);
            shard.erase(&person, NOW.plus_ms(91 * HOUR_MS)).unwrap();
            prop_assert_eq!(shard.held(&person, 0).unwrap().events, vec![]);
            unturned.erase(&Person { user, was: None, ..Person::default() }, NOW.plus_ms(91 * HOUR_MS)).unwrap();
            prop_assert_eq!(answered(&mut shard, &window), answered(&mut unturned, &window));
        }
        let spent = |shard: &mut Shard<Memory>| {
            let buckets = shard.all_days().values().flat_map(|day| day.buckets.values());
            buckets.flat_map(|bucket| bucket.cost.lines.values()).map(|amount| amount.nano_usd).sum::<schemas::NanoUsd>()
        };
        prop_assert_eq!(spent(&mut shard), spent(&mut unturned));
    }
}

#[test]
fn an_opt_out_and_an_erasure_hold_under_the_next_secret() {
    let user = |n| turn(1, Some(n), None, 0, None, 0).user.unwrap();
    let of = |n: u128, who: u8| turn(n, Some(who), Some(1), NOW.0 + n as i64, Some(5), 0);
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let out = Aside { said: Said { opted_out: true, age_13_plus: None }, ..Aside::default() };
    let quiet = Event { aside: Some(Box::new(out)), ..of(1, 1) };
    append(&mut shard, &message(&[quiet, of(2, 2)]), NOW).unwrap();
    shard.erase(&Person { user: user(2), was: None, ..Person::default() }, NOW.plus_ms(10)).unwrap();
    let reply = append(&mut shard, &message(&[turned(&of(3, 1)), turned(&of(4, 2)), turned(&of(20, 2))]), NOW).unwrap();
    assert_eq!((reply.stored, reply.dropped.values().sum::<u64>()), (2, 1));
    let mut kept = |who| {
        shard.held(&Person { user: turned_user(user(who)), was: Some(user(who)), ..Person::default() }, 0).unwrap()
    };
    assert_eq!((kept(1).events.len(), kept(2).events.len()), (0, 1));
    assert!(!kept(1).choices.analytics.unwrap().yes && kept(2).erased.is_some());
}
