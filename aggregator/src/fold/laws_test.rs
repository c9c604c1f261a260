//! Laws that hold for everything that is counted.

use proptest::prelude::*;

use super::testing::{happenings, told, turn};
use super::*;
use crate::answer::Counted;
use crate::answer::testing::Folded;

const EVER: (Bucket15, Bucket15) = (Bucket15(0), Bucket15(i32::MAX));

/// All that is counted, in words.
fn told_of(counted: &Folded, cut: Bucket15) -> String {
    let halves = [(EVER.0, cut), (cut, EVER.1)].map(|(from, to)| {
        let seen = (counted.sentiment_by_quarter(from, to), counted.sample(from, to));
        (counted.range(from, to), counted.named(from, to), seen)
    });
    let minutes = counted.minutes(UtcMillis(0), UtcMillis(i64::MAX / 2));
    format!("{halves:?} {:?} {minutes:?}", counted.last_words_ever())
}

fn fold(rows: &[Vec<Event>]) -> Fold {
    let mut fold = Fold::default();
    let received_at = UtcMillis::parse_rfc3339("2026-10-22T00:00:00Z").unwrap();
    for (seq, events) in (1..).zip(rows) {
        fold.row(seq, received_at, events, &Tally::default());
    }
    fold
}

/// Without log positions.
fn positionless(mut fold: Fold) -> BTreeMap<UtcDay, Day> {
    for day in fold.days.values_mut() {
        day.changed = 0;
        day.buckets.retain(|_, bucket| *bucket != Bucket::default());
    }
    fold.days.retain(|_, day| *day != Day::default());
    fold.days
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In any order, in any rows, over any number of Shards it is the same.
    #[test]
    fn order_and_grouping_change_nothing(events in happenings(60), by in 1usize..9, shards in 1u32..4, cut in 0i32..3 * 96) {
        let cut = Bucket15(UtcDay::of(events.first().map_or(UtcMillis(0), |event| event.ts)).first_bucket().0 + cut);
        let whole = told_of(&Folded(vec![fold(std::slice::from_ref(&events))]), cut);
        let mut turned = events.clone();
        turned.reverse();
        turned.rotate_left(by.min(events.len()));
        let rows: Vec<Vec<Event>> = turned.chunks(by).map(<[Event]>::to_vec).collect();
        prop_assert_eq!(&told_of(&Folded(vec![fold(&rows)]), cut), &whole);
        let of_shard = |number: u32| fold(&[turned.iter().filter(|event| event.shard(shards) == number).cloned().collect()]);
        prop_assert_eq!(&told_of(&Folded((0..shards).map(of_shard).collect()), cut), &whole);
    }

    /// What is taken out was never told, but for what is no one's.
    #[test]
    fn what_is_taken_out_was_never_told(events in happenings(60), who in 0u8..4) {
        let user = turn(1, Some(who), None, 0, None, 0).user;
        let kept = |event: &Event| ["request", "crisis", "incident", "notice"].contains(&event.body.kind());
        let (theirs, others): (Vec<Event>, Vec<Event>) =
            events.iter().cloned().partition(|event| event.user == user && !kept(event));
        let mut whole = fold(&[events]);
        whole.take_out(2, &user.into_iter().collect::<Vec<_>>(), &fold(&[theirs]));
        prop_assert_eq!(positionless(whole), positionless(fold(&[others])));
    }

    #[test]
    fn days_are_read_as_they_were_written(events in happenings(60)) {
        for day in fold(&[events]).days.values() {
            prop_assert_eq!(&Day::decode(&day.encode().unwrap()).unwrap(), day);
        }
    }
}

#[test]
fn every_kind_that_is_told_is_counted() {
    let nothing = told_of(&Folded(vec![fold(&[])]), EVER.0);
    let base = turn(20, Some(1), Some(1), UtcMillis::parse_rfc3339("2026-10-21T10:00:00Z").unwrap().0, None, 0);
    for body in told() {
        let event = Event { body, ..base.clone() };
        assert_ne!(told_of(&Folded(vec![fold(&[vec![event.clone()]])]), EVER.0), nothing, "{event:?}");
    }
}

/// Days of releases that knew routes and referrers alone of all names, and no observations.
#[test]
fn days_of_earlier_releases_are_read() {
    type Count = (u32, u32, u32);
    type Names = BTreeMap<String, Vec<(u8, Count)>>;
    let spend: BTreeMap<u8, u8> = BTreeMap::new();
    let requests = (7, 1, 2, 3, 4, BTreeMap::<String, u64>::new());
    let safety = (spend.clone(), spend.clone(), 2, spend.clone(), spend.clone());
    let bucket = (1_994_728, Vec::<u8>::new(), (5, 4), requests, safety);
    let routes: Names = BTreeMap::from([("/".to_owned(), vec![(40, (7, 1, 2))])]);
    let day = ((Vec::<u8>::new(), [bucket]), BTreeMap::<u16, u8>::new(), 9, (routes, Names::new()));
    let read = Day::decode(&encode(&day).unwrap()).unwrap();
    let bucket = &read.buckets[&1_994_728];
    assert_eq!((bucket.usage.turns, bucket.operations.requests, bucket.safety.false_positives), (5, 7, 2));
    assert_eq!((bucket.sentiment.is_none(), read.changed, read.minutes.is_empty()), (true, 9, true));
    let mut totals = named::NamedTotals::default();
    read.named.sum(UtcDay(20_778), EVER.0, EVER.1, &mut totals);
    let visits = totals.routes["/"];
    assert_eq!((visits.requests, visits.client_errors, visits.server_errors), (7, 1, 2));
    let rare: cost::Rare = decode(&encode(&(1, 2, 3, 4, BTreeMap::<u8, u8>::new())).unwrap()).unwrap();
    assert_eq!((rare.partial, rare.cache), (1, cost::Cache::default()));
}

#[test]
fn a_day_of_little_takes_few_bytes() {
    let one = fold(&[vec![turn(1, Some(1), Some(1), 1_792_540_000_000, Some(5_000_000), 0)]]);
    let bytes = one.days.values().next().unwrap().encode().unwrap().len();
    assert!(bytes < 170, "{bytes} bytes");
}

#[test]
fn minutes_go_when_no_one_asks_for_them_any_more() {
    let at = |text: &str| UtcMillis::parse_rfc3339(text).unwrap();
    let one = |n: u128, text: &str| turn(n, Some(1), None, at(text).0, None, 0);
    let mut fold = Fold::default();
    fold.row(
        1,
        at("2026-10-20T10:00:00Z"),
        &[one(1, "2026-10-20T09:59:00Z"), one(2, "2026-10-18T10:00:00Z")],
        &Tally::default(),
    );
    let minutes = |fold: &Fold| fold.days.values().map(|day| !day.minutes.is_empty()).collect::<Vec<_>>();
    assert_eq!(minutes(&fold), [false, true]);
    fold.row(2, at("2026-10-21T23:59:00Z"), &[], &Tally::default());
    assert_eq!(minutes(&fold), [false, true]);
    fold.row(3, at("2026-10-22T00:00:00Z"), &[one(3, "2026-10-21T23:59:59Z")], &Tally::default());
    assert_eq!(minutes(&fold), [false, false, true]);
    assert_eq!(fold.days.values().map(|day| day.changed).collect::<Vec<_>>(), [1, 3, 3]);
}
