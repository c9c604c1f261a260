//! The operations panel: the intake's balance, requests, the lake, the Shards.

use schemas::event::{BotKind, VitalName};
use schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use schemas::{Bucket15, FlatMap, UtcMillis, order};
use std::cmp::Reverse;

use super::chart::quantiles;
use super::json::{Json, Members, object, word};
use super::metric::{Hidden, Metric, Unit};
use super::{Facts, health};
use crate::fold::intake::Tally;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, OTHER, Rate};
use crate::fold::operations::Visits;
use crate::protocol::{BuriedLetter, DEAD_LETTERS_SHOWN};
use crate::stats::histogram::Counts;

/// Most routes and most referrers in an answer.
const NAMES_SHOWN: usize = 50;
/// Most actions, vitals and errors in an answer.
const ROWS_SHOWN: usize = 200;
/// An error is new that was not seen for so many days before the window.
const NEW_AFTER_DAYS: i64 = 30;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    let models = models(facts, named);
    if facts.query.filter.model().is_some() {
        return models;
    }
    models.with(edge(facts, named))
}

/// What is known of models, also of one alone.
fn models(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    object!({
        "turns_per_second": health::turns_per_second(facts),
        "model_api": health::model_api(facts, named),
        "latency": health::speed(facts, named, |model| &model.latency),
        "ttft": health::speed(facts, named, |model| &model.ttft),
    })
}

fn edge(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    let query = facts.query;
    let window = &query.window;
    let total = facts.counted.intake_total(window.from, window.to);
    let all = facts.counted.range(window.from, window.to);
    let requests = &all.operations;
    let ended = query.now.0.min(window.to.start().0);
    let seconds = (ended - window.from.start().0).max(0) as f64 / 1_000.0;
    let per_second = match seconds {
        0.0 => Metric::hidden(Unit::Rate, Hidden::NoData, 0),
        seconds => Metric::exact(requests.requests as f64 / seconds, Unit::Rate, requests.requests),
    };
    let count = |n: u64| Metric::exact(n, Unit::Count, n);
    object!({
        "intake": balance(&total),
        "intake_last_hour": facts.counted.intake(query.now.plus_ms(-HOUR_MS), query.now.plus_ms(MINUTE_MS)).iter().map(|(minute, tally)| {
            object!({ "bucket": UtcMillis(minute * MINUTE_MS).to_rfc3339(), "balance": balance(tally) })
        }).collect::<Json>(),
        "requests": {
            "total": count(requests.requests),
            "client_errors": count(requests.client_errors),
            "server_errors": count(requests.server_errors),
            "origin_unreachable": count(requests.origin_unreachable),
            "client_error_share": Metric::share(requests.client_errors, requests.requests),
            "server_error_share": Metric::share(requests.server_errors, requests.requests),
            "per_second": per_second,
        },
        "ttfb": quantiles(&named.ttfb, [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)], Unit::Ms),
        "active_sessions": Metric::told(facts.census().map(|census| census.sessions.active)),
        "actions": actions(&named.actions),
        "vitals": vitals(&named.vitals),
        "errors": errors(facts, named),
        "routes": top(&named.routes),
        "referrers": top(&named.referrers),
        "bots": bots(&requests.bots, requests.requests),
        "reported_errors": count(requests.reported_errors),
        "dead_letters": dead_letters(facts),
        "lake": lake(facts),
        "shards": facts.shards.iter().enumerate().map(|(number, health)| match health {
            None => object!({ "shard": number, "reachable": false }),
            Some(health) => object!({
                "shard": number, "reachable": true, "log_position": health.log_position,
                "bronze_position": health.bronze_position, "database_bytes": health.database_bytes,
            }),
        }).collect::<Json>(),
    })
}

/// How long actions took, those with most first.
fn actions(actions: &FlatMap<String, Counts>) -> Vec<Json> {
    let row = |(n, name, counts): (u64, &String, &Counts)| {
        let more = object!({ "p95": Metric::quantile_of(counts, 0.95, Unit::Ms), "count": n });
        Metric::quantile_of(counts, 0.5, Unit::Ms).in_bucket(name.to_owned()).with(more)
    };
    busiest(actions).into_iter().map(row).collect()
}

