//! One event: raw in, canonical out.

use schemas::consent::{Absence, Choices, Treatment, treatment};
use schemas::event::{self, Aside, Cohort, Provenance, Source, UnpricedReason, Was};
use schemas::event::{Policy, Said};
use schemas::redacted::REDACTED_CHARS_MAX;
use schemas::time::DAY_MS;
use schemas::wire::{Envelope, Raw, WireBody, WireCode, WireError, WireEvent, Witnessed};
use schemas::{Body, Event, Label, UtcMillis};

use super::keys::{Keyring, LastIds};
use super::url;
use crate::price::{Prices, ServiceError, TurnFacts, cost_of};
use crate::redact::{find, redact};
use crate::settings::Text;
use crate::usage::{read_price_context, read_usage};

/// How far a sender's clock may be ahead, milliseconds.
pub const CLOCK_SKEW_MS_MAX: i64 = 5 * schemas::time::MINUTE_MS;
/// Events before 2020-01-01 are mistakes.
const EARLIEST_MS: i64 = 18_262 * DAY_MS;

/// An event that is not stored.
#[derive(Debug)]
pub enum Refused {
    /// It can't be right: dead letter.
    Wrong(WireError),
    /// It is of a person who is not there, and of a kind that is then not kept: dropped.
    Absent(Absence),
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Wrong(error)
    }
}

/// What a door brings to every event that comes in by it.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// Makes keys of ids.
    pub keys: &'a Keyring,
    /// Prices turns.
    pub prices: &'a Prices,
    /// Whom the operator counts who has said nothing.
    pub policy: Policy,
    /// What is kept of texts.
    pub text: Text,
    /// How many Shards there are.
    pub shards: u32,
    /// The edge's clock.
    pub now: UtcMillis,
}

/// Reduces a client's event to its canonical form, and prices a turn. `content` is the event's own text, from which its
/// key is made when it has no id; `last` are the ids of the event before it.
///
/// # Errors
/// When its time can't be true, or its usage can't be read.
pub fn scrub(
    wire: WireEvent,
    content: &str,
    source: Source,
    door: &Door<'_>,
    last: &mut LastIds,
) -> Result<Event, Refused> {
    let Door { keys, prices, policy, text, .. } = *door;
    let envelope = wire.envelope;
    if envelope.ts > door.now.plus_ms(CLOCK_SKEW_MS_MAX) {
        let detail = "lies more than 5 minutes in the future; check the sender's clock";
        return Err(WireError::at(WireCode::TsInFuture, "ts", detail).into());
    }
    if envelope.ts.0 < EARLIEST_MS {
        return Err(
            WireError::at(WireCode::TsTooOld, "ts", "lies before 2020; use RFC 3339 with the right year").into()
        );
    }
    let said = Said { opted_out: envelope.opted_out, age_13_plus: envelope.age_13_plus };
    let unknown = envelope.user_id.is_none();
    // Whether a known person is there is for their Shard to say.
    let absence = unknown.then(|| said.absence().or_else(|| Choices::default().absence(policy))).flatten();
    let treatment = absence.map(|absence| (absence, treatment(wire.body.kind(), absence)));
    if let Some((absence, Treatment::Dropped)) = treatment {
        return Err(Refused::Absent(absence));
    }
    let id = match &envelope.id {
        Some(id) => keys.key(id),
        None => keys.key_of_content(content),
    };
    let reply = match &wire.body {
        WireBody::Turn(turn) => turn.response_id.as_ref().map(|raw| keys.key(raw)),
        _ => None,
    };
    let aside = Aside { said, policy, was: was(&envelope, content, keys), home: home(&envelope, content, keys) };
    let mut event = Event {
        id,
        ts: envelope.ts,
        source,
        user: envelope.user_id.map(|raw| last.user.key(raw, keys)),
        conversation: envelope.conversation_id.map(|raw| last.conversation.key(raw, keys)),
        session: envelope.session_id.map(|raw| last.session.key(raw, keys)),
        reply,
        cohort: Cohort {
            country: envelope.country,
            utc_offset_minutes: envelope.utc_offset_minutes,
            plan: envelope.plan,
            guest: envelope.guest,
        },
        body: body(wire.body, keys, prices, text, envelope.ts)?,
        aside: None,
    };
    let absent = treatment.is_some_and(|(_, treatment)| treatment == Treatment::WithoutPerson);
    if absent {
        event.without_person();
    }
    // Of someone unknown there is nothing to say but where the event belongs.
    let aside = if unknown { Aside { said: Said::default(), policy: Policy::default(), ..aside } } else { aside };
    event.aside = (aside != Aside::default()).then(|| Box::new(aside));
    Ok(event)
}

