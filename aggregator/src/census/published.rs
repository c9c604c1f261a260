//! What the public page tells of people: how many there were, and what they did, of each person up to a cap.

use schemas::event::Country;
use schemas::{FlatMap, UtcMillis, order};
use serde::{Deserialize, Serialize};

use super::activity::latest;
use super::calendar::Calendar;
use super::sessions::{EMOTIONS, dominant};
use super::{Person, add, count_at, merge_counts};
use crate::disclosure::contribution::{Cap, Capped};
use crate::fold::names::OTHER;
use crate::fold::people::facts::{MarkKind, ThreadId, Track, Visit};
use crate::fold::people::words::WordNo;

/// Sums over the people who were active in the window; no one else is in any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// People.
    pub users: u64,
    /// Sessions that began in the window and turns, of each person up to the cap.
    pub capped: Capped,
    /// People by the country of their latest turn.
    pub by_country: FlatMap<Option<Country>, u64>,
    /// Sessions by dominant emotion, in the order of the catalogue: of each person the first ones, up to the cap.
    pub emotions: Vec<u64>,
    /// People who had such sessions.
    pub emotion_users: Vec<u64>,
    /// People who had such a session without an emotion.
    pub emotionless_users: u64,
    /// People by the tag of what they wished for.
    pub wishes: FlatMap<String, u64>,
}

