//! What is going to be spent.
//!
//! Fixed weekday factors, and a local level with damped trend (Holt; Gardner & McKenzie 1985), on the logarithm of daily
//! amounts. Two weeks of days do not say how fast the level moves: models that differ in that are averaged by how well they
//! would have told each next day (Bayesian model averaging; Hoeting et al. 1999). The interval is that of the **sum**, and
//! analytic: each coming day's error adds its own share, and what level and trend make of it on the days after; and the
//! models differ. It says how far days like those of the past may lead; a launch or a price cut is no such day.

use std::cell::RefCell;

use super::lately::Lately;
use super::normal;
use super::spike::median;

/// Complete days without which nothing is projected.
pub const DAYS_MIN: usize = 14;

/// Older days say nothing of the next.
const DAYS_MAX: usize = 182;

/// Days to come beyond which nothing is projected: ten years.
pub const HORIZON_MAX: u32 = 3_660;

/// How much of the trend is left a day later: half of it after three weeks, or after twenty. One that never ended would overshoot.
const DAMPINGS: [f64; 2] = [0.97, 0.995];

/// Weights of the newest error in level and trend.
const LEVEL_WEIGHTS: [f64; 7] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8];
const TREND_WEIGHTS: [f64; 3] = [0.0, 0.03, 0.1];

/// Days that say where level and trend began.
const START_DAYS: usize = 28;

/// Logarithms are cut here, so that no number is infinite.
const LOG_MAX: f64 = 600.0;

/// Weekday factors, level and trend.
const PARAMETERS: f64 = 9.0;

/// An amount that is to come, in the unit of the days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Projection {
    /// Expected sum.
    pub total: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Sums over the next days, one for each of `horizons` (days after the last).
///
/// `days` are complete civil days, oldest first, the first on weekday `first_weekday` (any numbering of seven); the last
/// 182 count. Nothing spent on any of them gives 0, from 0 to 0. `None` for fewer than [`DAYS_MIN`] days, one that is negative or
/// not finite, or a horizon over [`HORIZON_MAX`].
/// Source: Hyndman et al. (2008), *Forecasting with Exponential Smoothing*, ch. 6 (variance of sums); Duan (1983), JASA 78,
/// 605–610 (back from logarithms).
#[must_use]
pub fn project(days: &[f64], first_weekday: u8, horizons: &[u32]) -> Option<Vec<Projection>> {
    let amounts = days.iter().all(|day| day.is_finite() && *day >= 0.0);
    if days.len() < DAYS_MIN || !amounts || horizons.iter().any(|horizon| *horizon > HORIZON_MAX) {
        return None;
    }
    let is_same = |known: &Asked| known.0 == days && known.1 == first_weekday && known.2 == horizons;
    let from = || (days.to_vec(), first_weekday, horizons.to_vec());
    Lately::result(&LATELY, is_same, from, || worked_out(days, first_weekday, horizons))
}

/// Days, the weekday of the first, and horizons.
type Asked = (Vec<f64>, u8, Vec<u32>);

thread_local! {
    static LATELY: RefCell<Lately<Asked, Option<Vec<Projection>>>> = const { Lately::new() };
}

fn worked_out(days: &[f64], first_weekday: u8, horizons: &[u32]) -> Option<Vec<Projection>> {
    let left_out = days.len().saturating_sub(DAYS_MAX);
    let recent = days.get(left_out..)?;
    let spent: Vec<f64> = recent.iter().copied().filter(|day| *day > 0.0).collect();
    // A tenth of a usual day: small enough that amounts are seen in proportion, large enough that a day of 0 is an ordinary low one.
    let unit = median(spent) / 10.0;
    if unit <= 0.0 {
        return Some(vec![Projection::default(); horizons.len()]);
    }
    let logs: Vec<f64> = recent.iter().map(|day| (day / unit).min(f64::MAX).ln_1p()).collect();
    let first_weekday = usize::from(first_weekday) + left_out;
    let mut weekdays = weekday_factors(&logs, first_weekday);
    let factors = weekdays.iter().cycle().skip(first_weekday % 7);
    let plain: Vec<f64> = logs.iter().zip(factors).map(|(log, factor)| log - factor).collect();
    let models = models(&plain);
    weekdays.rotate_left((first_weekday + plain.len()) % 7);
    Some(horizons.iter().map(|horizon| sum(&models, &weekdays, plain.len(), *horizon, unit)).collect())
}

