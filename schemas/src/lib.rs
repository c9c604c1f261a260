//! Sage's vocabulary: what an event is, how people are named without naming them, money, time, tables and prices.
//!
//! No I/O, no clock and no Workers types live here.
#![warn(missing_docs)]

pub mod consent;
pub mod event;
pub mod flat_map;
pub mod ids;
pub mod json_schema;
pub mod label;
pub mod money;
pub mod order;
pub mod packed;
pub mod quantity;
pub mod redacted;
pub mod tables;
pub mod time;
pub mod usage;
pub mod wire;

pub use event::{Body, Event};
pub use flat_map::FlatMap;
pub use ids::{ConversationKey, EventKey, KeyId, ReplyKey, SessionKey, UserKey};
pub use label::Label;
pub use money::NanoUsd;
pub use quantity::Quantity;
pub use redacted::Redacted;
pub use time::{Bucket15, Clock, Quarter, UtcDay, UtcMillis};
pub use usage::Usage;

/// The usage field that a message of [`usage::UsageError`] begins with.
fn usage_field(message: &str) -> Option<&str> {
    message.split_once(' ').map(|(field, _)| field).filter(|field| Usage::FIELDS.contains(field))
}
