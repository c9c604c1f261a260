//! The integrations panel's counts that know no person: connections made, calls of platforms' APIs, syncs.

use schemas::UtcMillis;
use serde_json::{Value, json};

use super::metric::{Metric, Unit, quantiles};
use super::{Facts, ranked};
use crate::fold::integrations::Platform;
use crate::fold::named::NamedTotals;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals) -> Value {
    let platforms = |shown: fn(&Platform) -> bool, row: &dyn Fn((&String, &Platform)) -> Value| {
        named.platforms.iter().filter(|(_, counts)| shown(counts)).map(row).collect::<Vec<_>>()
    };
    let connections = |counts: &Platform| counts.connected + counts.failed + counts.disconnected + counts.expired > 0;
    json!({
        "platforms": platforms(connections, &|(name, counts)| connected(named, name, counts)),
        "api": platforms(|counts| counts.calls + counts.rate_limited > 0, &|(name, counts)| calls(name, counts)),
        "freshness": facts.counted.last_words_ever().synced_at.iter().map(|(name, at)| fresh(name, *at, facts.query.now)).collect::<Vec<_>>(),
    })
}

fn connected(named: &NamedTotals, name: &str, counts: &Platform) -> Value {
    let of_platform = |(key, n): (&'_ String, &'_ u32)| {
        let (platform, reason) = key.split_once(' ')?;
        (platform == name).then(|| (reason.to_owned(), u64::from(*n)))
    };
    let reasons: Vec<(String, u64)> = named.reasons.iter().filter_map(of_platform).collect();
    let reasons = ranked(reasons.iter().map(|(reason, n)| (reason.as_str(), *n)).collect(), usize::MAX);
    Metric::count(counts.connected).in_bucket(
        name,
        json!({
            "failed": Metric::count(counts.failed),
            "reasons": reasons.into_iter().map(|(reason, n)| Metric::count(n).in_bucket(reason, json!({}))).collect::<Vec<_>>(),
            "success_rate": Metric::share(counts.connected, counts.connected + counts.failed),
            "disconnected": Metric::count(counts.disconnected),
            "expired": Metric::count(counts.expired),
        }),
    )
}

fn calls(name: &str, counts: &Platform) -> Value {
    Metric::count(counts.calls).in_bucket(
        name,
        json!({
            "error_rate": Metric::share(counts.call_errors, counts.calls),
            "latency": quantiles(&counts.latency, [("p50", 0.5), ("p95", 0.95)], Unit::Ms),
            "rate_limited": Metric::count(counts.rate_limited),
        }),
    )
}

fn fresh(name: &str, at: UtcMillis, now: UtcMillis) -> Value {
    Metric::exact((now.0 - at.0).max(0), Unit::Ms, 1).in_bucket(name, json!({ "synced_at": at.to_rfc3339() }))
}
