//! The integrations panel: connections made and as they stand, calls of platforms' APIs, syncs.

use schemas::{FlatMap, UtcMillis};

use super::chart::quantiles;
use super::json::{Json, object};
use super::metric::{Hidden, Metric, Unit};
use super::{Facts, ranked};
use crate::census::Census;
use crate::fold::integrations::Platform;
use crate::fold::named::NamedTotals;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    let platforms = |shown: fn(&Platform) -> bool, row: &dyn Fn((&String, &Platform)) -> Json| {
        named.platforms.iter().filter(|(_, counts)| shown(counts)).map(row).collect::<Vec<_>>()
    };
    let connections = |counts: &Platform| counts.connected + counts.failed + counts.disconnected + counts.expired > 0;
    let panel = object!({
        "platforms": platforms(connections, &|(name, counts)| connected(named, name, counts)),
        "api": platforms(|counts| counts.calls + counts.rate_limited > 0, &|(name, counts)| calls(name, counts)),
        "freshness": freshness(facts),
    });
    panel.with(facts.census().map_or(Json::Null, standing))
}

/// People's connections as they stand.
fn standing(census: &Census) -> Json {
    let platforms = &census.integrations.platforms;
    let connected = platforms.iter().map(|(platform, connections)| {
        let more = object!({ "expired": Metric::count(connections.expired) });
        Metric::count(connections.connected).in_bucket(platform.to_owned()).with(more)
    });
    object!({
        "connected": connected.collect::<Json>(),
        "tokens_expiring": Metric::count(platforms.values().map(|connections| connections.expiring).sum::<u64>()),
    })
}

/// The latest sync of each platform, with how many people's data are stale; last those that were never synced.
fn freshness(facts: &Facts<'_>) -> Vec<Json> {
    let last_words = facts.counted.last_words_ever();
    let synced_at = &last_words.synced_at;
    let platforms = facts.census().map(|census| &census.integrations.platforms);
    let stale = |name: &String| match platforms {
        Some(platforms) => object!({ "stale": Metric::count(platforms.get(name).map_or(0, |people| people.stale)) }),
        None => Json::Null,
    };
    let fresh = |(name, at): (&String, &UtcMillis)| {
        let row = Metric::exact((facts.query.now.0 - at.0).max(0), Unit::Ms, 1);
        row.in_bucket(name.to_owned()).with(object!({ "synced_at": at.to_rfc3339() })).with(stale(name))
    };
    let mut rows: Vec<Json> = synced_at.iter().map(fresh).collect();
    for name in platforms.into_iter().flat_map(FlatMap::keys).filter(|name| !synced_at.contains_key(*name)) {
        rows.push(Metric::hidden(Unit::Ms, Hidden::NoData, 0).in_bucket(name.to_owned()).with(stale(name)));
    }
    rows
}

fn connected(named: &NamedTotals, name: &str, counts: &Platform) -> Json {
    let of_platform = |(key, n): (&'_ String, &'_ u32)| {
        let (platform, reason) = key.split_once(' ')?;
        (platform == name).then(|| (reason.to_owned(), u64::from(*n)))
    };
    let reasons: Vec<(String, u64)> = named.reasons.iter().filter_map(of_platform).collect();
    let reasons = ranked(reasons.iter().map(|(reason, n)| (reason.as_str(), *n)).collect(), usize::MAX);
    Metric::count(counts.connected).in_bucket(name.to_owned()).with(object!({
            "failed": Metric::count(counts.failed),
            "reasons": reasons.into_iter().map(|(reason, n)| Metric::count(n).in_bucket(reason.to_owned())).collect::<Json>(),
            "success_rate": Metric::share(counts.connected, counts.connected + counts.failed),
            "disconnected": Metric::count(counts.disconnected),
            "expired": Metric::count(counts.expired),
        }))
}

fn calls(name: &str, counts: &Platform) -> Json {
    Metric::count(counts.calls).in_bucket(name.to_owned()).with(object!({
        "error_rate": Metric::share(counts.call_errors, counts.calls),
        "latency": quantiles(&counts.latency, [("p50", 0.5), ("p95", 0.95)], Unit::Ms),
        "rate_limited": Metric::count(counts.rate_limited),
    }))
}
