//! What the census adds to the other panels.

use schemas::FlatMap;
use schemas::event::Emotion;
use schemas::order;
use serde_json::{Map, Value, json};

use super::forecast::History;
use super::metric::{Hidden, Metric, Unit, bar, object};
use super::usage::{maximum, mean_amount, ratio, series};
use super::{Facts, Filter, Panel};
use crate::census::Census;
use crate::stats::distribution::Distribution;
use crate::zone::Zone;

/// Adds what people say to a panel.
pub(super) fn extend(panel: Panel, facts: &Facts<'_>, tz: Zone, content: &mut Value) {
    let Value::Object(content) = content else { return };
    let census = facts.people.as_ref();
    if matches!(facts.query.filter, Filter::Model(_) | Filter::Device(_)) {
        return;
    }
    let part = match panel {
        Panel::Cost => cost(census),
        Panel::Operations => operations(census, content),
        Panel::Demographics => census.map_or(Value::Null, |census| demographics(census, content)),
        Panel::Sentiment => census.map_or(Value::Null, |census| sentiment(facts, census)),
        Panel::Integrations => census.map_or(Value::Null, |census| integrations(census, content)),
        Panel::Usage | Panel::Crisis => Value::Null,
    };
    merge(content, part);
    if panel == Panel::Cost {
        to_come(facts, tz, content);
    }
}

/// What is to come of spend: by the question's days, of budgets by the home zone's.
fn to_come(facts: &Facts<'_>, tz: Zone, content: &mut Map<String, Value>) {
    let history = History::of(facts, tz);
    content.insert("projection".into(), history.projection());
    content.insert("spike".into(), history.spike());
    let month = content.get_mut("budget").and_then(|budget| budget.get_mut("month")).and_then(Value::as_object_mut);
    let Some((month, budget)) = month.zip(facts.query.budget) else { return };
    let home = facts.query.home.as_deref().and_then(Zone::parse).filter(|home| *home != tz);
    let history = home.map_or(history, |home| History::of(facts, home));
    let span = budget.periods.month;
    let spent = facts.counted.spend(span.from, span.to);
    month.insert("projected".into(), json!(history.month_end(spent.0)));
}

/// Adds members; objects that both have are one.
fn merge(content: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else { return };
    for (name, value) in part {
        match (content.get_mut(&name), value) {
            (Some(Value::Object(mine)), value @ Value::Object(_)) => merge(mine, value),
            (_, value) => drop(content.insert(name, value)),
        }
    }
}

fn cost(census: Option<&Census>) -> Value {
    let Some(census) = census else {
        let unknown = Metric::hidden(Unit::NanoUsd, Hidden::ShardUnreachable, 0);
        let names = ["mean", "median", "p90", "p95", "p99", "max"];
        let all: Map<String, Value> = object(&mut names.iter().map(|name| ((*name).to_owned(), json!(unknown))));
        return json!({ "per_user": all, "per_session": all });
    };
    let (activity, sessions) = (&census.activity, &census.sessions);
    let top_users = activity.top_users.iter().map(|top| {
        Metric::exact(top.nano_usd.0, Unit::NanoUsd, top.turns)
            .in_bucket(&top.user.to_string(), json!({ "turns": top.turns }))
    });
    let mut per_user =
        distribution(&activity.spend_per_user, Unit::NanoUsd, mean_amount(&activity.spend_per_user, Unit::NanoUsd));
    let mean = |values: &Distribution, by: &crate::census::sums::Ratio, unit| Metric {
        ci: by.interval(),
        n: by.n,
        ..mean_amount(values, unit)
    };
    let mut per_session =
        distribution(&sessions.spend, Unit::NanoUsd, mean(&sessions.spend, &sessions.spend_to_sessions, Unit::NanoUsd));
    for (object, values) in [(&mut per_user, &activity.spend_per_user), (&mut per_session, &sessions.spend)] {
        if let Value::Object(object) = object {
            object.insert("histogram".into(), histogram(values.histogram()));
        }
    }
    json!({
        "per_user": per_user,
        "per_session": per_session,
        "per_turn": { "mean": { "ci": activity.spend_to_turns.interval(), "n": activity.spend_to_turns.n } },
        "top_users": top_users.collect::<Vec<_>>(),
        "tokens_per_message": ratio(&sessions.tokens_to_messages, Unit::Tokens),
        "tokens_per_session": distribution(
            &sessions.tokens, Unit::Tokens, mean(&sessions.tokens, &sessions.tokens_to_sessions, Unit::Tokens)),
    })
}

