//! Usage × prices → amount.

use std::borrow::Cow;

use schemas::event::{CacheEffect, Provenance, UnpricedReason};
use schemas::{NanoUsd, Usage, UtcMillis};

use super::amount::{self, ExactUsd};
use super::book::PriceBook;
use super::book::tables::{ORDER, UNITS};
use super::cache::{self, Cached};
use super::find::Found;
use super::model::{Dated, Model, Rates, UNITS_COUNT};

/// The price of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Rounded once, half to even.
    pub nano_usd: NanoUsd,
    /// As it was before rounding.
    pub exact: ExactUsd,
    /// Version of the list, and the date or time of day from which this price holds: `genai-prices-0.2.3@2025-06-10`; `+own`
    /// behind it after a discount; `own@2026-01-01` of an operator's own price.
    pub price_version: Cow<'static, str>,
    /// Which tier of a tiered price held.
    pub tier: Tier,
    /// How the usage came to be known.
    pub provenance: Provenance,
    /// What each unit added; they sum to the whole, exact and rounded.
    pub units: Vec<UnitCost>,
    /// What caching did to it; `None` when no cached tokens were priced.
    pub cache: Option<CacheEffect>,
}

/// What one unit cost, without what a unit within it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitCost {
    /// Name in the price list: `input_tokens`, `output_reasoning_tokens`, `requests`…; or `seconds`.
    pub unit: &'static str,
    /// How many; milliseconds of `seconds`.
    pub count: u64,
    /// At what cost.
    pub exact: ExactUsd,
    /// Its part of the rounded whole (largest remainder).
    pub nano_usd: NanoUsd,
}

/// Which tier of a tiered price held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The base price.
    Base,
    /// The price above this many input tokens.
    Above(u64),
}

/// `base`, `gt-200000`.
impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Above(start) => write!(f, "gt-{start}"),
        }
    }
}

/// Prices of the list that hold for a turn.
pub(super) struct Listed {
    pub(super) rates: Rates<'static>,
    pub(super) version: &'static str,
    /// The model has prices for what a usage does not count.
    pub(super) other_units: bool,
}

impl PriceBook {
    /// Prices a turn of `model` at `provider`, asked for at `at`, at standard rates.
    ///
    /// # Errors
    /// Why there is no price: provider or model is not in the list; the model is priced only in units that a usage does not
    /// count (seconds, characters); parts of the usage exceed their whole, or the amount exceeds [`NanoUsd`].
    pub fn price(
        &self,
        provider: &str,
        model: &str,
        at: UtcMillis,
        usage: &Usage,
        provenance: Provenance,
    ) -> Result<Priced, UnpricedReason> {
        self.price_in(provider, model, at, usage, provenance, &[])
    }

    /// As [`PriceBook::price`], for a request of a special kind: pairs such as `("service_tier", "flex")` and
    /// `("processing", "batch")`, in the list's words. Pairs that the list has no price for change nothing.
    ///
    /// # Errors
    /// As [`PriceBook::price`].
    pub fn price_in(
        &self,
        provider: &str,
        model: &str,
        at: UtcMillis,
        usage: &Usage,
        provenance: Provenance,
        context: &[(&str, &str)],
    ) -> Result<Priced, UnpricedReason> {
        let listed = self.listed(provider, model, at, context)?;
        listed.bill(usage)?.priced(listed.version.into(), provenance)
    }

    pub(super) fn listed(
        &self,
        provider: &str,
        model: &str,
        at: UtcMillis,
        context: &[(&str, &str)],
    ) -> Result<Listed, UnpricedReason> {
        let Found { model, own } = self.find(provider, model)?;
        // Variants hold for a provider's own models only.
        Listed::of(model, at, if own { context } else { &[] }).ok_or(UnpricedReason::NoPrice)
    }
}

impl Listed {
    /// A model's prices. `None` where it has none at all.
    pub(super) fn of(model: &'static Model, at: UtcMillis, context: &[(&str, &str)]) -> Option<Self> {
        let standard = standard(model, at)?;
        let mut rates = [None; UNITS_COUNT];
        standard.set.lay_over(&mut rates);
        if !context.is_empty() {
            // For each unit the first variant that has a price for it and holds.
            let holding = model
                .variants
                .iter()
                .filter(|variant| variant.price.holds.at(at) && variant.when.iter().all(|pair| context.contains(pair)));
            holding.rev().for_each(|variant| variant.price.set.lay_over(&mut rates));
        }
        Some(Self { rates, version: &standard.version, other_units: standard.set.other_units })
    }

    pub(super) fn bill(&self, usage: &Usage) -> Result<Bill, UnpricedReason> {
        let bill = Bill::new(&self.rates, usage).ok_or(UnpricedReason::InconsistentUsage)?;
        // What this model is paid for is not in the usage: that is not to say that it was free.
        if self.other_units && bill.units.is_empty() { Err(UnpricedReason::NoPrice) } else { Ok(bill) }
    }
}

