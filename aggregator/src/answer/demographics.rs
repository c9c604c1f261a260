//! The demographics panel: where people are and what they use, robots apart.

use schemas::event::Country;
use schemas::{FlatMap, order};

use super::filter::Filter;
use super::json::{Json, Members, object};
use super::metric::Metric;
use super::{Facts, operations, ranked};
use crate::census::Census;
use crate::fold::named::NamedTotals;
use crate::fold::names::{NONE, OTHER};

/// Most browsers, systems and referrers in an answer.
const NAMES_SHOWN: usize = 50;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    let (mut countries, mut devices) = (FlatMap::new(), FlatMap::new());
    for (place, n) in &named.places {
        // Of a day that was full neither is known.
        let (country, device) = place.split_once(' ').unwrap_or((OTHER, OTHER));
        let asked = match &facts.query.filter {
            Filter::Country(wanted) => wanted == country,
            Filter::Device(wanted) => wanted == device,
            _ => true,
        };
        if asked {
            *countries.entry(country).or_default() += u64::from(*n);
            *devices.entry(device).or_default() += u64::from(*n);
        }
    }
    let mut members = Members::default();
    let requests = ranked(countries, usize::MAX);
    let countries = match facts.census() {
        Some(census) => {
            members.insert("offsets", offsets(census));
            with_people(census, requests)
        }
        None => requests
            .iter()
            .map(|(name, n)| object!({ "bucket": (*name).to_owned(), "requests": Metric::count(*n) }))
            .collect(),
    };
    members.insert("countries", countries);
    members.insert("devices", rows(ranked(devices, usize::MAX)));
    if facts.query.filter == Filter::None {
        let all = |names: &FlatMap<String, u32>| {
            let names = names.iter().map(|(name, n)| (name.as_str(), u64::from(*n))).collect();
            rows(ranked(names, NAMES_SHOWN))
        };
        let window = &facts.query.window;
        let range = facts.counted.range(window.from, window.to);
        let requests = &range.operations;
        members.insert("browsers", all(&named.browsers));
        members.insert("systems", all(&named.systems));
        members.insert("referrers", all(&named.people_referrers));
        members.insert("bots", operations::bots(&requests.bots, requests.requests));
    }
    Json::Object(members)
}

/// Countries with people, their sessions and turns, beside requests; those with most people first.
fn with_people(census: &Census, requests: Vec<(&str, u64)>) -> Vec<Json> {
    let (activity, sessions) = (&census.activity, &census.sessions);
    let mut rows: FlatMap<&str, [u64; 4]> = FlatMap::new();
    let mut add = |name, at: usize, n: u64| {
        rows.entry(name).or_default().get_mut(at).into_iter().for_each(|count| *count += n);
    };
    for (at, counts) in [&activity.by_country, &sessions.by_country, &activity.turns_by_country].into_iter().enumerate()
    {
        for (country, n) in counts {
            add(country.as_ref().map_or(NONE, Country::as_str), at, *n);
        }
    }
    requests.into_iter().for_each(|(name, n)| add(name, 3, n));
    let mut rows: Vec<(&str, [u64; 4])> = rows.into_iter().collect();
    order::by(&mut rows, |a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let row = |(country, [users, sessions, turns, requests]): (&str, [u64; 4])| {
        let more = object!({
            "sessions": Metric::count(sessions),
            "turns": Metric::count(turns),
            "requests": Metric::count(requests),
        });
        Metric::count(users).in_bucket(country.to_owned()).with(more)
    };
    rows.into_iter().map(row).collect()
}

/// People by UTC offset, with their sessions by the hour of the day there.
fn offsets(census: &Census) -> Vec<Json> {
    let (activity, sessions) = (&census.activity, &census.sessions);
    let mut all: Vec<Option<i16>> = activity.by_offset.keys().copied().collect();
    all.extend(sessions.by_offset.keys().map(|offset| Some(*offset)));
    order::ascending(&mut all);
    all.dedup();
    let row = |offset: Option<i16>| {
        let users = Metric::count(activity.by_offset.get(&offset).copied().unwrap_or(0));
        let Some(minutes) = offset else {
            return users.in_bucket(NONE).with(object!({ "sessions": Metric::count(sessions.local_hour_unknown) }));
        };
        let sign = if minutes < 0 { '-' } else { '+' };
        let name = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        let none = vec![0; 24];
        let hours = sessions.by_offset.get(&minutes).unwrap_or(&none);
        let n: u64 = hours.iter().sum();
        // The earliest of several that have as many.
        let peak = (0..hours.len()).rev().max_by_key(|hour| hours.get(*hour)).filter(|_| n > 0);
        users
            .in_bucket(name)
            .with(object!({ "sessions": Metric::count(n), "by_hour": hours.clone(), "peak_hour": peak }))
    };
    all.into_iter().map(row).collect()
}

fn rows(names: Vec<(&str, u64)>) -> Vec<Json> {
    names.into_iter().map(|(name, n)| Metric::count(n).in_bucket(name.to_owned())).collect()
}
