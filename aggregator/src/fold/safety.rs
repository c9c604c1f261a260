//! Crisis handling, incidents and satisfaction: counts without a person.

use schemas::event::{CrisisEvent, Disposition, IncidentSeverity, Rating};
use schemas::{Body, Event, FlatMap};
use serde::{Deserialize, Serialize};

use super::Counters;

/// Safety counts of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safety {
    /// Crisis events by step and severity (0–4), without those a human found false.
    pub crisis: FlatMap<(CrisisEvent, u8), u64>,
    /// How crises ended.
    pub dispositions: FlatMap<Disposition, u64>,
    /// Flags that a human found false.
    pub false_positives: u64,
    /// Incidents when they began.
    pub incidents: FlatMap<IncidentSeverity, u64>,
    /// Ratings of replies.
    pub ratings: FlatMap<Rating, u64>,
}

impl Safety {
    /// Crisis events of one step, of any severity.
    #[must_use]
    pub fn count_of(&self, event: CrisisEvent) -> u64 {
        self.crisis.iter().filter(|((kind, _), _)| *kind == event).map(|(_, n)| n).sum()
    }
}

impl Counters for Safety {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Crisis(crisis) if crisis.false_positive => {
                self.false_positives += u64::from(crisis.event == CrisisEvent::Flagged);
            }
            Body::Crisis(crisis) => {
                *self.crisis.entry((crisis.event, crisis.severity)).or_default() += 1;
                if let Some(disposition) = crisis.disposition {
                    *self.dispositions.entry(disposition).or_default() += 1;
                }
            }
            Body::Incident(incident) if !incident.resolved => {
                *self.incidents.entry(incident.severity).or_default() += 1;
            }
            Body::Feedback(feedback) => *self.ratings.entry(feedback.rating).or_default() += 1,
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        merge_counts(&mut self.crisis, &other.crisis);
        merge_counts(&mut self.dispositions, &other.dispositions);
        self.false_positives += other.false_positives;
        merge_counts(&mut self.incidents, &other.incidents);
        merge_counts(&mut self.ratings, &other.ratings);
    }

    fn take_out(&mut self, other: &Self) {
        take_out_counts(&mut self.crisis, &other.crisis);
        take_out_counts(&mut self.dispositions, &other.dispositions);
        self.false_positives = self.false_positives.saturating_sub(other.false_positives);
        take_out_counts(&mut self.incidents, &other.incidents);
        take_out_counts(&mut self.ratings, &other.ratings);
    }
}

fn take_out_counts<K: Ord + Copy>(mine: &mut FlatMap<K, u64>, other: &FlatMap<K, u64>) {
    for (key, taken) in other {
        if let Some(count) = mine.get_mut(key) {
            *count = count.saturating_sub(*taken);
        }
    }
    mine.retain(|_, count| *count > 0);
}

fn merge_counts<K: Ord + Copy>(mine: &mut FlatMap<K, u64>, other: &FlatMap<K, u64>) {
    for (key, count) in other {
        *mine.entry(*key).or_default() += count;
    }
}
