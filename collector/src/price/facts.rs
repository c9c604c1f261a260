//! What a price depends on.

use schemas::event::{PriceContext, Provenance};
use schemas::{Usage, UtcMillis};

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
