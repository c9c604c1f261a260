//! The usage panel: who comes, how often, for how long, and who stays.

use schemas::order;

use super::Facts;
use super::json::{Json, Members, object};
use super::metric::{Hidden, Metric, Unit};
use crate::census::Census;
use crate::census::churn::Reason;
use crate::census::funnels::{Funnel, Reached};
use crate::census::retention::{Cohort, LATER};
use crate::census::sums::Ratio;
use crate::civil::CivilDay;
use crate::stats::distribution::Distribution;

/// Most rows of a list whose names come from outside.
pub(super) const ROWS_MAX: usize = 50;
/// Seed of the bootstrap: the same people give the same interval.
const SEED: u64 = 1;

pub(super) fn answer(facts: &Facts<'_>) -> Json {
    let Some(census) = &facts.people else { return without_people(facts) };
    let panel = activity(facts, census).with(sessions(facts, census));
    if facts.query.filter.only().is_some() {
        return panel;
    }
    panel.with(object!({
        "retention": retention(facts, census),
        "churn": churn(census),
        "funnels": funnels(facts, census),
        "conversions": conversions(facts, census),
        "first_intents": top(census.sessions.first_intents.iter(), ROWS_MAX),
    }))
}

/// What can be said when a Shard does not answer.
fn without_people(facts: &Facts<'_>) -> Json {
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let turns = &all.usage;
    let unknown = Metric::told(None);
    let mut panel = Members::default();
    for name in ["dau", "wau", "mau", "users", "new_users", "returning_users", "sessions"] {
        panel.insert(name, unknown);
    }
    panel.insert("stickiness", Metric::hidden(Unit::Share, Hidden::ShardUnreachable, 0));
    let known = facts.query.filter.only().is_none();
    for (name, n) in [("turns", turns.turns), ("messages", turns.messages())] {
        let count = if known { Metric::exact(n, Unit::Count, turns.turns) } else { unknown };
        panel.insert(name, count);
    }
    Json::Object(panel)
}

fn activity(facts: &Facts<'_>, census: &Census) -> Json {
    let activity = &census.activity;
    let begun = days_begun(facts);
    let last = |counts: &[u64]| counts.get(..begun).and_then(<[u64]>::last).copied();
    let day = |counts: &[u64]| Metric::of(last(counts), None, Unit::Count, last(counts).unwrap_or(0));
    let returning: Vec<u64> = activity.dau.iter().zip(&activity.new_by_day).map(|(all, new)| all - new).collect();
    let per_user = |values: &Distribution| mean_of(values);
    let (turns, ok, by_day) = turns(facts, census);
    let by_guest = activity.by_guest.iter().map(|(guest, n)| {
        let name = match guest {
            Some(true) => "guest",
            Some(false) => "signed_in",
            None => "(none)",
        };
        Metric::count(*n).in_bucket(name)
    });
    let by_plan = activity
        .by_plan
        .iter()
        .map(|(plan, n)| Metric::count(*n).in_bucket(plan.clone().unwrap_or_else(|| "(none)".to_owned())));
    object!({
        "dau": day(&activity.dau),
        "wau": day(&activity.wau),
        "mau": day(&activity.mau),
        "stickiness": stickiness(&activity.dau, last(&activity.mau), begun),
        "dau_by_day": series(facts, &activity.dau),
        "wau_by_day": series(facts, &activity.wau),
        "mau_by_day": series(facts, &activity.mau),
        "users": Metric::count(activity.users),
        "new_users": Metric::count(activity.new_users),
        "returning_users": Metric::count(activity.users - activity.new_users),
        "new_users_by_day": series(facts, &activity.new_by_day),
        "returning_users_by_day": series(facts, &returning),
        "users_by_guest": by_guest.collect::<Json>(),
        "users_by_plan": by_plan.collect::<Json>(),
        "turns": Metric::count(turns),
        "turns_by_day": by_day,
        "messages": Metric::exact(turns + ok, Unit::Count, turns),
        "per_user": {
            "sessions": per_user(&activity.sessions_per_user),
            "turns": per_user(&activity.turns_per_user),
            "messages": per_user(&activity.messages_per_user),
        },
        "power_users": {
            "turns": deciles(&activity.turns_per_user),
            "spend": deciles(&activity.spend_per_user),
        },
        "segments": segments(census),
    })
}

