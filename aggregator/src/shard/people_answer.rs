//! What a Shard's people did in a window.

use std::collections::BTreeMap;

use schemas::{NanoUsd, UserKey};

use crate::disclosure::contribution::{Cap, Capped};
use crate::fold::people::{Ledger, People};
use crate::protocol::{CivilDay, PeopleAnswer, TopUser, Window, rank};

pub(super) fn answer(people: &People, window: &Window) -> PeopleAnswer {
    let days = window.days.len();
    let mut answer = PeopleAnswer {
        sessions_by_day: vec![0; days],
        dau: vec![0; days],
        wau: vec![0; days],
        mau: vec![0; days],
        ..PeopleAnswer::default()
    };
    let calendar: Vec<&CivilDay> = window.before.iter().chain(&window.days).collect();
    for (user, ledger) in people.ledgers() {
        let active = active_days(ledger, &calendar);
        for (counts, width) in [(&mut answer.dau, 1), (&mut answer.wau, 7), (&mut answer.mau, 30)] {
            count_rolling(counts, &active, width, window.before.len());
        }
        let entries = ledger.between(window.from, window.to);
        if !entries.is_empty() {
            let nano_usd: NanoUsd = entries.iter().map(|entry| entry.nano_usd).sum();
            answer.spend_per_user.push(nano_usd);
            let turns = entries.iter().map(|entry| u64::from(entry.turns)).sum();
            answer.top_users.push(TopUser { user: *user, nano_usd, turns });
        }
    }
    rank(&mut answer.top_users);
    let (from_ms, to_ms) = (window.from.start().0, window.to.start().0);
    for visit in people.visits().filter(|visit| (from_ms..to_ms).contains(&visit.start_ms)) {
        answer.spend_per_session.push(visit.nano_usd);
        answer.turns_per_session.push(visit.turns);
        answer.length_per_session_ms.push(visit.end_ms - visit.start_ms);
        let day = window.days.partition_point(|day| day.to.start().0 <= visit.start_ms);
        if let Some(count) = answer.sessions_by_day.get_mut(day) {
            *count += 1;
        }
    }
    answer.spend_per_user.sort_unstable();
    answer.spend_per_session.sort_unstable();
    answer.turns_per_session.sort_unstable();
    answer.length_per_session_ms.sort_unstable();
    answer
}

/// What people did in a window, each up to the cap.
pub(super) fn capped(people: &People, window: &Window, cap: Cap) -> Capped {
    let mut each: BTreeMap<UserKey, (u64, u64)> = BTreeMap::new();
    for (user, ledger) in people.ledgers() {
        let entries = ledger.between(window.from, window.to);
        if !entries.is_empty() {
            each.entry(*user).or_default().1 = entries.iter().map(|entry| u64::from(entry.turns)).sum();
        }
    }
    let span = window.from.start().0..window.to.start().0;
    for (thread, visits) in people.threads() {
        let began = visits.iter().filter(|visit| span.contains(&visit.start_ms)).count() as u64;
        if let Some(user) = thread.user().filter(|_| began > 0) {
            each.entry(user).or_default().0 += began;
        }
    }
    Capped::of(each.into_values(), cap)
}

/// Indices into `calendar` of the days on which a person was active, ascending.
fn active_days(ledger: &Ledger, calendar: &[&CivilDay]) -> Vec<usize> {
    let (Some(first), Some(last)) = (calendar.first(), calendar.last()) else { return Vec::new() };
    let mut active: Vec<usize> = Vec::new();
    for entry in ledger.between(first.from, last.to) {
        let day = calendar.partition_point(|day| day.to <= entry.bucket);
        if active.last() != Some(&day) {
            active.push(day);
        }
    }
    active
}

/// Counts one person in every day of the window whose last `width` days hold one of the active days.
fn count_rolling(counts: &mut [u32], active: &[usize], width: usize, before: usize) {
    let mut counted_to = 0;
    for day in active {
        let end = (day + width).saturating_sub(before).min(counts.len());
        let start = day.saturating_sub(before).max(counted_to);
        counts.get_mut(start..end).unwrap_or_default().iter_mut().for_each(|count| *count += 1);
        counted_to = counted_to.max(end);
    }
}
