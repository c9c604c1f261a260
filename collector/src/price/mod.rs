//! What a turn costs: usage × dated public prices, exact.
//!
//! `book` holds the list as statics, `find` names → model, `charge` usage → amount, `amount` the exact dollars, `clause`
//! and `pattern` how the list matches names. The list is `schemas/prices/genai-prices.json`, its semantics those of the
//! Python package of that name; `tests/prices_oracle.py` holds them together.

mod amount;
mod book;
mod charge;
mod clause;
mod find;
mod pattern;
mod reprice;
mod turn;

pub use amount::ExactUsd;
pub use book::PriceBook;
pub use charge::{Priced, Tier, UnitCost, cost_of};
pub use reprice::Repricing;
pub use turn::{Prices, TurnFacts};
