//! Spend: the bill by service, provider, model and feature.

use schemas::event::{CacheEffect, Cost, Provenance, Service, UnpricedReason};
use schemas::{Body, Event, FlatMap, Label, NanoUsd};
use serde::{Deserialize, Serialize};

use super::Counters;
use super::pending::Pending;

/// A line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Line {
    /// What was bought.
    pub service: Service,
    /// From whom.
    pub provider: Option<Label>,
    /// Which model; `None` beside models.
    pub model: Option<Label>,
    /// For which part of the app.
    pub feature: Option<Label>,
}

impl Line {
    fn of_model(provider: &Label, model: &Label, feature: Option<&Label>) -> Self {
        let (provider, model) = (Some(provider.clone()), Some(model.clone()));
        Self { service: Service::Model, provider, model, feature: feature.cloned() }
    }
}

/// What one line amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Money of everything that has a price.
    pub nano_usd: NanoUsd,
    /// Turns, or events of other services.
    pub count: u64,
    /// Tokens read by the model, all.
    pub input_tokens: u64,
    /// Tokens written by the model, all.
    pub output_tokens: u64,
    /// Of the input: read from a cache.
    pub cache_read_tokens: u64,
    /// Of the input: written to a cache.
    pub cache_write_tokens: u64,
    /// Of the output: reasoning.
    pub reasoning_tokens: u64,
    /// Turns whose usage is known but that have no price.
    pub unpriced: u64,
    /// Tokens of those.
    pub unpriced_tokens: u64,
    /// Turns whose usage is not known.
    pub usage_missing: u64,
    /// Turns priced from character counts.
    pub estimated: u64,
    /// Tokens of those.
    pub estimated_tokens: u64,
    /// Counts that most lines do not have: apart, because there are hundreds of thousands of lines.
    #[serde(default)]
    pub rare: Option<Box<Rare>>,
}

/// Counts of a line that are seldom other than zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rare {
    /// Turns whose reply broke off.
    pub partial: u64,
    /// Turns that the provider refused or failed before it billed them.
    pub not_billed: u64,
    /// Turns whose price was found later.
    pub repriced: u64,
    /// What those cost.
    pub repriced_nano_usd: NanoUsd,
    /// Turns whose usage is known but that have no price, by reason.
    pub unpriced: FlatMap<UnpricedReason, u64>,
    /// What caching did to the price of turns.
    #[serde(default)]
    pub cache: Cache,
}

/// What caching did to the price of turns that read from a cache or wrote to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Turns.
    pub turns: u64,
    /// What they saved by reading, against the full input price.
    pub saved: NanoUsd,
    /// What they paid for writing, beyond the full input price.
    pub write_premium: NanoUsd,
}

impl Amount {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn cache(&mut self, effect: Option<&CacheEffect>) {
        if let Some(effect) = effect {
            let cache = &mut self.rare().cache;
            cache.turns += 1;
            cache.saved += effect.saved;
            cache.write_premium += effect.write_premium;
        }
    }

    fn estimate(&mut self, provenance: Provenance, tokens: u64) {
        if provenance == Provenance::Estimated {
            self.estimated += 1;
            self.estimated_tokens += tokens;
        }
    }

    /// Adds another amount.
    pub fn merge(&mut self, other: &Self) {
        self.nano_usd += other.nano_usd;
        self.count += other.count;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.unpriced += other.unpriced;
        self.unpriced_tokens += other.unpriced_tokens;
        self.usage_missing += other.usage_missing;
        self.estimated += other.estimated;
        self.estimated_tokens += other.estimated_tokens;
        if let Some(other) = &other.rare {
            let rare = self.rare();
            rare.partial += other.partial;
            rare.not_billed += other.not_billed;
            rare.repriced += other.repriced;
            rare.repriced_nano_usd += other.repriced_nano_usd;
            rare.cache.turns += other.cache.turns;
            rare.cache.saved += other.cache.saved;
            rare.cache.write_premium += other.cache.write_premium;
            for (reason, count) in &other.unpriced {
                *rare.unpriced.entry(*reason).or_default() += count;
            }
        }
    }
}

impl Amount {
    /// Of turns: how many have a price.
    #[must_use]
    pub fn priced(&self) -> u64 {
        let not_billed = self.rare.as_ref().map_or(0, |rare| rare.not_billed);
        self.count.saturating_sub(self.unpriced + self.usage_missing + not_billed)
    }

