//! Dollars, and other decimals that are exact to the ninth place.

use serde::{Deserialize, Deserializer, Serialize};

/// Dollars, USD × 1e-9; written as a decimal, `"12.50"` or `12.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub i64);

impl Usd {
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
            return None;
        }
        let part: i64 = format!("{part:0<9}").parse().ok()?;
        Some(Self(whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part)?))
    }
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000))
    }
}

/// A decimal as text or as a number; `None` when it is none, or has too many digits.
pub(super) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Whole(u64),
        // The shortest decimal that means this double is the one that was written.
        Decimal(f64),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Decimal(number) => number.to_string(),
    };
    Ok(Usd::parse(&text))
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer)?.ok_or_else(|| {
            serde::de::Error::custom("must be an amount of dollars such as \"12.50\", with at most 9 decimals")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        let usd = |json: &str| serde_json::from_str::<Usd>(json).map(|usd| usd.0).ok();
        assert_eq!(usd("0.1"), Some(100_000_000));
        assert_eq!(usd("\"12.50\""), Some(12_500_000_000));
        assert_eq!(usd("7"), Some(7_000_000_000));
        assert_eq!(usd("\"0.000000001\""), Some(1));
        for wrong in ["\"\"", "\"1.٣\"", "\"1e3\"", "\".5\"", "\"0.0000000001\"", "-1", "\"99999999999999\""] {
            assert_eq!(usd(wrong), None, "{wrong}");
        }
        assert_eq!(usd(&serde_json::to_string(&Usd(1_500_000_000)).unwrap()), Some(1_500_000_000));
    }
}
