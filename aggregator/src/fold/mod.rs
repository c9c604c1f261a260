//! The fold: everything Sage counts, as a function of the log alone.
//!
//! One file per panel, one shape for all: what it keeps per bucket, how it folds an event, how it merges. Counters of
//! buckets, and of names in them ([`named`]), are additive and know no person; [`people`] keeps what needs to know that two events are one person's.
//! The encoded form is positional: add fields at the end of a struct, with a serde default.

pub mod cost;
pub mod health;
pub mod intake;
pub mod integrations;
mod lines;
mod msgpack;
pub mod named;
pub mod names;
mod naming;
pub mod notices;
pub mod operations;
pub mod pending;
pub mod people;
pub mod safety;
pub mod sentiment;
pub mod standing;
pub mod thread;
pub mod usage;

use std::collections::BTreeMap;

use schemas::packed::PackedError;
use schemas::{Body, Bucket15, Event, UserKey, UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

use health::Minutes;
use intake::{IntakeMinutes, Tally};
use named::Named;
use notices::Notices;
use people::People;
use sentiment::{Sample, Sentiment};

/// What one panel counts in one bucket.
pub trait Counters: Default {
    /// Counts an event.
    fn fold(&mut self, event: &Event);
    /// Adds another's counts.
    fn merge(&mut self, other: &Self);
    /// Takes out counts of events that were folded in: what is left equals what was never told of them.
    fn take_out(&mut self, other: &Self);
}

/// Everything counted in one 15-minute bucket of event time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bucket {
    /// Spend by line of the bill.
    pub cost: cost::Spend,
    /// Turns and messages.
    pub usage: usage::Activity,
    /// Requests through the edge.
    pub operations: operations::Requests,
    /// Crisis handling, incidents, satisfaction.
    pub safety: safety::Safety,
    /// Observations and moments; most buckets of many apps have none.
    pub sentiment: Option<Box<Sentiment>>,
}

impl Bucket {
    /// Does it count this event? Others are counted by name alone, or not at all.
    fn concerns(event: &Event) -> bool {
        use Body::{Consent, Journey, Notice, Platform, Vital};
        !matches!(event.body, Journey(_) | Platform(_) | Vital(_) | Consent(_) | Notice(_))
    }
}

impl Counters for Bucket {
    fn fold(&mut self, event: &Event) {
        self.cost.fold(event);
        self.usage.fold(event);
        self.operations.fold(event);
        self.safety.fold(event);
        if Sentiment::concerns(event) {
            self.sentiment.get_or_insert_default().fold(event);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.cost.merge(&other.cost);
        self.usage.merge(&other.usage);
        self.operations.merge(&other.operations);
        self.safety.merge(&other.safety);
        if let Some(other) = &other.sentiment {
            self.sentiment.get_or_insert_default().merge(other);
        }
    }

    fn take_out(&mut self, other: &Self) {
        self.cost.take_out(&other.cost);
        self.usage.take_out(&other.usage);
        self.operations.take_out(&other.operations);
        self.safety.take_out(&other.safety);
        if let (Some(sentiment), Some(other)) = (&mut self.sentiment, &other.sentiment) {
            sentiment.take_out(other);
        }
        self.sentiment.take_if(|sentiment| **sentiment == Sentiment::default());
    }
}

/// A UTC day of counters: the unit in which they are stored and sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Buckets of event time that hold anything.
    #[serde(with = "lines")]
    pub buckets: BTreeMap<i32, Bucket>,
    /// Intake by minute of receive time.
    pub intake: IntakeMinutes,
    /// Log position of the last change.
    pub changed: u64,
    /// Counts by what outsiders can name.
    #[serde(default)]
    pub named: Named,
    /// Turns by minute; of the newest days alone.
    #[serde(default)]
    pub minutes: Minutes,
    /// What operators decided and checked.
    #[serde(default)]
    pub notices: Notices,
    /// Keys of sampled observations.
    #[serde(default)]
    pub sample: Sample,
}

impl Day {
    /// The day as bytes.
    ///
    /// # Errors
    /// [`CodecError`] when the encoder fails, which no value of this type makes it do.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode(self)
    }

    /// The day of these bytes.
    ///
    /// # Errors
    /// [`CodecError`] when they were not made by [`Day::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode(bytes)
    }
}

/// Stored bytes that can't be read, or a value that can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored counters cannot be read or written; they were made by another version")]
pub struct CodecError;

impl From<PackedError> for CodecError {
    fn from(_: PackedError) -> Self {
        Self
    }
}

const FORMAT: u8 = 3;

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Bytes(Vec::with_capacity(1 << 10));
    bytes.0.push(FORMAT);
    rmp_serde::encode::write(&mut bytes, value).map_err(|_| CodecError)?;
    Ok(bytes.0)
}

/// What is encoded comes byte by byte.
struct Bytes(Vec<u8>);

