//! A closed quarter, as it is published for good.

use schemas::event::{CrisisEvent, Disposition, Emotion};
use schemas::{Quarter, UtcMillis};
use serde_json::{Value, json};

use super::super::metric::{Hidden, Metric};
use super::{
    Notices, PeopleFacts, PeriodFacts, PublicRules, WishStatus, count, heading, hidden, in_bucket, incidents, json_of,
    policy, reason, steps, with,
};
use crate::disclosure::archive::Records;
use crate::disclosure::noise::{self, Random, RandomError};
use crate::disclosure::steps::{Closing, closing};
use crate::disclosure::suppress::{Cell, Rule, Table};
use crate::disclosure::years;

/// Emotions in the order in which they protect each other, after those visits that have none.
pub(super) const EMOTIONS: [Emotion; 9] = [
    Emotion::Neutral,
    Emotion::Joy,
    Emotion::Trust,
    Emotion::Fear,
    Emotion::Surprise,
    Emotion::Sadness,
    Emotion::Disgust,
    Emotion::Anger,
    Emotion::Anticipation,
];

const DISPOSITIONS: [Disposition; 6] = [
    Disposition::ResolvedInSession,
    Disposition::ResourcesShown,
    Disposition::ReferralIssued,
    Disposition::HumanHandOff,
    Disposition::EmergencyInstructions,
    Disposition::Declined,
];

/// Shows numbers, with noise where it is wanted, and counts how many of them one person can be in.
struct Shower<'a> {
    rules: &'a PublicRules,
    random: &'a mut dyn Random,
    numbers: u64,
}

impl Shower<'_> {
    /// Numbers of which one person moves one by `sensitivity` at most, or all together.
    fn group(&mut self) {
        self.numbers += 1;
    }

    fn show(&mut self, value: u64, sensitivity: u64) -> Result<Metric, RandomError> {
        let Some(epsilon) = self.rules.epsilon else { return Ok(count(value)) };
        let value = noise::noised(value, sensitivity, epsilon, self.random)?;
        Ok(Metric { exact: false, ..count(value) })
    }
}

pub(super) fn record(
    quarter: Quarter,
    facts: &PeriodFacts,
    rules: &PublicRules,
    records: &Records,
    now: UtcMillis,
    random: &mut dyn Random,
) -> Result<Value, RandomError> {
    let mut show = Shower { rules, random, numbers: 0 };
    let people = numbers(quarter, facts, records, &mut show)?;
    let members = [
        ("published_at", now.to_rfc3339().into()),
        ("people_min", rules.people_min.into()),
        ("user_sessions_max", rules.cap.sessions.into()),
        ("user_turns_max", rules.cap.turns.into()),
        ("incidents", incidents(&facts.safety)),
        ("safety_policy", policy(&facts.notices, quarter).into()),
        ("noise", noise_note(rules, show.numbers)),
    ];
    Ok(with(heading(quarter, "closed"), people.into_iter().chain(members)))
}

/// All that people stand behind.
fn numbers(
    quarter: Quarter,
    facts: &PeriodFacts,
    records: &Records,
    show: &mut Shower<'_>,
) -> Result<Vec<(&'static str, Value)>, RandomError> {
    let (people, rules) = (&facts.people, show.rules);
    let step = steps::step_shown(quarter, records);
    let all_hidden = |why: Hidden| {
        vec![
            ("users", json_of(&hidden(why))),
            ("sessions", json_of(&hidden(why))),
            ("turns", json_of(&hidden(why))),
            ("countries", countries_hidden(why)),
            ("sentiment", sentiment_hidden(why)),
            ("wishes", wishes_hidden(&facts.notices, why)),
            ("crisis", crisis(|_| hidden(why), |_| hidden(why))),
        ]
    };
    let closing = match closing(people.users, step, rules.people_min) {
        Closing::Nothing => return Ok(all_hidden(Hidden::ProtectsAnother)),
        _ if people.users < rules.people_min && step == 0 => return Ok(all_hidden(Hidden::FewerThan50People)),
        closing => closing,
    };
    let Closing::AtLeast(step) = closing else {
        show.group();
        let users = show.show(people.users, 1)?;
        show.group();
        let sessions = show.show(people.capped.sessions, rules.cap.sessions)?;
        show.group();
        let turns = show.show(people.capped.turns, rules.cap.turns)?;
        return Ok(vec![
            ("users", json_of(&users)),
            ("sessions", json_of(&sessions)),
            ("turns", json_of(&turns)),
            ("countries", countries(people.users, people.countries.as_ref(), show)?),
            ("sentiment", sentiment(people, show)?),
            ("wishes", wishes(&facts.notices, people.wishes.as_ref(), show)?),
            ("crisis", crises(facts, rules)),
        ]);
    };
    // Each person has a visit and a turn: a sum near the step would say what the number of people may not.
    let far = |sum: u64| sum >= step.saturating_add(rules.people_min);
    let mut sum = |sum: u64, cap: u64| -> Result<Metric, RandomError> {
        show.group();
        if far(sum) { show.show(sum, cap) } else { Ok(hidden(Hidden::ProtectsAnother)) }
    };
    let sessions = sum(people.capped.sessions, rules.cap.sessions)?;
    let turns = sum(people.capped.turns, rules.cap.turns)?;
    Ok(vec![
        ("users", steps::at_least(step)),
        ("sessions", json_of(&sessions)),
        ("turns", json_of(&turns)),
        ("countries", countries_hidden(Hidden::ProtectsAnother)),
        ("sentiment", sentiment_hidden(Hidden::ProtectsAnother)),
        ("wishes", wishes_hidden(&facts.notices, Hidden::ProtectsAnother)),
        ("crisis", crises(facts, rules)),
    ])
}