/// All turns, those with a whole reply, and all by day: of certain attributes those that belong to someone.
fn turns(facts: &Facts<'_>, census: &Census) -> (u64, u64, Vec<Json>) {
    if facts.query.filter.only().is_some() {
        let activity = &census.activity;
        return (activity.turns, activity.turns_ok, series(facts, &activity.turns_by_day));
    }
    let window = &facts.query.window;
    let range = facts.counted.range(window.from, window.to);
    let all = &range.usage;
    let by_day: Vec<u64> = window.days.iter().map(|day| facts.counted.range(day.from, day.to).usage.turns).collect();
    (all.turns, all.turns_ok, series(facts, &by_day))
}

/// Days of the window that have begun.
fn days_begun(facts: &Facts<'_>) -> usize {
    facts.query.window.days.iter().filter(|day| day.from.start() <= facts.query.now).count()
}

/// Mean over the 30 days (or as many as the window has) that end with the last, to the people of the 30 days.
fn stickiness(dau: &[u64], mau: Option<u64>, begun: usize) -> Metric {
    match mau.filter(|mau| *mau > 0) {
        Some(mau) => {
            let width = begun.min(30);
            let sum: u64 = dau.iter().take(begun).rev().take(width).sum();
            Metric::exact(sum as f64 / width as f64 / mau as f64, Unit::Share, mau)
        }
        None => Metric::hidden(Unit::Share, Hidden::NoData, 0),
    }
}

pub(super) fn series(facts: &Facts<'_>, counts: &[u64]) -> Vec<Json> {
    let row = |(day, n): (&CivilDay, &u64)| Metric::count(*n).in_bucket(day.date.clone());
    facts.query.window.days.iter().zip(counts).map(row).collect()
}

fn mean_of(values: &Distribution) -> Metric {
    let n = values.n();
    let mean = (n > 0).then(|| values.sum() as f64 / n as f64);
    Metric::of(mean, values.mean_interval(SEED), Unit::Mean, n)
}

/// A mean of money or tokens over people, rounded half to even, with the interval of its bootstrap.
pub(super) fn mean_amount(values: &Distribution, unit: Unit) -> Metric {
    Metric::of(values.mean_half_even(), values.mean_interval(SEED), unit, values.n())
}

pub(super) fn ratio(ratio: &Ratio, unit: Unit) -> Metric {
    Metric::of(ratio.value(), ratio.interval(), unit, ratio.n)
}

/// Shares of a total by decile of people, those with most first.
fn deciles(values: &Distribution) -> Vec<Json> {
    let n = values.n();
    let total = values.sum();
    let rows = values.top_sums(10);
    let row = |(number, (users, sum)): (usize, (u64, i128))| {
        let share = match total {
            0 => Metric::hidden(Unit::Share, Hidden::NoData, 0),
            total => Metric {
                exact: values.error().is_none(),
                error: values.error(),
                ..Metric::exact(sum as f64 / total as f64, Unit::Share, n)
            },
        };
        share.in_bucket((number + 1).to_string()).with(object!({ "users": users }))
    };
    rows.into_iter().enumerate().map(row).collect()
}

fn segments(census: &Census) -> Vec<Json> {
    let activity = &census.activity;
    let turns: u64 = activity.segments.iter().map(|segment| segment.turns).sum();
    let spend: i64 = activity.segments.iter().map(|segment| segment.nano_usd.0).sum();
    let part = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let names = ["none", "one", "light", "regular", "heavy"];
    let empty = crate::census::activity::Segment::default();
    let row = |(at, name): (usize, &'static str)| {
        let segment = activity.segments.get(at).unwrap_or(&empty);
        let share = |value| Metric::of(value, None, Unit::Share, segment.users);
        let more = object!({
            "turns_share": share(part(segment.turns as f64, turns as f64)),
            "spend_share": share(part(segment.nano_usd.0 as f64, spend as f64)),
        });
        Metric::count(segment.users).in_bucket(name).with(more)
    };
    names.into_iter().enumerate().map(row).collect()
}

fn sessions(facts: &Facts<'_>, census: &Census) -> Json {
    let sessions = &census.sessions;
    let all = sessions.count();
    let number = |at: usize| if at < 10 { (at + 1).to_string() } else { "11+".into() };
    let by_turns = sessions.abandoned_by_turns.iter().enumerate();
    object!({
        "sessions": Metric::count(all),
        "sessions_by_day": series(facts, &sessions.by_day),
        "per_session": {
            "turns": ratio(&sessions.turns_to_sessions, Unit::Mean),
            "messages": ratio(&sessions.messages_to_sessions, Unit::Mean),
        },
        "session_turns": quantiles(&sessions.turns, Unit::Turns),
        "session_length": quantiles(&sessions.length_ms, Unit::Ms),
        "heatmap": weekly(&sessions.by_hour),
        "heatmap_local": weekly(&sessions.by_local_hour),
        "heatmap_local_unknown": Metric::count(sessions.local_hour_unknown),
        "abandonment": {
            "sessions": Metric::exact(sessions.abandoned, Unit::Count, all),
            "share": Metric::share(sessions.abandoned, all),
            "by_turn_number": by_turns.map(|(at, n)| Metric::exact(*n, Unit::Count, all).in_bucket(number(at))).collect::<Json>(),
        },
    })
}

