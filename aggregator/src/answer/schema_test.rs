//! `schemas/json/sage.schema.json` is what is answered: no member that it does not name, none missing that it requires.

use std::collections::BTreeSet;

use schemas::event::PlatformEvent;
use schemas::{Body, Event, NanoUsd, UtcMillis};
use serde_json::{Map, Value, json};

use super::counted::testing::Folded;
use super::*;
use crate::batch::ShardBatch;
use crate::budget::{BudgetQuery, Limits, Periods};
use crate::fold::testing::{told, turn};
use crate::protocol::{BuriedLetter, DeadLetterLine};
use crate::shard::Shard;
use crate::storage::memory::Memory;

const SCHEMA: &str = include_str!("../../../schemas/json/sage.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// What is wrong with an answer.
pub(super) fn faults(answer: &Value) -> Vec<String> {
    let root = schema();
    let mut check = Check { root: &root, faults: Vec::new() };
    check.value(&root, answer, "");
    check.faults
}

/// The part of JSON Schema 2020-12 that the file keeps to. A keyword that is not known is a fault.
struct Check<'a> {
    root: &'a Value,
    faults: Vec<String>,
}

impl<'a> Check<'a> {
    /// Returns the members that the schema has named.
    fn value(&mut self, schema: &'a Value, value: &Value, at: &str) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let mut is_closed = false;
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$ref" => {
                    let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let root = self.root;
                    let target = root.pointer(target).unwrap_or_else(|| panic!("{at}: {rule} leads nowhere"));
                    named.extend(self.value(target, value, at));
                }
                "type" => {
                    let types: Vec<&Value> = rule.as_array().map_or(vec![rule], |types| types.iter().collect());
                    self.expect(types.iter().any(|name| is_a(name.as_str().unwrap(), value)), at, "type");
                }
                "enum" => self.expect(rule.as_array().unwrap().contains(value), at, "enum"),
                "minimum" => self.expect(value.as_f64() >= rule.as_f64(), at, "minimum"),
                "minItems" | "maxItems" => {
                    let length = value.as_array().map(|items| items.len() as u64);
                    self.expect(length.is_none() || length == rule.as_u64(), at, keyword);
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        let is_there =
                            value.as_object().is_none_or(|members| members.contains_key(name.as_str().unwrap()));
                        self.expect(is_there, at, &format!("lacks {name}"));
                    }
                }
                "properties" => {
                    for (name, rule) in rule.as_object().unwrap() {
                        named.insert(name.clone());
                        if let Some(member) = value.get(name) {
                            self.value(rule, member, &format!("{at}/{name}"));
                        }
                    }
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(rule, item, &format!("{at}/{number}"));
                    }
                }
                "additionalProperties" | "unevaluatedProperties" if *rule == json!(false) => is_closed = true,
                "additionalProperties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        self.value(rule, member, &format!("{at}/{name}"));
                        named.insert(name.clone());
                    }
                }
                "$schema" | "$defs" | "title" | "description" => {}
                other => panic!("{at}: {other} is not known"),
            }
        }
        if is_closed {
            for name in value.as_object().into_iter().flat_map(Map::keys).filter(|name| !named.contains(*name)) {
                self.faults.push(format!("{at}: {name} is not named"));
            }
        }
        named
    }

    fn expect(&mut self, holds: bool, at: &str, what: &str) {
        if !holds {
            self.faults.push(format!("{at}: {what}"));
        }
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// Objects that name members are closed: nothing slips in below a panel.
fn open_objects(schema: &Value, at: &str, open: &mut Vec<String>) {
    let Value::Object(members) = schema else { return };
    let is_closed = ["additionalProperties", "unevaluatedProperties"].iter().any(|name| members.contains_key(*name));
    if members.get("properties").is_some_and(|names| names.get("type").is_none_or(Value::is_object)) && !is_closed {
        open.push(at.to_owned());
    }
    for (name, member) in members {
        open_objects(member, &format!("{at}/{name}"), open);
    }
}

const NOW: &str = "2026-11-21T18:56:03Z";

fn now() -> UtcMillis {
    UtcMillis::parse_rfc3339(NOW).unwrap()
}

/// Events of every kind, of people and of no one, some of whom have gone silent.
fn all_kinds() -> Vec<Event> {
    let day = |ago: i64, minute: i64| now().0 - ago * schemas::time::DAY_MS - minute * 60_000;
    let platform = |event: PlatformEvent| json!({"platform": {"platform": "whatsapp", "event": event}});
    let mut bodies = told();
    bodies.extend(
        [
            json!({"turn": {"provider": "openai", "model": "m7", "status": "ok", "cost": {"unpriced": "unknown_model"}}}),
            json!({"service_cost": {"service": "cdn", "nano_usd": 1000}}),
            json!({"crisis": {"event": "flagged", "severity": 2, "disposition": "referral_issued"}}),
            json!({"crisis": {"event": "referral", "severity": 4}}),
            json!({"incident": {"severity": "p1", "code": "outage-1"}}),
            json!({"moment": {"text_chars": 3}}),
            platform(PlatformEvent::Connected),
            platform(PlatformEvent::Synced),
        ]
        .into_iter()
        .map(|body| serde_json::from_value::<Body>(body).unwrap()),
    );
    let mut events = Vec::new();
    for user in 0..130_u8 {
        for ago in [60, 59, 58] {
            events.push(turn(events.len() as u128 + 1, Some(user), Some(user), day(ago, 0), Some(1_000), user % 3));
        }
    }
    for (number, body) in bodies.into_iter().enumerate() {
        for user in [Some(200), Some(201), None] {
            let plain = turn(events.len() as u128 + 1, user, user, day(1, number as i64), Some(5), 0);
            events.push(Event { body: body.clone(), ..plain });
        }
        events.push(turn(events.len() as u128 + 1, Some(200), Some(200), day(0, number as i64), Some(70), 1));
    }
    events
}

fn a_query() -> Query {
    let limit = NanoUsd(10);
    let limits = Limits { day: limit, month: limit, user_day: limit, user_month: limit };
    let budget = Some(BudgetQuery { limits, periods: Periods::at(Zone::UTC, now()) });
    let mut funnels = crate::census::testing::funnels();
    let mut conversion = funnels[0].clone();
    conversion.name = "guest_to_signup".into();
    funnels.push(conversion);
    let window = civil::window(Zone::UTC, now().plus_ms(-70 * schemas::time::DAY_MS), now());
    Query { budget, funnels, people_min: 1, ..Query::new(Zone::UTC, window, Panel::ALL.to_vec(), now()) }
}

fn answer(query: &Query, people_answer: bool) -> Value {
    let events = all_kinds();
    let mut batch = ShardBatch::default();
    events.iter().for_each(|event| batch.push(event));
    let mut shard = Shard::open(Memory::default(), now()).unwrap();
    shard.append(&[batch.message()], now()).unwrap().remove(0).unwrap();
    let mut census = |query: &Query| {
        let mut census = Census::default();
        census.merge(&shard.census(&[query.ask()], now()).unwrap().remove(0).census);
        census
    };
    let people = people_answer.then(|| census(query));
    let people_before = query.of_previous().filter(|_| people_answer).map(|before| census(&before));
    let letter = DeadLetterLine {
        digest: "0".repeat(16),
        code: "unknown_field".into(),
        field: None,
        detail: "no such member".into(),
        kind: Some("turn".into()),
        outline: [("ts".to_owned(), "string".to_owned())].into(),
    };
    let health = ShardHealth {
        dead_letters: vec![BuriedLetter { received_at_ms: now().0, letter }],
        erasure_due_ms: Some(now().0),
        last_nightly: Some("2026-11-20".into()),
        lake_error: Some("no bucket".into()),
        ..ShardHealth::default()
    };
    let mut shards = vec![Some(health)];
    shards.extend((!people_answer).then_some(None));
    let counted = Folded::of(&events);
    let budget_people = people.clone().map(|people| (people.clone(), people));
    let people_as_of = people.is_some().then(now);
    testing::answer(&Facts { query, counted: &counted, people, people_as_of, people_before, budget_people, shards })
}

#[test]
fn every_answer_is_as_the_schema_says() {
    let whole = answer(&a_query(), true);
    assert_eq!(faults(&whole), [""; 0]);
    let schema = schema();
    for panel in Panel::ALL.map(Panel::name) {
        let named: Vec<&String> = schema["$defs"][panel]["properties"].as_object().unwrap().keys().collect();
        let mut there: Vec<&String> = whole["panels"][panel].as_object().unwrap().keys().collect();
        there.sort_unstable();
        let mut named = named;
        named.sort_unstable();
        assert_eq!(there, named, "{panel}");
    }
    // Rows there are, so that their members are looked at.
    for rows in [
        "cost/top_users",
        "cost/unpriced/models",
        "cost/budget/user_day/top_users_at_limit",
        "usage/churn/users",
        "usage/retention/cohorts",
        "usage/funnels/back/steps",
        "usage/conversions/guest_to_signup/time",
        "usage/intents",
        "usage/power_users/spend",
        "demographics/countries",
        "demographics/offsets",
        "sentiment/wishes",
        "sentiment/emotions_by_day",
        "sentiment/frustration/by_model",
        "crisis/detectors",
        "operations/model_api",
        "operations/latency/by_model",
        "operations/vitals",
        "operations/errors",
        "operations/routes",
        "operations/dead_letters",
        "operations/intake_last_hour",
        "integrations/platforms",
        "integrations/connected",
        "integrations/api",
        "integrations/freshness",
    ] {
        let found = whole["panels"].pointer(&format!("/{rows}"));
        let is_full =
            found.is_some_and(|rows| rows.is_object() || rows.as_array().is_some_and(|rows| !rows.is_empty()));
        assert!(is_full, "{rows}");
    }
    assert_eq!(faults(&answer(&a_query(), false)), [""; 0]);
    for filter in ["model:m1", "country:NP", "device:mobile", "plan:free"] {
        let filter = Filter::parse(filter).unwrap();
        for people in [true, false] {
            let query = Query { filter: filter.clone(), ..a_query() };
            assert_eq!(faults(&answer(&query, people)), [""; 0], "{filter:?}");
        }
    }
    let query = a_query();
    let previous = Some(query.window.clone());
    assert_eq!(faults(&answer(&Query { previous, ..query }, true)), [""; 0]);
}

#[test]
fn pages_of_people_at_risk_go_on() {
    let churn = |after| {
        answer(&Query { after, panels: vec![Panel::Usage], ..a_query() }, true)["panels"]["usage"]["churn"].clone()
    };
    let first = churn(None);
    let rows =
        |page: &Value| page["users"].as_array().unwrap().iter().map(|row| row["bucket"].clone()).collect::<Vec<_>>();
    let next = Cursor::parse(first["next"].as_str().unwrap());
    assert!(next.is_some());
    let second = churn(next);
    assert_eq!((rows(&first).len(), rows(&second).len(), &second["next"]), (100, 30, &json!(null)));
    assert_eq!([&first, &second].map(|page| page["at_risk"]["value"].clone()), [json!(130), json!(130)]);
    assert!(rows(&second).iter().all(|user| !rows(&first).contains(user)));
}

#[test]
fn numbers_of_some_people_are_not_those_of_all() {
    let country = Filter::parse("country:NP").unwrap();
    let query = Query { filter: country, panels: vec![Panel::Usage], ..a_query() };
    let whole = answer(&query, true)["panels"]["usage"].clone();
    assert!(whole.get("satisfaction").is_none() && whole.get("intents").is_none());
    let silent = answer(&query, false)["panels"]["usage"].clone();
    assert_eq!((&silent["turns"]["value"], &silent["turns"]["hidden"]), (&json!(null), &json!("shard_unreachable")));
}

#[test]
fn a_fault_is_found() {
    let whole = answer(&a_query(), true);
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 7] = [
        ("is not named", |panels| panels["cost"]["tips"] = json!(1)),
        ("is not named", |panels| panels["cost"]["spend"]["tips"] = json!(1)),
        ("is not named", |panels| panels["usage"]["churn"]["users"][0]["name"] = json!("x")),
        ("is not named", |panels| panels["gold"] = json!({})),
        ("lacks \"spend\"", |panels| drop(panels["cost"].as_object_mut().unwrap().remove("spend"))),
        ("enum", |panels| panels["usage"]["dau"]["unit"] = json!("heads")),
        ("type", |panels| panels["operations"]["shards"][0]["shard"] = json!("0")),
    ];
    for (fault, change) in changes {
        let mut changed = whole.clone();
        change(&mut changed["panels"]);
        let found = faults(&changed);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:?}");
    }
    let mut open = Vec::new();
    open_objects(&schema(), "", &mut open);
    assert_eq!(open, ["/$defs/number", "/$defs/row"]);
}