/// Countries of k people or more, by name, and all others together. Where the others are fewer than k, the first country joins
/// them, and no one can tell.
fn countries(users: u64, countries: Option<&Vec<(String, u64)>>, show: &mut Shower<'_>) -> Result<Value, RandomError> {
    let Some(countries) = countries else { return Ok(countries_hidden(Hidden::NoData)) };
    let rule = Rule::people(show.rules.people_min);
    let mut listed: Vec<(&String, u64)> = Vec::new();
    for (name, people) in countries.iter().filter(|(_, people)| !rule.is_small(*people)) {
        if let Err(at) = listed.binary_search_by(|(other, _)| (*other).cmp(name)) {
            listed.insert(at, (name, *people));
        }
    }
    let elsewhere = |listed: &[(&String, u64)]| users.checked_sub(listed.iter().map(|(_, people)| people).sum());
    match elsewhere(&listed) {
        // More people in countries than there are: they do not share out.
        None => return Ok(countries_hidden(Hidden::NoData)),
        Some(others) if rule.is_small(others) && !listed.is_empty() => drop(listed.remove(0)),
        Some(_) => {}
    }
    show.group();
    let list = listed
        .iter()
        .map(|(name, people)| Ok(in_bucket(&show.show(*people, 1)?, name)))
        .collect::<Result<Vec<Value>, RandomError>>()?;
    let others = show.show(elsewhere(&listed).unwrap_or(0), 1)?;
    let number = Metric { exact: false, ..count(listed.len() as u64) };
    Ok(json!({ "number": json_of(&number), "list": list, "elsewhere": json_of(&others) }))
}

pub(super) fn countries_hidden(why: Hidden) -> Value {
    json!({ "number": json_of(&hidden(why)), "list": [], "elsewhere": json_of(&hidden(why)) })
}

/// Visits by their strongest emotion; shares are of the quarter's sessions, so that those without any are a group, too.
fn sentiment(people: &PeopleFacts, show: &mut Shower<'_>) -> Result<Value, RandomError> {
    let rules = show.rules;
    let Some(emotions) = &people.emotions else { return Ok(sentiment_hidden(Hidden::NoData)) };
    let with: u64 = emotions.iter().map(|(_, cell)| cell.value).sum();
    // More visits with an emotion than there are: they do not share out.
    let Some(without) = people.capped.sessions.checked_sub(with) else { return Ok(sentiment_hidden(Hidden::NoData)) };
    let named = EMOTIONS.map(|emotion| {
        let name = json!(emotion).as_str().unwrap_or_default().to_owned();
        let cell = emotions.iter().find(|(other, _)| *other == emotion).map(|(_, cell)| *cell);
        (name, cell.unwrap_or_default())
    });
    let none = ("none".to_owned(), Cell { people: people.emotionless.min(without), value: without });
    let groups: Vec<(String, Cell)> = [none].into_iter().chain(named).collect();
    let cells: Vec<Cell> = groups.iter().map(|(_, cell)| *cell).collect();
    let rule = Rule { per_person_max: rules.cap.sessions, ..Rule::people(rules.people_min) };
    let states = Table::list(rule, &cells).suppress();
    show.group();
    let mut by_emotion = Vec::new();
    for ((name, cell), state) in groups.iter().zip(states) {
        let metric = match reason(state) {
            None => show.show(cell.value, rules.cap.sessions)?,
            Some(why) => hidden(why),
        };
        by_emotion.push(in_bucket(&metric, name));
    }
    Ok(json!({ "by_emotion": by_emotion }))
}

