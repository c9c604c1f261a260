//! What panels say of people, worked out by hand.

use proptest::prelude::*;
use schemas::event::{Cohort, Country};
use schemas::{Body, Event, UtcMillis};
use serde_json::{Value, json};

use super::counted::testing::Folded;
use super::*;
use crate::census::integrations::Connections;
use crate::fold::testing::turn;

const NOW: &str = "2026-11-21T18:56:03Z";

fn query(panel: Panel, filter: Filter) -> Query {
    let now = UtcMillis::parse_rfc3339(NOW).unwrap();
    let window = civil::window(Zone::UTC, now.plus_ms(-3 * schemas::time::DAY_MS), now);
    Query { filter, ..Query::new(Zone::UTC, window, vec![panel], now) }
}

/// Events of no one in Germany, an hour ago.
fn events(bodies: &[Value]) -> Vec<Event> {
    let at = UtcMillis::parse_rfc3339(NOW).unwrap().0 - schemas::time::HOUR_MS;
    let event = |(n, body): (usize, &Value)| Event {
        body: serde_json::from_value::<Body>(body.clone()).unwrap(),
        cohort: Cohort { country: Country::parse("DE"), ..Cohort::default() },
        ..turn(n as u128 + 1, None, None, at, None, 0)
    };
    bodies.iter().enumerate().map(event).collect()
}

fn ask(query: &Query, people: Option<Census>, events: &[Event]) -> Value {
    let counted = Folded::of(events);
    let (people_as_of, people_before, budget_people) = Default::default();
    let facts = Facts { query, counted: &counted, people, people_as_of, people_before, budget_people, shards: vec![] };
    let answer = testing::answer(&facts);
    assert_eq!(super::schema::faults(&answer), [""; 0]);
    answer["panels"][query.panels[0].name()].clone()
}

fn panel(panel: Panel, census: Census, bodies: &[Value]) -> Value {
    ask(&query(panel, Filter::None), Some(census), &events(bodies))
}

/// A row's bucket with values of its members, of which `value` is its own.
fn rows(series: &Value, members: &[&str]) -> Vec<Value> {
    let member = |row: &Value, name: &str| row[name].get("value").unwrap_or(&row[name]).clone();
    let row = |row: &Value| {
        [row["bucket"].clone()].into_iter().chain(members.iter().map(|name| member(row, name))).collect::<Value>()
    };
    series.as_array().unwrap().iter().map(row).collect()
}

fn request() -> Value {
    let device = json!({"class": "mobile", "browser": {"family": "Chrome"}, "os": {"family": "Linux"}});
    json!({"request": {"method": "GET", "route": "/", "status": 200, "ttfb_ms": 80, "device": device}})
}

#[test]
fn countries_have_people_and_requests() {
    let mut census = Census::default();
    let of = Country::parse;
    census.activity.by_country = [(None, 2), (of("FR"), 5), (of("NP"), 5)].into_iter().collect();
    census.activity.turns_by_country = [(of("NP"), 9), (of("US"), 1)].into_iter().collect();
    census.sessions.by_country = [(of("NP"), 3), (of("FR"), 3)].into_iter().collect();
    let countries = panel(Panel::Demographics, census, &[request(), request()])["countries"].clone();
    let expected = [
        json!(["NP", 5, 3, 9, 0]),
        json!(["FR", 5, 3, 0, 0]),
        json!(["(none)", 2, 0, 0, 0]),
        json!(["US", 0, 0, 1, 0]),
        json!(["DE", 0, 0, 0, 2]),
    ];
    assert_eq!(rows(&countries, &["value", "sessions", "turns", "requests"]), expected);
}

#[test]
fn offsets_have_a_sign_and_the_earliest_of_their_fullest_hours() {
    let mut census = Census::default();
    census.activity.by_offset = [(None, 1), (Some(-210), 4), (Some(60), 2)].into_iter().collect();
    census.sessions.local_hour_unknown = 7;
    let hours = |full: &[usize]| (0..24).map(|hour| u64::from(full.contains(&hour))).collect();
    census.sessions.by_offset = [(60, hours(&[])), (345, hours(&[9, 8, 23]))].into_iter().collect();
    let offsets = panel(Panel::Demographics, census, &[])["offsets"].clone();
    let expected = [
        json!(["(none)", 1, 7, null]),
        json!(["-03:30", 4, 0, null]),
        json!(["+01:00", 2, 0, null]),
        json!(["+05:45", 0, 3, 8]),
    ];
    assert_eq!(rows(&offsets, &["value", "sessions", "peak_hour"]), expected);
}

