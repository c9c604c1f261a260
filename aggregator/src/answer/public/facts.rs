//! What the page is made of, out of Gold's counters and the Shards' people.

use schemas::{Bucket15, UtcMillis};

use super::super::Counted;
use super::{OpenFacts, PeopleFacts, PeriodFacts};
use crate::disclosure::archive::{Period, open_quarters, quarters_of};
use crate::disclosure::contribution::Capped;
use crate::protocol::{PeopleAnswer, Window};

/// The window that people are asked for; `None` for a period that is made of no people.
#[must_use]
pub fn window(period: Period) -> Option<Window> {
    let (from, to) = period.buckets();
    let whole = Window { days: Vec::new(), before: Vec::new(), from, to };
    (!matches!(period, Period::Year(_))).then_some(whole)
}

/// What Shards say of a period's people, for publication.
#[must_use]
pub fn people(answer: &PeopleAnswer) -> PeopleFacts {
    PeopleFacts {
        users: answer.spend_per_user.len() as u64,
        capped: Capped { sessions: answer.capped_sessions, turns: answer.capped_turns },
        ..PeopleFacts::default()
    }
}

/// A period's facts. `counted` is complete up to the period's end.
#[must_use]
pub fn of_period(period: Period, people: PeopleFacts, counted: &dyn Counted) -> PeriodFacts {
    let (from, to) = period.buckets();
    let noted = counted.noted();
    let referrals = |period: Period| {
        let (from, to) = period.span();
        noted.map_or(0, |noted| noted.referrals(from, to))
    };
    let mut facts = PeriodFacts { people, ..PeriodFacts::default() };
    match period {
        Period::Year(year) => {
            let mut of_quarters = [0; 4];
            let quarters = quarters_of(year).map(|quarter| referrals(Period::Quarter(quarter)));
            of_quarters.iter_mut().zip(quarters).for_each(|(sum, referrals)| *sum = referrals);
            facts.referrals = (referrals(period), of_quarters);
        }
        Period::Quarter(_) => {
            facts.safety = counted.range(from, to).safety;
            facts.notices = noted.map(|noted| noted.notices(period.span().1)).unwrap_or_default();
        }
        Period::Months(..) => {}
    }
    facts
}

/// Facts of the quarters that are open at `now`, newest first; without the one before where nothing is known of it.
#[must_use]
pub fn of_open(now: UtcMillis, counted: &dyn Counted) -> Vec<OpenFacts> {
    let facts = |quarter| {
        let (from, to) = Period::Quarter(quarter).buckets();
        OpenFacts {
            quarter,
            safety: counted.range(from, to.min(Bucket15::at_or_after(now))).safety,
            notices: counted.noted().map(|noted| noted.notices(now.min(quarter.end()))).unwrap_or_default(),
        }
    };
    let first = counted.noted().and_then(|noted| noted.first_day()).map_or(now, |day| day.start());
    open_quarters(now).into_iter().filter(|quarter| quarter.end() > first.min(now)).map(facts).collect()
}
