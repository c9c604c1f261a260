//! Token counts of a span → canonical, inclusive [`Usage`].
//!
//! The conventions want input to hold what was read from and written to a cache, and output to hold reasoning. Not every emitter
//! does; as read in their sources (2026):
//!
//! | emitter | input holds the cached | output holds reasoning |
//! |---|---|---|
//! | OpenAI's counts, by any emitter | yes | yes |
//! | OpenLIT 1.45, Anthropic and Bedrock | **no**: the provider's own counts | yes |
//! | Traceloop 0.62, Anthropic | yes: summed | yes |
//! | Traceloop 0.62, Bedrock; LlamaIndex with Anthropic | **no** | yes |
//! | OpenInference, Anthropic, and Anthropic's bodies on Bedrock | yes: summed | yes |
//! | OpenInference, Bedrock Converse | **no**; the total holds it | yes |
//! | Vercel AI SDK 5, Anthropic and Bedrock | **no**; cache writes are not told at all, cache reads only of streams | yes |
//! | Vercel AI SDK 5, Gemini | yes | **no**; the total holds it |
//! | Vercel AI SDK 6 and 7, any | yes | yes |
//!
//! So: parts that exceed their whole, and parts that only the total accounts for, stand beside it, whoever says so; else the
//! emitter decides; else the conventions do.

use schemas::Usage;
use schemas::wire::{WireCode, WireError};

use super::conventions::{Emitter, Fact};
use super::span::Span;

/// Tokens, and whether the reply broke off before all were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `None` where the span does not say what was read. Absent is not zero.
    pub usage: Option<Usage>,
    /// What was written is not told.
    pub partial: bool,
}

/// Reads the usage of a call of `provider`, in the price list's words. `embedding`: nothing is written.
///
/// # Errors
/// A count that is none, or parts that contradict their whole.
pub(super) fn read(span: &Span, provider: &str, embedding: bool) -> Result<Told, WireError> {
    let part = |fact| span.count(fact).map(|count| count.unwrap_or(0));
    let total = span.count(Fact::TotalTokens)?;
    let (input, output) = (span.count(Fact::InputTokens)?, span.count(Fact::OutputTokens)?);
    let (cache_read, cache_write, reasoning) =
        (part(Fact::CacheRead)?, part(Fact::CacheWrite)?, part(Fact::Reasoning)?);
    let rest = |known: Option<u64>| total.zip(known).and_then(|(total, known)| total.checked_sub(known));
    let Some(input) = input.or_else(|| rest(output)) else { return Ok(Told::default()) };
    let written = output.or_else(|| rest(Some(input))).or(embedding.then_some(0));
    let output = written.unwrap_or(0);

    let cached = cache_read.saturating_add(cache_write);
    let sum = |parts: &[u64]| parts.iter().fold(0, |sum: u64, part| sum.saturating_add(*part));
    let is_total = |parts: &[u64]| total == Some(sum(parts)) && total != Some(sum(&[input, output]));
    let cached_beside = cached > input
        || is_total(&[input, output, cached])
        || is_total(&[input, output, cached, reasoning])
        || is_exclusive(span, provider);
    let reasoning_beside =
        reasoning > output || is_total(&[input, output, reasoning]) || is_total(&[input, output, cached, reasoning]);
    let usage = Usage {
        input_tokens: if cached_beside { sum(&[input, cached]) } else { input },
        output_tokens: if reasoning_beside { sum(&[output, reasoning]) } else { output },
        cache_read_tokens: cache_read,
        cache_write_tokens: cache_write,
        reasoning_tokens: reasoning,
        input_audio_tokens: part(Fact::InputAudio)?,
        cache_audio_read_tokens: part(Fact::CacheAudio)?,
        output_audio_tokens: part(Fact::OutputAudio)?,
        ..Usage::default()
    };
    usage
        .check()
        .map_err(|error| WireError::at(WireCode::InvalidValue, &format!("usage.{}", error.field), error.why))?;
    Ok(Told { usage: Some(usage), partial: written.is_none() })
}

/// Does this emitter pass on counts in which input does not hold the cached?
fn is_exclusive(span: &Span, provider: &str) -> bool {
    let uncached = matches!(provider, "anthropic" | "aws");
    match span.around.emitter {
        Emitter::OpenLit => uncached,
        Emitter::TraceloopBedrock => true,
        // OpenAI has no cache writes to tell of, so a span that has them is of Anthropic's counts.
        Emitter::TraceloopLlamaIndex => uncached || span.has(Fact::CacheWrite),
        Emitter::Other => {
            // Versions 6 and 7 of the Vercel AI SDK give details of text, older ones do not. None gives details of objects.
            let of_text = ["ai.generateText.doGenerate", "ai.streamText.doStream"];
            let is_vercel = span.text(Fact::VercelOperation).is_some_and(|operation| of_text.contains(&operation));
            uncached && is_vercel && !span.has(Fact::UncachedInput)
        }
    }
}
