//! What is believed of a client, beside what the platform itself says.

use serde::{Deserialize, Serialize};

/// What is believed of a client, beside what the platform itself says. A header can be set by anyone unless the platform, or a proxy
/// that all requests come through, sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// The header with the client's address.
    pub address: AddressHeader,
    /// Who knows the client's country.
    pub country: CountrySource,
}

/// The header with the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressHeader {
    /// `CF-Connecting-IP`, which Cloudflare sets on every request.
    #[default]
    CfConnectingIp,
    /// The last address of `X-Forwarded-For`: the one that the proxy in front has added.
    XForwardedForLast,
    /// `CloudFront-Viewer-Address`, with CloudFront in front.
    CloudfrontViewerAddress,
    /// None: no network is stored, and `admin.ip_allow` lets no one in.
    None,
}

impl AddressHeader {
    /// The header's name, in lower case.
    #[must_use]
    pub fn header(self) -> Option<&'static str> {
        match self {
            Self::CfConnectingIp => Some("cf-connecting-ip"),
            Self::XForwardedForLast => Some("x-forwarded-for"),
            Self::CloudfrontViewerAddress => Some("cloudfront-viewer-address"),
            Self::None => None,
        }
    }
}

/// Who knows the client's country.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountrySource {
    /// Cloudflare: the `cf` object of the request; only where there is none the header `CF-IPCountry`.
    #[default]
    Cloudflare,
    /// The header `CloudFront-Viewer-Country`, with CloudFront in front.
    Cloudfront,
    /// No one: no country is stored.
    None,
}
