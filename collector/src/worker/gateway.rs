//! `/sage/llm/{provider}/…`: a call to a model provider, read as it passes.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use aggregator::budget::{HoldReply, HoldRequest, Refusal};
use aggregator::runtime;
use aggregator::runtime::objects::WorkerClock;
use http::StatusCode;
use js_sys::Promise;
use schemas::event::Source;
use schemas::wire::Raw;
use schemas::{Body, Clock, UtcMillis};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use web_sys::Request;
use worker::Env;
use worker::worker_sys::Context as JsContext;

use super::isolate::{self, Isolate, variable};
use super::pass::header_list;
use super::tap::{Tap, Watch};
use super::{report, respond};
use crate::admit::same_secret;
use crate::gateway::{
    ASK_BYTES_MAX, Ask, Call, Ended, Named, Outcome, Target, UsageChunk, headers_kept_back, hold_request, refusal_body,
    retry_after_s, target, turn,
};
use crate::intake::Problem;
use crate::proxy::HeaderList;
use crate::scrub::{LastIds, scrub};
use crate::settings::OnFailure;
use crate::usage::{Framing, ReplyStream, read_error_code, read_reply};

#[wasm_bindgen(module = "/src/worker/stream.js")]
extern "C" {
    fn relay(
        request: &Request,
        call: GatewayCall,
        url: &str,
        kept_back: &str,
        read_bytes_max: usize,
        drains: bool,
        asks_budget: bool,
        refuses_unasked: bool,
        context: &JsContext,
    ) -> Promise;
    #[wasm_bindgen(js_name = passOn)]
    fn pass_on(request: &Request, url: &str, kept_back: &str) -> Promise;
}

/// Longest reply without a stream that is read, bytes.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Passes a call on. `path` is what follows `/sage/llm/`; `query` has its `?`.
pub(super) fn call(request: &Request, path: &str, query: &str, env: Env, context: &JsContext) -> Promise {
    let headers = String::from(&header_list(request));
    admitted(request, path, query, HeaderList(&headers), env, context).unwrap_or_else(|problem| {
        respond::problem(&problem).map_or_else(
            |_| Promise::reject(&"a call to a model could not be answered".into()),
            |response| Promise::resolve(&JsValue::from(response)),
        )
    })
}

fn admitted(
    request: &Request,
    path: &str,
    query: &str,
    headers: HeaderList<'_>,
    env: Env,
    context: &JsContext,
) -> Result<Promise, Problem> {
    let isolate = isolate::get(&env);
    let settings = &isolate.settings.gateway;
    if !settings.enabled {
        let detail = "the gateway is closed; set gateway.enabled in sage.toml";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    }
    let ingest_key = variable(&env, "SAGE_INGEST_KEY").unwrap_or_default();
    if settings.require_key && !same_secret(headers.get("sage-key").unwrap_or_default(), &ingest_key) {
        let detail = "send the ingest key in the header `Sage-Key`";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    }
    let Some(Target { url, provider, call, drains }) = target(path, query, settings) else {
        let detail = "no such provider; README lists those that Sage knows, gateway.providers in sage.toml adds others";
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_provider", detail));
    };
    let kept_back = headers_kept_back(headers).join(",");
    let Some(kind) = call.filter(|_| request.method() == "POST" && headers.get("upgrade").is_none()) else {
        return Ok(pass_on(request, &url, &kept_back));
    };
    let refuses_unasked = isolate.settings.budget.hard_stop && isolate.settings.budget.on_failure == OnFailure::Closed;
    if refuses_unasked {
        isolate.keys()?;
    }
    if let Err(error) = &isolate.keys {
        // The app's calls do not wait for Sage to be configured; /sage/healthz says what is missing.
        worker::console_error!("a call passes uncounted: {error}");
        return Ok(pass_on(request, &url, &kept_back));
    }
    let call = Call { provider, kind, named: Named::read(headers), ask: Ask::default() };
    let id = isolate::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let began = WorkerClock.now();
    let call = GatewayCall { env, isolate: isolate.clone(), call, id, hold: None, hides_usage: false, began };
    let asks_budget = isolate.settings.budget.hard_stop;
    Ok(relay(request, call, &url, &kept_back, ASK_BYTES_MAX, drains, asks_budget, refuses_unasked, context))
}

/// A call under way.
#[wasm_bindgen]
pub struct GatewayCall {
    env: Env,
    isolate: Rc<Isolate>,
    call: Call,
    /// Names its turn.
    id: String,
    hold: Option<HoldRequest>,
    hides_usage: bool,
    began: UtcMillis,
}

#[wasm_bindgen]
impl GatewayCall {
    /// Reads the request's body. Returns the body to send instead, if another one is to be sent.
    #[wasm_bindgen(js_name = readAsk)]
    pub fn read_ask(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        self.call.ask = Ask::read(body, self.call.kind.usage_on_request);
        let asking = self.call.ask.asking_for_usage.take();
        self.hides_usage = asking.is_some();
        asking
    }

