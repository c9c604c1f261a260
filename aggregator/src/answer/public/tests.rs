use schemas::event::{CrisisEvent, Disposition};
use schemas::{Event, UtcDay};

use super::*;
use crate::answer::testing::Folded;
use crate::census::Taker;
use crate::disclosure::archive::{due, open_quarters};
use crate::disclosure::noise::testing::Seeded;

const QUARTER: Quarter = Quarter { year: 2026, quarter: 3 };

fn at(text: &str) -> UtcMillis {
    UtcMillis::parse_rfc3339(text).unwrap()
}

fn people(users: u64) -> PeopleFacts {
    PeopleFacts { users, capped: Capped { sessions: users * 3, turns: users * 9 }, ..PeopleFacts::default() }
}

fn notices(wishes: &[(&str, &str, WishStatus)], policies: &[(&str, &str)]) -> Notices {
    let wish = |(text, tag, status): &(&str, &str, WishStatus)| ((*tag).to_owned(), (at(text), *status));
    let policy = |(text, code): &(&str, &str)| (at(text), (*code).to_owned());
    Notices {
        wishes: wishes.iter().map(wish).collect(),
        policies: policies.iter().map(policy).collect(),
        ..Notices::default()
    }
}

fn closed_with(facts: &PeriodFacts, rules: &PublicRules, records: &Records) -> Value {
    record(Period::Quarter(QUARTER), facts, rules, records, at("2026-10-08T00:00:00Z"), &mut Seeded(3)).unwrap()
}

fn closed(people: PeopleFacts) -> Value {
    closed_with(&PeriodFacts { people, ..PeriodFacts::default() }, &PublicRules::default(), &Records::new())
}

/// No value anywhere in it.
fn tells_nothing(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.get("value").is_none_or(Value::is_null)
                && members.get("n").is_none_or(|n| *n == 0)
                && members.values().all(tells_nothing)
        }
        Value::Array(items) => items.iter().all(tells_nothing),
        _ => true,
    }
}

#[test]
fn of_six_people_nothing_is_told_but_what_is_no_ones() {
    let mut facts = PeriodFacts { people: people(6), ..PeriodFacts::default() };
    facts.people.countries = Some([("DE".to_owned(), 6)].into());
    facts.people.emotions = Some([(Emotion::Fear, Cell { people: 6, value: 18 })].into());
    facts.people.wishes = Some([("dark-mode".to_owned(), 6), ("a-wish-of-one".to_owned(), 1)].into());
    facts.safety.crisis.insert((CrisisEvent::Referral, 3), 2);
    facts.safety.incidents.insert(schemas::event::IncidentSeverity::P1, 2);
    facts.notices = notices(
        &[("2026-08-01T00:00:00Z", "dark-mode", WishStatus::Building)],
        &[("2026-05-01T00:00:00Z", "v1"), ("2026-08-02T00:00:00Z", "v2")],
    );
    let mut record = closed_with(&facts, &PublicRules::default(), &Records::new());
    assert_eq!(record["incidents"]["p1"]["value"], 2);
    assert_eq!(record["safety_policy"], json!([{ "date": "2026-08-02", "code": "v2" }]));
    assert_eq!(record["wishes"][0]["status"], "building");
    assert!(!record.to_string().contains("a-wish-of-one"));
    record["incidents"] = Value::Null;
    assert!(tells_nothing(&record), "{record}");
    for name in ["users", "sessions", "turns"] {
        assert_eq!(record[name]["hidden"], "fewer_than_50_people");
    }
    // Six or none: no one can tell.
    let mut none = closed_with(
        &PeriodFacts { notices: facts.notices, ..PeriodFacts::default() },
        &PublicRules::default(),
        &Records::new(),
    );
    none["incidents"] = Value::Null;
    record["countries"] = Value::Null;
    none["countries"] = Value::Null;
    assert_eq!(none, record);
}

