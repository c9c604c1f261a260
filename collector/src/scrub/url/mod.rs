//! URLs and referrers, coarse: a path whose ids are `:id`, a registrable domain, campaign tags that the operator knows.

mod campaign;
mod referrer;
mod route;
mod suffix;

pub use campaign::campaign;
pub use referrer::referrer_domain;
pub use route::{NOT_FOUND, SEGMENT_CHARS_MAX, SEGMENTS_MAX, is_static_asset, route};
