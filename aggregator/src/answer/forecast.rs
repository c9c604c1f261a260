//! What is to come of spend, and whether today is out of the ordinary.

use chrono::{Datelike, Days, NaiveDate};
use schemas::Bucket15;

use super::Facts;
use super::json::{Json, object};
use super::metric::{Hidden, Metric, Unit};
use crate::civil;
use crate::stats::forecast::{Projection, month_end, project};
use crate::stats::spike::{SPIKE_HISTORY_MAX, same_weekday};
use crate::zone::Zone;

/// Days that projections are made from, at most.
const HISTORY_DAYS: u64 = 182;
/// Days ahead.
const HORIZONS: [u32; 3] = [30, 90, 365];

/// Spend of the last whole days in a zone, from the first on which anything was spent.
pub(super) struct History {
    tz: Zone,
    days: Vec<i64>,
    first: NaiveDate,
    today: NaiveDate,
    spent_today: i64,
}

impl History {
    /// Up to yesterday, and today.
    pub fn of(facts: &Facts<'_>, tz: Zone) -> Self {
        let today = civil::date_of(tz, facts.query.now);
        let start = |date: NaiveDate| Bucket15::of(civil::day_start(tz, date));
        let spent = |date: NaiveDate| facts.counted.spend(start(date), start(civil::next(date))).0;
        let before = |days| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        let all: Vec<i64> = (1..=HISTORY_DAYS).rev().map(|ago| spent(before(ago))).collect();
        let unspent = all.iter().take_while(|spent| **spent == 0).count();
        Self {
            tz,
            first: before(HISTORY_DAYS - unspent as u64),
            days: all.get(unspent..).unwrap_or_default().to_vec(),
            today,
            spent_today: spent(today),
        }
    }

    /// By the days of the zone that budgets go by.
    pub fn at_home(self, facts: &Facts<'_>) -> Self {
        let home = facts.query.home.as_deref().and_then(Zone::parse).filter(|home| *home != self.tz);
        home.map_or(self, |home| Self::of(facts, home))
    }

    fn amounts(&self) -> Vec<f64> {
        self.days.iter().map(|spent| (*spent).max(0) as f64).collect()
    }

    fn weekday(&self) -> u8 {
        self.first.weekday().num_days_from_monday() as u8
    }

    /// Sums over the days after yesterday.
    pub fn projection(&self) -> Json {
        let said = project(&self.amounts(), self.weekday(), &HORIZONS);
        let one = |(at, horizon): (usize, &u32)| {
            let projection = said.as_ref().and_then(|said| said.get(at));
            (format!("d{horizon}"), self.metric(projection))
        };
        Json::Object(HORIZONS.iter().enumerate().map(one).collect())
    }

    /// The month's spend at its end, of which `spent` is spent, today included.
    pub fn month_end(&self, spent: i64) -> Metric {
        let next =
            civil::month_start(civil::month_start(self.today).checked_add_days(Days::new(31)).unwrap_or(self.today));
        let left = (next - self.today).num_days().max(0) as u32;
        let said = month_end(spent as f64, self.spent_today as f64, &self.amounts(), self.weekday(), left);
        self.metric(said.as_ref())
    }

    fn metric(&self, projection: Option<&Projection>) -> Metric {
        let n = self.days.len() as u64;
        match projection {
            Some(Projection { total, low, high }) => Metric {
                ci: Some([low.round(), high.round()]),
                exact: false,
                ..Metric::exact(total.round() as i64, Unit::NanoUsd, n)
            },
            None => Metric::hidden(Unit::NanoUsd, Hidden::NotEnoughData, n),
        }
    }

    /// Today's spend against that of the same weekday in the weeks before.
    pub fn spike(&self) -> Json {
        let same: Vec<f64> = self.amounts().into_iter().rev().skip(6).step_by(7).take(SPIKE_HISTORY_MAX).collect();
        let spike = same_weekday(self.spent_today as f64, &same);
        let n = same.len() as u64;
        let z = match same.len() {
            0 => Metric::hidden(Unit::Z, Hidden::NotEnoughData, 0),
            _ => Metric::exact(spike.z, Unit::Z, n),
        };
        let more = object!({ "is_spike": spike.is_spike, "median": spike.median, "mad": spike.mad });
        Json::from(z).with(more)
    }
}
