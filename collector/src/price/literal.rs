//! What the texts of `prices.toml` mean: exact decimals, UTC days, patterns of names. Used by the build step, too.

/// A name in which `*` stands for anything, compared without case.
#[derive(Clone, Debug)]
pub struct Glob(String);

impl Glob {
    /// Reads the pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.trim().to_lowercase())
    }

    /// The pattern in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does it mean this name, which is in lower case?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else { return false };
        // The earliest place of each part leaves the most for those after it.
        middle.split('*').all(|part| match name.split_once(part) {
            Some((_, after)) => {
                name = after;
                true
            }
            None => false,
        })
    }
}

/// A decimal number, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Below zero.
    pub negative: bool,
    digits: u128,
    /// How many of the digits stand after the point.
    decimals: u32,
}

impl Decimal {
    /// Reads `12`, `0.25`, `-3.5`: at most 9 digits before the point and 18 after it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits_only(whole) || !digits_only(fraction) || whole.len() > 9 || fraction.len() > 18 {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { negative: negative && digits > 0, digits, decimals: u32::try_from(fraction.len()).ok()? })
    }

    /// Its digits without the point, and how many of them stand after it.
    #[must_use]
    pub fn parts(&self) -> (u128, u32) {
        (self.digits, self.decimals)
    }

    /// Its size × 10^`decimals`; `None` when that is not whole or above 2^128.
    #[must_use]
    pub fn scaled(&self, decimals: u32) -> Option<u128> {
        let up = 10_u128.checked_pow(decimals.checked_sub(self.decimals)?)?;
        self.digits.checked_mul(up)
    }
}

/// Plain, without trailing zeros.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let width = self.decimals as usize + 1;
        let digits = format!("{:0width$}", self.digits);
        match digits.split_at_checked(digits.len() - self.decimals as usize) {
            Some((whole, "")) => write!(f, "{sign}{whole}"),
            Some((whole, fraction)) => write!(f, "{sign}{whole}.{fraction}"),
            None => write!(f, "{sign}{digits}"),
        }
    }
}

/// Days from 1970-01-01 to `YYYY-MM-DD`; `None` where there is no such day.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
#[must_use]
pub fn day(date: &str) -> Option<i32> {
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || !date.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    let (year, month, day): (i32, i32, i32) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    let years = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(years * 365 + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400) + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_names() {
        for (pattern, name, matches) in [
            ("GPT-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*", "", true),
            ("*mini", "gpt-4o-mini", true),
            ("ft:*:acme:*", "ft:gpt-4o:acme:x", true),
            ("ft:*:acme:*", "ft:gpt-4o:acme", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a**c", "ac", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        for (text, digits, shown) in [
            ("0.25", Some(250_000), "0.25"),
            ("12", Some(12_000_000), "12"),
            ("-3.50", Some(3_500_000), "-3.5"),
            ("0.0", Some(0), "0"),
            ("-0", Some(0), "0"),
        ] {
            let decimal = Decimal::parse(text).unwrap();
            assert_eq!((decimal.scaled(6), decimal.to_string().as_str()), (digits, shown));
        }
        assert_eq!(Decimal::parse("0.1234567").unwrap().scaled(6), None);
        for wrong in ["", ".", "1.", ".1", "+1", "1 ", "--1", "1.2.3", "１"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (date, days) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(11_016)),
            ("2026-11-21", Some(20_778)),
            ("1900-02-29", None),
            ("2026-13-01", None),
            ("2026-1-01", None),
            ("2026-01-00", None),
            ("+026-01-01", None),
        ] {
            assert_eq!(day(date), days, "{date}");
        }
    }
}
