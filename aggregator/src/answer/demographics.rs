//! The demographics panel: where people's requests come from and what they use, robots apart.

use schemas::FlatMap;
use serde_json::{Map, Value, json};

use super::filter::Filter;
use super::metric::Metric;
use super::{Facts, operations, ranked};
use crate::fold::named::NamedTotals;
use crate::fold::names::OTHER;

/// Most browsers, systems and referrers in an answer.
const NAMES_SHOWN: usize = 50;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals) -> Value {
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
    let mut members = Map::new();
    let row = |(name, n): (&str, u64)| json!({ "bucket": name, "requests": Metric::count(n) });
    let countries: Vec<Value> = ranked(countries, usize::MAX).into_iter().map(row).collect();
    members.insert("countries".into(), json!(countries));
    members.insert("devices".into(), json!(rows(ranked(devices, usize::MAX))));
    if facts.query.filter == Filter::None {
        let all = |names: &FlatMap<String, u32>| {
            let names = names.iter().map(|(name, n)| (name.as_str(), u64::from(*n))).collect();
            rows(ranked(names, NAMES_SHOWN))
        };
        let window = &facts.query.window;
        let range = facts.counted.range(window.from, window.to);
        let requests = &range.operations;
        members.insert("browsers".into(), json!(all(&named.browsers)));
        members.insert("systems".into(), json!(all(&named.systems)));
        members.insert("referrers".into(), json!(all(&named.people_referrers)));
        members.insert("bots".into(), operations::bots(&requests.bots, requests.requests));
    }
    Value::Object(members)
}

fn rows(names: Vec<(&str, u64)>) -> Vec<Value> {
    names.into_iter().map(|(name, n)| Metric::count(n).in_bucket(name, json!({}))).collect()
}
