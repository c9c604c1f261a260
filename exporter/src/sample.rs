//! Events for tests.

use schemas::event::{
    Body, Browser, Cohort, Consent, ConsentState, Cost, Country, Crisis, CrisisEvent, Device, DeviceClass, Emotion,
    ErrorReport, Event, Feedback, Incident, IncidentSeverity, Journey, Method, Moment, Notice, NoticeKind, Observation,
    Platform, PlatformEvent, Provenance, Rating, Repriced, Request, Service, ServiceCost, Source, System, Turn,
    TurnStatus, UnpricedReason, UtcOffset, Vital, VitalName,
};
use schemas::{ConversationKey, EventKey, KeyId, Label, NanoUsd, ReplyKey, SessionKey, Usage, UserKey, UtcMillis};

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

/// 128 bits that look as random as a MAC and depend on `n` alone.
fn mac(n: u64) -> [u8; 16] {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(n.wrapping_add(0x9e37_79b9_7f4a_7c15));
    (u128::from(high) << 64 | u128::from(mix(high ^ n))).to_be_bytes()
}

fn event(n: u64, body: Body) -> Event {
    let users = n % 2_000;
    Event {
        id: EventKey::from_mac(KeyId(1), mac(n)),
        ts: UtcMillis(1_795_255_000_000 + i64::try_from(n).unwrap() * 37),
        source: if n.is_multiple_of(5) { Source::Browser } else { Source::Backend },
        user: (!n.is_multiple_of(50)).then(|| UserKey::from_mac(KeyId(1), mac(users ^ 0xaaaa_0000))),
        conversation: Some(ConversationKey::from_mac(KeyId(1), mac((users * 7 + n / 9_000) ^ 0xbbbb_0000))),
        session: n.is_multiple_of(3).then(|| SessionKey::from_mac(KeyId(1), mac(users ^ 0xcccc_0000))),
        reply: n.is_multiple_of(4).then(|| ReplyKey::from_mac(KeyId(1), mac(n ^ 0xdddd_0000))),
        aside: None,
        cohort: Cohort {
            country: Country::parse(["DE", "US", "IN", "NP", "T1"][(users % 5) as usize]),
            utc_offset_minutes: UtcOffset::new([60, -300, 330, 345, 0][(users % 5) as usize]),
            plan: (!n.is_multiple_of(7)).then(|| label(if users.is_multiple_of(4) { "premium" } else { "free" })),
            guest: n.is_multiple_of(11).then_some(true),
        },
        body,
    }
}

/// A turn, the `n`-th; priced unless `n` is a multiple of 13.
pub(crate) fn turn(n: u64) -> Event {
    let usage = Usage {
        input_tokens: 200 + n * 7 % 4_000,
        output_tokens: 20 + n * 13 % 900,
        cache_read_tokens: n % 4 * 50,
        reasoning_tokens: n % 2 * 8,
        ..Usage::default()
    };
    let cost = if n.is_multiple_of(13) {
        Cost::Unpriced { unpriced: UnpricedReason::UnknownModel }
    } else {
        let nano_usd = NanoUsd(i64::try_from(usage.input_tokens * 3_000 + usage.output_tokens * 15_000).unwrap());
        let price_version = label("2026-11-01:claude-sonnet-4-5");
        Cost::Priced {
            nano_usd,
            price_version,
            tier: label("standard"),
            provenance: Provenance::ProviderReported,
            units: Vec::new(),
            range: None,
            cache: None,
        }
    };
    let turn = Turn {
        turn_index: Some(u32::try_from(n % 20).unwrap()),
        provider: label("anthropic"),
        model: label(["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-4o-2024-08-06"][(n % 3) as usize]),
        feature: n.is_multiple_of(2).then(|| label("chat")),
        status: if n.is_multiple_of(97) { TurnStatus::Timeout } else { TurnStatus::Ok },
        error_code: None,
        latency_ms: Some(u32::try_from(300 + n * 31 % 9_000).unwrap()),
        ttft_ms: n.is_multiple_of(2).then_some(250),
        user_chars: Some(u32::try_from(n * 17 % 700).unwrap()),
        assistant_chars: Some(u32::try_from(n * 29 % 3_000).unwrap()),
        usage: (!n.is_multiple_of(17)).then_some(usage),
        partial: n.is_multiple_of(101),
        price_context: Default::default(),
        cost,
    };
    event(n, Body::Turn(turn))
}

