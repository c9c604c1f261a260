//! A line of the log as a row of `bronze_events`.
//!
//! The log holds canonical events that were checked at the door. Here they are read, not checked again: fields are
//! borrowed from the line, and kinds and fields that this release does not know are carried in `event` all the same.

use schemas::{NanoUsd, UtcMillis};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::parquet_file::Cell;
use crate::partition::ShardNo;
use crate::records::Totals;

/// Columns of `bronze_events`.
const COLUMNS: usize = 33;

#[derive(serde::Deserialize)]
pub(crate) struct EventRow<'a> {
    id: &'a str,
    ts: i64,
    source: &'a str,
    user: Option<&'a str>,
    conversation: Option<&'a str>,
    session: Option<&'a str>,
    #[serde(borrow, default)]
    cohort: Cohort<'a>,
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Default, serde::Deserialize)]
struct Cohort<'a> {
    country: Option<&'a str>,
    utc_offset_minutes: Option<i64>,
    plan: Option<&'a str>,
    guest: Option<bool>,
}

/// The externally tagged [`schemas::Body`].
struct Body<'a> {
    kind: &'a str,
    fields: Fields<'a>,
}

/// Fields with columns of their own, of the kinds that have any.
#[derive(Default, serde::Deserialize)]
struct Fields<'a> {
    turn_index: Option<i64>,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    feature: Option<&'a str>,
    status: Option<&'a str>,
    latency_ms: Option<i64>,
    ttft_ms: Option<i64>,
    user_chars: Option<i64>,
    assistant_chars: Option<i64>,
    usage: Option<Usage>,
    #[serde(borrow, default)]
    cost: Cost<'a>,
    nano_usd: Option<i64>,
}

#[derive(Clone, Copy, serde::Deserialize)]
struct Usage {
    input_tokens: i64,
    output_tokens: i64,
    #[serde(default)]
    cache_read_tokens: i64,
    #[serde(default)]
    cache_write_tokens: i64,
    #[serde(default)]
    cache_write_1h_tokens: i64,
    #[serde(default)]
    reasoning_tokens: i64,
}

#[derive(Default, serde::Deserialize)]
struct Cost<'a> {
    nano_usd: Option<i64>,
    price_version: Option<&'a str>,
    provenance: Option<&'a str>,
    unpriced: Option<&'a str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Body<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneMember;
        impl<'de> Visitor<'de> for OneMember {
            type Value = Body<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object whose one member is named by the kind")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let kind = map.next_key::<&str>()?.ok_or_else(|| serde::de::Error::custom("body has no kind"))?;
                let fields = match kind {
                    "turn" | "repriced" | "feedback" | "observation" | "service_cost" => map.next_value()?,
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                        Fields::default()
                    }
                };
                Ok(Body { kind, fields })
            }
        }
        deserializer.deserialize_map(OneMember)
    }
}

