//! Limits of spend that hold under concurrency: what a call may cost at most is held before it is made, and its turn's real
//! cost takes the hold's place.
//!
//! - A person's limits are kept by the Shard that holds the person. Its fold knows what they spent by every way, up to the last
//!   event; a hold goes in the same step in which its turn is appended.
//! - The app's limits are kept by Gold. It knows what the Shards have told it, all ways included; a turn of the gateway counts
//!   at once, because it is settled with Gold, too, and stands beside the days until they include it, which its position in
//!   its Shard's log tells. So nothing counts twice, a settlement that was lost is made good by the next push, and what other
//!   ways spend reaches the limit when their Shard tells Gold: within 45 s.
//!
//! A hold that is never settled ends by itself, so that it can't block for ever. Holds are stored before they are granted: an
//! object that is evicted between 200 calls must not forget the first 100.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Months;
use schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use schemas::{Bucket15, EventKey, NanoUsd, UserKey, UtcMillis};
use serde::{Deserialize, Serialize};

use crate::civil::{self, Window};
use crate::zone::Zone;

/// How long a hold lasts by default, milliseconds: longer than a call to a model takes.
pub const HOLD_MS: i64 = 10 * MINUTE_MS;
/// How long a hold may last, milliseconds.
const HOLD_MS_MAX: i64 = HOUR_MS;
/// How long a settled turn waits at most for the days to include it, milliseconds: until then its Shard has told Gold many
/// times over.
const SETTLED_MS_MAX: i64 = DAY_MS;

/// Limits of spend; zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of all, a civil day.
    pub day: NanoUsd,
    /// Of all, a civil month.
    pub month: NanoUsd,
    /// Of one person, a civil day.
    pub user_day: NanoUsd,
    /// Of one person, a civil month.
    pub user_month: NanoUsd,
}

impl Limits {
    /// Limits of one person are set.
    #[must_use]
    pub fn of_people(&self) -> bool {
        self.user_day > NanoUsd::ZERO || self.user_month > NanoUsd::ZERO
    }

    /// Limits of all together are set.
    #[must_use]
    pub fn of_all(&self) -> bool {
        self.day > NanoUsd::ZERO || self.month > NanoUsd::ZERO
    }
}

/// Buckets `[from, to)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First bucket.
    pub from: Bucket15,
    /// First bucket after it.
    pub to: Bucket15,
}

impl Span {
    /// The span as a window that is asked for people's spend only.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { days: Vec::new(), before: Vec::new(), from: self.from, to: self.to }
    }
}

/// The civil day and month that limits are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// Today.
    pub day: Span,
    /// This month.
    pub month: Span,
}

impl Periods {
    /// Day and month of an instant in a zone.
    #[must_use]
    pub fn at(tz: Zone, now: UtcMillis) -> Self {
        let today = civil::date_of(tz, now);
        let first = civil::month_start(today);
        let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
        let start = |date| Bucket15::of(civil::day_start(tz, date));
        Self {
            day: Span { from: start(today), to: start(civil::next(today)) },
            month: Span { from: start(first), to: start(next) },
        }
    }
}

/// Limits to show, for the periods that they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetQuery {
    /// The limits.
    pub limits: Limits,
    /// In the home zone.
    pub periods: Periods,
}

/// Asks to hold what a call may cost at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRequest {
    /// Id of the turn to come.
    pub id: EventKey,
    /// Its person.
    pub user: Option<UserKey>,
    /// What leads to its Shard.
    pub bits: u64,
    /// Its time.
    pub at: UtcMillis,
    /// What it may cost at most.
    pub amount: NanoUsd,
    /// What must not be passed.
    pub limits: Limits,
    /// When `at` is, in the home zone.
    pub periods: Periods,
    /// How long until the hold ends by itself, milliseconds; [`HOLD_MS`] unless there is a reason.
    pub hold_ms: i64,
}

impl HoldRequest {
    /// The person's Shard has a say.
    #[must_use]
    pub fn asks_person(&self) -> bool {
        self.user.is_some() && self.limits.of_people()
    }

    /// Gold has a say.
    #[must_use]
    pub fn asks_all(&self) -> bool {
        self.limits.of_all()
    }

    pub(crate) fn hold(&self, user: Option<UserKey>, now: UtcMillis) -> Hold {
        let until = now.plus_ms(self.hold_ms.clamp(0, HOLD_MS_MAX));
        let amount = self.amount.max(NanoUsd::ZERO);
        Hold { id: self.id, user, bucket: Bucket15::of(self.at), amount, until, stored: None, bits: self.bits }
    }
}

/// May the call be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReply {
    /// Yes; its amount is held.
    Admitted,
    /// No, and nothing is held.
    Refused(Refusal),
}

/// Which limit a call would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Of all, a civil day.
    Day,
    /// Of all, a civil month.
    Month,
    /// Of one person, a civil day.
    UserDay,
    /// Of one person, a civil month.
    UserMonth,
}

/// Why a call may not be made; of several limits that it would pass, the one that opens last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which limit.
    pub kind: LimitKind,
    /// How much it is.
    pub limit: NanoUsd,
    /// Spent of it.
    pub spent: NanoUsd,
    /// Held for calls that are under way.
    pub held: NanoUsd,
    /// When its period ends.
    pub opens_at: UtcMillis,
}

/// What became of a held call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Id of its turn.
    pub id: EventKey,
    /// Time of its turn.
    pub at: UtcMillis,
    /// What it cost; `None` when it cost nothing, or another way has told of it.
    pub cost: Option<NanoUsd>,
    /// Where its turn is stored.
    pub stored: StoredAt,
}

