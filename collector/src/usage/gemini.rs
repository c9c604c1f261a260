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
    let of = |details: &[&str], modalities: &[&str]| {
        details
            .iter()
            .try_fold(0, |total, details| Ok::<_, ReadError>(sum(&[total, tokens(block, details, modalities)?])))
    };
    const IMAGE: &[&str] = &["IMAGE", "DOCUMENT"];
    const PROMPT: &[&str] = &["promptTokensDetails", "toolUsePromptTokensDetails"];
    const TOOL: &[&str] = &["toolUsePromptTokensDetails"];
    const CACHE: &[&str] = &["cacheTokensDetails"];
    const OUTPUT: &[&str] = &["candidatesTokensDetails", "responseTokensDetails"];
    Ok(Some(Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens: count("cachedContentTokenCount")?,
        reasoning_tokens: thoughts,
        input_text_tokens: of(PROMPT, &["TEXT"])?,
        input_audio_tokens: of(PROMPT, &["AUDIO"])?,
        input_image_tokens: of(PROMPT, IMAGE)?,
        input_video_tokens: of(PROMPT, &["VIDEO"])?,
        cache_text_read_tokens: of(CACHE, &["TEXT"])?,
        cache_audio_read_tokens: of(CACHE, &["AUDIO"])?,
        cache_image_read_tokens: of(CACHE, IMAGE)?,
        cache_video_read_tokens: of(CACHE, &["VIDEO"])?,
        input_tool_tokens: tool,
        input_text_tool_tokens: of(TOOL, &["TEXT"])?,
        input_audio_tool_tokens: of(TOOL, &["AUDIO"])?,
        input_image_tool_tokens: of(TOOL, IMAGE)?,
        input_video_tool_tokens: of(TOOL, &["VIDEO"])?,
        output_text_tokens: of(OUTPUT, &["TEXT"])?,
        output_audio_tokens: of(OUTPUT, &["AUDIO"])?,
        output_image_tokens: of(OUTPUT, IMAGE)?,
        output_video_tokens: of(OUTPUT, &["VIDEO"])?,
        ..Usage::default()
    }))
}

/// Tokens of these modalities in a list of details.
fn tokens(block: Block, details: &str, modalities: &[&str]) -> Result<u64, ReadError> {
    let mut of_them =
        block.list(details).filter(|detail| modalities.iter().any(|modality| detail.is("modality", modality)));
    of_them.try_fold(0, |total, detail| Ok(sum(&[total, detail.count("tokenCount")?.unwrap_or(0)])))
}
