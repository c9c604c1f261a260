//! Prices for turns that had none.

use std::collections::BTreeMap;

use aggregator::fold::pending::{PendingTurn, repriced_event};
use schemas::event::{Cost, Provenance, Source};
use schemas::{Event, EventKey, Label, NanoUsd};
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

/// Prices that were found.
#[derive(Debug, Default)]
pub struct FoundPrices {
    /// The record of it, for the Shard that counts the turns.
    pub events: Vec<Event>,
    /// Of turns that another Shard counts, for what their people spent.
    pub elsewhere: Vec<(EventKey, NanoUsd)>,
}

fn cost_of(pending: &PendingTurn, prices: &Prices) -> Cost {
    let turn = &pending.turn;
    let usage = turn.usage.usage();
    prices.cost(&TurnFacts {
        provider: turn.provider.as_str(),
        model: turn.model.as_str(),
        at: turn.ts,
        usage: Some(&usage),
        provenance: if turn.source == Source::Gateway { Provenance::ProviderReported } else { Provenance::Computed },
        context: &turn.price_context,
        latency_ms: turn.latency_ms,
        input_chars: None,
        output_chars: None,
    })
}

impl Repricing {
    /// Looks for the prices of turns.
    pub fn price(&mut self, turns: &[PendingTurn], prices: &Prices) -> FoundPrices {
        let mut priced = FoundPrices::default();
        for pending in turns {
            let cost = cost_of(pending, prices);
            if pending.turn.elsewhere {
                priced.elsewhere.extend(cost.nano_usd().map(|nano_usd| (pending.id, nano_usd)));
            } else {
                priced.events.extend(self.count(pending, cost));
            }
        }
        priced
    }

    fn count(&mut self, pending: &PendingTurn, cost: Cost) -> Option<Event> {
        let turn = &pending.turn;
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
