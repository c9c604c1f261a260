//! The operations panel: the intake's balance, requests, the lake, the Shards.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemas::UtcMillis;
use schemas::event::BotKind;
use schemas::time::{HOUR_MS, MINUTE_MS};
use serde_json::{Value, json};

use super::Facts;
use super::metric::{Hidden, Metric, Unit};
use crate::fold::intake::Tally;
use crate::fold::names::{Count, OTHER};
use crate::protocol::{BuriedLetter, DEAD_LETTERS_SHOWN};

/// Most routes and most referrers in an answer.
const NAMES_SHOWN: usize = 50;

pub(super) fn answer(facts: &Facts<'_>) -> Value {
    let query = facts.query;
    let window = &query.window;
    let total = facts.counted.intake_total(window.from, window.to);
    let all = facts.counted.range(window.from, window.to);
    let requests = &all.operations;
    let visited = facts.counted.visited(window.from, window.to);
    let count = |n: u64| Metric::exact(n, Unit::Count, n);
    json!({
        "intake": balance(&total),
        "intake_last_hour": facts.counted.intake(query.now.plus_ms(-HOUR_MS), query.now.plus_ms(MINUTE_MS)).iter().map(|(minute, tally)| {
            json!({ "bucket": UtcMillis(minute * MINUTE_MS).to_rfc3339(), "balance": balance(tally) })
        }).collect::<Vec<_>>(),
        "requests": {
            "total": count(requests.requests),
            "client_errors": count(requests.client_errors),
            "server_errors": count(requests.server_errors),
            "origin_unreachable": count(requests.origin_unreachable),
        },
        "routes": top(&visited.routes),
        "referrers": top(&visited.referrers),
        "bots": bots(&requests.bots, requests.requests),
        "reported_errors": count(requests.reported_errors),
        "dead_letters": dead_letters(facts),
        "lake": lake(facts),
        "shards": facts.shards.iter().enumerate().map(|(number, health)| match health {
            None => json!({ "shard": number, "reachable": false }),
            Some(health) => json!({
                "shard": number, "reachable": true, "log_position": health.log_position,
                "bronze_position": health.bronze_position, "database_bytes": health.database_bytes,
            }),
        }).collect::<Vec<_>>(),
    })
}

/// The names with most requests; all others are one, so that the rows add up to all requests that have a name.
fn top(names: &BTreeMap<String, Count>) -> Vec<Value> {
    let mut rows: Vec<(&str, Count)> =
        names.iter().filter(|(name, _)| *name != OTHER).map(|(name, count)| (name.as_str(), *count)).collect();
    rows.sort_by_key(|(name, count)| (Reverse(count.requests), *name));
    let mut other = names.get(OTHER).copied().unwrap_or_default();
    rows.drain(NAMES_SHOWN.min(rows.len())..).for_each(|(_, count)| other.add(count));
    rows.extend((other.requests > 0).then_some((OTHER, other)));
    let row = |(name, count): (&str, Count)| {
        let metric = |n: u32| Metric::exact(n, Unit::Count, count.requests.into());
        let errors =
            json!({ "client_errors": metric(count.client_errors), "server_errors": metric(count.server_errors) });
        metric(count.requests).in_bucket(name, errors)
    };
    rows.into_iter().map(row).collect()
}

/// Requests of robots, which are among all requests.
fn bots(bots: &BTreeMap<BotKind, u64>, requests: u64) -> Value {
    let by_kind = |(kind, count): (&BotKind, &u64)| {
        Metric::exact(*count, Unit::Count, requests).in_bucket(kind.as_str(), json!({}))
    };
    json!({
        "total": Metric::exact(bots.values().sum::<u64>(), Unit::Count, requests),
        "by_kind": bots.iter().map(by_kind).collect::<Vec<_>>(),
    })
}

fn balance(tally: &Tally) -> Value {
    let n = tally.received();
    let count = |value: u64| Metric::exact(value, Unit::Count, n);
    let by_reason = |(reason, count): (&crate::fold::intake::DropReason, &u64)| {
        Metric::exact(*count, Unit::Count, n).in_bucket(json!(reason).as_str().unwrap_or_default(), json!({}))
    };
    json!({
        "received": count(n),
        "stored": count(tally.stored),
        "duplicate": count(tally.duplicate),
        "dropped": count(tally.dropped_total()),
        "dropped_by_reason": tally.dropped.iter().map(by_reason).collect::<Vec<_>>(),
        "dead_lettered": count(tally.dead_lettered),
    })
}

/// The newest over all Shards, newest first.
fn dead_letters(facts: &Facts<'_>) -> Vec<Value> {
    let mut buried: Vec<&BuriedLetter> =
        facts.shards.iter().flatten().flat_map(|health| &health.dead_letters).collect();
    buried.sort_by_key(|buried| std::cmp::Reverse(buried.received_at_ms));
    let row = |buried: &&BuriedLetter| {
        let letter = &buried.letter;
        json!({
            "received_at": UtcMillis(buried.received_at_ms).to_rfc3339(),
            "type": letter.kind,
            "code": letter.code,
            "field": letter.field,
            "detail": letter.detail,
            "outline": letter.outline,
        })
    };
    buried.iter().take(DEAD_LETTERS_SHOWN).map(row).collect()
}

/// Age of the oldest event that is not yet in the lake, and the last nightly run; of the Shard that lags most.
fn lake(facts: &Facts<'_>) -> Value {
    let all = facts.shards.iter().all(Option::is_some);
    let oldest = facts.shards.iter().flatten().filter_map(|health| health.oldest_unexported_ms).min();
    let lag = match (all, oldest) {
        (false, _) => Metric::hidden(Unit::Ms, Hidden::ShardUnreachable, 0),
        (true, oldest) => Metric::exact(oldest.map_or(0, |at| (facts.query.now.0 - at).max(0)), Unit::Ms, 1),
    };
    json!({
        "bronze_lag": lag,
        "last_nightly": facts.shards.iter().flatten().filter_map(|health| health.last_nightly.clone()).min(),
        "erasure_due": facts.shards.iter().flatten().filter_map(|health| health.erasure_due_ms).min().map(|due| UtcMillis(due).to_rfc3339()),
        "errors": facts.shards.iter().flatten().filter_map(|health| health.lake_error.clone()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_one_row_and_nothing_is_lost() {
        let count = |requests| Count { requests, client_errors: 1, server_errors: 0 };
        let mut names: BTreeMap<String, Count> = (0..60).map(|n| (format!("/{n:02}"), count(100 - n))).collect();
        names.insert(OTHER.into(), count(1_000));
        let rows = top(&names);
        assert_eq!(rows.len(), NAMES_SHOWN + 1);
        assert_eq!((&rows[0]["bucket"], &rows[0]["value"]), (&json!("/00"), &json!(100)));
        assert_eq!(rows[0]["client_errors"]["value"], json!(1));
        assert_eq!(rows[NAMES_SHOWN]["bucket"], json!(OTHER));
        let shown: u64 = rows.iter().filter_map(|row| row["value"].as_u64()).sum();
        assert_eq!(shown, names.values().map(|count| u64::from(count.requests)).sum::<u64>());
        assert!(top(&BTreeMap::new()).is_empty());
    }
}
