//! A turn as it is priced.

use schemas::event::{Cost, PriceContext, Provenance, UnpricedReason};
use schemas::{Usage, UtcMillis};

use super::{PriceBook, cost_of};

/// Everything that a price may depend on.
#[derive(Clone, Copy, Debug)]
pub struct TurnFacts<'a> {
    /// Who ran the model.
    pub provider: &'a str,
    /// The model as the provider names it.
    pub model: &'a str,
    /// When it was asked for.
    pub at: UtcMillis,
    /// Tokens, where they are known.
    pub usage: Option<&'a Usage>,
    /// How the usage came to be known.
    pub provenance: Provenance,
    /// What else decides the price.
    pub context: &'a PriceContext,
    /// Milliseconds from asking to the end of the reply.
    pub latency_ms: Option<u32>,
    /// Characters that the model read, where only these are known.
    pub input_chars: Option<u32>,
    /// Characters that the model wrote, where only these are known.
    pub output_chars: Option<u32>,
}

/// All prices that hold here.
#[derive(Clone, Debug, Default)]
pub struct Prices {}

impl Prices {
    /// What a turn costs.
    #[must_use]
    pub fn cost(&self, turn: &TurnFacts<'_>) -> Cost {
        let Some(usage) = turn.usage else { return Cost::Unpriced { unpriced: UnpricedReason::UsageMissing } };
        let context: Vec<(&str, &str)> =
            turn.context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let book = PriceBook::builtin();
        cost_of(&book.price_in(turn.provider, turn.model, turn.at, usage, turn.provenance, &context))
    }
}