    /// Takes out another amount that is part of this one.
    pub fn take_out(&mut self, other: &Self) {
        let less = |mine: &mut u64, taken: u64| *mine = mine.saturating_sub(taken);
        self.nano_usd = self.nano_usd - other.nano_usd;
        less(&mut self.count, other.count);
        less(&mut self.input_tokens, other.input_tokens);
        less(&mut self.output_tokens, other.output_tokens);
        less(&mut self.cache_read_tokens, other.cache_read_tokens);
        less(&mut self.cache_write_tokens, other.cache_write_tokens);
        less(&mut self.reasoning_tokens, other.reasoning_tokens);
        less(&mut self.unpriced, other.unpriced);
        less(&mut self.unpriced_tokens, other.unpriced_tokens);
        less(&mut self.usage_missing, other.usage_missing);
        less(&mut self.estimated, other.estimated);
        less(&mut self.estimated_tokens, other.estimated_tokens);
        if let (Some(rare), Some(other)) = (&mut self.rare, &other.rare) {
            less(&mut rare.partial, other.partial);
            less(&mut rare.not_billed, other.not_billed);
            less(&mut rare.repriced, other.repriced);
            rare.repriced_nano_usd = rare.repriced_nano_usd - other.repriced_nano_usd;
            less(&mut rare.cache.turns, other.cache.turns);
            rare.cache.saved = rare.cache.saved - other.cache.saved;
            rare.cache.write_premium = rare.cache.write_premium - other.cache.write_premium;
            for (reason, taken) in &other.unpriced {
                rare.unpriced.entry(*reason).and_modify(|count| less(count, *taken));
            }
            rare.unpriced.retain(|_, count| *count > 0);
        }
        self.rare.take_if(|rare| **rare == Rare::default());
    }
}

/// Spend of one bucket by line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spend {
    /// Every line that anything was counted on.
    pub lines: FlatMap<Line, Amount>,
}

impl Spend {
    /// Counts the price that was found for a turn which is on its line as unpriced.
    pub fn reprice(&mut self, turn: &Pending, cost: &Cost) {
        let Cost::Priced { nano_usd, provenance, cache, .. } = cost else { return };
        let line = Line::of_model(&turn.provider, &turn.model, turn.feature.as_ref());
        let amount = self.lines.entry(line).or_default();
        amount.nano_usd += *nano_usd;
        amount.cache(cache.as_ref());
        amount.estimate(*provenance, turn.tokens());
        amount.unpriced = amount.unpriced.saturating_sub(1);
        amount.unpriced_tokens = amount.unpriced_tokens.saturating_sub(turn.tokens());
        let rare = amount.rare();
        rare.repriced += 1;
        rare.repriced_nano_usd += *nano_usd;
        if let Some(count) = rare.unpriced.get_mut(&turn.reason) {
            *count = count.saturating_sub(1);
        }
        rare.unpriced.retain(|_, count| *count > 0);
    }
}

impl Counters for Spend {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Turn(turn) => {
                let line = Line::of_model(&turn.provider, &turn.model, turn.feature.as_ref());
                let amount = self.lines.entry(line).or_default();
                amount.count += 1;
                let usage = turn.usage.unwrap_or_default();
                let tokens = usage.input_tokens + usage.output_tokens;
                amount.input_tokens += usage.input_tokens;
                amount.output_tokens += usage.output_tokens;
                amount.cache_read_tokens += usage.cache_read_tokens;
                amount.cache_write_tokens += usage.cache_write_tokens;
                amount.reasoning_tokens += usage.reasoning_tokens;
                if turn.partial {
                    amount.rare().partial += 1;
                }
                match &turn.cost {
                    Cost::Priced { nano_usd, provenance, cache, .. } => {
                        amount.nano_usd += *nano_usd;
                        amount.cache(cache.as_ref());
                        amount.estimate(*provenance, tokens);
                    }
                    Cost::Unpriced { unpriced: UnpricedReason::UsageMissing } => amount.usage_missing += 1,
                    Cost::Unpriced { unpriced: UnpricedReason::NotBilled } => amount.rare().not_billed += 1,
                    Cost::Unpriced { unpriced } => {
                        amount.unpriced += 1;
                        amount.unpriced_tokens += tokens;
                        *amount.rare().unpriced.entry(*unpriced).or_default() += 1;
                    }
                }
            }
            Body::ServiceCost(cost) => {
                let line = Line { service: cost.service, provider: cost.provider.clone(), model: None, feature: None };
                let amount = self.lines.entry(line).or_default();
                amount.count += 1;
                amount.nano_usd += cost.nano_usd;
            }
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        for (line, amount) in &other.lines {
            match self.lines.get_mut(line) {
                Some(mine) => mine.merge(amount),
                None => {
                    self.lines.insert(line.clone(), amount.clone());
                }
            }
        }
    }

    fn take_out(&mut self, other: &Self) {
        for (line, taken) in &other.lines {
            if let Some(amount) = self.lines.get_mut(line) {
                amount.take_out(taken);
            }
        }
        self.lines.retain(|_, amount| *amount != Amount::default());
    }
}
