//! Ollama's own API and Llama at Bedrock: the reply itself counts.
//!
//! Ollama: `prompt_eval_count, eval_count`; Llama: `prompt_token_count, generation_token_count`. A prompt that Ollama has in its
//! cache is left out of the last line.

use schemas::Usage;

use super::ReadError;
use super::block::Block;

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let input = block.count("prompt_eval_count")?.or(block.count("prompt_token_count")?);
    let Some(output_tokens) = block.count("eval_count")?.or(block.count("generation_token_count")?) else {
        return Ok(None);
    };
    Ok(Some(Usage { input_tokens: input.unwrap_or(0), output_tokens, ..Usage::default() }))
}