pub(super) fn sentiment_hidden(why: Hidden) -> Value {
    json!({ "by_emotion": [], "hidden": why })
}

/// Wishes that were decided on, and those that k people or more have. A wish of fewer is not named, unless its decision is.
fn wishes(notices: &Notices, wishes: Option<&Vec<(String, u64)>>, show: &mut Shower<'_>) -> Result<Value, RandomError> {
    let Some(wishes) = wishes else { return Ok(wishes_hidden(notices, Hidden::NoData)) };
    let rule = Rule::people(show.rules.people_min);
    let named = wishes.iter().filter(|(_, people)| !rule.is_small(*people)).map(|(tag, _)| tag);
    let mut tags: Vec<&String> = Vec::new();
    for tag in named.chain(notices.wishes.keys()) {
        if let Err(at) = tags.binary_search(&tag) {
            tags.insert(at, tag);
        }
    }
    let mut lines = Vec::new();
    for tag in tags {
        let people = wishes.iter().find(|(other, _)| other == tag).map_or(0, |(_, people)| *people);
        let metric = if rule.is_small(people) {
            hidden(Hidden::FewerThan50People)
        } else {
            show.group();
            show.show(people, 1)?
        };
        lines.push(wish(tag, notices.wishes.get(tag), &metric));
    }
    Ok(lines.into())
}

pub(super) fn wishes_hidden(notices: &Notices, why: Hidden) -> Value {
    notices.wishes.iter().map(|(tag, said)| wish(tag, Some(said), &hidden(why))).collect()
}

/// A wish, what was last decided of it, and when.
fn wish(tag: &str, said: Option<&(UtcMillis, WishStatus)>, metric: &Metric) -> Value {
    let status = said.map_or_else(|| "open".into(), |(_, status)| json!(status));
    let since = said.map(|(at, _)| at.utc_date().to_string());
    with(in_bucket(metric, tag), [("status", status), ("since", since.into())])
}

/// Of few crises even the number may tell the people around someone who it was; that there was none tells nobody's. Never with
/// noise: the public must be able to hold these against other reports.
fn crises(facts: &PeriodFacts, rules: &PublicRules) -> Value {
    let rule = years::rule(rules.people_min);
    let of = |n: u64| if rule.is_small(n) { hidden(Hidden::FewerThan50People) } else { count(n) };
    let safety = &facts.safety;
    crisis(|event| of(safety.count_of(event)), |how| of(safety.dispositions.get(&how).copied().unwrap_or(0)))
}

pub(super) fn crisis(event: impl Fn(CrisisEvent) -> Metric, disposition: impl Fn(Disposition) -> Metric) -> Value {
    let dispositions: Vec<Value> =
        DISPOSITIONS.iter().map(|how| in_bucket(&disposition(*how), json!(how).as_str().unwrap_or_default())).collect();
    json!({
        "flagged": json_of(&event(CrisisEvent::Flagged)),
        "referrals": json_of(&event(CrisisEvent::Referral)),
        "escalations": json_of(&event(CrisisEvent::Escalation)),
        "dispositions": dispositions,
    })
}

fn noise_note(rules: &PublicRules, numbers: u64) -> Value {
    let Some(epsilon) = rules.epsilon else { return Value::Null };
    json!({
        "mechanism": "discrete Laplace (Canonne, Kamath, Steinke 2020), drawn once, below 0 shown as 0",
        "epsilon_per_number": epsilon.decimal(1),
        "numbers_of_one_person": numbers,
        "epsilon_total": epsilon.decimal(numbers),
        "sensitivity": { "users": 1, "sessions": rules.cap.sessions, "turns": rules.cap.turns, "sentiment": rules.cap.sessions,
            "countries": 1, "wishes": 1 },
        "without_noise": ["crisis", "incidents"],
    })
}
