//! Sums that the intervals of ratios and means are worked out from.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stats::distribution::Distribution;

/// An integer of 128 bits, stored as two halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wide(pub i128);

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ((self.0 >> 64) as i64, self.0 as u64).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (high, low) = <(i64, u64)>::deserialize(deserializer)?;
        Ok(Self(i128::from(high) << 64 | i128::from(low)))
    }
}

/// A ratio of two sums over units, most often people, with what its interval takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Units whose denominator is above 0.
    pub n: u64,
    /// Σ of numerators.
    pub y: Wide,
    /// Σ of denominators.
    pub x: Wide,
    yy: Wide,
    xy: Wide,
    xx: Wide,
}

impl Ratio {
    /// Adds a unit.
    pub fn add(&mut self, y: i64, x: i64) {
        if x <= 0 {
            return;
        }
        let (y, x) = (i128::from(y), i128::from(x));
        self.n += 1;
        self.y.0 += y;
        self.x.0 += x;
        self.yy.0 = self.yy.0.saturating_add(y * y);
        self.xy.0 = self.xy.0.saturating_add(x * y);
        self.xx.0 = self.xx.0.saturating_add(x * x);
    }

    /// Adds another's units.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        for (mine, theirs) in [
            (&mut self.y, other.y),
            (&mut self.x, other.x),
            (&mut self.yy, other.yy),
            (&mut self.xy, other.xy),
            (&mut self.xx, other.xx),
        ] {
            mine.0 = mine.0.saturating_add(theirs.0);
        }
    }

    /// The ratio; `None` of nothing.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.x.0 > 0).then(|| self.y.0 as f64 / self.x.0 as f64)
    }

    /// 95 % interval, linearised: s² = Σ(y − R·x)² / (n − 1), SE = √(s² / n) / x̄. `None` of fewer than two units.
    ///
    /// Source: Cochran (1977), Sampling Techniques, §6.4, without the finite population's correction.
    #[must_use]
    pub fn interval(&self) -> Option<[f64; 2]> {
        let ratio = self.value().filter(|_| self.n >= 2)?;
        let n = self.n as f64;
        let squares = self.yy.0 as f64 - 2.0 * ratio * self.xy.0 as f64 + ratio * ratio * self.xx.0 as f64;
        let error = (squares.max(0.0) / (n - 1.0) / n).sqrt() / (self.x.0 as f64 / n);
        Some([ratio - Z95 * error, ratio + Z95 * error])
    }
}

/// The normal distribution's 97.5 % quantile.
const Z95: f64 = 1.959_963_984_540_054;
/// Values that wait to be added together.
const WAITING_MAX: usize = 8_192;

/// A distribution that many values are added to, one by one.
#[derive(Debug, Default)]
pub(super) struct Collecting {
    done: Distribution,
    waiting: Vec<i64>,
}

impl Collecting {
    pub fn push(&mut self, value: i64) {
        self.waiting.push(value);
        if self.waiting.len() >= WAITING_MAX {
            let waiting = std::mem::take(&mut self.waiting);
            self.done.merge(&Distribution::of_values(waiting));
        }
    }

    pub fn done(mut self) -> Distribution {
        self.done.merge(&Distribution::of_values(self.waiting));
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_knows_its_interval() {
        let mut ratio = Ratio::default();
        for (y, x) in [(10, 2), (30, 5), (7, 1), (0, 0)] {
            ratio.add(y, x);
        }
        assert_eq!((ratio.n, ratio.value()), (3, Some(47.0 / 8.0)));
        // Worked out by hand: residuals −1.75, 0.625, 1.125; s² = 4.71875 / 2; SE = √(s² / 3) / (8 / 3).
        let [low, high] = ratio.interval().unwrap();
        let error = (4.718_75_f64 / 2.0 / 3.0).sqrt() / (8.0 / 3.0);
        assert!((low - (5.875 - Z95 * error)).abs() < 1e-12 && (high - (5.875 + Z95 * error)).abs() < 1e-12);
        let bytes = crate::fold::encode(&ratio).unwrap();
        assert_eq!(crate::fold::decode::<Ratio>(&bytes).unwrap(), ratio);
    }

    #[test]
    fn wide_integers_are_read_back() {
        for value in [0, -1, i128::MAX, i128::MIN, 1 << 64, -(1 << 64) - 7] {
            let bytes = crate::fold::encode(&Wide(value)).unwrap();
            assert_eq!(crate::fold::decode::<Wide>(&bytes).unwrap(), Wide(value));
        }
    }
}