/// The canonical line of [`turn`].
pub(crate) fn turn_line(n: u64) -> String {
    serde_json::to_string(&turn(n)).unwrap()
}

/// Events of every kind, with and without what is optional.
pub(crate) fn one_of_each_kind() -> Vec<Event> {
    let device = Device {
        class: DeviceClass::Mobile,
        browser: Browser { family: label("Chrome"), major: Some(140) },
        os: System { family: label("Android"), major: Some(15) },
        bot: None,
    };
    let request = Request {
        method: Method::Get,
        route: "/a \"quoted\"/:id".to_owned(),
        status: 200,
        ttfb_ms: 12,
        origin_unreachable: false,
        device: Some(device),
        network: Some("203.0.113.0/24".to_owned()),
        referrer_domain: None,
        network_kind: None,
        campaign: Default::default(),
    };
    let feedback = Feedback {
        rating: Rating::Four,
        turn_index: Some(3),
        model: Some(label("gpt-4o")),
        intent: None,
        text_chars: 12,
        text: None,
        wishes: vec![label("dark-mode")],
    };
    let observation = Observation {
        emotion: Emotion::Joy,
        intensity: 2,
        frustration: Vec::new(),
        wish: None,
        intent: Some(label("ask")),
        confidence: 0.5,
        model_version: label("v1"),
        turn_index: Some(4),
    };
    let error =
        ErrorReport { component: label("ui"), code: label("E1"), message_digest: None, message: None, fatal: true };
    let journey = Journey {
        name: label("chat_opened"),
        funnel: Some(label("f")),
        step: None,
        intent: None,
        success: Some(true),
        confidence: Some(1.0),
        duration_ms: Some(7),
    };
    let platform = Platform {
        platform: label("github"),
        event: PlatformEvent::ApiCall,
        reason: None,
        status: Some(429),
        latency_ms: Some(80),
        token_expires_days: None,
    };
    let service_cost = ServiceCost {
        service: Service::SpeechToText,
        provider: Some(label("deepgram")),
        nano_usd: NanoUsd(4_300_000),
        item: None,
        quantity: None,
        price_version: None,
    };
    let crisis = Crisis {
        event: CrisisEvent::Flagged,
        severity: 2,
        disposition: None,
        escalation_s: None,
        detector_version: None,
        false_positive: false,
    };
    let repriced = Repriced {
        turn: EventKey::from_mac(KeyId(1), mac(13)),
        provider: label("anthropic"),
        model: label("claude-haiku-4-5"),
        feature: Some(label("chat")),
        tokens: 420,
        cost: Cost::Priced {
            nano_usd: NanoUsd(7_000),
            price_version: label("2026-11-20:own"),
            tier: label("standard"),
            provenance: Provenance::Computed,
            units: Vec::new(),
            range: None,
            cache: None,
        },
    };
    let bodies = [
        Body::Repriced(repriced),
        Body::Request(request),
        Body::Feedback(feedback),
        Body::Observation(observation),
        Body::Error(error),
        Body::Vital(Vital { name: VitalName::Lcp, value: 1234.5, route: "/".to_owned(), device: None }),
        Body::Journey(journey),
        Body::Platform(platform),
        Body::ServiceCost(service_cost),
        Body::Consent(Consent { state: ConsentState::Granted, purpose: label("analytics") }),
        Body::Crisis(crisis),
        Body::Incident(Incident { severity: IncidentSeverity::P1, code: label("outage"), resolved: false }),
        Body::Notice(Notice { kind: NoticeKind::SafetyPolicy, code: label("v2"), checked: None, agreed: None }),
        Body::Moment(Moment { text_chars: 40, text: None }),
    ];
    let others = (1_000..).zip(bodies).map(|(n, body)| event(n, body));
    let bare = Event { user: None, conversation: None, session: None, cohort: Cohort::default(), ..turn(1) };
    (0..30).map(turn).chain(others).chain([bare]).collect()
}
