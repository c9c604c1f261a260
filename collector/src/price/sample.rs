//! Turns to price, for the bench.

use schemas::event::{PriceContext, Provenance};
use schemas::{Usage, UtcMillis};

use super::{Prices, TurnFacts};

const MODELS: [(&str, &str); 4] = [
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("openai", "gpt-4o-2024-08-06"),
    ("google", "gemini-2.5-pro"),
    ("openai", "gpt-unheard-of"),
];
/// 2026-11-01T00:00:00Z.
const FIRST: UtcMillis = UtcMillis(1_793_491_200_000);

impl Prices {
    /// Prices this many turns as the scrubber does, and returns what they cost together, nano-dollars.
    #[must_use]
    pub fn sample(&self, turns: u32) -> i64 {
        let context = PriceContext::new();
        let price = |n: u32| {
            let (provider, model) = MODELS.get(n as usize % MODELS.len())?;
            let usage = Usage {
                input_tokens: u64::from(n % 400_000) + 500,
                output_tokens: u64::from(n % 900),
                cache_read_tokens: u64::from(n % 300),
                cache_write_tokens: u64::from(n % 100),
                ..Usage::default()
            };
            let cost = self.cost(&TurnFacts {
                provider,
                model,
                at: FIRST.plus_ms(i64::from(n)),
                usage: Some(&usage),
                provenance: Provenance::ProviderReported,
                context: &context,
                latency_ms: None,
                input_chars: None,
                output_chars: None,
            });
            cost.nano_usd()
        };
        (0..turns).filter_map(price).map(|cost| cost.0).sum()
    }
}
