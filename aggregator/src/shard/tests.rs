use super::*;
use crate::batch::ShardBatch;
use crate::civil::Window;
use crate::fold::testing::{history, turn};
use crate::storage::memory::{Fault, Memory};
use proptest::prelude::*;
use schemas::{Bucket15, NanoUsd};

pub(super) const NOW: UtcMillis = UtcMillis(1_793_000_000_000);

pub(super) fn message(events: &[Event]) -> Vec<u8> {
    let mut batch = ShardBatch::default();
    events.iter().for_each(|event| batch.push(event));
    batch.message()
}

/// The same with another header.
fn with_header(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let end = message.iter().position(|byte| *byte == b'\n').unwrap();
    let header = std::str::from_utf8(&message[..end]).unwrap().replace(from, to);
    [header.as_bytes(), &message[end..]].concat()
}

pub(super) fn append(shard: &mut Shard<Memory>, message: &[u8], now: UtcMillis) -> Result<AppendReply, ShardError> {
    shard.append(&[message.to_vec()], now).map(|mut replies| replies.remove(0))?
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
        b"nonsense".to_vec(),
        message(&[event(2), event(3)]),
        with_header(&message(&[event(4)]), "\"events\":1", "\"events\":2"),
        message(&[]),
        message(&[event(4), event(4)]),
    ];
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
    let events = |header: &str, rest: &[u8]| [header.as_bytes(), b"\n", rest].concat();
    let (one, cut) = (r#"{"events":1,"dead_letters":0}"#, &good[..good.len() - 1]);
    for bad in [
        &b""[..],
        b"{}x",
        one.as_bytes(),
        &events(one, b""),
        &events(one, b"\x08\0\0\0{\"id\":7}"),
        &events(one, b"\xff\xff\xff\xff{}"),
        cut,
        &[&good, &b"\0"[..]].concat(),
        &[&good, &b"\0\0\0\0"[..]].concat(),
        &with_header(&good, "\"events\":1", "\"events\":2"),
        &with_header(&good, "\"events\":1", "\"events\":0"),
        &with_header(&good, "\"dead_letters\":0", "\"dead_letters\":1"),
    ] {
        let what = String::from_utf8_lossy(bad);
        assert!(matches!(append(&mut shard, bad, NOW), Err(ShardError::Malformed(_))), "{what}");
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
    assert_eq!(append(&mut shard, text.as_bytes(), NOW).unwrap().dead_lettered, 1);
    assert_eq!(
        append(&mut shard, text.as_bytes(), NOW).unwrap(),
        AppendReply { duplicate: 1, seq: 2, ..AppendReply::default() }
    );
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
