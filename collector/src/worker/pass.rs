//! Passing a request on to the app. The host's own `fetch` moves the bytes, both ways, as they are; only heads are looked
//! at, and headers are changed only where a rule asks for it.

use std::rc::Rc;
use std::time::Duration;

use aggregator::fold::intake::DropReason;
use aggregator::runtime;
use aggregator::runtime::objects::WorkerClock;
use js_sys::{Array, Promise, Reflect};
use schemas::{Clock, UtcMillis};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};
use worker::{Context, Delay, Env, Result};

use super::isolate::{self, Isolate};
use super::respond;
use crate::intake::ShardBatch;
use crate::proxy::{
    Capture, FLUSH_AFTER_MS, Head, Next, event_id, headers_to_drop, public_location, request_event, split_url,
    unreachable_page,
};
use crate::scrub::url::is_static_asset;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn host_fetch(url: &str, request: &Request) -> Promise;
    #[wasm_bindgen(js_name = fetch)]
    fn host_fetch_as_is(request: &Request) -> Promise;
}

pub(super) async fn pass(request: Request, url: &str, env: Env, context: &Context) -> Result<Response> {
    let isolate = isolate::get(&env);
    let began = WorkerClock.now();
    let (public_origin, path, query) = split_url(url);
    let app_origin = isolate.settings.origin.as_str();
    let outgoing = outgoing(&request, app_origin, public_origin, path, query)?;
    let answer = if app_origin.is_empty() {
        // A route of the app's own zone: should Sage itself fail, the platform goes to the app directly.
        context.pass_through_on_exception();
        host_fetch_as_is(&outgoing)
    } else {
        host_fetch(&format!("{app_origin}{path}{query}"), &outgoing)
    };
    let (response, unreachable) = match JsFuture::from(answer).await {
        Ok(response) => (incoming(response.unchecked_into(), app_origin, public_origin)?, false),
        Err(_) => (unreachable_response()?, true),
    };
    let outcome =
        Capture { status: response.status(), began, answered: WorkerClock.now(), origin_unreachable: unreachable };
    if isolate.settings.capture.static_assets || !is_static_asset(path) {
        context.wait_until(capture(request, outcome, env, isolate));
    }
    Ok(response)
}

/// The request as the app gets it.
fn outgoing(request: &Request, app_origin: &str, public_origin: &str, path: &str, query: &str) -> Result<Request> {
    let headers = request.headers();
    let names = String::from(Array::from(&headers.keys()).join("\n"));
    let has = |name: &str| names.lines().any(|line| line == name);
    let upgrades =
        has("upgrade") && headers.get("upgrade")?.is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let connection = if has("connection") { headers.get("connection")? } else { None };
    let dropped = headers_to_drop(&names, connection.as_deref(), upgrades);
    if dropped.is_empty() && app_origin.is_empty() {
        return Ok(Clone::clone(request));
    }
    // The platform hands redirects to the client, and so must the copy.
    let url = if app_origin.is_empty() { request.url() } else { format!("{app_origin}{path}{query}") };
    let copy = Request::new_with_str_and_init(&url, request.unchecked_ref())?;
    let headers = copy.headers();
    for name in dropped {
        headers.delete(name)?;
    }
    if let (false, Some((scheme, host))) = (app_origin.is_empty(), public_origin.split_once("://")) {
        headers.set("x-forwarded-host", host)?;
        headers.set("x-forwarded-proto", scheme)?;
    }
    Ok(copy)
}

/// The response as the client gets it: the app's own, with a redirect to the app's address led back to Sage's.
fn incoming(response: Response, app_origin: &str, public_origin: &str) -> Result<Response> {
    if app_origin.is_empty() || !(300..400).contains(&response.status()) {
        return Ok(response);
    }
    let location = response.headers().get("location")?;
    let Some(location) = location.and_then(|location| public_location(&location, app_origin, public_origin)) else {
        return Ok(response);
    };
    let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), response.unchecked_ref())?;
    copy.headers().set("location", &location)?;
    Ok(copy)
}

fn unreachable_response() -> Result<Response> {
    let id: String = isolate::random::<8>().iter().map(|byte| format!("{byte:02x}")).collect();
    worker::console_warn!("app unreachable, request {id}");
    let headers =
        [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), ("x-request-id", id.as_str())];
    respond::with_headers(502, &unreachable_page(&id), &headers)
}

async fn capture(request: Request, outcome: Capture, env: Env, isolate: Rc<Isolate>) {
    let id = event_id(isolate::random(), isolate.capture_shard, isolate.shards);
    let event = request_event(&head(&request), outcome, id);
    let next = isolate.buffer.borrow_mut().add(event);
    match next {
        Next::Nothing => {}
        Next::SendNow => send(&env, &isolate).await,
        Next::SendSoon => {
            Delay::from(Duration::from_millis(FLUSH_AFTER_MS)).await;
            send(&env, &isolate).await;
        }
    }
}

fn head(request: &Request) -> Head {
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let set = |name: &str| header(name).is_some_and(|value| value.trim() == "1");
    let country = Reflect::get(request, &"cf".into()).and_then(|cf| Reflect::get(&cf, &"country".into())).ok();
    Head {
        url: request.url(),
        method: request.method(),
        user_agent: header("user-agent"),
        referrer: header("referer"),
        address: header("cf-connecting-ip"),
        country: country.as_ref().and_then(JsValue::as_string).or_else(|| header("cf-ipcountry")),
        opted_out: set("sec-gpc") || set("dnt"),
    }
}

/// Sends the buffer to the isolate's Shard. Tried twice; then its events are lost, and the loss is told with the next batch.
async fn send(env: &Env, isolate: &Isolate) {
    let (events, overflow, unstored) = isolate.buffer.borrow_mut().take();
    if events.is_empty() && overflow + unstored == 0 {
        return;
    }
    let mut batch = ShardBatch::default();
    events.iter().for_each(|event| batch.push(event));
    for (reason, count) in [(DropReason::CaptureOverflow, overflow), (DropReason::CaptureUnstored, unstored)] {
        if count > 0 {
            batch.header.dropped.insert(reason, count);
        }
    }
    let message = batch.message();
    for _ in 0..2 {
        if runtime::append(env, isolate.capture_shard, &message).await.is_ok() {
            return;
        }
    }
    worker::console_warn!("{} request events lost: shard {} did not take them", events.len(), isolate.capture_shard);
    isolate.buffer.borrow_mut().lost(events.len() as u64, overflow, unstored);
}

/// The present instant, for handlers that have no clock of their own.
pub(super) fn now() -> UtcMillis {
    WorkerClock.now()
}
