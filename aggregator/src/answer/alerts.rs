//! What alerts watch: numbers that panels show, each as one value to set beside a threshold.
//!
//! Read out of an answer, so that an alert can't say something else than its panel does.

use chrono::NaiveDate;
use schemas::UtcMillis;
use serde::Serialize;
use serde_json::Value;

use super::metric::Unit;
use crate::civil;
use crate::stats::spike::{SPIKE_HISTORY_MAX, SPIKE_HISTORY_MIN, same_weekday};
use crate::zone::Zone;

/// Whole minutes of receive time by which the intake is judged.
const PRESENT_MINUTES: i64 = 5;
/// Reasons for which an event is lost. For all others it was not to be kept.
const LOST: [&str; 2] = ["capture_overflow", "capture_unstored"];

/// A value that a threshold is set for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// Stable name.
    pub name: &'static str,
    /// The provider, platform or limit that it is of, where it is one of several.
    pub of: Option<String>,
    /// In `unit`; `None` where the answer has none: not asked for, hidden, or too little to tell.
    pub value: Option<f64>,
    /// What the value, and so the threshold, counts.
    pub unit: Unit,
    /// How many observations it rests on, as at the metric.
    pub n: u64,
    /// The number of the answer that it is made of, as docs/metrics.md names it.
    pub threshold_metric: &'static str,
}

/// Every input, of an answer of [`super::admin`] with all panels, without filter. Of what is not in it the value is `None`.
///
/// - `error_rate_5m` (share): failed turns of the last 5 whole minutes, all providers.
/// - `model_api_down` (count, by provider): 1 while down, 0 while up.
/// - `intake_lost` (share): of what was received in the last 5 whole minutes, events lost for want of room or of a Shard; those
///   that people opted out of are no loss.
/// - `nightly_age` (ms): since the end of the UTC day that was last made into files, of the Shard that lags most: a day later
///   the next one is due. `nightly_failed` (count): Shards whose last step failed.
/// - `erasure_overdue` (ms): since the oldest waiting erasure was due; 0 while none is.
/// - `budget_day` (share): spent of today's limit. `budget_month_projected` (share): the month's projection to its limit.
/// - `users_over_limit` (count, by limit): people who have spent theirs.
/// - `spend_spike`, `usage_spike` (z): today's spend and turns beside the same weekday's; `None` of fewer than 4 weeks.
/// - `replies_p95` (ms), `satisfaction` (share), `users` (count): of the answer's window.
/// - `platform_api_errors` (share, by platform): of the calls of the answer's window.
/// - `tokens_expiring` (count): within 7 days.
#[must_use]
pub fn inputs(answer: &Value) -> Vec<Input> {
    let panels = Panels { answer, now: answer["generated_at"].as_str().and_then(UtcMillis::parse_rfc3339) };
    let mut all = vec![panels.error_rate()];
    all.extend(panels.rows("/operations/model_api").map(model_api));
    all.extend([panels.lost(), panels.nightly_age(), panels.nightly_failed(), panels.erasure_overdue()]);
    all.extend([
        panels.number("budget_day", Unit::Share, "/cost/budget/day/share", "cost.budget.day.share"),
        panels.month_projected(),
    ]);
    for (limit, at) in [("user_day", "/cost/budget/user_day"), ("user_month", "/cost/budget/user_month")] {
        if let Some(budget) = panels.at(at) {
            let metric = (Unit::Count, "cost.budget.….users_at_limit");
            all.push(of_metric("users_over_limit", Some(limit.into()), &budget["users_at_limit"], metric));
        }
    }
    all.extend([
        panels.spend_spike(),
        panels.usage_spike(),
        panels.number("replies_p95", Unit::Ms, "/operations/latency/p95", "operations.latency.p95"),
        panels.number("satisfaction", Unit::Share, "/usage/satisfaction/ratio", "usage.satisfaction.ratio"),
    ]);
    all.extend(panels.rows("/integrations/api").map(|row| {
        let metric = (Unit::Share, "integrations.api[].error_rate");
        of_metric("platform_api_errors", bucket(row), &row["error_rate"], metric)
    }));
    all.extend([
        panels.number("tokens_expiring", Unit::Count, "/integrations/tokens_expiring", "integrations.tokens_expiring"),
        panels.number("users", Unit::Count, "/usage/users", "usage.users"),
    ]);
    all
}

fn bucket(row: &Value) -> Option<String> {
    row["bucket"].as_str().map(str::to_owned)
}

fn count(metric: &Value, member: &str) -> u64 {
    metric.get(member).and_then(Value::as_u64).unwrap_or(0)
}

fn of_metric(
    name: &'static str,
    of: Option<String>,
    metric: &Value,
    (unit, threshold_metric): (Unit, &'static str),
) -> Input {
    let n = count(metric, "n");
    Input { name, of, value: metric["value"].as_f64(), unit, n, threshold_metric }
}

fn model_api(row: &Value) -> Input {
    let value = match row["state"].as_str() {
        Some("down") => Some(1.0),
        Some("up") => Some(0.0),
        _ => None,
    };
    let n = count(&row["error_rate_5m"], "n");
    let threshold_metric = "operations.model_api[].state";
    Input { name: "model_api_down", of: bucket(row), value, unit: Unit::Count, n, threshold_metric }
}

struct Panels<'a> {
    answer: &'a Value,
    now: Option<UtcMillis>,
}

