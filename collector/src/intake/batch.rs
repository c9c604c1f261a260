//! From the texts of events to batches for Shards.

use std::collections::BTreeMap;

use aggregator::batch::ShardBatch;
use aggregator::fold::intake::DropReason;
use aggregator::protocol::{AppendReply, DeadLetterLine};
use schemas::event::Source;
use schemas::wire::{KINDS, WireCode, WireError, WireEvent};
use schemas::{FlatMap, UtcMillis, order};
use serde::Serialize;
use serde_json::Value;

use super::body::EVENT_BYTES_MAX;
use crate::admit::page::Page;
use crate::scrub::{Door, Keyring, LastIds, Refused, scrub};

/// Who sent a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Backend or browser.
    pub source: Source,
    /// The browser says that its person does not want to be tracked (`Sec-GPC`, `DNT`).
    pub opted_out: bool,
    /// The page, where it is one.
    pub page: Page,
}

/// Events on their way to the Shards.
#[derive(Debug, Default)]
pub struct Batch {
    /// How many events the request held.
    pub received: usize,
    /// One entry for each Shard that has anything to do.
    pub shards: BTreeMap<u32, ShardBatch>,
    /// What was wrong, by position in the request.
    pub errors: Vec<EventError>,
    /// Dropped on purpose.
    pub dropped: FlatMap<DropReason, u64>,
    last: LastIds,
}

/// What was wrong with one event of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventError {
    /// Position in the request, from 0.
    pub index: usize,
    /// Stable code.
    pub code: WireCode,
    /// Field and remedy.
    pub detail: String,
}

impl Batch {
    /// Once all are taken: raw ids do not wait for the Shards' replies.
    pub(super) fn forget_ids(&mut self) {
        self.last = LastIds::default();
    }

    /// Takes one event: scrubs and prices it for its Shard, drops it, or buries the letter that tells what is wrong. `content`
    /// names it where it has no id.
    pub(super) fn take(
        &mut self,
        wire: Result<WireEvent, WireError>,
        content: &str,
        source: Source,
        door: &Door<'_>,
        letter: impl FnOnce(&WireError) -> DeadLetterLine,
    ) {
        let index = self.received;
        self.received += 1;
        let scrubbed = wire.map_err(Refused::from).and_then(|wire| scrub(wire, content, source, door, &mut self.last));
        let event = match scrubbed {
            Ok(event) => event,
            Err(Refused::Absent(absence)) => {
                let reason = DropReason::from(absence);
                *self.dropped.entry(reason).or_default() += 1;
                let number = shard_of_digest(&door.keys.digest("dead", content), door.shards);
                let dropped = &mut self.shards.entry(number).or_default().header.dropped;
                *dropped.entry(reason).or_default() += 1;
                return;
            }
            Err(Refused::Wrong(error)) => {
                let letter = letter(&error);
                self.shards.entry(shard_of_digest(&letter.digest, door.shards)).or_default().bury(&letter);
                self.errors.push(EventError { index, code: error.code, detail: error.to_string() });
                return;
            }
        };
        self.shards.entry(event.shard(door.shards)).or_default().push(&event);
    }
}

/// Reads, scrubs and prices events and sorts them by Shard. Those that can't be read become dead letters.
#[must_use]
pub fn take_in<'a>(texts: impl Iterator<Item = &'a str>, sender: Sender, door: &Door<'_>) -> Batch {
    let mut batch = Batch::default();
    for text in texts {
        batch
            .take(read(text, sender, door.now), text, sender.source, door, |error| dead_letter(text, error, door.keys));
    }
    batch.forget_ids();
    batch
}

fn read(text: &str, sender: Sender, now: UtcMillis) -> Result<WireEvent, WireError> {
    if text.len() > EVENT_BYTES_MAX {
        return Err(WireError { code: WireCode::TooLarge, field: None, detail: "is larger than 64 KiB".into() });
    }
    let mut wire = WireEvent::from_json(text)?;
    if sender.source == Source::Browser {
        sender.page.take(&mut wire, now)?;
    }
    if sender.source == Source::Response && wire.body.kind() != "turn" {
        return Err(WireError::at(
            WireCode::TypeNotAllowed,
            "type",
            "must be turn in a response; send others to the intake",
        ));
    }
    wire.envelope.opted_out |= sender.opted_out;
    Ok(wire)
}

