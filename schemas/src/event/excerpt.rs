//! What is counted of a turn, beside its line: spares a Shard reading the line, which is for the log and the lake.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    AmountRange, CacheEffect, Cohort, Cost, Country, PriceContext, Provenance, Source, Turn, TurnStatus,
    UnpricedReason, UtcOffset,
};
use crate::ids::{Key, KeyKind};
use crate::msgpack::{self, CodecError};
use crate::{Body, Event, Label, NanoUsd, Usage, UtcMillis};

/// Form of the bytes; to be raised with every change of them, because edges and Shards are not replaced at one instant.
const FORM: u8 = 1;

type KeyBytes = ByteArray<17>;

/// A turn without what each unit of its price added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excerpt {
    id: KeyBytes,
    ts: UtcMillis,
    source: Source,
    user: Option<KeyBytes>,
    conversation: Option<KeyBytes>,
    session: Option<KeyBytes>,
    reply: Option<KeyBytes>,
    country: Option<Country>,
    utc_offset_minutes: Option<UtcOffset>,
    plan: Option<Label>,
    guest: Option<bool>,
    turn_index: Option<u32>,
    provider: Label,
    model: Label,
    feature: Option<Label>,
    status: TurnStatus,
    error_code: Option<Label>,
    latency_ms: Option<u32>,
    ttft_ms: Option<u32>,
    user_chars: Option<u32>,
    assistant_chars: Option<u32>,
    /// Counts that are not zero, by their place in [`Usage::FIELDS`].
    usage: Option<Vec<(u8, u64)>>,
    partial: bool,
    price_context: PriceContext,
    price: Result<Price, UnpricedReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    nano_usd: NanoUsd,
    price_version: Label,
    tier: Label,
    provenance: Provenance,
    range: Option<AmountRange>,
    cache: Option<CacheEffect>,
}

impl Excerpt {
    /// That of an event; `None` of one that is no turn, or that says something beside itself.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let Body::Turn(turn) = &event.body else { return None };
        event.aside.is_none().then(|| Self {
            id: to_bytes(event.id),
            ts: event.ts,
            source: event.source,
            user: event.user.map(to_bytes),
            conversation: event.conversation.map(to_bytes),
            session: event.session.map(to_bytes),
            reply: event.reply.map(to_bytes),
            country: event.cohort.country,
            utc_offset_minutes: event.cohort.utc_offset_minutes,
            plan: event.cohort.plan.clone(),
            guest: event.cohort.guest,
            turn_index: turn.turn_index,
            provider: turn.provider.clone(),
            model: turn.model.clone(),
            feature: turn.feature.clone(),
            status: turn.status,
            error_code: turn.error_code.clone(),
            latency_ms: turn.latency_ms,
            ttft_ms: turn.ttft_ms,
            user_chars: turn.user_chars,
            assistant_chars: turn.assistant_chars,
            usage: turn.usage.map(|usage| (0..).zip(usage.counts()).filter(|(_, count)| *count > 0).collect()),
            partial: turn.partial,
            price_context: turn.price_context.clone(),
            price: match &turn.cost {
                Cost::Priced { nano_usd, price_version, tier, provenance, units: _, range, cache } => Ok(Price {
                    nano_usd: *nano_usd,
                    price_version: price_version.clone(),
                    tier: tier.clone(),
                    provenance: *provenance,
                    range: *range,
                    cache: *cache,
                }),
                Cost::Unpriced { unpriced } => Err(*unpriced),
            },
        })
    }
}

impl From<Excerpt> for Event {
    fn from(told: Excerpt) -> Self {
        let cost = match told.price {
            Ok(Price { nano_usd, price_version, tier, provenance, range, cache }) => {
                Cost::Priced { nano_usd, price_version, tier, provenance, units: Vec::new(), range, cache }
            }
            Err(unpriced) => Cost::Unpriced { unpriced },
        };
        let Excerpt { country, utc_offset_minutes, plan, guest, .. } = told;
        Self {
            id: from_bytes(told.id),
            ts: told.ts,
            source: told.source,
            user: told.user.map(from_bytes),
            conversation: told.conversation.map(from_bytes),
            session: told.session.map(from_bytes),
            reply: told.reply.map(from_bytes),
            cohort: Cohort { country, utc_offset_minutes, plan, guest },
            body: Body::Turn(Turn {
                turn_index: told.turn_index,
                provider: told.provider,
                model: told.model,
                feature: told.feature,
                status: told.status,
                error_code: told.error_code,
                latency_ms: told.latency_ms,
                ttft_ms: told.ttft_ms,
                user_chars: told.user_chars,
                assistant_chars: told.assistant_chars,
                usage: told.usage.map(usage),
                partial: told.partial,
                price_context: told.price_context,
                cost,
            }),
            aside: None,
        }
    }
}

