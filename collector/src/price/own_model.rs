//! An operator's own price of a model, ready to be used.

use schemas::event::UnpricedReason;

use super::amount::ExactUsd;
use super::book::PriceBook;
use super::book::tables::UNITS;
use super::charge::{Bill, Listed, Priced};
use super::facts::TurnFacts;
use super::model::{Model, Rate, UNITS_COUNT};
use super::own::{Discount, OwnModel, Scope};

/// Prices of one model.
#[derive(Clone, Debug)]
pub(super) struct OwnRates {
    pub(super) scope: Scope,
    like: Option<Like>,
    /// By position of the unit.
    rates: Vec<(usize, Rate)>,
    /// USD a millisecond of latency.
    per_ms: Option<ExactUsd>,
    /// `own@2026-01-01`, or `own`.
    version: String,
}

/// The model of the list whose prices hold for what is not stated.
#[derive(Clone, Copy)]
struct Like(&'static Model);

impl std::fmt::Debug for Like {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.id)
    }
}

/// A discount on the list's prices.
#[derive(Clone, Debug)]
pub(super) struct OwnDiscount {
    pub(super) scope: Scope,
    /// Millionths of a percent off; below zero a surcharge.
    pub(super) millionths: i128,
}

impl OwnDiscount {
    pub(super) fn new(own: &Discount) -> Self {
        let size = own.percent.scaled(6).and_then(|size| i128::try_from(size).ok()).unwrap_or(0);
        Self { scope: own.scope.clone(), millionths: if own.percent.negative { -size } else { size } }
    }
}

/// Decimals of an [`ExactUsd`].
const SCALE: u32 = 24;

impl OwnRates {
    /// `None` where a price is too large for an amount.
    pub(super) fn new(own: &OwnModel) -> Option<Self> {
        let mut rates = Vec::new();
        for (name, price, per) in &own.units {
            let at = UNITS.iter().position(|unit| unit.name == *name)?;
            // At most 18 decimals for a million: a whole number at 24.
            let base = price.scaled(SCALE)? / u128::from(*per);
            rates.push((at, Rate { base, tiers: Vec::new() }));
        }
        Some(Self {
            scope: own.scope.clone(),
            like: like(own).map(Like),
            rates,
            per_ms: match &own.per_second {
                Some(price) => Some(ExactUsd(price.scaled(SCALE)? / 1000)),
                None => None,
            },
            version: own.version.clone(),
        })
    }

    /// The list's units, as [`super::own::OwnPrices::check`] takes them.
    pub(super) fn units() -> Vec<(&'static str, u64)> {
        UNITS.iter().map(|unit| (unit.name, unit.nested)).collect()
    }

    /// Which units the model that `own` is like has prices for, at one time or another.
    pub(super) fn sets_of_like(own: &OwnModel) -> Option<Vec<u64>> {
        let model = like(own)?;
        let bits = |set: &super::model::Set| set.rates.iter().fold(0_u64, |bits, (at, _)| bits | 1 << at);
        let variants = || model.variants.iter().map(|variant| bits(variant.price.set));
        Some(model.prices.iter().flat_map(|dated| variants().chain([0]).map(|more| bits(dated.set) | more)).collect())
    }

    /// Does it have a price for what a usage counts?
    fn needs_usage(&self) -> bool {
        self.like.is_some() || self.rates.iter().any(|(at, _)| *at + 1 < UNITS_COUNT)
    }

    pub(super) fn price(&self, turn: &TurnFacts<'_>, context: &[(&str, &str)]) -> Result<Priced, UnpricedReason> {
        let usage = match turn.usage {
            Some(usage) => *usage,
            None if self.needs_usage() => return Err(UnpricedReason::UsageMissing),
            None => schemas::Usage::default(),
        };
        let mut rates = [None; UNITS_COUNT];
        if let Some(Like(model)) = self.like {
            rates = Listed::of(model, turn.at, context).ok_or(UnpricedReason::NoPrice)?.rates;
        }
        for (at, rate) in &self.rates {
            if let Some(slot) = rates.get_mut(*at) {
                *slot = Some(rate);
            }
        }
        let mut bill = Bill::new(&rates, &usage).ok_or(UnpricedReason::InconsistentUsage)?;
        if let Some(price) = self.per_ms {
            let latency = turn.latency_ms.ok_or(UnpricedReason::UsageMissing)?;
            bill.add("seconds", u64::from(latency), price).ok_or(UnpricedReason::InconsistentUsage)?;
        }
        bill.priced(self.version.clone().into(), turn.provenance)
    }
}

/// `like = "provider/model"`, or a model of the price's own provider.
fn like(own: &OwnModel) -> Option<&'static Model> {
    let (book, id) = (PriceBook::builtin(), own.like.as_ref()?);
    let beside = book.model_of_id(own.scope.provider.as_str(), id);
    beside.or_else(|| id.split_once('/').and_then(|(provider, id)| book.model_of_id(provider, id)))
}
