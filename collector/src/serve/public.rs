//! What the settings say of the public page, as Gold asks for it.

use aggregator::answer::public::{self, PublicRules};
use aggregator::disclosure::contribution::Cap;
use aggregator::disclosure::noise::Epsilon;

use crate::settings::public::{Correction, Public};

/// The page's rules.
#[must_use]
pub fn rules(settings: &Public) -> PublicRules {
    let correction = |one: &Correction| public::Correction {
        quarter: one.quarter.clone(),
        date: one.date.clone(),
        note: one.note.clone(),
    };
    PublicRules {
        people_min: settings.people_min.max(public::PEOPLE_MIN),
        cap: Cap { sessions: settings.user_sessions_max, turns: settings.user_turns_max },
        epsilon: u64::try_from(settings.epsilon.0).ok().filter(|epsilon| *epsilon > 0).map(Epsilon),
        referrals: settings.referrals.iter().filter_map(|(year, n)| Some((year.parse().ok()?, *n))).collect(),
        corrections: settings.corrections.iter().map(correction).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_rules() {
        assert_eq!(rules(&Public::default()), PublicRules::default());
        let lowered = Public { people_min: 1, ..Public::default() };
        assert_eq!(rules(&lowered).people_min, 50);
    }
}
