//! What a turn costs: usage × dated prices, exact.
//!
//! `book` holds the public list (`model` what it says of one, `unpack` reads them), `cache` what caching saves, `find` names → model, `charge` usage → amount, `amount` the exact dollars, `clause`
//! and `pattern` how the list matches names, `memo` keeps answers. `own` (with `literal`) reads an operator's own prices,
//! `own_model` applies them, `turn` decides which price holds, `estimate` makes tokens of characters, `service` prices what is no model. The list is
//! `schemas/prices/genai-prices.json`, its semantics those of the Python package of that name; `tests/prices_oracle.py` holds
//! them together.

mod amount;
mod book;
mod cache;
mod charge;
mod clause;
mod estimate;
mod facts;
mod find;
mod literal;
mod memo;
mod model;
mod own;
mod own_model;
mod pattern;
mod reprice;
#[cfg(feature = "fault-injection")]
mod sample;
mod service;
/// Of the build step: here for its tests.
#[cfg(test)]
#[path = "../../build/toml_prices.rs"]
mod toml_prices;
mod turn;
mod unpack;

pub use amount::ExactUsd;
pub use book::PriceBook;
pub use charge::{Priced, Tier, UnitCost};
pub use facts::TurnFacts;
pub use reprice::{FoundPrices, Repricing};
pub use service::{ServiceAmount, ServiceError};
pub use turn::{Prices, Quote, cost_of};