#[test]
fn a_closed_quarter_is_exact() {
    let mut people = people(1_000);
    people.countries =
        Some([("AT".to_owned(), 300), ("DE".to_owned(), 600), ("FR".to_owned(), 97), ("IT".to_owned(), 3)].into());
    let emotions = [(Emotion::Neutral, (900, 1_900)), (Emotion::Joy, (400, 600)), (Emotion::Fear, (20, 30))];
    people.emotions = Some(emotions.map(|(emotion, (people, value))| (emotion, Cell { people, value })).into());
    people.emotionless = 470;
    people.wishes = Some([("dark-mode".to_owned(), 77), ("voice".to_owned(), 49), ("export".to_owned(), 50)].into());
    let mut facts = PeriodFacts { people, ..PeriodFacts::default() };
    facts.safety.crisis.insert((CrisisEvent::Flagged, 2), 49);
    facts.safety.crisis.insert((CrisisEvent::Escalation, 2), 50);
    facts.safety.dispositions.insert(Disposition::HumanHandOff, 61);
    facts.notices = notices(
        &[
            ("2026-08-01T00:00:00Z", "dark-mode", WishStatus::Building),
            ("2026-08-01T00:00:00Z", "voice", WishStatus::Declined),
        ],
        &[("2026-05-01T00:00:00Z", "v1")],
    );
    let record = closed_with(&facts, &PublicRules::default(), &Records::new());
    assert_eq!(
        ["users", "sessions", "turns"].map(|name| record[name]["value"].as_u64().unwrap()),
        [1_000, 3_000, 9_000]
    );
    // Three from Italy: Austria joins them, and no one can tell.
    let countries = &record["countries"];
    assert_eq!((&countries["number"]["value"], &countries["elsewhere"]["value"]), (&json!(2), &json!(303)));
    assert_eq!(
        countries["list"].as_array().unwrap().iter().map(|row| row["bucket"].as_str().unwrap()).collect::<Vec<_>>(),
        ["DE", "FR"]
    );
    let by_emotion: Vec<(&str, Option<u64>)> = record["sentiment"]["by_emotion"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["bucket"].as_str().unwrap(), row["value"].as_u64()))
        .collect();
    assert_eq!(by_emotion[..4], [("none", None), ("neutral", None), ("joy", Some(600)), ("trust", None)]);
    let wishes: Vec<Value> = record["wishes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wish| json!([wish["bucket"], wish["status"], wish["since"], wish["value"]]))
        .collect();
    assert_eq!(
        wishes,
        [
            json!(["dark-mode", "building", "2026-08-01", 77]),
            json!(["export", "open", null, 50]),
            json!(["voice", "declined", "2026-08-01", null])
        ]
    );
    assert_eq!(record["crisis"]["flagged"]["hidden"], "fewer_than_50_people");
    assert_eq!(
        (&record["crisis"]["referrals"]["value"], &record["crisis"]["escalations"]["value"]),
        (&json!(0), &json!(50))
    );
    assert_eq!(record["crisis"]["dispositions"][3]["value"], 61);
    assert_eq!(record["safety_policy"], json!([]));
    assert_eq!(record["noise"], Value::Null);
}

