//! Projections of series whose future is known.

use proptest::prelude::*;

use super::super::bootstrap::testing::Chance;
use super::*;

const WEEK: [f64; 7] = [1.1, 1.2, 1.15, 1.1, 1.0, 0.5, 0.45];

/// How days come about.
#[derive(Clone, Copy)]
struct World {
    /// Growth a day, as a share.
    growth: f64,
    /// Of a day's logarithm, for itself alone.
    noise: f64,
    /// Of a day's logarithm, for good.
    wander: f64,
}

fn series(world: World, days: usize, seed: u64) -> Vec<f64> {
    let mut chance = Chance::new(seed);
    let mut level = 22.0;
    (0..days)
        .map(|day| {
            level += world.growth + world.wander * chance.normal();
            WEEK[day % 7] * (level + world.noise * chance.normal()).exp()
        })
        .collect()
}

/// Of 200 series, those whose sum over `horizon` is in its interval; and the median width, as a share of the sum.
fn covered(world: World, history: usize, horizon: usize) -> (usize, f64) {
    let mut widths = Vec::new();
    let mut hits = 0;
    for seed in 0..200 {
        let days = series(world, history + horizon, seed);
        let (past, future) = days.split_at(history);
        let sum: f64 = future.iter().sum();
        let projection = project(past, 0, &[horizon as u32]).unwrap()[0];
        hits += usize::from(projection.low <= sum && sum <= projection.high);
        widths.push((projection.high - projection.low) / sum);
    }
    (hits, median(widths))
}

#[test]
fn sums_of_30_days_are_covered() {
    let steady = World { growth: 0.0, noise: 0.2, wander: 0.0 };
    let worlds = [
        steady,
        World { noise: 0.6, ..steady },
        World { growth: 0.01, ..steady },
        World { growth: -0.005, ..steady },
        World { growth: 0.003, noise: 0.3, wander: 0.05 },
    ];
    for (number, world) in worlds.into_iter().enumerate() {
        for history in [14, 28, 60] {
            let (hits, width) = covered(world, history, 30);
            assert!(hits >= 170, "world {number} after {history} days: {hits} of 200, width {width}");
        }
    }
    let (_, width) = covered(steady, 60, 30);
    assert!(width < 0.4, "{width}");
}

#[test]
fn weekdays_are_told_apart() {
    // Without noise the next days are those of the last weeks.
    let days = series(World { growth: 0.0, noise: 0.0, wander: 0.0 }, 28 + 7, 1);
    let (past, future) = days.split_at(28);
    for horizon in 1..=7 {
        let sum: f64 = future[..horizon].iter().sum();
        let said = project(past, 3, &[horizon as u32]).unwrap()[0];
        assert!((said.total / sum - 1.0).abs() < 1e-6, "{horizon}: {said:?} {sum}");
    }
    // How weekdays are numbered is of no matter.
    let (one, other) = (project(past, 0, &[30]).unwrap()[0], project(past, 255, &[30]).unwrap()[0]);
    assert!((one.high / other.high - 1.0).abs() < 1e-9);
}

#[test]
fn days_without_spend() {
    let worked: Vec<f64> = (0..42).map(|day| if day % 7 >= 5 { 0.0 } else { 1e9 }).collect();
    let said = project(&worked, 0, &[5, 7]).unwrap();
    assert!((said[0].total / 5e9 - 1.0).abs() < 0.01 && (said[1].total / 5e9 - 1.0).abs() < 0.01, "{said:?}");
    assert_eq!(project(&[0.0; 20], 0, &[1, 30]), Some(vec![Projection::default(); 2]));
    let begun: Vec<f64> = [[0.0; 10], [5e8; 10]].concat();
    let said = project(&begun, 0, &[30]).unwrap()[0];
    assert!(said.low < 1.5e10 && said.high > 1.5e10 && said.total > 5e9, "{said:?}");
    // One day of spend in two weeks.
    let once = [[0.0; 13].as_slice(), &[7e8]].concat();
    assert!(project(&once, 0, &[30]).unwrap()[0].high.is_finite());
}

#[test]
fn one_wild_day_does_not_carry_the_month() {
    let mut days = series(World { growth: 0.0, noise: 0.1, wander: 0.0 }, 60, 5);
    let before = project(&days, 0, &[30]).unwrap()[0];
    days[40] *= 10.0;
    let after = project(&days, 0, &[30]).unwrap()[0];
    assert!((after.total / before.total - 1.0).abs() < 0.25, "{before:?} {after:?}");
}

#[test]
fn no_projection_of_bad_input() {
    let days = [1.0; 14];
    assert!(project(&days, 0, &[HORIZON_MAX]).is_some() && project(&days, 0, &[HORIZON_MAX + 1]).is_none());
    assert!(project(&days[1..], 0, &[1]).is_none() && project(&[], 0, &[]).is_none());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(project(&[days.as_slice(), &[bad]].concat(), 0, &[1]).is_none());
    }
    assert_eq!(project(&days, 0, &[0]), Some(vec![Projection::default()]));
}

#[test]
fn the_month_ends_with_what_is_spent_and_the_rest() {
    let days = series(World { growth: 0.0, noise: 0.2, wander: 0.0 }, 60, 9);
    let rest = project(&days, 0, &[10]).unwrap()[0];
    let (spent, today) = (4e10, 1e8);
    let month = month_end(spent, today, &days, 0, 10).unwrap();
    assert_eq!(month.total, spent - today + rest.total);
    assert_eq!((month.low, month.high), (spent - today + rest.low, spent - today + rest.high));
    // A last day that has cost more than was to be expected.
    let over = month_end(spent, 1e12, &days, 0, 1).unwrap();
    assert_eq!((over.total, over.low), (spent, spent));
    assert_eq!(month_end(5.0, 1.0, &[], 0, 0), Some(Projection { total: 5.0, low: 5.0, high: 5.0 }));
    assert_eq!(month_end(5.0, 1.0, &[1.0; 13], 0, 2), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_days_give_finite_sums(days in prop::collection::vec((0.0f64..12.0, 0u8..4), 14..40), weekday: u8, scale in -3i32..3) {
        let days: Vec<f64> = days.into_iter().map(|(size, kind)| match kind {
            0 => 0.0,
            1 => size.exp() * 1e290,
            _ => size.exp(),
        }).collect();
        let horizons = [1, 30, 90, 365, HORIZON_MAX];
        let said = project(&days, weekday, &horizons).unwrap();
        for one in &said {
            prop_assert!(0.0 <= one.low && one.low <= one.total && one.total <= one.high && one.high.is_finite(), "{:?}", one);
        }
        prop_assert!(said.is_sorted_by(|a, b| a.total <= b.total));
        // In another currency it is the same.
        let factor = 2f64.powi(scale);
        let other: Vec<f64> = days.iter().map(|day| day * factor).collect();
        let other = project(&other, weekday, &horizons[..1]).unwrap();
        prop_assert!((other[0].total - said[0].total * factor).abs() <= 1e-9 * other[0].total);
    }
}
