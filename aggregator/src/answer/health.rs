//! Whether models answer, and how fast.

use schemas::FlatMap;
use schemas::UtcMillis;
use schemas::order;
use schemas::time::{HOUR_MS, MINUTE_MS};

use super::chart::quantiles;
use super::json::{Json, Members, object};
use super::metric::{Metric, Unit};
use super::{Facts, ranked};
use crate::fold::health::Served;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, OTHER, Rate};
use crate::fold::operations::{Model, Speed};

/// Whole minutes by which the present is judged.
const PRESENT_MINUTES: i64 = 5;
/// Fewest turns of those that make a provider down.
const DOWN_TURNS_MIN: u32 = 3;

/// Turns a second over the last whole minutes.
pub(super) fn turns_per_second(facts: &Facts<'_>) -> Metric {
    let mut all = Rate::default();
    let asked = facts.query.filter.model();
    let turns = last_minutes(facts, PRESENT_MINUTES);
    turns.iter().filter(|(served, _)| is_asked(served, asked)).for_each(|(_, rate)| all.merge(rate));
    let seconds = (PRESENT_MINUTES * MINUTE_MS / 1_000) as f64;
    Metric::exact(f64::from(all.n) / seconds, Unit::Rate, all.n.into())
}

/// Turns of the last whole minutes: the one under way is no whole one.
fn last_minutes(facts: &Facts<'_>, minutes: i64) -> FlatMap<Served, Rate> {
    let to = UtcMillis(facts.query.now.minute() * MINUTE_MS);
    facts.counted.minutes(to.plus_ms(-minutes * MINUTE_MS), to)
}

fn is_asked(served: &Served, model: Option<&str>) -> bool {
    model.is_none_or(|model| served.as_ref().is_some_and(|(_, served)| served.as_str() == model))
}

/// By provider: how many turns of the last hour failed, whether it is up, and with which codes turns of the window failed.
pub(super) fn model_api(facts: &Facts<'_>, named: &NamedTotals) -> Vec<Json> {
    let window = &facts.query.window;
    let asked = facts.query.filter.model();
    let by_provider = |turns: FlatMap<Served, Rate>| {
        let mut providers: FlatMap<String, Rate> = FlatMap::new();
        for (served, rate) in turns.iter().filter(|(served, _)| is_asked(served, asked)) {
            let provider = served.as_ref().map_or(OTHER, |(provider, _)| provider.as_str());
            providers.entry(provider.to_owned()).or_default().merge(rate);
        }
        providers
    };
    let hour = by_provider(last_minutes(facts, HOUR_MS / MINUTE_MS));
    let present = by_provider(last_minutes(facts, PRESENT_MINUTES));
    let all = facts.counted.range(window.from, window.to);
    let lines = &all.cost.lines;
    let of_window = lines.keys().filter(|line| {
        asked.is_none_or(|model| line.model.as_ref().is_some_and(|other| other.as_str() == model))
            && line.model.is_some()
    });
    let mut providers = order::set(of_window.filter_map(|line| line.provider.as_ref()).map(ToString::to_string));
    providers.extend(hour.keys().cloned());
    let row = |provider: &String| {
        let of = |turns: &FlatMap<String, Rate>| turns.get(provider).copied().unwrap_or_default();
        let (hour, present) = (of(&hour), of(&present));
        let state = if present.n >= DOWN_TURNS_MIN && present.hits * 2 >= present.n {
            "down"
        } else if hour.n > 0 {
            "up"
        } else {
            "idle"
        };
        Metric::of_rate(hour).in_bucket(provider.to_owned()).with(object!({ "error_rate_5m": Metric::of_rate(present), "state": state, "codes": codes(named, provider, asked) }))
    };
    providers.iter().map(row).collect()
}

fn codes(named: &NamedTotals, provider: &str, asked: Option<&str>) -> Vec<Json> {
    let mut codes: FlatMap<&str, u64> = FlatMap::new();
    for (key, n) in &named.codes {
        let mut words = key.splitn(3, ' ');
        // Of a day that was full none of the three is known.
        let (its, model) = (words.next().unwrap_or(OTHER), words.next().unwrap_or(OTHER));
        if its == provider && asked.is_none_or(|asked| asked == model) {
            *codes.entry(words.next().unwrap_or(OTHER)).or_default() += u64::from(*n);
        }
    }
    ranked(codes, usize::MAX).into_iter().map(|(code, n)| Metric::count(n).in_bucket(code.to_owned())).collect()
}

/// Quantiles of all models' milliseconds, shares of slow ones, and each model's.
pub(super) fn speed(facts: &Facts<'_>, named: &NamedTotals, of: fn(&Model) -> &Speed) -> Json {
    let asked = facts.query.filter.model();
    let mut all = Speed::default();
    let models: Vec<(&String, &Speed)> = named
        .models
        .iter()
        .filter(|(name, model)| asked.is_none_or(|asked| asked == *name) && !of(model).ms.is_empty())
        .map(|(name, model)| (name, of(model)))
        .collect();
    models.iter().for_each(|(_, counts)| all.merge(counts));
    let mut members = speed_of(&all);
    let mut rows: Vec<_> = models.into_iter().map(|(name, counts)| (counts.ms.n(), name, counts)).collect();
    order::by_key(&mut rows, |(n, name, _)| (std::cmp::Reverse(*n), *name));
    let row = |(n, name, counts): &(u64, &String, &Speed)| {
        let mut row = speed_of(counts);
        row.insert("bucket", (*name).clone());
        row.insert("count", *n);
        Json::Object(row)
    };
    members.insert("by_model", rows.iter().map(row).collect::<Json>());
    Json::Object(members)
}

fn speed_of(speed: &Speed) -> Members {
    let mut members = quantiles(&speed.ms, [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)], Unit::Ms);
    for (name, over) in ["over_2s", "over_5s"].into_iter().zip(speed.over) {
        members.insert(name, Metric { ci: None, ..Metric::share(over, speed.ms.n()) });
    }
    members
}