impl std::io::Write for Bytes {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match bytes {
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes {
        [FORMAT, rest @ ..] => msgpack::read(rest),
        _ => Err(CodecError),
    }
}

/// Can these bytes be read here?
pub(crate) fn check_format(bytes: &[u8]) -> Result<(), CodecError> {
    if bytes.first() == Some(&FORMAT) { Ok(()) } else { Err(CodecError) }
}

/// All counters of one Shard.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// Additive counters by UTC day.
    pub days: BTreeMap<UtcDay, Day>,
    /// What is known of people, by their keys.
    pub people: People,
    /// Of days before this one no minutes are kept.
    minutes_from: UtcDay,
}

impl Fold {
    /// Counts one row of the log: its events, and the tally of the intake that made it. Returns other days that it changed.
    pub fn row(&mut self, seq: u64, received_at: UtcMillis, events: &[Event], tally: &Tally) -> Vec<UtcDay> {
        let dropped = self.drop_minutes(seq, received_at);
        for event in events {
            let at = Bucket15::of(event.ts);
            let date = at.utc_day();
            let day = self.days.entry(date).or_default();
            day.changed = seq;
            if let Body::Repriced(repriced) = &event.body {
                // Of a turn that is not pending, or no longer, nothing changes.
                if let Some(turn) = self.people.reprice(event, repriced) {
                    day.buckets.entry(at.0).or_default().cost.reprice(&turn, &repriced.cost);
                    day.named.reprice(at, &turn, &repriced.cost);
                }
                continue;
            }
            if Bucket::concerns(event) {
                day.buckets.entry(at.0).or_default().fold(event);
            }
            day.named.fold(at, event);
            day.notices.fold(event);
            day.sample.fold(at, event);
            if let Body::Turn(turn) = &event.body
                && date >= self.minutes_from
            {
                day.minutes.fold(event.ts, turn);
            }
            self.people.fold(event);
        }
        if tally.received() > 0 {
            let day = self.days.entry(UtcDay::of(received_at)).or_default();
            day.changed = seq;
            day.intake.add(received_at, tally);
        }
        dropped
    }

    /// Drops minutes that no one asks for any more, and returns the days that had any.
    fn drop_minutes(&mut self, seq: u64, received_at: UtcMillis) -> Vec<UtcDay> {
        let from = health::first_day(received_at);
        let mut changed = Vec::new();
        if from > self.minutes_from {
            self.minutes_from = from;
            for (date, day) in self.days.range_mut(..from).filter(|(_, day)| !day.minutes.is_empty()) {
                day.minutes = Minutes::default();
                day.changed = seq;
                changed.push(*date);
            }
        }
        changed
    }

