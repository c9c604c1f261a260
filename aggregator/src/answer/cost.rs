//! The cost panel.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use schemas::event::Service;
use schemas::{Bucket15, NanoUsd, UtcMillis};
use serde_json::{Value, json};

use super::metric::{Hidden, Metric, Unit, mean_half_even, quantile};
use super::{Facts, budget};
use crate::civil;
use crate::fold::cost::{Amount, Line, Spend};
use crate::protocol::PeopleAnswer;

pub(super) fn answer(facts: &Facts<'_>, tz: Tz) -> Value {
    let window = &facts.query.window;
    let spend = facts.counted.range(window.from, window.to).cost;
    let whole = total(&spend);
    let models = Amount { count: turns(&spend), ..whole };
    json!({
        "spend": money(&whole),
        "spend_today": since(facts, tz, |date| date),
        "spend_week": since(facts, tz, civil::week_start),
        "spend_month": since(facts, tz, civil::month_start),
        "spend_by_day": window.days.iter().map(|day| {
            let day_spend = facts.counted.range(day.from, day.to).cost;
            let services = group(&day_spend, |line| Some(service_name(line.service)));
            let by_service: serde_json::Map<String, Value> =
                services.iter().map(|(name, amount)| (name.clone(), json!(amount.nano_usd))).collect();
            money(&total(&day_spend)).in_bucket(&day.date, json!({ "by_service": by_service }))
        }).collect::<Vec<_>>(),
        "spend_by_service": series(group(&spend, |line| Some(service_name(line.service)))),
        "spend_by_provider": series(group(&spend, |line| line.provider.as_ref().map(ToString::to_string))),
        "spend_by_model": by_model(&spend),
        "spend_by_feature": series(group(&spend, |line| line.feature.as_ref().map(ToString::to_string))),
        "tokens": {
            "input": Metric::exact(whole.input_tokens, Unit::Tokens, models.count),
            "output": Metric::exact(whole.output_tokens, Unit::Tokens, models.count),
            "cache_read": Metric::exact(whole.cache_read_tokens, Unit::Tokens, models.count),
            "cache_write": Metric::exact(whole.cache_write_tokens, Unit::Tokens, models.count),
            "reasoning": Metric::exact(whole.reasoning_tokens, Unit::Tokens, models.count),
        },
        "per_user": distribution(facts.people.as_ref().map(|people| people.spend_per_user.as_slice())),
        "per_session": distribution(facts.people.as_ref().map(|people| people.spend_per_session.as_slice())),
        "top_users": facts.people.as_ref().map(top_users),
        "budget": facts.query.budget.as_ref().map(|query| budget::answer(facts, query)),
        "unpriced": {
            "turns": Metric::exact(whole.unpriced, Unit::Count, models.count),
            "token_share": share(whole.unpriced_tokens, whole.input_tokens + whole.output_tokens),
            "models": unpriced_models(&spend),
        },
        "usage_missing": Metric::exact(whole.usage_missing, Unit::Count, models.count),
        "estimated": {
            "turns": Metric::exact(whole.estimated, Unit::Count, models.count),
            "token_share": share(whole.estimated_tokens, whole.input_tokens + whole.output_tokens),
        },
    })
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
fn since(facts: &Facts<'_>, tz: Tz, first: fn(chrono::NaiveDate) -> chrono::NaiveDate) -> Metric {
    let today = civil::date_of(tz, facts.query.now);
    let bucket = |at: UtcMillis| Bucket15::of(at);
    let from = bucket(civil::day_start(tz, first(today)));
    let to = bucket(civil::day_start(tz, civil::next(today)));
    money(&total(&facts.counted.range(from, to).cost))
}

fn group(spend: &Spend, name: impl Fn(&Line) -> Option<String>) -> BTreeMap<String, Amount> {
    let mut groups: BTreeMap<String, Amount> = BTreeMap::new();
    for (line, amount) in &spend.lines {
        groups.entry(name(line).unwrap_or_else(|| "(none)".into())).or_default().merge(amount);
    }
    groups
}

/// Most spent first.
fn series(groups: BTreeMap<String, Amount>) -> Vec<Value> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.nano_usd));
    groups.iter().map(|(name, amount)| money(amount).in_bucket(name, tokens(amount))).collect()
}

