//! The edge Worker: it passes the app's requests on untouched, takes events in, scrubs and prices them before the first
//! write, and serves the numbers.
//!
//! Logic is plain Rust; `worker/` is the thin shell that meets the runtime.
#![warn(missing_docs)]

pub mod admit;
pub mod gateway;
pub mod intake;
pub mod place;
pub mod price;
pub mod proxy;
pub mod redact;
pub mod rights;
pub mod scrub;
pub mod serve;
pub mod settings;
pub mod usage;
pub mod user_agent;

#[cfg(target_arch = "wasm32")]
mod worker;

/// Is this an IANA zone? The build script has its own answer, so that the settings are checked there as they are here.
fn is_zone(name: &str) -> bool {
    aggregator::zone::Zone::parse(name).is_some()
}
