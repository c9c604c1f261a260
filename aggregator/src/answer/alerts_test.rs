//! Inputs of alerts, worked out by hand.

use schemas::{Event, NanoUsd};
use serde_json::{Value, json};

use super::*;
use crate::answer::counted::testing::{Folded, at, events};
use crate::answer::{Facts, Panel, Query, testing};
use crate::budget::{BudgetQuery, Limits, Periods};
use crate::census::Census;
use crate::fold::intake::{DropReason, Tally};
use crate::protocol::ShardHealth;

/// A Saturday.
const NOW: &str = "2026-11-21T18:56:03Z";

fn a_turn(provider: &str, status: &str, nano_usd: i64, latency_ms: u32) -> Value {
    let cost = json!({"nano_usd": nano_usd, "price_version": "v", "tier": "base", "provenance": "computed"});
    json!({"turn": {"provider": provider, "model": "m", "status": status, "cost": cost, "latency_ms": latency_ms}})
}

fn ask(events: &[Event], health: ShardHealth, limits: Limits, people: Option<Census>) -> Value {
    let tz = Zone::UTC;
    let window = civil::window(tz, at("2026-10-01T00:00:00Z"), at("2026-11-22T00:00:00Z"));
    let budget = Some(BudgetQuery { limits, periods: Periods::at(tz, at(NOW)) });
    let query = Query { budget, ..Query::new(tz, window, Panel::ALL.to_vec(), at(NOW)) };
    let mut folded = Folded::of(events);
    // Received in the minutes before now.
    let tally = |stored, reason, lost| Tally { stored, dropped: [(reason, lost)].into(), ..Tally::default() };
    for (number, (time, tally)) in [
        ("2026-11-21T18:50:59Z", tally(0, DropReason::CaptureOverflow, 50)),
        ("2026-11-21T18:51:00Z", tally(10, DropReason::CaptureOverflow, 3)),
        ("2026-11-21T18:55:59Z", tally(5, DropReason::OptedOut, 2)),
        ("2026-11-21T18:56:01Z", tally(0, DropReason::CaptureUnstored, 70)),
    ]
    .into_iter()
    .enumerate()
    {
        folded.0[0].row(number as u64 + 2, at(time), &[], &tally);
    }
    let (people_as_of, people_before) = Default::default();
    let budget_people = people.clone().map(|people| (people, Census::default()));
    let shards = vec![Some(health)];
    testing::answer(&Facts {
        query: &query,
        counted: &folded,
        people,
        people_as_of,
        people_before,
        budget_people,
        shards,
    })
}

fn said(inputs: &[Input], name: &str) -> Vec<(Option<String>, Option<f64>, u64)> {
    inputs.iter().filter(|input| input.name == name).map(|input| (input.of.clone(), input.value, input.n)).collect()
}

fn one(inputs: &[Input], name: &str) -> (Option<f64>, u64) {
    let all = said(inputs, name);
    assert_eq!(all.len(), 1, "{name}");
    (all[0].1, all[0].2)
}

