//! Members of the usage panel that need no person: what people want, and what they think of what they got.

use std::cmp::Reverse;

use schemas::event::Rating;
use schemas::order;

use super::Facts;
use super::json::{Json, object};
use super::metric::{Hidden, Metric, Unit};
use super::sentiment::with_rest;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, OTHER, Rate};
use crate::fold::sentiment::Intent;

/// Most intents in an answer.
const INTENTS_SHOWN: usize = 50;

const STARS: [(Rating, u64); 5] =
    [(Rating::One, 1), (Rating::Two, 2), (Rating::Three, 3), (Rating::Four, 4), (Rating::Five, 5)];

pub(super) fn members(facts: &Facts<'_>, named: &NamedTotals) -> Json {
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let ratings = &all.safety.ratings;
    let count = |rating: Rating| ratings.get(&rating).copied().unwrap_or(0);
    let (up, down) = (count(Rating::Up), count(Rating::Down));
    let thumbs = Rate { n: u32::try_from(up + down).unwrap_or(u32::MAX), hits: u32::try_from(up).unwrap_or(u32::MAX) };
    let stars = STARS.map(|(rating, stars)| (stars, count(rating)));
    let rated: u64 = stars.iter().map(|(_, n)| n).sum();
    let sum: u64 = stars.iter().map(|(stars, n)| stars * n).sum();
    let mean = match rated {
        0 => Metric::hidden(Unit::Mean, Hidden::NoData, 0),
        rated => Metric::exact(sum as f64 / rated as f64, Unit::Mean, rated),
    };
    let by_model = with_rest(&mut named.rated_models.iter().map(|(name, rate)| (name, *rate)), thumbs);
    let by_intent = with_rest(&mut named.intents.iter().map(|(name, intent)| (name, intent.thumbs)), thumbs);
    let satisfaction = object!({
        "up": Metric::count(up),
        "down": Metric::count(down),
        "ratio": Metric::share(up, up + down),
        "stars": stars.map(|(stars, n)| Metric::count(n).in_bucket(stars.to_string())),
        "stars_mean": mean,
        "by_model": ratios(by_model),
        "by_intent": ratios(by_intent),
    });
    object!({ "satisfaction": satisfaction, "intents": intents(named) })
}

/// Ratios of thumbs, those with most first.
fn ratios(mut rows: Vec<(String, Rate)>) -> Vec<Json> {
    order::by(&mut rows, |(name, rate), (other, others)| (Reverse(rate.n), name).cmp(&(Reverse(others.n), other)));
    let row = |(name, rate): &(String, Rate)| {
        let down = Metric::count(rate.n - rate.hits.min(rate.n));
        Metric::of_rate(*rate)
            .in_bucket(name.to_owned())
            .with(object!({ "up": Metric::count(rate.hits), "down": down }))
    };
    rows.iter().map(row).collect()
}

/// Mentions, those with most first; the rest is one.
fn intents(named: &NamedTotals) -> Vec<Json> {
    let mut rows: Vec<(&str, Intent)> = named
        .intents
        .iter()
        .filter(|(_, intent)| intent.mentions > 0)
        .map(|(name, intent)| (name.as_str(), *intent))
        .collect();
    order::by_key(&mut rows, |(name, intent)| (*name == OTHER, Reverse(intent.mentions), *name));
    let mut other = Intent::default();
    let shown = rows.iter().take(INTENTS_SHOWN).filter(|(name, _)| *name != OTHER).count();
    rows.drain(shown..).for_each(|(_, intent)| other.merge(&intent));
    rows.extend((other.mentions > 0).then_some((OTHER, other)));
    let row = |(name, intent): (&str, Intent)| {
        let more = object!({
            "success_rate": Metric::of_rate(intent.success),
            "misunderstood": Metric::share(intent.misunderstood, intent.mentions),
        });
        Metric::count(intent.mentions).in_bucket(name.to_owned()).with(more)
    };
    rows.into_iter().map(row).collect()
}
