//! OpenAI Responses. Input holds the cached, output holds the reasoning.
//!
//! `input_tokens, output_tokens, input_tokens_details.{cached_tokens, cache_write_tokens}, output_tokens_details.reasoning_tokens`.

use schemas::Usage;

use super::ReadError;
use super::block::Block;

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let counts = block.count("input_tokens")?.zip(block.count("output_tokens")?);
    let Some((input_tokens, output_tokens)) = counts else { return Ok(None) };
    Ok(Some(Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens: block.part_count("input_tokens_details", "cached_tokens")?,
        cache_write_tokens: block.part_count("input_tokens_details", "cache_write_tokens")?,
        reasoning_tokens: block.part_count("output_tokens_details", "reasoning_tokens")?,
        ..Usage::default()
    }))
}
