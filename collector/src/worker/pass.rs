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
    Capture, FLUSH_AFTER_MS, Head, HeaderList, Next, headers_to_drop, public_location, request_event, split_url,
    unreachable_page,
};
use crate::scrub::url::is_static_asset;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn host_fetch(request: &Request) -> Promise;
}

pub(super) async fn pass(request: Request, url: &str, env: Env, context: &Context) -> Result<Response> {
    let isolate = isolate::get(&env);
    let began = WorkerClock.now();
    let (public_origin, path, query) = split_url(url);
    let app_origin = isolate.settings.origin.as_str();
    let headers = String::from(Array::from(&request.headers()).join("\n"));
    let headers = HeaderList(&headers);
    let outgoing = outgoing(&request, headers, app_origin, public_origin, path, query)?;
    if app_origin.is_empty() {
        // A route of the app's own zone: should Sage itself fail, the platform goes to the app directly.
        context.pass_through_on_exception();
    }
    let (response, unreachable) = match JsFuture::from(host_fetch(&outgoing)).await {
        Ok(response) => (incoming(response.unchecked_into(), app_origin, public_origin)?, false),
        Err(_) => (unreachable_response()?, true),
    };
    if isolate.settings.capture.static_assets || !is_static_asset(path) {
        let outcome =
            Capture { status: response.status(), began, answered: WorkerClock.now(), origin_unreachable: unreachable };
        capture(&request, url, headers, outcome, env, &isolate, context);
    }
    Ok(response)
}

/// The request as the app gets it.
fn outgoing(
    request: &Request,
    headers: HeaderList<'_>,
    app_origin: &str,
    public_origin: &str,
    path: &str,
    query: &str,
) -> Result<Request> {
    let dropped = headers_to_drop(headers);
    if dropped.is_empty() && app_origin.is_empty() {
        return Ok(Clone::clone(request));
    }
    let url = if app_origin.is_empty() { request.url() } else { format!("{app_origin}{path}{query}") };
    let copy = Request::new_with_str_and_init(&url, request.unchecked_ref())?;
    let fields = copy.headers();
    for name in dropped {
        fields.delete(name)?;
    }
    if let (false, Some((scheme, host))) = (app_origin.is_empty(), public_origin.split_once("://")) {
        fields.set("x-forwarded-host", host)?;
        fields.set("x-forwarded-proto", scheme)?;
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

/// Keeps the request's event; the first of a batch sees to it that the batch is sent, after the reply.
fn capture(
    request: &Request,
    url: &str,
    headers: HeaderList<'_>,
    outcome: Capture,
    env: Env,
    isolate: &Rc<Isolate>,
    context: &Context,
) {
    let method = request.method();
    let country = Reflect::get(request, &"cf".into()).and_then(|cf| Reflect::get(&cf, &"country".into()));
    let country = country.ok().as_ref().and_then(JsValue::as_string);
    let head = Head { url, method: &method, headers, country: country.as_deref() };
    let id = isolate.event_ids.borrow_mut().next(isolate.capture_shard, isolate.shards);
    let next = isolate.buffer.borrow_mut().add(request_event(&head, outcome, id), outcome.answered);
    if next == Next::Nothing {
        return;
    }
    let isolate = isolate.clone();
    context.wait_until(async move {
        if next == Next::SendSoon {
            Delay::from(Duration::from_millis(FLUSH_AFTER_MS)).await;
        }
        send(&env, &isolate).await;
    });
}

/// Sends what the buffer holds to the isolate's Shard, lot after lot. A lot is tried twice; then its events are lost, and the
/// loss is told with the next.
async fn send(env: &Env, isolate: &Isolate) {
    loop {
        let Some(lot) = isolate.buffer.borrow_mut().take(now()) else { return };
        let mut batch = ShardBatch::default();
        lot.events.iter().for_each(|event| batch.push(event));
        for (reason, count) in
            [(DropReason::CaptureOverflow, lot.overflow), (DropReason::CaptureUnstored, lot.unstored)]
        {
            if count > 0 {
                batch.header.dropped.insert(reason, count);
            }
        }
        let message = batch.message();
        let mut answer = runtime::append(env, isolate.capture_shard, &message).await;
        if answer.is_err() {
            answer = runtime::append(env, isolate.capture_shard, &message).await;
        }
        if let Err(error) = answer {
            worker::console_warn!("{} request events lost: shard {} {error}", lot.events.len(), isolate.capture_shard);
            isolate.buffer.borrow_mut().lost(&lot);
            return;
        }
        isolate.buffer.borrow_mut().sent();
    }
}

/// The present instant, for handlers that have no clock of their own.
pub(super) fn now() -> UtcMillis {
    WorkerClock.now()
}