/// The month's spend at its end.
///
/// `spent` so far, today's `today` included; `days` and `first_weekday` as in [`project`], up to yesterday; `days_left` of the
/// month, today included. Not below what is spent. `None` as there, unless no day is left.
#[must_use]
pub fn month_end(spent: f64, today: f64, days: &[f64], first_weekday: u8, days_left: u32) -> Option<Projection> {
    if days_left == 0 {
        return Some(Projection { total: spent, low: spent, high: spent });
    }
    let rest = project(days, first_weekday, &[days_left])?.pop()?;
    let at = |rest: f64| (spent - today + rest).max(spent);
    Some(Projection { total: at(rest.total), low: at(rest.low), high: at(rest.high) })
}

/// Exponential smoothing of a level with a damped trend, in its error form.
#[derive(Clone, Copy)]
struct Holt {
    level: f64,
    trend: f64,
    level_weight: f64,
    trend_weight: f64,
    damping: f64,
}

impl Holt {
    /// Takes in a value and gives the error of what was expected.
    fn step(&mut self, value: f64) -> f64 {
        let trend = self.damping * self.trend;
        let error = value - self.level - trend;
        self.level += trend + self.level_weight * error;
        self.trend = trend + self.level_weight * self.trend_weight * error;
        error
    }
}

/// One way in which the days may have come about, at their end.
struct Model {
    end: Holt,
    /// How likely, beside the others.
    weight: f64,
    /// Standard deviation of the errors of its forecasts.
    spread: f64,
    /// Mean of their exponentials, and the standard deviation as a share of it.
    smear: f64,
    smear_spread: f64,
    /// Variance of the trend, of what its start was not sure of.
    trend_variance: f64,
}

fn models(plain: &[f64]) -> Vec<Model> {
    let start = plain.get(..plain.len().min(START_DAYS)).unwrap_or_default();
    let mean = start.iter().sum::<f64>() / start.len() as f64;
    let mut models = Vec::new();
    for damping in DAMPINGS {
        let (level, trend, variance) = line(start, damping);
        for level_weight in LEVEL_WEIGHTS {
            for trend_weight in TREND_WEIGHTS {
                let holt = Holt { level, trend, level_weight, trend_weight, damping };
                models.push(Model::of(plain, holt, variance));
                models.push(Model::of(plain, Holt { level: mean, trend: 0.0, ..holt }, 0.0));
            }
        }
    }
    // The likelihood of normal errors of unknown size.
    let least = models.iter().map(|model| model.spread).fold(f64::INFINITY, f64::min);
    for model in &mut models {
        model.weight *= ((model.spread + 1e-9) / (least + 1e-9)).powf(-(plain.len() as f64));
    }
    models
}

impl Model {
    fn of(plain: &[f64], start: Holt, trend_variance: f64) -> Self {
        let n = plain.len() as f64;
        let mut end = start;
        let errors: Vec<f64> = plain.iter().map(|log| end.step(*log)).collect();
        // At least 1 where the mean error is 0 (Jensen); what the past was overestimated by is no share of each day to come.
        let smear = (errors.iter().map(|error| error.exp()).sum::<f64>() / n).max(1.0);
        let spread = |deviation: &dyn Fn(f64) -> f64| {
            (errors.iter().map(|error| deviation(*error).powi(2)).sum::<f64>() / (n - PARAMETERS)).sqrt()
        };
        let trended = trend_variance > 0.0;
        Self {
            end,
            // A parameter more must earn its place (Schwarz 1978).
            weight: if trended { n.powf(-0.5) } else { 1.0 },
            spread: spread(&|error| error),
            smear,
            smear_spread: spread(&|error| error.exp() / smear - 1.0),
            trend_variance: trend_variance * start.damping.powf(2.0 * n),
        }
    }