fn shard_of_digest(digest: &str, shards: u32) -> u32 {
    let bits = u64::from_str_radix(digest, 16).unwrap_or(0);
    u32::try_from(bits % u64::from(shards.max(1))).unwrap_or(0)
}

/// What is wrong and the outline of the event: the names that the contract knows and the JSON types of their values.
fn dead_letter(text: &str, error: &WireError, keys: &Keyring) -> DeadLetterLine {
    const MEMBERS: [&str; 20] = [
        "id",
        "ts",
        "user_id",
        "conversation_id",
        "session_id",
        "turn_index",
        "provider",
        "model",
        "feature",
        "status",
        "latency_ms",
        "ttft_ms",
        "usage",
        "provider_usage",
        "rating",
        "name",
        "component",
        "code",
        "service",
        "event",
    ];
    let value: Value =
        if text.len() > EVENT_BYTES_MAX { Value::Null } else { serde_json::from_str(text).unwrap_or_default() };
    let kind =
        value.get("type").and_then(Value::as_str).and_then(|kind| KINDS.into_iter().find(|known| *known == kind));
    let outline =
        MEMBERS.into_iter().filter_map(|name| Some((name.to_owned(), json_type(value.get(name)?).to_owned())));
    // Names that the contract does not know are for the sender's eyes alone.
    let field = error.field.clone().filter(|_| error.code != WireCode::UnknownField);
    DeadLetterLine {
        digest: keys.digest("dead", text),
        code: error.code.as_str().to_owned(),
        field,
        detail: error.detail.clone(),
        kind: kind.map(str::to_owned),
        outline: order::map(outline),
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The reply to an intake request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IntakeReply {
    /// Events in the request: the sum of the next four.
    pub received: u64,
    /// Now in a log.
    pub stored: u64,
    /// Were there before.
    pub duplicate: u64,
    /// Now in a dead-letter log.
    pub dead_lettered: u64,
    /// Not kept on purpose, by reason.
    pub dropped: FlatMap<DropReason, u64>,
    /// What was wrong with those in the dead-letter log; the first 100.
    pub errors: Vec<EventError>,
}

/// Most errors named in a reply.
const ERRORS_MAX: usize = 100;

impl IntakeReply {
    /// The reply once every Shard has answered.
    #[must_use]
    pub fn new(batch: &Batch, replies: &[AppendReply]) -> Self {
        let mut dropped = batch.dropped.clone();
        for (reason, count) in replies.iter().flat_map(|reply| &reply.dropped) {
            *dropped.entry(*reason).or_default() += count;
        }
        Self {
            received: batch.received as u64,
            stored: replies.iter().map(|reply| reply.stored).sum(),
            duplicate: replies.iter().map(|reply| reply.duplicate).sum(),
            dead_lettered: replies.iter().map(|reply| reply.dead_lettered).sum(),
            dropped,
            errors: batch.errors.iter().take(ERRORS_MAX).cloned().collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::Batch;
    use schemas::event::stored;

    /// What Shards are told, a line each: the header, dead letters, events.
    pub(in crate::intake) fn told(batch: &Batch) -> String {
        let of_shard = |own: &aggregator::batch::ShardBatch| {
            let message = own.message();
            let text = message.strip_suffix(own.events.as_slice()).unwrap();
            [text, &stored::lines(&own.events).unwrap()].concat()
        };
        batch.shards.values().map(|own| String::from_utf8(of_shard(own)).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Prices;
    use crate::settings::Text;
    use schemas::event::Policy;

    const NOW: &str = "2026-11-21T19:00:00Z";
    const TURN: &str = r#"{"type":"turn","id":"e1","ts":"2026-11-21T18:56:03.120Z","user_id":"alice","conversation_id":"c1",
        "provider":"anthropic","model":"claude-sonnet-4-5","usage":{"input_tokens":1200,"output_tokens":340}}"#;

    fn batch(texts: &[String], source: Source, opted_out: bool) -> Batch {
        let keys = Keyring::new(Some("0123456789abcdef0123456789abcdef")).unwrap();
        take_in(
            texts.iter().map(String::as_str),
            Sender { source, opted_out, page: Page::default() },
            &Door {
                keys: &keys,
                prices: &Prices::default(),
                policy: Policy::default(),
                text: Text::default(),
                shards: 1,
                now: UtcMillis::parse_rfc3339(NOW).unwrap(),
            },
        )
    }

    fn message(batch: &Batch) -> String {
        super::testing::told(batch)
    }

    #[test]
    fn a_turn_is_scrubbed_and_priced() {
        let batch = batch(&[TURN.into()], Source::Backend, false);
        let message = message(&batch);
        assert!(message.contains(r#""nano_usd":8700000"#), "{message}");
        assert!(!message.contains("alice") && !message.contains("\"c1\"") && !message.contains("\"e1\""));
        assert!(message.contains(r#""user":"k1_"#) && message.contains(r#""conversation":"k1_"#));
    }

    #[test]
    fn bad_events_are_named_and_buried_without_their_values() {
        let bad = [
            TURN.replace("\"turn\"", "\"turm\""),
            TURN.replace("anthropic", "alice@example.com"),
            TURN.replace("\"ts\":\"2026", "\"ts\":\"2126"),
            TURN.replace("\"ts\":\"2026", "\"ts\":\"2006"),
            TURN.replace("\"user_id\"", "\"alice_key\""),
            format!("{TURN} alice"),
            format!("\"{}\"", "alice".repeat(20_000)),
        ];
        let batch = batch(&bad, Source::Backend, false);
        let codes: Vec<_> = batch.errors.iter().map(|error| error.code.as_str()).collect();
        assert_eq!(
            codes,
            ["unknown_type", "invalid_value", "ts_in_future", "ts_too_old", "unknown_field", "not_json", "too_large"]
        );
        assert!(!message(&batch).contains("alice"), "{}", message(&batch));
        assert_eq!(batch.shards[&0].header.dead_letters, 7);
        let shown: String = batch.errors.iter().map(|error| error.detail.as_str()).collect();
        assert!(shown.contains("alice_key: is not a field") && !shown.contains("example.com"), "{shown}");
    }

    #[test]
    fn a_page_cannot_forge_turns() {
        let batch = batch(&[TURN.into()], Source::Browser, false);
        assert_eq!(batch.errors[0].code, WireCode::TypeNotAllowed);
        assert_eq!(batch.shards[&0].header.events, 0);
    }

    #[test]
    fn of_someone_unknown_who_opted_out_only_money_is_kept() {
        let feedback = r#"{"type":"feedback","ts":"2026-11-21T18:56:03Z","session_id":"s","rating":"up"}"#;
        let turn = TURN.replace("\"user_id\":\"alice\",", "");
        let batch = batch(&[turn, feedback.into()], Source::Backend, true);
        assert_eq!(batch.dropped[&DropReason::OptedOut], 1);
        let message = message(&batch);
        assert!(message.contains("nano_usd"), "{message}");
        assert!(
            ["\"conversation\"", "\"session\"", "feedback"].iter().all(|word| !message.contains(word)),
            "{message}"
        );
    }

    #[test]
    fn of_someone_known_their_shard_is_told_what_they_chose() {
        let minor = TURN.replace("\"id\":\"e1\"", "\"id\":\"e2\",\"age_13_plus\":false");
        let batch = batch(&[TURN.into(), minor], Source::Backend, true);
        assert!(batch.dropped.is_empty());
        let message = message(&batch);
        let asides: Vec<_> = message.lines().skip(1).map(|line| line.split("\"aside\":").nth(1).unwrap()).collect();
        assert_eq!(
            asides,
            [
                r#"{"said":{"opted_out":true},"policy":{}}}"#,
                r#"{"said":{"opted_out":true,"age_13_plus":false},"policy":{}}}"#
            ]
        );
    }

    #[test]
    fn events_without_id_are_named_by_their_content() {
        let anonymous = TURN.replace("\"id\":\"e1\",", "");
        let id = |text: &str| {
            let message = message(&batch(&[text.to_owned()], Source::Backend, false));
            message.lines().nth(1).unwrap().split('"').nth(3).unwrap().to_owned()
        };
        assert_eq!(id(&anonymous), id(&anonymous));
        assert_ne!(id(&anonymous), id(&anonymous.replace("340", "341")));
    }
}
