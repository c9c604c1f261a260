//! The canonical event: what is stored, scrubbed of everything personal. One kind, one struct.
//!
//! The forms that clients send are in [`crate::wire`]; where a kind holds nothing personal the two share its struct.

mod aside;
mod conversation;
mod edge;
mod product;
mod safety;
pub mod stored;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aside::{Aside, Policy, Said, Was};
pub use conversation::{
    AmountRange, CacheEffect, Cost, Emotion, Feedback, FrustrationFlag, KanoTier, Moment, Observation,
    PRICE_CONTEXT_MAX, PriceContext, Provenance, Rating, Repriced, Turn, TurnStatus, UnitAmount, UnpricedReason,
    WISH_CHARS_MAX, Wish,
};
pub use edge::{
    Bot, BotEvidence, BotKind, Browser, Device, DeviceClass, ErrorReport, Method, NetworkKind, Request, System, Vital,
    VitalName,
};
pub use product::{Consent, ConsentState, Journey, Platform, PlatformEvent, Service, ServiceCost};
pub use safety::{Crisis, CrisisEvent, Disposition, Incident, IncidentSeverity, Notice, NoticeKind};

use crate::ids::{ConversationKey, EventKey, ReplyKey, SessionKey, UserKey};
use crate::label::Label;
use crate::time::UtcMillis;

/// One accepted event. The JSON of it is a line of Bronze; receive time is kept beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Names the event for ever; a second event of that id within 7 days is a duplicate.
    pub id: EventKey,
    /// When it happened, by the sender's clock.
    pub ts: UtcMillis,
    /// Which door it came in by.
    pub source: Source,
    /// Who, as a key. `None` for events without a person and for people who opted out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserKey>,
    /// Which conversation, as a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationKey>,
    /// Which visit, as a key, where the app names its visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionKey>,
    /// Which reply of a provider, as a key: a turn that several ways tell of counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyKey>,
    /// What is known of the person as a number.
    #[serde(default, skip_serializing_if = "Cohort::is_empty")]
    pub cohort: Cohort,
    /// What happened.
    pub body: Body,
    /// What the edge says to the Shard alone; never stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub aside: Option<Box<Aside>>,
}

/// The door by which an event came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Made by the edge itself.
    Edge,
    /// The app's backend, with the ingest key.
    Backend,
    /// A page, with the public key.
    Browser,
    /// The gateway to model providers, which saw the call itself.
    Gateway,
    /// OpenTelemetry spans.
    Otlp,
    /// The app's own response: header or event `Sage-Turn`.
    Response,
    /// An operator's command.
    Admin,
}

impl Source {
    /// All of them. What is stored tells them by their place here: add at the end.
    pub const ALL: [Self; 7] =
        [Self::Edge, Self::Backend, Self::Browser, Self::Gateway, Self::Otlp, Self::Response, Self::Admin];
}

/// Coarse facts about a person, none of which names one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cohort {
    /// ISO 3166-1 alpha-2 country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Minutes east of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_offset_minutes: Option<UtcOffset>,
    /// The app's plan: `free`, `premium`…
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Label>,
    /// Not signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<bool>,
}

impl Cohort {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// ISO 3166-1 alpha-2 country code in capitals, or `XX` (unknown), `T1` (Tor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters (`T1` too); lower case is raised.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && (b.is_ascii_alphabetic() || text == "T1") => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX")
    }
}

impl Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("must be a two-letter country code"))
    }
}

impl JsonSchema for Country {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "country".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^([A-Za-z]{2}|T1)$" })
    }
}

/// Minutes east of UTC, −720 to 840, a multiple of 15: coarse enough to be shared by whole countries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct UtcOffset(#[schemars(range(min = -720, max = 840))] i16);

impl UtcOffset {
    /// Checks the range and the step.
    #[must_use]
    pub fn new(minutes: i16) -> Option<Self> {
        ((-720..=840).contains(&minutes) && minutes % 15 == 0).then_some(Self(minutes))
    }

    /// Minutes east of UTC.
    #[must_use]
    pub fn minutes(self) -> i16 {
        self.0
    }
}