/// Three people's visits without an emotion are as few as three people's with one.
#[test]
fn visits_without_an_emotion_count_by_their_people() {
    let by_emotion = |emotionless| {
        let mut people = people(1_000);
        people.emotions = Some(closed::EMOTIONS.map(|emotion| (emotion, Cell { people: 300, value: 300 })).into());
        people.emotionless = emotionless;
        let record = closed(people);
        let rows = record["sentiment"]["by_emotion"].as_array().unwrap().clone();
        rows.iter().map(|row| row["value"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(by_emotion(150), [300; 10].map(Some));
    assert_eq!(by_emotion(3)[..3], [None, None, Some(300)]);
}

/// From events through Gold's counters and a census to the page.
#[test]
fn a_quarter_is_made_of_its_events() {
    let cap = Cap { sessions: 2, turns: 5 };
    let rules = PublicRules { cap, ..PublicRules::default() };
    let (events, during) = (quarter_of_events(), at("2026-08-05T09:00:00Z"));
    let counted = Folded::of(&events);
    assert_eq!(facts::first_day(&counted), Some(UtcDay::of(at("2026-05-01T00:00:00Z"))));
    let period = Period::Quarter(QUARTER);
    let ask = facts::ask(period, cap, during).unwrap();
    let mut fold = crate::fold::Fold::default();
    fold.row(1, during, &events, &Default::default());
    let mut taker = Taker::new(&ask);
    fold.people.each(&(), &Default::default(), |owner, facts, words| taker.take(owner, facts, words)).unwrap();
    let of_period = facts::of_period(period, facts::people(&taker.done().published), &counted);
    let record = closed_with(&of_period, &rules, &Records::new());
    let values =
        ["/users/value", "/sessions/value", "/turns/value", "/countries/elsewhere/value", "/countries/number/value"];
    assert_eq!(values.map(|name| record.pointer(name).unwrap().as_u64().unwrap()), [130, 131, 134, 60, 1]);
    assert_eq!(record["countries"]["list"][0]["bucket"], "NP");
    let by_emotion: Vec<(&str, Option<u64>)> = record["sentiment"]["by_emotion"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["bucket"].as_str().unwrap(), row["value"].as_u64()))
        .filter(|(_, value)| value.is_some())
        .collect();
    assert_eq!(by_emotion, [("joy", Some(70))]);
    let wishes = record["wishes"].as_array().unwrap();
    let wishes: Vec<Value> = wishes.iter().map(|wish| json!([wish["bucket"], wish["status"], wish["value"]])).collect();
    assert_eq!(wishes, [json!(["dark-mode", "building", 60]), json!(["fax", "declined", null])]);
    assert_eq!(record["safety_policy"], json!([{ "date": "2026-08-02", "code": "v2" }]));
    assert_eq!((&record["crisis"]["referrals"]["value"], &record["incidents"]["p0"]["value"]), (&json!(51), &json!(1)));
    assert!(!record.to_string().contains("rare"));

    let year = facts::of_period(Period::Year(2026), PeopleFacts::default(), &counted);
    assert_eq!(year.referrals, (53, [0, 2, 51, 0]));
    assert_eq!(facts::ask(Period::Year(2026), cap, during), None);
    let open = facts::of_open(during, &counted);
    assert_eq!(open.iter().map(|open| open.quarter).collect::<Vec<_>>(), [QUARTER]);
    // What is said later is not known yet.
    assert_eq!((open[0].notices.policies.len(), open[0].notices.wishes["dark-mode"].1), (2, WishStatus::Building));
    assert_eq!(facts::of_open(at("2026-07-03T00:00:00Z"), &counted).len(), 2);
}

/// 130 people of a quarter: 70 of Nepal, who feel joy; 60 with a wish, and one of them with another; one with very many turns.
fn quarter_of_events() -> Vec<Event> {
    use crate::fold::testing::turn;
    let mut events: Vec<Event> = Vec::new();
    let mut push = |user: Option<u8>, text: &str, country: Option<&str>, body: Option<Value>| {
        let mut event = turn(events.len() as u128 + 1, user, user, at(text).0, None, 0);
        event.cohort.country = country.and_then(schemas::event::Country::parse);
        if let Some(body) = body {
            event.body = serde_json::from_value(body).unwrap();
        }
        events.push(event);
    };
    for user in 0..130 {
        let country = (user < 70).then_some("NP");
        push(Some(user), "2026-08-01T10:00:00Z", country, None);
        if user < 70 {
            let felt =
                json!({ "emotion": "joy", "intensity": 2, "confidence": 1, "model_version": "s", "turn_index": 0 });
            push(Some(user), "2026-08-01T10:00:01Z", country, Some(json!({ "observation": felt })));
        } else {
            let wishes = if user == 70 { json!(["dark-mode", "rare"]) } else { json!(["dark-mode"]) };
            push(
                Some(user),
                "2026-08-01T10:00:02Z",
                country,
                Some(json!({ "feedback": { "rating": "up", "wishes": wishes } })),
            );
        }
    }
    for hour in 0..9 {
        push(Some(129), &format!("2026-08-03T1{hour}:00:00Z"), None, None);
    }
    let referral = json!({ "crisis": { "event": "referral", "severity": 3 } });
    (0..51).for_each(|_| push(None, "2026-08-02T00:00:00Z", None, Some(referral.clone())));
    (0..2).for_each(|_| push(None, "2026-06-30T23:59:59Z", None, Some(referral.clone())));
    push(None, "2026-08-02T00:00:00Z", None, Some(json!({ "incident": { "severity": "p0", "code": "outage-1" } })));
    let mut notice = |text: &str, kind: &str, code: &str| {
        push(None, text, None, Some(json!({ "notice": { "kind": kind, "code": code } })))
    };
    notice("2026-05-01T00:00:00Z", "safety_policy", "v1");
    notice("2026-08-02T00:00:00Z", "safety_policy", "v2");
    notice("2026-10-02T00:00:00Z", "safety_policy", "v3");
    notice("2026-08-01T00:00:00Z", "wish_building", "dark-mode");
    notice("2026-10-01T00:00:00Z", "wish_declined", "dark-mode");
    notice("2026-05-01T00:00:00Z", "wish_declined", "fax");
    events
}

#[test]
fn groups_that_do_not_share_out_are_no_table() {
    let mut people = people(100);
    people.countries = Some([("DE".to_owned(), 90), ("FR".to_owned(), 80)].into());
    people.emotions = Some([(Emotion::Joy, Cell { people: 90, value: 301 })].into());
    let record = closed(people);
    assert_eq!(
        (&record["countries"]["number"]["hidden"], &record["sentiment"]["hidden"]),
        (&json!("no_data"), &json!("no_data"))
    );
    assert_eq!(closed(self::people(100))["countries"]["number"]["hidden"], "no_data");
}

#[test]
fn a_quarter_that_closes_near_its_step_says_no_more_than_the_step() {
    let records: Records =
        [("2026-Q3/2".to_owned(), json!({ "state": "running", "step": 100, "until": "2026-08-31" }))].into();
    let facts = |users, sessions| {
        let capped = Capped { sessions, turns: 999 };
        let wishes = Some([("dark-mode".to_owned(), users)].into());
        PeriodFacts {
            people: PeopleFacts { users, capped, wishes, ..PeopleFacts::default() },
            ..PeriodFacts::default()
        }
    };
    let record = |users, sessions| closed_with(&facts(users, sessions), &PublicRules::default(), &records);
    let near = record(103, 400);
    assert_eq!(
        (&near["users"]["value"], &near["users"]["at_least"], &near["users"]["exact"]),
        (&json!(100), &json!(true), &json!(false))
    );
    assert_eq!((&near["sessions"]["value"], &near["wishes"]), (&json!(400), &json!([])));
    assert_eq!(record(103, 104)["sessions"]["hidden"], "protects_another");
    assert_eq!(record(150, 150)["users"]["value"], 150);
    assert_eq!(record(70, 400)["users"]["hidden"], "protects_another");
}

#[test]
fn noise_is_drawn_once_printed_and_never_on_crises() {
    let rules = PublicRules { epsilon: Some(Epsilon(500_000_000)), ..PublicRules::default() };
    let mut facts = PeriodFacts { people: people(1_000), ..PeriodFacts::default() };
    facts.people.countries = Some([("DE".to_owned(), 600), ("FR".to_owned(), 400)].into());
    facts.safety.crisis.insert((CrisisEvent::Referral, 2), 61);
    let noised = closed_with(&facts, &rules, &Records::new());
    assert_ne!(noised["sessions"]["value"], 3_000);
    assert_eq!((&noised["users"]["exact"], &noised["users"]["n"]), (&json!(false), &noised["users"]["value"]));
    assert_eq!(noised["crisis"]["referrals"]["value"], 61);
    let note = &noised["noise"];
    assert_eq!(
        (&note["epsilon_per_number"], &note["numbers_of_one_person"], &note["epsilon_total"]),
        (&json!("0.5"), &json!(4), &json!("2"))
    );
    assert_eq!(note["sensitivity"]["turns"], 2_500);
    // Below k before noise is hidden, whatever the noise would be.
    assert!(tells_nothing(
        &closed_with(&PeriodFacts { people: people(49), ..PeriodFacts::default() }, &rules, &Records::new())["users"]
    ));
    let open = [OpenFacts { quarter: QUARTER, safety: Safety::default(), notices: Notices::default() }];
    let records: Records =
        [("2026-Q3/1".to_owned(), json!({ "state": "running", "step": 100, "until": "2026-07-31" }))].into();
    assert!(tells_nothing(&page(at("2026-08-20T00:00:00Z"), &open, &records, &rules, true)["quarters"][0]["users"]));
}

/// As the months go by, with a few people more each day.
#[test]
fn a_quarter_runs_in_steps_and_closes_for_good() {
    let rules = PublicRules {
        corrections: vec![Correction { quarter: "2026-Q3".into(), date: "2026-11-01".into(), note: "A note.".into() }],
        ..PublicRules::default()
    };
    let first = UtcDay::of(at("2026-07-02T00:00:00Z"));
    let mut records = Records::new();
    let mut seen = Vec::new();
    for day in 0..150 {
        let now = QUARTER.start().plus_ms(day * schemas::time::DAY_MS + 1);
        for period in due(now, Some(first), &records) {
            let users = ((period.span().1.0 - QUARTER.start().0) / schemas::time::DAY_MS * 3) as u64 + day as u64 / 100;
            let facts = PeriodFacts { people: people(users), ..PeriodFacts::default() };
            records.insert(period.name(), record(period, &facts, &rules, &records, now, &mut Seeded(1)).unwrap());
        }
        let open: Vec<OpenFacts> = open_quarters(now)
            .into_iter()
            .filter(|quarter| *quarter >= QUARTER)
            .map(|quarter| OpenFacts { quarter, safety: Safety::default(), notices: Notices::default() })
            .collect();
        let page = page(now, &open, &records, &rules, true);
        let section =
            page["quarters"].as_array().unwrap().iter().find(|section| section["quarter"] == "2026-Q3").unwrap();
        let what = (
            section["state"].as_str().unwrap().to_owned(),
            section["users"]["value"].as_u64(),
            section["users"]["hidden"].as_str().map(str::to_owned),
        );
        if seen.last() != Some(&what) {
            seen.push(what);
        }
        if section["closed"] == true {
            assert_eq!(section["corrections"][0]["note"], "A note.");
        }
    }
    let state = |name: &str, value, hidden: Option<&str>| (name.to_owned(), value, hidden.map(str::to_owned));
    assert_eq!(
        seen,
        [
            state("running", None, Some("quarter_running")),
            state("running", None, Some("below_first_step")),
            state("running", Some(100), None),
            state("closing", Some(100), None),
            state("closed", Some(276), None),
        ]
    );
}

#[test]
fn a_year_is_shown_beside_its_quarters_only_where_it_gives_none_away() {
    let rules = PublicRules { referrals: [(2024, 70), (2025, 12), (2026, 9)].into(), ..PublicRules::default() };
    let year = |referrals: [u64; 4], before: u64| {
        let rules = PublicRules { referrals: [(2024, 70), (2025, 12), (2026, before)].into(), ..rules.clone() };
        let mut records = Records::new();
        for (quarter, n) in archive::quarters_of(2026).zip(referrals) {
            let mut facts = PeriodFacts { people: people(500), ..PeriodFacts::default() };
            facts.safety.crisis.insert((CrisisEvent::Referral, 2), n);
            let period = Period::Quarter(quarter);
            records.insert(
                period.name(),
                record(period, &facts, &rules, &Records::new(), quarter.end(), &mut Seeded(1)).unwrap(),
            );
        }
        let facts = PeriodFacts { referrals: (referrals.iter().sum(), referrals), ..PeriodFacts::default() };
        let made =
            record(Period::Year(2026), &facts, &rules, &records, at("2027-01-09T00:00:00Z"), &mut Seeded(1)).unwrap();
        records.insert("2026".into(), made);
        page(at("2027-01-09T00:00:00Z"), &[], &records, &rules, true)["referrals_by_year"].clone()
    };
    let shown = year([60, 70, 80, 90], 0);
    assert_eq!(
        shown.as_array().unwrap().iter().map(|year| year["bucket"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2024", "2025", "2026"]
    );
    assert_eq!(
        (&shown[0]["value"], &shown[1]["hidden"], &shown[2]["value"]),
        (&json!(70), &json!("fewer_than_50_people"), &json!(300))
    );
    assert_eq!(year([60, 70, 80, 7], 0)[2]["hidden"], "protects_another");
    assert_eq!(year([60, 70, 80, 90], 9)[2]["hidden"], "protects_another");
    assert_eq!(year([0, 0, 0, 0], 0)[2]["value"], 0);
}

#[test]
fn rules_reach_gold_as_they_were_sent() {
    let rules = PublicRules {
        people_min: 60,
        epsilon: Some(Epsilon(500_000_000)),
        referrals: vec![(2025, 12)],
        corrections: vec![Correction { quarter: "2026-Q3".into(), date: "2026-11-01".into(), note: "A note.".into() }],
        ..PublicRules::default()
    };
    assert_eq!(crate::fold::decode::<PublicRules>(&crate::fold::encode(&rules).unwrap()).unwrap(), rules);
}
