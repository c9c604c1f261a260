//! The normal distribution, and Student's where few observations make it wider.

/// The 97.5 % point of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// Chance that a standard normal variable is at most `x`.
///
/// Source: Marsaglia (2004), *Evaluating the Normal Distribution*, J. Stat. Soft. 11(4): a Taylor series, in 1e-15 of the
/// truth. Beyond 8 standard deviations: 0 or 1.
pub(super) fn cdf(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut factor) = (x, x, 1.0);
    while sum + term != sum {
        factor += 2.0;
        term *= x * x / factor;
        sum += term;
    }
    0.5 + sum * density(x)
}

fn density(x: f64) -> f64 {
    const SQRT_TAU: f64 = 2.506_628_274_631_000_7;
    (-0.5 * x * x).exp() / SQRT_TAU
}

/// The inverse of [`cdf`] for 1e-9 < `p` < 1 − 1e-9.
///
/// Newton's steps from 0: each half of the distribution function bends one way, so they approach from one side and none
/// goes past.
pub(super) fn quantile(p: f64) -> f64 {
    let mut x = 0.0;
    for _ in 0..64 {
        let step = (cdf(x) - p) / density(x);
        x -= step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    x
}

/// The 97.5 % point of Student's distribution with `freedom` ≥ 4 degrees of freedom, to three digits.
///
/// Source: Abramowitz & Stegun (1964), 26.7.5.
pub(super) fn student(freedom: f64) -> f64 {
    let (z, z2) = (Z, Z * Z);
    let first = z * (z2 + 1.0) / 4.0;
    let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    z + (first + (second + third / freedom) / freedom) / freedom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_met() {
        // scipy.stats.norm.cdf and scipy.stats.t.ppf.
        for (x, p) in [(-3.0, 0.001_349_898_031_630_094_6), (0.0, 0.5), (1.0, 0.841_344_746_068_542_9), (Z, 0.975)] {
            assert!((cdf(x) - p).abs() < 1e-15, "{x}");
        }
        assert_eq!((cdf(-9.0), cdf(9.0)), (0.0, 1.0));
        for p in [1e-6, 0.001, 0.3, 0.5, 0.999, 0.999_999] {
            assert!((cdf(quantile(p)) - p).abs() < 1e-14, "{p}");
        }
        for (freedom, t) in [(5.0, 2.570_582), (19.0, 2.093_024), (100.0, 1.983_972)] {
            assert!((student(freedom) - t).abs() < 3e-3, "{freedom}");
        }
    }
}
