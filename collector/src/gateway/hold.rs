//! What a call may cost at most, and what a caller hears when a budget has no room for it.

use aggregator::budget::{HOLD_MS, HoldRequest, LimitKind, Limits, Periods, Refusal};
use aggregator::zone::Zone;
use schemas::event::{Belonging, Provenance};
use schemas::{EventKey, NanoUsd, Usage, UtcMillis};
use serde_json::json;

use super::Call;
use crate::price::{Prices, TurnFacts};
use crate::settings::{Budget, Settings};

/// Output tokens of a call that sets no limit.
const OUTPUT_TOKENS: u64 = 4_096;
/// Bytes of text in a token, at least: two in English, where four are usual, as in Chinese, where a character has three.
const BYTES_PER_TOKEN_MIN: u64 = 2;

/// The limits of the settings.
#[must_use]
pub fn limits(budget: &Budget) -> Limits {
    Limits {
        day: NanoUsd(budget.day_usd.0),
        month: NanoUsd(budget.month_usd.0),
        user_day: NanoUsd(budget.user_day_usd.0),
        user_month: NanoUsd(budget.user_month_usd.0),
    }
}

/// The day and the month of an instant in the home zone.
#[must_use]
pub fn periods(settings: &Settings, at: UtcMillis) -> Periods {
    Periods::at(Zone::parse(&settings.time_zone).unwrap_or(Zone::UTC), at)
}

/// What to hold for a call whose turn will have this id. `None`: nothing is to be held.
#[must_use]
pub fn hold_request(
    call: &Call,
    settings: &Settings,
    prices: &Prices,
    belonging: Belonging,
    id: EventKey,
    at: UtcMillis,
) -> Option<HoldRequest> {
    let limits = limits(&settings.budget);
    if !settings.budget.hard_stop || !(limits.of_all() || limits.of_people()) {
        return None;
    }
    let fixed = NanoUsd(settings.budget.hold_usd.0);
    Some(HoldRequest {
        id,
        user: belonging.user.filter(|_| !call.named.is_absent()),
        bits: belonging.bits(id),
        at,
        amount: if fixed > NanoUsd::ZERO { fixed } else { cost_at_most(call, prices, at) },
        limits,
        periods: periods(settings, at),
        hold_ms: HOLD_MS,
    })
}

/// The cost of the request's text and of all the output that it allows. Zero where the model has no price: it is then counted
/// once its turn has one.
fn cost_at_most(call: &Call, prices: &Prices, at: UtcMillis) -> NanoUsd {
    let usage = Usage {
        input_tokens: call.ask.input_bytes.div_ceil(BYTES_PER_TOKEN_MIN),
        output_tokens: call.ask.output_tokens_max.unwrap_or(OUTPUT_TOKENS),
        ..Usage::default()
    };
    let model = call.ask.model.as_ref().or(call.kind.model.as_ref());
    let cost = model.map(|model| {
        prices.cost(&TurnFacts {
            provider: call.provider.as_str(),
            model: model.as_str(),
            at,
            usage: Some(&usage),
            provenance: Provenance::Computed,
            context: &Default::default(),
            latency_ms: None,
            input_chars: None,
            output_chars: None,
        })
    });
    cost.and_then(|cost| cost.nano_usd()).unwrap_or_default()
}

/// The body of a 429: a problem document that providers' SDKs find their own error in.
#[must_use]
pub fn refusal_body(refusal: &Refusal) -> String {
    let whose = match refusal.kind {
        LimitKind::Day => "the daily budget",
        LimitKind::Month => "the monthly budget",
        LimitKind::UserDay => "this user's daily budget",
        LimitKind::UserMonth => "this user's monthly budget",
    };
    let detail = format!("{whose} has no room for this call; it opens again at {}", refusal.opens_at.to_rfc3339());
    json!({
        "status": 429,
        "code": "budget_exceeded",
        "title": "Too Many Requests",
        "detail": detail,
        "budget": refusal.kind,
        "limit_nano_usd": refusal.limit,
        "spent_nano_usd": refusal.spent,
        "held_nano_usd": refusal.held,
        "opens_at": refusal.opens_at.to_rfc3339(),
        "error": { "type": "budget_exceeded", "code": "budget_exceeded", "message": detail },
    })
    .to_string()
}

