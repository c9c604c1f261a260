//! The usage panel's basics: active people, sessions, turns.

use serde_json::{Value, json};

use super::Facts;
use super::metric::{Hidden, Metric, Unit, quantile};
use crate::protocol::PeopleAnswer;

pub(super) fn answer(facts: &Facts<'_>) -> Value {
    let window = &facts.query.window;
    let activity = facts.counted.range(window.from, window.to).usage;
    let people = facts.people.as_ref();
    let by_day = |counts: fn(&PeopleAnswer) -> &[u32]| people.map(|people| series(facts, counts(people)));
    let count = |value: Option<u64>| count(people.is_some(), value);
    json!({
        "dau": count(people.and_then(|p| last(facts, &p.dau))),
        "wau": count(people.and_then(|p| last(facts, &p.wau))),
        "mau": count(people.and_then(|p| last(facts, &p.mau))),
        "stickiness": stickiness(facts, people),
        "dau_by_day": by_day(|p| &p.dau),
        "wau_by_day": by_day(|p| &p.wau),
        "mau_by_day": by_day(|p| &p.mau),
        "users": count(people.map(|p| p.spend_per_user.len() as u64)),
        "sessions": count(people.map(|p| p.turns_per_session.len() as u64)),
        "sessions_by_day": by_day(|p| &p.sessions_by_day),
        "turns": Metric::exact(activity.turns, Unit::Count, activity.turns),
        "turns_by_day": window.days.iter().map(|day| {
            let turns = facts.counted.range(day.from, day.to).usage.turns;
            Metric::exact(turns, Unit::Count, turns).in_bucket(&day.date, json!({}))
        }).collect::<Vec<_>>(),
        "messages": Metric::exact(activity.messages(), Unit::Count, activity.turns),
        "session_turns": people.map(|p| quantiles(&p.turns_per_session, Unit::Turns)),
        "session_length": people.map(|p| quantiles(&p.length_per_session_ms, Unit::Ms)),
    })
}

fn count(answered: bool, value: Option<u64>) -> Metric {
    match value {
        Some(value) => Metric::exact(value, Unit::Count, value),
        None if answered => Metric::hidden(Unit::Count, Hidden::NoData, 0),
        None => Metric::hidden(Unit::Count, Hidden::ShardUnreachable, 0),
    }
}

/// Days of the window that have begun.
fn days_begun(facts: &Facts<'_>) -> usize {
    facts.query.window.days.iter().filter(|day| day.from.start() <= facts.query.now).count()
}

/// The value of the last day that has begun.
fn last(facts: &Facts<'_>, counts: &[u32]) -> Option<u64> {
    counts.iter().take(days_begun(facts)).next_back().map(|count| u64::from(*count))
}

fn stickiness(facts: &Facts<'_>, people: Option<&PeopleAnswer>) -> Metric {
    let Some(people) = people else { return Metric::hidden(Unit::Share, Hidden::ShardUnreachable, 0) };
    let days = days_begun(facts);
    match last(facts, &people.mau) {
        Some(mau) if mau > 0 => {
            // Mean over the 30 days (or as many as the window has) that end with the last.
            let width = days.min(30);
            let sum: u64 = people.dau.iter().take(days).rev().take(width).map(|n| u64::from(*n)).sum();
            Metric::exact(sum as f64 / width as f64 / mau as f64, Unit::Share, mau)
        }
        _ => Metric::hidden(Unit::Share, Hidden::NoData, 0),
    }
}

fn series(facts: &Facts<'_>, counts: &[u32]) -> Vec<Value> {
    let row = |(day, count): (&crate::protocol::CivilDay, &u32)| {
        Metric::exact(*count, Unit::Count, u64::from(*count)).in_bucket(&day.date, json!({}))
    };
    facts.query.window.days.iter().zip(counts).map(row).collect()
}

fn quantiles<T: Copy + Into<Value>>(sorted: &[T], unit: Unit) -> Value {
    let at = |q: f64| match quantile(sorted, q) {
        Some(value) => Metric::exact(value, unit, sorted.len() as u64),
        None => Metric::hidden(unit, Hidden::NoData, 0),
    };
    json!({ "median": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0) })
}
