//! What is kept of a person who must not be counted as one: [`TABLE`] says it for every kind of event and every reason.

use serde::{Deserialize, Serialize};

use crate::event::{Body, Consent, ConsentState, Policy, Said};
use crate::time::UtcMillis;

/// Why a person is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// They opted out, with the app or by `Sec-GPC` or `DNT`, or have withdrawn their consent.
    OptedOut,
    /// The operator counts only those who have agreed, and they have not.
    ConsentMissing,
    /// It is not attested that they are 13 or older.
    NotAttested,
    /// They were erased; the event is from before.
    Erased,
}

/// What becomes of an event of a person who is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Kept with its person: the record of their choice.
    Whole,
    /// Kept without anything that tells whose it is: [`crate::Event::without_person`].
    WithoutPerson,
    /// Not kept, and counted as dropped for that reason.
    Dropped,
}

use Treatment::{Dropped, Whole, WithoutPerson};

/// Kind; how it is treated while its person is not there; how, once they were erased. Money, errors and what the law wants
/// counted stay, without a person; everything else goes.
pub const TABLE: [(&str, Treatment, Treatment); 15] = [
    ("request", WithoutPerson, WithoutPerson),
    ("turn", WithoutPerson, Dropped),
    ("repriced", WithoutPerson, Dropped),
    ("feedback", Dropped, Dropped),
    ("observation", Dropped, Dropped),
    ("error", WithoutPerson, Dropped),
    ("vital", Dropped, Dropped),
    ("journey", Dropped, Dropped),
    ("platform", Dropped, Dropped),
    ("service_cost", WithoutPerson, Dropped),
    ("consent", Whole, Dropped),
    ("crisis", WithoutPerson, WithoutPerson),
    ("incident", WithoutPerson, WithoutPerson),
    ("notice", WithoutPerson, WithoutPerson),
    ("moment", Dropped, Dropped),
];

/// How an event of that kind is treated; of a kind that is not in the table nothing is kept.
#[must_use]
pub fn treatment(kind: &str, absence: Absence) -> Treatment {
    TABLE
        .iter()
        .find(|(name, ..)| *name == kind)
        .map_or(Dropped, |(_, absent, erased)| if absence == Absence::Erased { *erased } else { *absent })
}

impl Said {
    /// Why the person is not there for this event, whatever else is known of them.
    #[must_use]
    pub fn absence(self) -> Option<Absence> {
        let minor = (self.age_13_plus == Some(false)).then_some(Absence::NotAttested);
        if self.opted_out { Some(Absence::OptedOut) } else { minor }
    }
}

/// A yes or no, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Yes or no.
    pub yes: bool,
    /// When it was made, by the sender's clock.
    pub at: UtcMillis,
}

/// What is known of a person's choices: the newest of each, whatever order they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// To be counted.
    pub analytics: Option<Choice>,
    /// 13 or older.
    pub age_13_plus: Option<Choice>,
}

/// Purpose of the consent to be counted.
pub const ANALYTICS: &str = "analytics";
/// Purpose under which an attestation of age is told.
pub const AGE_13_PLUS: &str = "age_13_plus";

impl Choices {
    /// Takes in what an event of time `at` says. Returns whether anything has changed but the time.
    pub fn note(&mut self, said: Said, at: UtcMillis) -> bool {
        let out = said.opted_out && newer(&mut self.analytics, Choice { yes: false, at });
        let age = said.age_13_plus.is_some_and(|yes| newer(&mut self.age_13_plus, Choice { yes, at }));
        out || age
    }

    /// Takes in a `consent` event.
    pub fn fold(&mut self, consent: &Consent, at: UtcMillis) {
        let choice = Choice { yes: consent.state == ConsentState::Granted, at };
        match consent.purpose.as_str() {
            ANALYTICS => drop(newer(&mut self.analytics, choice)),
            AGE_13_PLUS => drop(newer(&mut self.age_13_plus, choice)),
            _ => {}
        }
    }

    /// Takes in all of another's.
    pub fn merge(&mut self, other: &Self) {
        other.analytics.map(|choice| newer(&mut self.analytics, choice));
        other.age_13_plus.map(|choice| newer(&mut self.age_13_plus, choice));
    }

    /// Why the person is not there, if so.
    #[must_use]
    pub fn absence(&self, policy: Policy) -> Option<Absence> {
        match (self.analytics, self.age_13_plus) {
            (Some(Choice { yes: false, .. }), _) => Some(Absence::OptedOut),
            (_, Some(Choice { yes: false, .. })) => Some(Absence::NotAttested),
            (None, _) if policy.consent_required => Some(Absence::ConsentMissing),
            (_, None) if policy.age_required => Some(Absence::NotAttested),
            _ => None,
        }
    }
}

