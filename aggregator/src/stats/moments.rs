//! Mean, variance and skewness of values that were seen once, in parts.

/// Number, mean and central sums of values.
///
/// Source: Chan, Golub & LeVeque (1979) for two parts, Pébay (2008), SAND2008-6212, for the third sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many values.
    pub n: u64,
    /// Their mean, in their unit; 0 of no values.
    pub mean: f64,
    /// Sum of squares of their distances from the mean.
    pub m2: f64,
    /// Sum of cubes of them, with their sign.
    pub m3: f64,
}

impl Moments {
    /// Of these values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        Self::of_bins(values.iter().map(|value| (*value, 1)))
    }

    /// Of values that occur so many times each.
    pub fn of_bins(bins: impl Iterator<Item = (f64, u64)>) -> Self {
        let mut all = Self::default();
        for (mean, n) in bins {
            all.merge(&Self { n, mean, m2: 0.0, m3: 0.0 });
        }
        all
    }

    /// Adds another's values. Equal in any order and grouping, but for rounding.
    pub fn merge(&mut self, other: &Self) {
        if self.n == 0 || other.n == 0 {
            if self.n == 0 {
                *self = *other;
            }
            return;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let (n, apart) = (a + b, other.mean - self.mean);
        let part = apart / n;
        self.m3 += other.m3 + apart * part * part * a * b * (a - b) + 3.0 * part * (a * other.m2 - b * self.m2);
        self.m2 += other.m2 + apart * part * a * b;
        self.mean += part * b;
        self.n += other.n;
    }

    /// Standard error of the mean, of the values as they are (divisor n).
    pub(super) fn error(&self) -> f64 {
        self.m2.sqrt() / self.n as f64
    }

    /// A sixth of the skewness of the mean: in [−1/6, 1/6], as no sum of cubes exceeds the sum of squares to the 3/2.
    pub(super) fn acceleration(&self) -> f64 {
        if self.m2 > 0.0 { (self.m3 / (self.m2 * self.m2.sqrt())).clamp(-1.0, 1.0) / 6.0 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(1e-9)
    }

    #[test]
    fn worked_by_hand() {
        let moments = Moments::of(&[1.0, 2.0, 6.0]);
        assert_eq!((moments.n, moments.mean, moments.m2, moments.m3), (3, 3.0, 14.0, 18.0));
        assert_eq!(Moments::of_bins([(1.0, 2), (4.0, 1)].into_iter()), Moments::of(&[1.0, 1.0, 4.0]));
        assert_eq!(Moments::of(&[]), Moments::default());
    }

    proptest! {
        #[test]
        fn parts_make_the_whole(values in prop::collection::vec(-1e6f64..1e6, 0..60), cut in 0usize..60, other in 0usize..60) {
            let whole = Moments::of(&values);
            let (cut, other) = (cut.min(values.len()), other.min(values.len()));
            let (first, second) = (cut.min(other), cut.max(other));
            let mut parts = Moments::of(&values[second..]);
            parts.merge(&Moments::of(&values[..first]));
            parts.merge(&Moments::of(&values[first..second]));
            let (n, most) = (values.len() as f64, 2e6f64);
            prop_assert_eq!(parts.n, whole.n);
            prop_assert!(near(parts.mean, whole.mean, most));
            prop_assert!(near(parts.m2, whole.m2, n * most.powi(2)) && near(parts.m3, whole.m3, n * most.powi(3)));
            let mean = values.iter().sum::<f64>() / n.max(1.0);
            let sum = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>();
            prop_assert!(near(whole.m2, sum(2), n * most.powi(2)) && near(whole.m3, sum(3), n * most.powi(3)));
            prop_assert!(whole.acceleration().abs() <= 1.0 / 6.0);
        }
    }
}
