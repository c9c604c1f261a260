//! Panels of events of a few kinds, worked out by hand.

use schemas::Event;
use schemas::event::{Cohort, Country};
use serde_json::{Value, json};

use super::counted::testing::{Folded, at, events};
use super::*;
use crate::fold::testing::turn;

const NOW: &str = "2026-11-21T18:56:03Z";

fn ask(query: &Query, events: &[Event]) -> Value {
    let folded = Folded::of(events);
    let answer = testing::answer(&facts(query, &folded));
    assert_eq!(super::schema::faults(&answer), [""; 0]);
    answer
}

fn facts<'a>(query: &'a Query, counted: &'a Folded) -> Facts<'a> {
    let (people, people_as_of, people_before, budget_people) = Default::default();
    Facts { query, counted, people, people_as_of, people_before, budget_people, shards: Vec::new() }
}

/// November 2026, a panel.
fn query(tz: &str, panel: Panel) -> Query {
    let zone = civil::zone(tz).unwrap();
    let start = |date: &str| civil::day_start(zone, civil::parse_date(date).unwrap());
    let window = civil::window(zone, start("2026-11-01"), start("2026-12-01"));
    Query::new(zone, window, vec![panel], at(NOW))
}

fn panel(panel: Panel, events: &[Event]) -> Value {
    ask(&query("UTC", panel), events)["panels"][panel.name()].clone()
}

/// Buckets and values of a series.
fn rows(series: &Value) -> Vec<(String, Value)> {
    let row = |row: &Value| (row["bucket"].as_str().unwrap().to_owned(), row["value"].clone());
    series.as_array().unwrap().iter().map(row).collect()
}

fn is<const N: usize>(rows: [(&str, Value); N]) -> Vec<(String, Value)> {
    rows.into_iter().map(|(bucket, value)| (bucket.to_owned(), value)).collect()
}

fn a_turn(model: &str, members: Value) -> Value {
    let mut turn = json!({"provider": "openai", "model": model, "status": "ok", "cost": {"unpriced": "usage_missing"}});
    turn.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "turn": turn })
}

fn priced(nano_usd: i64, cache: Value) -> Value {
    let mut cost = json!({"nano_usd": nano_usd, "price_version": "v", "tier": "base", "provenance": "computed"});
    if !cache.is_null() {
        cost["cache"] = cache;
    }
    cost
}

#[test]
fn cost_per_turn_and_what_caching_did() {
    let day = "2026-11-20T10:00:00Z";
    let all = events(&[
        (day, a_turn("a", json!({"cost": priced(100, json!({"saved": 40, "write_premium": 7}))}))),
        (day, a_turn("a", json!({"cost": priced(201, json!(null))}))),
        (day, a_turn("b", json!({"cost": priced(400, json!({"saved": -10, "write_premium": 0}))}))),
        (day, a_turn("b", json!({}))),
        (day, json!({"service_cost": {"service": "cdn", "nano_usd": 1000}})),
    ]);
    let cost = panel(Panel::Cost, &all);
    assert_eq!((&cost["spend"]["value"], &cost["usage_missing"]["value"]), (&json!(1701), &json!(1)));
    assert_eq!((&cost["cache_savings"]["value"], &cost["cache_savings"]["n"]), (&json!(30), &json!(2)));
    assert_eq!(cost["cache_write_premium"]["value"], json!(7));
    let per_turn = &cost["per_turn"];
    let values = ["mean", "median", "p90", "max"].map(|name| per_turn[name]["value"].clone());
    assert_eq!((values, &per_turn["mean"]["n"]), ([234, 201, 400, 400].map(|n| json!(n)), &json!(3)));
    assert_eq!(per_turn["median"]["exact"], json!(true));
    assert_eq!(rows(&per_turn["histogram"]), is([("100", json!(1)), ("200", json!(0)), ("500", json!(2))]));
    let of_a = Query { filter: Filter::Model("a".into()), ..query("UTC", Panel::Cost) };
    let of_a = ask(&of_a, &all)["panels"]["cost"].clone();
    assert_eq!((&of_a["spend"]["value"], &of_a["per_turn"]["mean"]["value"]), (&json!(301), &json!(150)));
    assert_eq!(rows(&of_a["spend_by_service"]), is([("model", json!(301))]));
    for name in ["per_user", "top_users", "budget", "projection", "spike"] {
        assert!(of_a.get(name).is_none(), "{name}");
    }
}

