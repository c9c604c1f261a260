//! What a reply says of the kind of request that it answers, in the price list's words.

use std::borrow::Cow;

use schemas::Label;
use schemas::event::PriceContext;
use serde_json::{Map, Value};

/// Pairs of a price context out of a usage block and the reply's own `service_tier`.
///
/// Anthropic: `usage.service_tier` (`standard`, `priority`, `batch`), `usage.speed` (`standard`, `fast`). OpenAI: `service_tier` of
/// the reply says which tier served it (`default`, `flex`, `priority`, `fast`). Gemini: `usageMetadata.serviceTier`; Vertex:
/// `usageMetadata.trafficType` (`ON_DEMAND_FLEX`, `ON_DEMAND_PRIORITY`). What is the standard price has no pair.
pub(super) fn of_reply(usage: &Map<String, Value>, service_tier: Option<&str>) -> PriceContext {
    let word = |name: &str| usage.get(name).and_then(Value::as_str);
    let mut context = PriceContext::new();
    let mut put = |key: &str, value: &str| {
        if let (Ok(key), Ok(value)) = (Label::parse(key), Label::parse(value)) {
            context.insert(key, value);
        }
    };
    let traffic = word("trafficType").map(|kind| kind.to_ascii_lowercase().replace("on_demand_", ""));
    let tiers = [service_tier, word("service_tier"), word("serviceTier"), traffic.as_deref()];
    for tier in tiers.into_iter().flatten().map(lower) {
        match tier.as_ref() {
            "batch" => put("processing", "batch"),
            "default" | "flex" | "priority" | "fast" => put("service_tier", &tier),
            _ => {}
        }
    }
    if word("speed") == Some("fast") {
        put("speed", "fast");
    }
    context
}

fn lower(word: &str) -> Cow<'_, str> {
    let word = word.trim_start_matches("SERVICE_TIER_");
    if word.bytes().any(|b| b.is_ascii_uppercase()) { word.to_ascii_lowercase().into() } else { word.into() }
}
