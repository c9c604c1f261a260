//! What Sage answers: numbers for admins, the public page.

pub mod etag;
pub mod page;
pub mod public;
pub mod query;
