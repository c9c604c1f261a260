//! What the page is made of, out of Gold's counters and a census of the Shards' people.

use schemas::event::CrisisEvent;
use schemas::{Bucket15, UtcDay, UtcMillis};

use super::super::Counted;
use super::{OpenFacts, PeopleFacts, PeriodFacts, closed};
use crate::census::published::Published;
use crate::census::{Ask, Scope};
use crate::civil::Window;
use crate::disclosure::archive::{Period, open_quarters, quarters_of};
use crate::disclosure::contribution::Cap;
use crate::disclosure::suppress::Cell;
use crate::fold::notices::Notices;
use crate::zone::Zone;

/// What is asked of a period's people; `None` for a period that is made of no people.
#[must_use]
pub fn ask(period: Period, cap: Cap, now: UtcMillis) -> Option<Ask> {
    let (from, to) = period.buckets();
    let window = Window { days: Vec::new(), before: Vec::new(), from, to };
    let scope = Scope::Published(cap);
    let (tz, funnels) = (Zone::UTC.name().to_owned(), Vec::new());
    let ask = Ask { window, tz, now, scope, funnels, only: None, after: None };
    (!matches!(period, Period::Year(_))).then_some(ask)
}

/// What Shards say of a period's people, for publication.
#[must_use]
pub fn people(census: &Published) -> PeopleFacts {
    let countries = census.by_country.iter();
    let countries = countries.filter_map(|(country, people)| Some(((*country)?.as_str().to_owned(), *people)));
    let of = |counts: &[u64], emotion: usize| counts.get(emotion).copied().unwrap_or(0);
    let emotions = closed::EMOTIONS.map(|emotion| {
        let at = emotion as usize;
        (emotion, Cell { people: of(&census.emotion_users, at), value: of(&census.emotions, at) })
    });
    PeopleFacts {
        users: census.users,
        capped: census.capped,
        countries: Some(countries.collect()),
        emotions: Some(emotions.into()),
        emotionless: census.emotionless_users,
        wishes: Some(census.wishes.iter().map(|(tag, people)| (tag.clone(), *people)).collect()),
    }
}

/// A period's facts. `counted` is complete up to the period's end.
#[must_use]
pub fn of_period(period: Period, people: PeopleFacts, counted: &dyn Counted) -> PeriodFacts {
    let (from, to) = period.buckets();
    let referrals = |period: Period| {
        let (from, to) = period.buckets();
        counted.range(from, to).safety.count_of(CrisisEvent::Referral)
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
            facts.safety = counted.range(from, to).safety.clone();
            facts.notices = notices(counted, to);
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
        let to = to.min(Bucket15::at_or_after(now));
        OpenFacts { quarter, safety: counted.range(from, to).safety.clone(), notices: notices(counted, to) }
    };
    let first = first_day(counted).map_or(now, UtcDay::start);
    open_quarters(now).into_iter().filter(|quarter| quarter.end() > first.min(now)).map(facts).collect()
}

/// The first day of which anything is counted.
#[must_use]
pub fn first_day(counted: &dyn Counted) -> Option<UtcDay> {
    counted.ever().map(|(first, _)| first)
}

/// What was said by the end of the day of `to`'s last quarter of an hour.
fn notices(counted: &dyn Counted, to: Bucket15) -> Notices {
    let first = first_day(counted).map_or(to, UtcDay::first_bucket);
    counted.last_words(first, to).notices.clone()
}
