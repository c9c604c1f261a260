//! Passing a request on to the app. The host's own `fetch` moves the bytes, both ways, as they are; only heads are looked
//! at, and headers are changed only where a rule asks for it.

use std::rc::Rc;
use std::time::Duration;

use aggregator::batch::regrouped;
use aggregator::fold::intake::DropReason;
use aggregator::runtime;
use aggregator::runtime::objects::WorkerClock;
use js_sys::{JsString, Promise, Reflect};
use schemas::Clock;
use schemas::event::Source;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};
use worker::worker_sys::Context as JsContext;
use worker::{Context, Delay, Env, Result};

use super::isolate::{self, Isolate};
use super::tap::{Tap, Watch};
use super::{report, respond};
use crate::admit::page::Page;
use crate::gateway::Ended;
use crate::intake::{Problem, Sender, ShardBatch};
use crate::place::Platform;
use crate::proxy::{
    Capture, FLUSH_AFTER_MS, Head, HeaderList, Next, TurnEvents, headers_to_drop, is_loopback, public_location,
    request_event, split_url, turn_texts, unreachable_page,
};
use crate::scrub::url::is_static_asset;

#[wasm_bindgen(module = "/src/worker/pass.js")]
extern "C" {
    #[wasm_bindgen(js_name = headerList)]
    pub(super) fn header_list(request: &Request) -> JsString;
    fn forward(
        outgoing: &Request,
        request: &Request,
        headers: &JsString,
        env: &JsValue,
        context: &JsValue,
        after: &JsValue,
        watch_turns: &JsValue,
        in_streams: bool,
    ) -> Promise;
    /// The reply, or 503 when there is none in `limit_ms`.
    pub(super) fn within(reply: &Promise, limit_ms: u32) -> Promise;
}

type WatchTurns = dyn Fn(Option<String>, JsString, Env) -> Tap;
type After = dyn Fn(Request, Option<Response>, JsString, f64, Env, JsContext) -> JsValue;

thread_local! {
    /// [`after`] as the host calls it; made once an isolate.
    static AFTER: JsValue = Closure::<After>::new(after).into_js_value();
    /// [`watch_turns`] likewise.
    static WATCH_TURNS: JsValue = Closure::<WatchTurns>::new(watch_turns).into_js_value();
}

/// Sends a request on. The reply's path is the host's own promise: should a panic discard this WASM instance meanwhile, the
/// app's reply arrives all the same.
pub(super) fn pass(request: &Request, url: &str, env: &Env, context: &JsContext) -> Result<Promise> {
    let isolate = isolate::get(env);
    let (public_origin, path, query) = split_url(url);
    let app_origin = isolate.settings.origin.as_str();
    if app_origin.is_empty() && is_loopback(public_origin) {
        let detail = "Sage does not know where the app is; set `origin` in sage.toml";
        let reply = respond::problem(&Problem::unavailable("not_configured", detail, 60))?;
        return Ok(Promise::resolve(&JsValue::from(reply)));
    }
    let headers = header_list(request);
    let outgoing = outgoing(request, HeaderList(&String::from(&headers)), app_origin, public_origin, path, query)?;
    if app_origin.is_empty() {
        // A route of the app's own zone: should Sage itself fail, the platform goes to the app directly.
        context.pass_through_on_exception()?;
    }
    let in_streams = isolate.settings.capture.turns_in_streams;
    Ok(AFTER.with(|after| {
        WATCH_TURNS.with(|watch| forward(&outgoing, request, &headers, env, context, after, watch, in_streams))
    }))
}

/// Runs when the app has answered, or could not be reached (`None`). Returns the response to give instead of the app's own;
/// `undefined`: give that one.
fn after(
    request: Request,
    response: Option<Response>,
    headers: JsString,
    began_ms: f64,
    env: Env,
    context: JsContext,
) -> JsValue {
    let isolate = isolate::get(&env);
    let url = request.url();
    let (public_origin, path, _) = split_url(&url);
    let status = response.as_ref().map_or(502, Response::status);
    if isolate.settings.capture.static_assets || !is_static_asset(path) {
        let origin_unreachable = response.is_none();
        let began = WorkerClock.at(began_ms);
        let outcome = Capture { status, began, answered: WorkerClock.now(), origin_unreachable };
        capture(&request, &url, HeaderList(&String::from(&headers)), outcome, env, &isolate, &Context::new(context));
    }
    let instead = match response {
        None => unreachable_response().map(Some),
        Some(response) => redirected(&response, status, &isolate.settings.origin, public_origin),
    };
    instead.ok().flatten().map_or(JsValue::UNDEFINED, JsValue::from)
}

