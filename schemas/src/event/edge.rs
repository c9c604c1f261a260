//! What the edge and pages see: requests, errors, web vitals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::label::Label;
use crate::redacted::Redacted;

/// A request that passed through the edge to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path with ids replaced by `:id`; no query, no fragment.
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
    /// The referrer's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_domain: Option<String>,
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
    /// Operating system family.
    pub os: Label,
}

/// Browser family and major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Browser {
    /// `Chrome`, `Firefox`…, `Other`.
    pub family: Label,
    /// Major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<u16>,
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