/// The newer of two choices; of two of one instant the no.
fn newer(slot: &mut Option<Choice>, choice: Choice) -> bool {
    match slot {
        Some(known) if choice.at < known.at || choice.at == known.at && choice.yes => false,
        Some(known) => {
            let changed = known.yes != choice.yes;
            *known = choice;
            changed
        }
        None => {
            *slot = Some(choice);
            true
        }
    }
}

/// Whether the body is a choice that [`Choices`] keeps.
#[must_use]
pub fn choice_of(body: &Body) -> Option<&Consent> {
    match body {
        Body::Consent(consent) if [ANALYTICS, AGE_13_PLUS].contains(&consent.purpose.as_str()) => Some(consent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use crate::wire::KINDS;

    fn consent(purpose: &str, yes: bool) -> Consent {
        let state = if yes { ConsentState::Granted } else { ConsentState::Withdrawn };
        Consent { state, purpose: Label::parse(purpose).unwrap() }
    }

    #[test]
    fn the_table_has_every_kind_once() {
        let mut kinds: Vec<_> = TABLE.iter().map(|(kind, ..)| *kind).collect();
        let mut known: Vec<_> = KINDS.into_iter().chain(["request", "repriced"]).collect();
        kinds.sort_unstable();
        known.sort_unstable();
        assert_eq!(kinds, known);
    }

    #[test]
    fn money_errors_and_what_the_law_counts_stay_without_a_person() {
        let kept = |absence| {
            TABLE
                .iter()
                .filter(|(kind, ..)| treatment(kind, absence) == WithoutPerson)
                .map(|(kind, ..)| *kind)
                .collect()
        };
        let absent: Vec<_> = kept(Absence::OptedOut);
        assert_eq!(absent, ["request", "turn", "repriced", "error", "service_cost", "crisis", "incident", "notice"]);
        for absence in [Absence::ConsentMissing, Absence::NotAttested] {
            assert_eq!(kept(absence), absent);
        }
        assert_eq!(kept(Absence::Erased), ["request", "crisis", "incident", "notice"]);
        assert_eq!(treatment("consent", Absence::OptedOut), Whole);
        assert_eq!(treatment("unheard_of", Absence::OptedOut), Dropped);
    }

    #[test]
    fn who_is_there_by_what_is_known_and_asked_for() {
        let open = Policy::default();
        let (consent_required, age_required) =
            (Policy { consent_required: true, ..open }, Policy { age_required: true, ..open });
        let choices = |analytics: Option<bool>, age: Option<bool>| {
            let choice = |yes: bool| Choice { yes, at: UtcMillis(1) };
            Choices { analytics: analytics.map(choice), age_13_plus: age.map(choice) }
        };
        let (yes, no) = (Some(true), Some(false));
        for (analytics, age, policy, absence) in [
            (None, None, open, None),
            (yes, None, open, None),
            (no, None, open, Some(Absence::OptedOut)),
            (no, no, open, Some(Absence::OptedOut)),
            (None, no, open, Some(Absence::NotAttested)),
            (yes, no, open, Some(Absence::NotAttested)),
            (None, None, consent_required, Some(Absence::ConsentMissing)),
            (yes, None, consent_required, None),
            (None, None, age_required, Some(Absence::NotAttested)),
            (None, yes, age_required, None),
            (no, yes, age_required, Some(Absence::OptedOut)),
        ] {
            assert_eq!(choices(analytics, age).absence(policy), absence, "{analytics:?} {age:?} {policy:?}");
        }
    }

    #[test]
    fn the_newest_choice_holds_in_whatever_order_they_come() {
        let told = [(1, true), (5, false), (3, true), (5, true), (4, false)];
        for rotation in 0..told.len() {
            let mut choices = Choices::default();
            let mut turned = told;
            turned.rotate_left(rotation);
            turned.iter().for_each(|(at, yes)| choices.fold(&consent(ANALYTICS, *yes), UtcMillis(*at)));
            assert_eq!(choices.analytics, Some(Choice { yes: false, at: UtcMillis(5) }));
        }
        let mut choices = Choices::default();
        choices.fold(&consent("publish", true), UtcMillis(1));
        assert_eq!(choices, Choices::default());
        assert!(choices.note(Said { opted_out: true, age_13_plus: None }, UtcMillis(2)));
        assert!(!choices.note(Said { opted_out: true, age_13_plus: None }, UtcMillis(3)));
        assert!(!choices.note(Said::default(), UtcMillis(4)));
        assert_eq!(choices.absence(Policy::default()), Some(Absence::OptedOut));
        choices.fold(&consent(ANALYTICS, true), UtcMillis(9));
        assert_eq!(choices.absence(Policy::default()), None);
    }
}
