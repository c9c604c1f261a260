//! Days that stand out, and levels that drift.

/// Beyond this robust z a value is an outlier. Source: Iglewicz & Hoaglin (1993), *How to Detect and Handle Outliers*.
pub const SPIKE_Z: f64 = 3.5;

/// Fewer values than this say nothing of what is usual.
pub const SPIKE_HISTORY_MIN: usize = 4;

/// More are too long ago.
pub const SPIKE_HISTORY_MAX: usize = 8;

/// Makes the median absolute deviation of normal values their standard deviation.
const MAD_SCALE: f64 = 1.4826;

/// Of the median: less than this is no spread, however alike the history is.
const SPREAD_MIN: f64 = 0.05;

/// A value beside what is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spike {
    /// Median of the history, in its unit; 0 of none.
    pub median: f64,
    /// Median absolute deviation from it, unscaled.
    pub mad: f64,
    /// (today − median) ÷ the greatest of MAD × 1.4826, 5 % of the median, and 1; 0 of no history.
    pub z: f64,
    /// Values of history it rests on.
    pub n: usize,
    /// z above [`SPIKE_Z`], of at least [`SPIKE_HISTORY_MIN`] values. Falls are no spikes.
    pub is_spike: bool,
}

/// Today beside the same weekday's values, newest first, of which the first [`SPIKE_HISTORY_MAX`] count; all in one unit,
/// the smallest amount that matters being 1.
///
/// The median and its absolute deviation: one earlier spike neither hides the next nor makes usual days look low.
/// Source: Hampel (1974), JASA 69, 383–393; Iglewicz & Hoaglin (1993).
#[must_use]
pub fn same_weekday(today: f64, history: &[f64]) -> Spike {
    let recent: Vec<f64> = history.iter().copied().take(SPIKE_HISTORY_MAX).filter(|value| value.is_finite()).collect();
    let n = recent.len();
    if n == 0 || !today.is_finite() {
        return Spike { n, ..Spike::default() };
    }
    let middle = median(recent.clone());
    let mad = median(recent.iter().map(|value| (value - middle).abs()).collect());
    let z = (today - middle) / (mad * MAD_SCALE).max(middle.abs() * SPREAD_MIN).max(1.0);
    Spike { median: middle, mad, z, n, is_spike: n >= SPIKE_HISTORY_MIN && z > SPIKE_Z }
}

/// The middle value, or the mean of the middle two; 0 of none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    let half = values.len() / 2;
    if values.len() % 2 == 1 { at(half) } else { f64::midpoint(at(half.saturating_sub(1)), at(half)) }
}

/// Values that a control chart needs to know the level and the spread.
pub const DRIFT_BASE_MIN: usize = 8;

/// One point of a control chart, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Exponentially weighted mean up to here.
    pub level: f64,
    /// Lower control limit.
    pub low: f64,
    /// Upper control limit.
    pub high: f64,
    /// The level is beyond a limit.
    pub is_drift: bool,
}

/// EWMA control chart of `values`, oldest first, with the weight `lambda` of the newest, in (0, 1].
///
/// The older half of the values, at least [`DRIFT_BASE_MIN`], is the base: its median is the centre, its mean moving range
/// ÷ 1.128 the standard deviation. The points are those after the base, and the limits widen from there as
/// L σ √(λ/(2 − λ) · (1 − (1 − λ)²ⁱ)), L for one false alarm in 500 points of a base that is known. Weekdays must have been
/// taken out, or be of one. Empty for too few values, one that is not finite, or a weight out of range.
/// Source: Roberts (1959), Technometrics 1, 239–250; Lucas & Saccucci (1990), Technometrics 32, 1–12, table 3.
#[must_use]
pub fn ewma(values: &[f64], lambda: f64) -> Vec<Drift> {
    let (base, rest) = values.split_at_checked((values.len() / 2).max(DRIFT_BASE_MIN)).unwrap_or_default();
    if !(lambda > 0.0 && lambda <= 1.0) || base.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let centre = median(base.to_vec());
    let ranges: f64 = base.iter().zip(base.iter().skip(1)).map(|(a, b)| (a - b).abs()).sum();
    let spread = ranges / (base.len() - 1) as f64 / 1.128;
    let (mut level, mut forgotten) = (centre, 1.0);
    let point = |value: &f64| {
        level += lambda * (value - level);
        forgotten *= (1.0 - lambda) * (1.0 - lambda);
        let half = width(lambda) * spread * (lambda / (2.0 - lambda) * (1.0 - forgotten)).sqrt();
        Drift { level, low: centre - half, high: centre + half, is_drift: (level - centre).abs() > half }
    };
    rest.iter().map(point).collect()
}

