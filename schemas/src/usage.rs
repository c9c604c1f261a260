//! Token usage in its canonical form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one turn used, inclusive: `input_tokens` holds cache reads and cache writes, `cache_write_tokens` holds the
/// five-minute and one-hour writes, `output_tokens` holds reasoning. Every other count of tokens is a subset of one of those
/// two. Which counts there are is what providers state and price lists price; names are those of `genai-prices`, but for
/// `reasoning_tokens`, which is `output_reasoning_tokens` there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// All tokens the model read.
    pub input_tokens: u64,
    /// All tokens the model wrote.
    pub output_tokens: u64,
    /// Of the input: read from a prompt cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read_tokens: u64,
    /// Of the input: written to a prompt cache, any lifetime.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Of the cache writes: those that live five minutes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_5m_tokens: u64,
    /// Of the cache writes: those that live one hour.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h_tokens: u64,
    /// Of the output: reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// Of the output: citations.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_citation_tokens: u64,
    /// Of the input: text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_text_tokens: u64,
    /// Of the input: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_audio_tokens: u64,
    /// Of the input: images and documents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_image_tokens: u64,
    /// Of the input: video.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_video_tokens: u64,
    /// Of the cache reads: text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_text_read_tokens: u64,
    /// Of the cache reads: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_audio_read_tokens: u64,
    /// Of the cache reads: images and documents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_image_read_tokens: u64,
    /// Of the cache reads: video.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_video_read_tokens: u64,
    /// Of the input: results of the provider's own tools.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_tool_tokens: u64,
    /// Of the tools' results: text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_text_tool_tokens: u64,
    /// Of the tools' results: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_audio_tool_tokens: u64,
    /// Of the tools' results: images and documents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_image_tool_tokens: u64,
    /// Of the tools' results: video.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_video_tool_tokens: u64,
    /// Of the output: text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_text_tokens: u64,
    /// Of the output: audio.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_audio_tokens: u64,
    /// Of the output: images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_image_tokens: u64,
    /// Of the output: video.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_video_tokens: u64,
    /// Searches of the web that the provider made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub web_searches: u64,
    /// Searches of stored files that the provider made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub storage_searches: u64,
    /// Messages of text in a spoken conversation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_text_messages: u64,
    /// Pages of documents read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_document_pages: u64,
    /// Of the pages: those annotated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_annotated_document_pages: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Most that a field may hold: keeps every sum within `i64` and every product with a price within a decimal.
pub const TOKENS_MAX: u64 = 1_000_000_000;

/// Lists the fields once; a test holds the list against the type.
macro_rules! fields {
    ($($name:ident),+ $(,)?) => {
        impl Usage {
            /// Names of all counts. What is stored tells them by their place here: add at the end.
            pub const FIELDS: &[&str] = &[$(stringify!($name)),+];

            /// All counts, in the order of [`Usage::FIELDS`].
            #[must_use]
            pub fn counts(&self) -> [u64; Self::FIELDS.len()] {
                [$(self.$name),+]
            }

            /// The usage of these counts, in the order of [`Usage::FIELDS`].
            #[must_use]
            pub const fn of_counts(counts: [u64; Self::FIELDS.len()]) -> Self {
                let [$($name),+] = counts;
                Self { $($name),+ }
            }
        }
    };
}

fields! {
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_5m_tokens,
    cache_write_1h_tokens,
    reasoning_tokens,
    output_citation_tokens,
    input_text_tokens,
    input_audio_tokens,
    input_image_tokens,
    input_video_tokens,
    cache_text_read_tokens,
    cache_audio_read_tokens,
    cache_image_read_tokens,
    cache_video_read_tokens,
    input_tool_tokens,
    input_text_tool_tokens,
    input_audio_tool_tokens,
    input_image_tool_tokens,
    input_video_tool_tokens,
    output_text_tokens,
    output_audio_tokens,
    output_image_tokens,
    output_video_tokens,
    web_searches,
    storage_searches,
    input_text_messages,
    input_document_pages,
    input_annotated_document_pages,
}

/// Lists the counts that are part of another.
macro_rules! parts {
    ($usage:expr, $($part:ident of $whole:ident),+ $(,)?) => {
        [$(($usage.$part, $usage.$whole, stringify!($part), concat!("is above ", stringify!($whole)))),+]
    };
}