#[test]
fn costs_of_turns_that_are_not_all_known_are_no_quantile() {
    let all = events(&[("2026-11-20T10:00:00Z", a_turn("a", json!({"cost": priced(100, json!(null))})))]);
    let mut folded = Folded::of(&all);
    folded.0.iter_mut().flat_map(|fold| fold.days.values_mut()).for_each(|day| day.named = Default::default());
    let query = query("UTC", Panel::Cost);
    let per_turn = &testing::answer(&facts(&query, &folded))["panels"]["cost"]["per_turn"];
    assert_eq!((&per_turn["mean"]["value"], &per_turn["median"]["hidden"]), (&json!(100), &json!("not_enough_data")));
}

#[test]
fn models_are_down_when_half_of_the_last_turns_fail() {
    let turn = |time, provider: &str, status: &str, more: Value| {
        let mut turn = a_turn("m", more);
        (turn["turn"]["provider"], turn["turn"]["status"]) = (json!(provider), json!(status));
        (time, turn)
    };
    // The last five whole minutes are 18:51 to 18:56.
    let all = events(&[
        turn("2026-11-21T18:50:59Z", "openai", "error", json!({"error_code": "overloaded"})),
        turn("2026-11-21T18:51:00Z", "openai", "timeout", json!({"latency_ms": 5001, "ttft_ms": 2001})),
        turn("2026-11-21T18:55:59Z", "openai", "error", json!({"error_code": "overloaded", "latency_ms": 2000})),
        turn("2026-11-21T18:55:00Z", "openai", "ok", json!({"latency_ms": 300})),
        turn("2026-11-21T18:55:00Z", "openai", "cancelled", json!({})),
        turn("2026-11-21T18:56:00Z", "openai", "error", json!({"error_code": "late"})),
        turn("2026-11-21T18:55:30Z", "acme", "error", json!({})),
        turn("2026-11-21T18:55:31Z", "acme", "error", json!({})),
        turn("2026-11-20T10:00:00Z", "old", "ok", json!({})),
    ]);
    let operations = panel(Panel::Operations, &all);
    assert_eq!(operations["turns_per_second"]["value"], json!(6.0 / 300.0));
    let api = &operations["model_api"];
    assert_eq!(rows(api), is([("acme", json!(1.0)), ("old", json!(null)), ("openai", json!(0.6))]));
    let states: Vec<&str> = api.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["up", "idle", "down"]);
    assert_eq!(rows(&api[2]["codes"]), is([("overloaded", json!(2)), ("late", json!(1)), ("timeout", json!(1))]));
    assert_eq!((&api[2]["error_rate_5m"]["value"], &api[2]["error_rate_5m"]["n"]), (&json!(0.5), &json!(4)));
    let latency = &operations["latency"];
    assert_eq!((&latency["p50"]["exact"], &latency["p50"]["error"]), (&json!(false), &json!(1.0 / 512.0)));
    assert_eq!((&latency["over_2s"]["value"], &latency["over_5s"]["n"]), (&json!(1.0 / 3.0), &json!(3)));
    assert_eq!(latency["by_model"][0]["bucket"], "m");
    assert_eq!(operations["ttft"]["over_2s"]["value"], json!(1.0));
    let other = Query { filter: Filter::Model("other".into()), ..query("UTC", Panel::Operations) };
    let other = ask(&other, &all)["panels"]["operations"].clone();
    assert_eq!((&other["model_api"], &other["turns_per_second"]["value"]), (&json!([]), &json!(0.0)));
    assert!(other.get("requests").is_none() && other.get("intake").is_none());
}

