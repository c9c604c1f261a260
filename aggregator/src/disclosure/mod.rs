//! Disclosure control: what of the numbers may be seen by everyone, so that nothing is learned of anyone.
//!
//! [`suppress`] decides which numbers of a table are shown, [`steps`] what is said of a quarter that runs, [`contribution`]
//! how much one person can add, [`noise`] what is added on top, [`years`] what a year may say beside its quarters, and
//! [`archive`] keeps what was said. [`crate::answer::public`] makes the page of it.

pub mod archive;
pub mod contribution;
pub mod noise;
mod simplex;
pub mod steps;
pub mod suppress;
pub mod years;

#[cfg(test)]
#[path = "attack_test.rs"]
mod attack;
