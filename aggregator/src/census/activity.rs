//! Who was active when, who is new, what each spent.

use std::collections::BTreeMap;

use schemas::event::Country;
use schemas::{NanoUsd, UserKey};
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, DayNo};
use super::sums::{Collecting, Ratio};
use super::{Ask, Person, Scope, add, merge_counts};
use crate::fold::people::facts::{Entry, Owner};
use crate::stats::distribution::Distribution;

/// How many top spenders are named.
pub const TOP_USERS: usize = 10;
/// Fewest sessions of each segment but the first, which has none: one, light, regular, heavy.
pub const SEGMENTS: [u32; 4] = [1, 2, 5, 20];

/// People by their activity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// People active on each day of the window.
    pub dau: Vec<u64>,
    /// In the seven days that end with each day.
    pub wau: Vec<u64>,
    /// In the thirty days that end with each day.
    pub mau: Vec<u64>,
    /// Of those active on each day: first seen that day.
    pub new_by_day: Vec<u64>,
    /// People active in the window.
    pub users: u64,
    /// Of those: first seen in it.
    pub new_users: u64,
    /// Turns in the window that belong to a person or a thread.
    pub turns: u64,
    /// Of those: with a whole reply.
    pub turns_ok: u64,
    /// What they cost.
    pub nano_usd: NanoUsd,
    /// Turns by day, likewise.
    pub turns_by_day: Vec<u64>,
    /// People by whether they are guests.
    pub by_guest: BTreeMap<Option<bool>, u64>,
    /// People by plan.
    pub by_plan: BTreeMap<Option<String>, u64>,
    /// People by country.
    pub by_country: BTreeMap<Option<Country>, u64>,
    /// Turns by country.
    pub turns_by_country: BTreeMap<Option<Country>, u64>,
    /// People by UTC offset, minutes.
    pub by_offset: BTreeMap<Option<i16>, u64>,
    /// Spend of each person.
    pub spend_per_user: Distribution,
    /// Turns of each person.
    pub turns_per_user: Distribution,
    /// Messages of each person.
    pub messages_per_user: Distribution,
    /// Sessions of each person.
    pub sessions_per_user: Distribution,
    /// Spend to turns that have a price, by owner.
    pub spend_to_turns: Ratio,
    /// People, their turns and their spend by segment: no session, then [`SEGMENTS`].
    pub segments: Vec<Segment>,
    /// People who spent as much as was asked for, or more.
    pub at_limit: u64,
    /// Who spent most, most first.
    pub top_users: Vec<TopUser>,
}

/// People with about as many sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// How many.
    pub users: u64,
    /// Their turns.
    pub turns: u64,
    /// Their spend.
    pub nano_usd: NanoUsd,
}

/// A person who spent much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUser {
    /// Who, as a key.
    pub user: UserKey,
    /// How much.
    pub nano_usd: NanoUsd,
    /// Turns.
    pub turns: u64,
}

/// Sorts by spend, then turns, most first, then key; keeps the first ten.
fn rank(users: &mut Vec<TopUser>) {
    users.sort_by(|a, b| b.nano_usd.cmp(&a.nano_usd).then(b.turns.cmp(&a.turns)).then(a.user.cmp(&b.user)));
    users.truncate(TOP_USERS);
}

impl Activity {
    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.dau, &other.dau);
        add(&mut self.wau, &other.wau);
        add(&mut self.mau, &other.mau);
        add(&mut self.new_by_day, &other.new_by_day);
        add(&mut self.turns_by_day, &other.turns_by_day);
        self.users += other.users;
        self.new_users += other.new_users;
        self.turns += other.turns;
        self.turns_ok += other.turns_ok;
        self.nano_usd += other.nano_usd;
        merge_counts(&mut self.by_guest, &other.by_guest);
        merge_counts(&mut self.by_plan, &other.by_plan);
        merge_counts(&mut self.by_country, &other.by_country);
        merge_counts(&mut self.turns_by_country, &other.turns_by_country);
        merge_counts(&mut self.by_offset, &other.by_offset);
        self.spend_per_user.merge(&other.spend_per_user);
        self.turns_per_user.merge(&other.turns_per_user);
        self.messages_per_user.merge(&other.messages_per_user);
        self.sessions_per_user.merge(&other.sessions_per_user);
        self.spend_to_turns.merge(&other.spend_to_turns);
        if self.segments.len() < other.segments.len() {
            self.segments.resize(other.segments.len(), Segment::default());
        }
        for (mine, theirs) in self.segments.iter_mut().zip(&other.segments) {
            mine.users += theirs.users;
            mine.turns += theirs.turns;
            mine.nano_usd += theirs.nano_usd;
        }
        self.at_limit += other.at_limit;
        self.top_users.extend_from_slice(&other.top_users);
        rank(&mut self.top_users);
    }
}

/// What is collected on the way.
#[derive(Default)]
pub(super) struct Taking {
    spend: Collecting,
    turns: Collecting,
    messages: Collecting,
    sessions: Collecting,
}

