use super::*;
use crate::batch::ShardBatch;
use crate::civil::Window;
use crate::fold::testing::{happenings, history, turn};
use crate::protocol::AppendHeader;
use crate::storage::memory::{Fault, Memory};
use proptest::prelude::*;
use schemas::event::{Cost, Turn, UnitAmount};
use schemas::{Bucket15, NanoUsd};

pub(super) const NOW: UtcMillis = UtcMillis(1_793_000_000_000);

pub(super) fn message(events: &[Event]) -> String {
    let header = AppendHeader { events: events.len(), ..AppendHeader::default() };
    let mut text = serde_json::to_string(&header).unwrap() + "\n";
    for event in events {
        text += &(serde_json::to_string(event).unwrap() + "\n");
    }
    text
}

pub(super) fn append(shard: &mut Shard<Memory>, message: &str, now: UtcMillis) -> Result<AppendReply, ShardError> {
    shard.append(&[message.as_bytes().to_vec()], now).map(|mut replies| replies.remove(0))?
}

/// Prices say what they are made of.
fn with_units(event: &mut Event) {
    if let schemas::Body::Turn(Turn { cost: Cost::Priced { units, nano_usd, .. }, .. }) = &mut event.body {
        units.push(UnitAmount { unit: schemas::Label::parse("input_tokens").unwrap(), count: 1, nano_usd: *nano_usd });
    }
}

fn total(shard: &mut Shard<Memory>) -> (u64, NanoUsd, Tally) {
    let mut turns = 0;
    let mut spent = NanoUsd::ZERO;
    let mut tally = Tally::default();
    for day in shard.all_days().values() {
        day.intake.0.values().for_each(|t| tally.merge(t));
        for bucket in day.buckets.values() {
            turns += bucket.usage.turns;
            spent += bucket.cost.lines.values().map(|a| a.nano_usd).sum();
        }
    }
    (turns, spent, tally)
}

fn oracle(events: &[Event]) -> (u64, NanoUsd) {
    let cost = |e: &Event| match &e.body {
        schemas::Body::Turn(t) => t.cost.nano_usd().unwrap_or_default(),
        _ => NanoUsd::ZERO,
    };
    (events.len() as u64, events.iter().map(cost).sum())
}

#[test]
fn an_event_counts_once_however_often_it_is_sent() {
    let mut shard = Shard::open(Memory::default(), NOW).unwrap();
    let events = [turn(1, Some(1), Some(1), NOW.0, Some(5), 0), turn(2, Some(2), Some(1), NOW.0, Some(7), 0)];
    assert_eq!(
        append(&mut shard, &message(&events), NOW).unwrap(),
        AppendReply { stored: 2, seq: 1, ..AppendReply::default() }
    );
    let twice = [events[1].clone(), events[0].clone(), events[1].clone()];
    assert_eq!(
        append(&mut shard, &message(&twice), NOW).unwrap(),
        AppendReply { duplicate: 3, seq: 2, ..AppendReply::default() }
    );
    let (turns, spent, tally) = total(&mut shard);
    assert_eq!((turns, spent), (2, NanoUsd(12)));
    assert_eq!((tally.received(), tally.stored, tally.duplicate), (5, 2, 3));
}

#[test]
fn messages_that_are_written_together_count_as_if_they_came_one_by_one() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let event = |n: u128| turn(n, Some(1), Some(1), NOW.0, Some(5), 0);
    let messages = [
        message(&[event(1), event(2)]),
        "nonsense".into(),
        message(&[event(2), event(3)]),
        message(&[event(4)]).replace("\"events\":1", "\"events\":2"),
        message(&[]),
        message(&[event(4), event(4)]),
    ];
    let messages: Vec<Vec<u8>> = messages.into_iter().map(String::into_bytes).collect();
    let replies = shard.append(&messages, NOW).unwrap();
    let counts: Vec<_> = replies.iter().map(|reply| reply.as_ref().map(|r| (r.stored, r.duplicate)).ok()).collect();
    assert_eq!(counts, [Some((2, 0)), None, Some((1, 1)), None, Some((0, 0)), Some((1, 1))]);
    let (turns, spent, tally) = total(&mut shard);
    assert_eq!((turns, spent, tally.stored, tally.duplicate), (4, NanoUsd(20), 4, 2));
    let seqs: Vec<u64> = storage.rows_after(0, usize::MAX).unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(total(&mut Shard::open(storage, NOW).unwrap()), total(&mut shard));
}