fn busiest(names: &FlatMap<String, Counts>) -> Vec<(u64, &String, &Counts)> {
    let mut rows: Vec<_> = names.iter().map(|(name, counts)| (counts.n(), name, counts)).collect();
    order::by_key(&mut rows, |(n, name, _)| (Reverse(*n), *name));
    rows.truncate(ROWS_SHOWN);
    rows
}

/// The 75 % quantile of each vital, device class and page, those with most first.
fn vitals(vitals: &FlatMap<String, Counts>) -> Vec<Json> {
    let row = |(n, key, counts): (u64, &String, &Counts)| {
        let mut words = key.splitn(3, ' ');
        // Of a day that was full none of the three is known.
        let (name, device, page) =
            (words.next().unwrap_or(OTHER), words.next().unwrap_or(OTHER), words.next().unwrap_or(OTHER));
        let p75 = Metric::quantile_of(counts, 0.75, Unit::Ms);
        let limits = VitalName::ALL.into_iter().find(|vital| vital.as_str() == name).map(vital_limits);
        let rating = limits.zip(counts.quantile(0.75)).map(|((good, poor), (value, _))| match value {
            value if value <= good => "good",
            value if value <= poor => "needs_improvement",
            _ => "poor",
        });
        p75.in_bucket(key.to_owned()).with(object!({
            "name": name.to_owned(), "device": device.to_owned(), "page": page.to_owned(), "rating": rating, "count": n,
        }))
    };
    busiest(vitals).into_iter().map(row).collect()
}

/// Up to where a vital is good, and beyond where it is poor: milliseconds, of CLS thousandths.
/// Source: <https://web.dev/articles/defining-core-web-vitals-thresholds>, <https://web.dev/articles/fcp>,
/// <https://web.dev/articles/ttfb>.
fn vital_limits(vital: VitalName) -> (u64, u64) {
    match vital {
        VitalName::Lcp => (2_500, 4_000),
        VitalName::Inp => (200, 500),
        VitalName::Cls => (100, 250),
        VitalName::Fcp => (1_800, 3_000),
        VitalName::Ttfb => (800, 1_800),
    }
}

/// Errors by component and code, those with most first, with how many people met them.
fn errors(facts: &Facts<'_>, named: &NamedTotals) -> Vec<Json> {
    let from = facts.query.window.from;
    let before = facts.counted.named(Bucket15::of(from.start().plus_ms(-NEW_AFTER_DAYS * DAY_MS)), from);
    let before = &before.errors;
    let mut rows: Vec<(&String, &Rate)> = named.errors.iter().collect();
    order::by_key(&mut rows, |(name, rate)| (Reverse(rate.n), *name));
    rows.truncate(ROWS_SHOWN);
    let row = |(key, rate): (&String, &Rate)| {
        // Of a day that was full neither is known.
        let (component, code) = key.split_once(' ').unwrap_or((OTHER, OTHER));
        let name = format!("{component}/{code}");
        let users = facts.census().map(|census| census.integrations.errors.get(&name).copied().unwrap_or(0));
        let more = object!({
            "component": component.to_owned(),
            "code": code.to_owned(),
            "is_new": !before.contains_key(key),
            "fatal": Metric::count(rate.hits),
            "users": Metric::told(users),
        });
        Metric::count(rate.n).in_bucket(name).with(more)
    };
    rows.into_iter().map(row).collect()
}

/// The names with most requests; all others are one, so that the rows add up to all requests that have a name.
fn top(names: &FlatMap<String, Visits>) -> Vec<Json> {
    let mut rows: Vec<(&str, Visits)> =
        names.iter().filter(|(name, _)| *name != OTHER).map(|(name, count)| (name.as_str(), *count)).collect();
    order::by_key(&mut rows, |(name, count)| (Reverse(count.requests), *name));
    let mut other = names.get(OTHER).copied().unwrap_or_default();
    rows.drain(NAMES_SHOWN.min(rows.len())..).for_each(|(_, count)| other.merge(&count));
    rows.extend((other.requests > 0).then_some((OTHER, other)));
    let row = |(name, count): (&str, Visits)| {
        let metric = |n: u32| Metric::exact(n, Unit::Count, count.requests.into());
        let errors =
            object!({ "client_errors": metric(count.client_errors), "server_errors": metric(count.server_errors) });
        metric(count.requests).in_bucket(name.to_owned()).with(errors)
    };
    rows.into_iter().map(row).collect()
}

