//! What a person may ask for, by the app or an admin: what is held of them, and to be forgotten.

use aggregator::place::SHARDS_MAX;
use aggregator::protocol::ErasureReply;
use aggregator::shard::Held;
use http::StatusCode;
use schemas::consent::Choice;
use schemas::{UserKey, UtcMillis};
use serde_json::{Value, json};

use crate::intake::Problem;

/// Most Shards that may ever have held one person: the count of Shards doubles up to 256.
const PARTS_MAX: usize = 9;

/// The 400 of a path that ends in no id.
#[must_use]
pub fn no_id(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_id", detail)
}

/// The name of an erasure: its parts, each a Shard and its receipt there.
#[must_use]
pub fn receipt_name(parts: &[(u32, ErasureReply)]) -> String {
    parts.iter().map(|(shard, reply)| format!("{shard}-{}", reply.receipt)).collect::<Vec<_>>().join(".")
}

/// The parts of a name; `None` when it is none.
#[must_use]
pub fn parse_receipt(name: &str) -> Option<Vec<(u32, &str)>> {
    let parts = name.split('.').take(PARTS_MAX + 1).map(|part| {
        let (shard, receipt) = part.split_once('-')?;
        let shard = shard.parse().ok().filter(|shard| *shard < SHARDS_MAX)?;
        let is_receipt =
            receipt.len() == 16 && receipt.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_receipt.then_some((shard, receipt))
    });
    parts.collect::<Option<Vec<_>>>().filter(|parts| parts.len() <= PARTS_MAX)
}

/// How an erasure stands: `done` once no file of the lake holds the person any more, whichever Shard wrote it.
#[must_use]
pub fn erasure_json(parts: &[(u32, ErasureReply)]) -> Value {
    let of = || parts.iter().map(|(_, reply)| &reply.erasure);
    let done_at = of().map(|erasure| erasure.lake_done_at).collect::<Option<Vec<_>>>();
    json!({
        "receipt": receipt_name(parts),
        "status": if done_at.is_some() { "done" } else { "files_waiting" },
        "requested_at": of().map(|erasure| erasure.requested_at).min().map(UtcMillis::to_rfc3339),
        "due_at": of().map(|erasure| erasure.due_at).min().map(UtcMillis::to_rfc3339),
        "events": of().map(|erasure| erasure.events).sum::<u64>(),
        "done_at": done_at.and_then(|done_at| done_at.into_iter().max()).map(UtcMillis::to_rfc3339),
    })
}

/// What is held of a person: their events as they are stored, a page at a time, and what is counted of them.
#[must_use]
pub fn held_json(user: UserKey, held: &Held, erasure: Option<Value>) -> Value {
    let choice = |choice: Option<Choice>| choice.map(|c| json!({ "yes": c.yes, "at": c.at.to_rfc3339() }));
    let events = held.events.iter().map(|(received_at, line)| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        json!({ "received_at": UtcMillis(*received_at).to_rfc3339(), "event": event })
    });
    let spend = held.spend.iter().map(
        |entry| json!({ "from": entry.bucket.start().to_rfc3339(), "turns": entry.turns, "nano_usd": entry.nano_usd }),
    );
    let sessions = held.visits.iter().map(|visit| {
        json!({
            "from": UtcMillis(visit.start_ms).to_rfc3339(), "to": UtcMillis(visit.end_ms).to_rfc3339(),
            "turns": visit.turns, "nano_usd": visit.nano_usd,
        })
    });
    json!({
        "user": user,
        "events": events.collect::<Vec<_>>(),
        "next": held.next,
        "spend": spend.collect::<Vec<_>>(),
        "sessions": sessions.collect::<Vec<_>>(),
        "choices": { "analytics": choice(held.choices.analytics), "age_13_plus": choice(held.choices.age_13_plus) },
        "calls_under_way": held.holds,
        "erasure": erasure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_back() {
        let part = |receipt: &str, done: Option<i64>| -> ErasureReply {
            let erasure = json!({ "requested_at": 7, "due_at": 9, "events": 2, "lake_done_at": done });
            serde_json::from_value(json!({ "receipt": receipt, "erasure": erasure })).unwrap()
        };
        let parts = [(1, part("0123456789abcdef", Some(8))), (3, part("fedcba9876543210", None))];
        let name = receipt_name(&parts);
        assert_eq!(parse_receipt(&name), Some(vec![(1, "0123456789abcdef"), (3, "fedcba9876543210")]));
        let json = erasure_json(&parts);
        assert_eq!(
            (&json["status"], &json["events"], &json["done_at"]),
            (&"files_waiting".into(), &4.into(), &Value::Null)
        );
        let json = erasure_json(&parts[..1]);
        assert_eq!((&json["status"], &json["receipt"]), (&"done".into(), &"1-0123456789abcdef".into()));
        let many = ["3-0123456789abcdef"; 10].join(".");
        for none in [
            "",
            "3",
            "3-",
            "x-0123456789abcdef",
            "3-0123456789ABCDEF",
            "3-0123456789abcdef0",
            "-0123456789abcdef",
            "256-0123456789abcdef",
            "3-0123456789abcdef.",
            ".",
            &many,
        ] {
            assert_eq!(parse_receipt(none), None, "{none}");
        }
    }
}
