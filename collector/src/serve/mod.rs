//! What Sage answers: numbers for admins, the public page.

pub mod page;
pub mod query;
