//! OpenAI Chat Completions. Input holds the cached; output holds the reasoning, but not at xAI and Perplexity.
//!
//! `prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details.{cached_tokens, cache_write_tokens, audio_tokens},
//! completion_tokens_details.{reasoning_tokens, audio_tokens}`; DeepSeek: `prompt_cache_hit_tokens + prompt_cache_miss_tokens`;
//! Databricks: `cache_read_input_tokens, reasoning_tokens`; Anthropic's copy: `cached_tokens`; older xAI: `cached_prompt_text_tokens`.

use schemas::Usage;

use super::ReadError;
use super::block::{Block, sum};

/// Adds to what the price list reads: DeepSeek's older replies state what came from the cache in their own way only.
pub(super) fn amend(usage: &mut Usage, block: Block) -> Result<(), ReadError> {
    if let Some(hit) = block.count("prompt_cache_hit_tokens")?.filter(|_| !block.has("prompt_tokens_details")) {
        usage.cache_read_tokens = hit;
    }
    Ok(())
}

pub(super) fn read(provider: &str, block: Block) -> Result<Option<Usage>, ReadError> {
    let (hit, miss) = (block.count("prompt_cache_hit_tokens")?, block.count("prompt_cache_miss_tokens")?);
    let split = hit.zip(miss).map(|(hit, miss)| sum(&[hit, miss]));
    let Some(input_tokens) = block.count("prompt_tokens")?.or(split) else { return Ok(None) };
    let total = block.count("total_tokens")?;
    // Replies without a completion (embeddings) have a total and no `completion_tokens`.
    let rest = total.and_then(|total| total.checked_sub(input_tokens));
    let Some(completion) = block.count("completion_tokens")?.or(rest) else { return Ok(None) };

    let inner = block.count_in("completion_tokens_details", "reasoning_tokens")?;
    let reasoning_tokens = inner.or(block.count("reasoning_tokens")?).unwrap_or(0);
    let beside = match total {
        Some(total) => {
            total != sum(&[input_tokens, completion]) && total == sum(&[input_tokens, completion, reasoning_tokens])
        }
        None => matches!(provider, "x-ai" | "xai" | "perplexity"),
    };
    let cached = block.count_in("prompt_tokens_details", "cached_tokens")?.or(hit);
    let cached = match cached {
        None => block
            .count("cached_tokens")?
            .or(block.count("cached_prompt_text_tokens")?)
            .or(block.count("cache_read_input_tokens")?),
        known => known,
    };
    Ok(Some(Usage {
        input_tokens,
        output_tokens: if beside { sum(&[completion, reasoning_tokens]) } else { completion },
        cache_read_tokens: cached.unwrap_or(0),
        cache_write_tokens: block.part_count("prompt_tokens_details", "cache_write_tokens")?,
        reasoning_tokens,
        input_audio_tokens: block.part_count("prompt_tokens_details", "audio_tokens")?,
        output_audio_tokens: block.part_count("completion_tokens_details", "audio_tokens")?,
        ..Usage::default()
    }))
}
