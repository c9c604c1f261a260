//! The lake's tables as data. Writers are driven by these definitions, documentation is printed from them.

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name, `snake_case`.
    pub name: &'static str,
    /// Columns in the order in which files hold them. New columns are added at the end, so that old files stay readable.
    pub columns: &'static [Column],
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, `snake_case`, units last.
    pub name: &'static str,
    /// What it holds.
    pub ty: ColumnType,
    /// Whether a row may leave it out.
    pub nullable: bool,
    /// What it means, one sentence.
    pub doc: &'static str,
}

/// What a column holds, and with it how a file stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text whose values repeat: dictionary and statistics.
    Text,
    /// UTF-8 text that differs in every row, such as an id or a document: a dictionary or a minimum would be dead weight.
    UniqueText,
    /// An instant, UTC milliseconds since 1970 ([`crate::UtcMillis`]).
    TimestampMs,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer; money is [`crate::NanoUsd`] in one of these.
    Int64,
    /// True or false.
    Bool,
    /// IEEE 754 double. Never money.
    Float64,
}

impl Table {
    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

const fn required(name: &'static str, ty: ColumnType, doc: &'static str) -> Column {
    Column { name, ty, nullable: false, doc }
}

const fn optional(name: &'static str, ty: ColumnType, doc: &'static str) -> Column {
    Column { name, ty, nullable: true, doc }
}

/// Bronze: every accepted event as received, one row each, partitioned by `dt` and `hour` of receive time, UTC.
///
/// Columns that a kind of event does not have are null; nothing absent is ever written as zero. What has no column of
/// its own is in `event`.
pub const BRONZE_EVENTS: Table = Table {
    name: "bronze_events",
    columns: &[
        required("id", ColumnType::UniqueText, "Key of the event; no two rows share one received within 7 days."),
        required("kind", ColumnType::Text, "Kind of event: turn, feedback, request…"),
        required("ts", ColumnType::TimestampMs, "When it happened, by the sender's clock."),
        required("received_at", ColumnType::TimestampMs, "When the Shard accepted it; partitions follow this."),
        required("shard", ColumnType::Int32, "Number of the Shard that holds the event's person."),
        required(
            "source",
            ColumnType::Text,
            "The door it came in by: edge, backend, browser, gateway, otlp, response, admin.",
        ),
        optional("user", ColumnType::Text, "Key of the person; null without one and for people who opted out."),
        optional("conversation", ColumnType::Text, "Key of the conversation."),
        optional("session", ColumnType::Text, "Key of the visit, where the app names its visits."),
        optional("country", ColumnType::Text, "ISO 3166-1 alpha-2 country, XX unknown, T1 Tor."),
        optional("utc_offset_minutes", ColumnType::Int32, "The person's minutes east of UTC, a multiple of 15."),
        optional("plan", ColumnType::Text, "The app's plan: free, premium…"),
        optional("guest", ColumnType::Bool, "Not signed in."),
        optional(
            "turn_index",
            ColumnType::Int64,
            "Position in the conversation, from 0 (turn, feedback, observation).",
        ),
        optional("provider", ColumnType::Text, "Who ran the model (turn, repriced), or who bills (service_cost)."),
        optional("model", ColumnType::Text, "The model as the provider names it (turn, repriced, feedback)."),
        optional("feature", ColumnType::Text, "The part of the app that asked (turn)."),
        optional("status", ColumnType::Text, "How the turn ended: ok, error, timeout, cancelled, filtered."),
        optional("latency_ms", ColumnType::Int64, "Milliseconds from asking to the end of the reply (turn)."),
        optional("ttft_ms", ColumnType::Int64, "Milliseconds from asking to the first token (turn)."),
        optional("user_chars", ColumnType::Int64, "Characters that the person wrote (turn)."),
        optional("assistant_chars", ColumnType::Int64, "Characters that the model wrote (turn)."),
        optional("input_tokens", ColumnType::Int64, "All tokens the model read, caches included; null when unknown."),
        optional(
            "output_tokens",
            ColumnType::Int64,
            "All tokens the model wrote, reasoning included; null when unknown.",
        ),
        optional("cache_read_tokens", ColumnType::Int64, "Of the input: read from a prompt cache."),
        optional("cache_write_tokens", ColumnType::Int64, "Of the input: written to a prompt cache, any lifetime."),
        optional("cache_write_1h_tokens", ColumnType::Int64, "Of the cache writes: those that live one hour."),
        optional("reasoning_tokens", ColumnType::Int64, "Of the output: reasoning."),
        optional(
            "cost_nano_usd",
            ColumnType::Int64,
            "Price of the turn, the price found later for it (repriced) or amount of the service_cost, USD × 1e-9.",
        ),
        optional("price_version", ColumnType::Text, "Version of the price book and the price within it (priced turn)."),
        optional(
            "provenance",
            ColumnType::Text,
            "How the usage came to be known: provider_reported, computed, estimated.",
        ),
        optional("unpriced", ColumnType::Text, "Why a turn has no price; null when it has one."),
        required("event", ColumnType::UniqueText, "The whole canonical event, JSON, as the log holds it."),
    ],
};

/// Every table that has a definition.
pub const TABLES: &[Table] = &[BRONZE_EVENTS];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_plain_identifiers_and_used_once() {
        for table in TABLES {
            let mut seen = BTreeSet::new();
            for column in table.columns {
                let plain = column.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                assert!(plain && !column.doc.is_empty(), "{}.{}", table.name, column.name);
                assert!(seen.insert(column.name), "{}.{} twice", table.name, column.name);
            }
        }
    }

    #[test]
    fn money_is_never_a_float() {
        for column in TABLES.iter().flat_map(|table| table.columns) {
            assert!(!column.name.ends_with("_nano_usd") || column.ty == ColumnType::Int64, "{}", column.name);
        }
    }
}