/// The event's keys by the secret before this one.
fn was(envelope: &Envelope, content: &str, keys: &Keyring) -> Option<Was> {
    let id = match &envelope.id {
        Some(id) => keys.previous_key(id),
        None => keys.previous_key_of_content(content),
    };
    Some(Was {
        id: id?,
        user: envelope.user_id.as_ref().and_then(|raw| keys.previous_key(raw)),
        conversation: envelope.conversation_id.as_ref().and_then(|raw| keys.previous_key(raw)),
        session: envelope.session_id.as_ref().and_then(|raw| keys.previous_key(raw)),
    })
}

/// What leads to the event's Shard, where it is not its key: see [`event::Belonging::bits`].
fn home(envelope: &Envelope, content: &str, keys: &Keyring) -> Option<u64> {
    let Envelope { id, user_id, session_id, conversation_id, .. } = envelope;
    match (user_id, session_id, conversation_id, id) {
        (None, None, None, None) => keys.home_of_content(content),
        _ => keys.home_of(user_id.as_ref(), session_id.as_ref(), conversation_id.as_ref(), id.as_ref()),
    }
}

/// Most characters of an error's message.
const MESSAGE_CHARS_MAX: usize = 500;

fn body(body: WireBody, keys: &Keyring, prices: &Prices, text: Text, ts: UtcMillis) -> Result<Body, WireError> {
    let redacted = |raw: &Raw, chars_max: usize| redact(raw.expose(), chars_max);
    Ok(match body {
        WireBody::Turn(turn) => Body::Turn(priced(turn, prices, ts)?),
        WireBody::Feedback(feedback) => Body::Feedback(event::Feedback {
            wishes: checked("wishes", feedback.wishes)?,
            rating: feedback.rating,
            turn_index: feedback.turn_index,
            model: feedback.model,
            intent: feedback.intent,
            text_chars: feedback.text.as_ref().map_or(0, Raw::chars),
            text: feedback.text.filter(|_| text.feedback).map(|raw| redacted(&raw, REDACTED_CHARS_MAX)),
        }),
        WireBody::Error(error) => Body::Error(event::ErrorReport {
            component: error.component,
            code: error.code,
            message_digest: error.message.as_ref().map(|message| keys.digest("error", message.expose())),
            message: error.message.filter(|_| text.errors).map(|raw| redacted(&raw, MESSAGE_CHARS_MAX)),
            fatal: error.fatal,
        }),
        WireBody::Vital(vital) => {
            let route = url::route(vital.url.expose());
            Body::Vital(event::Vital { name: vital.name, value: vital.value, route, device: vital.device })
        }
        WireBody::Moment(moment) => Body::Moment(event::Moment {
            text_chars: moment.text.chars(),
            text: Some(redacted(&moment.text, REDACTED_CHARS_MAX)),
        }),
        WireBody::Observation(body) => {
            checked("wish.tag", body.wish.iter().map(|wish| wish.tag.clone()).collect())?;
            Body::Observation(body)
        }
        WireBody::Journey(body) => Body::Journey(body),
        WireBody::Platform(body) => Body::Platform(body),
        WireBody::ServiceCost(cost) => Body::ServiceCost(service_cost(cost, prices, ts)?),
        WireBody::Consent(body) => Body::Consent(body),
        WireBody::Crisis(body) => Body::Crisis(body),
        WireBody::Incident(body) => Body::Incident(body),
        WireBody::Notice(notice) => {
            notice.check().map_err(|(field, why)| WireError::at(WireCode::InvalidValue, field, why))?;
            Body::Notice(notice)
        }
    })
}

