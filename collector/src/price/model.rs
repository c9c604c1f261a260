//! A model of the list: its prices, and when they hold.

use std::borrow::Cow;

use schemas::{Usage, UtcDay, UtcMillis};

use super::amount::ExactUsd;

/// A model of a provider.
pub(super) struct Model {
    pub(super) id: &'static str,
    /// The last that holds at the time; the first where none does.
    pub(super) prices: Vec<Dated>,
    pub(super) variants: Vec<Variant>,
}

/// Prices and when they hold.
pub(super) struct Dated {
    pub(super) holds: Holds,
    /// Version of the list and the date of this price in it.
    pub(super) version: Cow<'static, str>,
    pub(super) set: &'static Set,
}

/// Prices that stand in for others on a request of that kind.
pub(super) struct Variant {
    /// Key and value that the request's context must have.
    pub(super) when: Vec<(&'static str, &'static str)>,
    pub(super) price: Dated,
}

/// When a price holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    Always,
    /// From this UTC day on, days since 1970.
    From(i32),
    /// From the first to before the second time of the UTC day, in milliseconds; over midnight where the second is earlier.
    Daily(u32, u32),
}

impl Holds {
    pub(super) fn at(&self, at: UtcMillis) -> bool {
        match *self {
            Self::Always => true,
            Self::From(day) => UtcDay::of(at).0 >= day,
            Self::Daily(start, end) => {
                let (start, end) = (i64::from(start), i64::from(end));
                let time = at.0.rem_euclid(schemas::time::DAY_MS);
                if end < start { time >= start || time < end } else { (start..end).contains(&time) }
            }
        }
    }
}

/// Units that a price may name: the counts of a usage in the order of its fields, and the turn itself.
pub(super) const UNITS_COUNT: usize = Usage::FIELDS.len() + 1;

/// Rates by unit.
pub(super) type Rates<'a> = [Option<&'a Rate>; UNITS_COUNT];

/// Prices of units, by their position; a unit without a price costs nothing of its own and is part of the unit around it.
pub(super) struct Set {
    pub(super) rates: Vec<(u8, &'static Rate)>,
    /// There are prices too for what a usage does not count: seconds, characters, pixels.
    pub(super) other_units: bool,
}

impl Set {
    /// Puts these rates in the place of others.
    pub(super) fn lay_over(&self, rates: &mut Rates) {
        for (at, rate) in &self.rates {
            if let Some(slot) = rates.get_mut(usize::from(*at)) {
                *slot = Some(rate);
            }
        }
    }
}

/// Price of one.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub(super) base: u128,
    /// `(start, price)`, ascending: above `start` input tokens all cost `price`.
    pub(super) tiers: Vec<(u64, u128)>,
}

impl Rate {
    /// The price at this many input tokens, and the start of the tier that holds.
    pub(super) fn at(&self, input_tokens: u64) -> (ExactUsd, Option<u64>) {
        match self.tiers.iter().rev().find(|(start, _)| input_tokens > *start) {
            Some((start, price)) => (ExactUsd(*price), Some(*start)),
            None => (ExactUsd(self.base), None),
        }
    }
}
