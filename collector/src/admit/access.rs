//! Cloudflare Access tokens: RS256 JWTs (RFC 7519) signed with a key of the team's JWKS.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::UtcMillis;
use serde::Deserialize;
use serde_json::Value;

use crate::settings::Settings;

/// Clock difference that is let pass, seconds.
const LEEWAY_S: i64 = 30;

/// A token whose claims hold; only its signature is still to be checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Unverified {
    /// Id of the key in the team's JWKS.
    pub key_id: String,
    /// What was signed.
    pub signed: String,
    /// RSASSA-PKCS1-v1_5 with SHA-256 over it.
    pub signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

/// The team's issuer: `https://` and its domain.
#[must_use]
pub fn issuer(settings: &Settings) -> String {
    let domain = settings.admin.access_team_domain.trim_end_matches('/');
    if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") }
}

/// Where the team publishes its keys.
#[must_use]
pub fn jwks_url(settings: &Settings) -> String {
    format!("{}/cdn-cgi/access/certs", issuer(settings))
}

/// Reads a token and checks algorithm, issuer, audience and times. `None`: it must not be accepted.
#[must_use]
pub fn check_claims(token: &str, settings: &Settings, now: UtcMillis) -> Option<Unverified> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let now_s = now.0 / 1_000;
    let audience = settings.admin.access_audience.as_str();
    let for_us = match &claims.aud {
        Value::String(aud) => aud == audience,
        Value::Array(list) => list.iter().any(|aud| aud == audience),
        _ => false,
    };
    let valid = header.alg == "RS256"
        && !audience.is_empty()
        && for_us
        && claims.iss == issuer(settings)
        && claims.exp.saturating_add(LEEWAY_S) > now_s
        && claims.nbf.is_none_or(|nbf| nbf <= now_s + LEEWAY_S);
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    valid.then(|| Unverified { key_id: header.kid, signed: signed.to_owned(), signature })
}

/// The key of this id in a JWKS document, as a JWK.
#[must_use]
pub fn find_key(jwks: &Value, key_id: &str) -> Option<Value> {
    let keys = jwks.get("keys")?.as_array()?;
    keys.iter()
        .find(|key| {
            key.get("kid").and_then(Value::as_str) == Some(key_id)
                && key.get("kty").and_then(Value::as_str) == Some("RSA")
        })
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: UtcMillis = UtcMillis(1_795_000_000_000);

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.admin.access_team_domain = "example.cloudflareaccess.com".into();
        settings.admin.access_audience = "the-app".into();
        settings
    }

    fn token(header: Value, claims: Value) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
    }

    fn claims(change: &[(&str, Value)]) -> Value {
        let mut claims = json!({"iss": "https://example.cloudflareaccess.com", "aud": ["the-app"], "exp": NOW.0 / 1000 + 60, "nbf": NOW.0 / 1000});
        change.iter().for_each(|(name, value)| claims[*name] = value.clone());
        claims
    }

    #[test]
    fn a_token_must_be_for_us_now_and_of_the_right_kind() {
        let header = json!({"alg": "RS256", "kid": "k1"});
        let check = |header: &Value, claims: Value| check_claims(&token(header.clone(), claims), &settings(), NOW);
        assert_eq!(check(&header, claims(&[])).unwrap().key_id, "k1");
        assert!(check(&header, claims(&[("aud", json!("the-app"))])).is_some());
        for wrong in [
            ("aud", json!(["other"])),
            ("aud", json!("other")),
            ("aud", json!(7)),
            ("iss", json!("https://evil.cloudflareaccess.com")),
            ("exp", json!(NOW.0 / 1000 - 31)),
            ("nbf", json!(NOW.0 / 1000 + 31)),
            ("exp", json!("soon")),
        ] {
            assert_eq!(check(&header, claims(std::slice::from_ref(&wrong))), None, "{wrong:?}");
        }
        for alg in ["none", "HS256", "RS512", ""] {
            assert_eq!(check(&json!({"alg": alg, "kid": "k1"}), claims(&[])), None, "{alg}");
        }
        for garbage in ["", "a", "a.b", "a.b.c", "..", "é.é.é"] {
            assert_eq!(check_claims(garbage, &settings(), NOW), None);
        }
        assert_eq!(
            check_claims(&token(header.clone(), claims(&[("aud", json!(""))])), &Settings::default(), NOW),
            None
        );
    }

    #[test]
    fn keys_are_found_by_id() {
        let jwks = json!({"keys": [{"kid": "a", "kty": "EC"}, {"kid": "b", "kty": "RSA", "n": "x"}]});
        assert_eq!(find_key(&jwks, "b").unwrap()["n"], "x");
        assert_eq!(find_key(&jwks, "a"), None);
        assert_eq!(find_key(&json!({}), "b"), None);
    }
}