#[test]
fn where_a_filter_tells_no_one_apart_there_are_no_people() {
    let events = events(&[request(), json!({"error": {"component": "ui", "code": "E1", "fatal": false}})]);
    let mut census = Census::default();
    census.activity.by_country = [(Country::parse("DE"), 5)].into_iter().collect();
    let part = |panel, filter: &str, people: bool| {
        ask(&query(panel, Filter::parse(filter).unwrap_or_default()), people.then(|| census.clone()), &events)
    };
    let germany = |filter: &str, people| {
        let row = part(Panel::Demographics, filter, people)["countries"][0].clone();
        (row["value"].as_u64(), row["requests"]["value"].as_u64())
    };
    assert_eq!([germany("", true), germany("country:DE", true)], [(Some(5), Some(1)); 2]);
    assert_eq!([germany("", false), germany("device:mobile", true)], [(None, Some(1)); 2]);
    for people in [true, false] {
        let of_model = part(Panel::Cost, "model:m1", people);
        assert!(["per_user", "projection", "budget"].iter().all(|name| of_model.get(name).is_none()));
        assert!(part(Panel::Operations, "model:m1", people).get("active_sessions").is_none());
    }
    let errors = |people| part(Panel::Operations, "", people)["errors"][0]["users"].clone();
    assert_eq!((&errors(true)["value"], &errors(false)["hidden"]), (&json!(0), &json!("shard_unreachable")));
}

#[test]
fn platforms_that_never_synced_are_told_of_too() {
    let mut census = Census::default();
    let people = |connected, stale| Connections { connected, stale, expired: 1, expiring: 2 };
    census.integrations.platforms =
        [("apple".to_owned(), people(3, 3)), ("whatsapp".to_owned(), people(4, 1))].into_iter().collect();
    let synced = |name: &str| json!({"platform": {"platform": name, "event": "synced"}});
    let bodies = [synced("whatsapp"), synced("zoom")];
    let told = panel(Panel::Integrations, census, &bodies);
    let hour = schemas::time::HOUR_MS;
    let expected =
        [json!(["whatsapp", hour, 1, null]), json!(["zoom", hour, 0, null]), json!(["apple", null, 3, "no_data"])];
    assert_eq!(rows(&told["freshness"], &["value", "stale", "hidden"]), expected);
    let expected = [json!(["apple", 3, 1]), json!(["whatsapp", 4, 1])];
    assert_eq!(rows(&told["connected"], &["value", "expired"]), expected);
    assert_eq!(told["tokens_expiring"]["value"], json!(4));
    let silent = ask(&query(Panel::Integrations, Filter::None), None, &events(&bodies));
    assert!(silent.get("connected").is_none() && silent["freshness"][0].get("stale").is_none());
}

#[test]
fn emotions_are_those_of_the_catalogue() {
    let mut census = Census::default();
    census.sessions.emotions = vec![0, 3, 0, 0, 0, 0, 0, 0, 1];
    census.sessions.emotions_by_day = vec![vec![], vec![0, 3], vec![0, 0, 0, 0, 0, 0, 0, 0, 1]];
    let told = panel(Panel::Sentiment, census, &[]);
    let rows = rows(&told["emotions"], &["value", "sessions"]);
    assert_eq!((rows.len(), &rows[1], &rows[8]), (9, &json!(["trust", 0.75, 3]), &json!(["neutral", 0.25, 1])));
    let by_day = told["emotions_by_day"].as_array().unwrap();
    let day = |at: usize| (by_day[at]["value"].clone(), by_day[at]["by_emotion"]["trust"].clone());
    assert_eq!([day(0), day(1), day(2)], [(json!(0), json!(0)), (json!(3), json!(3)), (json!(1), json!(0))]);
    assert_eq!(by_day[2]["by_emotion"]["neutral"], json!(1));
}

proptest! {
    /// However people's observations are spread over models, rows add up to all of them.
    #[test]
    fn frustration_by_model_adds_up(models in prop::collection::vec((any::<bool>(), 0_u8..3), 0..8), of_no_one in 0_usize..3) {
        let mut census = Census::default();
        for (frustrated, model) in &models {
            let model = (*model > 0).then(|| format!("m{model}"));
            let counts = census.sessions.frustration_by_model.entry(model).or_default();
            *counts = (counts.0 + 1, counts.1 + u64::from(*frustrated));
        }
        let seen = |frustrated: bool| {
            let signs: &[&str] = if frustrated { &["gave_up"] } else { &[] };
            json!({"observation": {"emotion": "joy", "intensity": 1, "confidence": 1, "model_version": "s1", "frustration": signs}})
        };
        let bodies: Vec<Value> =
            models.iter().map(|(frustrated, _)| seen(*frustrated)).chain((0..of_no_one).map(|_| seen(true))).collect();
        let told = panel(Panel::Sentiment, census, &bodies)["frustration"]["by_model"].clone();
        let rows: Vec<(&str, u64, f64)> = told
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["bucket"].as_str().unwrap(), row["n"].as_u64().unwrap(), row["value"].as_f64().unwrap()))
            .collect();
        prop_assert!(rows.is_sorted_by_key(|row| row.0));
        prop_assert_eq!(rows.iter().map(|row| row.1).sum::<u64>(), bodies.len() as u64);
        let hits: f64 = rows.iter().map(|row| row.1 as f64 * row.2).sum();
        let expected = models.iter().filter(|(frustrated, _)| *frustrated).count() + of_no_one;
        prop_assert!((hits - expected as f64).abs() < 1e-9);
    }
}
