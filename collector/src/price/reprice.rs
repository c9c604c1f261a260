//! Prices for turns that had none.

use std::collections::BTreeMap;

use aggregator::fold::pending::{PendingTurn, repriced_event};
use schemas::event::{Cost, Provenance, Source};
use schemas::{Event, Label, NanoUsd};
use serde_json::{Value, json};

use super::{PriceBook, Prices, TurnFacts};

/// What came of looking for prices.
#[derive(Debug, Default)]
pub struct Repricing {
    models: BTreeMap<(Label, Label), Found>,
    /// There was no time for all; ask again.
    pub more: bool,
}

#[derive(Debug, Default)]
struct Found {
    repriced: u64,
    unpriced: u64,
    nano_usd: NanoUsd,
}

impl Repricing {
    /// Looks for the prices of turns. Returns the events of those that have one, which are the record of it.
    pub fn price(&mut self, turns: &[PendingTurn], prices: &Prices) -> Vec<Event> {
        turns.iter().filter_map(|pending| self.price_one(pending, prices)).collect()
    }

    fn price_one(&mut self, pending: &PendingTurn, prices: &Prices) -> Option<Event> {
        let turn = &pending.turn;
        let usage = turn.usage.usage();
        let cost = prices.cost(&TurnFacts {
            provider: turn.provider.as_str(),
            model: turn.model.as_str(),
            at: turn.ts,
            usage: Some(&usage),
            provenance: if turn.source == Source::Gateway {
                Provenance::ProviderReported
            } else {
                Provenance::Computed
            },
            context: &turn.price_context,
            latency_ms: turn.latency_ms,
            input_chars: None,
            output_chars: None,
        });
        let found = self.models.entry((turn.provider.clone(), turn.model.clone())).or_default();
        match cost {
            Cost::Priced { nano_usd, .. } => {
                found.repriced += 1;
                found.nano_usd += nano_usd;
                Some(repriced_event(pending, cost))
            }
            Cost::Unpriced { .. } => {
                found.unpriced += 1;
                None
            }
        }
    }

    /// What an operator reads.
    #[must_use]
    pub fn json(&self, dry_run: bool) -> Value {
        let sum = |count: fn(&Found) -> u64| self.models.values().map(count).sum::<u64>();
        let model = |((provider, model), found): (&(Label, Label), &Found)| {
            json!({
                "provider": provider,
                "model": model,
                "repriced": found.repriced,
                "unpriced": found.unpriced,
                "nano_usd": found.nano_usd,
            })
        };
        json!({
            "dry_run": dry_run,
            "more": self.more,
            "price_version": PriceBook::builtin().version(),
            "repriced": sum(|found| found.repriced),
            "unpriced": sum(|found| found.unpriced),
            "nano_usd": self.models.values().map(|found| found.nano_usd).sum::<NanoUsd>(),
            "models": self.models.iter().map(model).collect::<Vec<_>>(),
        })
    }
}