impl<'de> Deserialize<'de> for UtcOffset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i16::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("must be a multiple of 15 from -720 to 840"))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "most events are turns, the largest")]
pub enum Body {
    /// A request that passed through the edge.
    Request(Request),
    /// A message of a person and the model's reply.
    Turn(Turn),
    /// A price found later for a turn that had none.
    Repriced(Repriced),
    /// What a person thought of a reply.
    Feedback(Feedback),
    /// Labels of the chat sentinel.
    Observation(Observation),
    /// Something broke.
    Error(ErrorReport),
    /// A web vital of a page.
    Vital(Vital),
    /// A product event: a funnel step, an intent, opening or closing the chat.
    Journey(Journey),
    /// Health of a platform integration.
    Platform(Platform),
    /// Spend on something else than a model.
    ServiceCost(ServiceCost),
    /// A change of consent.
    Consent(Consent),
    /// A step in the handling of a crisis.
    Crisis(Crisis),
    /// An outage or a harm.
    Incident(Incident),
    /// A change of policy, a decision about a wish.
    Notice(Notice),
    /// A line that a person agreed to see published.
    Moment(Moment),
}

impl Body {
    /// The kind's name on the wire and in tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Turn(_) => "turn",
            Self::Repriced(_) => "repriced",
            Self::Feedback(_) => "feedback",
            Self::Observation(_) => "observation",
            Self::Error(_) => "error",
            Self::Vital(_) => "vital",
            Self::Journey(_) => "journey",
            Self::Platform(_) => "platform",
            Self::ServiceCost(_) => "service_cost",
            Self::Consent(_) => "consent",
            Self::Crisis(_) => "crisis",
            Self::Incident(_) => "incident",
            Self::Notice(_) => "notice",
            Self::Moment(_) => "moment",
        }
    }
}

/// Who and what an event is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belonging {
    /// Its person.
    pub user: Option<UserKey>,
    /// Its conversation.
    pub conversation: Option<ConversationKey>,
    /// Its visit.
    pub session: Option<SessionKey>,
    /// What leads to the Shard, where it is not the key.
    pub home: Option<u64>,
}

impl Belonging {
    /// What an event of this id belongs to, as 64 bits: its person; without one the visit that the app names; without one its
    /// conversation; else itself.
    #[must_use]
    pub fn bits(&self, id: EventKey) -> u64 {
        if let Some(home) = self.home {
            return home;
        }
        match (self.user, self.session, self.conversation) {
            (Some(user), ..) => user.prefix(),
            (None, Some(session), _) => session.prefix(),
            (None, None, Some(conversation)) => conversation.prefix(),
            (None, None, None) => id.prefix(),
        }
    }

    /// Which of `shards` partitions holds an event of this id.
    #[must_use]
    pub fn shard(&self, id: EventKey, shards: u32) -> u32 {
        u32::try_from(self.bits(id) % u64::from(shards.max(1))).unwrap_or(0)
    }
}

impl Event {
    /// The event as a line of Bronze, without its end.
    ///
    /// # Errors
    /// Never, for what this type can hold.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The event of a line of Bronze.
    ///
    /// # Errors
    /// The line is none.
    #[inline]
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// Takes out everything that tells whose the event is: keys, cohort, place in the conversation, lengths of messages, an
    /// error's message and its digest. What it cost, what broke and what the law wants counted stays.
    pub fn without_person(&mut self) {
        (self.user, self.conversation, self.session) = (None, None, None);
        self.cohort = Cohort::default();
        match &mut self.body {
            Body::Turn(turn) => (turn.turn_index, turn.user_chars, turn.assistant_chars) = (None, None, None),
            Body::Error(error) => (error.message_digest, error.message) = (None, None),
            _ => {}
        }
    }

    fn belonging(&self) -> Belonging {
        let home = self.aside.as_ref().and_then(|aside| aside.home);
        Belonging { user: self.user, conversation: self.conversation, session: self.session, home }
    }

    /// See [`Belonging::bits`]; a price found later belongs to what its turn belongs to.
    #[must_use]
    pub fn belongs_to(&self) -> u64 {
        self.belonging().bits(self.named())
    }

    fn named(&self) -> EventKey {
        match &self.body {
            Body::Repriced(repriced) => repriced.turn,
            _ => self.id,
        }
    }

    /// Which of `shards` partitions holds what the event belongs to.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        self.belonging().shard(self.named(), shards)
    }
}