fn distribution(values: &Distribution, unit: Unit, mean: Metric) -> Value {
    let at = |q| Metric::quantile(values, q, unit);
    json!({
        "mean": mean, "median": at(0.5), "p90": at(0.9), "p95": at(0.95), "p99": at(0.99), "max": maximum(values, unit),
    })
}

/// Bars with their upper bounds.
fn histogram(bars: Vec<(i64, u64, u64)>) -> Value {
    bars.into_iter().map(|(bound, n, off)| bar(bound, n, off)).collect()
}

/// Sessions under way; to each error how many people met it.
fn operations(census: Option<&Census>, content: &mut Map<String, Value>) -> Value {
    for error in content.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = error.get("bucket").and_then(Value::as_str).map(|name| name.replace(' ', "/"));
        let users = match (census, name) {
            (Some(census), Some(name)) => {
                let n = census.integrations.errors.get(&name).copied().unwrap_or(0);
                Metric::exact(n, Unit::Count, n)
            }
            _ => Metric::hidden(Unit::Count, Hidden::ShardUnreachable, 0),
        };
        if let Value::Object(error) = error {
            error.insert("users".into(), json!(users));
        }
    }
    let active = match census {
        Some(census) => Metric::exact(census.sessions.active, Unit::Count, census.sessions.active),
        None => Metric::hidden(Unit::Count, Hidden::ShardUnreachable, 0),
    };
    json!({ "active_sessions": active })
}

fn count(n: u64) -> Metric {
    Metric::exact(n, Unit::Count, n)
}