impl Published {
    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        self.users += other.users;
        self.capped.merge(other.capped);
        merge_counts(&mut self.by_country, &other.by_country);
        add(&mut self.emotions, &other.emotions);
        add(&mut self.emotion_users, &other.emotion_users);
        self.emotionless_users += other.emotionless_users;
        merge_counts(&mut self.wishes, &other.wishes);
    }

    pub(super) fn take(&mut self, person: &Person<'_>, cap: Cap, calendar: &Calendar) {
        let window = person.between(calendar.from, calendar.to);
        let turns: u64 = window.iter().map(|entry| u64::from(entry.turns)).sum();
        if turns == 0 || !person.is_user() {
            return;
        }
        self.users += 1;
        *self.by_country.entry(latest(person, window).country).or_default() += 1;
        let sessions = self.sessions(person, cap, calendar);
        self.capped.merge(Capped::of([(sessions, turns)], cap));
        self.wished(person, calendar);
    }

    /// Counts emotions of a person's first sessions of the window, up to the cap; returns how many sessions there are.
    fn sessions(&mut self, person: &Person<'_>, cap: Cap, calendar: &Calendar) -> u64 {
        let mut sessions: Vec<(ThreadId, &Track, &Visit)> = Vec::new();
        for (thread, track) in person.tracks() {
            let began = |visit: &&Visit| visit.turns > 0 && calendar.contains(UtcMillis(visit.start_ms));
            sessions.extend(track.visits.iter().filter(began).map(|visit| (*thread, track, visit)));
        }
        order::by_key(&mut sessions, |(thread, _, visit)| (visit.start_ms, *thread));
        let (mut felt, mut emotionless) = ([false; EMOTIONS], false);
        for (thread, track, visit) in sessions.iter().take(usize::try_from(cap.sessions).unwrap_or(usize::MAX)) {
            match dominant(*thread, track, visit) {
                Some(emotion) => {
                    count_at(&mut self.emotions, emotion);
                    felt.get_mut(emotion).into_iter().for_each(|felt| *felt = true);
                }
                None => emotionless = true,
            }
        }
        self.emotionless_users += u64::from(emotionless);
        let felt = felt.iter().enumerate().filter(|(_, felt)| **felt);
        felt.for_each(|(emotion, _)| count_at(&mut self.emotion_users, emotion));
        sessions.len() as u64
    }

    /// Counts a person once for each of their wishes.
    fn wished(&mut self, person: &Person<'_>, calendar: &Calendar) {
        let mut wishes: Vec<WordNo> = Vec::new();
        for mark in person.marks().iter().filter(|mark| mark.kind == MarkKind::Wish) {
            if calendar.contains(UtcMillis(mark.ts_ms)) && !wishes.contains(&mark.name) {
                wishes.push(mark.name);
            }
        }
        for tag in wishes.iter().filter_map(|wish| person.words.word(*wish)).filter(|tag| tag.as_str() != OTHER) {
            match self.wishes.get_mut(tag.as_str()) {
                Some(people) => *people += 1,
                None => drop(self.wishes.insert(tag.to_string(), 1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use schemas::time::{DAY_MS, HOUR_MS};
    use schemas::{Body, Bucket15, Event, Label, UtcMillis};

    use super::*;
    use crate::census::{Ask, Census, Scope, Taker};
    use crate::civil::Window;
    use crate::fold::testing::{happenings, turn};
    use crate::fold::{Fold, intake::Tally};

    const START: &str = "2026-10-20T00:00:00Z";

    fn start() -> i64 {
        UtcMillis::parse_rfc3339(START).unwrap().0
    }

    /// Of three days from the start on, or of `from` to `to`.
    fn ask(scope: Scope, from: i64, to: i64) -> Ask {
        let [from, to] = [from, to].map(|at| Bucket15::of(UtcMillis(at)));
        let window = Window { days: Vec::new(), before: Vec::new(), from, to };
        let (now, funnels) = (to.start(), Vec::new());
        Ask { window, tz: "UTC".into(), now, scope, funnels, only: None, after: None }
    }

    fn census(ask: &Ask, events: &[Event]) -> Census {
        let mut fold = Fold::default();
        fold.row(1, UtcMillis(start()), events, &Tally::default());
        let mut taker = Taker::new(ask);
        fold.people.each(&(), &BTreeSet::new(), |owner, facts, words| taker.take(owner, facts, words)).unwrap();
        taker.done()
    }

    fn of(events: &[Event], cap: Cap) -> Published {
        census(&ask(Scope::Published(cap), start(), start() + 3 * DAY_MS), events).published
    }

    fn felt(emotion: &str, body: &str) -> Body {
        let wish =
            if body.is_empty() { String::new() } else { format!(r#","wish":{{"tag":"{body}","kano":"must_be"}}"#) };
        serde_json::from_str(&format!(
            r#"{{"observation":{{"emotion":"{emotion}","intensity":2,"confidence":1,"model_version":"s","turn_index":0{wish}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn one_person_adds_no_more_than_the_cap_to_anything() {
        let at = |user: Option<u8>, hour: i64| turn(hour as u128 + 1, user, Some(1), start() + hour * HOUR_MS, None, 0);
        let saw = |user, hour, emotion: &str, wish: &str| Event { body: felt(emotion, wish), ..at(user, hour) };
        let mut events: Vec<Event> = (0..9).map(|hour| at(Some(1), hour)).collect();
        events.extend((0..3).map(|hour| saw(Some(1), hour, "fear", "dark-mode")));
        events.extend((3..9).map(|hour| saw(Some(1), hour, "joy", "export")));
        events.extend([at(Some(2), 5), saw(Some(2), 5, "fear", "dark-mode")]);
        // No person's, and a person's who was not there.
        events.extend([at(None, 5), saw(None, 5, "fear", "dark-mode"), saw(Some(3), 5, "fear", "dark-mode")]);
        let all = of(&events, Cap { sessions: 250, turns: 2_500 });
        assert_eq!((all.users, all.capped), (2, Capped { sessions: 10, turns: 10 }));
        let named = |counts: &[u64], emotion: schemas::event::Emotion| counts.get(emotion as usize).copied();
        use schemas::event::Emotion::{Fear, Joy};
        assert_eq!((named(&all.emotions, Fear), named(&all.emotions, Joy)), (Some(4), Some(6)));
        assert_eq!((named(&all.emotion_users, Fear), named(&all.emotion_users, Joy)), (Some(2), Some(1)));
        assert_eq!(all.emotionless_users, 0);
        assert_eq!(of(&events[..11], Cap { sessions: 250, turns: 2_500 }).emotionless_users, 1);
        assert_eq!(of(&events[..11], Cap { sessions: 2, turns: 2_500 }).emotionless_users, 0);
        assert_eq!(all.wishes, FlatMap::from([("dark-mode".to_owned(), 2), ("export".to_owned(), 1)]));
        let capped = of(&events, Cap { sessions: 4, turns: 7 });
        assert_eq!((capped.users, capped.capped), (2, Capped { sessions: 5, turns: 8 }));
        assert_eq!((named(&capped.emotions, Fear), named(&capped.emotions, Joy)), (Some(4), Some(1)));
    }

    #[test]
    fn it_travels_as_it_was_asked_and_counted() {
        use crate::fold::{decode, encode};
        let asked = ask(Scope::Published(Cap { sessions: 3, turns: 9 }), start(), start() + DAY_MS);
        assert_eq!(decode::<Ask>(&encode(&asked).unwrap()).unwrap(), asked);
        let mut person = turn(1, Some(1), Some(1), start(), None, 0);
        person.cohort.country = schemas::event::Country::parse("NP");
        let events =
            [Event { body: felt("joy", "export"), ..person.clone() }, person, turn(2, Some(2), None, start(), None, 0)];
        let taken = census(&asked, &events);
        assert_eq!((taken.published.by_country.len(), taken.published.wishes.len()), (2, 1));
        assert_eq!(decode::<Census>(&encode(&taken).unwrap()).unwrap(), taken);
    }

    #[test]
    fn the_whole_census_does_not_pay_for_it() {
        let events = [turn(1, Some(1), Some(1), start(), None, 0)];
        let whole = census(&ask(Scope::Whole, start(), start() + DAY_MS), &events);
        assert_eq!((whole.activity.users, whole.published), (1, Published::default()));
        let published = census(&ask(Scope::Published(Cap::default()), start(), start() + DAY_MS), &events);
        assert_eq!((published.activity.users, published.published.users), (0, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Without a cap it says what the whole census says of the same people; with one, groups still share out, and however
        /// people lie on Shards nothing changes.
        #[test]
        fn the_same_people_as_in_the_whole_census(
            events in happenings(60), hours in (0i64..72, 0i64..72), sessions in 1u64..4, turns in 1u64..6
        ) {
            let events: Vec<Event> = events.into_iter().filter(|event| event.user.is_some()).collect();
            let (from, to) = (start() + hours.0.min(hours.1) * HOUR_MS, start() + hours.0.max(hours.1) * HOUR_MS);
            let published = |cap, events: &[Event]| census(&ask(Scope::Published(cap), from, to), events).published;
            let all = published(Cap { sessions: u64::MAX, turns: u64::MAX }, &events);
            let whole = census(&ask(Scope::Whole, from, to), &events);
            prop_assert_eq!(all.users, whole.activity.users);
            prop_assert_eq!(&all.by_country, &whole.activity.by_country);
            prop_assert_eq!(all.capped, Capped { sessions: whole.sessions.turns.n(), turns: whole.activity.turns });
            let mut emotions = all.emotions.clone();
            emotions.resize(EMOTIONS, 0);
            prop_assert_eq!(&emotions, &whole.sessions.emotions);

            let within = |event: &&Event| (from..to).contains(&event.ts.0);
            let active: BTreeSet<_> =
                events.iter().filter(within).filter(|event| matches!(event.body, Body::Turn(_))).map(|event| event.user).collect();
            let tags = |body: &Body| -> Vec<Label> {
                match body {
                    Body::Feedback(feedback) => feedback.wishes.clone(),
                    Body::Observation(observation) => observation.wish.iter().map(|wish| wish.tag.clone()).collect(),
                    _ => Vec::new(),
                }
            };
            let wished: BTreeSet<_> = events
                .iter()
                .filter(within)
                .filter(|event| active.contains(&event.user))
                .flat_map(|event| tags(&event.body).into_iter().map(|tag| (event.user, tag.to_string())))
                .collect();
            let mut wishes: FlatMap<String, u64> = FlatMap::new();
            wished.into_iter().for_each(|(_, tag)| *wishes.entry(tag).or_default() += 1);
            prop_assert_eq!(&all.wishes, &wishes);

            let cap = Cap { sessions, turns };
            let capped = published(cap, &events);
            prop_assert!(capped.capped.sessions <= all.users * sessions && capped.capped.turns <= all.users * turns);
            let felt = capped.emotions.iter().sum::<u64>();
            prop_assert!(felt <= capped.capped.sessions && capped.emotionless_users <= capped.capped.sessions - felt);
            prop_assert_eq!(capped.emotionless_users == 0, capped.capped.sessions == felt);
            prop_assert!(capped.emotion_users.iter().zip(&capped.emotions).all(|(people, visits)| people <= visits));
            prop_assert_eq!((capped.users, &capped.by_country, &capped.wishes), (all.users, &all.by_country, &all.wishes));
            let (left, right): (Vec<Event>, Vec<Event>) = events.into_iter().partition(|event| event.shard(2) == 0);
            let mut merged = published(cap, &right);
            merged.merge(&published(cap, &left));
            prop_assert_eq!(merged, capped);
        }
    }
}
