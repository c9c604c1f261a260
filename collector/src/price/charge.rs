//! Usage × prices → amount.

use schemas::event::{Cost, Provenance, UnpricedReason};
use schemas::{Label, NanoUsd, Usage, UtcMillis};

use super::amount::ExactUsd;
use super::book::tables::{ORDER, UNITS};
use super::book::{Dated, PriceBook, Rates, UNITS_COUNT};
use super::find::Found;

/// The price of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Rounded once, half to even.
    pub nano_usd: NanoUsd,
    /// As it was before rounding.
    pub exact: ExactUsd,
    /// The list's own id of the model.
    pub model: &'static str,
    /// Version of the list, and the date or time of day from which this price holds: `genai-prices-0.2.3@2025-06-10`.
    pub price_version: &'static str,
    /// Which tier of a tiered price held.
    pub tier: Tier,
    /// How the usage came to be known.
    pub provenance: Provenance,
    /// What each unit added; they sum to `exact`.
    pub units: Vec<UnitCost>,
}

/// What the tokens of one unit cost, without those that a unit within it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitCost {
    /// Name in the price list: `input_tokens`, `output_reasoning_tokens`, `requests`…
    pub unit: &'static str,
    /// How many.
    pub tokens: u64,
    /// At what cost.
    pub exact: ExactUsd,
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

impl PriceBook {
    /// Prices a turn of `model` at `provider`, asked for at `at`, at standard rates.
    ///
    /// # Errors
    /// Why there is no price: provider or model is not in the list; the model is priced only in units that a usage does not
    /// count (seconds, pages, characters); parts of the usage exceed their whole, or the amount exceeds [`NanoUsd`].
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
        let found = self.find(provider, model)?;
        let standard = standard(&found, at).ok_or(UnpricedReason::NoPrice)?;
        let rates = overridden(&found, at, standard.set.rates, context);
        if standard.set.other_units && rates.iter().all(Option::is_none) {
            return Err(UnpricedReason::NoPrice);
        }
        let bill = bill(&rates, usage).ok_or(UnpricedReason::InconsistentUsage)?;
        Ok(Priced {
            nano_usd: bill.total.to_nano().ok_or(UnpricedReason::InconsistentUsage)?,
            exact: bill.total,
            model: found.model.id,
            price_version: standard.version,
            tier: bill.tier,
            provenance,
            units: bill.units,
        })
    }
}

/// Prices are tried last to first; where none holds yet the first does.
fn standard(found: &Found, at: UtcMillis) -> Option<&'static Dated> {
    let prices = found.model.prices;
    prices.iter().rev().find(|price| price.holds.at(at)).or(prices.first())
}

/// For each unit the first variant that has a price for it and holds.
fn overridden(found: &Found, at: UtcMillis, mut rates: Rates, context: &[(&str, &str)]) -> Rates {
    if context.is_empty() || !found.own {
        return rates;
    }
    let holding = found
        .model
        .variants
        .iter()
        .filter(|variant| variant.price.holds.at(at) && variant.when.iter().all(|pair| context.contains(pair)));
    for variant in holding.rev() {
        for (rate, other) in rates.iter_mut().zip(variant.price.set.rates) {
            *rate = other.or(*rate);
        }
    }
    rates
}

struct Bill {
    total: ExactUsd,
    tier: Tier,
    units: Vec<UnitCost>,
}

/// Prices each unit on what the priced units within it have not taken. `None` where more was taken than there is.
fn bill(rates: &Rates, usage: &Usage) -> Option<Bill> {
    let counts = counts(usage);
    let mut own = [0_u64; UNITS_COUNT];
    let mut bill = Bill { total: ExactUsd::ZERO, tier: Tier::Base, units: Vec::with_capacity(4) };
    for at in ORDER {
        let (unit, Some(rate)) = (UNITS.get(at)?, *rates.get(at)?) else { continue };
        let within = own.iter().enumerate().filter(|(inner, _)| unit.nested >> inner & 1 == 1);
        let taken = within.into_iter().try_fold(0_u64, |sum, (_, tokens)| sum.checked_add(*tokens))?;
        let tokens = counts.get(at)?.checked_sub(taken)?;
        *own.get_mut(at)? = tokens;
        let (price, tier) = rate.at(usage.input_tokens);
        bill.tier = bill.tier.max(tier.map_or(Tier::Base, Tier::Above));
        if tokens > 0 {
            let exact = price.times(tokens)?;
            bill.total = bill.total.plus(exact)?;
            bill.units.push(UnitCost { unit: unit.name, tokens, exact });
        }
    }
    Some(bill)
}

/// Counts in the order of the units.
pub(super) fn counts(usage: &Usage) -> [u64; UNITS_COUNT] {
    const REQUESTS: u64 = 1;
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.cache_audio_read_tokens,
        usage.output_audio_tokens,
        REQUESTS,
    ]
}

/// What a turn keeps of its price.
#[must_use]
pub fn cost_of(priced: &Result<Priced, UnpricedReason>) -> Cost {
    let label = |text: &str| Label::parse(text).map_err(|_| UnpricedReason::NoPrice);
    let cost = priced.as_ref().map_err(|reason| *reason).and_then(|priced| {
        Ok(Cost::Priced {
            nano_usd: priced.nano_usd,
            price_version: label(priced.price_version)?,
            tier: label(&priced.tier.to_string())?,
            provenance: priced.provenance,
            units: Vec::new(),
            range: None,
        })
    });
    cost.unwrap_or_else(|unpriced| Cost::Unpriced { unpriced })
}

#[cfg(test)]
#[path = "charge_test.rs"]
mod tests;
