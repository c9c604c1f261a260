//! How the numbers are made, in words for everyone.

use super::PublicRules;
use crate::disclosure::archive::SETTLE_DAYS;
use crate::disclosure::steps::first_step;

pub(super) fn lines(rules: &PublicRules) -> Vec<String> {
    let k = rules.people_min;
    let mut lines = vec![
        "Numbers are made from events that hold no text, no name and no address; people are counted by keyed, one-way codes.".to_owned(),
        format!("Nothing is shown that fewer than {k} people stand behind. Other numbers are hidden, too, where a sum or a difference would give such a number away."),
        format!("Of crises, 1 to {} are hidden, for even their number may tell who it was; 0 is shown where {k} people or more were there.", k - 1),
        format!("A quarter is a calendar quarter in UTC. It is made once, {SETTLE_DAYS} days after its end, and never changes; corrections stand beside it with their date. Whoever is erased later was counted, but is in no number that could be traced."),
        format!("Of a quarter that runs is told, once a month, which step its people have reached: {}, then twice, five times, ten times as many and so on. A quarter that ends near above that step keeps it.", first_step(k)),
        "A session is one visit to one conversation and ends after 30 minutes of silence.".to_owned(),
        format!("One person adds no more than {} sessions and {} turns to a quarter.", rules.cap.sessions, rules.cap.turns),
        format!("A country is named where {k} people or more were; all others are counted together, with one of those where they are too few. The number of countries is of those named."),
        format!("A wish is named where {k} people or more have it, or where it was decided on."),
        "Crisis referrals of a year are those of California's calendar year. Where the number would give a quarter away, it is reported to the state alone (California B&P \u{a7}22603).".to_owned(),
    ];
    if rules.epsilon.is_some() {
        lines.push("Every number of people, sessions and turns has noise that was drawn once; its parameters stand with the quarter. Which numbers are shown is decided without noise.".to_owned());
    }
    lines
}