#[test]
fn errors_vitals_and_actions() {
    let error = |code: &str, fatal: bool| json!({"error": {"component": "ui", "code": code, "fatal": fatal}});
    let vital = |value: f64| json!({"vital": {"name": "lcp", "value": value, "route": "/c/:id", "device": "mobile"}});
    let action = |ms: u32| json!({"journey": {"name": "plan_made", "duration_ms": ms}});
    let all = events(&[
        ("2026-10-02T00:00:00Z", error("old", false)),
        ("2026-10-01T23:59:59Z", error("E2", false)),
        ("2026-11-03T00:00:00Z", error("old", false)),
        ("2026-11-03T00:00:00Z", error("E2", true)),
        ("2026-11-04T00:00:00Z", error("E2", false)),
        ("2026-11-04T00:00:00Z", vital(100.4)),
        ("2026-11-04T00:00:00Z", vital(2500.4)),
        ("2026-11-04T00:00:00Z", vital(300.0)),
        ("2026-11-05T00:00:00Z", vital(400.0)),
        ("2026-11-05T00:00:00Z", json!({"vital": {"name": "cls", "value": 0.2504, "route": "/"}})),
        ("2026-11-05T00:00:00Z", action(10)),
        ("2026-11-05T00:00:00Z", action(30)),
    ]);
    let operations = panel(Panel::Operations, &all);
    assert_eq!(rows(&operations["errors"]), is([("ui/E2", json!(2)), ("ui/old", json!(1))]));
    let new: Vec<_> = operations["errors"].as_array().unwrap().iter().map(|row| row["is_new"].clone()).collect();
    assert_eq!((new, &operations["errors"][0]["fatal"]["value"]), (vec![json!(true), json!(false)], &json!(1)));
    let [lcp, cls] = [&operations["vitals"][0], &operations["vitals"][1]];
    assert_eq!((&lcp["name"], &lcp["page"], &lcp["device"]), (&json!("lcp"), &json!("/c/:id"), &json!("mobile")));
    assert_eq!((&lcp["value"], &lcp["rating"], &lcp["count"]), (&json!(400), &json!("good"), &json!(4)));
    assert_eq!(
        (&cls["value"], &cls["rating"], &cls["device"]),
        (&json!(250), &json!("needs_improvement"), &json!("(none)"))
    );
    let action = &operations["actions"][0];
    assert_eq!((&action["value"], &action["p95"]["value"], &action["count"]), (&json!(10), &json!(30), &json!(2)));
}

fn request(country: &str, device: &str, status: u16, bot: bool) -> Value {
    let mut device = json!({"class": device, "browser": {"family": "Chrome"}, "os": {"family": "Linux"}});
    if bot {
        device["bot"] = json!({"name": "GPTBot", "kind": "ai_crawler", "evidence": ["name"]});
    }
    json!({"country": country, "request": {"method": "GET", "route": "/", "status": status, "ttfb_ms": 80, "device": device}})
}

fn requests(all: &[(&str, &str, u16, bool)]) -> Vec<Event> {
    let event = |(n, (country, device, status, bot)): (usize, &(&str, &str, u16, bool))| {
        let body = json!({ "request": request(country, device, *status, *bot)["request"].clone() });
        let cohort = Cohort { country: Country::parse(country), ..Cohort::default() };
        Event { cohort, ..events(&[("2026-11-20T10:00:00Z", body)]).remove(0) }.numbered(n)
    };
    all.iter().enumerate().map(event).collect()
}

trait Numbered {
    fn numbered(self, n: usize) -> Self;
}

impl Numbered for Event {
    fn numbered(self, n: usize) -> Self {
        Self { id: turn(n as u128 + 1, None, None, 0, None, 0).id, ..self }
    }
}