/// Prices are tried last to first; where none holds yet the first does.
fn standard(model: &'static Model, at: UtcMillis) -> Option<&'static Dated> {
    model.prices.iter().rev().find(|price| price.holds.at(at)).or(model.prices.first())
}

/// What a turn's units cost.
pub(super) struct Bill {
    tier: Tier,
    units: Vec<UnitCost>,
    cached: Option<Cached>,
}

impl Bill {
    /// Prices each unit on what the priced units within it have not taken. `None` where more was taken than there is.
    pub(super) fn new(rates: &Rates, usage: &Usage) -> Option<Self> {
        let counts = counts(usage);
        let mut own = [0_u64; UNITS_COUNT];
        let mut priced = 0_u64;
        let mut bill = Self { tier: Tier::Base, units: Vec::with_capacity(4), cached: None };
        for at in ORDER {
            let (unit, Some(rate)) = (UNITS.get(at)?, *rates.get(at)?) else { continue };
            let mut within = unit.nested & priced;
            let mut count = *counts.get(at)?;
            while within != 0 {
                count = count.checked_sub(*own.get(within.trailing_zeros() as usize)?)?;
                within &= within - 1;
            }
            priced |= 1 << at;
            *own.get_mut(at)? = count;
            let (price, tier) = rate.at(usage.input_tokens);
            bill.tier = bill.tier.max(tier.map_or(Tier::Base, Tier::Above));
            if count > 0 {
                bill.add(unit.name, count, price)?;
                if let Some(of) = cache::unit(at)
                    && let Some(full) = of.full_rate(rates)
                {
                    let cached = bill.cached.get_or_insert_default();
                    cached.add(of, price.times(count)?, full.at(usage.input_tokens).0.times(count)?)?;
                }
            }
        }
        Some(bill)
    }

    /// Adds `count` units; `None` where the amount is too large.
    pub(super) fn add(&mut self, unit: &'static str, count: u64, price: ExactUsd) -> Option<()> {
        self.units.push(UnitCost { unit, count, exact: price.times(count)?, nano_usd: NanoUsd::ZERO });
        Some(())
    }

    /// Takes `percent` off (adds it, where it is below zero); in millionths of a percent. `None` where an amount is too large.
    pub(super) fn discount(&mut self, millionths: i128) -> Option<()> {
        const WHOLE: i128 = 100_000_000;
        let share = u128::try_from(WHOLE.checked_sub(millionths)?).ok()?;
        for unit in &mut self.units {
            unit.exact = unit.exact.share(share, WHOLE.unsigned_abs())?;
        }
        if let Some(cached) = &mut self.cached {
            cached.share(share, WHOLE.unsigned_abs())?;
        }
        Some(())
    }

    /// The price of these units.
    pub(super) fn priced(
        mut self,
        price_version: Cow<'static, str>,
        provenance: Provenance,
    ) -> Result<Priced, UnpricedReason> {
        let exact = self.units.iter().try_fold(ExactUsd::ZERO, |sum, unit| sum.plus(unit.exact));
        let exact = exact.ok_or(UnpricedReason::InconsistentUsage)?;
        let nano_usd = split(&mut self.units).ok_or(UnpricedReason::InconsistentUsage)?;
        let cache = match &self.cached {
            Some(cached) => Some(cached.effect().ok_or(UnpricedReason::InconsistentUsage)?),
            None => None,
        };
        Ok(Priced { nano_usd, exact, price_version, tier: self.tier, provenance, units: self.units, cache })
    }
}

/// Rounds the whole and splits it over its units by largest remainder: each gets its amount rounded down, and those who lost
/// most by it one more, until all is given out. Gives the whole; `None` where it is too large.
fn split(units: &mut [UnitCost]) -> Option<NanoUsd> {
    // A unit more than the list's: seconds.
    let mut rests = [0_u64; UNITS_COUNT + 1];
    let (mut whole, mut rest) = (0_u128, 0_u64);
    for (unit, lost) in units.iter_mut().zip(&mut rests) {
        let (down, left) = unit.exact.nanos_and_rest();
        (unit.nano_usd, *lost) = (NanoUsd(i64::try_from(down).ok()?), left);
        (whole, rest) = (whole.checked_add(down)?, rest.checked_add(left)?);
    }
    let total = amount::nano(whole, rest)?;
    for _ in 0..i128::from(total.0).checked_sub(i128::try_from(whole).ok()?)? {
        let (unit, lost) = units.iter_mut().zip(&mut rests).max_by_key(|(_, lost)| **lost)?;
        unit.nano_usd += NanoUsd(1);
        *lost = 0;
    }
    Some(total)
}

/// Counts in the order of the units.
pub(super) fn counts(usage: &Usage) -> [u64; UNITS_COUNT] {
    let mut counts = [1; UNITS_COUNT];
    for (slot, count) in counts.iter_mut().zip(usage.counts()) {
        *slot = count;
    }
    counts
}

#[cfg(test)]
#[path = "charge_test.rs"]
mod tests;
