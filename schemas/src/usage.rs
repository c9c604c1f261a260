//! Token usage in its canonical form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens of one turn, inclusive: `input_tokens` holds cache reads and cache writes, `cache_write_tokens` holds the
/// one-hour writes, `output_tokens` holds reasoning. Every other field is a subset of one of those two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// All tokens the model read.
    pub input_tokens: u64,
    /// All tokens the model wrote.
    pub output_tokens: u64,
    /// Of the input: read from a prompt cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read_tokens: u64,
    /// Of the input: written to a prompt cache, any lifetime.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Of the cache writes: those that live one hour.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h_tokens: u64,
    /// Of the output: reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// Of the input: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_audio_tokens: u64,
    /// Of the cache reads: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_audio_read_tokens: u64,
    /// Of the output: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_audio_tokens: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Most tokens a field may hold: keeps every sum within `i64` and every product with a price within a decimal.
pub const TOKENS_MAX: u64 = 1_000_000_000;

impl Usage {
    /// Checks that no part is larger than its whole and no count above [`TOKENS_MAX`].
    ///
    /// # Errors
    /// The name of the first field that does not fit, and why.
    pub fn check(&self) -> Result<(), UsageError> {
        let over = |field| Err(UsageError { field, why: "is above 1000000000" });
        if self.input_tokens > TOKENS_MAX {
            return over("input_tokens");
        }
        if self.output_tokens > TOKENS_MAX {
            return over("output_tokens");
        }
        if self.cache_read_tokens.saturating_add(self.cache_write_tokens) > self.input_tokens {
            return Err(UsageError {
                field: "cache_read_tokens",
                why: "with cache_write_tokens is above input_tokens, which must include both",
            });
        }
        let within = [
            (
                self.cache_write_1h_tokens,
                self.cache_write_tokens,
                "cache_write_1h_tokens",
                "is above cache_write_tokens",
            ),
            (self.reasoning_tokens, self.output_tokens, "reasoning_tokens", "is above output_tokens"),
            (self.input_audio_tokens, self.input_tokens, "input_audio_tokens", "is above input_tokens"),
            (
                self.cache_audio_read_tokens,
                self.cache_read_tokens,
                "cache_audio_read_tokens",
                "is above cache_read_tokens",
            ),
            (self.output_audio_tokens, self.output_tokens, "output_audio_tokens", "is above output_tokens"),
        ];
        match within.into_iter().find(|(part, whole, ..)| part > whole) {
            Some((_, _, field, why)) => Err(UsageError { field, why }),
            None => Ok(()),
        }
    }
}

/// A usage that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct UsageError {
    /// The field to look at.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_not_exceed_their_whole() {
        let good = Usage {
            input_tokens: 10,
            output_tokens: 5,
            cache_read_tokens: 6,
            cache_write_tokens: 4,
            ..Usage::default()
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            (Usage { cache_read_tokens: 7, ..good }, "cache_read_tokens"),
            (Usage { cache_write_1h_tokens: 5, ..good }, "cache_write_1h_tokens"),
            (Usage { reasoning_tokens: 6, ..good }, "reasoning_tokens"),
            (Usage { input_audio_tokens: 11, ..good }, "input_audio_tokens"),
            (Usage { input_tokens: TOKENS_MAX + 1, ..good }, "input_tokens"),
        ];
        for (usage, field) in bad {
            assert_eq!(usage.check().unwrap_err().field, field);
        }
    }
}