    /// May the call pass? A promise of `true`, or of the response that refuses it.
    pub fn admit(&mut self) -> Promise {
        let isolate = &self.isolate;
        let raw = Raw::new(&self.id);
        let belonging = isolate.keys().map(|keys| self.call.named.belonging(keys, &raw)).unwrap_or_default();
        let id = isolate.keys().map(|keys| keys.key(&raw)).unwrap_or_default();
        let settings = &isolate.settings;
        self.hold = hold_request(&self.call, settings, &isolate.prices, belonging, id, self.began);
        let (env, hold) = (self.env.clone(), self.hold.clone());
        let closed = settings.budget.on_failure == OnFailure::Closed;
        future_to_promise(AssertUnwindSafe(async move {
            let Some(hold) = hold else { return Ok(JsValue::TRUE) };
            match runtime::hold(&env, &hold).await {
                Ok(HoldReply::Admitted) => Ok(JsValue::TRUE),
                Ok(HoldReply::Refused(refusal)) => Ok(refused(&refusal).map_err(|_| JsValue::UNDEFINED)?.into()),
                Err(error) if closed => {
                    // What was held of one limit ends by itself should this fail, too.
                    let _ = runtime::release(&env, &hold).await;
                    worker::console_warn!("a call is refused: the budget {error}");
                    Ok(JsValue::UNDEFINED)
                }
                Err(error) => {
                    worker::console_warn!("a call passes without its budget: it {error}");
                    Ok(JsValue::TRUE)
                }
            }
        }))
    }

    /// The provider could not be reached.
    pub fn unreachable(self) -> Promise {
        let (began, ended, how) = (self.began, WorkerClock.now(), Ended::Broken);
        self.report(Outcome { status: None, began, first_bytes: None, ended, how, reply: None, error_code: None })
    }

    /// The provider has answered. Returns what is to watch the reply.
    pub fn answered(self, status: u16, content_type: &str) -> Tap {
        let framing = Framing::of_content_type(content_type);
        let is_stream = framing.is_some_and(|framing| framing != Framing::Json);
        let reading = if status >= 400 {
            Reading::Error(Vec::new())
        } else if is_stream {
            Reading::Stream(Box::new(ReplyStream::new(self.call.provider.as_str(), self.call.kind.api, framing)))
        } else {
            Reading::Body(Vec::new())
        };
        let usage_chunk = (self.hides_usage && is_stream).then(UsageChunk::default);
        Tap::new(ReplyWatch { call: self, status, reading, usage_chunk, first_bytes: None })
    }

    fn report(self, outcome: Outcome) -> Promise {
        let Self { env, isolate, call, hold, id, .. } = self;
        let wire = turn(call, outcome, Raw::new(&id), &isolate.prices);
        let event =
            isolate.door().ok().and_then(|door| scrub(wire, &id, Source::Gateway, &door, &mut LastIds::default()).ok());
        future_to_promise(AssertUnwindSafe(async move {
            let Some(event) = event else { return Ok(JsValue::UNDEFINED) };
            let stored = report::turn(&env, &isolate, &event).await;
            if let (Some(hold), Some((shard, stored)), Body::Turn(turn)) = (hold, stored, &event.body) {
                // A hold that can't be settled ends by itself.
                let _ = runtime::settle(&env, &hold, turn.cost.nano_usd(), shard, &stored).await;
            }
            Ok(JsValue::UNDEFINED)
        }))
    }
}

/// The 429 of a call that a budget has no room for. SDKs do not send it again by themselves.
fn refused(refusal: &Refusal) -> worker::Result<web_sys::Response> {
    let seconds = retry_after_s(refusal, WorkerClock.now()).to_string();
    let headers = [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("retry-after", seconds.as_str()),
        ("x-should-retry", "false"),
    ];
    respond::with_headers(429, &refusal_body(refusal), &headers)
}

/// A reply under way.
struct ReplyWatch {
    call: GatewayCall,
    status: u16,
    reading: Reading,
    usage_chunk: Option<UsageChunk>,
    first_bytes: Option<UtcMillis>,
}

/// How the reply is read.
enum Reading {
    Stream(Box<ReplyStream>),
    Body(Vec<u8>),
    Error(Vec<u8>),
    /// It is too long.
    Unread,
}

impl Watch for ReplyWatch {
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        match &mut self.reading {
            Reading::Stream(stream) => {
                self.first_bytes.get_or_insert_with(|| WorkerClock.now());
                stream.push(bytes);
            }
            Reading::Body(body) | Reading::Error(body) if body.len() + bytes.len() <= BODY_BYTES_MAX => {
                body.extend_from_slice(bytes);
            }
            Reading::Body(_) | Reading::Error(_) => self.reading = Reading::Unread,
            Reading::Unread => {}
        }
        self.usage_chunk.as_mut().map(|usage_chunk| usage_chunk.push(bytes))
    }

    fn rest(&mut self) -> Vec<u8> {
        self.usage_chunk.take().map(UsageChunk::finish).unwrap_or_default()
    }

    fn ended(self: Box<Self>, how: Ended) -> Promise {
        let ended = WorkerClock.now();
        let (provider, api) = (&self.call.call.provider, self.call.call.kind.api);
        let (reply, error_code) = match self.reading {
            Reading::Stream(stream) => (stream.finish().ok(), None),
            Reading::Body(body) => (read_reply(api, provider.as_str(), &body).ok(), None),
            Reading::Error(body) => (None, read_error_code(&body)),
            Reading::Unread => (None, None),
        };
        let began = self.call.began;
        let status = Some(self.status);
        self.call.report(Outcome { status, began, first_bytes: self.first_bytes, ended, how, reply, error_code })
    }
}
