//! The edge Worker: it passes the app's requests on untouched, takes events in, scrubs and prices them before the first
//! write, and serves the numbers.
//!
//! Logic is plain Rust; `worker/` is the thin shell that meets the runtime.
#![warn(missing_docs)]

pub mod admit;
pub mod enrich;
pub mod gateway;
pub mod intake;
pub mod price;
pub mod proxy;
pub mod redact;
pub mod scrub;
pub mod serve;
pub mod settings;
pub mod usage;

#[cfg(target_arch = "wasm32")]
mod worker;
