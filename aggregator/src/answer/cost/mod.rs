//! The cost panel: the bill by day, service, provider, model and feature; what has no price; limits and what is to come.

mod people;

use schemas::event::Service;
use schemas::{Bucket15, FlatMap, Label, NanoUsd, order};

use super::chart::{chart, quantiles};
use super::forecast::History;
use super::json::{Json, Members, object, word};
use super::metric::{Hidden, Metric, Unit, mean_half_even};
use super::{Facts, budget};
use crate::civil::{self, CivilDay};
use crate::fold::cost::{Amount, Line, Spend};
use crate::fold::named::NamedTotals;
use crate::protocol::ShardHealth;
use crate::stats::histogram::Counts;
use crate::zone::Zone;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals, tz: Zone) -> Json {
    let window = &facts.query.window;
    let spend = spend_in(facts, window.from, window.to);
    let whole = total(&spend);
    let turns = turns(&spend);
    let days: Vec<(&CivilDay, Spend)> =
        window.days.iter().map(|day| (day, spend_in(facts, day.from, day.to))).collect();
    let rare = whole.rare.as_deref().cloned().unwrap_or_default();
    let cache = |amount: NanoUsd| Metric::exact(amount.0, Unit::NanoUsd, rare.cache.turns);
    let panel = object!({
        "spend": money(&whole),
        "spend_today": since(facts, tz, |date| date),
        "spend_week": since(facts, tz, civil::week_start),
        "spend_month": since(facts, tz, civil::month_start),
        "spend_by_day": days.iter().map(|(day, day_spend)| {
            let services = group(day_spend, |line| Some(word(line.service)));
            let by_service: Members =
                services.into_iter().map(|(name, amount)| (name, amount.nano_usd.0)).collect();
            money(&total(day_spend)).in_bucket(day.date.clone()).with(object!({ "by_service": by_service }))
        }).collect::<Json>(),
        "spend_by_service": series(group(&spend, |line| Some(word(line.service)))),
        "spend_by_provider": series(group(&spend, |line| line.provider.as_ref().map(ToString::to_string))),
        "spend_by_model": by_model(&spend),
        "spend_by_feature": series(group(&spend, |line| line.feature.as_ref().map(ToString::to_string))),
        "tokens": {
            "input": Metric::exact(whole.input_tokens, Unit::Tokens, turns),
            "output": Metric::exact(whole.output_tokens, Unit::Tokens, turns),
            "cache_read": Metric::exact(whole.cache_read_tokens, Unit::Tokens, turns),
            "cache_write": Metric::exact(whole.cache_write_tokens, Unit::Tokens, turns),
            "reasoning": Metric::exact(whole.reasoning_tokens, Unit::Tokens, turns),
        },
        "cache_savings": cache(rare.cache.saved),
        "cache_write_premium": cache(rare.cache.write_premium),
        "per_turn": per_turn(facts, named, &spend),
        "unpriced": unpriced(facts, &whole, turns, &days),
        "repriced": {
            "turns": Metric::exact(rare.repriced, Unit::Count, turns),
            "spend": Metric::exact(rare.repriced_nano_usd.0, Unit::NanoUsd, rare.repriced),
        },
        "partial": Metric::exact(rare.partial, Unit::Count, turns),
        "not_billed": Metric::exact(rare.not_billed, Unit::Count, turns),
        "usage_missing": Metric::exact(whole.usage_missing, Unit::Count, turns),
        "estimated": {
            "turns": Metric::exact(whole.estimated, Unit::Count, turns),
            "token_share": share(whole.estimated_tokens, whole.input_tokens + whole.output_tokens),
        },
    });
    if facts.query.filter.model().is_some() {
        return panel;
    }
    panel.with(outlook(facts, tz)).with(people::members(facts))
}

/// Limits and what is to come: by the question's days, of budgets by the home zone's. Not told of one model alone.
fn outlook(facts: &Facts<'_>, tz: Zone) -> Json {
    let history = History::of(facts, tz);
    object!({
        "projection": history.projection(),
        "spike": history.spike(),
        "budget": facts.query.budget.as_ref().map(|query| budget::answer(facts, query, history)),
    })
}

/// Turns without a price; of all models also how many wait for one.
fn unpriced(facts: &Facts<'_>, whole: &Amount, turns: u64, days: &[(&CivilDay, Spend)]) -> Json {
    let unpriced = object!({
        "turns": Metric::exact(whole.unpriced, Unit::Count, turns),
        "token_share": share(whole.unpriced_tokens, whole.input_tokens + whole.output_tokens),
        "models": unpriced_models(days),
    });
    if facts.query.filter.model().is_some() {
        return unpriced;
    }
    let waiting = object!({
        "kept_for_repricing": pending(facts, |health| health.pending_turns),
        "not_kept": pending(facts, |health| health.pending_over),
    });
    unpriced.with(waiting)
}

