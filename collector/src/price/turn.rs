//! A turn as it is priced: by the operator's own prices, else by the list.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use schemas::event::{AmountRange, Cost, Provenance, UnitAmount, UnpricedReason};
use schemas::{Label, Usage, UtcDay};

use super::book::PriceBook;
use super::charge::{Priced, UnitCost};
use super::estimate;
use super::facts::TurnFacts;
use super::memo::Memo;
use super::own::{OwnPrices, Scope, ServicePrice};
use super::own_model::{OwnDiscount, OwnRates};

/// The price of a turn, and how sure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The price.
    pub priced: Priced,
    /// Of an estimate: between which amounts the price of the text is expected.
    pub range: Option<AmountRange>,
    /// Of an estimate: the tokens that were priced.
    pub estimated: Option<Usage>,
}

/// All prices that hold here: the list's, and the operator's own, which win. The default knows no own ones.
#[derive(Clone, Debug)]
pub struct Prices {
    models: Vec<OwnRates>,
    discounts: Vec<OwnDiscount>,
    pub(super) services: Vec<ServicePrice>,
    memo: RefCell<Memo<Rc<Candidates>>>,
}

/// Own prices that mean a provider and a model, by position; whether they hold is decided by time and context.
#[derive(Debug, Default)]
struct Candidates {
    models: Vec<usize>,
    discounts: Vec<usize>,
}

impl Default for Prices {
    fn default() -> Self {
        // The services that the build embeds were checked by it.
        let services = Self::builtin_services().unwrap_or_default();
        Self { models: Vec::new(), discounts: Vec::new(), services, memo: RefCell::new(Memo::new()) }
    }
}

impl Prices {
    /// `prices.toml` as the build checked it.
    pub const EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/own_prices.json"));

    /// The prices of the build ([`Prices::EMBEDDED`]), with those of the variable `SAGE_PRICES` (JSON of the same shape) after them, so that they win.
    ///
    /// # Errors
    /// What is wrong with the variable, or with the embedded prices.
    pub fn load(embedded: &str, overlay: Option<&str>) -> Result<Self, String> {
        let read = |name: &str, text: &str| {
            let json = serde_json::from_str(text).map_err(|error| format!("{name} is not JSON: {error}"))?;
            OwnPrices::read(&json, "own").map_err(|fault| format!("{name}: {fault}"))
        };
        let mut own = read("prices.toml", embedded)?;
        if let Some(overlay) = overlay.filter(|text| !text.is_empty()) {
            own.extend(read("SAGE_PRICES", overlay)?);
        }
        own.check(&OwnRates::units(), OwnRates::sets_of_like).map_err(|fault| format!("own prices: {fault}"))?;
        let Self { mut services, memo, .. } = Self::default();
        services.extend(own.services);
        let models = own.models.iter().map(OwnRates::new).collect::<Option<_>>().ok_or("own prices: too large")?;
        Ok(Self { models, discounts: own.discounts.iter().map(OwnDiscount::new).collect(), services, memo })
    }

    /// What a turn costs, as it is stored.
    #[must_use]
    pub fn cost(&self, turn: &TurnFacts<'_>) -> Cost {
        cost_of(&self.quote(turn))
    }

    /// What a turn costs. Where its usage is not known, only its characters, tokens are estimated ([`Quote::range`]).
    ///
    /// # Errors
    /// Why there is no price.
    pub fn quote(&self, turn: &TurnFacts<'_>) -> Result<Quote, UnpricedReason> {
        let known = self.price(turn);
        if let (Err(UnpricedReason::UsageMissing), None) = (&known, turn.usage)
            && let Some(tokens) = estimate::of_chars(turn.input_chars, turn.output_chars)
        {
            let of = |usage| self.price(&TurnFacts { usage: Some(usage), provenance: Provenance::Estimated, ..*turn });
            let range = AmountRange { low: of(&tokens.low)?.nano_usd, high: of(&tokens.high)?.nano_usd };
            return Ok(Quote { priced: of(&tokens.central)?, range: Some(range), estimated: Some(tokens.central) });
        }
        Ok(Quote { priced: known?, range: None, estimated: None })
    }

    /// The price of a turn whose usage is known, or that needs none.
    ///
    /// # Errors
    /// Why there is no price.
    pub fn price(&self, turn: &TurnFacts<'_>) -> Result<Priced, UnpricedReason> {
        let pairs: Vec<(&str, &str)> = turn.context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let day = UtcDay::of(turn.at).0;
        let holds = |scope: &Scope| {
            let has = |(key, value): &(String, String)| pairs.contains(&(key.as_str(), value.as_str()));
            scope.period.holds(day) && scope.when.iter().all(has)
        };
        let candidates = self.candidates(turn);
        let own = candidates.iter().flat_map(|own| own.models.iter().rev()).filter_map(|at| self.models.get(*at));
        if let Some(own) = own.into_iter().find(|own| holds(&own.scope)) {
            return own.price(turn, &pairs);
        }
        let usage = turn.usage.ok_or(UnpricedReason::UsageMissing)?;
        let listed = PriceBook::builtin().listed(turn.provider, turn.model, turn.at, &pairs)?;
        let mut bill = listed.bill(usage)?;
        let mut version = Cow::Borrowed(listed.version);
        let discounts = candidates.iter().flat_map(|own| own.discounts.iter().rev());
        let discount = discounts.filter_map(|at| self.discounts.get(*at)).find(|discount| holds(&discount.scope));
        if let Some(discount) = discount {
            bill.discount(discount.millionths).ok_or(UnpricedReason::InconsistentUsage)?;
            version = format!("{version}+own").into();
        }
        bill.priced(version, turn.provenance)
    }

    /// Kept, because a file of own prices may be long.
    fn candidates(&self, turn: &TurnFacts<'_>) -> Option<Rc<Candidates>> {
        if self.models.is_empty() && self.discounts.is_empty() {
            return None;
        }
        Some(Memo::get_or(&self.memo, turn.provider, turn.model, || {
            let (provider, model) = (turn.provider.trim().to_lowercase(), turn.model.to_lowercase());
            let means = |scope: &Scope| scope.provider.matches(&provider) && scope.model.matches(&model);
            let models = self.models.iter().enumerate().filter(|(_, own)| means(&own.scope)).map(|(at, _)| at);
            let discounts = self.discounts.iter().enumerate().filter(|(_, own)| means(&own.scope)).map(|(at, _)| at);
            Rc::new(Candidates { models: models.collect(), discounts: discounts.collect() })
        }))
    }
}

/// What a turn keeps of its price.
#[must_use]
pub fn cost_of(quote: &Result<Quote, UnpricedReason>) -> Cost {
    let label = |text: &str| Label::parse(text).map_err(|_| UnpricedReason::NoPrice);
    let unit = |unit: &UnitCost| Ok(UnitAmount { unit: label(unit.unit)?, count: unit.count, nano_usd: unit.nano_usd });
    let cost = quote.as_ref().map_err(|reason| *reason).and_then(|Quote { priced, range, .. }| {
        Ok(Cost::Priced {
            nano_usd: priced.nano_usd,
            price_version: label(&priced.price_version)?,
            tier: label(&priced.tier.to_string())?,
            provenance: priced.provenance,
            units: priced.units.iter().map(unit).collect::<Result<_, _>>()?,
            range: *range,
            cache: priced.cache,
        })
    });
    cost.unwrap_or_else(|unpriced| Cost::Unpriced { unpriced })
}

#[cfg(test)]
#[path = "turn_test.rs"]
mod tests;