/// Requests of robots, which are among all requests.
pub(super) fn bots(bots: &FlatMap<BotKind, u64>, requests: u64) -> Json {
    let by_kind =
        |(kind, count): (&BotKind, &u64)| Metric::exact(*count, Unit::Count, requests).in_bucket(kind.as_str());
    object!({
        "total": Metric::exact(bots.values().sum::<u64>(), Unit::Count, requests),
        "by_kind": bots.iter().map(by_kind).collect::<Json>(),
    })
}

fn balance(tally: &Tally) -> Json {
    let n = tally.received();
    let count = |value: u64| Metric::exact(value, Unit::Count, n);
    let by_reason = |(reason, count): (&crate::fold::intake::DropReason, &u64)| {
        Metric::exact(*count, Unit::Count, n).in_bucket(word(reason))
    };
    object!({
        "received": count(n),
        "stored": count(tally.stored),
        "duplicate": count(tally.duplicate),
        "dropped": count(tally.dropped_total()),
        "dropped_by_reason": tally.dropped.iter().map(by_reason).collect::<Json>(),
        "dead_lettered": count(tally.dead_lettered),
    })
}

/// The newest over all Shards, newest first.
fn dead_letters(facts: &Facts<'_>) -> Vec<Json> {
    let mut buried: Vec<&BuriedLetter> =
        facts.shards.iter().flatten().flat_map(|health| &health.dead_letters).collect();
    order::by_key(&mut buried, |buried| std::cmp::Reverse(buried.received_at_ms));
    let row = |buried: &&BuriedLetter| {
        let letter = &buried.letter;
        object!({
            "received_at": UtcMillis(buried.received_at_ms).to_rfc3339(),
            "type": letter.kind.clone(),
            "code": letter.code.clone(),
            "field": letter.field.clone(),
            "detail": letter.detail.clone(),
            "outline": letter.outline.clone().into_iter().collect::<Members>(),
        })
    };
    buried.iter().take(DEAD_LETTERS_SHOWN).map(row).collect()
}

/// Age of the oldest event that is not yet in the lake, and the last nightly run; of the Shard that lags most.
fn lake(facts: &Facts<'_>) -> Json {
    let all = facts.shards.iter().all(Option::is_some);
    let oldest = facts.shards.iter().flatten().filter_map(|health| health.oldest_unexported_ms).min();
    let lag = match (all, oldest) {
        (false, _) => Metric::hidden(Unit::Ms, Hidden::ShardUnreachable, 0),
        (true, oldest) => Metric::exact(oldest.map_or(0, |at| (facts.query.now.0 - at).max(0)), Unit::Ms, 1),
    };
    object!({
        "bronze_lag": lag,
        "last_nightly": facts.shards.iter().flatten().filter_map(|health| health.last_nightly.clone()).min(),
        "erasure_due": facts.shards.iter().flatten().filter_map(|health| health.erasure_due_ms).min().map(|due| UtcMillis(due).to_rfc3339()),
        "errors": facts.shards.iter().flatten().filter_map(|health| health.lake_error.clone()).collect::<Json>(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rest_is_one_row_and_nothing_is_lost() {
        let count = |requests| Visits { requests, client_errors: 1, server_errors: 0 };
        let mut names: FlatMap<String, Visits> = (0..60).map(|n| (format!("/{n:02}"), count(100 - n))).collect();
        names.insert(OTHER.into(), count(1_000));
        let rows = json!(top(&names));
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), NAMES_SHOWN + 1);
        assert_eq!((&rows[0]["bucket"], &rows[0]["value"]), (&json!("/00"), &json!(100)));
        assert_eq!(rows[0]["client_errors"]["value"], json!(1));
        assert_eq!(rows[NAMES_SHOWN]["bucket"], json!(OTHER));
        let shown: u64 = rows.iter().filter_map(|row| row["value"].as_u64()).sum();
        assert_eq!(shown, names.values().map(|count| u64::from(count.requests)).sum::<u64>());
        assert!(top(&FlatMap::new()).is_empty());
    }
}
