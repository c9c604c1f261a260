//! Exact counters in Durable Objects.
//!
//! A [`shard::Shard`] holds a partition of the people: an append-only log, which is the truth, and a fold of it, which is a
//! cache. [`gold::Gold`] merges what Shards send and answers queries. Both are plain Rust over a small storage trait;
//! `runtime/` is the thin shell that makes them objects.
#![warn(missing_docs)]

pub mod answer;
pub mod batch;
pub mod budget;
pub mod census;
pub mod civil;
mod correlate;
pub mod disclosure;
pub mod fold;
pub mod gold;
pub mod place;
pub mod protocol;
pub mod seen;
pub mod shard;
pub mod stats;
pub mod storage;
pub mod zone;

#[cfg(target_arch = "wasm32")]
pub mod runtime;