/// A position in a Shard's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoredAt {
    /// Which Shard.
    pub shard: u32,
    /// Position at or before which the turn is.
    pub seq: u64,
}

/// Money that counts although no day includes it: held for a call, or spent by a turn that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Id of the turn.
    pub id: EventKey,
    /// Its person, where the limit is a person's.
    pub user: Option<UserKey>,
    /// Its time.
    pub bucket: Bucket15,
    /// How much.
    pub amount: NanoUsd,
    /// When it ends by itself.
    pub until: UtcMillis,
    /// Where the turn is, once it is stored.
    pub stored: Option<StoredAt>,
    /// What leads to its person's Shard.
    #[serde(default)]
    pub bits: u64,
}

impl Hold {
    /// A turn that has been stored, until the days include it.
    pub(crate) fn settled(settlement: &Settlement, cost: NanoUsd, now: UtcMillis) -> Self {
        Self {
            id: settlement.id,
            user: None,
            bucket: Bucket15::of(settlement.at),
            amount: cost,
            until: now.plus_ms(SETTLED_MS_MAX),
            stored: Some(settlement.stored),
            bits: 0,
        }
    }
}

/// One limit, and what is spent of it by what is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) kind: LimitKind,
    pub(crate) limit: NanoUsd,
    pub(crate) span: Span,
    pub(crate) spent: NanoUsd,
}

/// Everything held in one object.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    by_id: BTreeMap<EventKey, Hold>,
    sums: BTreeMap<(Option<UserKey>, Bucket15), NanoUsd>,
    ends: BTreeSet<(UtcMillis, EventKey)>,
    stored: BTreeSet<(StoredAt, EventKey)>,
}

impl Holds {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn contains(&self, id: &EventKey) -> bool {
        self.by_id.contains_key(id)
    }

    /// Those of a person's calls.
    pub(crate) fn of(&self, user: UserKey) -> Vec<EventKey> {
        self.by_id.values().filter(|hold| hold.user == Some(user)).map(|hold| hold.id).collect()
    }

    /// Those of people.
    pub(crate) fn of_people(&self) -> impl Iterator<Item = &Hold> {
        self.by_id.values().filter(|hold| hold.user.is_some())
    }

    /// Why `amount` more may not be spent, if it may not: what is spent, held and asked for would pass a limit.
    pub(crate) fn refusal(&self, user: Option<UserKey>, amount: NanoUsd, limits: &[Limit]) -> Option<Refusal> {
        let set = limits.iter().filter(|limit| limit.limit > NanoUsd::ZERO);
        let passed = set.filter_map(|limit| {
            let held = self.held(user, limit.span);
            (limit.spent + held + amount.max(NanoUsd::ZERO) > limit.limit).then(|| Refusal {
                kind: limit.kind,
                limit: limit.limit,
                spent: limit.spent,
                held,
                opens_at: limit.span.to.start(),
            })
        });
        passed.max_by_key(|refusal| refusal.opens_at)
    }

    fn held(&self, user: Option<UserKey>, span: Span) -> NanoUsd {
        if span.from >= span.to {
            return NanoUsd::ZERO;
        }
        self.sums.range((user, span.from)..(user, span.to)).map(|(_, amount)| *amount).sum()
    }

    /// Adds a hold, or replaces the one of the same id.
    pub(crate) fn put(&mut self, hold: Hold) {
        self.remove(&hold.id);
        *self.sums.entry((hold.user, hold.bucket)).or_default() += hold.amount;
        self.ends.insert((hold.until, hold.id));
        if let Some(stored) = hold.stored {
            self.stored.insert((stored, hold.id));
        }
        self.by_id.insert(hold.id, hold);
    }

    /// Takes a hold away. Returns whether it was there.
    pub(crate) fn remove(&mut self, id: &EventKey) -> bool {
        let Some(hold) = self.by_id.remove(id) else { return false };
        let key = (hold.user, hold.bucket);
        if let Some(sum) = self.sums.get_mut(&key) {
            *sum += NanoUsd(-hold.amount.0);
            if *sum == NanoUsd::ZERO {
                self.sums.remove(&key);
            }
        }
        self.ends.remove(&(hold.until, hold.id));
        if let Some(stored) = hold.stored {
            self.stored.remove(&(stored, hold.id));
        }
        true
    }

    /// Takes away what has ended by `now`, and names it.
    pub(crate) fn expire(&mut self, now: UtcMillis) -> Vec<EventKey> {
        let ended = self.ends.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| *id).collect();
        self.remove_all(ended)
    }

    /// Takes away the turns of a Shard that are stored at or before `upto`, and names them.
    pub(crate) fn covered(&mut self, shard: u32, upto: u64) -> Vec<EventKey> {
        let first = (StoredAt { shard, seq: 0 }, EventKey::default());
        let of_shard = self.stored.range(first..).take_while(|(at, _)| at.shard == shard && at.seq <= upto);
        let covered = of_shard.map(|(_, id)| *id).collect();
        self.remove_all(covered)
    }

    fn remove_all(&mut self, ids: Vec<EventKey>) -> Vec<EventKey> {
        for id in &ids {
            self.remove(id);
        }
        ids
    }
}

impl FromIterator<Hold> for Holds {
    fn from_iter<I: IntoIterator<Item = Hold>>(holds: I) -> Self {
        let mut all = Self::default();
        holds.into_iter().for_each(|hold| all.put(hold));
        all
    }
}

#[cfg(test)]
#[path = "budget_test.rs"]
mod tests;