#[test]
fn a_malformed_append_changes_nothing() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let good = message(&[turn(1, None, None, NOW.0, Some(5), 0)]);
    for bad in [
        "",
        "{}x",
        "{\"events\":1,\"dead_letters\":0}\n",
        "{\"events\":1,\"dead_letters\":0}\n{\"id\":7}\n",
        &good.replace("\"events\":1", "\"events\":2"),
        &good.replace("\"dead_letters\":0", "\"dead_letters\":1"),
    ] {
        assert!(matches!(append(&mut shard, bad, NOW), Err(ShardError::Malformed(_))), "{bad}");
    }
    assert_eq!(storage.last().unwrap().0, 0);
    assert_eq!(append(&mut shard, &good, NOW).unwrap().stored, 1);
}

#[test]
fn dead_letters_are_kept_once_and_balance() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let letter =
        r#"{"digest":"00112233aabbccdd","code":"unknown_field","field":"x","detail":"d","kind":"turn","outline":{}}"#;
    let text = format!("{{\"events\":0,\"dead_letters\":1,\"dropped\":{{\"capture_overflow\":4}}}}\n{letter}\n");
    assert_eq!(append(&mut shard, &text, NOW).unwrap().dead_lettered, 1);
    assert_eq!(append(&mut shard, &text, NOW).unwrap(), AppendReply { duplicate: 1, seq: 2, ..AppendReply::default() });
    assert_eq!(storage.dead_letters().len(), 1);
    let (_, _, tally) = total(&mut shard);
    assert_eq!((tally.received(), tally.dropped_total(), tally.dead_lettered, tally.duplicate), (10, 8, 1, 1));
    let mut reopened = Shard::open(storage, NOW).unwrap();
    assert_eq!(total(&mut reopened).2, tally);
}

#[test]
fn a_large_append_is_cut_into_rows_that_storage_can_hold() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let events: Vec<Event> =
        (0..6_000).map(|i| turn(i + 1, Some((i % 250) as u8), Some(1), NOW.0, Some(1), 0)).collect();
    assert_eq!(append(&mut shard, &message(&events), NOW).unwrap().stored, 6_000);
    let rows = storage.rows_after(0, usize::MAX).unwrap();
    assert!(rows.len() > 1 && rows.iter().all(|row| row.events.len() <= ROW_BYTES_MAX));
    assert_eq!(total(&mut Shard::open(storage, NOW).unwrap()), total(&mut shard));
    assert_eq!(total(&mut shard).2.stored, 6_000);
}