#[test]
fn every_input_is_what_its_panel_says() {
    let mut all = vec![
        ("2026-11-21T18:51:00Z", a_turn("openai", "error", 0, 9_000)),
        ("2026-11-21T18:52:00Z", a_turn("openai", "timeout", 0, 9_000)),
        ("2026-11-21T18:53:00Z", a_turn("openai", "ok", 90, 100)),
        ("2026-11-21T18:54:00Z", a_turn("acme", "ok", 0, 100)),
        ("2026-11-21T18:56:00Z", a_turn("acme", "error", 0, 100)),
        ("2026-11-20T10:00:00Z", a_turn("old", "error", 0, 100)),
        ("2026-11-20T10:00:00Z", json!({"feedback": {"rating": "up"}})),
        ("2026-11-20T10:00:00Z", json!({"feedback": {"rating": "down"}})),
        ("2026-11-20T10:00:00Z", json!({"platform": {"platform": "whatsapp", "event": "api_call", "status": 503}})),
        ("2026-11-20T10:00:00Z", json!({"platform": {"platform": "whatsapp", "event": "api_call", "status": 200}})),
    ];
    // One turn of 10 nano-USD on each of the Saturdays before.
    for saturday in ["2026-10-24", "2026-10-31", "2026-11-07", "2026-11-14"] {
        all.push((Box::leak(format!("{saturday}T12:00:00Z").into_boxed_str()), a_turn("acme", "ok", 10, 100)));
    }
    let health = ShardHealth {
        last_nightly: Some("2026-11-19".into()),
        lake_error: Some("no bucket".into()),
        erasure_due_ms: Some(at(NOW).0 - 7),
        ..ShardHealth::default()
    };
    let mut people = Census::default();
    people.activity.users = 4;
    people.activity.at_limit = 1;
    people.integrations.platforms.entry("whatsapp".into()).or_default().expiring = 3;
    let limits = Limits { day: NanoUsd(100), month: NanoUsd(1_000), user_day: NanoUsd(5), user_month: NanoUsd::ZERO };
    let answer = ask(&events(&all), health, limits, Some(people));
    let inputs = inputs(&answer);
    assert_eq!(one(&inputs, "error_rate_5m"), (Some(0.5), 4));
    let down = said(&inputs, "model_api_down");
    let wanted = [("acme", Some(0.0), 1), ("old", None, 0), ("openai", Some(1.0), 3)];
    assert_eq!(down, wanted.map(|(of, value, n)| (Some(of.to_owned()), value, n)));
    assert_eq!(one(&inputs, "intake_lost"), (Some(3.0 / 20.0), 20));
    // From the end of the 19th on.
    assert_eq!(one(&inputs, "nightly_age"), (Some((at(NOW).0 - at("2026-11-20T00:00:00Z").0) as f64), 1));
    assert_eq!(one(&inputs, "nightly_failed"), (Some(1.0), 1));
    assert_eq!(one(&inputs, "erasure_overdue"), (Some(7.0), 1));
    assert_eq!(one(&inputs, "budget_day").0, Some(0.9));
    let projected = answer["panels"]["cost"]["budget"]["month"]["projected"]["value"].as_f64().unwrap();
    assert_eq!(one(&inputs, "budget_month_projected").0, Some(projected / 1_000.0));
    assert_eq!(said(&inputs, "users_over_limit"), [(Some("user_day".to_owned()), Some(1.0), 4)]);
    // (90 − 10) / 1, the least spread; (5 − 1) / 1.
    assert_eq!(one(&inputs, "spend_spike"), (Some(80.0), 4));
    assert_eq!(one(&inputs, "usage_spike"), (Some(4.0), 4));
    let p95 = &answer["panels"]["operations"]["latency"]["p95"];
    assert_eq!(one(&inputs, "replies_p95"), (p95["value"].as_f64(), 10));
    assert!((8_900.0..9_100.0).contains(&p95["value"].as_f64().unwrap()));
    assert_eq!(one(&inputs, "satisfaction"), (Some(0.5), 2));
    assert_eq!(said(&inputs, "platform_api_errors"), [(Some("whatsapp".to_owned()), Some(0.5), 2)]);
    assert_eq!(one(&inputs, "tokens_expiring").0, Some(3.0));
    assert_eq!(one(&inputs, "users").0, Some(4.0));
    for input in &inputs {
        let head = input.threshold_metric.split(['.', '[']).take(2).collect::<Vec<_>>().join("/");
        assert!(answer["panels"].pointer(&format!("/{head}")).is_some(), "{}", input.threshold_metric);
    }
}

#[test]
fn what_is_not_known_is_no_value() {
    let quiet = ask(&[], ShardHealth::default(), Limits::default(), None);
    let inputs = super::inputs(&quiet);
    let known: Vec<_> = inputs.iter().filter(|input| input.value.is_some()).map(|input| input.name).collect();
    assert_eq!(known, ["intake_lost", "nightly_failed", "erasure_overdue"]);
    assert_eq!((one(&inputs, "erasure_overdue"), one(&inputs, "users")), ((Some(0.0), 0), (None, 0)));
    for nothing in [json!({}), json!(null), json!({"panels": {"cost": 7}, "generated_at": "never"})] {
        assert!(super::inputs(&nothing).iter().all(|input| input.value.is_none()), "{nothing}");
    }
    let due = ShardHealth { erasure_due_ms: Some(at(NOW).0 + 1), ..ShardHealth::default() };
    assert_eq!(one(&super::inputs(&ask(&[], due, Limits::default(), None)), "erasure_overdue"), (Some(0.0), 1));
}

#[test]
fn three_weeks_make_no_spike() {
    let saturdays = ["2026-10-31T12:00:00Z", "2026-11-07T12:00:00Z", "2026-11-14T12:00:00Z", "2026-11-21T12:00:00Z"];
    let all = events(&saturdays.map(|time| (time, a_turn("acme", "ok", 10, 100))));
    let answer = ask(&all, ShardHealth::default(), Limits::default(), Some(Census::default()));
    let inputs = inputs(&answer);
    assert_eq!(one(&inputs, "usage_spike"), (None, 3));
    assert_eq!(
        (one(&inputs, "spend_spike"), &answer["panels"]["cost"]["spike"]["is_spike"]),
        ((None, 3), &json!(false))
    );
}