/// The bill of a range, or of it the lines of the model that is asked for.
fn spend_in(facts: &Facts<'_>, from: Bucket15, to: Bucket15) -> Spend {
    let mut spend = facts.counted.range(from, to).cost.clone();
    if let Some(asked) = facts.query.filter.model() {
        spend.lines.retain(|line, _| line.model.as_ref().is_some_and(|model| model.as_str() == asked));
    }
    spend
}

/// What each priced turn cost. The mean is exact, from the bill.
fn per_turn(facts: &Facts<'_>, named: &NamedTotals, spend: &Spend) -> Json {
    let (mut priced, mut sum) = (0, NanoUsd::ZERO);
    for (_, amount) in spend.lines.iter().filter(|(line, _)| line.service == Service::Model) {
        priced += amount.priced();
        sum += amount.nano_usd;
    }
    let mut costs = Counts::default();
    let asked = facts.query.filter.model();
    let models = named.models.iter().filter(|(name, _)| asked.is_none_or(|asked| asked == *name));
    models.for_each(|(_, model)| costs.merge(&model.cost));
    let mut mean = match mean_half_even(sum.0.into(), priced) {
        Some(mean) => Metric::exact(mean, Unit::NanoUsd, priced),
        None => Metric::hidden(Unit::NanoUsd, Hidden::NoData, 0),
    };
    // Turns of one person are alike: the interval goes by people.
    if let Some(census) = facts.census() {
        let by_person = &census.activity.spend_to_turns;
        mean = Metric { ci: by_person.interval(), n: by_person.n, ..mean };
    }
    let wanted = [("median", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)];
    // Where a day had no room for the model, or knew no costs of turns yet, some are missing.
    let whole = costs.n() == priced;
    let hidden = Metric::hidden(Unit::NanoUsd, Hidden::NotEnoughData, priced);
    let mut members = match whole {
        true => quantiles(&costs, wanted, Unit::NanoUsd),
        false => wanted.into_iter().map(|(name, _)| (name, hidden)).collect(),
    };
    members.insert("mean", mean);
    members.insert("histogram", if whole { chart(&costs) } else { Vec::new() });
    Json::Object(members)
}

fn money(amount: &Amount) -> Metric {
    Metric::exact(amount.nano_usd.0, Unit::NanoUsd, amount.count)
}

fn total(spend: &Spend) -> Amount {
    let mut total = Amount::default();
    spend.lines.values().for_each(|amount| total.merge(amount));
    total
}

fn turns(spend: &Spend) -> u64 {
    spend.lines.iter().filter(|(line, _)| line.service == Service::Model).map(|(_, amount)| amount.count).sum()
}

/// Spend from the start of the present day, week or month until the end of today.
fn since(facts: &Facts<'_>, tz: Zone, first: fn(chrono::NaiveDate) -> chrono::NaiveDate) -> Metric {
    let (from, to) = civil::until_today(tz, facts.query.now, first);
    money(&total(&spend_in(facts, from, to)))
}

fn group(spend: &Spend, name: impl Fn(&Line) -> Option<String>) -> FlatMap<String, Amount> {
    let mut groups: FlatMap<String, Amount> = FlatMap::new();
    for (line, amount) in &spend.lines {
        groups.entry(name(line).unwrap_or_else(|| "(none)".into())).or_default().merge(amount);
    }
    groups
}

/// Most spent first.
fn series(groups: FlatMap<String, Amount>) -> Vec<Json> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    order::by_key(&mut groups, |(_, amount)| std::cmp::Reverse(amount.nano_usd));
    groups.iter().map(|(name, amount)| money(amount).in_bucket(name.to_owned()).with(tokens(amount))).collect()
}

fn by_model(spend: &Spend) -> Vec<Json> {
    let mut models: FlatMap<(String, String), Amount> = FlatMap::new();
    for (line, amount) in &spend.lines {
        if let (Some(provider), Some(model)) = (&line.provider, &line.model) {
            models.entry((model.to_string(), provider.to_string())).or_default().merge(amount);
        }
    }
    let mut models: Vec<_> = models.into_iter().collect();
    order::by_key(&mut models, |(_, amount)| std::cmp::Reverse(amount.nano_usd));
    let row = |((model, provider), amount): &((String, String), Amount)| {
        let more = object!({
            "provider": provider.clone(),
            "unpriced_turns": amount.unpriced,
            "usage_missing_turns": amount.usage_missing,
        });
        money(amount).in_bucket(model.to_owned()).with(tokens(amount)).with(more)
    };
    models.iter().map(row).collect()
}

fn tokens(amount: &Amount) -> Json {
    object!({
        "count": amount.count,
        "input_tokens": amount.input_tokens,
        "output_tokens": amount.output_tokens,
        "cache_read_tokens": amount.cache_read_tokens,
        "cache_write_tokens": amount.cache_write_tokens,
        "reasoning_tokens": amount.reasoning_tokens,
    })
}

