//! Noise for published counts: the discrete Laplace distribution, drawn exactly, without a float.
//!
//! Source: Canonne, Kamath & Steinke (2020), "The Discrete Gaussian for Differential Privacy", algorithms 1 and 2. All is done
//! with whole numbers and random bits, so that no rounding tells what was drawn (Mironov 2012).

use serde::{Deserialize, Serialize};

/// Where random bits come from. The platform's generator in production, a seeded one in tests.
pub trait Random {
    /// 64 bits.
    ///
    /// # Errors
    /// When the generator has none; nothing may be published then.
    fn bits(&mut self) -> Result<u64, RandomError>;
}

/// There are no random bits, or a number is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("noise cannot be drawn; nothing is published until it can")]
pub struct RandomError;

/// One in a billion: the unit of [`Epsilon`].
const BILLION: u64 = 1_000_000_000;

/// Privacy loss of one number, × 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epsilon(pub u64);

impl Epsilon {
    /// As a decimal.
    #[must_use]
    pub fn decimal(self, times: u64) -> String {
        let all = self.0.saturating_mul(times);
        let text = format!("{}.{:09}", all / BILLION, all % BILLION);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A count with noise of scale `sensitivity / epsilon`; what falls below 0 is shown as 0.
///
/// # Errors
/// When no noise can be drawn.
pub fn noised(count: u64, sensitivity: u64, epsilon: Epsilon, random: &mut dyn Random) -> Result<u64, RandomError> {
    let scale = sensitivity.checked_mul(BILLION).ok_or(RandomError)?;
    let noise = discrete_laplace(scale, epsilon.0, random)?;
    Ok(count.saturating_add_signed(noise))
}

/// A draw `z` with probability `(e^(1/b) − 1) / (e^(1/b) + 1) · e^(−|z|/b)`, where the scale `b` is `t / s`.
///
/// # Errors
/// When there are no random bits, or `t` or `s` is 0.
pub fn discrete_laplace(t: u64, s: u64, random: &mut dyn Random) -> Result<i64, RandomError> {
    if t == 0 || s == 0 {
        return Err(RandomError);
    }
    let shared = gcd(t, s);
    let (t, s) = (t / shared, s / shared);
    loop {
        let rest = below(t, random)?;
        if !bernoulli_exp(rest, t, random)? {
            continue;
        }
        let mut whole = 0_u64;
        while bernoulli_exp(1, 1, random)? {
            whole += 1;
        }
        let size = whole.checked_mul(t).and_then(|whole| whole.checked_add(rest)).ok_or(RandomError)? / s;
        let negative = below(2, random)? == 1;
        // 0 has one sign.
        if negative && size == 0 {
            continue;
        }
        let size = i64::try_from(size).map_err(|_| RandomError)?;
        return Ok(if negative { -size } else { size });
    }
}

/// True with probability `e^(−numerator/denominator)`, for a fraction of at most 1.
fn bernoulli_exp(numerator: u64, denominator: u64, random: &mut dyn Random) -> Result<bool, RandomError> {
    let mut turn = 1_u64;
    while below(denominator.checked_mul(turn).ok_or(RandomError)?, random)? < numerator {
        turn += 1;
    }
    Ok(turn % 2 == 1)
}

/// A whole number of `[0, n)`, each as likely as another.
fn below(n: u64, random: &mut dyn Random) -> Result<u64, RandomError> {
    // The highest bits that do not fill a whole range again are drawn anew.
    let rest = (u64::MAX % n + 1) % n;
    loop {
        let bits = random.bits()?;
        if bits <= u64::MAX - rest {
            return Ok(bits % n);
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Random, RandomError};

    /// SplitMix64 (Steele, Lea & Flood 2014).
    pub(crate) struct Seeded(pub(crate) u64);

    impl Random for Seeded {
        fn bits(&mut self) -> Result<u64, RandomError> {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            Ok(z ^ (z >> 31))
        }
    }

    impl Seeded {
        pub(crate) fn below(&mut self, n: u64) -> u64 {
            super::below(n, self).unwrap()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Seeded;
    use super::*;

    const DRAWS: u32 = 100_000;

    struct Never;
    impl Random for Never {
        fn bits(&mut self) -> Result<u64, RandomError> {
            Err(RandomError)
        }
    }

    /// χ² of draws against the distribution, tails pooled where fewer than 10 are expected; and how many degrees of freedom.
    fn chi_square(t: u64, s: u64) -> (f64, f64) {
        let mut random = Seeded(t * 31 + s);
        let mut seen = std::collections::BTreeMap::<i64, u32>::new();
        for _ in 0..DRAWS {
            *seen.entry(discrete_laplace(t, s, &mut random).unwrap()).or_default() += 1;
        }
        let rate = s as f64 / t as f64;
        let share = |z: i64| (rate.exp() - 1.0) / (rate.exp() + 1.0) * (-(z.abs() as f64) * rate).exp();
        let edge = (0..).find(|z| share(*z) * f64::from(DRAWS) < 10.0).unwrap();
        let (mut sum, mut inside) = (0.0, 0.0);
        for z in -edge + 1..edge {
            let expected = share(z) * f64::from(DRAWS);
            inside += expected;
            sum += (f64::from(seen.get(&z).copied().unwrap_or(0)) - expected).powi(2) / expected;
        }
        let tails = seen.iter().filter(|(z, _)| z.abs() >= edge).map(|(_, n)| f64::from(*n)).sum::<f64>();
        let expected = f64::from(DRAWS) - inside;
        sum += (tails - expected).powi(2) / expected;
        (sum, (2 * edge - 1) as f64)
    }

    #[test]
    fn draws_follow_the_distribution() {
        for (t, s) in [(1, 1), (10, 1), (2, 3), (50, 7), (1, 3)] {
            let (sum, freedom) = chi_square(t, s);
            // Wilson & Hilferty 1931: the 99.99 % point of χ².
            let limit = freedom * (1.0 - 2.0 / (9.0 * freedom) + 3.719 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
            assert!(sum < limit, "scale {t}/{s}: χ² {sum:.1} of {freedom} degrees, limit {limit:.1}");
        }
    }

    /// As one in n: counts within five standard deviations of e^(−γ).
    #[test]
    fn chances_of_an_exponential_are_exact() {
        let mut random = Seeded(7);
        for (numerator, denominator) in [(0, 5), (1, 3), (1, 2), (999, 1_000), (1, 1)] {
            let hits =
                (0..DRAWS).filter(|_| bernoulli_exp(numerator, denominator, &mut random).unwrap()).count() as f64;
            let p = (-(numerator as f64) / denominator as f64).exp();
            let n = f64::from(DRAWS);
            assert!((hits - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt(), "{numerator}/{denominator}: {hits}");
        }
    }

    #[test]
    fn whole_numbers_below_are_as_likely_as_each_other() {
        struct Given(Vec<u64>);
        impl Random for Given {
            fn bits(&mut self) -> Result<u64, RandomError> {
                self.0.pop().ok_or(RandomError)
            }
        }
        // 2^64 is 1 above a multiple of 3: the highest number of all is drawn anew.
        assert_eq!(below(3, &mut Given(vec![4, u64::MAX])), Ok(1));
        assert_eq!(below(3, &mut Given(vec![4, u64::MAX - 1])), Ok((u64::MAX - 1) % 3));
        assert_eq!(below(4, &mut Given(vec![u64::MAX])), Ok(3));
    }

    #[test]
    fn noise_moves_a_count_and_never_below_nothing() {
        let mut random = Seeded(1);
        let epsilon = Epsilon(500_000_000);
        let draws: Vec<u64> = (0..1_000).map(|_| noised(1, 20, epsilon, &mut random).unwrap()).collect();
        assert!(draws.contains(&0) && draws.iter().any(|n| *n > 40));
        assert_eq!(noised(60, 1, epsilon, &mut Never), Err(RandomError));
        assert_eq!(discrete_laplace(0, 1, &mut random), Err(RandomError));
        assert_eq!(discrete_laplace(1, 0, &mut random), Err(RandomError));
        assert_eq!(noised(60, u64::MAX, epsilon, &mut random), Err(RandomError));
        assert_eq!(
            (epsilon.decimal(1), epsilon.decimal(5), Epsilon(BILLION).decimal(1)),
            ("0.5".into(), "2.5".into(), "1".into())
        );
    }
}
