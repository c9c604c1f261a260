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
            return wrong(
                "browser.allowed_origins",
                "must be origins such as \"https://chat.example.com\", without a path",
            );
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

impl Settings {
    /// The embedded settings with those of the variable `SAGE_SETTINGS` (a JSON object of the same keys) laid over them.
    ///
    /// # Errors
    /// What is wrong with the variable, or with the settings as a whole.
    pub fn load(embedded: &str, overlay: Option<&str>) -> Result<Self, String> {
        let mut json: serde_json::Value = serde_json::from_str(embedded).map_err(|error| error.to_string())?;
        if let Some(overlay) = overlay.filter(|text| !text.is_empty()) {
            let overlay =
                serde_json::from_str(overlay).map_err(|error| format!("SAGE_SETTINGS is not JSON: {error}"))?;
            lay_over(&mut json, overlay);
        }
        let settings: Self = serde_json::from_value(json).map_err(|error| format!("SAGE_SETTINGS: {error}"))?;
        settings.check().map_err(|(key, what)| format!("SAGE_SETTINGS: {key} {what}"))?;
        Ok(settings)
    }
}

fn lay_over(base: &mut serde_json::Value, overlay: serde_json::Value) {
    match (base, overlay) {
        (serde_json::Value::Object(base), serde_json::Value::Object(overlay)) => {
            for (key, value) in overlay {
                lay_over(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (base, overlay) => *base = overlay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_can_change_single_settings() {
        let embedded =
            serde_json::to_string(&Settings { origin: "https://a.example".into(), ..Settings::default() }).unwrap();
        let settings = Settings::load(&embedded, Some(r#"{"capture":{"static_assets":true}}"#)).unwrap();
        assert!(settings.capture.static_assets && settings.origin == "https://a.example");
        for (overlay, word) in [
            ("{", "JSON"),
            (r#"{"orgin":""}"#, "orgin"),
            (r#"{"origin":"a"}"#, "origin"),
            (r#"{"time_zone":"X/Y"}"#, "time_zone"),
            (r#"{"admin":{"ip_allow":["10.0.0.0/99"]}}"#, "ip_allow"),
            (r#"{"admin":{"access_audience":"x"}}"#, "access"),
        ] {
            assert!(Settings::load(&embedded, Some(overlay)).unwrap_err().contains(word), "{overlay}");
        }
    }
}