/// Countries with people, their sessions and turns, beside the requests that the panel has counted.
fn demographics(census: &Census, content: &Map<String, Value>) -> Value {
    let (activity, sessions) = (&census.activity, &census.sessions);
    let name = |country: &Option<schemas::event::Country>| {
        country.map_or("(none)".to_owned(), |country| country.as_str().to_owned())
    };
    let mut rows: FlatMap<String, [u64; 4]> = FlatMap::new();
    for (at, counts) in [&activity.by_country, &sessions.by_country, &activity.turns_by_country].into_iter().enumerate()
    {
        for (country, n) in counts {
            rows.entry(name(country)).or_default().get_mut(at).into_iter().for_each(|count| *count += n);
        }
    }
    for row in content.get("countries").and_then(Value::as_array).into_iter().flatten() {
        let requests = row.get("requests").and_then(|requests| requests.get("value")).and_then(Value::as_u64);
        if let (Some(country), Some(requests)) = (row.get("bucket").and_then(Value::as_str), requests) {
            let [.., count] = rows.entry(country.to_owned()).or_default();
            *count += requests;
        }
    }
    let mut rows: Vec<(String, [u64; 4])> = rows.into_iter().collect();
    order::by(&mut rows, |a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let countries = rows.iter().map(|(country, [users, sessions, turns, requests])| {
        let more = json!({ "sessions": count(*sessions), "turns": count(*turns), "requests": count(*requests) });
        count(*users).in_bucket(country, more)
    });
    json!({ "countries": countries.collect::<Vec<_>>(), "offsets": offsets(census) })
}

fn offsets(census: &Census) -> Vec<Value> {
    let mut all: Vec<Option<i16>> = census.activity.by_offset.keys().copied().collect();
    all.extend(census.sessions.by_offset.keys().map(|offset| Some(*offset)));
    order::ascending(&mut all);
    all.dedup();
    let row = |offset: Option<i16>| {
        let users = census.activity.by_offset.get(&offset).copied().unwrap_or(0);
        let Some(minutes) = offset else {
            let more = json!({ "sessions": count(census.sessions.local_hour_unknown) });
            return count(users).in_bucket("(none)", more);
        };
        let sign = if minutes < 0 { '-' } else { '+' };
        let name = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        let none = vec![0; 24];
        let hours = census.sessions.by_offset.get(&minutes).unwrap_or(&none);
        let sessions: u64 = hours.iter().sum();
        // The earliest of several that have as many.
        let peak = (0..hours.len()).rev().max_by_key(|hour| hours.get(*hour)).filter(|_| sessions > 0);
        let more = json!({ "sessions": count(sessions), "by_hour": hours, "peak_hour": peak });
        count(users).in_bucket(&name, more)
    };
    all.into_iter().map(row).collect()
}

const EMOTIONS: [Emotion; 9] = [
    Emotion::Joy,
    Emotion::Trust,
    Emotion::Fear,
    Emotion::Surprise,
    Emotion::Sadness,
    Emotion::Disgust,
    Emotion::Anger,
    Emotion::Anticipation,
    Emotion::Neutral,
];

fn emotion_name(emotion: Emotion) -> String {
    json!(emotion).as_str().unwrap_or_default().to_owned()
}

fn sentiment(facts: &Facts<'_>, census: &Census) -> Value {
    let sessions = &census.sessions;
    let all: u64 = sessions.emotions.iter().sum();
    let of = |counts: &[u64], emotion: Emotion| counts.get(emotion as usize).copied().unwrap_or(0);
    let emotions = EMOTIONS.map(|emotion| {
        let n = of(&sessions.emotions, emotion);
        Metric::share(n, all).in_bucket(&emotion_name(emotion), json!({ "sessions": n }))
    });
    let by_day: Vec<u64> = sessions.emotions_by_day.iter().map(|counts| counts.iter().sum()).collect();
    let mut by_day = series(facts, &by_day);
    for (row, counts) in by_day.iter_mut().zip(&sessions.emotions_by_day) {
        let named: Map<String, Value> =
            object(&mut EMOTIONS.iter().map(|emotion| (emotion_name(*emotion), json!(of(counts, *emotion)))));
        if let Value::Object(row) = row {
            row.insert("by_emotion".into(), Value::Object(named));
        }
    }
    // What belongs to no thread is no one's model's.
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let mut rest = all
        .sentiment
        .as_ref()
        .map(|sentiment| sentiment.observations())
        .map_or((0, 0), |rate| (u64::from(rate.n), u64::from(rate.hits)));
    for (n, hits) in sessions.frustration_by_model.values() {
        rest = (rest.0.saturating_sub(*n), rest.1.saturating_sub(*hits));
    }
    let mut by_model = sessions.frustration_by_model.clone();
    if rest.0 > 0 {
        let none = by_model.entry(None).or_default();
        *none = (none.0 + rest.0, none.1 + rest.1);
    }
    let by_model = by_model.iter().map(|(model, (all, frustrated))| {
        Metric::share(*frustrated, *all).in_bucket(model.as_deref().unwrap_or("(none)"), json!({}))
    });
    json!({
        "emotions": emotions,
        "emotions_by_day": by_day,
        "frustration": { "by_model": by_model.collect::<Vec<_>>() },
    })
}

/// Connections as they stand; beside the latest sync of each platform whose data are stale.
fn integrations(census: &Census, content: &mut Map<String, Value>) -> Value {
    let platforms = &census.integrations.platforms;
    if let Some(Value::Array(rows)) = content.get_mut("freshness") {
        for platform in platforms.keys() {
            let known = |row: &Value| row.get("bucket").and_then(Value::as_str) == Some(platform);
            if !rows.iter().any(known) {
                rows.push(Metric::hidden(Unit::Ms, Hidden::NoData, 0).in_bucket(platform, json!({})));
            }
        }
        for row in rows.iter_mut() {
            let platform = row.get("bucket").and_then(Value::as_str).and_then(|name| platforms.get(name));
            let stale = count(platform.map_or(0, |connections| connections.stale));
            if let Value::Object(row) = row {
                row.insert("stale".into(), json!(stale));
            }
        }
    }
    let connected = platforms.iter().map(|(platform, connections)| {
        let more = json!({ "expired": count(connections.expired) });
        count(connections.connected).in_bucket(platform, more)
    });
    json!({
        "connected": connected.collect::<Vec<_>>(),
        "tokens_expiring": count(platforms.values().map(|connections| connections.expiring).sum()),
    })
}