#[test]
fn robots_are_in_no_number_of_people() {
    let all = requests(&[
        ("DE", "mobile", 200, false),
        ("DE", "desktop", 404, false),
        ("NP", "mobile", 200, false),
        ("", "mobile", 200, false),
        ("US", "bot", 503, true),
    ]);
    let demographics = panel(Panel::Demographics, &all);
    let requests = |panel: &Value| -> Vec<(String, Value)> {
        let row = |row: &Value| (row["bucket"].as_str().unwrap().to_owned(), row["requests"]["value"].clone());
        panel["countries"].as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(requests(&demographics), is([("DE", json!(2)), ("(none)", json!(1)), ("NP", json!(1))]));
    assert_eq!(rows(&demographics["devices"]), is([("mobile", json!(3)), ("desktop", json!(1))]));
    assert_eq!(rows(&demographics["browsers"]), is([("Chrome", json!(4))]));
    assert_eq!(rows(&demographics["bots"]["by_kind"]), is([("ai_crawler", json!(1))]));
    let part = |filter: Filter| {
        ask(&Query { filter, ..query("UTC", Panel::Demographics) }, &all)["panels"]["demographics"].clone()
    };
    let germany = part(Filter::Country("DE".into()));
    assert_eq!(rows(&germany["devices"]), is([("desktop", json!(1)), ("mobile", json!(1))]));
    assert!(germany.get("browsers").is_none() && germany.get("bots").is_none());
    assert_eq!(requests(&part(Filter::Device("desktop".into()))), is([("DE", json!(1))]));
    let edge = &panel(Panel::Operations, &all)["requests"];
    assert_eq!((&edge["total"]["value"], &edge["server_error_share"]["value"]), (&json!(5), &json!(0.2)));
}

fn seen(members: Value) -> Value {
    let mut seen = json!({"emotion": "joy", "intensity": 1, "confidence": 1, "model_version": "s1"});
    seen.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "observation": seen })
}

