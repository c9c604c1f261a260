//! What the edge and pages see: requests, errors, web vitals.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::label::Label;
use crate::redacted::Redacted;

/// A request that passed through the edge to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path with ids replaced by `:id`, no query, no fragment; `:not_found` where the app has no such path.
    pub route: String,
    /// HTTP status that the client saw.
    pub status: u16,
    /// Milliseconds to the response's head.
    pub ttfb_ms: u32,
    /// The app could not be reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub origin_unreachable: bool,
    /// Device, browser and system, coarse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The client's network: IPv4 /24 or IPv6 /48.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The referrer's registrable domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_domain: Option<String>,
    /// What kind of network the client sits in, where it is a telling one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_kind: Option<NetworkKind>,
    /// Campaign tags that the operator has named, with values that the operator has named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub campaign: BTreeMap<Label, Label>,
}

/// Kinds of network that people seldom sit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// A company that lets machines.
    DataCentre,
    /// An exit of the Tor network.
    Tor,
}

/// HTTP method; what is not in RFC 9110 is `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    #[serde(rename = "other")]
    Other,
}

impl Method {
    /// Reads a method as it stands in a request line.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// What kind of machine, coarse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Device class.
    pub class: DeviceClass,
    /// Browser family and major version.
    pub browser: Browser,
    /// Operating system family and major version.
    pub os: System,
    /// The robot that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<Bot>,
}

/// Browser family and major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Browser {
    /// uap-core's family with `-` for what a label can't hold: `Chrome`, `Mobile-Safari`…, `Other`.
    pub family: Label,
    /// Major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<u16>,
}

/// Operating system family and major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct System {
    /// uap-core's family with `-` for what a label can't hold: `Windows`, `Mac-OS-X`…, `Other`.
    pub family: Label,
    /// Major version, where it is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<u16>,
}

impl<'de> Deserialize<'de> for System {
    /// Reads the object, or the family alone, as older lines have it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SystemVisitor;
        impl<'de> de::Visitor<'de> for SystemVisitor {
            type Value = System;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a system")
            }
            fn visit_str<E: de::Error>(self, family: &str) -> Result<System, E> {
                Ok(System { family: Label::parse(family).map_err(E::custom)?, major: None })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<System, A::Error> {
                let browser = Browser::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(System { family: browser.family, major: browser.major })
            }
        }
        deserializer.deserialize_any(SystemVisitor)
    }
}

/// A robot: what asks without a person who looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bot {
    /// What it calls itself, `Googlebot`…; its kind where it says nothing.
    pub name: Label,
    /// What it is for.
    pub kind: BotKind,
    /// What tells.
    pub evidence: Vec<BotEvidence>,
}

/// What a robot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum BotKind {
    /// Fetches for a person who asks an AI.
    AiAssistant,
    /// Collects for a model or an AI search.
    AiCrawler,
    SearchEngine,
    SocialPreview,
    FeedReader,
    Advertising,
    Monitoring,
    Scanner,
    Seo,
    Archiver,
    Academic,
    HttpLibrary,
    BrowserAutomation,
    Other,
    /// Says that it is a browser, and comes from where machines are.
    Suspected,
}

impl BotKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AiAssistant,
        Self::AiCrawler,
        Self::SearchEngine,
        Self::SocialPreview,
        Self::FeedReader,
        Self::Advertising,
        Self::Monitoring,
        Self::Scanner,
        Self::Seo,
        Self::Archiver,
        Self::Academic,
        Self::HttpLibrary,
        Self::BrowserAutomation,
        Self::Other,
        Self::Suspected,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AiAssistant => "ai_assistant",
            Self::AiCrawler => "ai_crawler",
            Self::SearchEngine => "search_engine",
            Self::SocialPreview => "social_preview",
            Self::FeedReader => "feed_reader",
            Self::Advertising => "advertising",
            Self::Monitoring => "monitoring",
            Self::Scanner => "scanner",
            Self::Seo => "seo",
            Self::Archiver => "archiver",
            Self::Academic => "academic",
            Self::HttpLibrary => "http_library",
            Self::BrowserAutomation => "browser_automation",
            Self::Other => "other",
            Self::Suspected => "suspected",
        }
    }
}

impl<'de> Deserialize<'de> for BotKind {
    /// Reads the word; a kind that this version does not know is `other`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl de::Visitor<'_> for KindVisitor {
            type Value = BotKind;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a kind of robots")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<BotKind, E> {
                Ok(BotKind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(BotKind::Other))
            }
        }
        deserializer.deserialize_str(KindVisitor)
    }
}

/// What tells that something is a robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BotEvidence {
    /// It says so.
    Name,
    /// Its text is of no browser's shape, or empty.
    Shape,
    /// It is a browser without a window.
    Headless,
    /// It comes from a data centre.
    DataCentre,
}

/// Device class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum DeviceClass {
    Mobile,
    Tablet,
    Desktop,
    Tv,
    Console,
    Bot,
    Other,
}

impl DeviceClass {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Mobile, Self::Tablet, Self::Desktop, Self::Tv, Self::Console, Self::Bot, Self::Other];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Tv => "tv",
            Self::Console => "console",
            Self::Bot => "bot",
            Self::Other => "other",
        }
    }
}

/// Something broke. The message is reduced to a keyed digest, so that equal messages can be counted together; the operator may
/// keep it redacted beside that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// The part of the app.
    pub component: Label,
    /// The app's name for the error.
    pub code: Label,
    /// Keyed digest of the message: 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_digest: Option<String>,
    /// The message, redacted, at most 500 characters, where the operator keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Redacted>,
    /// The app fell over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

/// A web vital of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vital {
    /// Which.
    pub name: VitalName,
    /// Milliseconds; for `cls` the score.
    pub value: f64,
    /// The page's route template.
    pub route: String,
    /// The page's device class, where its request told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceClass>,
}

/// The vitals that the `web-vitals` library reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum VitalName {
    Lcp,
    Inp,
    Cls,
    Fcp,
    Ttfb,
}

impl VitalName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lcp, Self::Inp, Self::Cls, Self::Fcp, Self::Ttfb];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lcp => "lcp",
            Self::Inp => "inp",
            Self::Cls => "cls",
            Self::Fcp => "fcp",
            Self::Ttfb => "ttfb",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_an_older_line_is_read() {
        let line = r#"{"class":"mobile","browser":{"family":"Chrome","major":140},"os":"Android"}"#;
        let device: Device = serde_json::from_str(line).unwrap();
        assert_eq!((device.os.family.as_str(), device.os.major, device.bot.clone()), ("Android", None, None));
        let line = r#"{"class":"mobile","browser":{"family":"Chrome","major":140},"os":{"family":"Android"}}"#;
        assert_eq!(serde_json::to_string(&device).unwrap(), line);
        assert_eq!(serde_json::from_str::<Device>(line).unwrap(), device);
    }

    #[test]
    fn device_classes_are_stored_by_their_words() {
        for class in DeviceClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        for name in VitalName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }

    #[test]
    fn kinds_are_stored_by_their_words() {
        for kind in BotKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(serde_json::from_value::<BotKind>(kind.as_str().into()).unwrap(), kind);
        }
        assert_eq!(serde_json::from_str::<BotKind>("\"of_the_future\"").unwrap(), BotKind::Other);
    }
}