/// What takes the turns out of a reply: the one that its header told, and those of its stream.
fn watch_turns(told: Option<String>, headers: JsString, env: Env) -> Tap {
    let headers = String::from(&headers);
    let headers = HeaderList(&headers);
    let set = |name| headers.get(name).is_some_and(|value| value.trim() == "1");
    let opted_out = set("sec-gpc") || set("dnt");
    let sender = Sender { source: Source::Response, opted_out, page: Page::default() };
    Tap::new(TurnWatch { isolate: isolate::get(&env), env, sender, told, events: TurnEvents::default() })
}

struct TurnWatch {
    isolate: Rc<Isolate>,
    env: Env,
    sender: Sender,
    told: Option<String>,
    events: TurnEvents,
}

impl Watch for TurnWatch {
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.events.push(bytes)
    }

    fn rest(&mut self) -> Vec<u8> {
        self.events.take_rest()
    }

    fn ended(self: Box<Self>, _: Ended) -> Promise {
        let now = WorkerClock.now();
        let told = self.told.iter().flat_map(|header| turn_texts(header, now));
        let texts: Vec<String> =
            told.chain(self.events.finish().iter().flat_map(|data| turn_texts(data, now))).collect();
        if texts.is_empty() {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        report::texts(self.env, self.isolate, &texts, self.sender)
    }
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

/// A redirect to the app's own address, led back to Sage's. `None`: the response is none.
fn redirected(response: &Response, status: u16, app_origin: &str, public_origin: &str) -> Result<Option<Response>> {
    if app_origin.is_empty() || !(300..400).contains(&status) {
        return Ok(None);
    }
    let location = response.headers().get("location")?;
    let Some(location) = location.and_then(|location| public_location(&location, app_origin, public_origin)) else {
        return Ok(None);
    };
    let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), response.unchecked_ref())?;
    copy.headers().set("location", &location)?;
    Ok(Some(copy))
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
    let cf = Reflect::get(request, &"cf".into()).ok().filter(JsValue::is_object);
    let of = |name: &str| cf.as_ref().and_then(|cf| Reflect::get(cf, &name.into()).ok());
    let (country, timezone) = (of("country").and_then(|v| v.as_string()), of("timezone").and_then(|v| v.as_string()));
    let asn = of("asn").and_then(|asn| asn.as_f64()).map(|asn| asn as u32);
    let platform = cf.is_some().then_some(Platform { country: country.as_deref(), timezone: timezone.as_deref(), asn });
    let head = Head { url, method: &method, headers, platform };
    let id = isolate.event_ids.borrow_mut().next(isolate.capture_shard, isolate.shards());
    let next = isolate.buffer.borrow_mut().add(request_event(&head, outcome, id, &isolate.settings), outcome.answered);
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
        let Some(lot) = isolate.buffer.borrow_mut().take(WorkerClock.now()) else { return };
        let mut batch = ShardBatch::default();
        lot.events.iter().for_each(|event| batch.push(event));
        for (reason, count) in
            [(DropReason::CaptureOverflow, lot.overflow), (DropReason::CaptureUnstored, lot.unstored)]
        {
            if count > 0 {
                batch.header.dropped.insert(reason, count);
            }
        }
        let mut answer = store(env, isolate, &batch).await;
        if answer.is_err() {
            answer = store(env, isolate, &batch).await;
        }
        if let Err((shard, error)) = answer {
            worker::console_warn!("{} request events lost: shard {shard} {error}", lot.events.len());
            isolate.buffer.borrow_mut().lost(&lot);
            return;
        }
        isolate.buffer.borrow_mut().sent();
    }
}

/// Stores a lot; of several Shards that it is sorted for since their count has doubled, the first that did not take it.
async fn store(env: &Env, isolate: &Isolate, batch: &ShardBatch) -> std::result::Result<(), (u32, runtime::CallError)> {
    let shards = isolate.shards();
    let stored = runtime::append_all(env, shards, regrouped([batch.clone()], shards)).await;
    stored.into_iter().try_for_each(|(shard, reply)| reply.map(drop).map_err(|error| (shard, error)))
}
