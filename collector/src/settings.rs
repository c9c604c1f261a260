//! `sage.toml`: read and checked at build, embedded in the Worker.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// All settings. Keys that are left out have their default; keys that do not exist are an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the chat app is, without a path; empty: requests are passed on as they are.
    pub origin: String,
    /// IANA zone of reports that ask for none.
    pub time_zone: String,
    /// What is captured.
    pub capture: Capture,
    /// Events from pages.
    pub browser: Browser,
    /// Who may see numbers.
    pub admin: Admin,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origin: String::new(),
            time_zone: "UTC".into(),
            capture: Capture::default(),
            browser: Browser::default(),
            admin: Admin::default(),
        }
    }
}

/// What is captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Count requests for scripts, styles, images and fonts, too.
    pub static_assets: bool,
}

/// Events from pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Browser {
    /// Origins whose pages may send events with the public key.
    pub allowed_origins: Vec<String>,
}

/// Who may see numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Networks in CIDR form; empty: any.
    pub ip_allow: Vec<String>,
    /// Cloudflare Access: the team's domain.
    pub access_team_domain: String,
    /// Cloudflare Access: the application's audience tag.
    pub access_audience: String,
}

impl Settings {
    /// Checks what types can't.
    ///
    /// # Errors
    /// The dotted key and what it should be.
    pub fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, what: &str| Err((key.to_owned(), what.to_owned()));
        if !self.origin.is_empty() && !is_origin(&self.origin) {
            return wrong("origin", "must be a scheme and a host such as \"https://app.example.com\", without a path");
        }
        if self.time_zone.parse::<chrono_tz::Tz>().is_err() {
            return wrong("time_zone", "must be an IANA zone such as \"Europe/Berlin\"");
        }
        if !self.browser.allowed_origins.iter().all(|origin| is_origin(origin)) {
            return wrong("browser.allowed_origins", "must be origins such as \"https://chat.example.com\", without a path");
        }
        if !self.admin.ip_allow.iter().all(|network| parse_network(network).is_some()) {
            return wrong("admin.ip_allow", "must be networks such as \"198.51.100.0/24\"");
        }
        if self.admin.access_team_domain.is_empty() != self.admin.access_audience.is_empty() {
            return wrong("admin.access_audience", "and admin.access_team_domain must be set together");
        }
        if self.admin.access_team_domain.contains(['/', ':']) && !is_origin(&self.admin.access_team_domain) {
            return wrong("admin.access_team_domain", "must be a domain such as \"example.cloudflareaccess.com\"");
        }
        Ok(())
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
}

/// A network in CIDR form, or one address: its first address and the length of the prefix in bits.
#[must_use]
pub fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(widest), |bits| bits.parse().ok()).filter(|bits| *bits <= widest)?;
    Some((address, bits))
}
