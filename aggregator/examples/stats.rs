//! What do the statistics say? One call a line as JSON, `{"f": name, …arguments}`, one answer a line: for `tests/stats_oracle.py`.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use aggregator::stats::bootstrap::{self, Moments};
use aggregator::stats::distribution::Distribution;
use aggregator::stats::histogram::Counts;
use aggregator::stats::{forecast, proportion, quantile, spike};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "f", rename_all = "snake_case")]
enum Call {
    Wilson { hits: u64, n: u64 },
    Newcombe { hits_a: u64, n_a: u64, hits_b: u64, n_b: u64 },
    Interval { n: u64, q: f64 },
    OfSorted { values: Vec<i64>, q: f64 },
    Mean { values: Vec<f64>, seed: u64 },
    Moments { values: Vec<f64> },
    Distribution { parts: Vec<Vec<i64>>, q: Vec<f64> },
    Counts { parts: Vec<Vec<u32>>, q: Vec<f64>, limit: u64 },
    Project { days: Vec<f64>, first_weekday: u8, horizons: Vec<u32> },
    SameWeekday { today: f64, history: Vec<f64> },
    Ewma { values: Vec<f64>, lambda: f64 },
}

fn answer(call: Call) -> Value {
    match call {
        Call::Wilson { hits, n } => json!(proportion::wilson(hits, n)),
        Call::Newcombe { hits_a, n_a, hits_b, n_b } => json!(proportion::newcombe(hits_a, n_a, hits_b, n_b)),
        Call::Interval { n, q } => json!(quantile::interval(n, q)),
        Call::OfSorted { values, q } => json!(quantile::of_sorted(&values, q)),
        Call::Mean { values, seed } => json!(bootstrap::mean(&values, seed)),
        Call::Moments { values } => {
            let (left, right) = values.split_at(values.len() / 3);
            let mut moments = Moments::of(left);
            moments.merge(&Moments::of(right));
            json!({ "n": moments.n, "mean": moments.mean, "m2": moments.m2, "m3": moments.m3,
                "ci": bootstrap::of_moments(&moments) })
        }
        Call::Distribution { parts, q } => {
            let mut all = Distribution::default();
            parts.into_iter().for_each(|part| all.merge(&Distribution::of_values(part)));
            json!({ "n": all.n(), "sum": all.sum().to_string(), "mean": all.mean_half_even(), "min": all.min(),
                "max": all.max(), "error": all.error(), "histogram": all.histogram().into_iter().map(|(bound, n, _)| (bound, n)).collect::<Vec<_>>(), "ci": all.mean_interval(1),
                "quantiles": q.iter().map(|q| (all.quantile(*q), all.quantile_interval(*q))).collect::<Vec<_>>() })
        }
        Call::Counts { parts, q, limit } => {
            let mut all = Counts::default();
            for part in parts {
                let mut counts = Counts::default();
                part.into_iter().for_each(|value| counts.record(value));
                all.merge(&counts);
            }
            json!({ "n": all.n(), "over": all.over(limit), "share_over": all.share_over(limit),
                "quantiles": q.iter().map(|q| (all.quantile(*q), all.quantile_interval(*q))).collect::<Vec<_>>() })
        }
        Call::Project { days, first_weekday, horizons } => {
            let said = forecast::project(&days, first_weekday, &horizons);
            json!(said.map(|said| said.iter().map(|one| [one.total, one.low, one.high]).collect::<Vec<_>>()))
        }
        Call::SameWeekday { today, history } => {
            let said = spike::same_weekday(today, &history);
            json!({ "median": said.median, "mad": said.mad, "z": said.z, "n": said.n, "is_spike": said.is_spike })
        }
        Call::Ewma { values, lambda } => {
            let points = spike::ewma(&values, lambda);
            json!(points.iter().map(|point| (point.level, point.low, point.high, point.is_drift)).collect::<Vec<_>>())
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let said = serde_json::from_str(&line?).map_or_else(|error| json!({ "error": error.to_string() }), answer);
        writeln!(out, "{said}")?;
    }
    Ok(())
}
