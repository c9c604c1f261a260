//! Who may do what. Everything fails closed.

pub mod access;
pub mod page;

use std::net::IpAddr;

use http::StatusCode;
use schemas::event::Source;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::intake::Problem;
use crate::settings::{Settings, parse_network};

/// The token of an `Authorization: Bearer …` header.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Are the two equal? Compares digests in constant time; an empty secret equals nothing.
#[must_use]
pub fn same_secret(given: &str, secret: &str) -> bool {
    !secret.is_empty() && bool::from(Sha256::digest(given).ct_eq(&Sha256::digest(secret)))
}

/// What an intake request brought with it.
#[derive(Default)]
pub struct IntakeClaim<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `?key=`, for beacons, which cannot set headers.
    pub query_key: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
    /// The origin that the request was sent to.
    pub own_origin: &'a str,
}

impl IntakeClaim<'_> {
    /// Does the request come from a page whose events are taken: of Sage's own origin, which is the app's, or of one in
    /// `browser.allowed_origins`?
    #[must_use]
    pub fn of_allowed_page(&self, settings: &Settings) -> bool {
        match self.origin {
            Some(origin) if origin != "null" => {
                let known = &settings.browser.allowed_origins;
                origin == self.own_origin || known.iter().any(|known| known.eq_ignore_ascii_case(origin))
            }
            // A referrer policy can hide the origin of a page, even from its own server.
            _ => self.site == Some("same-origin"),
        }
    }
}

/// The keys that open the intake.
#[derive(Default)]
pub struct IntakeKeys<'a> {
    /// `SAGE_INGEST_KEY`.
    pub ingest: Option<&'a str>,
    /// `SAGE_PUBLIC_KEY`.
    pub public: Option<&'a str>,
}

/// Who sends events: the app's backend with the ingest key, or a page of an allowed origin with the public one.
///
/// # Errors
/// 401 without a key or with a wrong one, 403 for a page of another origin, 503 when no ingest key is set.
pub fn intake(claim: &IntakeClaim<'_>, keys: &IntakeKeys<'_>, settings: &Settings) -> Result<Source, Problem> {
    let Some(ingest) = keys.ingest.filter(|key| !key.is_empty()) else {
        let detail = "SAGE_INGEST_KEY is not set; set it with `wrangler secret put SAGE_INGEST_KEY`";
        return Err(Problem::unavailable("not_configured", detail, 60));
    };
    let given = claim.authorization.and_then(bearer).or(claim.query_key);
    let Some(given) = given else {
        return Err(unauthorized("send the ingest key as `Authorization: Bearer …`"));
    };
    if claim.query_key.is_none() && same_secret(given, ingest) {
        return Ok(Source::Backend);
    }
    if !keys.public.is_some_and(|public| same_secret(given, public)) {
        return Err(unauthorized("the key is not right"));
    }
    if !claim.of_allowed_page(settings) {
        let detail = "pages of this origin may not send events; add it to browser.allowed_origins in sage.toml";
        return Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail));
    }
    Ok(Source::Browser)
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

