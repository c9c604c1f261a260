//! Who came back: people by the week that they were first seen in.

use schemas::FlatMap;
use serde::{Deserialize, Serialize};

use super::Person;
use super::calendar::{Calendar, monday_of};

/// Days after the first that are told one by one.
pub const CURVE_DAYS: i32 = 30;
/// Days after the first of which it is told who came back then or later.
pub const LATER: [i32; 3] = [1, 7, 30];

/// Cohorts by their Monday, in days since 1970: weeks that begin in the window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// By Monday.
    pub cohorts: FlatMap<i32, Cohort>,
}

/// People first seen in one week.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// How many.
    pub users: u64,
    /// How many were active on day 0, 1, … after their first.
    pub on_day: Vec<u64>,
    /// How many were active on day 1, 7, 30 after their first, or later.
    pub later: Vec<u64>,
}

impl Cohort {
    /// Adds people first seen in the same week.
    pub fn merge(&mut self, other: &Self) {
        self.users += other.users;
        super::add(&mut self.on_day, &other.on_day);
        super::add(&mut self.later, &other.later);
    }
}

impl Retention {
    pub(super) fn take(&mut self, person: &Person<'_>, calendar: &Calendar) {
        let Some(first) = person.first_seen.filter(|_| person.is_user()) else { return };
        let first = calendar.day_of_bucket(first);
        let monday = monday_of(first);
        if monday < calendar.first_whole || monday >= calendar.first + calendar.days {
            return;
        }
        let cohort = self.cohorts.entry(monday).or_default();
        cohort.users += 1;
        cohort.on_day.resize(1 + CURVE_DAYS as usize, 0);
        cohort.later.resize(LATER.len(), 0);
        let mut before = None;
        let mut last = first;
        for entry in person.entries.iter().filter(|entry| entry.turns > 0) {
            last = calendar.day_of_bucket(entry.bucket);
            if before != Some(last) {
                let on_day = usize::try_from(last - first).ok().and_then(|day| cohort.on_day.get_mut(day));
                on_day.into_iter().for_each(|count| *count += 1);
            }
            before = Some(last);
        }
        for (count, day) in cohort.later.iter_mut().zip(LATER) {
            *count += u64::from(last - first >= day);
        }
    }

    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        for (monday, cohort) in &other.cohorts {
            self.cohorts.entry(*monday).or_default().merge(cohort);
        }
    }
}