/// L of a weight, between the published ones on a line.
fn width(lambda: f64) -> f64 {
    const KNOWN: [(f64, f64); 7] =
        [(0.0, 2.3), (0.05, 2.615), (0.1, 2.814), (0.2, 2.962), (0.25, 2.998), (0.4, 3.054), (1.0, 3.09)];
    let between = KNOWN.iter().zip(KNOWN.iter().skip(1)).find(|(_, above)| lambda <= above.0);
    between.map_or(3.09, |(below, above)| below.1 + (above.1 - below.1) * (lambda - below.0) / (above.0 - below.0))
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::testing::Chance;
    use super::*;

    #[test]
    fn a_spike_stands_out() {
        let usual = [100.0, 110.0, 90.0, 105.0, 95.0, 102.0, 98.0, 100.0];
        let spike = same_weekday(140.0, &usual);
        assert_eq!((spike.median, spike.mad, spike.n, spike.is_spike), (100.0, 3.5, 8, true));
        assert!((spike.z - 40.0 / (3.5 * 1.4826)).abs() < 1e-12);
        assert!(!same_weekday(117.0, &usual).is_spike && !same_weekday(10.0, &usual).is_spike);
        // What was before the eighth is not looked at; one earlier spike hides nothing.
        assert_eq!(same_weekday(140.0, &[&usual[..], &[1e9]].concat()), spike);
        assert!(same_weekday(160.0, &[1e9, 100.0, 110.0, 90.0, 105.0]).is_spike);
    }

    #[test]
    fn alike_and_empty_histories() {
        assert!(!same_weekday(117.0, &[100.0; 8]).is_spike && same_weekday(118.0, &[100.0; 8]).is_spike);
        assert!(!same_weekday(3.0, &[0.0; 4]).is_spike && same_weekday(4.0, &[0.0; 4]).is_spike);
        assert!(!same_weekday(1e9, &[1.0; 3]).is_spike);
        assert_eq!(same_weekday(5.0, &[]), Spike::default());
        assert_eq!(same_weekday(f64::NAN, &[1.0; 4]), Spike { n: 4, ..Spike::default() });
        assert_eq!(same_weekday(5.0, &[f64::NAN, 5.0]).n, 1);
    }

    #[test]
    fn drift_is_seen_and_chance_is_not() {
        let mut chance = Chance::new(11);
        let mut values = |from: usize, by: f64| -> Vec<f64> {
            (0..120).map(|day| 50.0 + 4.0 * chance.normal() + if day >= from { by } else { 0.0 }).collect()
        };
        let alarms = |values: &[f64]| ewma(values, 0.2).iter().filter(|point| point.is_drift).count();
        let quiet = (0..100).filter(|_| alarms(&values(120, 0.0)) > 0).count();
        let told = (0..100).filter(|_| alarms(&values(90, 8.0)) >= 15).count();
        assert!(quiet <= 35 && told >= 95, "{quiet} false alarms in 100 series of 60 points, {told} drifts told");
        let steady = [[5.0; 8].as_slice(), &[5.0, 6.0]].concat();
        let chart = ewma(&steady, 0.2);
        assert_eq!(chart.iter().map(|point| point.is_drift).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn limits_are_the_published_ones() {
        // Base: centre 10, moving ranges 1.128, so one standard deviation is 1.
        let base: Vec<f64> = (0..40).map(|n| 10.0 + if n % 2 == 0 { 0.564 } else { -0.564 }).collect();
        let chart = ewma(&[base, vec![10.0; 40]].concat(), 0.1);
        assert_eq!(chart.len(), 40);
        // Montgomery, Introduction to Statistical Quality Control, example 9.2 with L = 2.7, here 2.814.
        assert!(
            (chart[0].high - 10.0 - 0.2814).abs() < 1e-9
                && (chart[39].high - 10.0 - 2.814 * (0.1f64 / 1.9).sqrt()).abs() < 1e-3
        );
        assert!((chart[1].low - 10.0 + 2.814 * (0.1f64 / 1.9 * (1.0 - 0.9f64.powi(4))).sqrt()).abs() < 1e-9);
        assert_eq!((width(1.0), width(0.2), width(0.05)), (3.09, 2.962, 2.615));
    }

    #[test]
    fn no_chart_of_bad_input() {
        for (n, lambda) in [(8, 0.0), (8, 1.1), (8, f64::NAN), (7, 0.2), (0, 0.2)] {
            assert_eq!(ewma(&vec![1.0; n], lambda), []);
        }
        assert_eq!(ewma(&[f64::NAN; 20], 0.2), []);
    }
}
