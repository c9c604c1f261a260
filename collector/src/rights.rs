//! What a person may ask for, by the app or an admin: what is held of them, and to be forgotten.

use aggregator::protocol::ErasureReply;
use aggregator::shard::Held;
use http::StatusCode;
use schemas::consent::Choice;
use schemas::{UserKey, UtcMillis};
use serde_json::{Value, json};

use crate::intake::Problem;

/// The 400 of a path that ends in no id.
#[must_use]
pub fn no_id(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_id", detail)
}

/// The name of an erasure: its Shard, and its receipt there.
#[must_use]
pub fn receipt_name(shard: u32, receipt: &str) -> String {
    format!("{shard}-{receipt}")
}

/// The Shard and the receipt of a name; `None` when it is none.
#[must_use]
pub fn parse_receipt(name: &str, shards: u32) -> Option<(u32, &str)> {
    let (shard, receipt) = name.split_once('-')?;
    let shard = shard.parse().ok().filter(|shard| *shard < shards)?;
    let is_receipt = receipt.len() == 16 && receipt.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_receipt.then_some((shard, receipt))
}

/// How an erasure stands: `done` once no file of the lake holds the person any more.
#[must_use]
pub fn erasure_json(shard: u32, reply: &ErasureReply) -> Value {
    let erasure = &reply.erasure;
    json!({
        "receipt": receipt_name(shard, &reply.receipt),
        "status": if erasure.lake_done_at.is_some() { "done" } else { "files_waiting" },
        "requested_at": erasure.requested_at.to_rfc3339(),
        "due_at": erasure.due_at.to_rfc3339(),
        "events": erasure.events,
        "done_at": erasure.lake_done_at.map(UtcMillis::to_rfc3339),
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
        let name = receipt_name(3, "0123456789abcdef");
        assert_eq!(parse_receipt(&name, 4), Some((3, "0123456789abcdef")));
        assert_eq!(parse_receipt(&name, 3), None);
        for none in
            ["", "3", "3-", "x-0123456789abcdef", "3-0123456789ABCDEF", "3-0123456789abcdef0", "-0123456789abcdef"]
        {
            assert_eq!(parse_receipt(none, 4), None, "{none}");
        }
    }
}
