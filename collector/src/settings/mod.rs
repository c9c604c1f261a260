//! `sage.toml`: read and checked at build, embedded in the Worker.
//!
//! The build script includes this folder, too: nothing in it knows the rest of the crate but for `is_zone`, which both have.

pub mod client;
pub mod funnel;
pub mod public;
pub mod usd;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use client::Client;
use funnel::Funnel;
use public::Public;
use usd::Usd;

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
    /// What is believed of a client.
    pub client: Client,
    /// What is read of URLs.
    pub urls: Urls,
    /// Events from pages.
    pub browser: Browser,
    /// Who is counted as a person.
    pub consent: Consent,
    /// What is kept of texts.
    pub text: Text,
    /// Who may see numbers.
    pub admin: Admin,
    /// The way to model providers.
    pub gateway: Gateway,
    /// What may be spent.
    pub budget: Budget,
    /// Who is no person.
    pub bots: Bots,
    /// What everyone may see.
    pub public: Public,
    /// Ways that people take step by step.
    pub funnels: Vec<Funnel>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origin: String::new(),
            time_zone: "UTC".into(),
            capture: Capture::default(),
            client: Client::default(),
            urls: Urls::default(),
            browser: Browser::default(),
            consent: Consent::default(),
            text: Text::default(),
            admin: Admin::default(),
            gateway: Gateway::default(),
            budget: Budget::default(),
            bots: Bots::default(),
            public: Public::default(),
            funnels: Funnel::usual(),
        }
    }
}

/// What is captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Count requests for scripts, styles, images and fonts, too.
    pub static_assets: bool,
    /// Take events named `Sage-Turn` out of the app's streams. Where the app tells none there, its streams pass faster
    /// without.
    pub turns_in_streams: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self { static_assets: false, turns_in_streams: true }
    }
}

/// What is read of URLs, beside the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Urls {
    /// Campaign parameters that are kept, each with the values that are; another value counts as `other`.
    pub campaigns: BTreeMap<String, Vec<String>>,
}

/// Most campaign parameters.
const CAMPAIGNS_MAX: usize = 3;
/// Most values of a campaign parameter.
const CAMPAIGN_VALUES_MAX: usize = 200;

/// Events from pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Browser {
    /// Origins whose pages may send events with the public key, beside the one that Sage itself is on.
    pub allowed_origins: Vec<String>,
    /// Take a page's word on whose event it is (`user_id`). Anyone can then send events in anyone's name.
    pub user_ids: bool,
}

/// Who is counted as a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Consent {
    /// Only who has agreed, by a `consent` event for `analytics`.
    pub required: bool,
    /// What is taken of those whose age no one has attested.
    pub age_13_plus: Age,
}

/// What is taken of those whose age no one has attested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Age {
    /// The app lets no younger ones in: they are 13 or older.
    #[default]
    Assumed,
    /// They are not counted until it is attested.
    Attested,
}

/// What is kept of texts, each redacted; what is not is reduced to its length or digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Text {
    /// Comments of feedback.
    pub feedback: bool,
    /// Messages of errors.
    pub errors: bool,
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

/// The way to model providers, `/sage/llm/{provider}/…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Is it open?
    pub enabled: bool,
    /// Only for callers who send the ingest key as `Sage-Key`.
    pub require_key: bool,
    /// Providers beside those that Sage knows, or other addresses of those, by the name in the path.
    pub providers: BTreeMap<String, GatewayProvider>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { enabled: true, require_key: false, providers: BTreeMap::new() }
    }
}

/// A model provider of the operator's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayProvider {
    /// Where its API is, with the path that comes before what the caller adds.
    pub base_url: String,
    /// Whose prices hold: a provider of the price list or of `prices.toml`. Left out: the one of that name.
    #[serde(default)]
    pub prices: String,
    /// Ask chat streams for usage where the caller did not. Left out: as Sage knows the provider, else yes.
    #[serde(default)]
    pub ask_for_usage: Option<bool>,
    /// Read a stream to its end when the caller hangs up, because the provider bills all of it. Left out: as Sage knows the
    /// provider, else no.
    #[serde(default)]
    pub drain: Option<bool>,
}

/// Who is no person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bots {
    /// Robots, by the names that `/sage` shows, that count as people.
    pub human: Vec<String>,
}

/// What may be spent. Days and months are those of `time_zone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// In a day.
    pub day_usd: Usd,
    /// In a month.
    pub month_usd: Usd,
    /// By one person in a day.
    pub user_day_usd: Usd,
    /// By one person in a month.
    pub user_month_usd: Usd,
    /// Refuse calls through the gateway that a budget has no room for.
    pub hard_stop: bool,
    /// What a call is held to cost until its price is known; 0: worked out from the call.
    pub hold_usd: Usd,
    /// What becomes of a call when those who count can't be asked.
    pub on_failure: OnFailure,
}

