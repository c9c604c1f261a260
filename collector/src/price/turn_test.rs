//! Own prices before the list's.

use serde_json::json;

use schemas::UtcMillis;

use super::*;

const NOON: &str = "2026-06-15T12:00:00Z";

struct Ask {
    provider: &'static str,
    model: &'static str,
    at: &'static str,
    usage: Option<Usage>,
    context: &'static [(&'static str, &'static str)],
    latency_ms: Option<u32>,
    chars: Option<(u32, u32)>,
}

const ASK: Ask = Ask {
    provider: "openai",
    model: "gpt-4o",
    at: NOON,
    usage: Some(MILLION),
    context: &[],
    latency_ms: None,
    chars: None,
};

const MILLION: Usage = {
    let mut usage = Usage::of_counts([0; Usage::FIELDS.len()]);
    usage.input_tokens = 1_000_000;
    usage.output_tokens = 100_000;
    usage
};

fn quote(prices: &Prices, ask: &Ask) -> Result<Quote, UnpricedReason> {
    let label = |text: &str| Label::parse(text).unwrap();
    let context = ask.context.iter().map(|(key, value)| (label(key), label(value))).collect();
    let turn = TurnFacts {
        provider: ask.provider,
        model: ask.model,
        at: UtcMillis::parse_rfc3339(ask.at).unwrap(),
        usage: ask.usage.as_ref(),
        provenance: Provenance::Computed,
        context: &context,
        latency_ms: ask.latency_ms,
        input_chars: ask.chars.map(|(input, _)| input),
        output_chars: ask.chars.map(|(_, output)| output),
    };
    prices.quote(&turn)
}

fn exact(prices: &Prices, ask: &Ask) -> Result<(String, String), UnpricedReason> {
    let priced = quote(prices, ask)?.priced;
    let sum = priced.units.iter().try_fold(super::super::ExactUsd::ZERO, |sum, unit| sum.plus(unit.exact));
    assert_eq!(sum, Some(priced.exact));
    let version = priced.price_version.replace(PriceBook::builtin().version(), "list");
    Ok((priced.exact.to_string(), version))
}

fn own(file: serde_json::Value) -> Prices {
    Prices::load("{}", Some(&file.to_string())).unwrap()
}

fn is(amount: &str, version: &str) -> Result<(String, String), UnpricedReason> {
    Ok((amount.to_owned(), version.to_owned()))
}

#[test]
fn the_embedded_prices_load() {
    let prices = Prices::load(Prices::EMBEDDED, None).unwrap();
    assert_eq!(exact(&prices, &ASK), exact(&Prices::default(), &ASK));
    assert_eq!(exact(&prices, &ASK), is("3.5", "list"));
}

#[test]
fn own_prices_win_from_their_day_to_their_last() {
    let prices = own(json!({"model": [
        {"provider": "OpenAI", "model": "GPT-4o", "from": "2026-01-01", "until": "2026-07-01", "input": 2, "output": "8.5"},
        {"provider": "openai", "model": "gpt-4o*", "from": "2026-06-16", "input": 1, "output": 1}]}));
    for (at, wanted) in [
        ("2025-12-31T23:59:59.999Z", is("3.5", "list")),
        ("2026-01-01T00:00:00Z", is("2.85", "own@2026-01-01")),
        ("2026-06-15T23:59:59.999Z", is("2.85", "own@2026-01-01")),
        ("2026-06-16T00:00:00Z", is("1.1", "own@2026-06-16")),
        ("2026-07-01T00:00:00Z", is("1.1", "own@2026-06-16")),
    ] {
        for _first_and_kept in 0..2 {
            assert_eq!(exact(&prices, &Ask { at, ..ASK }), wanted, "{at}");
        }
    }
    let only_before = own(json!({"model": [
        {"provider": "openai", "model": "gpt-4o", "until": "2026-07-01", "input": 2, "output": 8}]}));
    assert_eq!(exact(&only_before, &Ask { at: "2026-07-01T00:00:00Z", ..ASK }), is("3.5", "list"));
    assert_eq!(exact(&only_before, &ASK), is("2.8", "own"));
}

#[test]
fn a_price_for_a_kind_of_request_holds_for_it_alone() {
    let prices = own(json!({"model": [
        {"provider": "openai", "model": "gpt-4o", "input": 1, "output": 1, "when": {"service_tier": "flex"}}]}));
    assert_eq!(exact(&prices, &ASK), is("3.5", "list"));
    let context = &[("processing", "batch"), ("service_tier", "flex")];
    assert_eq!(exact(&prices, &Ask { context, ..ASK }), is("1.1", "own"));
}

#[test]
fn what_is_not_stated_is_like_another_model() {
    let prices = own(json!({"model": [
        {"provider": "openai", "model": "ft:gpt-4o:*", "like": "gpt-4o", "output": "20"},
        {"provider": "self", "model": "*", "like": "anthropic/claude-sonnet-4-5"}]}));
    let cached = Usage { cache_read_tokens: 1_000_000, ..MILLION };
    let tuned = Ask { model: "ft:gpt-4o:acme::1", usage: Some(cached), ..ASK };
    assert_eq!(exact(&prices, &tuned), is("3.25", "own"));
    let long = Usage { input_tokens: 200_001, output_tokens: 1000, ..Usage::default() };
    let hosted = Ask { provider: "self", usage: Some(long), at: "2025-11-21T00:00:00Z", ..ASK };
    assert_eq!(exact(&prices, &hosted), is("1.222506", "own"));
    assert_eq!(quote(&prices, &hosted).unwrap().priced.tier.to_string(), "gt-200000");
    for (like, word) in [("gpt-unheard-of", "like"), ("gpt-4o", "like")] {
        let file = json!({"model": [{"provider": "nobody", "model": "*", "like": like}]});
        assert!(Prices::load("{}", Some(&file.to_string())).unwrap_err().contains(word));
    }
}

