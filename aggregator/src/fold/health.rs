//! Turns by minute: whether models answer at present.
//!
//! The last minutes and the last hour are asked for and no others, so only the day of receipt and the one before are kept.

use schemas::event::Turn;
use schemas::time::{DAY_MS, MINUTE_MS};
use schemas::{FlatMap, Label, UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

use super::names::{Additive, NAMES_MAX, Rate};
use super::operations::failed;

/// Days before that of receipt whose minutes are kept.
const DAYS_BEFORE: i32 = 1;

/// A model and who runs it; `None` stands for all for which a day had no room.
pub type Served = Option<(Label, Label)>;

/// Turns of a UTC day by provider and model, and by minute of the day (0–1439) ascending; hits failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minutes(FlatMap<Served, Vec<(u16, Rate)>>);

/// The first UTC day whose minutes are kept at a time of receipt.
#[must_use]
pub fn first_day(received_at: UtcMillis) -> UtcDay {
    UtcDay(UtcDay::of(received_at).0 - DAYS_BEFORE)
}

impl Minutes {
    /// Counts a turn.
    pub fn fold(&mut self, ts: UtcMillis, turn: &Turn) {
        let minute = u16::try_from(ts.0.rem_euclid(DAY_MS) / MINUTE_MS).unwrap_or(0);
        // Clones of labels share their text.
        let served = Some((turn.provider.clone(), turn.model.clone()));
        let full = self.0.len() >= NAMES_MAX || self.0.contains_key(&None);
        let served = if full && !self.0.contains_key(&served) { None } else { served };
        let minutes = self.0.entry(served).or_default();
        let place = match minutes.binary_search_by_key(&minute, |(at, _)| *at) {
            Ok(place) => place,
            Err(place) => {
                minutes.insert(place, (minute, Rate::default()));
                place
            }
        };
        if let Some((_, rate)) = minutes.get_mut(place) {
            rate.merge(&Rate::of(failed(turn.status)));
        }
    }

    /// Takes out a person's turns.
    pub fn take_out(&mut self, other: &Self) {
        for (served, taken) in &other.0 {
            let served = if self.0.contains_key(served) { served } else { &None };
            let Some(mine) = self.0.get_mut(served) else { continue };
            for (minute, taken) in taken {
                if let Ok(place) = mine.binary_search_by_key(minute, |(at, _)| *at)
                    && let Some((_, rate)) = mine.get_mut(place)
                {
                    rate.take_out(taken);
                }
            }
            mine.retain(|(_, rate)| *rate != Rate::default());
        }
        self.0.retain(|_, minutes| !minutes.is_empty());
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the turns of this day that lie in `[from, to)`, whole minutes.
    pub fn sum(&self, day: UtcDay, from: UtcMillis, to: UtcMillis, totals: &mut FlatMap<Served, Rate>) {
        let first = day.start().minute();
        for (served, minutes) in &self.0 {
            let within = |minute: u16| (from.minute()..to.minute()).contains(&(first + i64::from(minute)));
            let mut total = Rate::default();
            minutes.iter().filter(|(minute, _)| within(*minute)).for_each(|(_, rate)| total.merge(rate));
            if total.n > 0 {
                totals.entry(served.clone()).or_default().merge(&total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::turn;
    use proptest::prelude::*;
    use schemas::Body;
    use schemas::event::TurnStatus;

    const DAY: UtcDay = UtcDay(20_778);

    fn minutes<'a>(turns: impl Iterator<Item = &'a (u8, i64, bool)>) -> Minutes {
        let mut minutes = Minutes::default();
        for (model, at, failed) in turns {
            let Body::Turn(mut turn) = turn(1, None, None, 0, None, *model).body else { unreachable!() };
            turn.status = if *failed { TurnStatus::Timeout } else { TurnStatus::Cancelled };
            minutes.fold(DAY.start().plus_ms(*at), &turn);
        }
        minutes
    }

    fn total(minutes: &Minutes, from: i64, to: i64) -> Rate {
        let mut totals = FlatMap::new();
        minutes.sum(DAY, DAY.start().plus_ms(from), DAY.start().plus_ms(to), &mut totals);
        let mut total = Rate::default();
        totals.values().for_each(|rate| total.merge(rate));
        total
    }

    #[test]
    fn only_whole_minutes_of_the_span_count() {
        let minutes = minutes([(1, 59_999, true), (1, 60_000, false), (1, 119_999, true), (2, 120_000, true)].iter());
        assert_eq!(total(&minutes, 60_000, 120_000), Rate { n: 2, hits: 1 });
        assert_eq!(total(&minutes, 0, DAY_MS), Rate { n: 4, hits: 3 });
        let bytes = crate::fold::encode(&minutes).unwrap();
        assert_eq!(crate::fold::decode::<Minutes>(&bytes).unwrap(), minutes);
    }

    #[test]
    fn a_flood_of_models_takes_no_room() {
        let turns: Vec<(u8, i64, bool)> = (0..=255).flat_map(|model| [(model, 0, true), (0, 60_000, false)]).collect();
        let minutes = minutes(turns.iter());
        assert_eq!(minutes.0.len(), NAMES_MAX + 1);
        assert_eq!(total(&minutes, 0, DAY_MS), Rate { n: 512, hits: 256 });
        assert_eq!(minutes.0.values().next_back().unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_taken_out_was_never_there(turns in proptest::collection::vec((0u8..4, 0i64..DAY_MS, any::<bool>()), 0..60)) {
            let mut whole = minutes(turns.iter());
            prop_assert_eq!(&whole, &minutes(turns.iter().rev()));
            whole.take_out(&minutes(turns.iter().step_by(2)));
            prop_assert_eq!(whole, minutes(turns.iter().skip(1).step_by(2)));
        }
    }
}