/// What becomes of a call when those who count can't be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It passes.
    #[default]
    Open,
    /// It is refused.
    Closed,
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
        if !crate::is_zone(&self.time_zone) {
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
        let word = |text: &str| {
            (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let campaigns = &self.urls.campaigns;
        if campaigns.len() > CAMPAIGNS_MAX
            || campaigns.values().any(|values| values.len() > CAMPAIGN_VALUES_MAX)
            || !campaigns.iter().all(|(name, values)| word(name) && values.iter().all(|value| word(value)))
        {
            return wrong(
                "urls.campaigns",
                "must be at most 3 parameters with at most 200 values each, of letters, digits and . _ - (1 to 40)",
            );
        }
        if self.admin.access_team_domain.is_empty() != self.admin.access_audience.is_empty() {
            return wrong("admin.access_audience", "and admin.access_team_domain must be set together");
        }
        if self.admin.access_team_domain.contains(['/', ':']) && !is_origin(&self.admin.access_team_domain) {
            return wrong("admin.access_team_domain", "must be a domain such as \"example.cloudflareaccess.com\"");
        }
        for (name, provider) in &self.gateway.providers {
            let key = |part: &str| format!("gateway.providers.{name}.{part}");
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
            {
                return wrong(
                    &key("base_url"),
                    "belongs to a provider whose name must be lower-case letters, digits and - _ .",
                );
            }
            if !is_base_url(&provider.base_url) {
                return wrong(
                    &key("base_url"),
                    "must be an address such as \"https://llm.example.com/v1\", without a query",
                );
            }
        }
        if let Err(what) = funnel::check(&self.funnels) {
            return wrong("funnels", what);
        }
        if self.budget.hard_stop && !self.gateway.require_key {
            return wrong(
                "budget.hard_stop",
                "needs gateway.require_key = true; else a stranger's calls could use the budget up",
            );
        }
        self.public.check().or_else(|(key, what)| wrong(&format!("public.{key}"), what))
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
}

fn is_base_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@', ' ']))
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
            (r#"{"client":{"address":"x-forwarded-for"}}"#, "x-forwarded-for-last"),
            (r#"{"client":{"country":"geoip"}}"#, "cloudfront"),
            (r#"{"urls":{"campaigns":{"utm_source":["a b"]}}}"#, "campaigns"),
            (r#"{"urls":{"campaigns":{"a":[],"b":[],"c":[],"d":[]}}}"#, "campaigns"),
            (r#"{"gateway":{"providers":{"x":{"base_url":"ftp://a"}}}}"#, "base_url"),
            (r#"{"gateway":{"providers":{"X/":{"base_url":"http://a"}}}}"#, "lower-case"),
            (r#"{"funnels":[{"name":"a","steps":["chat"]}]}"#, "2 to 12 steps"),
            (r#"{"funnels":[{"name":"a","steps":["chat","mail"]}]}"#, "journey:NAME"),
            (
                r#"{"funnels":[{"name":"a","steps":["chat","guest"]},{"name":"a","steps":["chat","guest"]}]}"#,
                "of its own",
            ),
            (r#"{"budget":{"day_usd":"-1"}}"#, "dollars"),
            (r#"{"budget":{"day_usd":1e300}}"#, "dollars"),
            (r#"{"budget":{"hard_stop":true}}"#, "require_key"),
            (r#"{"budget":{"on_failure":"maybe"}}"#, "closed"),
            (r#"{"public":{"people_min":49}}"#, "public.people_min must be 50 or more"),
            (r#"{"public":{"people_min":-1}}"#, "SAGE_SETTINGS"),
            (r#"{"public":{"user_turns_max":0}}"#, "user_turns_max"),
            (r#"{"public":{"user_sessions_max":1000001}}"#, "user_sessions_max"),
            (r#"{"public":{"epsilon":"-1"}}"#, "decimal"),
            (r#"{"public":{"epsilon":11}}"#, "public.epsilon"),
            (r#"{"public":{"referrals":{"last year":12}}}"#, "public.referrals"),
            (r#"{"public":{"referrals":{"2025":-12}}}"#, "SAGE_SETTINGS"),
            (r#"{"public":{"corrections":[{"quarter":"2026-Q5","date":"2026-11-02","note":"x"}]}}"#, "corrections"),
            (r#"{"public":{"corrections":[{"quarter":"2026-Q3","date":"2026-02-30","note":"x"}]}}"#, "corrections"),
            (r#"{"public":{"corrections":[{"quarter":"2026-Q3","date":"2026-02-28","note":""}]}}"#, "corrections"),
        ] {
            assert!(Settings::load(&embedded, Some(overlay)).unwrap_err().contains(word), "{overlay}");
        }
    }
}
