//! The log-linear bins of HdrHistogram, and how counts of them are written.
//!
//! Values below 512 have a bin each; above, each octave has 256 of one width, so a bin's middle is off by at most 1/512 of
//! any value in it. Source: <https://github.com/HdrHistogram/HdrHistogram>, sub-buckets of 512.

/// Most that the middle of a bin is off, as a share of any value in it.
pub(super) const RELATIVE_ERROR: f64 = 1.0 / 512.0;

/// Bits of a value that its bin tells.
const SIGNIFICANT_BITS: u32 = 9;

/// The bin of a value.
pub(super) fn bin_of(value: u64) -> u16 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SIGNIFICANT_BITS);
    // At most 55 × 256 + 511.
    ((shift << (SIGNIFICANT_BITS - 1)) + (value >> shift) as u32) as u16
}

/// Lowest value of a bin, and how many values it has.
pub(super) fn bounds(bin: u16) -> (u64, u64) {
    let half = 1_u64 << (SIGNIFICANT_BITS - 1);
    let (shift, place) = match u64::from(bin) / half {
        0 => (0, u64::from(bin)),
        octave => (octave - 1, u64::from(bin) % half + half),
    };
    (place.checked_shl(shift as u32).unwrap_or(u64::MAX), 1_u64.checked_shl(shift as u32).unwrap_or(1))
}

/// The value that stands for a bin, and whether it is the only one.
pub(super) fn middle(bin: u16) -> (u64, bool) {
    let (low, width) = bounds(bin);
    (low + width / 2, width == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bins_follow_one_another() {
        let mut next = 0;
        for bin in 0..=bin_of(u64::MAX) {
            let (low, width) = bounds(bin);
            assert_eq!((low, bin_of(low), bin_of(low + (width - 1))), (next, bin, bin));
            next = low.wrapping_add(width);
        }
        assert_eq!((next, bin_of(u64::MAX), bin_of(i64::MAX as u64)), (0, 55 * 256 + 511, 54 * 256 + 511));
    }

    proptest! {
        #[test]
        fn the_middle_is_as_near_as_said(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let (middle, only) = middle(bin_of(value));
            prop_assert!(middle.abs_diff(value) as f64 <= value as f64 * RELATIVE_ERROR);
            prop_assert_eq!(only, value < 512);
        }
    }

    #[test]
    fn the_bound_is_met() {
        let (middle, _) = middle(bin_of(1024));
        assert_eq!(middle.abs_diff(1024) as f64, 1024.0 * RELATIVE_ERROR);
    }
}
