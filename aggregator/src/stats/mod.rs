//! Statistics: what may be said of a number, and how surely.
//!
//! Intervals are of 95 % and two-sided, with 2.5 % in each tail. All is a function of its arguments: where chance is needed,
//! its seed is one of them. Observations are **people**, or what is independent between people: turns of one person are not
//! independent of one another. The results are `f64` or counts; callers round money to integers.

pub mod bootstrap;
pub mod distribution;
pub mod forecast;
pub mod histogram;
mod lately;
mod layout;
mod moments;
mod normal;
pub mod proportion;
pub mod quantile;
pub mod spike;