fn quantiles(values: &Distribution, unit: Unit) -> Json {
    let at = |q| Metric::quantile(values, q, unit);
    object!({ "median": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": maximum(values, unit) })
}

pub(super) fn maximum(values: &Distribution, unit: Unit) -> Metric {
    Metric::of(values.max(), None, unit, values.n())
}

/// 168 hours from Monday on.
fn weekly(counts: &[u64]) -> Vec<Json> {
    let row = |(hour, n): (usize, &u64)| Metric::count(*n).in_bucket(format!("{}-{:02}", hour / 24 + 1, hour % 24));
    counts.iter().enumerate().map(row).collect()
}

/// Most first, then by name; all others are one.
pub(super) fn top<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>, rows_max: usize) -> Vec<Json> {
    let mut rows: Vec<(&str, u64)> = counts.map(|(name, n)| (name.as_str(), *n)).collect();
    order::by_key(&mut rows, |(name, n)| (std::cmp::Reverse(*n), *name));
    let rest: u64 = rows.drain(rows_max.min(rows.len())..).map(|(_, n)| n).sum();
    rows.extend((rest > 0).then_some((crate::fold::names::OTHER, rest)));
    rows.into_iter().map(|(name, n)| Metric::count(n).in_bucket(name.to_owned())).collect()
}

struct Shown<'a> {
    monday: i32,
    cohort: &'a Cohort,
    hidden: bool,
}

/// Whether every member of a cohort has had day `n` after their first in full.
fn is_mature(today: i32, monday: i32, n: i32) -> bool {
    monday + 6 + n < today
}

