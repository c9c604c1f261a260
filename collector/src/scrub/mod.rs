//! From what a client sent to what may be stored. The only room that reads a raw id, address or text, and the only one
//! that makes keys.

mod event;
pub mod keys;
pub mod network;
mod path_id;
pub mod url;

pub use event::{CLOCK_SKEW_MS_MAX, Door, Refused, scrub};
pub use keys::{Keyring, LastIds};
pub use path_id::raw_id;
