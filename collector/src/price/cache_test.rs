use schemas::event::Provenance;
use schemas::{NanoUsd, UtcMillis};
use serde_json::json;

use super::super::facts::TurnFacts;
use super::super::{PriceBook, Prices};
use super::*;

fn effect_of(prices: &Prices, provider: &str, model: &str, usage: Usage) -> Option<(i64, i64)> {
    let turn = TurnFacts {
        provider,
        model,
        at: UtcMillis::parse_rfc3339("2026-11-20T12:00:00Z").unwrap(),
        usage: Some(&usage),
        provenance: Provenance::ProviderReported,
        context: &Default::default(),
        latency_ms: None,
        input_chars: None,
        output_chars: None,
    };
    let priced = prices.price(&turn).unwrap();
    priced.cache.map(|effect| (effect.saved.0, effect.write_premium.0))
}

fn effect(provider: &str, model: &str, usage: Usage) -> Option<(i64, i64)> {
    effect_of(&Prices::default(), provider, model, usage)
}

fn usage(input_tokens: u64, cache_read_tokens: u64, cache_write_tokens: u64) -> Usage {
    Usage { input_tokens, cache_read_tokens, cache_write_tokens, output_tokens: 100, ..Usage::default() }
}

#[test]
fn positions_are_those_of_the_units() {
    let names: Vec<&str> = UNITS.iter().map(|(at, _)| super::super::book::tables::UNITS[*at].name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("cache_")).count(), UNITS.len());
    let all = super::super::book::tables::UNITS.iter().filter(|unit| unit.name.starts_with("cache_")).count();
    assert_eq!(all, UNITS.len());
    for (place, unit) in UNITS {
        let (cached, full) =
            (super::super::book::tables::UNITS[place].name, super::super::book::tables::UNITS[unit.full].name);
        assert_eq!(unit.reads, cached.contains("read"), "{cached}");
        assert!(full.starts_with("input_"), "{cached} {full}");
    }
}

/// $3 a million; reads 0.1 of it, writes 1.25, written for an hour 2.
#[test]
fn anthropic_reads_at_a_tenth_and_writes_at_a_quarter_more() {
    let model = "claude-sonnet-4-5";
    assert_eq!(effect("anthropic", model, usage(10_000, 8_000, 0)), Some((21_600_000, 0)));
    assert_eq!(effect("anthropic", model, usage(10_000, 0, 1_000)), Some((0, 750_000)));
    assert_eq!(effect("anthropic", model, usage(10_000, 1, 1)), Some((2_700, 750)));
    assert_eq!(effect("anthropic", model, usage(10_000, 0, 0)), None);
    let hour = Usage { cache_write_1h_tokens: 1_000, ..usage(10_000, 0, 1_000) };
    assert_eq!(effect("anthropic", model, hour), Some((0, 3_000_000)));
}

/// Above 200,000 input tokens all cost double, cached ones too.
#[test]
fn the_full_price_is_that_of_the_same_tier() {
    let base = effect("anthropic", "claude-sonnet-4-5", usage(200_000, 1_000, 1_000));
    let above = effect("anthropic", "claude-sonnet-4-5", usage(200_001, 1_000, 1_000));
    assert_eq!((base, above), (Some((2_700_000, 750_000)), Some((5_400_000, 1_500_000))));
}

/// gpt-4o: $2.50 a million, cached half of it; nothing is asked for writing.
#[test]
fn openai_reads_at_half() {
    assert_eq!(effect("openai", "gpt-4o", usage(10_000, 8_000, 0)), Some((10_000_000, 0)));
    // A third of a nano-dollar is rounded once.
    assert_eq!(effect("openai", "gpt-4o", usage(10, 1, 0)), Some((1_250, 0)));
}

#[test]
fn nothing_is_said_where_a_price_is_missing() {
    let own = json!({"model": [
        {"provider": "x", "model": "flat", "input": 1, "output": 1},
        {"provider": "x", "model": "dear", "input": 1, "cache_read": "1.5", "output": 1},
        {"provider": "x", "model": "half-even", "input": "0.001", "cache_read": "0.0005", "output": 1}]});
    let prices = Prices::load("{}", Some(&own.to_string())).unwrap();
    assert_eq!(effect_of(&prices, "x", "flat", usage(10, 5, 5)), None);
    assert_eq!(effect_of(&prices, "x", "dear", usage(1_000, 100, 0)), Some((-50_000, 0)));
    for (tokens, saved) in [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)] {
        assert_eq!(effect_of(&prices, "x", "half-even", usage(100, tokens, 0)), Some((saved, 0)), "{tokens}");
    }
}

#[test]
fn a_discount_takes_its_share_of_both_sides() {
    let own = json!({"discount": [{"provider": "anthropic", "model": "*", "percent": "25"}]});
    let prices = Prices::load("{}", Some(&own.to_string())).unwrap();
    let effect = effect_of(&prices, "anthropic", "claude-sonnet-4-5", usage(10_000, 8_000, 1_000));
    assert_eq!(effect, Some((16_200_000, 562_500)));
}

/// What was paid and what was saved are together the full price, to the rounding of the two.
#[test]
fn saved_and_paid_are_the_full_price() {
    for tokens in [1, 7, 999, 123_456] {
        let usage = usage(150_000, tokens, 0);
        let at = UtcMillis::parse_rfc3339("2026-11-20T12:00:00Z").unwrap();
        let price =
            |usage: &Usage| PriceBook::builtin().price("openai", "gpt-4o", at, usage, Provenance::Computed).unwrap();
        let without = price(&Usage { cache_read_tokens: 0, ..usage });
        let with = price(&usage);
        let full = with.nano_usd + with.cache.unwrap().saved;
        assert!((full - without.nano_usd).0.abs() <= 1 && full > NanoUsd::ZERO, "{tokens}");
    }
}
