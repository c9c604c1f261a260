//! The shell: what the runtime calls, and what it is asked to do. No rule lives here.

mod admin;
mod gateway;
mod intake;
mod isolate;
mod jwks;
mod pages;
mod pass;
mod report;
mod reprice;
mod respond;
mod tap;
mod traces;
mod users;

use aggregator::place::Place;
use aggregator::runtime;
use aggregator::runtime::objects::shard_count;
use js_sys::Promise;
use std::panic::AssertUnwindSafe;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::Context as JsContext;
use worker::{Env, Result, ScheduleContext, ScheduledEvent, event};

use crate::proxy::{is_own_path, split_url};

/// Longest that a route of Sage's own takes, milliseconds: more than any call to an object may.
const OWN_MS_MAX: u32 = 12_000;

/// The runtime's entry. Not an `async fn` of [`worker::event`], whose future would carry the app's reply and be lost with the
/// WASM instance when an object in the same isolate panics.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, context: JsContext) -> Promise {
    let url = request.url();
    let (_, path, query) = split_url(&url);
    if !is_own_path(path) {
        return pass::pass(&request, &url, &env, &context)
            .unwrap_or_else(|_| Promise::reject(&"a request could not be passed on".into()));
    }
    if let Some(path) = path.strip_prefix("/sage/llm/") {
        return gateway::call(&request, path, query, env, &context);
    }
    // The host's errors can quote a URL, and what is thrown here is logged.
    let reply = future_to_promise(AssertUnwindSafe(async move {
        own(request, &url, &env).await.map(Into::into).map_err(|_| "a route of Sage's own failed".into())
    }));
    pass::within(&reply, OWN_MS_MAX)
}

async fn own(request: web_sys::Request, url: &str, env: &Env) -> Result<web_sys::Response> {
    let (own_origin, path, query) = split_url(url);
    let query = query.strip_prefix('?').unwrap_or_default();
    if let Some(id) = path.strip_prefix("/sage/v1/users/") {
        return users::user(request, id, query, env).await;
    }
    if let Some(receipt) = path.strip_prefix("/sage/v1/erasures/") {
        return users::erasure(request, receipt, env).await;
    }
    match path {
        "/sage/v1/events" => intake::events(request, own_origin, query, env).await,
        "/sage/v1/traces" => traces::traces(request, env).await,
        "/sage/v1/prices/reprice" => reprice::reprice(&request, query, env).await,
        "/sage/sage.js" | "/sage/sage.mjs" => pages::snippet(&request, path),
        "/sage" | "/sage/" => admin::numbers(request, query, env).await,
        "/sage/healthz" => admin::health(&request, env).await,
        "/safety/transparency" => admin::transparency(&request, env, false).await,
        "/safety/transparency.json" => admin::transparency(&request, env, true).await,
        // Says nothing of the time: the isolate's clock stands still meanwhile, the caller knows the process's.
        #[cfg(feature = "fault-injection")]
        "/sage/__price" => {
            let sum = isolate::get(env).prices.sample(query.parse().unwrap_or(0));
            respond::text(200, "text/plain", &sum.to_string())
        }
        #[cfg(feature = "fault-injection")]
        "/sage/__ua" => {
            let text = wasm_bindgen_futures::JsFuture::from(request.text()?).await?.as_string().unwrap_or_default();
            respond::text(200, "application/x-ndjson", &crate::user_agent::sample(&text, query.parse().unwrap_or(0)))
        }
        #[cfg(feature = "fault-injection")]
        "/sage/__metered" => {
            let (rows, alarms) = runtime::metered();
            respond::json(200, &serde_json::json!({ "rows_written": rows, "alarms": alarms }).to_string())
        }
        #[cfg(feature = "fault-injection")]
        "/sage/__fault" => {
            let answer = runtime::fault(env, 0, query).await;
            respond::text(200, "text/plain", &format!("{answer:?}"))
        }
        _ => respond::not_found(),
    }
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let mut shard = 0;
    while shard < shard_count(&env) {
        let at = Place { shard, shards: shard_count(&env) };
        let started = runtime::start_nightly(&env, at).await;
        if matches!(started, Err(runtime::CallError::Moved(_))) {
            // There are more by now; it is asked again as one of them.
            continue;
        }
        if let Err(error) = started {
            worker::console_error!("nightly job: shard {shard} {error}; the next night takes up what this one left");
        }
        shard += 1;
    }
}