/// Seconds until a refused call may be sent again, at least one.
#[must_use]
pub fn retry_after_s(refusal: &Refusal, now: UtcMillis) -> i64 {
    ((refusal.opens_at.0 - now.0) / 1_000).max(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Ask, ModelCall, Named};
    use crate::proxy::HeaderList;
    use crate::settings::usd::Usd;
    use schemas::{KeyId, Label};

    fn call(body: &str) -> Call {
        Call {
            provider: Label::parse("openai").unwrap(),
            kind: ModelCall { api: None, model: None, usage_on_request: false },
            named: Named::read(HeaderList("sage-user,alice")),
            ask: Ask::read(body.as_bytes(), false),
        }
    }

    fn request(body: &str, budget: Budget) -> Option<HoldRequest> {
        let settings = Settings { budget, time_zone: "Asia/Kathmandu".into(), ..Settings::default() };
        let at = UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap();
        let id = EventKey::from_mac(KeyId(1), [1; 16]);
        hold_request(&call(body), &settings, &Prices::default(), Belonging::default(), id, at)
    }

    const DAY: Budget = Budget { day_usd: Usd(1_000_000_000), hard_stop: true, ..const_default() };

    const fn const_default() -> Budget {
        Budget {
            day_usd: Usd(0),
            month_usd: Usd(0),
            user_day_usd: Usd(0),
            user_month_usd: Usd(0),
            hard_stop: false,
            hold_usd: Usd(0),
            on_failure: crate::settings::OnFailure::Open,
        }
    }

    #[test]
    fn a_call_holds_what_it_may_cost_at_most() {
        let body = r#"{"model":"gpt-4o","messages":[{"content":"four"},{"content":"字"}],"max_tokens":100}"#;
        // gpt-4o: 2.50 in, 10 out; (4 + 3) / 2 → 4 tokens.
        assert_eq!(request(body, DAY).unwrap().amount, NanoUsd(4 * 2_500 + 100 * 10_000));
        let open = r#"{"model":"gpt-4o","messages":[]}"#;
        assert_eq!(request(open, DAY).unwrap().amount, NanoUsd(4_096 * 10_000));
        assert_eq!(request(r#"{"model":"nobody-knows"}"#, DAY).unwrap().amount, NanoUsd::ZERO);
        let fixed = Budget { hold_usd: Usd(7), ..DAY };
        assert_eq!(request(body, fixed).unwrap().amount, NanoUsd(7));
    }

    #[test]
    fn nothing_is_held_without_a_hard_stop_or_a_limit() {
        assert_eq!(request("{}", Budget { hard_stop: false, ..DAY }), None);
        assert_eq!(request("{}", Budget { day_usd: Usd(0), ..DAY }), None);
        assert!(request("{}", Budget { day_usd: Usd(0), user_month_usd: Usd(1), ..DAY }).is_some());
    }

    #[test]
    fn a_refusal_says_which_budget_and_when_it_opens() {
        let opens_at = UtcMillis::parse_rfc3339("2026-11-22T18:15:00Z").unwrap();
        let refusal =
            Refusal { kind: LimitKind::UserDay, limit: NanoUsd(5), spent: NanoUsd(3), held: NanoUsd(2), opens_at };
        let body = refusal_body(&refusal);
        assert!(body.contains("this user's daily budget") && body.contains("2026-11-22T18:15:00"), "{body}");
        assert_eq!(retry_after_s(&refusal, opens_at.plus_ms(-1_500)), 2);
        assert_eq!(retry_after_s(&refusal, opens_at.plus_ms(9_000)), 1);
    }
}
