//! Who may be leaving, as of the window's last day that has begun.

use std::cmp::Reverse;
use std::fmt;

use schemas::UserKey;
use schemas::order;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, DayNo};
use super::{Ask, Person};
use crate::fold::people::facts::Owner;
use crate::stats::quantile;

/// How many are named at a time.
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
    /// Of those: after the place that is asked from.
    pub listed: u64,
    /// Those silent longest from that place on, longest first, [`NAMED_MAX`] at most.
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

impl AtRisk {
    /// Their place in the list.
    #[must_use]
    pub fn place(&self) -> Cursor {
        Cursor { silent_days: Reverse(self.silent_days), user: self.user }
    }
}

/// A place in the list of people at risk: the longest silent first, then by key. Text form: `<silent days>.<key>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    silent_days: Reverse<i32>,
    user: UserKey,
}

impl Cursor {
    /// Reads the text form. `None` of any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (silent_days, user) = text.split_once('.')?;
        let place = Self {
            silent_days: Reverse(silent_days.parse().ok()?),
            user: serde_json::from_value(serde_json::Value::from(user)).ok()?,
        };
        (place.to_string() == text && (0..GONE_DAYS).contains(&place.silent_days.0)).then_some(place)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.silent_days.0, self.user)
    }
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
    pub(super) fn take(&mut self, person: &Person<'_>, ask: &Ask, calendar: &Calendar) {
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
        self.name(AtRisk { user, silent_days, reason }, ask.after);
    }

    /// Counts someone at risk, and names them if they come after a place.
    fn name(&mut self, someone: AtRisk, after: Option<Cursor>) {
        self.at_risk += 1;
        if after.is_some_and(|after| someone.place() <= after) {
            return;
        }
        self.listed += 1;
        self.users.push(someone);
        if self.users.len() > 8 * NAMED_MAX {
            self.rank();
        }
    }

    fn rank(&mut self) {
        order::by_key(&mut self.users, AtRisk::place);
        self.users.truncate(NAMED_MAX);
    }

    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        self.active += other.active;
        self.at_risk += other.at_risk;
        self.listed += other.listed;
        self.users.extend_from_slice(&other.users);
        self.rank();
    }

    /// The place that the list goes on from; `None` where everyone has been named.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        self.users.last().filter(|_| self.listed > self.users.len() as u64).map(AtRisk::place)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::ids::KeyId;

    fn someone((silent_days, user): (i32, u16)) -> AtRisk {
        let user = UserKey::from_mac(KeyId(1), u128::from(user).wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes());
        AtRisk { user, silent_days, reason: Reason::Silent }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn pages_are_the_whole_list_once(
            people in proptest::collection::btree_map(any::<u16>(), 0..9, 0..2_000),
            shards in 1..6_usize,
        ) {
            let people: Vec<AtRisk> = people.into_iter().map(|(user, silent)| someone((silent, user))).collect();
            let mut whole = people.clone();
            whole.sort_by(|a, b| b.silent_days.cmp(&a.silent_days).then(a.user.cmp(&b.user)));
            let (mut named, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let mut of_shards = vec![Churn::default(); shards];
                for (at, person) in people.iter().enumerate() {
                    of_shards[at * 7 % shards].name(*person, after);
                }
                let mut page = Churn::default();
                of_shards.iter().for_each(|shard| page.merge(shard));
                prop_assert_eq!(page.at_risk, people.len() as u64);
                prop_assert!(page.users.len() <= NAMED_MAX);
                named.extend_from_slice(&page.users);
                pages += 1;
                match page.next() {
                    Some(next) => after = Cursor::parse(&next.to_string()),
                    None => break,
                }
                prop_assert!(after.is_some() && pages <= people.len());
            }
            prop_assert_eq!(named, whole);
            prop_assert_eq!(pages, people.len().div_ceil(NAMED_MAX).max(1));
        }

        #[test]
        fn no_text_but_its_own_is_a_place(text in "[-+0-9.k_a-f]{0,40}") {
            prop_assert!(Cursor::parse(&text).is_none_or(|place| place.to_string() == text));
        }
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = someone((21, 7)).place();
        let text = place.to_string();
        assert_eq!(Cursor::parse(&text), Some(place));
        let key = text.split_once('.').unwrap().1;
        for wrong in ["", ".", "21", "21.", "21.alice", &format!("+21.{key}"), &format!("021.{key}")] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
        for days in [-1, 90, i32::MAX] {
            assert_eq!(Cursor::parse(&format!("{days}.{key}")), None);
        }
    }
}
