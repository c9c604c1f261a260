//! What everyone may see.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::usd::{Usd, decimal};

/// What everyone may see, on `/safety/transparency`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    /// Fewest people behind a number.
    pub people_min: u64,
    /// The most sessions that one person adds to a quarter.
    pub user_sessions_max: u64,
    /// The most turns that one person adds to a quarter.
    pub user_turns_max: u64,
    /// Privacy loss of each number of a closed quarter; 0: no noise.
    pub epsilon: Epsilon,
    /// Crisis referrals by California's calendar year that were issued before Sage counted them.
    pub referrals: BTreeMap<String, u64>,
    /// Notes beside closed quarters, which never change.
    pub corrections: Vec<Correction>,
}

/// Fewest people behind a public number.
const PEOPLE_MIN: u64 = 50;
/// Most of one person in a quarter: above, a cap would cap no one.
const CAP_MAX: u64 = 1_000_000;
/// Greatest privacy loss of a number, × 1e-9: above, noise would hide nothing.
const EPSILON_MAX: i64 = 10_000_000_000;
/// Most notes.
const CORRECTIONS_MAX: usize = 100;
/// Most characters of a note.
const NOTE_CHARS_MAX: usize = 500;

impl Default for Public {
    fn default() -> Self {
        Self {
            people_min: PEOPLE_MIN,
            user_sessions_max: 250,
            user_turns_max: 2_500,
            epsilon: Epsilon(0),
            referrals: BTreeMap::new(),
            corrections: Vec::new(),
        }
    }
}

impl Public {
    /// Checks what types can't.
    ///
    /// # Errors
    /// The key and what it should be.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(PEOPLE_MIN..=CAP_MAX).contains(&self.people_min) {
            return Err(("people_min", "must be 50 or more: it can be raised, not lowered"));
        }
        let cap = 1..=CAP_MAX;
        if !cap.contains(&self.user_sessions_max) || !cap.contains(&self.user_turns_max) {
            return Err(("user_turns_max", "and public.user_sessions_max must lie between 1 and 1000000"));
        }
        if self.epsilon.0 > EPSILON_MAX {
            return Err(("epsilon", "must lie between 0 (no noise) and 10"));
        }
        let year = |text: &str| text.len() == 4 && text.parse::<i32>().is_ok_and(|year| (2000..=2100).contains(&year));
        if !self.referrals.iter().all(|(name, count)| year(name) && *count <= u64::from(u32::MAX)) {
            return Err(("referrals", "must be numbers of referrals by year, such as \"2025\" = 12"));
        }
        let quarter =
            |text: &str| text.split_once("-Q").is_some_and(|(y, n)| year(y) && ["1", "2", "3", "4"].contains(&n));
        let note =
            |text: &str| (1..=NOTE_CHARS_MAX).contains(&text.chars().count()) && !text.contains(char::is_control);
        let right = |one: &Correction| quarter(&one.quarter) && is_date(&one.date) && note(&one.note);
        if self.corrections.len() > CORRECTIONS_MAX || !self.corrections.iter().all(right) {
            return Err((
                "corrections",
                "must be at most 100, each with a quarter (\"2026-Q3\"), a date (\"2026-11-02\") and a note of 1 to 500 characters",
            ));
        }
        Ok(())
    }
}

/// A dated note beside a closed quarter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// `2026-Q3`.
    pub quarter: String,
    /// When it was noted, `2026-11-02`.
    pub date: String,
    /// What everyone should know.
    pub note: String,
}

/// A privacy loss, × 1e-9; written as a decimal, `"0.5"` or `0.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epsilon(pub i64);

impl Serialize for Epsilon {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Usd(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Epsilon {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("must be a decimal such as \"0.5\", with at most 9 decimals");
        decimal(deserializer)?.map(|Usd(billionths)| Self(billionths)).ok_or_else(wrong)
    }
}

/// `YYYY-MM-DD`, a day of the calendar.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| part.parse::<u32>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    text.len() == 10 && text.is_ascii() && (2000..=2100).contains(&year) && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_is_public_can_be_raised() {
        let embedded = serde_json::to_string(&Settings::default()).unwrap();
        let overlay = r#"{"public":{"people_min":60,"epsilon":0.5,"referrals":{"2025":12},
            "corrections":[{"quarter":"2026-Q3","date":"2028-02-29","note":"Two days were counted twice."}]}}"#;
        let public = Settings::load(&embedded, Some(overlay)).unwrap().public;
        assert_eq!((public.people_min, public.epsilon, public.referrals["2025"]), (60, Epsilon(500_000_000), 12));
    }
}