fn to_bytes<K: KeyKind>(key: Key<K>) -> KeyBytes {
    ByteArray::new(key.to_bytes())
}

fn from_bytes<K: KeyKind>(bytes: KeyBytes) -> Key<K> {
    Key::from_bytes(bytes.into_array())
}

fn usage(stated: Vec<(u8, u64)>) -> Usage {
    let mut counts = [0; Usage::FIELDS.len()];
    for (at, count) in stated {
        counts.get_mut(usize::from(at)).into_iter().for_each(|slot| *slot = count);
    }
    Usage::of_counts(counts)
}

/// Excerpts of events, in order, as bytes; none where no event has one.
#[must_use]
pub fn write(excerpts: &[Option<Excerpt>]) -> Vec<u8> {
    let mut bytes = vec![FORM];
    match excerpts.iter().any(Option::is_some).then(|| msgpack::write(&excerpts, &mut bytes)) {
        Some(Ok(())) => bytes,
        _ => Vec::new(),
    }
}

/// The events of these excerpts, in order, with all that is counted of them; none where the bytes are none, or of another
/// release: then there are the lines.
///
/// # Errors
/// They were not made by [`write`].
pub fn read(bytes: &[u8]) -> Result<Vec<Option<Event>>, CodecError> {
    match bytes {
        [FORM, rest @ ..] => {
            let excerpts: Vec<Option<Excerpt>> = msgpack::read(rest)?;
            Ok(excerpts.into_iter().map(|excerpt| excerpt.map(Event::from)).collect())
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"id":"k1_00000000000000000000000000000001","ts":1793000000000,"source":"otlp","user":"k1_00000000000000000000000000000002",
        "conversation":"k2_00000000000000000000000000000003","session":"k255_00000000000000000000000000000004","reply":"k1_00000000000000000000000000000005",
        "cohort":{"country":"NP","utc_offset_minutes":345,"plan":"free","guest":true},"body":{"turn":{"turn_index":3,"provider":"openai","model":"gpt-4o",
        "feature":"chat","status":"filtered","error_code":"content_filter","latency_ms":1840,"ttft_ms":310,"user_chars":120,"assistant_chars":900,
        "usage":{"input_tokens":1200,"output_tokens":340,"cache_read_tokens":7,"input_annotated_document_pages":2},"partial":true,
        "price_context":{"service_tier":"flex"},"cost":{"nano_usd":-5,"price_version":"v","tier":"base","provenance":"estimated",
        "units":[{"unit":"input_tokens","count":1200,"nano_usd":-5}],"range":{"low":-9,"high":1},
        "cache":{"saved":9007199254740993,"write_premium":-3}}}}}"#;
    const BARE: &str = r#"{"id":"k1_00000000000000000000000000000001","ts":-1,"source":"backend",
        "body":{"turn":{"provider":"p","model":"m","status":"ok","cost":{"unpriced":"unknown_model"}}}}"#;

    fn event(line: &str) -> Event {
        Event::from_line(line).unwrap()
    }

    #[test]
    fn an_excerpt_says_all_of_a_turn_but_its_units() {
        let moment = event(
            r#"{"id":"k1_00000000000000000000000000000001","ts":1,"source":"browser","body":{"moment":{"text_chars":1}}}"#,
        );
        let excerpts: Vec<_> = [&event(WHOLE), &moment, &event(BARE)].map(Excerpt::of).into();
        let mut whole = event(WHOLE);
        let Body::Turn(Turn { cost: Cost::Priced { units, .. }, .. }) = &mut whole.body else { panic!() };
        units.clear();
        assert_eq!(read(&write(&excerpts)).unwrap(), [Some(whole), None, Some(event(BARE))]);
        assert!(write(&[None]).is_empty());
    }

    #[test]
    fn what_an_event_says_beside_itself_is_read_in_its_line() {
        let mut event = event(BARE);
        event.aside = Some(Box::default());
        assert_eq!(Excerpt::of(&event), None);
    }

    #[test]
    fn bytes_of_another_form_are_none_and_broken_ones_are_wrong() {
        let mut bytes = write(&[Excerpt::of(&event(WHOLE))]);
        assert!(bytes.len() < WHOLE.len() / 3, "{}", bytes.len());
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        bytes[0] += 1;
        assert_eq!(read(&bytes).unwrap(), []);
        assert_eq!(read(&[]).unwrap(), []);
    }

    /// A change of these bytes is a change of [`FORM`].
    #[test]
    fn the_form_is_what_it_was() {
        let fnv = |bytes: Vec<u8>| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
        };
        assert_eq!(fnv(write(&[Excerpt::of(&event(WHOLE)), None])), 0x62f5_386d_28ec_022c);
    }
}
