//! OpenAI Responses. Input holds the cached, output holds the reasoning.
//!
//! `input_tokens, output_tokens, input_tokens_details.{cached_tokens, cache_write_tokens}, output_tokens_details.reasoning_tokens`;
//! images and realtime (`input_token_details`): `text_tokens, audio_tokens, image_tokens` of either, `cached_tokens_details`.

use schemas::Usage;

use super::ReadError;
use super::block::Block;

pub(super) fn read(block: Block) -> Result<Option<Usage>, ReadError> {
    let counts = block.count("input_tokens")?.zip(block.count("output_tokens")?);
    let Some((input_tokens, output_tokens)) = counts else { return Ok(None) };
    let input = block.part("input_tokens_details").or(block.part("input_token_details"));
    let output = block.part("output_tokens_details").or(block.part("output_token_details"));
    let cached = input.and_then(|input| input.part("cached_tokens_details"));
    let of = |part: Option<Block>, name| part.map_or(Ok(0), |part| part.count(name).map(|count| count.unwrap_or(0)));
    Ok(Some(Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens: of(input, "cached_tokens")?,
        cache_write_tokens: of(input, "cache_write_tokens")?,
        reasoning_tokens: of(output, "reasoning_tokens")?,
        input_text_tokens: of(input, "text_tokens")?,
        input_audio_tokens: of(input, "audio_tokens")?,
        input_image_tokens: of(input, "image_tokens")?,
        cache_text_read_tokens: of(cached, "text_tokens")?,
        cache_audio_read_tokens: of(cached, "audio_tokens")?,
        cache_image_read_tokens: of(cached, "image_tokens")?,
        output_text_tokens: of(output, "text_tokens")?,
        output_audio_tokens: of(output, "audio_tokens")?,
        output_image_tokens: of(output, "image_tokens")?,
        ..Usage::default()
    }))
}
