//! Signatures of Cloudflare Access tokens, checked with the platform's WebCrypto against the team's published keys.

use std::cell::RefCell;

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use schemas::UtcMillis;
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, Response};

use crate::admit::access::{Unverified, find_key};

/// How long the team's keys are kept, milliseconds.
const KEYS_MS_MAX: i64 = 3_600_000;
/// Fewest milliseconds between two fetches for an unknown key.
const REFETCH_MS_MIN: i64 = 60_000;

thread_local! {
    static KEYS: RefCell<Option<(UtcMillis, Value)>> = const { RefCell::new(None) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn fetch_url(url: &str) -> Promise;
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse_json(text: &str) -> Result<JsValue, JsValue>;
}

/// Does the signature hold? Anything that goes wrong is a no.
pub(super) async fn verify(jwks_url: &str, token: &Unverified, now: UtcMillis) -> bool {
    let Some(key) = key(jwks_url, &token.key_id, now).await else { return false };
    matches!(check(&key, token).await, Ok(value) if value.is_truthy())
}

async fn key(jwks_url: &str, key_id: &str, now: UtcMillis) -> Option<Value> {
    let kept = KEYS.with_borrow(|kept| kept.as_ref().map(|(at, jwks)| (now.0 - at.0, find_key(jwks, key_id))));
    match kept {
        Some((age, Some(key))) if age < KEYS_MS_MAX => return Some(key),
        Some((age, None)) if age < REFETCH_MS_MIN => return None,
        _ => {}
    }
    let response: Response = JsFuture::from(fetch_url(jwks_url)).await.ok()?.dyn_into().ok()?;
    let text = JsFuture::from(response.text().ok()?).await.ok()?.as_string()?;
    let jwks: Value = serde_json::from_str(&text).ok()?;
    let key = find_key(&jwks, key_id);
    KEYS.with_borrow_mut(|kept| *kept = Some((now, jwks)));
    key
}

async fn check(key: &Value, token: &Unverified) -> Result<JsValue, JsValue> {
    let crypto: Crypto = Reflect::get(&js_sys::global(), &"crypto".into())?.unchecked_into();
    let subtle = crypto.subtle();
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"RSASSA-PKCS1-v1_5".into())?;
    Reflect::set(&algorithm, &"hash".into(), &"SHA-256".into())?;
    let jwk = parse_json(&key.to_string())?;
    let usages = Array::of1(&"verify".into());
    let imported = subtle.import_key_with_object("jwk", jwk.unchecked_ref(), &algorithm, false, &usages)?;
    let key: CryptoKey = JsFuture::from(imported).await?.unchecked_into();
    let signature = Uint8Array::from(token.signature.as_slice());
    let signed = Uint8Array::from(token.signed.as_bytes());
    let verified =
        subtle.verify_with_object_and_buffer_source_and_buffer_source(&algorithm, &key, &signature, &signed)?;
    JsFuture::from(verified).await
}