/// Wishes are tags of the app's or the sentinel's, counted by their words: one that holds something personal is a mistake.
fn checked(field: &'static str, tags: Vec<Label>) -> Result<Vec<Label>, WireError> {
    if tags.iter().all(|tag| find(tag.as_str()).is_empty()) {
        return Ok(tags);
    }
    let detail = "holds something personal; send tags such as dark-mode, not what the person wrote";
    Err(WireError::at(WireCode::InvalidValue, field, detail))
}

fn service_cost(
    cost: schemas::wire::ServiceCost,
    prices: &Prices,
    ts: UtcMillis,
) -> Result<event::ServiceCost, WireError> {
    let wrong = |field, detail: &str| Err(WireError::at(WireCode::InvalidValue, field, detail));
    let provider = cost.provider.as_ref().map(schemas::Label::as_str);
    let (nano_usd, price_version) = match (cost.nano_usd, &cost.item, &cost.quantity) {
        (Some(nano_usd), None, None) => (nano_usd, None),
        (None, Some(item), Some(quantity)) => {
            let amount = prices.service(item.as_str(), provider, quantity, ts).map_err(|error| {
                let field = if error == ServiceError::TooLarge { "quantity" } else { "item" };
                WireError::at(WireCode::InvalidValue, field, error.to_string())
            })?;
            (amount.nano_usd, Some(amount.price_version))
        }
        (Some(_), ..) => {
            return wrong("nano_usd", "and item or quantity are both there; send the amount or what was used");
        }
        (None, None, None) => return Err(WireError::missing("nano_usd")),
        (None, Some(_), None) => return Err(WireError::missing("quantity")),
        (None, None, Some(_)) => return Err(WireError::missing("item")),
    };
    Ok(event::ServiceCost {
        service: cost.service,
        provider: cost.provider,
        nano_usd,
        item: cost.item,
        quantity: cost.quantity,
        price_version,
    })
}

fn priced(turn: schemas::wire::Turn, prices: &Prices, ts: UtcMillis) -> Result<event::Turn, WireError> {
    let (usage, provenance) = match (turn.usage, &turn.provider_usage) {
        (Some(_), Some(_)) => {
            let detail = "and usage are both there; send one of them";
            return Err(WireError::at(WireCode::InvalidValue, "provider_usage", detail));
        }
        (Some(usage), None) if turn.witnessed == Some(Witnessed::Reported) => {
            (Some(usage), Provenance::ProviderReported)
        }
        (Some(usage), None) => (Some(usage), Provenance::Computed),
        (None, Some(block)) => {
            let usage = read_usage(turn.provider.as_str(), block)
                .map_err(|error| WireError::at(WireCode::InvalidValue, "provider_usage", error.to_string()))?;
            (usage, Provenance::ProviderReported)
        }
        (None, None) => (None, Provenance::Computed),
    };
    let mut price_context = turn.provider_usage.as_ref().map(read_price_context).unwrap_or_default();
    price_context.extend(turn.price_context);
    let not_billed = turn.witnessed == Some(Witnessed::NotBilled);
    let facts = TurnFacts {
        provider: turn.provider.as_str(),
        model: turn.model.as_str(),
        at: ts,
        usage: usage.as_ref(),
        provenance,
        context: &price_context,
        latency_ms: turn.latency_ms,
        input_chars: turn.user_chars,
        output_chars: turn.assistant_chars,
    };
    let quote = if not_billed { Err(UnpricedReason::NotBilled) } else { prices.quote(&facts) };
    // Estimated tokens are stored as such: the cost beside them says so.
    let usage = usage.or_else(|| quote.as_ref().ok().and_then(|quote| quote.estimated));
    let cost = cost_of(&quote);
    Ok(event::Turn {
        turn_index: turn.turn_index,
        provider: turn.provider,
        model: turn.model,
        feature: turn.feature,
        status: turn.status,
        error_code: turn.error_code,
        latency_ms: turn.latency_ms,
        ttft_ms: turn.ttft_ms,
        user_chars: turn.user_chars,
        assistant_chars: turn.assistant_chars,
        usage,
        partial: turn.partial,
        price_context,
        cost,
    })
}

