//! The operations panel: the intake's balance, requests, the lake, the Shards.

use std::collections::BTreeMap;

use schemas::UtcMillis;
use schemas::event::BotKind;
use schemas::time::{HOUR_MS, MINUTE_MS};
use serde_json::{Value, json};

use super::Facts;
use super::metric::{Hidden, Metric, Unit};
use crate::fold::intake::Tally;
use crate::protocol::{BuriedLetter, DEAD_LETTERS_SHOWN};

pub(super) fn answer(facts: &Facts<'_>) -> Value {
    let query = facts.query;
    let window = &query.window;
    let mut total = Tally::default();
    let minutes = facts.counted.intake(window.from.start(), window.to.start());
    minutes.iter().for_each(|(_, tally)| total.merge(tally));
    let requests = facts.counted.range(window.from, window.to).operations;
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
        "errors": facts.shards.iter().flatten().filter_map(|health| health.lake_error.clone()).collect::<Vec<_>>(),
    })
}
