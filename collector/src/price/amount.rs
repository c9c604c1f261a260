//! Exact dollars.

use std::fmt;

use schemas::NanoUsd;

/// An amount of money, USD × 10^-24, never below zero. Every price of the list times any number of tokens is a whole number
/// of these, so nothing is rounded until [`ExactUsd::to_nano`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExactUsd(pub(super) u128);

const ONE_USD: u128 = 10_u128.pow(24);
const ONE_NANO: u128 = ONE_USD / 1_000_000_000;

impl ExactUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `count` × this; `None` above 3.4 × 10^14 USD.
    pub(super) fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(count)).map(Self)
    }

    /// The sum; `None` above 3.4 × 10^14 USD.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `part` of `whole` of it, to 10^-24 USD, half to even; `None` above 3.4 × 10^14 USD on the way.
    pub(super) fn share(self, part: u128, whole: u128) -> Option<Self> {
        divided(self.0.checked_mul(part)?, whole).map(Self)
    }

    /// Whole 10^-9 USD in it, and what is left in 10^-24 USD: one division, which costs most of a price in WASM.
    pub(super) fn nanos_and_rest(self) -> (u128, u64) {
        let whole = self.0 / ONE_NANO;
        #[allow(clippy::cast_possible_truncation, reason = "below 10^15")]
        let rest = (self.0 - whole * ONE_NANO) as u64;
        (whole, rest)
    }

    /// How much more this is than another amount (less, where it is below zero), rounded to 10^-9 USD, half to even; `None`
    /// above 9.2 × 10^9 USD.
    pub(super) fn less(self, other: Self) -> Option<NanoUsd> {
        let apart = Self(self.0.abs_diff(other.0)).to_nano()?;
        Some(if self < other { NanoUsd::ZERO - apart } else { apart })
    }

    /// Rounded to 10^-9 USD, half to even; `None` above 9.2 × 10^9 USD.
    #[must_use]
    pub fn to_nano(self) -> Option<NanoUsd> {
        let (whole, rest) = self.nanos_and_rest();
        nano(whole, rest)
    }
}

/// 10^-9 USD of whole ones and a rest in 10^-24 USD (any number of them), half to even; `None` above 9.2 × 10^9 USD.
pub(super) fn nano(whole: u128, rest: u64) -> Option<NanoUsd> {
    const ONE: u64 = 1_000_000_000_000_000;
    let (whole, rest) = (whole.checked_add(u128::from(rest / ONE))?, rest % ONE);
    let up = rest > ONE / 2 || rest == ONE / 2 && whole % 2 == 1;
    i64::try_from(whole.checked_add(u128::from(up))?).ok().map(NanoUsd)
}

/// A quotient rounded half to even; `None` for a divisor of zero.
pub(super) fn divided(amount: u128, by: u128) -> Option<u128> {
    let (whole, rest) = (amount.checked_div(by)?, amount.checked_rem(by)?);
    let up = match rest.cmp(&(by - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    whole.checked_add(u128::from(up))
}

/// Dollars as a plain decimal without trailing zeros: `0.00123`, `2`, `0`.
impl fmt::Display for ExactUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / ONE_USD, self.0 % ONE_USD);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:024}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_once_half_to_even() {
        let cases = [(0, 0), (1, 0), (500, 0), (501, 1), (1_499, 1), (1_500, 2), (2_500, 2), (2_501, 3), (3_500, 4)];
        for (thousandths, nano) in cases {
            assert_eq!(ExactUsd(thousandths * ONE_NANO / 1000).to_nano(), Some(NanoUsd(nano)), "{thousandths}");
        }
        assert_eq!(ExactUsd(u128::MAX).to_nano(), None);
    }

    #[test]
    fn differences_round_alike_on_both_sides() {
        let less = |a: u128, b: u128| ExactUsd(a * ONE_NANO / 2).less(ExactUsd(b * ONE_NANO / 2)).unwrap().0;
        assert_eq!([less(5, 2), less(2, 5), less(5, 4), less(4, 5), less(3, 3), less(9, 1)], [2, -2, 0, 0, 0, 4]);
        assert_eq!(ExactUsd(u128::MAX).less(ExactUsd::ZERO), None);
    }

    #[test]
    fn shows_every_digit() {
        for (amount, text) in [(0, "0"), (2 * ONE_USD, "2"), (ONE_USD / 8, "0.125"), (1, "0.000000000000000000000001")]
        {
            assert_eq!(ExactUsd(amount).to_string(), text);
        }
        assert_eq!(ExactUsd(ONE_USD * 1234 + 1).to_string(), "1234.000000000000000000000001");
    }
}