#[cfg(test)]
mod tests {
    use schemas::event::{Cost, Provenance, Source, UnpricedReason};
    use schemas::wire::{WireCode, WireEvent};
    use schemas::{Body, Label, UtcMillis};
    use serde_json::{Value, json};

    use super::{Door, Keyring, LastIds, Policy, Prices, Refused, Text, scrub};

    #[test]
    fn text_is_kept_redacted_and_only_where_it_is_switched_on() {
        let kept = |members: Value, text: Text| serde_json::to_value(stored_with(&members, text).unwrap()).unwrap();
        let all = Text { feedback: true, errors: true };
        let said = "mail a@b.co, card 4111 1111 1111 1111";
        let feedback = json!({"type": "feedback", "rating": "up", "text": said});
        let error = json!({"type": "error", "component": "ui", "code": "E1", "message": said});
        let shown = "mail [EMAIL], card [CARD]";
        assert_eq!(kept(feedback.clone(), all)["feedback"]["text"], shown);
        assert_eq!(kept(feedback.clone(), all)["feedback"]["text_chars"], said.len());
        assert_eq!(kept(error.clone(), all)["error"]["message"], shown);
        let (feedback, failed) = (kept(feedback, Text::default()), kept(error.clone(), Text::default()));
        assert!(feedback["feedback"].get("text").is_none() && failed["error"].get("message").is_none());
        assert_eq!(failed["error"]["message_digest"], kept(error, all)["error"]["message_digest"]);
        assert_eq!(kept(json!({"type": "moment", "text": said}), Text::default())["moment"]["text"], shown);
        let long = kept(json!({"type": "feedback", "rating": "up", "text": "ä ".repeat(3_000)}), all);
        assert_eq!(long["feedback"]["text"].as_str().unwrap().chars().count(), 2_000);
        let out = json!({"type": "error", "component": "ui", "code": "E1", "message": said, "opted_out": true});
        assert!(kept(out, all)["error"].get("message").is_none());
    }

    #[test]
    fn a_wish_that_holds_something_personal_is_refused() {
        let wish =
            |tag: &str| stored(&json!({"type": "feedback", "rating": "up", "wishes": ["dark-mode", tag]})).map(|_| ());
        assert_eq!(wish("export-to-pdf"), Ok(()));
        assert_eq!(wish("AB123456C"), Err((WireCode::InvalidValue, "wishes".to_owned())));
        assert!(wish(&"a".repeat(65)).is_err());
        let members = json!({"type": "observation", "emotion": "joy", "intensity": 1, "confidence": 1, "model_version": "v1",
            "wish": {"tag": "AB123456C", "kano": "attractive"}});
        assert_eq!(stored(&members).map(|_| ()), Err((WireCode::InvalidValue, "wish.tag".to_owned())));
    }

    /// The body that an event of these members is stored with, or what is wrong.
    fn stored(members: &Value) -> Result<Body, (WireCode, String)> {
        stored_with(members, Text::default())
    }

    fn stored_with(members: &Value, text: Text) -> Result<Body, (WireCode, String)> {
        let mut event = json!({"ts": "2026-11-20T00:00:00Z"});
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let wire =
            WireEvent::from_json(&event.to_string()).map_err(|error| (error.code, error.field.unwrap_or_default()))?;
        let keys = Keyring::new(Some("a secret of at least thirty-two bytes, for tests")).unwrap();
        let now = UtcMillis::parse_rfc3339("2026-11-21T00:00:00Z").unwrap();
        let door = Door { keys: &keys, prices: &Prices::default(), policy: Policy::default(), text, shards: 1, now };
        match scrub(wire, "content", Source::Backend, &door, &mut LastIds::default()) {
            Ok(event) => Ok(event.body),
            Err(Refused::Wrong(error)) => Err((error.code, error.field.unwrap_or_default())),
            Err(Refused::Absent(_)) => panic!(),
        }
    }

