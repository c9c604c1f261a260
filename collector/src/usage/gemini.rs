//! Gemini. Prompt holds the cached; thoughts and tool prompts stand beside, as `totalTokenCount` shows.
//!
//! `promptTokenCount, cachedContentTokenCount, candidatesTokenCount, thoughtsTokenCount, toolUsePromptTokenCount, totalTokenCount,
//! *TokensDetails[{modality, tokenCount}]`. Its JSON leaves zeros out.

use schemas::Usage;

use super::ReadError;
use super::block::{Block, sum};

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let count = |name| block.count(name).map(|count| count.unwrap_or(0));
    let candidates = block.count("candidatesTokenCount")?.or(block.count("responseTokenCount")?);
    if !block.has("promptTokenCount") && candidates.is_none() {
        return Ok(None);
    }
    let (prompt, tool, candidates) =
        (count("promptTokenCount")?, count("toolUsePromptTokenCount")?, candidates.unwrap_or(0));
    let thoughts = count("thoughtsTokenCount")?;
    let is_total = |parts: &[u64]| block.count("totalTokenCount").map(|total| total == Some(sum(parts)));
    let (input_tokens, output_tokens) = if is_total(&[prompt, tool, candidates])? {
        (sum(&[prompt, tool]), candidates)
    } else if is_total(&[prompt, candidates, thoughts])? {
        (prompt, sum(&[candidates, thoughts]))
    } else {
        (sum(&[prompt, tool]), sum(&[candidates, thoughts]))
    };
    Ok(Some(Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens: count("cachedContentTokenCount")?,
        reasoning_tokens: thoughts,
        input_audio_tokens: sum(&[audio(block, "promptTokensDetails")?, audio(block, "toolUsePromptTokensDetails")?]),
        cache_audio_read_tokens: audio(block, "cacheTokensDetails")?,
        output_audio_tokens: sum(&[audio(block, "candidatesTokensDetails")?, audio(block, "responseTokensDetails")?]),
        ..Usage::default()
    }))
}

fn audio(block: Block, details: &str) -> Result<u64, ReadError> {
    let mut audio = block.list(details).filter(|detail| detail.is("modality", "AUDIO"));
    audio.try_fold(0, |total, detail| Ok(sum(&[total, detail.count("tokenCount")?.unwrap_or(0)])))
}