/// What a request for numbers brought with it.
#[derive(Default)]
pub struct AdminClaim<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Cf-Access-Jwt-Assertion`.
    pub access_token: Option<&'a str>,
    /// The client's address, out of the header that `client.address` names.
    pub address: Option<&'a str>,
}

/// What the shell must still do before an admin is let in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Let in.
    Granted,
    /// Let in if the Access token proves true.
    CheckAccess,
}

/// May this client see numbers? `token` is `SAGE_ADMIN_TOKEN`.
///
/// # Errors
/// 403 when nothing is configured or the address is not allowed, 401 without a valid token.
pub fn admin(claim: &AdminClaim<'_>, token: Option<&str>, settings: &Settings) -> Result<Admission, Problem> {
    let forbidden = |code, detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
    let token = token.filter(|token| !token.is_empty());
    let access = !settings.admin.access_team_domain.is_empty();
    if token.is_none() && !access {
        return forbidden(
            "not_configured",
            "no admin is configured; set SAGE_ADMIN_TOKEN with `wrangler secret put SAGE_ADMIN_TOKEN`, or \
             admin.access_team_domain and admin.access_audience in sage.toml",
        );
    }
    if !address_allowed(claim.address, &settings.admin.ip_allow) {
        return forbidden(
            "address_not_allowed",
            "this address is in none of the networks of admin.ip_allow in sage.toml",
        );
    }
    if let (Some(given), Some(token)) = (claim.authorization.and_then(bearer), token) {
        return if same_secret(given, token) {
            Ok(Admission::Granted)
        } else {
            Err(unauthorized("the admin token is not right"))
        };
    }
    if access && claim.access_token.is_some() {
        return Ok(Admission::CheckAccess);
    }
    Err(unauthorized(if token.is_some() {
        "send the admin token as `Authorization: Bearer …`"
    } else {
        "log in through Cloudflare Access"
    }))
}

fn address_allowed(address: Option<&str>, networks: &[String]) -> bool {
    if networks.is_empty() {
        return true;
    }
    let Some(address) = address.and_then(|text| text.trim().parse::<IpAddr>().ok()) else { return false };
    networks.iter().filter_map(|text| parse_network(text)).any(|network| contains(network, address.to_canonical()))
}

fn contains((first, bits): (IpAddr, u32), address: IpAddr) -> bool {
    fn wide(address: IpAddr) -> (u128, u32) {
        match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        }
    }
    let ((first, width), (address, other)) = (wide(first), wide(address));
    width == other && (bits == 0 || (first ^ address) >> (width - bits.min(width)) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ip_allow: &[&str], access: bool) -> Settings {
        let mut settings = Settings::default();
        settings.admin.ip_allow = ip_allow.iter().map(ToString::to_string).collect();
        settings.browser.allowed_origins = vec!["https://chat.example.com".into()];
        if access {
            settings.admin.access_team_domain = "example.cloudflareaccess.com".into();
            settings.admin.access_audience = "aud".into();
        }
        settings
    }

    #[test]
    fn nothing_configured_lets_no_one_in() {
        let claim = AdminClaim { authorization: Some("Bearer "), ..AdminClaim::default() };
        for token in [None, Some("")] {
            let problem = admin(&claim, token, &settings(&[], false)).unwrap_err();
            assert_eq!((problem.status, problem.code), (403, "not_configured"));
            assert!(problem.detail.contains("SAGE_ADMIN_TOKEN"));
        }
    }

    #[test]
    fn an_admin_needs_the_token() {
        let ask = |authorization, settings: &Settings| {
            admin(
                &AdminClaim { authorization, address: Some("203.0.113.7"), ..AdminClaim::default() },
                Some("secret"),
                settings,
            )
            .map_err(|problem| problem.status)
        };
        let open = settings(&[], false);
        assert_eq!(ask(Some("Bearer secret"), &open), Ok(Admission::Granted));
        assert_eq!(ask(Some("bearer  secret "), &open), Ok(Admission::Granted));
        for wrong in
            [None, Some("Bearer"), Some("Bearer secre"), Some("Bearer secret2"), Some("Basic secret"), Some("secret")]
        {
            assert_eq!(ask(wrong, &open), Err(401), "{wrong:?}");
        }
        assert_eq!(ask(Some("Bearer secret"), &settings(&["203.0.113.0/24"], false)), Ok(Admission::Granted));
        assert_eq!(ask(Some("Bearer secret"), &settings(&["203.0.112.0/24", "2001:db8::/32"], false)), Err(403));
        let hidden = AdminClaim { authorization: Some("Bearer secret"), ..AdminClaim::default() };
        assert_eq!(admin(&hidden, Some("secret"), &settings(&["0.0.0.0/0"], false)).unwrap_err().status, 403);
    }

    #[test]
    fn access_is_checked_only_where_it_is_configured() {
        let claim = AdminClaim { access_token: Some("a.b.c"), ..AdminClaim::default() };
        assert_eq!(admin(&claim, None, &settings(&[], true)), Ok(Admission::CheckAccess));
        assert_eq!(admin(&claim, Some("secret"), &settings(&[], false)).unwrap_err().status, 401);
        assert_eq!(admin(&AdminClaim::default(), None, &settings(&[], true)).unwrap_err().status, 401);
    }

    #[test]
    fn the_intake_tells_backends_from_pages() {
        let keys = IntakeKeys { ingest: Some("ingest"), public: Some("public") };
        let ask = |authorization, query_key, origin| {
            let claim = IntakeClaim { authorization, query_key, origin, ..IntakeClaim::default() };
            intake(&claim, &keys, &settings(&[], false)).map_err(|problem| problem.status)
        };
        let page = Some("https://chat.example.com");
        assert_eq!(ask(Some("Bearer ingest"), None, None), Ok(Source::Backend));
        assert_eq!(ask(Some("Bearer public"), None, page), Ok(Source::Browser));
        assert_eq!(ask(None, Some("public"), page), Ok(Source::Browser));
        assert_eq!(ask(None, Some("public"), Some("https://evil.example.com")), Err(403));
        assert_eq!(ask(None, Some("public"), None), Err(403));
        assert_eq!(ask(None, Some("ingest"), page), Err(401), "a secret in a URL is not one");
        assert_eq!(ask(None, None, page), Err(401));
        let unset = intake(
            &IntakeClaim { authorization: Some("Bearer x"), ..IntakeClaim::default() },
            &IntakeKeys::default(),
            &settings(&[], false),
        );
        assert_eq!(unset.unwrap_err().status, 503);
    }

    #[test]
    fn pages_of_the_apps_own_origin_and_of_allowed_ones_may_send() {
        let allowed = |origin, site| {
            IntakeClaim { origin, site, own_origin: "https://app.example.org", ..IntakeClaim::default() }
                .of_allowed_page(&settings(&[], false))
        };
        let same = Some("same-origin");
        assert!(allowed(Some("https://app.example.org"), None) && allowed(Some("https://app.example.org"), same));
        assert!(allowed(Some("https://chat.example.com"), Some("cross-site")));
        assert!(allowed(None, same) && allowed(Some("null"), same), "the page's referrer policy is no-referrer");
        for origin in [
            "https://app.example.org.evil.com",
            "https://app.example.org:8443",
            "http://app.example.org",
            "https://evil.com",
            "app.example.org",
            "",
        ] {
            assert!(!allowed(Some(origin), None) && !allowed(Some(origin), same), "{origin}");
        }
        for site in [None, Some("same-site"), Some("cross-site"), Some("none"), Some("Same-Origin ")] {
            assert!(!allowed(None, site) && !allowed(Some("null"), site), "{site:?}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| contains(parse_network(network).unwrap(), address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1") && holds("0.0.0.0/0", "8.8.8.8"));
        assert!(
            holds("2001:db8::/32", "2001:db8:ffff::1")
                && !holds("2001:db8::/32", "2001:db9::1")
                && holds("::/0", "::1")
        );
        assert!(holds("203.0.113.7", "203.0.113.7") && !holds("::/0", "8.8.8.8"));
        assert_eq!(parse_network("10.0.0.0/33"), None);
        assert_eq!(parse_network("hello"), None);
    }
}
