//! Bedrock Converse, and the metrics that `InvokeModel` adds. Input does **not** hold the cached.
//!
//! `inputTokens, outputTokens, cacheReadInputTokens, cacheWriteInputTokens, cacheDetails[{ttl, inputTokens}]`; metrics:
//! `inputTokenCount, outputTokenCount, cacheReadInputTokenCount, cacheWriteInputTokenCount`.

use schemas::Usage;

use super::ReadError;
use super::block::{Block, sum};

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let either = |name, other| Ok::<_, ReadError>(block.count(name)?.or(block.count(other)?));
    let counts = either("inputTokens", "inputTokenCount")?.zip(either("outputTokens", "outputTokenCount")?);
    let Some((uncached, output_tokens)) = counts else { return Ok(None) };
    let cache_read_tokens = either("cacheReadInputTokens", "cacheReadInputTokenCount")?.unwrap_or(0);
    let cache_write_tokens = either("cacheWriteInputTokens", "cacheWriteInputTokenCount")?.unwrap_or(0);
    let living = |ttl: &str| {
        let mut details = block.list("cacheDetails").filter(|detail| detail.is("ttl", ttl));
        details
            .try_fold(0, |total, detail| Ok::<_, ReadError>(sum(&[total, detail.count("inputTokens")?.unwrap_or(0)])))
    };
    Ok(Some(Usage {
        input_tokens: sum(&[uncached, cache_read_tokens, cache_write_tokens]),
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_5m_tokens: living("5m")?,
        cache_write_1h_tokens: living("1h")?,
        ..Usage::default()
    }))
}
