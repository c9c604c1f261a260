//! Checkpoints of the price list and the rules of a bill.

use proptest::prelude::*;
use schemas::Label;

use super::*;

fn at(text: &str) -> UtcMillis {
    UtcMillis::parse_rfc3339(text).unwrap()
}

fn tokens(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

fn price(provider: &str, model: &str, time: &str, usage: Usage) -> Result<Priced, UnpricedReason> {
    let priced = PriceBook::builtin().price(provider, model, at(time), &usage, Provenance::Computed);
    if let Ok(priced) = &priced {
        let sum = priced.units.iter().try_fold(ExactUsd::ZERO, |sum, unit| sum.plus(unit.exact));
        assert_eq!(sum, Some(priced.exact));
        assert_eq!(priced.units.iter().map(|unit| unit.nano_usd).sum::<NanoUsd>(), priced.nano_usd);
    }
    priced
}

#[test]
fn a_tier_starts_above_its_threshold_and_takes_all_tokens() {
    for (input, exact, tier) in [(200_000, "0.615", "base"), (200_001, "1.222506", "gt-200000")] {
        let priced = price("anthropic", "claude-sonnet-4-5", "2025-11-21T00:00:00Z", tokens(input, 1000)).unwrap();
        assert_eq!((priced.exact.to_string().as_str(), priced.tier.to_string().as_str()), (exact, tier));
    }
}

#[test]
fn a_price_starts_at_midnight_utc() {
    for (time, nano, start) in [
        ("2025-06-09T23:59:59Z", 50_000_000, ""),
        ("2025-06-09T23:59:59.999Z", 50_000_000, ""),
        ("2025-06-10T00:00:00Z", 10_000_000, "@2025-06-10"),
    ] {
        let priced = price("openai", "o3", time, tokens(1000, 1000)).unwrap();
        let version = format!("{}{start}", PriceBook::builtin().version());
        assert_eq!((priced.nano_usd, priced.price_version.as_ref()), (NanoUsd(nano), version.as_str()), "{time}");
    }
}

#[test]
fn a_price_holds_between_two_times_of_day() {
    let ask = |time| price("deepseek", "deepseek-chat", time, tokens(1_000_000, 0)).unwrap().exact;
    assert_eq!(ask("2025-08-01T00:29:59.999Z"), ask("2025-08-01T16:30:00Z"));
    assert_eq!(ask("2025-08-01T00:30:00Z"), ask("2025-08-01T16:29:59.999Z"));
    assert_ne!(ask("2025-08-01T00:30:00Z"), ask("2025-08-01T00:29:59.999Z"));
}

#[test]
fn nested_units_are_priced_once() {
    let usage =
        Usage { cache_read_tokens: 300, cache_write_tokens: 200, cache_write_1h_tokens: 50, ..tokens(1000, 10) };
    let priced = price("anthropic", "claude-sonnet-4-5", "2025-11-21T00:00:00Z", usage).unwrap();
    let units: Vec<_> = priced.units.iter().map(|unit| (unit.unit, unit.count, unit.exact.to_string())).collect();
    let row = |unit, tokens, exact: &str| (unit, tokens, exact.to_owned());
    assert_eq!(
        units,
        [
            row("cache_write_1h_tokens", 50, "0.0003"),
            row("cache_read_tokens", 300, "0.00009"),
            row("cache_write_tokens", 150, "0.0005625"),
            row("input_tokens", 500, "0.0015"),
            row("output_tokens", 10, "0.00015"),
        ]
    );
}

#[test]
fn what_has_no_price_says_why() {
    let time = "2025-11-21T00:00:00Z";
    let inconsistent = Usage { cache_read_tokens: 11, ..tokens(10, 0) };
    assert_eq!(price("anthropic", "claude-sonnet-4-5", time, inconsistent), Err(UnpricedReason::InconsistentUsage));
    assert_eq!(price("openai", "gpt-4o", time, tokens(u64::MAX, u64::MAX)), Err(UnpricedReason::InconsistentUsage));
    assert_eq!(price("openai", "whisper-1", time, tokens(10, 10)), Err(UnpricedReason::NoPrice));
    assert_eq!(price("openai", "gpt-unheard-of", time, tokens(10, 10)), Err(UnpricedReason::UnknownModel));
}

#[test]
fn a_variant_stands_in_for_its_units_only() {
    let (time, usage) = (at("2026-10-20T00:00:00Z"), tokens(1_000_000, 0));
    let ask = |context: &[(&str, &str)]| {
        let priced =
            PriceBook::builtin().price_in("anthropic", "claude-fable-5", time, &usage, Provenance::Computed, context);
        priced.unwrap().exact.to_string()
    };
    assert_eq!(ask(&[]), "10");
    assert_eq!(ask(&[("processing", "batch")]), "5");
    assert_eq!(ask(&[("processing", "sync")]), "10");
}

#[test]
fn counts_stand_in_the_order_of_the_units() {
    let usage = Usage::of_counts(std::array::from_fn(|at| at as u64 + 2));
    let fields = serde_json::to_value(usage).unwrap();
    for (unit, count) in UNITS.iter().zip(counts(&usage)) {
        let field = if unit.name == "output_reasoning_tokens" { "reasoning_tokens" } else { unit.name };
        assert_eq!(fields.get(field).and_then(serde_json::Value::as_u64).unwrap_or(1), count, "{field}");
    }
    assert_eq!(UNITS.last().map(|unit| unit.name), Some("requests"));
}

#[test]
fn a_search_is_priced_beside_the_tokens() {
    let usage = Usage { web_searches: 3, ..tokens(1000, 0) };
    let priced = price("anthropic", "claude-sonnet-4-5", "2025-11-21T00:00:00Z", usage).unwrap();
    assert_eq!(priced.exact.to_string(), "0.033");
}

proptest! {
    /// Whatever the amounts, each part is its exact amount rounded up or down, and none is lost.
    #[test]
    fn parts_sum_to_the_rounded_whole(amounts in prop::collection::vec(0_u128..10_u128.pow(18), 0..12)) {
        let units = amounts.iter().map(|amount| UnitCost { unit: "x", count: 1, exact: ExactUsd(*amount), nano_usd: NanoUsd::ZERO });
        let bill = Bill { tier: Tier::Base, units: units.collect(), cached: None };
        let priced = bill.priced("v".into(), Provenance::Computed).unwrap();
        prop_assert_eq!(Some(priced.nano_usd), priced.exact.to_nano());
        prop_assert_eq!(priced.units.iter().map(|unit| unit.nano_usd.0).sum::<i64>(), priced.nano_usd.0);
        for unit in &priced.units {
            let (down, rest) = unit.exact.nanos_and_rest();
            let off = i128::from(unit.nano_usd.0) - i128::try_from(down).unwrap();
            prop_assert!(off == 0 || off == 1 && rest > 0);
        }
    }
}

#[test]
fn every_version_and_tier_of_the_list_is_a_label() {
    for model in PriceBook::builtin().providers.iter().flat_map(|provider| &provider.models.get().models) {
        for dated in model.prices.iter().chain(model.variants.iter().map(|variant| &variant.price)) {
            assert!(Label::parse(&dated.version).is_ok(), "{}", dated.version);
            for (start, _) in dated.set.rates.iter().flat_map(|(_, rate)| &rate.tiers) {
                assert!(Label::parse(&Tier::Above(*start).to_string()).is_ok(), "{start}");
            }
        }
    }
}