    #[test]
    fn a_service_cost_is_an_amount_or_what_was_used() {
        let ask = |members: Value| {
            let mut event = json!({"type": "service_cost", "service": "speech_to_text"});
            event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            stored(&event)
        };
        let Ok(Body::ServiceCost(amount)) = ask(json!({"nano_usd": 7, "provider": "x"})) else { panic!() };
        assert_eq!((amount.nano_usd.0, amount.item, amount.price_version), (7, None, None));
        for quantity in [json!(90), json!("90.0"), json!(90.0)] {
            let Ok(Body::ServiceCost(cost)) =
                ask(json!({"item": "openai/whisper-1/audio_seconds", "quantity": quantity}))
            else {
                panic!()
            };
            assert_eq!((cost.nano_usd.0, cost.quantity.unwrap().to_string().as_str()), (9_000_000, "90"));
            let kept = serde_json::to_value(&cost).unwrap();
            assert_eq!(kept["quantity"], "90");
            assert!(kept["price_version"].as_str().unwrap().starts_with("genai-prices-"));
            assert_eq!(serde_json::from_value::<schemas::event::ServiceCost>(kept).unwrap(), cost);
        }
        for (members, code, field) in [
            (json!({}), WireCode::MissingField, "nano_usd"),
            (json!({"item": "tts"}), WireCode::MissingField, "quantity"),
            (json!({"quantity": 1}), WireCode::MissingField, "item"),
            (json!({"item": "tts", "quantity": 1, "nano_usd": 1}), WireCode::InvalidValue, "nano_usd"),
            (json!({"item": "no-such-thing", "quantity": 1}), WireCode::InvalidValue, "item"),
            (json!({"item": "openai/whisper-1/audio_seconds", "quantity": -1}), WireCode::InvalidValue, "quantity"),
            (json!({"item": "openai/whisper-1/audio_seconds", "quantity": "1e3"}), WireCode::InvalidValue, "quantity"),
        ] {
            assert_eq!(ask(members.clone()).err(), Some((code, field.to_owned())), "{members}");
        }
    }

    #[test]
    fn characters_alone_make_an_estimate_and_nothing_makes_none() {
        let turn = |members: Value| {
            let mut event = json!({"type": "turn", "provider": "openai", "model": "gpt-4o"});
            event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            match stored(&event) {
                Ok(Body::Turn(turn)) => turn,
                _ => panic!(),
            }
        };
        let amount = |more: Value| turn(more).cost.nano_usd().unwrap().0;
        let block = json!({"prompt_tokens": 1000, "completion_tokens": 100});
        let batch = json!({"prompt_tokens": 1000, "completion_tokens": 100, "service_tier": "batch"});
        assert_eq!(amount(json!({"provider_usage": block})), 2 * amount(json!({"provider_usage": batch})));
        let told = json!({"provider_usage": batch, "price_context": {"processing": "realtime"}});
        assert_eq!(amount(json!({"provider_usage": block})), amount(told), "what the client states wins");
        let estimated = turn(json!({"user_chars": 4000, "assistant_chars": 400}));
        let Cost::Priced { provenance, range, .. } = &estimated.cost else { panic!() };
        assert_eq!((*provenance, range.is_some()), (Provenance::Estimated, true));
        assert_eq!(estimated.usage.unwrap().input_tokens, 1000);
        let missing = |turn: &schemas::event::Turn| {
            turn.usage.is_none() && turn.cost == Cost::Unpriced { unpriced: UnpricedReason::UsageMissing }
        };
        assert!(missing(&turn(json!({}))) && missing(&turn(json!({"user_chars": 4000}))));
        let unknown = turn(json!({"model": "gpt-unheard-of", "user_chars": 4000, "assistant_chars": 400}));
        assert_eq!((unknown.usage, unknown.cost), (None, Cost::Unpriced { unpriced: UnpricedReason::UnknownModel }));
    }

    /// A name in the price list that is no label could never be priced.
    #[test]
    fn every_model_and_provider_of_the_price_list_is_a_label() {
        fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("id").and_then(Value::as_str));
                    members.values().for_each(|value| names(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| names(value, found)),
                _ => {}
            }
        }
        let list = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/prices/genai-prices.json"));
        let list: Value = serde_json::from_str(list).unwrap();
        let mut found = Vec::new();
        names(&list, &mut found);
        assert!(found.len() > 2_000);
        let refused: Vec<_> = found.iter().filter(|name| Label::parse(name).is_err()).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}
