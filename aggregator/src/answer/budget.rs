//! The cost panel's budgets: what is spent of each limit, and how many people are at theirs.

use super::Facts;
use super::forecast::History;
use super::json::{Json, object};
use super::metric::{Metric, Unit};
use crate::budget::{BudgetQuery, Span};
use crate::census::activity::{Activity, TopUser};
use schemas::NanoUsd;

/// Share of a limit from which on it is near.
const WARNING_PERCENT: i128 = 80;

/// Members are there for the limits that are set.
pub(super) fn answer(facts: &Facts<'_>, query: &BudgetQuery, history: History) -> Json {
    let (limits, periods) = (&query.limits, &query.periods);
    let (of_day, of_month) = match &facts.budget_people {
        Some((day, month)) => (Some(&day.activity), Some(&month.activity)),
        None => (None, None),
    };
    let set = |limit: NanoUsd| (limit > NanoUsd::ZERO).then_some(limit);
    let members = [
        ("day", set(limits.day).map(|limit| of_all(facts, limit, periods.day))),
        ("month", set(limits.month).map(|limit| month_of_all(facts, limit, periods.month, history))),
        ("user_day", set(limits.user_day).map(|limit| of_people(of_day, limit))),
        ("user_month", set(limits.user_month).map(|limit| of_people(of_month, limit))),
    ];
    Json::Object(members.into_iter().filter_map(|(name, member)| Some((name, member?))).collect())
}

fn of_all(facts: &Facts<'_>, limit: NanoUsd, span: Span) -> Json {
    let sum = facts.counted.range(span.from, span.to);
    let lines = &sum.cost.lines;
    let spent: NanoUsd = lines.values().map(|amount| amount.nano_usd).sum();
    let n = lines.values().map(|amount| amount.count).sum();
    object!({
        "limit": Metric::exact(limit.0, Unit::NanoUsd, n),
        "spent": Metric::exact(spent.0, Unit::NanoUsd, n),
        "share": Metric::exact(spent.0 as f64 / limit.0 as f64, Unit::Share, n),
        "state": state(spent, limit),
        "resets_at": span.to.start().to_rfc3339(),
    })
}

/// With what it comes to at its end.
fn month_of_all(facts: &Facts<'_>, limit: NanoUsd, span: Span, history: History) -> Json {
    let spent = facts.counted.spend(span.from, span.to);
    let projected = history.at_home(facts).month_end(spent.0);
    of_all(facts, limit, span).with(object!({ "projected": projected }))
}

/// How many have spent their limit, and who of them spent most.
fn of_people(people: Option<&Activity>, limit: NanoUsd) -> Json {
    let Some(people) = people else {
        return object!({ "limit": Metric::exact(limit.0, Unit::NanoUsd, 0), "users_at_limit": Metric::told(None) });
    };
    let n = people.users;
    let at_limit = people.top_users.iter().filter(|top| top.nano_usd >= limit).map(spender);
    object!({
        "limit": Metric::exact(limit.0, Unit::NanoUsd, n),
        "users_at_limit": Metric::exact(people.at_limit, Unit::Count, n),
        "top_users_at_limit": at_limit.collect::<Json>(),
    })
}

/// Who spent much, as a key.
pub(super) fn spender(top: &TopUser) -> Json {
    Metric::exact(top.nano_usd.0, Unit::NanoUsd, top.turns)
        .in_bucket(top.user.to_string())
        .with(object!({ "turns": top.turns }))
}

fn state(spent: NanoUsd, limit: NanoUsd) -> &'static str {
    let (spent, limit) = (i128::from(spent.0) * 100, i128::from(limit.0));
    if spent >= limit * 100 {
        "exceeded"
    } else if spent >= limit * WARNING_PERCENT {
        "warning"
    } else {
        "ok"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::counted::testing::Folded;
    use crate::answer::{Panel, Query, testing};
    use crate::budget::{Limits, Periods};
    use crate::census::Census;
    use crate::civil;
    use crate::fold::testing::turn;
    use crate::protocol::ShardHealth;
    use schemas::UtcMillis;

    fn ask(limits: Limits, budget_people: Option<(Census, Census)>) -> Value {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap();
        let tz = civil::zone("Asia/Kathmandu").unwrap();
        let at = |text, cost| turn(1, Some(1), None, UtcMillis::parse_rfc3339(text).unwrap().0, Some(cost), 0);
        let turns = Folded::of(&[
            at("2026-11-21T18:14:59Z", 7),
            at("2026-11-21T18:15:00Z", 79),
            at("2026-10-31T18:14:00Z", 1_000),
            at("2026-10-31T18:15:00Z", 14),
        ]);
        let budget = Some(BudgetQuery { limits, periods: Periods::at(tz, now) });
        let window = civil::window(crate::zone::Zone::UTC, now.plus_ms(-1), now);
        let home = Some("Asia/Kathmandu".into());
        let query = Query { budget, home, ..Query::new(crate::zone::Zone::UTC, window, vec![Panel::Cost], now) };
        let shards = vec![Some(ShardHealth::default())];
        let answer = testing::answer(&Facts {
            query: &query,
            counted: &turns,
            people: None,
            people_as_of: None,
            people_before: None,
            budget_people,
            shards,
        });
        answer["panels"]["cost"]["budget"].clone()
    }

    #[test]
    fn periods_are_those_of_the_home_zone() {
        let budget = ask(Limits { day: NanoUsd(80), month: NanoUsd(100), ..Limits::default() }, None);
        assert_eq!((&budget["day"]["spent"]["value"], &budget["month"]["spent"]["value"]), (&json!(79), &json!(100)));
        assert_eq!((&budget["day"]["state"], &budget["month"]["state"]), (&json!("warning"), &json!("exceeded")));
        assert_eq!(budget["month"]["share"]["value"], json!(1.0));
        // There it is the 22nd: one whole day more than in UTC.
        assert_eq!(budget["month"]["projected"]["n"], json!(22));
        assert_eq!(budget["day"]["resets_at"], "2026-11-22T18:15:00.000Z");
        assert_eq!(budget["month"]["resets_at"], "2026-11-30T18:15:00.000Z");
        assert!(budget.get("user_day").is_none());
        assert_eq!(ask(Limits { day: NanoUsd(99), ..Limits::default() }, None)["day"]["state"], "ok");
        assert_eq!(ask(Limits::default(), None), json!({}));
    }

    #[test]
    fn people_at_their_limit_are_counted() {
        let limits = Limits { user_day: NanoUsd(50), user_month: NanoUsd(500), ..Limits::default() };
        let user = turn(1, Some(1), None, 0, None, 0).user.unwrap();
        let day = Activity {
            users: 4,
            at_limit: 2,
            top_users: vec![
                TopUser { user, nano_usd: NanoUsd(60), turns: 2 },
                TopUser { user, nano_usd: NanoUsd(49), turns: 1 },
            ],
            ..Activity::default()
        };
        let day = Census { activity: day, ..Census::default() };
        let budget = ask(limits, Some((day, Census::default())));
        assert_eq!(budget["user_day"]["users_at_limit"]["value"], json!(2));
        assert_eq!(budget["user_day"]["top_users_at_limit"].as_array().unwrap().len(), 1);
        assert_eq!(budget["user_month"]["users_at_limit"]["value"], json!(0));
        assert_eq!(ask(limits, None)["user_day"]["users_at_limit"]["hidden"], "shard_unreachable");
    }
}