impl<'a> Panels<'a> {
    fn at(&self, place: &str) -> Option<&'a Value> {
        self.answer["panels"].pointer(place)
    }

    fn rows(&self, place: &str) -> impl Iterator<Item = &'a Value> {
        self.at(place).and_then(Value::as_array).into_iter().flatten()
    }

    fn number(&self, name: &'static str, unit: Unit, place: &str, threshold_metric: &'static str) -> Input {
        of_metric(name, None, self.at(place).unwrap_or(&Value::Null), (unit, threshold_metric))
    }

    fn error_rate(&self) -> Input {
        let (mut hits, mut n) = (0.0, 0);
        for row in self.rows("/operations/model_api") {
            let rate = &row["error_rate_5m"];
            let turns = count(rate, "n");
            // A share of whole turns.
            hits += (rate["value"].as_f64().unwrap_or(0.0) * turns as f64).round();
            n += turns;
        }
        let (name, unit) = ("error_rate_5m", Unit::Share);
        let value = (n > 0).then(|| hits / n as f64);
        Input { name, of: None, value, unit, n, threshold_metric: "operations.model_api[].error_rate_5m" }
    }

    fn lost(&self) -> Input {
        let (mut lost, mut n) = (0, 0);
        for row in self.rows("/operations/intake_last_hour") {
            let minute = row["bucket"].as_str().and_then(UtcMillis::parse_rfc3339).map(|at| at.minute());
            let ago = self.now.zip(minute).map(|(now, minute)| now.minute() - minute);
            if !ago.is_some_and(|ago| (1..=PRESENT_MINUTES).contains(&ago)) {
                continue;
            }
            let balance = &row["balance"];
            n += count(&balance["received"], "value");
            for dropped in balance["dropped_by_reason"].as_array().into_iter().flatten() {
                if dropped["bucket"].as_str().is_some_and(|reason| LOST.contains(&reason)) {
                    lost += count(dropped, "value");
                }
            }
        }
        let (name, unit) = ("intake_lost", Unit::Share);
        let value = (n > 0).then(|| lost as f64 / n as f64);
        Input { name, of: None, value, unit, n, threshold_metric: "operations.intake_last_hour[].dropped_by_reason" }
    }

    fn nightly_age(&self) -> Input {
        let day = self.at("/operations/lake/last_nightly").and_then(Value::as_str).and_then(civil::parse_date);
        let end = day.map(|day| civil::day_start(Zone::UTC, civil::next(day)));
        let value = self.now.zip(end).map(|(now, end)| (now.0 - end.0) as f64);
        let n = u64::from(value.is_some());
        let threshold_metric = "operations.lake.last_nightly";
        Input { name: "nightly_age", of: None, value, unit: Unit::Ms, n, threshold_metric }
    }

    fn nightly_failed(&self) -> Input {
        let errors = self.at("/operations/lake/errors").and_then(Value::as_array);
        let n = self.rows("/operations/shards").count() as u64;
        let value = errors.map(|errors| errors.len() as f64);
        let threshold_metric = "operations.lake.errors";
        Input { name: "nightly_failed", of: None, value, unit: Unit::Count, n, threshold_metric }
    }

    fn erasure_overdue(&self) -> Input {
        let lake = self.at("/operations/lake");
        let due = lake.and_then(|lake| lake["erasure_due"].as_str()).and_then(UtcMillis::parse_rfc3339);
        let late = |now: UtcMillis| due.map_or(0, |due| (now.0 - due.0).max(0)) as f64;
        let value = self.now.filter(|_| lake.is_some()).map(late);
        let (name, threshold_metric) = ("erasure_overdue", "operations.lake.erasure_due");
        Input { name, of: None, value, unit: Unit::Ms, n: u64::from(due.is_some()), threshold_metric }
    }

    fn month_projected(&self) -> Input {
        let month = self.at("/cost/budget/month").unwrap_or(&Value::Null);
        let limit = month.pointer("/limit/value").and_then(Value::as_f64).filter(|limit| *limit > 0.0);
        let metric = (Unit::Share, "cost.budget.month.projected");
        let projected = of_metric("budget_month_projected", None, &month["projected"], metric);
        Input { value: projected.value.zip(limit).map(|(spend, limit)| spend / limit), ..projected }
    }

    fn spend_spike(&self) -> Input {
        let spike = self.number("spend_spike", Unit::Z, "/cost/spike", "cost.spike");
        Input { value: spike.value.filter(|_| spike.n >= SPIKE_HISTORY_MIN as u64), ..spike }
    }

    /// Of the days of the answer's window, from the first that had a turn on.
    fn usage_spike(&self) -> Input {
        let (name, threshold_metric) = ("usage_spike", "usage.turns_by_day");
        let mut input = Input { name, of: None, value: None, unit: Unit::Z, n: 0, threshold_metric };
        let tz = self.answer["tz"].as_str().and_then(Zone::parse).unwrap_or(Zone::UTC);
        let Some(today) = self.now.map(|now| civil::date_of(tz, now)) else { return input };
        let day = |row: &Value| -> Option<(NaiveDate, f64)> {
            Some((civil::parse_date(row["bucket"].as_str()?)?, row["value"].as_f64()?))
        };
        let days: Vec<_> = self.rows("/usage/turns_by_day").filter_map(day).skip_while(|(_, n)| *n == 0.0).collect();
        let of = |ago: i64| {
            let at = days.iter().find(|(date, _)| today.signed_duration_since(*date).num_days() == ago);
            at.map(|(_, turns)| *turns)
        };
        let history: Vec<f64> = (1..=SPIKE_HISTORY_MAX as i64).map_while(|week| of(week * 7)).collect();
        input.n = history.len() as u64;
        input.value = of(0).filter(|_| history.len() >= SPIKE_HISTORY_MIN).map(|turns| same_weekday(turns, &history).z);
        input
    }
}

#[cfg(test)]
#[path = "alerts_test.rs"]
mod tests;
