//! From what a client sent to what may be stored. The only room that reads a raw id, address or text, and the only one
//! that makes keys.

mod event;
pub mod keys;
pub mod network;
pub mod url;

pub use event::{CLOCK_SKEW_MS_MAX, Refused, scrub};
pub use keys::Keyring;