    /// Logarithm of the sum of the days to come, one unit more each than they are, and its variance.
    fn log_sum(&self, weekdays: &[f64; 7], n: usize, horizon: u32) -> (f64, f64) {
        let (mut rise, mut fade) = (0.0, 1.0);
        let mut days: Vec<(f64, f64)> = Vec::new();
        for (_, weekday) in (0..horizon).zip(weekdays.iter().cycle()) {
            fade *= self.end.damping;
            rise += fade;
            days.push(((self.end.level + self.end.trend * rise + weekday).clamp(0.0, LOG_MAX).exp(), rise));
        }
        let sum: f64 = days.iter().map(|day| day.0).sum();
        // From the last day to the first: the share of the sum that comes after, and how much of it a trend of 1 would be.
        let (mut after, mut after_rise, mut trend, mut variance) = (0.0, 0.0, 0.0, 0.0);
        for (amount, rise) in days.iter().rev() {
            let share = amount / sum;
            let later = self.end.level_weight * (after + self.end.trend_weight * after_rise);
            variance += (self.smear_spread * share + self.spread * later).powi(2);
            after += share;
            after_rise = self.end.damping * (after_rise + share);
            trend += share * rise;
        }
        variance += self.spread.powi(2) * (1.0 / n as f64 + self.trend_variance * trend * trend);
        ((sum * self.smear).ln(), variance)
    }
}

/// The sum of so many days to come, by all models.
fn sum(models: &[Model], weekdays: &[f64; 7], n: usize, horizon: u32, unit: f64) -> Projection {
    if horizon == 0 {
        return Projection::default();
    }
    let (mut weight, mut mean, mut variance) = (0.0, 0.0, 0.0);
    for model in models.iter().filter(|model| model.weight > 1e-4) {
        let (log, own_variance) = model.log_sum(weekdays, n, horizon);
        weight += model.weight;
        let (apart, part) = (log - mean, model.weight / weight);
        mean += apart * part;
        variance += part * (own_variance + (1.0 - part) * apart * apart - variance);
    }
    let half = normal::student(n as f64 - PARAMETERS) * variance.sqrt();
    let units = f64::from(horizon);
    let at = |log: f64| (unit * (log.min(LOG_MAX).exp() - units).max(0.0)).min(f64::MAX);
    Projection { total: at(mean), low: at(mean - half), high: at(mean + half) }
}

/// What each weekday adds, from a common line through all of them (least squares); by weekday, mean 0.
fn weekday_factors(logs: &[f64], first_weekday: usize) -> [f64; 7] {
    let mut groups = [(0.0, 0.0, 0.0); 7];
    let rows = || logs.iter().enumerate().map(|(day, log)| ((day + first_weekday) % 7, day as f64, *log));
    for (weekday, day, log) in rows() {
        if let Some((n, day_sum, log_sum)) = groups.get_mut(weekday) {
            (*n, *day_sum, *log_sum) = (*n + 1.0, *day_sum + day, *log_sum + log);
        }
    }
    let means = groups.map(|(n, days, logs)| (days / n, logs / n));
    let (mut joint, mut squares) = (0.0, 0.0);
    for (weekday, day, log) in rows() {
        if let Some((day_mean, log_mean)) = means.get(weekday) {
            joint += (day - day_mean) * (log - log_mean);
            squares += (day - day_mean).powi(2);
        }
    }
    let slope = joint / squares;
    let factors = means.map(|(day_mean, log_mean)| log_mean - slope * day_mean);
    let mean = factors.iter().sum::<f64>() / 7.0;
    factors.map(|factor| factor - mean)
}

/// Least squares: the level before the first value, the trend there, and its variance in that of the values.
fn line(values: &[f64], damping: f64) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let rise = |day: i32| damping * (1.0 - damping.powi(day)) / (1.0 - damping);
    let rises: Vec<f64> = (1..).zip(values).map(|(day, _)| rise(day)).collect();
    let (middle, mean) = (rises.iter().sum::<f64>() / n, values.iter().sum::<f64>() / n);
    let squares: f64 = rises.iter().map(|rise| (rise - middle).powi(2)).sum();
    let joint: f64 = rises.iter().zip(values).map(|(rise, value)| (rise - middle) * (value - mean)).sum();
    let trend = joint / squares;
    (mean - trend * middle, trend, 1.0 / squares)
}

#[cfg(test)]
#[path = "forecast_test.rs"]
mod tests;
