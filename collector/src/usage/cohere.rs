//! Cohere. What is billed counts, not what was read: `billed_units.{input_tokens, output_tokens}`, else `tokens.{…}`. The list's
//! `tokens` kind of reply reads the other; an app may ask for it by that name.

use schemas::Usage;

use super::ReadError;
use super::block::Block;

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let Some(counts) = block.part("billed_units").or(block.part("tokens")) else { return Ok(None) };
    let Some(input_tokens) = counts.count("input_tokens")? else { return Ok(None) };
    // Embeddings have no output at all.
    let output_tokens = counts.count("output_tokens")?.unwrap_or(0);
    Ok(Some(Usage { input_tokens, output_tokens, ..Usage::default() }))
}
