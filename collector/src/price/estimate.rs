//! Tokens of a text of which only the length is known.

use schemas::Usage;

/// Usage between which bounds.
pub(super) struct Estimate {
    pub(super) low: Usage,
    pub(super) central: Usage,
    pub(super) high: Usage,
}

/// Characters a token, in hundredths.
const CENTRAL: u64 = 400;
const MOST: u64 = 600;
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