    /// Takes out what one person's events, alone in `theirs`, have added, by a row of the log at `seq`; `users` are all keys of theirs. Their choices go with
    /// the rest.
    pub fn take_out(&mut self, seq: u64, users: &[UserKey], theirs: &Self) {
        for (date, taken) in &theirs.days {
            let Some(day) = self.days.get_mut(date) else { continue };
            day.changed = seq;
            for (at, taken) in &taken.buckets {
                if let Some(bucket) = day.buckets.get_mut(at) {
                    bucket.take_out(taken);
                }
            }
            day.buckets.retain(|_, bucket| *bucket != Bucket::default());
            day.intake.take_out(&taken.intake);
            day.named.take_out(&taken.named);
            day.minutes.take_out(&taken.minutes);
            day.sample.take_out(&taken.sample);
        }
        users.iter().for_each(|user| self.people.forget(*user));
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Random histories.

    use proptest::prelude::*;
    use schemas::event::{Cost, Provenance, Source, Turn, TurnStatus, UnpricedReason};
    use schemas::{Body, ConversationKey, Event, EventKey, KeyId, Label, NanoUsd, Usage, UserKey, UtcMillis};

    pub(crate) fn turn(
        id: u128,
        user: Option<u8>,
        conversation: Option<u8>,
        ts: i64,
        nano_usd: Option<i64>,
        model: u8,
    ) -> Event {
        let key = |n: u8| (u128::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes();
        let cost = match nano_usd {
            Some(nano_usd) => Cost::Priced {
                nano_usd: NanoUsd(nano_usd),
                price_version: Label::parse("v").unwrap(),
                tier: Label::parse("base").unwrap(),
                provenance: Provenance::Computed,
                units: Vec::new(),
                range: None,
                cache: None,
            },
            None => Cost::Unpriced { unpriced: UnpricedReason::UnknownModel },
        };
        Event {
            id: EventKey::from_mac(KeyId(1), id.wrapping_mul(0x2545_F491_4F6C_DD1D_9E37_79B9_7F4A_7C15).to_be_bytes()),
            ts: UtcMillis(ts),
            source: Source::Backend,
            user: user.map(|n| UserKey::from_mac(KeyId(1), key(n))),
            conversation: conversation.map(|n| ConversationKey::from_mac(KeyId(1), key(n))),
            session: None,
            reply: None,
            cohort: Default::default(),
            aside: None,
            body: Body::Turn(Turn {
                turn_index: None,
                provider: Label::parse("openai").unwrap(),
                model: Label::parse(&format!("m{model}")).unwrap(),
                feature: None,
                status: TurnStatus::Ok,
                error_code: None,
                latency_ms: None,
                ttft_ms: None,
                user_chars: None,
                assistant_chars: None,
                usage: Some(Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() }),
                partial: false,
                price_context: Default::default(),
                cost,
            }),
        }
    }

    /// Bodies that say all that their kinds can, to be counted by it.
    pub(crate) fn told() -> Vec<Body> {
        let json = r#"[
            {"turn":{"provider":"openai","model":"m1","status":"timeout","error_code":"overloaded","latency_ms":5001,"ttft_ms":300,
                "cost":{"nano_usd":7000000,"price_version":"v","tier":"base","provenance":"estimated",
                    "cache":{"saved":900,"write_premium":-3}}}},
            {"turn":{"provider":"anthropic","model":"m2","status":"error","latency_ms":2000,"cost":{"unpriced":"not_billed"}}},
            {"request":{"method":"GET","route":"/chat/:id","status":503,"ttfb_ms":80,"referrer_domain":"example.org",
                "device":{"class":"mobile","browser":{"family":"Chrome"},"os":{"family":"Android"}}}},
            {"request":{"method":"GET","route":"/","status":404,"ttfb_ms":9,"referrer_domain":"example.org",
                "device":{"class":"bot","browser":{"family":"Other"},"os":{"family":"Other"},
                    "bot":{"name":"GPTBot","kind":"ai_crawler","evidence":["name"]}}}},
            {"feedback":{"rating":"up","model":"m1","intent":"sleep","wishes":["dark-mode","export"]}},
            {"feedback":{"rating":"down","intent":"sleep"}},
            {"feedback":{"rating":"4"}},
            {"observation":{"emotion":"anger","intensity":3,"frustration":["repeated","gave_up","repeated"],"intent":"sleep",
                "wish":{"tag":"dark-mode","kano":"must_be"},"confidence":0.25,"model_version":"s1","turn_index":12}},
            {"observation":{"emotion":"joy","intensity":1,"confidence":1,"model_version":"s2","turn_index":0}},
            {"error":{"component":"ui","code":"E1","fatal":true}},
            {"vital":{"name":"cls","value":0.1004,"route":"/","device":"tablet"}},
            {"vital":{"name":"lcp","value":2500.4,"route":"/"}},
            {"journey":{"name":"plan_made","intent":"sleep","success":true,"confidence":0.49,"duration_ms":1200}},
            {"platform":{"platform":"whatsapp","event":"connection_failed","reason":"denied"}},
            {"platform":{"platform":"whatsapp","event":"api_call","status":429,"latency_ms":90}},
            {"platform":{"platform":"whatsapp","event":"rate_limited"}},
            {"crisis":{"event":"flagged","severity":4,"detector_version":"d1","false_positive":true}},
            {"crisis":{"event":"escalation","severity":4,"escalation_s":700}},
            {"notice":{"kind":"wish_building","code":"dark-mode"}},
            {"notice":{"kind":"observation_audit","code":"2026-W43","checked":3,"agreed":2}}]"#;
        serde_json::from_str(json).unwrap()
    }

    /// Events of all kinds, of people and of no one, over three days.
    pub(crate) fn happenings(max: usize) -> impl Strategy<Value = Vec<Event>> {
        let start = UtcMillis::parse_rfc3339("2026-10-20T00:00:00Z").unwrap().0;
        let kinds = told().len();
        let one = (0..kinds + 4, 0i64..3 * 24 * 3_600_000, proptest::option::weighted(0.8, 0u8..4));
        proptest::collection::vec(one, 0..max).prop_map(move |happened| {
            let event = |(i, (kind, ms, user)): (usize, (usize, i64, Option<u8>))| {
                let plain = turn(i as u128 + 1, user, Some(1), start + ms, Some(ms), (kind % 3) as u8);
                let body = told().into_iter().nth(kind).unwrap_or_else(|| plain.body.clone());
                let cohort =
                    schemas::event::Cohort { country: schemas::event::Country::parse("NP"), ..plain.cohort.clone() };
                Event { body, cohort, ..plain }
            };
            happened.into_iter().enumerate().map(event).collect()
        })
    }

    pub(crate) fn history(max: usize) -> impl Strategy<Value = Vec<Event>> {
        let start = UtcMillis::parse_rfc3339("2026-10-20T00:00:00Z").unwrap().0;
        let one = (
            proptest::option::weighted(0.9, 0u8..6),
            proptest::option::weighted(0.9, 0u8..4),
            0i64..14 * 24 * 60,
            proptest::option::weighted(0.9, 0i64..5_000_000),
            0u8..3,
        );
        proptest::collection::vec(one, 1..max).prop_map(move |turns| {
            turns
                .into_iter()
                .enumerate()
                .map(|(i, (user, conversation, minute, cost, model))| {
                    turn(i as u128 + 1, user, conversation, start + minute * 60_000, cost, model)
                })
                .collect()
        })
    }
}

#[cfg(test)]
#[path = "laws_test.rs"]
mod laws;
