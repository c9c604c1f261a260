//! What pages get from Sage, and how often they may come.

use http::StatusCode;
use js_sys::{JsString, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{Env, Result};

use super::respond;
use crate::intake::Problem;
use crate::scrub::network;

/// Seconds after which a page that came too often may try again.
const RETRY_AFTER_S: u32 = 30;

#[wasm_bindgen(module = "/src/worker/pages.js")]
extern "C" {
    /// The snippet, or the module around it; `undefined` for another path.
    fn script(request: &web_sys::Request, path: &str) -> JsValue;
    /// Resolves to `false` when this key came too often.
    #[wasm_bindgen(js_name = withinRate)]
    fn js_within_rate(env: &JsValue, key: &JsString) -> Promise;
}

/// `GET /sage/sage.js` and `/sage/sage.mjs`.
pub(super) fn snippet(request: &web_sys::Request, path: &str) -> Result<web_sys::Response> {
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return respond::method_not_allowed("GET, HEAD");
    }
    script(request, path).dyn_into().or_else(|_| respond::not_found())
}

/// What an operator should know about how often pages may come.
pub(super) fn note(env: &Env) -> Option<&'static str> {
    let limited = Reflect::has(env, &"PAGES_LIMIT".into()).unwrap_or(false);
    (!limited).then_some("pages are not limited in rate; wrangler.toml lacks the [[ratelimits]] binding PAGES_LIMIT")
}

/// Counts a request of a page against its network's rate.
///
/// Without the binding, or when it fails, pages come as often as they like.
pub(super) async fn within_rate(env: &Env, address: Option<&str>) -> std::result::Result<(), Problem> {
    let network = address.and_then(network::of).unwrap_or_default();
    let within = JsFuture::from(js_within_rate(env, &JsString::from(network))).await;
    if within.is_ok_and(|within| within.is_falsy()) {
        let detail = "too many requests of pages of this network; send fewer, larger batches";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        return Err(Problem { retry_after_s: Some(RETRY_AFTER_S), ..problem });
    }
    Ok(())
}
