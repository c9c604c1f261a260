//! Sessions that began in the window: how long, how costly, when, how they ended, and what was felt and wanted in them.

use schemas::FlatMap;
use schemas::UtcMillis;
use schemas::event::Country;
use schemas::time::{HOUR_MS, MINUTE_MS};
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, weekly_hour};
use super::sums::{Collecting, Ratio};
use super::{Ask, Person, add, count_at, merge_counts};
use crate::fold::people::facts::{Mention, Mood, ThreadId, Track, VISIT_GAP_MS, Visit};
use crate::stats::distribution::Distribution;

/// Numbers of turns that are told apart; the last stands for all above.
pub const TURN_NUMBERS: usize = 11;
/// Emotions, in the order of the catalogue.
pub const EMOTIONS: usize = 9;

/// Sessions by what they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// That began on each day of the window.
    pub by_day: Vec<u64>,
    /// Turns of each.
    pub turns: Distribution,
    /// From first to last turn, milliseconds.
    pub length_ms: Distribution,
    /// What each cost.
    pub spend: Distribution,
    /// Tokens of each.
    pub tokens: Distribution,
    /// Spend to sessions, by owner.
    pub spend_to_sessions: Ratio,
    /// Turns to sessions.
    pub turns_to_sessions: Ratio,
    /// Messages to sessions.
    pub messages_to_sessions: Ratio,
    /// Tokens to sessions.
    pub tokens_to_sessions: Ratio,
    /// Tokens to messages.
    pub tokens_to_messages: Ratio,
    /// By hour of the week in the window's zone, from Monday on.
    pub by_hour: Vec<u64>,
    /// By hour of the week where the person is.
    pub by_local_hour: Vec<u64>,
    /// Of people whose offset is not known.
    pub local_hour_unknown: u64,
    /// By country.
    pub by_country: FlatMap<Option<Country>, u64>,
    /// By UTC offset, minutes: of each hour of the day there.
    pub by_offset: FlatMap<i16, Vec<u64>>,
    /// Whose last turn has no whole reply.
    pub abandoned: u64,
    /// Those by number of turns, from 1; see [`TURN_NUMBERS`].
    pub abandoned_by_turns: Vec<u64>,
    /// By the intent that was named first.
    pub first_intents: FlatMap<String, u64>,
    /// By dominant emotion.
    pub emotions: Vec<u64>,
    /// By day and dominant emotion.
    pub emotions_by_day: Vec<Vec<u64>>,
    /// Observations in the window, and those with a sign of frustration, by the model of their session's last turn.
    pub frustration_by_model: FlatMap<Option<String>, (u64, u64)>,
    /// Under way now, whatever the window.
    pub active: u64,
}

impl Sessions {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_day.iter().sum()
    }

    /// Adds another Shard's.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.by_day, &other.by_day);
        add(&mut self.by_hour, &other.by_hour);
        add(&mut self.by_local_hour, &other.by_local_hour);
        add(&mut self.abandoned_by_turns, &other.abandoned_by_turns);
        add(&mut self.emotions, &other.emotions);
        if self.emotions_by_day.len() < other.emotions_by_day.len() {
            self.emotions_by_day.resize(other.emotions_by_day.len(), Vec::new());
        }
        self.emotions_by_day.iter_mut().zip(&other.emotions_by_day).for_each(|(mine, theirs)| add(mine, theirs));
        for (mine, theirs) in [
            (&mut self.turns, &other.turns),
            (&mut self.length_ms, &other.length_ms),
            (&mut self.spend, &other.spend),
            (&mut self.tokens, &other.tokens),
        ] {
            mine.merge(theirs);
        }
        for (mine, theirs) in [
            (&mut self.spend_to_sessions, &other.spend_to_sessions),
            (&mut self.turns_to_sessions, &other.turns_to_sessions),
            (&mut self.messages_to_sessions, &other.messages_to_sessions),
            (&mut self.tokens_to_sessions, &other.tokens_to_sessions),
            (&mut self.tokens_to_messages, &other.tokens_to_messages),
        ] {
            mine.merge(theirs);
        }
        self.local_hour_unknown += other.local_hour_unknown;
        self.abandoned += other.abandoned;
        self.active += other.active;
        merge_counts(&mut self.by_country, &other.by_country);
        merge_counts(&mut self.first_intents, &other.first_intents);
        for (offset, hours) in &other.by_offset {
            add(self.by_offset.entry(*offset).or_default(), hours);
        }
        for (model, (all, frustrated)) in &other.frustration_by_model {
            let mine = self.frustration_by_model.entry(model.clone()).or_default();
            *mine = (mine.0 + all, mine.1 + frustrated);
        }
    }
}

