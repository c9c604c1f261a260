//! What people cost: the part of the cost panel that the census knows.

use crate::answer::Facts;
use crate::answer::budget::spender;
use crate::answer::chart::bar;
use crate::answer::json::{Json, Members, object};
use crate::answer::metric::{Hidden, Metric, Unit};
use crate::answer::usage::{maximum, mean_amount, ratio};
use crate::census::sums::Ratio;
use crate::stats::distribution::Distribution;

/// Spend and tokens by person, session and message.
pub(super) fn members(facts: &Facts<'_>) -> Json {
    let Some(census) = facts.census() else {
        let unknown = Metric::hidden(Unit::NanoUsd, Hidden::ShardUnreachable, 0);
        let names = ["mean", "median", "p90", "p95", "p99", "max"];
        let all: Members = names.into_iter().map(|name| (name, unknown)).collect();
        return object!({ "per_user": all.clone(), "per_session": all });
    };
    let (activity, sessions) = (&census.activity, &census.sessions);
    let mean = |values: &Distribution, by: &Ratio, unit| Metric {
        n: by.n,
        ..Metric::of(values.mean_half_even(), by.interval(), unit, values.n())
    };
    let per_user = mean_amount(&activity.spend_per_user, Unit::NanoUsd);
    let per_session = mean(&sessions.spend, &sessions.spend_to_sessions, Unit::NanoUsd);
    let tokens = mean(&sessions.tokens, &sessions.tokens_to_sessions, Unit::Tokens);
    object!({
        "per_user": distribution(&activity.spend_per_user, Unit::NanoUsd, per_user).with(histogram(&activity.spend_per_user)),
        "per_session": distribution(&sessions.spend, Unit::NanoUsd, per_session).with(histogram(&sessions.spend)),
        "top_users": activity.top_users.iter().map(spender).collect::<Json>(),
        "tokens_per_message": ratio(&sessions.tokens_to_messages, Unit::Tokens),
        "tokens_per_session": distribution(&sessions.tokens, Unit::Tokens, tokens),
    })
}

fn distribution(values: &Distribution, unit: Unit, mean: Metric) -> Json {
    let at = |q| Metric::quantile(values, q, unit);
    object!({
        "mean": mean, "median": at(0.5), "p90": at(0.9), "p95": at(0.95), "p99": at(0.99), "max": maximum(values, unit),
    })
}

/// Bars with their upper bounds.
fn histogram(values: &Distribution) -> Json {
    let bars = values.histogram().into_iter().map(|(bound, n, off)| bar(bound, n, off));
    object!({ "histogram": bars.collect::<Vec<_>>() })
}