impl Taking {
    pub fn take(&mut self, person: &Person<'_>, ask: &Ask, calendar: &Calendar, activity: &mut Activity) {
        let window = person.between(ask.window.from, ask.window.to);
        let nano_usd: NanoUsd = window.iter().map(|entry| entry.nano_usd).sum();
        let turns: u64 = window.iter().map(|entry| u64::from(entry.turns)).sum();
        let ok: u64 = window.iter().map(|entry| u64::from(entry.turns_ok)).sum();
        let active = turns > 0;
        let spent = |activity: &mut Activity| {
            if let Owner::User(user) = person.owner {
                activity.top_users.push(TopUser { user, nano_usd, turns });
                if activity.top_users.len() > 8 * TOP_USERS {
                    rank(&mut activity.top_users);
                }
            }
        };
        if let Scope::Spend(limit) = ask.scope {
            if active && person.is_user() {
                activity.at_limit += u64::from(nano_usd >= limit);
                activity.users += 1;
                self.spend.push(nano_usd.0);
                spent(activity);
            }
            return;
        }
        for entry in window {
            *activity.turns_by_country.entry(person.words.cohort(entry.cohort).country).or_default() +=
                u64::from(entry.turns);
            let day = calendar.day_of_bucket(entry.bucket) - calendar.first;
            if let Some(count) = at(&mut activity.turns_by_day, day, calendar.days) {
                *count += u64::from(entry.turns);
            }
        }
        activity.turns += turns;
        activity.turns_ok += ok;
        activity.nano_usd += nano_usd;
        let priced: i64 = window.iter().map(|entry| i64::from(entry.priced)).sum();
        activity.spend_to_turns.add(nano_usd.0, priced);
        if !person.is_user() {
            return;
        }
        self.days(person, calendar, activity);
        if !active {
            return;
        }
        activity.users += 1;
        activity.new_users += u64::from(person.first_seen.is_some_and(|first| first >= ask.window.from));
        self.spend.push(nano_usd.0);
        self.turns.push(turns as i64);
        self.messages.push((turns + ok) as i64);
        spent(activity);
        let latest = latest(person, window);
        *activity.by_guest.entry(latest.guest).or_default() += 1;
        let plan = latest.plan.as_ref().map(|plan| plan.as_str());
        match activity.by_plan.iter_mut().find(|(known, _)| known.as_deref() == plan) {
            Some((_, count)) => *count += 1,
            None => drop(activity.by_plan.insert(plan.map(str::to_owned), 1)),
        }
        *activity.by_country.entry(latest.country).or_default() += 1;
        *activity.by_offset.entry(latest.utc_offset_minutes.map(|offset| offset.minutes())).or_default() += 1;

        let sessions = person.visits().filter(|visit| {
            calendar.contains(schemas::UtcMillis(visit.start_ms))
                && ask.only.as_ref().is_none_or(|only| only.is(person.words.cohort(visit.cohort)))
        });
        let sessions = u32::try_from(sessions.count()).unwrap_or(u32::MAX);
        self.sessions.push(sessions.into());
        activity.segments.resize(1 + SEGMENTS.len(), Segment::default());
        let segment = SEGMENTS.iter().filter(|fewest| sessions >= **fewest).count();
        if let Some(segment) = activity.segments.get_mut(segment) {
            segment.users += 1;
            segment.turns += turns;
            segment.nano_usd += nano_usd;
        }
    }

    /// Active days, and those that end seven and thirty of them.
    fn days(&self, person: &Person<'_>, calendar: &Calendar, activity: &mut Activity) {
        let mut active: Vec<DayNo> = Vec::new();
        let first = calendar.first - 29;
        let from = person.entries.partition_point(|entry| calendar.day_of_bucket(entry.bucket) < first);
        for entry in person.entries.get(from..).unwrap_or_default() {
            if entry.bucket >= calendar.to {
                break;
            }
            let day = calendar.day_of_bucket(entry.bucket);
            if entry.turns > 0 && active.last() != Some(&day) {
                active.push(day);
            }
        }
        for (counts, width) in [(&mut activity.dau, 1), (&mut activity.wau, 7), (&mut activity.mau, 30)] {
            let mut counted_to = 0;
            for day in &active {
                let start = (day - calendar.first).max(counted_to);
                let end = (day - calendar.first + width).min(calendar.days);
                (start..end).for_each(|day| at(counts, day, calendar.days).into_iter().for_each(|count| *count += 1));
                counted_to = counted_to.max(end);
            }
        }
        let first_day = person.first_seen.map(|first| calendar.day_of_bucket(first));
        if let Some(day) = first_day.filter(|day| active.contains(day))
            && let Some(count) = at(&mut activity.new_by_day, day - calendar.first, calendar.days)
        {
            *count += 1;
        }
    }

    pub fn done(&mut self, ask: &Ask, activity: &mut Activity) {
        let done = std::mem::take(self);
        let Activity { dau, wau, mau, new_by_day, turns_by_day, .. } = activity;
        for counts in [dau, wau, mau, new_by_day, turns_by_day] {
            counts.resize(ask.window.days.len(), 0);
        }
        activity.spend_per_user = done.spend.done();
        activity.turns_per_user = done.turns.done();
        activity.messages_per_user = done.messages.done();
        activity.sessions_per_user = done.sessions.done();
        rank(&mut activity.top_users);
    }
}

/// The place of a day in a list of the window's days; `None` outside.
fn at(counts: &mut Vec<u64>, day: i32, days: i32) -> Option<&mut u64> {
    if counts.is_empty() {
        counts.resize(days as usize, 0);
    }
    counts.get_mut(usize::try_from(day).ok()?)
}

/// Attributes of the latest turn; of several in the last quarter of an hour those that come last.
fn latest<'a>(person: &'a Person<'_>, window: &[Entry]) -> &'a schemas::event::Cohort {
    let mut turns = window.iter().rev().filter(|entry| entry.turns > 0);
    let last = turns.next();
    let cohort = last.map_or(0, |last| {
        turns
            .take_while(|entry| entry.bucket == last.bucket)
            .fold(last.cohort, |cohort, entry| person.words.later(cohort, entry.cohort))
    });
    person.words.cohort(cohort)
}
