//! Spend: the bill by service, provider, model and feature.

use std::collections::BTreeMap;

use schemas::event::{Cost, Provenance, Service, UnpricedReason};
use schemas::{Body, Event, Label, NanoUsd};
use serde::{Deserialize, Serialize};

use super::Counters;

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

/// What one line amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Amount {
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
    }
}

/// Spend of one bucket by line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spend {
    /// Every line that anything was counted on.
    pub lines: BTreeMap<Line, Amount>,
}

impl Counters for Spend {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Turn(turn) => {
                let line = Line {
                    service: Service::Model,
                    provider: Some(turn.provider.clone()),
                    model: Some(turn.model.clone()),
                    feature: turn.feature.clone(),
                };
                let amount = self.lines.entry(line).or_default();
                amount.count += 1;
                let usage = turn.usage.unwrap_or_default();
                let tokens = usage.input_tokens + usage.output_tokens;
                amount.input_tokens += usage.input_tokens;
                amount.output_tokens += usage.output_tokens;
                amount.cache_read_tokens += usage.cache_read_tokens;
                amount.cache_write_tokens += usage.cache_write_tokens;
                amount.reasoning_tokens += usage.reasoning_tokens;
                match &turn.cost {
                    Cost::Priced { nano_usd, provenance, .. } => {
                        amount.nano_usd += *nano_usd;
                        if *provenance == Provenance::Estimated {
                            amount.estimated += 1;
                            amount.estimated_tokens += tokens;
                        }
                    }
                    Cost::Unpriced { unpriced: UnpricedReason::UsageMissing } => amount.usage_missing += 1,
                    Cost::Unpriced { unpriced: UnpricedReason::NotBilled } => {}
                    Cost::Unpriced { .. } => {
                        amount.unpriced += 1;
                        amount.unpriced_tokens += tokens;
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
                    self.lines.insert(line.clone(), *amount);
                }
            }
        }
    }
}
