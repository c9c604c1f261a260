//! The shell: objects of the Workers runtime around [`crate::shard::Shard`] and [`crate::gold::Gold`]. It translates and
//! calls; it owns no rule.

mod call;
mod gold_object;
mod lake;
pub mod objects;
mod r2;
mod shard_object;
mod sql;

pub use call::{
    CallError, answer, append, append_all, erase, erasure, held, hold, pending, price, probe, public_page, release,
    request_bytes, settle, start_nightly,
};
#[cfg(feature = "fault-injection")]
pub use {call::fault, objects::metered};