/// What is collected on the way.
#[derive(Default)]
pub(super) struct Taking {
    turns: Collecting,
    length_ms: Collecting,
    spend: Collecting,
    tokens: Collecting,
}

/// Sums of one owner's sessions.
#[derive(Default)]
struct Totals {
    sessions: i64,
    turns: i64,
    messages: i64,
    tokens: i64,
    nano_usd: i64,
}

impl Taking {
    pub fn take(&mut self, person: &Person<'_>, ask: &Ask, calendar: &Calendar, sessions: &mut Sessions) {
        let mut totals = Totals::default();
        for (thread, track) in person.tracks() {
            for visit in track.visits.iter().filter(|visit| visit.turns > 0) {
                if ask.only.as_ref().is_some_and(|only| !only.is(person.words.cohort(visit.cohort))) {
                    continue;
                }
                sessions.active += u64::from(visit.end_ms <= ask.now.0 && ask.now.0 - visit.end_ms < VISIT_GAP_MS);
                if calendar.contains(UtcMillis(visit.start_ms)) {
                    self.visit(person, visit, calendar, sessions, &mut totals);
                    if ask.only.is_none() {
                        content(person, *thread, track, visit, calendar, sessions);
                    }
                }
            }
            if ask.only.is_none() {
                frustration(person, *thread, track, calendar, sessions);
            }
        }
        let Totals { sessions: count, turns, messages, tokens, nano_usd } = totals;
        sessions.spend_to_sessions.add(nano_usd, count);
        sessions.turns_to_sessions.add(turns, count);
        sessions.messages_to_sessions.add(messages, count);
        sessions.tokens_to_sessions.add(tokens, count);
        sessions.tokens_to_messages.add(tokens, messages);
    }

    fn visit(
        &mut self,
        person: &Person<'_>,
        visit: &Visit,
        calendar: &Calendar,
        sessions: &mut Sessions,
        totals: &mut Totals,
    ) {
        let messages = i64::from(visit.turns) + i64::from(visit.turns_ok);
        let tokens = i64::try_from(visit.tokens).unwrap_or(i64::MAX);
        self.turns.push(visit.turns.into());
        self.length_ms.push(visit.end_ms - visit.start_ms);
        self.spend.push(visit.nano_usd.0);
        self.tokens.push(tokens);
        totals.sessions += 1;
        totals.turns += i64::from(visit.turns);
        totals.messages += messages;
        totals.tokens = totals.tokens.saturating_add(tokens);
        totals.nano_usd = totals.nano_usd.saturating_add(visit.nano_usd.0);

        count_at(&mut sessions.by_day, calendar.index_of(visit.start_ms).max(0) as usize);
        count_at(&mut sessions.by_hour, calendar.weekly_hour(visit.start_ms));
        let cohort = person.words.cohort(visit.cohort);
        *sessions.by_country.entry(cohort.country).or_default() += 1;
        match cohort.utc_offset_minutes {
            Some(offset) => {
                let local = visit.start_ms + i64::from(offset.minutes()) * MINUTE_MS;
                count_at(&mut sessions.by_local_hour, weekly_hour(local));
                let hours = sessions.by_offset.entry(offset.minutes()).or_default();
                count_at(hours, (local.div_euclid(HOUR_MS)).rem_euclid(24) as usize);
            }
            None => sessions.local_hour_unknown += 1,
        }
        if !visit.last_ok {
            sessions.abandoned += 1;
            let turns = (visit.turns as usize).clamp(1, TURN_NUMBERS);
            count_at(&mut sessions.abandoned_by_turns, turns - 1);
        }
    }

