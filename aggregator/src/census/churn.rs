//! Who may be leaving, as of the window's last day that has begun.

use schemas::UserKey;
use schemas::order;
use serde::{Deserialize, Serialize};

use super::Person;
use super::calendar::{Calendar, DayNo};
use crate::fold::people::facts::Owner;
use crate::stats::quantile;

/// How many are named.
pub const NAMED_MAX: usize = 100;
/// Days on which someone must have been seen: of fewer no habit is known.
const DAYS_SEEN_MIN: usize = 3;
/// Days of silence after which someone is gone, no longer at risk; also those that tell who is a customer.
const GONE_DAYS: DayNo = 90;
/// Days of silence below which no one is at risk.
const SILENT_DAYS_MIN: DayNo = 14;
/// Fewest sessions a week whose half says anything.
const WEEKLY_MEDIAN_MIN: f64 = 2.0;

/// People who may be leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Churn {
    /// People active in the last 90 days.
    pub active: u64,
    /// Of those: at risk.
    pub at_risk: u64,
    /// Those silent longest, longest first, [`NAMED_MAX`] at most.
    pub users: Vec<AtRisk>,
}

/// A person at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRisk {
    /// Who, as a key.
    pub user: UserKey,
    /// Whole days since their last active one.
    pub silent_days: i32,
    /// Why.
    pub reason: Reason,
}

/// Why someone is at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Silent for longer than 95 % of their own pauses, and 14 days.
    Silent,
    /// Half the sessions a week that they had, or fewer.
    Halved,
}

impl Churn {
    pub(super) fn take(&mut self, person: &Person<'_>, calendar: &Calendar) {
        let (Owner::User(user), Some(today)) = (person.owner, calendar.last_begun) else { return };
        let mut days: Vec<DayNo> = Vec::new();
        for entry in person.entries.iter().filter(|entry| entry.turns > 0) {
            let day = calendar.day_of_bucket(entry.bucket);
            if day <= today && days.last() != Some(&day) {
                days.push(day);
            }
        }
        let Some(last) = days.last() else { return };
        let silent_days = today - last;
        if silent_days >= GONE_DAYS {
            return;
        }
        self.active += 1;
        if days.len() < DAYS_SEEN_MIN {
            return;
        }
        let mut gaps: Vec<DayNo> = days.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).collect();
        order::ascending(&mut gaps);
        let usual = quantile::of_sorted(&gaps, 0.95).unwrap_or(0);
        let reason = if silent_days > usual.max(SILENT_DAYS_MIN) {
            Reason::Silent
        } else if is_halved(person, calendar, today) {
            Reason::Halved
        } else {
            return;
        };
        self.at_risk += 1;
        self.users.push(AtRisk { user, silent_days, reason });
        if self.users.len() > 8 * NAMED_MAX {
            self.rank();
        }
    }

    fn rank(&mut self) {
        order::by(&mut self.users, |a, b| b.silent_days.cmp(&a.silent_days).then(a.user.cmp(&b.user)));
        self.users.truncate(NAMED_MAX);
    }

    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        self.active += other.active;
        self.at_risk += other.at_risk;
        self.users.extend_from_slice(&other.users);
        self.rank();
    }
}

fn is_halved(person: &Person<'_>, calendar: &Calendar, today: DayNo) -> bool {
    let mut weeks = [0u32; 5];
    for visit in person.visits() {
        let ago = today - calendar.day_of(visit.start_ms);
        let week = usize::try_from(ago.div_euclid(7)).ok().and_then(|week| weeks.get_mut(week));
        week.into_iter().for_each(|count| *count += 1);
    }
    let [this, mut before @ ..] = weeks;
    order::ascending(&mut before);
    let [_, low, high, _] = before;
    let median = f64::from(low + high) / 2.0;
    median >= WEEKLY_MEDIAN_MIN && f64::from(this) <= median / 2.0
}
