//! Anthropic Messages. Input does **not** hold the cached: cache reads and writes are added.
//!
//! `input_tokens, cache_read_input_tokens, cache_creation_input_tokens, cache_creation.{ephemeral_5m,ephemeral_1h}_input_tokens,
//! output_tokens, output_tokens_details.thinking_tokens, server_tool_use.web_search_requests`. A cache write of no stated lifetime
//! is priced as one of five minutes.

use schemas::Usage;

use super::ReadError;
use super::block::{Block, sum};

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let counts = block.count("input_tokens")?.zip(block.count("output_tokens")?);
    let Some((uncached, output_tokens)) = counts else { return Ok(None) };
    let cache_read_tokens = block.count("cache_read_input_tokens")?.unwrap_or(0);
    let cache_write_1h_tokens = block.part_count("cache_creation", "ephemeral_1h_input_tokens")?;
    let cache_write_5m_tokens = block.part_count("cache_creation", "ephemeral_5m_input_tokens")?;
    let by_lifetime = sum(&[cache_write_1h_tokens, cache_write_5m_tokens]);
    let cache_write_tokens = block.count("cache_creation_input_tokens")?.unwrap_or(by_lifetime);
    Ok(Some(Usage {
        input_tokens: sum(&[uncached, cache_read_tokens, cache_write_tokens]),
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        web_searches: block.part_count("server_tool_use", "web_search_requests")?,
        reasoning_tokens: block.part_count("output_tokens_details", "thinking_tokens")?,
        ..Usage::default()
    }))
}