fn by_model(spend: &Spend) -> Vec<Value> {
    let mut models: BTreeMap<(String, String), Amount> = BTreeMap::new();
    for (line, amount) in &spend.lines {
        if let (Some(provider), Some(model)) = (&line.provider, &line.model) {
            models.entry((model.to_string(), provider.to_string())).or_default().merge(amount);
        }
    }
    let mut models: Vec<_> = models.into_iter().collect();
    models.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.nano_usd));
    let row = |((model, provider), amount): &((String, String), Amount)| {
        let mut more = tokens(amount);
        if let Value::Object(members) = &mut more {
            members.insert("provider".into(), json!(provider));
            members.insert("unpriced_turns".into(), json!(amount.unpriced));
            members.insert("usage_missing_turns".into(), json!(amount.usage_missing));
        }
        money(amount).in_bucket(model, more)
    };
    models.iter().map(row).collect()
}

fn tokens(amount: &Amount) -> Value {
    json!({
        "count": amount.count,
        "input_tokens": amount.input_tokens,
        "output_tokens": amount.output_tokens,
        "cache_read_tokens": amount.cache_read_tokens,
        "cache_write_tokens": amount.cache_write_tokens,
        "reasoning_tokens": amount.reasoning_tokens,
    })
}

fn unpriced_models(spend: &Spend) -> Vec<Value> {
    let unpriced = spend.lines.iter().filter(|(_, amount)| amount.unpriced > 0);
    let mut models: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (line, amount) in unpriced {
        if let (Some(provider), Some(model)) = (&line.provider, &line.model) {
            *models.entry((model.to_string(), provider.to_string())).or_default() += amount.unpriced;
        }
    }
    let row = |((model, provider), turns): (&(String, String), &u64)| {
        Metric::exact(*turns, Unit::Count, *turns).in_bucket(model, json!({ "provider": provider }))
    };
    models.iter().map(row).collect()
}

/// Mean and order statistics of sorted amounts; `None` when a Shard did not answer.
fn distribution(sorted: Option<&[NanoUsd]>) -> Value {
    let n = sorted.map_or(0, <[_]>::len) as u64;
    let metric = |value: Option<i64>| match (sorted, value) {
        (None, _) => Metric::hidden(Unit::NanoUsd, Hidden::ShardUnreachable, 0),
        (_, None) => Metric::hidden(Unit::NanoUsd, Hidden::NoData, 0),
        (_, Some(value)) => Metric::exact(value, Unit::NanoUsd, n),
    };
    let values = sorted.unwrap_or_default();
    let at = |q: f64| metric(quantile(values, q).map(|amount| amount.0));
    json!({
        "mean": metric(mean_half_even(values.iter().map(|amount| i128::from(amount.0)).sum(), n)),
        "median": at(0.5),
        "p90": at(0.9),
        "p95": at(0.95),
        "p99": at(0.99),
        "max": at(1.0),
    })
}

fn top_users(people: &PeopleAnswer) -> Vec<Value> {
    let row = |top: &crate::protocol::TopUser| {
        Metric::exact(top.nano_usd.0, Unit::NanoUsd, top.turns)
            .in_bucket(&top.user.to_string(), json!({ "turns": top.turns }))
    };
    people.top_users.iter().map(row).collect()
}

fn share(part: u64, whole: u64) -> Metric {
    if whole == 0 {
        return Metric::hidden(Unit::Share, Hidden::NoData, 0);
    }
    Metric::exact(part as f64 / whole as f64, Unit::Share, whole)
}

fn service_name(service: Service) -> String {
    json!(service).as_str().unwrap_or_default().to_owned()
}