#[test]
fn frustration_is_cut_by_what_is_known() {
    let all = events(&[
        (
            "2026-11-20T10:00:00Z",
            seen(json!({"frustration": ["repeated", "gave_up", "repeated"], "turn_index": 3, "intent": "sleep"})),
        ),
        ("2026-11-20T10:14:00Z", seen(json!({"turn_index": 3, "model_version": "s2", "intent": "sleep"}))),
        ("2026-11-20T18:20:00Z", seen(json!({"frustration": ["gave_up"], "turn_index": 10}))),
        ("2026-11-20T18:20:00Z", json!({"moment": {"text_chars": 3}})),
    ]);
    let sentiment = ask(&query("Asia/Kathmandu", Panel::Sentiment), &all)["panels"]["sentiment"].clone();
    let frustration = &sentiment["frustration"];
    assert_eq!(
        (&sentiment["observations"]["value"], &sentiment["moments"]["handed_in"]["value"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(rows(&frustration["flags"]), is([("repeated", json!(1)), ("gave_up", json!(2))]));
    assert_eq!((&frustration["rate"]["value"], &frustration["rate"]["n"]), (&json!(2.0 / 3.0), &json!(3)));
    assert_eq!(rows(&frustration["by_intent"]), is([("sleep", json!(0.5)), ("(none)", json!(1.0))]));
    assert_eq!(rows(&frustration["by_model_version"]), is([("s1", json!(1.0)), ("s2", json!(0.0))]));
    assert_eq!(rows(&frustration["by_turn_number"]), is([("3", json!(0.5)), ("10+", json!(1.0))]));
    // 5:45 east: 15:45, 15:59 and 00:05 of the next day.
    assert_eq!(rows(&frustration["by_hour"]), is([("00", json!(1.0)), ("15", json!(0.5))]));
    assert_eq!(rows(&frustration["heatmap"]), is([("00-10+", json!(1.0)), ("15-3", json!(0.5))]));
}

/// In Berlin 2026-10-25 has an hour twice.
#[test]
fn hours_are_those_of_the_zone_on_both_sides_of_a_change() {
    let zone = civil::zone("Europe/Berlin").unwrap();
    let times = ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"];
    let all = events(&times.map(|time| (time, seen(json!({})))));
    let window = civil::window(zone, at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"));
    let query = Query::new(zone, window, vec![Panel::Sentiment], at(NOW));
    let hours = &ask(&query, &all)["panels"]["sentiment"]["frustration"]["by_hour"];
    let seen: Vec<_> = hours
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["bucket"].as_str().unwrap(), row["n"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, [("01", 1), ("02", 2), ("03", 1)]);
}

#[test]
fn wishes_are_ranked_and_have_their_status() {
    let wish = |tag: &str, kano: &str, confidence: f64| {
        seen(json!({"wish": {"tag": tag, "kano": kano}, "confidence": confidence}))
    };
    let notice = |kind: &str, code: &str| json!({"notice": {"kind": kind, "code": code}});
    let day = "2026-11-20T10:00:00Z";
    let all = events(&[
        (day, wish("dark-mode", "must_be", 0.5)),
        (day, wish("dark-mode", "attractive", 0.25)),
        (day, json!({"feedback": {"rating": "up", "wishes": ["dark-mode", "export"]}})),
        (day, wish("fax", "indifferent", 1.0)),
        ("2025-01-01T00:00:00Z", notice("wish_planned", "export")),
        ("2026-11-21T00:00:00Z", notice("wish_building", "dark-mode")),
        ("2026-11-20T00:00:00Z", notice("wish_declined", "dark-mode")),
    ]);
    let sentiment = panel(Panel::Sentiment, &all);
    let wishes = &sentiment["wishes"];
    assert_eq!(rows(wishes), is([("dark-mode", json!(5.25)), ("export", json!(2.0)), ("fax", json!(0.5))]));
    let said = |name: &str| wishes.as_array().unwrap().iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(said("tier"), ["must_be", "performance", "indifferent"]);
    assert_eq!(said("status"), ["building", "planned", "open"]);
    assert_eq!((&wishes[0]["frequency"]["value"], &wishes[0]["confidence"]), (&json!(3), &json!(1.75 / 3.0)));
    assert_eq!(
        sentiment["wish_weights"],
        json!({"must_be": 3.0, "performance": 2.0, "attractive": 2.5, "indifferent": 0.5})
    );
}

#[test]
fn one_observation_in_twenty_is_sampled_and_comes_back_checked() {
    let mut all: Vec<Event> =
        (0..2_000).map(|n| events(&[("2026-11-18T10:00:00Z", seen(json!({})))]).remove(0).numbered(n)).collect();
    let audit = json!({"notice": {"kind": "observation_audit", "code": "2026-W47", "checked": 10, "agreed": 9}});
    all.extend(events(&[("2027-01-01T00:00:00Z", audit)]));
    let weeks = panel(Panel::Sentiment, &all)["audit"]["weeks"].clone();
    let sampled = all.iter().filter(|event| event.body.kind() == "observation" && event.id.prefix() % 20 == 0).count();
    assert!((60..=140).contains(&sampled), "{sampled}");
    assert_eq!(rows(&weeks), is([("2026-11-16", json!(sampled))]));
    let week = &weeks[0];
    assert_eq!(week["ids"].as_array().unwrap().len(), sampled);
    assert_eq!((&week["checked"]["value"], &week["agreement"]["value"]), (&json!(10), &json!(0.9)));
    assert!(week["agreement"]["ci"][0].as_f64().unwrap() < 0.7);
}

#[test]
fn satisfaction_and_intents() {
    let thumb = |rating: &str, more: Value| {
        let mut feedback = json!({"rating": rating});
        feedback.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("2026-11-20T10:00:00Z", json!({ "feedback": feedback }))
    };
    let journey = |more: Value| {
        let mut journey = json!({"name": "asked", "intent": "sleep"});
        journey.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("2026-11-20T10:00:00Z", json!({ "journey": journey }))
    };
    let all = events(&[
        thumb("up", json!({"model": "a", "intent": "sleep"})),
        thumb("up", json!({"model": "a"})),
        thumb("down", json!({"intent": "sleep"})),
        thumb("5", json!({"model": "a"})),
        thumb("2", json!({})),
        journey(json!({"success": true, "confidence": 0.5})),
        journey(json!({"success": false, "confidence": 0.49})),
        journey(json!({"intent": "food"})),
        ("2026-11-20T10:00:00Z", seen(json!({"intent": "sleep", "frustration": ["misunderstood"]}))),
        ("2026-11-20T10:00:00Z", seen(json!({"intent": "sleep", "frustration": ["gave_up"]}))),
    ]);
    let usage = panel(Panel::Usage, &all);
    let said = &usage["satisfaction"];
    assert_eq!(
        (&said["up"]["value"], &said["down"]["value"], &said["ratio"]["value"]),
        (&json!(2), &json!(1), &json!(2.0 / 3.0))
    );
    assert_eq!((&said["stars_mean"]["value"], &said["stars"][4]["value"]), (&json!(3.5), &json!(1)));
    assert_eq!(rows(&said["by_model"]), is([("a", json!(1.0)), ("(none)", json!(0.0))]));
    assert_eq!(rows(&said["by_intent"]), is([("sleep", json!(0.5)), ("(none)", json!(1.0))]));
    assert_eq!(rows(&usage["intents"]), is([("sleep", json!(4)), ("food", json!(1))]));
    let sleep = &usage["intents"][0];
    assert_eq!((&sleep["success_rate"]["value"], &sleep["success_rate"]["n"]), (&json!(0.5), &json!(2)));
    assert_eq!((&sleep["misunderstood"]["value"], &sleep["misunderstood"]["n"]), (&json!(0.5), &json!(4)));
    assert_eq!(usage["intents"][1]["success_rate"]["hidden"], "no_data");
}

#[test]
fn crises_are_counted_without_what_was_found_false() {
    let crisis = |event: &str, severity: u8, more: Value| {
        let mut crisis = json!({"event": event, "severity": severity});
        crisis.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "crisis": crisis })
    };
    let all = events(&[
        ("2026-11-21T08:00:00Z", crisis("flagged", 4, json!({"detector_version": "d1"}))),
        ("2026-11-20T08:00:00Z", crisis("flagged", 2, json!({"detector_version": "d1"}))),
        ("2026-11-15T08:00:00Z", crisis("flagged", 2, json!({}))),
        ("2026-11-21T08:00:00Z", crisis("flagged", 1, json!({"detector_version": "d1", "false_positive": true}))),
        ("2026-11-21T08:00:00Z", crisis("escalation", 4, json!({"escalation_s": 30}))),
        ("2026-11-21T08:00:00Z", crisis("escalation", 4, json!({"escalation_s": 90}))),
        ("2026-11-21T08:00:00Z", crisis("escalation", 4, json!({"escalation_s": 9, "false_positive": true}))),
        ("2026-11-21T08:00:00Z", crisis("referral", 4, json!({}))),
        // Still 2025 in Los Angeles.
        ("2026-01-01T07:59:00Z", crisis("referral", 4, json!({}))),
        ("2026-01-01T08:00:00Z", crisis("referral", 4, json!({}))),
    ]);
    let asked = Query { referrals: vec![(2023, 7), (2025, 5), (1, 9), (9999, 1)], ..query("UTC", Panel::Crisis) };
    let crisis = ask(&asked, &all)["panels"]["crisis"].clone();
    let values = ["flagged", "flagged_today", "flagged_week", "flagged_month", "referrals", "escalations"]
        .map(|name| crisis[name]["value"].clone());
    assert_eq!(values, [3, 1, 2, 3, 1, 2].map(|n| json!(n)));
    assert_eq!(crisis["flagged_week"]["by_severity"][2]["value"], json!(1));
    assert_eq!(rows(&crisis["detectors"]), is([("(none)", json!(1)), ("d1", json!(3))]));
    assert_eq!(
        (&crisis["false_positives"]["value"], &crisis["false_positive_share"]["value"]),
        (&json!(1), &json!(0.25))
    );
    let escalated = &crisis["time_to_escalation"];
    assert_eq!(
        (&escalated["median"]["value"], &escalated["max"]["value"], &escalated["max"]["unit"]),
        (&json!(30), &json!(90), &json!("s"))
    );
    let years = is([("2023", json!(7)), ("2024", json!(0)), ("2025", json!(6)), ("2026", json!(2))]);
    assert_eq!(rows(&crisis["referrals_by_year"]), years);
    assert_eq!(crisis["referrals_by_year"][2]["imported"]["value"], json!(5));
}

#[test]
fn integrations_by_platform() {
    let happened = |time: &'static str, event: &str, more: Value| {
        let mut platform = json!({"platform": "whatsapp", "event": event});
        platform.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (time, json!({ "platform": platform }))
    };
    let day = "2026-11-20T10:00:00Z";
    let all = events(&[
        happened(day, "connected", json!({})),
        happened(day, "connected", json!({})),
        happened(day, "connection_failed", json!({"reason": "denied"})),
        happened(day, "connection_failed", json!({})),
        happened(day, "expired", json!({})),
        happened(day, "api_call", json!({"status": 200, "latency_ms": 90})),
        happened(day, "api_call", json!({"status": 429})),
        happened(day, "rate_limited", json!({})),
        happened("2026-09-01T10:00:00Z", "synced", json!({"platform": "telegram"})),
        happened("2026-11-21T18:56:00.500Z", "synced", json!({})),
    ]);
    let integrations = panel(Panel::Integrations, &all);
    assert_eq!(rows(&integrations["platforms"]), is([("whatsapp", json!(2))]));
    let whatsapp = &integrations["platforms"][0];
    assert_eq!((&whatsapp["success_rate"]["value"], &whatsapp["expired"]["value"]), (&json!(0.5), &json!(1)));
    assert_eq!(rows(&whatsapp["reasons"]), is([("(none)", json!(1)), ("denied", json!(1))]));
    let api = &integrations["api"][0];
    assert_eq!(
        (&api["value"], &api["error_rate"]["value"], &api["rate_limited"]["value"]),
        (&json!(2), &json!(0.5), &json!(1))
    );
    assert_eq!(api["latency"]["p95"]["value"], json!(90));
    let fresh = is([
        ("telegram", json!(81 * 86_400_000_i64 + 8 * 3_600_000 + 56 * 60_000 + 3_000)),
        ("whatsapp", json!(2_500)),
    ]);
    assert_eq!(rows(&integrations["freshness"]), fresh);
}

#[test]
fn the_window_before_stands_beside() {
    let all = events(&[
        ("2026-11-20T10:00:00Z", a_turn("a", json!({"cost": priced(100, json!(null))}))),
        ("2026-10-20T10:00:00Z", a_turn("a", json!({"cost": priced(70, json!(null))}))),
    ]);
    let window = civil::window(Zone::UTC, at("2026-10-02T00:00:00Z"), at("2026-11-01T00:00:00Z"));
    let answer = ask(&Query { previous: Some(window), ..query("UTC", Panel::Cost) }, &all);
    assert_eq!(answer["panels"]["cost"]["spend"]["value"], json!(100));
    let previous = &answer["previous"];
    assert_eq!(
        (&previous["from"], &previous["to"]),
        (&json!("2026-10-02T00:00:00+00:00"), &json!("2026-11-01T00:00:00+00:00"))
    );
    assert_eq!((&previous["panels"]["cost"]["spend"]["value"], previous.get("previous")), (&json!(70), None));
    assert!(ask(&query("UTC", Panel::Cost), &all).get("previous").is_none());
}