impl<'a> EventRow<'a> {
    pub(crate) fn read(line: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// The row's part in the sums of its file.
    pub(crate) fn totals(&self) -> Totals {
        let tokens = |n: fn(&Usage) -> i64| self.body.fields.usage.as_ref().map_or(0, n).max(0).unsigned_abs();
        Totals {
            rows: 1,
            nano_usd: NanoUsd(self.cost_nano_usd().unwrap_or(0)),
            input_tokens: tokens(|usage| usage.input_tokens),
            output_tokens: tokens(|usage| usage.output_tokens),
        }
    }

    fn cost_nano_usd(&self) -> Option<i64> {
        self.body.fields.cost.nano_usd.or(self.body.fields.nano_usd)
    }

    /// The cells, in the order of [`schemas::tables::BRONZE_EVENTS`].
    pub(crate) fn cells(&self, shard: ShardNo, received_at: UtcMillis, line: &'a str) -> [Cell<'a>; COLUMNS] {
        let Body { kind, fields } = &self.body;
        let tokens = |n: fn(&Usage) -> i64| Cell::from(fields.usage.as_ref().map(n));
        [
            Cell::Text(self.id),
            Cell::Text(kind),
            Cell::Int(self.ts),
            Cell::Int(received_at.0),
            Cell::Int(i64::from(shard.0)),
            Cell::Text(self.source),
            self.user.into(),
            self.conversation.into(),
            self.session.into(),
            self.cohort.country.into(),
            self.cohort.utc_offset_minutes.into(),
            self.cohort.plan.into(),
            self.cohort.guest.into(),
            fields.turn_index.into(),
            fields.provider.into(),
            fields.model.into(),
            fields.feature.into(),
            fields.status.into(),
            fields.latency_ms.into(),
            fields.ttft_ms.into(),
            fields.user_chars.into(),
            fields.assistant_chars.into(),
            tokens(|usage| usage.input_tokens),
            tokens(|usage| usage.output_tokens),
            tokens(|usage| usage.cache_read_tokens),
            tokens(|usage| usage.cache_write_tokens),
            tokens(|usage| usage.cache_write_1h_tokens),
            tokens(|usage| usage.reasoning_tokens),
            self.cost_nano_usd().into(),
            fields.cost.price_version.into(),
            fields.cost.provenance.into(),
            fields.cost.unpriced.into(),
            Cell::Text(line),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use schemas::Body as EventBody;
    use schemas::tables::BRONZE_EVENTS;
    use serde_json::{Value, json};

    /// The same row by way of the event's own JSON, column by column.
    fn expected(name: &str, event: &schemas::Event, line: &str) -> Value {
        let json: Value = serde_json::from_str(line).unwrap();
        let fields = &json["body"][event.body.kind()];
        let with_fields = ["turn", "repriced", "feedback", "observation", "service_cost"].contains(&event.body.kind());
        match name {
            "id" | "ts" | "source" | "user" | "conversation" | "session" => json[name].clone(),
            "kind" => json!(event.body.kind()),
            "received_at" => json!(99),
            "shard" => json!(3),
            "country" | "utc_offset_minutes" | "plan" | "guest" => json["cohort"][name].clone(),
            "event" => json!(line),
            "cost_nano_usd" => match &event.body {
                EventBody::Turn(turn) => json!(turn.cost.nano_usd()),
                EventBody::Repriced(repriced) => json!(repriced.cost.nano_usd()),
                EventBody::ServiceCost(cost) => json!(cost.nano_usd),
                _ => Value::Null,
            },
            "price_version" | "provenance" | "unpriced" => fields["cost"][name].clone(),
            _ if name.ends_with("_tokens") => match &event.body {
                EventBody::Turn(turn) => turn.usage.map_or(Value::Null, |usage| {
                    serde_json::to_value(usage).unwrap().get(name).cloned().unwrap_or(json!(0))
                }),
                _ => Value::Null,
            },
            _ if with_fields => fields[name].clone(),
            _ => Value::Null,
        }
    }

    fn as_json(cell: Cell<'_>) -> Value {
        match cell {
            Cell::Null => Value::Null,
            Cell::Text(text) => json!(text),
            Cell::Int(number) => json!(number),
            Cell::Float(number) => json!(number),
            Cell::Bool(yes) => json!(yes),
        }
    }

    #[test]
    fn every_kind_has_its_cells_in_the_tables_order() {
        for event in sample::one_of_each_kind() {
            let line = serde_json::to_string(&event).unwrap();
            let cells = EventRow::read(&line).unwrap().cells(ShardNo(3), UtcMillis(99), &line);
            assert_eq!(cells.len(), BRONZE_EVENTS.columns.len());
            for (column, cell) in BRONZE_EVENTS.columns.iter().zip(cells) {
                assert_eq!(as_json(cell), expected(column.name, &event, &line), "{} of {line}", column.name);
            }
        }
    }

    #[test]
    fn what_a_later_release_wrote_is_carried() {
        let line = r#"{"id":"k1_0","ts":1,"source":"edge","new":[1],"body":{"dream":{"status":7,"x":{}}}}"#;
        let row = EventRow::read(line).unwrap();
        let cells = row.cells(ShardNo(0), UtcMillis(2), line);
        assert_eq!((cells[1], cells[17], cells[32]), (Cell::Text("dream"), Cell::Null, Cell::Text(line)));
        assert_eq!(row.totals(), Totals { rows: 1, ..Totals::default() });
    }
}