/// What the operator's price list lacks: turns that still have no price, by model, with the days on which they came.
fn unpriced_models(days: &[(&CivilDay, Spend)]) -> Vec<Json> {
    struct Model<'a> {
        amount: Amount,
        first_day: &'a str,
        last_day: &'a str,
    }
    let mut models: FlatMap<(&Label, &Label), Model<'_>> = FlatMap::new();
    for (day, spend) in days {
        for (line, amount) in spend.lines.iter().filter(|(_, amount)| amount.unpriced > 0) {
            if let (Some(provider), Some(model)) = (&line.provider, &line.model) {
                let new = || Model { amount: Amount::default(), first_day: &day.date, last_day: &day.date };
                let row = models.entry((model, provider)).or_insert_with(new);
                row.amount.merge(amount);
                row.last_day = &day.date;
            }
        }
    }
    let row = |((model, provider), row): (&(&Label, &Label), &Model<'_>)| {
        let turns = row.amount.unpriced;
        let rare = row.amount.rare.as_deref();
        let reasons = rare.map(|rare| rare.unpriced.iter().map(|(why, n)| (word(why), *n)).collect::<Members>());
        Metric::exact(turns, Unit::Count, turns).in_bucket(model.to_string()).with(object!({
            "provider": provider.to_string(),
            "tokens": row.amount.unpriced_tokens,
            "reasons": reasons,
            "first_day": row.first_day.to_owned(),
            "last_day": row.last_day.to_owned(),
        }))
    };
    models.iter().map(row).collect()
}

/// A count that Shards tell of themselves: as of now, whatever the window.
fn pending(facts: &Facts<'_>, count: fn(&ShardHealth) -> u64) -> Metric {
    Metric::told(facts.shards.iter().map(|health| health.as_ref().map(count)).sum())
}

fn share(part: u64, whole: u64) -> Metric {
    if whole == 0 {
        return Metric::hidden(Unit::Share, Hidden::NoData, 0);
    }
    Metric::exact(part as f64 / whole as f64, Unit::Share, whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answer::counted::testing::Folded;
    use crate::answer::{Panel, Query, testing};
    use crate::fold::Fold;
    use crate::fold::intake::Tally;
    use crate::fold::pending::repriced_event;
    use crate::fold::testing::turn;
    use schemas::UtcMillis;

    #[test]
    fn models_without_a_price_are_listed_until_it_is_found() {
        let now = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap();
        let ago = |days: i64| now.0 - days * schemas::time::DAY_MS;
        let (later, never) = (turn(1, Some(1), None, ago(1), None, 0), turn(2, Some(1), None, ago(2), None, 1));
        let mut fold = Fold::default();
        let events =
            [later.clone(), never, turn(3, None, None, ago(4), None, 1), turn(4, None, None, ago(0), Some(3), 1)];
        fold.row(1, now, &events, &Tally::default());
        let found = fold.people.pending(None, 9).turns.into_iter().find(|turn| turn.id == later.id).unwrap();
        let schemas::Body::Turn(priced) = &turn(5, None, None, 0, Some(40), 0).body.clone() else { panic!() };
        fold.row(2, now, &[repriced_event(&found, priced.cost.clone())], &Tally::default());
        let (pending_turns, pending_over) = fold.people.pending_counts();
        let window = civil::window(Zone::UTC, UtcMillis(ago(10)), now);
        let query = Query::new(Zone::UTC, window, vec![Panel::Cost], now);
        let shards = vec![Some(ShardHealth { pending_turns, pending_over, ..ShardHealth::default() })];
        let days = Folded(vec![fold]);
        let answer = testing::answer(&Facts {
            query: &query,
            counted: &days,
            people: None,
            people_as_of: None,
            budget_people: None,
            people_before: None,
            shards,
        });
        let cost = &answer["panels"]["cost"];
        assert_eq!((&cost["spend"]["value"], &cost["unpriced"]["turns"]["value"]), (&json!(43), &json!(2)));
        assert_eq!((&cost["repriced"]["turns"]["value"], &cost["repriced"]["spend"]["value"]), (&json!(1), &json!(40)));
        assert_eq!(cost["unpriced"]["kept_for_repricing"]["value"], json!(2));
        let models = cost["unpriced"]["models"].as_array().unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!(
            (&models[0]["bucket"], &models[0]["value"], &models[0]["tokens"]),
            (&json!("m1"), &json!(2), &json!(30))
        );
        assert_eq!((&models[0]["first_day"], &models[0]["last_day"]), (&json!("2026-11-17"), &json!("2026-11-19")));
        assert_eq!(models[0]["reasons"], json!({ "unknown_model": 2 }));
    }
}