#[test]
fn a_claim_is_kept_for_seven_days_and_counts_nothing() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let (reply, day) = (schemas::ReplyKey::from_mac(schemas::KeyId(1), [3; 16]), schemas::time::DAY_MS);
    let claim = |n: u128, source| Claim { reply, source, id: turn(n, None, None, 0, None, 0).id };
    let claims = [claim(1, schemas::event::Source::Gateway), claim(2, schemas::event::Source::Otlp)];
    for after in [0, 1, 6] {
        assert_eq!(shard.claim(&claims, NOW.plus_ms(after * day)).unwrap(), [true, false]);
        if after > 0 {
            shard.checkpoint(true).unwrap();
            shard.pack(u64::MAX, NOW.plus_ms(after * day)).unwrap();
        }
        shard = Shard::open(storage.clone(), NOW.plus_ms(after * day)).unwrap();
        assert_eq!((shard.seq(), total(&mut shard)), (1, Default::default()));
        assert!(shard.changes(0).unwrap().days.is_empty());
    }
    let mut later = Shard::open(storage, NOW.plus_ms(8 * day)).unwrap();
    let span_first: Vec<Claim> = claims.into_iter().rev().collect();
    assert_eq!(later.claim(&span_first, NOW.plus_ms(8 * day)).unwrap(), [true, false]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where a Shard reads excerpts in place of lines, it stores and counts the same, whatever people have chosen.
    #[test]
    fn excerpts_change_nothing(history in history(30), happenings in happenings(20), choices in proptest::collection::vec((0u8..6, any::<bool>()), 0..6), batch in 1usize..9) {
        let chosen = choices.iter().enumerate().map(|(i, (user, granted))| {
            let body = format!(r#"{{"consent":{{"state":"{}","purpose":"analytics"}}}}"#, if *granted { "granted" } else { "withdrawn" });
            Event { body: serde_json::from_str(&body).unwrap(), ..turn(1_000 + i as u128, Some(*user), None, NOW.0 - 10 * schemas::time::DAY_MS, None, 0) }
        });
        let mut events: Vec<Event> = chosen.chain(history).collect();
        events.extend(happenings.into_iter().map(|event| Event { id: event.id.follow_up(), ..event }));
        events.iter_mut().for_each(with_units);
        let told = |of: &dyn Fn(&[Event]) -> Vec<u8>| {
            let storage = Memory::default();
            let mut shard = Shard::open(storage.clone(), NOW).unwrap();
            let messages: Vec<_> = events.chunks(batch).map(of).collect();
            let replies: Vec<_> = messages.into_iter().map(|message| shard.append(&[message], NOW).unwrap()).collect();
            (replies, shard.told(), shard.all_days().clone(), storage.rows_after(0, usize::MAX).unwrap())
        };
        let with_excerpts = |events: &[Event]| {
            let mut batch = ShardBatch::default();
            events.iter().for_each(|event| batch.push(event));
            batch.message()
        };
        prop_assert_eq!(told(&with_excerpts), told(&|events| message(events).into_bytes()));
    }

    /// Crash before or after any write, retry until acknowledged, checkpoint now and then: as if nothing had happened.
    #[test]
    fn crashes_and_retries_change_nothing(
        events in history(80),
        faults in proptest::collection::vec((0u32..4, any::<bool>(), any::<bool>()), 1..12),
        batch in 1usize..9,
    ) {
        let storage = Memory::default();
        let mut shard = Shard::open(storage.clone(), NOW).unwrap();
        let mut faults = faults.into_iter().cycle();
        for (i, chunk) in events.chunks(batch).enumerate() {
            let (nth, after, checkpoint) = faults.next().unwrap();
            storage.fail(nth, if after { Fault::After } else { Fault::Before });
            let now = NOW.plus_ms(i as i64 * 40_000);
            while append(&mut shard, &message(chunk), now).is_err() {
                shard = Shard::open(storage.clone(), now).unwrap();
            }
            if checkpoint && shard.checkpoint(true).is_err() {
                shard = Shard::open(storage.clone(), now).unwrap();
            }
            // One walked before, the other for the first time.
            prop_assert_eq!(shard.told(), Shard::open(storage.clone(), now).unwrap().told());
        }
        let (turns, spent, tally) = total(&mut shard);
        prop_assert_eq!((turns, spent), oracle(&events));
        prop_assert_eq!(tally.stored, events.len() as u64);
        let mut undisturbed = Fold::default();
        undisturbed.row(1, NOW, &events, &Tally::default());
        prop_assert_eq!(shard.told(), undisturbed.people.told(&(), &BTreeSet::new()));
        let mut reopened = Shard::open(storage, NOW).unwrap();
        prop_assert_eq!(total(&mut reopened), total(&mut shard));
        prop_assert_eq!(reopened.all_days(), shard.all_days());
        prop_assert_eq!(reopened.told(), shard.told());
    }

    /// The rolling counts are those of a plain set of people per range of days.
    #[test]
    fn active_users_are_distinct_people(events in history(120), from in 0i32..9, len in 1i32..6) {
        let mut shard = Shard::open(Memory::default(), NOW).unwrap();
        append(&mut shard, &message(&events), NOW).unwrap();
        let first_day = UtcDay::of(UtcMillis::parse_rfc3339("2026-10-20T00:00:00Z").unwrap()).0;
        let civil = |day: i32| crate::civil::CivilDay {
            date: day.to_string(),
            from: Bucket15(UtcDay(first_day + day).first_bucket().0 - 23),
            to: Bucket15(UtcDay(first_day + day + 1).first_bucket().0 - 23),
        };
        let days: Vec<_> = (from..from + len).map(civil).collect();
        let window = Window {
            from: days[0].from, to: days.last().unwrap().to, before: (from - 29..from).map(civil).collect(), days };
        let answer = shard.people_in("Asia/Kathmandu", &window);
        for (i, day) in window.days.iter().enumerate() {
            for (width, counts) in [(1, &answer.activity.dau), (7, &answer.activity.wau), (30, &answer.activity.mau)] {
                let start = civil(from + i as i32 - width + 1).from.start().0;
                let active: std::collections::BTreeSet<_> = events.iter()
                    .filter(|e| (start..day.to.start().0).contains(&e.ts.0)).filter_map(|e| e.user).collect();
                prop_assert_eq!(counts[i] as usize, active.len(), "day {} width {}", i, width);
            }
        }
        let in_window = |e: &&Event| (window.from.start().0..window.to.start().0).contains(&e.ts.0);
        let active: std::collections::BTreeSet<_> = events.iter().filter(in_window).filter_map(|e| e.user).collect();
        prop_assert_eq!(answer.activity.spend_per_user.n(), active.len() as u64);
        prop_assert_eq!(answer.activity.users, active.len() as u64);
        prop_assert_eq!(answer.sessions.count(), answer.sessions.turns.n());
    }
}
