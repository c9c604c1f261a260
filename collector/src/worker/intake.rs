//! `POST /sage/v1/events`.

use aggregator::protocol::AppendReply;
use aggregator::runtime;
use aggregator::runtime::objects::WorkerClock;
use futures_util::StreamExt;
use http::StatusCode;
use schemas::Clock;
use schemas::event::Source;
use worker::{Env, Result};

use super::isolate::{self, variable};
use super::{pages, respond};
use crate::admit::page::Page;
use crate::admit::{self, IntakeClaim, IntakeKeys};
use crate::intake::{self, Batch, IntakeReply, Limits, Problem, Sender};
use crate::place;
use crate::proxy::HeaderList;
use crate::user_agent;

pub(super) async fn events(
    request: web_sys::Request,
    own_origin: &str,
    query: &str,
    env: &Env,
) -> Result<web_sys::Response> {
    let isolate = isolate::get(env);
    let (origin, site) = (request.headers().get("origin")?, request.headers().get("sec-fetch-site")?);
    let claim = IntakeClaim { origin: origin.as_deref(), site: site.as_deref(), own_origin, ..IntakeClaim::default() };
    let response = match request.method().as_str() {
        "POST" => match take(request, &claim, query, env, &isolate).await {
            Ok(reply) => respond::json(200, &serde_json::to_string(&reply).unwrap_or_default())?,
            Err(problem) => respond::problem(&problem)?,
        },
        "OPTIONS" => respond::with_headers(204, "", &[("allow", "POST, OPTIONS")])?,
        _ => respond::method_not_allowed("POST, OPTIONS")?,
    };
    let headers = response.headers();
    headers.set("vary", "origin")?;
    if let Some(origin) = claim.origin.filter(|_| claim.of_allowed_page(&isolate.settings)) {
        headers.set("access-control-allow-origin", origin)?;
        headers.set("access-control-allow-methods", "POST")?;
        headers.set("access-control-allow-headers", "authorization, content-type")?;
        headers.set("access-control-expose-headers", "retry-after")?;
        headers.set("access-control-max-age", "86400")?;
    }
    Ok(response)
}

async fn take(
    request: web_sys::Request,
    claim: &IntakeClaim<'_>,
    query: &str,
    env: &Env,
    isolate: &isolate::Isolate,
) -> std::result::Result<IntakeReply, Problem> {
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let authorization = header("authorization");
    let in_query = |wanted| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let query_key = in_query("key");
    let (ingest, public) = (variable(env, "SAGE_INGEST_KEY"), variable(env, "SAGE_PUBLIC_KEY"));
    let claim = IntakeClaim { authorization: authorization.as_deref(), query_key: query_key.as_deref(), ..*claim };
    let keys = IntakeKeys { ingest: ingest.as_deref(), public: public.as_deref() };
    let source = admit::intake(&claim, &keys, &isolate.settings)?;
    let page = source == Source::Browser;
    if page {
        let client = &isolate.settings.client;
        if let Some(name) = client.address.header() {
            let value = header(name);
            pages::within_rate(env, place::address(|_| value.as_deref(), client)).await?;
        }
    }
    if let Some(error) = &isolate.settings_error {
        return Err(Problem::unavailable("not_configured", error.clone(), 60));
    }
    isolate.keys()?;
    let set = |name: &str| header(name).is_some_and(|value| value.trim() == "1");
    let now = WorkerClock.now();
    let opted_out = page && (set("sec-gpc") || set("dnt"));
    let lines: String = user_agent::HEADERS
        .into_iter()
        .filter(|_| page && !opted_out)
        .filter_map(|name| Some(format!("{name},{}\n", header(name)?)))
        .collect();
    let device = user_agent::class(HeaderList(&lines), &isolate.settings.bots);
    let sender = Sender {
        source,
        opted_out,
        page: Page { device, ..Page::new(isolate.settings.browser.user_ids, in_query("sent").as_deref(), now) },
    };
    let limits = if page { Limits::PAGE } else { Limits::BACKEND };
    let (content_type, content_encoding) = (header("content-type"), header("content-encoding"));
    let body = read_bounded(request, header("content-length"), limits.body_bytes).await?;
    let texts = intake::read(body, content_type.as_deref(), content_encoding.as_deref(), &limits)?;
    #[allow(unused_mut, reason = "only a test changes it")]
    let mut door = isolate.door()?;
    #[cfg(feature = "fault-injection")]
    if let Some(shards) = header("sage-test-shards").and_then(|shards| shards.parse().ok()) {
        door.shards = shards;
    }
    let mut batch = intake::take_in(texts.iter(), sender, &door);
    let replies = append(env, door.shards, &mut batch).await?;
    Ok(IntakeReply::new(&batch, &replies))
}

/// Makes a batch durable.
pub(super) async fn append(
    env: &Env,
    shards: u32,
    batch: &mut Batch,
) -> std::result::Result<Vec<AppendReply>, Problem> {
    let mut replies = Vec::new();
    for (shard, reply) in runtime::append_all(env, shards, std::mem::take(&mut batch.shards)).await {
        replies.push(reply.map_err(|error| {
            let detail = format!(
                "shard {shard} {error}; send the same request again, events that are stored already do not count twice"
            );
            Problem::unavailable("shard_unreachable", detail, 2)
        })?);
    }
    Ok(replies)
}

/// Most bytes read of a body that is too large, so that its sender, which is still sending, comes to see the reply.
const DRAINED_BYTES_MAX: usize = 32 << 20;

/// The body's bytes; none beyond the limit is kept.
pub(super) async fn read_bounded(
    request: web_sys::Request,
    content_length: Option<String>,
    bytes_max: usize,
) -> std::result::Result<Vec<u8>, Problem> {
    let unreadable = || Problem::new(StatusCode::BAD_REQUEST, "not_parseable", "the body broke off");
    let length = content_length.and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length <= bytes_max) {
        return runtime::request_bytes(&request).await.ok_or_else(unreadable);
    }
    let mut request = worker::Request::from(request);
    let (mut body, mut read) = (Vec::new(), 0);
    let Ok(mut stream) = request.stream() else { return Ok(body) };
    while read <= DRAINED_BYTES_MAX
        && let Some(chunk) = stream.next().await
    {
        let chunk = chunk.map_err(|_| unreadable())?;
        read += chunk.len();
        if read <= bytes_max {
            body.extend_from_slice(&chunk);
        }
    }
    if read > bytes_max {
        return Err(intake::body_too_large(bytes_max));
    }
    Ok(body)
}
