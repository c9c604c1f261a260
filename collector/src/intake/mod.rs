//! `POST /sage/v1/events`: from a body to batches for Shards, and back to a reply. `otlp` does so for `POST /sage/v1/traces`.

mod batch;
mod body;
pub mod otlp;
mod problem;

pub use aggregator::batch::ShardBatch;
pub use batch::{Batch, EventError, IntakeReply, Sender, take_in};
pub use body::{BODY_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_MAX, INFLATED_BYTES_MAX, Limits, Texts, body_too_large, read};
pub use problem::Problem;