#[test]
fn a_hosted_model_is_priced_by_time_and_request_without_usage() {
    let prices = own(json!({"model": [
        {"provider": "self", "model": "llama", "per_second": "0.0011", "per_request": "0.0001"},
        {"provider": "self", "model": "mixed", "per_second": "0.001", "input": 1, "output": 1},
        {"provider": "self", "model": "flat", "per_request": "0.01"}]}));
    let ask = |model, usage, latency_ms| exact(&prices, &Ask { provider: "self", model, usage, latency_ms, ..ASK });
    assert_eq!(ask("llama", None, Some(1500)), is("0.00175", "own"));
    assert_eq!(ask("llama", Some(MILLION), Some(1500)), is("0.00175", "own"));
    assert_eq!(ask("llama", None, None), Err(UnpricedReason::UsageMissing));
    assert_eq!(ask("mixed", None, Some(1500)), Err(UnpricedReason::UsageMissing));
    assert_eq!(ask("mixed", Some(MILLION), Some(1500)), is("1.1015", "own"));
    assert_eq!(ask("flat", None, None), is("0.01", "own"));
    let priced = quote(&prices, &Ask { provider: "self", model: "llama", usage: None, latency_ms: Some(1500), ..ASK });
    let units: Vec<_> = priced.unwrap().priced.units.iter().map(|unit| (unit.unit, unit.count)).collect();
    assert_eq!(units, [("requests", 1), ("seconds", 1500)]);
}

#[test]
fn a_discount_is_exact_and_named() {
    let prices = own(json!({"discount": [
        {"provider": "*", "model": "*", "percent": "50", "from": "2026-06-15", "until": "2026-06-16"},
        {"provider": "openai", "model": "gpt-4o", "percent": "12.345"},
        {"provider": "anthropic", "model": "*", "percent": "-5"}],
        "model": [{"provider": "openai", "model": "gpt-4o-mini", "input": 1, "output": 1}]}));
    assert_eq!(exact(&prices, &ASK), is("3.067925", "list+own"));
    assert_eq!(exact(&prices, &Ask { model: "gpt-4o-mini", ..ASK }), is("1.1", "own"));
    let claude = Ask { provider: "anthropic", model: "claude-sonnet-4-5", at: "2026-01-01T00:00:00Z", ..ASK };
    let thousand = Usage { input_tokens: 1000, output_tokens: 1000, ..Usage::default() };
    assert_eq!(exact(&prices, &Ask { usage: Some(thousand), ..claude }), is("0.0189", "list+own"));
    assert_eq!(
        exact(&prices, &Ask { provider: "google", model: "gemini-2.5-pro", at: "2026-06-16T00:00:00Z", ..ASK })
            .unwrap()
            .1,
        "list"
    );
    let free = own(json!({"discount": [{"provider": "*", "model": "*", "percent": 100}]}));
    assert_eq!(exact(&free, &ASK), is("0", "list+own"));
}

#[test]
fn amounts_too_large_are_refused() {
    let dear = own(
        json!({"model": [{"provider": "x", "model": "*", "input": "999999999", "output": "999999999", "per_second": 999_999_999}],
        "discount": [{"provider": "openai", "model": "*", "percent": "-999999999"}]}),
    );
    let most = Usage { input_tokens: 1_000_000_000, output_tokens: 1_000_000_000, ..Usage::default() };
    for ask in
        [Ask { provider: "x", usage: Some(most), latency_ms: Some(u32::MAX), ..ASK }, Ask { usage: Some(most), ..ASK }]
    {
        assert_eq!(exact(&dear, &ask), Err(UnpricedReason::InconsistentUsage));
    }
}

#[test]
fn characters_are_an_estimate_with_a_range() {
    let prices = Prices::default();
    let ask = Ask { usage: None, chars: Some((4000, 400)), ..ASK };
    let estimate = quote(&prices, &ask).unwrap();
    let range = estimate.range.unwrap();
    assert_eq!(estimate.priced.provenance, Provenance::Estimated);
    assert!(range.low < estimate.priced.nano_usd && estimate.priced.nano_usd < range.high);
    let Cost::Priced { range: Some(kept), units, .. } = cost_of(&quote(&prices, &ask)) else { panic!() };
    assert_eq!((kept, units.len()), (range, 2));
    assert_eq!(quote(&prices, &Ask { usage: None, ..ASK }).unwrap_err(), UnpricedReason::UsageMissing);
    let known = quote(&prices, &Ask { chars: Some((4000, 400)), ..ASK }).unwrap();
    assert_eq!((known.range, known.priced.provenance), (None, Provenance::Computed));
    assert_eq!(quote(&prices, &Ask { model: "gpt-unheard-of", ..ask }).unwrap_err(), UnpricedReason::UnknownModel);
}