    pub fn done(&mut self, ask: &Ask, sessions: &mut Sessions) {
        let done = std::mem::take(self);
        sessions.turns = done.turns.done();
        sessions.length_ms = done.length_ms.done();
        sessions.spend = done.spend.done();
        sessions.tokens = done.tokens.done();
        let days = ask.window.days.len();
        sessions.by_day.resize(days, 0);
        sessions.emotions_by_day.resize(days, Vec::new());
        sessions.by_hour.resize(168, 0);
        sessions.by_local_hour.resize(168, 0);
        sessions.abandoned_by_turns.resize(TURN_NUMBERS, 0);
        sessions.emotions.resize(EMOTIONS, 0);
        sessions.emotions_by_day.iter_mut().for_each(|counts| counts.resize(EMOTIONS, 0));
        sessions.by_offset.values_mut().for_each(|hours| hours.resize(24, 0));
    }
}

/// Until when what happens in a visit's thread is part of it, excluded, unless the next one begins before.
fn end_of(thread: ThreadId, visit: &Visit) -> i64 {
    visit.end_ms.saturating_add(thread.gap_ms())
}

/// Those of `all`, ascending in time, that happened in a visit.
fn of_visit<'a, T>(all: &'a [T], at: fn(&T) -> i64, thread: ThreadId, track: &Track, visit: &Visit) -> &'a [T] {
    let next = track.visits.partition_point(|other| other.start_ms <= visit.start_ms);
    let next = track.visits.get(next).map_or(i64::MAX, |next| next.start_ms);
    let first = all.partition_point(|thing| at(thing) < visit.start_ms);
    let end = all.partition_point(|thing| at(thing) < end_of(thread, visit).min(next));
    all.get(first..end.max(first)).unwrap_or_default()
}

/// What was felt most in a visit, as a number of [`EMOTIONS`]: by intensity, then by how often, then first in the catalogue.
pub(super) fn dominant(thread: ThreadId, track: &Track, visit: &Visit) -> Option<usize> {
    let moods = of_visit(&track.moods, |mood: &Mood| mood.ts_ms, thread, track, visit);
    let mut weights = [(0u32, 0u32); EMOTIONS];
    for mood in moods {
        if let Some((intensity, count)) = weights.get_mut(mood.emotion as usize) {
            *intensity += u32::from(mood.intensity);
            *count += 1;
        }
    }
    let dominant = weights.iter().enumerate().rev().max_by_key(|(_, weight)| **weight);
    dominant.filter(|_| !moods.is_empty()).map(|(emotion, _)| emotion)
}

/// The dominant emotion and the first intent of a visit.
fn content(
    person: &Person<'_>,
    thread: ThreadId,
    track: &Track,
    visit: &Visit,
    calendar: &Calendar,
    sessions: &mut Sessions,
) {
    if let Some(emotion) = dominant(thread, track, visit) {
        count_at(&mut sessions.emotions, emotion);
        let day = calendar.index_of(visit.start_ms).max(0) as usize;
        if sessions.emotions_by_day.len() <= day {
            sessions.emotions_by_day.resize(day + 1, Vec::new());
        }
        sessions.emotions_by_day.get_mut(day).into_iter().for_each(|counts| count_at(counts, emotion));
    }
    let mentions = of_visit(&track.mentions, |mention: &Mention| mention.ts_ms, thread, track, visit);
    let first = mentions.first().map(|first| {
        let same = mentions.iter().take_while(|mention| mention.ts_ms == first.ts_ms);
        same.filter_map(|mention| person.words.word(mention.intent)).min()
    });
    if let Some(Some(intent)) = first {
        *sessions.first_intents.entry(intent.to_string()).or_default() += 1;
    }
}

fn frustration(person: &Person<'_>, thread: ThreadId, track: &Track, calendar: &Calendar, sessions: &mut Sessions) {
    for mood in track.moods.iter().filter(|mood| calendar.contains(UtcMillis(mood.ts_ms))) {
        let at = track.visits.partition_point(|visit| visit.start_ms <= mood.ts_ms);
        let visit = at.checked_sub(1).and_then(|at| track.visits.get(at));
        let visit = visit.filter(|visit| mood.ts_ms < end_of(thread, visit));
        let model = visit.and_then(|visit| person.words.word(visit.model)).map(ToString::to_string);
        let counts = sessions.frustration_by_model.entry(model).or_default();
        *counts = (counts.0 + 1, counts.1 + u64::from(mood.frustrated));
    }
}
