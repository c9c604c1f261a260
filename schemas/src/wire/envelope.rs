//! The members that every kind shares, taken out of the flat object while the body is read.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::WireError;
use super::raw::Raw;
use crate::event::{Country, UtcOffset};
use crate::label::Label;
use crate::time::UtcMillis;

/// What all kinds share.
pub struct Envelope {
    /// Idempotency key. Without one the event is named by a digest of its own bytes.
    pub id: Option<Raw>,
    /// When it happened.
    pub ts: UtcMillis,
    /// The app's id of the person.
    pub user_id: Option<Raw>,
    /// The app's id of the conversation.
    pub conversation_id: Option<Raw>,
    /// The app's id of the visit, where it has one.
    pub session_id: Option<Raw>,
    /// Where the person is.
    pub country: Option<Country>,
    /// Minutes east of UTC.
    pub utc_offset_minutes: Option<UtcOffset>,
    /// The app's plan.
    pub plan: Option<Label>,
    /// Not signed in.
    pub guest: Option<bool>,
    /// The person opted out: nothing that identifies is kept.
    pub opted_out: bool,
    /// Whether it is attested that the person is 13 or older.
    pub age_13_plus: Option<bool>,
}

/// The envelope while it is filled; its fields are the contract's names.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Slots {
    pub id: Option<Raw>,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ts: Option<Timestamp>,
    pub user_id: Option<Raw>,
    pub conversation_id: Option<Raw>,
    pub session_id: Option<Raw>,
    pub country: Option<Country>,
    pub utc_offset_minutes: Option<UtcOffset>,
    pub plan: Option<Label>,
    pub guest: Option<bool>,
    pub opted_out: Option<bool>,
    pub age_13_plus: Option<bool>,
}

impl Slots {
    pub(crate) fn check(self) -> Result<Envelope, WireError> {
        Ok(Envelope {
            id: self.id,
            ts: self.ts.ok_or_else(|| WireError::missing("ts"))?.0,
            user_id: self.user_id,
            conversation_id: self.conversation_id,
            session_id: self.session_id,
            country: self.country,
            utc_offset_minutes: self.utc_offset_minutes,
            plan: self.plan,
            guest: self.guest,
            opted_out: self.opted_out.unwrap_or(false),
            age_13_plus: self.age_13_plus,
        })
    }
}

/// An RFC 3339 date-time on the wire.
pub(crate) struct Timestamp(pub UtcMillis);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Key::deserialize(deserializer)?.0;
        UtcMillis::parse_rfc3339(&text)
            .map(Self)
            .ok_or_else(|| de::Error::custom("must be an RFC 3339 date-time such as 2026-11-21T18:56:03.120Z"))
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Reads the flat object in one pass: the envelope's members into [`Slots`], all others into `T`, which refuses those it
/// does not know.
pub(crate) fn split<'de, T, D>(deserializer: D) -> Result<(Slots, T), D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut slots = Slots::default();
    let body = deserializer.deserialize_map(Split { slots: &mut slots, body: PhantomData })?;
    Ok((slots, body))
}

struct Split<'s, T> {
    slots: &'s mut Slots,
    body: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Split<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Members { members, slots: self.slots }))
    }
}

struct Members<'s, A> {
    members: A,
    slots: &'s mut Slots,
}

impl<'de, A: MapAccess<'de>> Members<'_, A> {
    /// The next name that is not the envelope's, whose values are taken on the way. Not inline: there is one for all kinds.
    #[inline(never)]
    fn next_of_body(&mut self) -> Result<Option<Key<'de>>, A::Error> {
        while let Some(Key(key)) = self.members.next_key::<Key<'de>>()? {
            match key.as_ref() {
                "type" => {
                    self.members.next_value::<IgnoredAny>()?;
                }
                "id" => self.slots.id = self.members.next_value()?,
                "ts" => self.slots.ts = Some(self.members.next_value()?),
                "user_id" => self.slots.user_id = self.members.next_value()?,
                "conversation_id" => self.slots.conversation_id = self.members.next_value()?,
                "session_id" => self.slots.session_id = self.members.next_value()?,
                "country" => self.slots.country = self.members.next_value()?,
                "utc_offset_minutes" => self.slots.utc_offset_minutes = self.members.next_value()?,
                "plan" => self.slots.plan = self.members.next_value()?,
                "guest" => self.slots.guest = self.members.next_value()?,
                "opted_out" => self.slots.opted_out = self.members.next_value()?,
                "age_13_plus" => self.slots.age_13_plus = self.members.next_value()?,
                _ => return Ok(Some(Key(key))),
            }
        }
        Ok(None)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let key = self.next_of_body()?;
        key.map(|Key(key)| seed.deserialize(CowStrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}