/// Hides cohorts of few people, and more where those could be worked out from the pooled numbers: of the hidden ones that go into
/// any pooled number there are none, or several with enough people together.
fn hide(today: i32, least: u64, cohorts: &mut [Shown<'_>]) {
    cohorts.iter_mut().for_each(|shown| shown.hidden = shown.cohort.users < least);
    // The size's own total is the window's; then each day after.
    for n in -7..=30 {
        loop {
            let pooled = |shown: &&Shown<'_>| n < 0 || is_mature(today, shown.monday, n);
            let hidden: Vec<u64> =
                cohorts.iter().filter(pooled).filter(|shown| shown.hidden).map(|shown| shown.cohort.users).collect();
            if hidden.is_empty() || hidden.len() > 1 && hidden.iter().sum::<u64>() >= least {
                break;
            }
            let shown =
                cohorts.iter_mut().filter(|shown| !shown.hidden && (n < 0 || is_mature(today, shown.monday, n)));
            match shown.min_by_key(|shown| (shown.cohort.users, shown.monday)) {
                Some(next) => next.hidden = true,
                None => break,
            }
        }
    }
}

fn retention(facts: &Facts<'_>, census: &Census) -> Json {
    let mut cohorts: Vec<Shown<'_>> = census
        .retention
        .cohorts
        .iter()
        .map(|(monday, cohort)| Shown { monday: *monday, cohort, hidden: false })
        .collect();
    let today = facts.today();
    hide(today, facts.query.people_min, &mut cohorts);
    let pooled = |n: i32, hits: &dyn Fn(&Cohort) -> u64| {
        let mature = || cohorts.iter().filter(|shown| is_mature(today, shown.monday, n));
        let users: u64 = mature().map(|shown| shown.cohort.users).sum();
        match users {
            0 if cohorts.is_empty() => Metric::hidden(Unit::Share, Hidden::NoData, 0),
            0 => Metric::hidden(Unit::Share, Hidden::NotMature, 0),
            users if users < facts.query.people_min => Metric::hidden(Unit::Share, Hidden::FewerThan50People, 0),
            users => Metric::share(mature().map(|shown| hits(shown.cohort)).sum::<u64>(), users),
        }
    };
    let rows = cohorts.iter().map(|shown| {
        let size = if shown.hidden {
            Metric::hidden(Unit::Count, Hidden::FewerThan50People, 0)
        } else {
            Metric::count(shown.cohort.users)
        };
        let share = |n: i32, hits: u64| match (shown.hidden, is_mature(today, shown.monday, n)) {
            (_, false) => Metric::hidden(Unit::Share, Hidden::NotMature, 0),
            (true, _) => Metric::hidden(Unit::Share, Hidden::FewerThan50People, 0),
            (false, true) => Metric::share(hits, shown.cohort.users),
        };
        size.in_bucket(date_of(shown.monday)).with(days_after(&|n, hits| share(n, hits(shown.cohort))))
    });
    let all = object!({
        "cohorts": rows.collect::<Json>(),
        "curve": (0..=30).map(|n| pooled(n, &|cohort| on_day(cohort, n)).in_bucket(n.to_string())).collect::<Json>(),
    });
    all.with(days_after(&pooled))
}

fn on_day(cohort: &Cohort, n: i32) -> u64 {
    cohort.on_day.get(n as usize).copied().unwrap_or(0)
}

/// How many of a cohort came back.
type Hits<'a> = &'a dyn Fn(&Cohort) -> u64;

/// `d1`, `d7`, `d30`, each bounded and unbounded.
fn days_after(share: &dyn Fn(i32, Hits<'_>) -> Metric) -> Json {
    let day = |(at, n): (usize, &i32)| {
        let later = |cohort: &Cohort| cohort.later.get(at).copied().unwrap_or(0);
        let both = object!({ "bounded": share(*n, &|cohort| on_day(cohort, *n)), "unbounded": share(*n, &later) });
        (format!("d{n}"), both)
    };
    Json::Object(LATER.iter().enumerate().map(day).collect())
}

fn date_of(day: i32) -> String {
    schemas::UtcDay(day).start().utc_date().to_string()
}

fn churn(census: &Census) -> Json {
    let churn = &census.churn;
    let row = |user: &crate::census::churn::AtRisk| {
        let reason = match user.reason {
            Reason::Silent => "silent",
            Reason::Halved => "halved",
        };
        Metric::exact(user.silent_days, Unit::Days, 1)
            .in_bucket(user.user.to_string())
            .with(object!({ "reason": reason }))
    };
    object!({
        "at_risk": Metric::exact(churn.at_risk, Unit::Count, churn.active),
        "share": Metric::share(churn.at_risk, churn.active),
        "users": churn.users.iter().map(row).collect::<Json>(),
        "next": churn.next().map(|place| place.to_string()),
    })
}

fn times(values: &Distribution) -> Json {
    object!({ "median": Metric::quantile(values, 0.5, Unit::Ms), "p95": Metric::quantile(values, 0.95, Unit::Ms) })
}

fn funnels(facts: &Facts<'_>, census: &Census) -> Json {
    let both = facts.query.funnels.iter().zip(&census.funnels);
    Json::Object(both.map(|(funnel, reached)| (funnel.name.clone(), one_funnel(funnel, reached))).collect())
}

fn one_funnel(funnel: &Funnel, reached: &Reached) -> Json {
    let people = |at: usize| reached.people.get(at).copied().unwrap_or(0);
    let first = people(0);
    let step = |(at, step): (usize, &Vec<crate::census::funnels::Step>)| {
        let name: Vec<String> = step.iter().map(ToString::to_string).collect();
        let mut more = Members::default();
        if at > 0 {
            more.insert("from_previous", Metric::share(people(at), people(at - 1)));
            more.insert("from_first", Metric::share(people(at), first));
            let none = Distribution::default();
            more.insert("time_from_previous", times(reached.from_previous_ms.get(at).unwrap_or(&none)));
        }
        Metric::exact(people(at), Unit::Count, first).in_bucket(name.join("|")).with(Json::Object(more))
    };
    object!({
        "steps": funnel.steps.iter().enumerate().map(step).collect::<Json>(),
        "conversion": conversion(funnel, reached),
        "time": times(&reached.whole_ms),
    })
}

fn conversion(funnel: &Funnel, reached: &Reached) -> Metric {
    let people = |at: usize| reached.people.get(at).copied().unwrap_or(0);
    Metric::share(people(funnel.steps.len().saturating_sub(1)), people(0))
}

/// The funnels that are ways to become a customer.
fn conversions(facts: &Facts<'_>, census: &Census) -> Json {
    let both = facts.query.funnels.iter().zip(&census.funnels);
    let named = ["guest_to_signup", "chat_to_connection", "help_to_action"];
    let of = both.filter(|(funnel, _)| named.contains(&funnel.name.as_str()));
    let one = |(funnel, reached): (&Funnel, &Reached)| {
        let share = Json::from(conversion(funnel, reached)).with(object!({ "time": times(&reached.whole_ms) }));
        (funnel.name.clone(), share)
    };
    Json::Object(of.map(one).collect())
}