impl Usage {
    /// Checks that no part is larger than its whole and no count above [`TOKENS_MAX`].
    ///
    /// # Errors
    /// The name of the first field that does not fit, and why.
    pub fn check(&self) -> Result<(), UsageError> {
        let mut counts = Self::FIELDS.iter().zip(self.counts());
        if let Some((field, _)) = counts.find(|(_, count)| *count > TOKENS_MAX) {
            return Err(UsageError { field, why: "is above 1000000000" });
        }
        if self.cache_read_tokens + self.cache_write_tokens > self.input_tokens {
            return Err(UsageError {
                field: "cache_read_tokens",
                why: "with cache_write_tokens is above input_tokens, which must include both",
            });
        }
        if self.cache_write_5m_tokens + self.cache_write_1h_tokens > self.cache_write_tokens {
            let why = "with cache_write_5m_tokens is above cache_write_tokens, which must include both";
            return Err(UsageError { field: "cache_write_1h_tokens", why });
        }
        let within = parts! {
            self,
            reasoning_tokens of output_tokens,
            output_citation_tokens of output_tokens,
            input_text_tokens of input_tokens,
            input_audio_tokens of input_tokens,
            input_image_tokens of input_tokens,
            input_video_tokens of input_tokens,
            cache_text_read_tokens of cache_read_tokens,
            cache_audio_read_tokens of cache_read_tokens,
            cache_image_read_tokens of cache_read_tokens,
            cache_video_read_tokens of cache_read_tokens,
            input_tool_tokens of input_tokens,
            input_text_tool_tokens of input_tool_tokens,
            input_audio_tool_tokens of input_tool_tokens,
            input_image_tool_tokens of input_tool_tokens,
            input_video_tool_tokens of input_tool_tokens,
            output_text_tokens of output_tokens,
            output_audio_tokens of output_tokens,
            output_image_tokens of output_tokens,
            output_video_tokens of output_tokens,
            input_annotated_document_pages of input_document_pages,
        };
        match within.into_iter().find(|(part, whole, ..)| part > whole) {
            Some((_, _, field, why)) => Err(UsageError { field, why }),
            None => Ok(()),
        }
    }
}

/// A usage that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct UsageError {
    /// The field to look at.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_not_exceed_their_whole() {
        let good = Usage {
            input_tokens: 10,
            output_tokens: 5,
            cache_read_tokens: 6,
            cache_write_tokens: 4,
            cache_write_5m_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            (Usage { cache_read_tokens: 7, ..good }, "cache_read_tokens"),
            (Usage { cache_write_1h_tokens: 4, ..good }, "cache_write_1h_tokens"),
            (Usage { reasoning_tokens: 6, ..good }, "reasoning_tokens"),
            (Usage { input_audio_tokens: 11, ..good }, "input_audio_tokens"),
            (Usage { cache_image_read_tokens: 7, ..good }, "cache_image_read_tokens"),
            (Usage { input_video_tool_tokens: 1, ..good }, "input_video_tool_tokens"),
            (Usage { output_image_tokens: 6, ..good }, "output_image_tokens"),
            (Usage { input_annotated_document_pages: 1, ..good }, "input_annotated_document_pages"),
            (Usage { input_tokens: TOKENS_MAX + 1, ..good }, "input_tokens"),
            (Usage { cache_write_tokens: u64::MAX, ..good }, "cache_write_tokens"),
            (Usage { web_searches: TOKENS_MAX + 1, ..good }, "web_searches"),
        ];
        for (usage, field) in bad {
            assert_eq!(usage.check().unwrap_err().field, field);
        }
    }

    #[test]
    fn the_fields_are_those_of_the_type() {
        let counts = std::array::from_fn(|at| at as u64 + 1);
        let usage = Usage::of_counts(counts);
        assert_eq!(usage.counts(), counts);
        let fields = serde_json::to_value(usage).unwrap();
        assert_eq!(fields.as_object().unwrap().len(), Usage::FIELDS.len());
        for (name, count) in Usage::FIELDS.iter().zip(counts) {
            assert_eq!(fields.get(*name), Some(&count.into()), "{name}");
        }
    }
}
