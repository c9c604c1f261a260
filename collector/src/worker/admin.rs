//! `GET /sage`, `/sage/healthz`, `/safety/transparency`.

use std::cell::Cell;

use aggregator::answer::csv;
use aggregator::budget::BudgetQuery;
use aggregator::place::Place;
use aggregator::runtime::objects::{WorkerClock, shards_set};
use aggregator::runtime::{self, CallError};
use futures_util::future::join_all;
use schemas::{Clock, UtcMillis};
use serde_json::{Value, json};
use worker::{Env, Result};

use super::isolate::{self, Isolate, variable};
use super::{jwks, pages, respond};
use crate::admit::{AdminClaim, Admission, access, admin};
use crate::gateway;
use crate::intake::Problem;
use crate::place;
use crate::serve::etag::{Tag, said};
use crate::serve::{page, public, query};

/// How long a proof of health holds, milliseconds: anyone may ask.
const HEALTH_MS_MAX: i64 = 5_000;

pub(super) async fn numbers(request: web_sys::Request, query: &str, env: &Env) -> Result<web_sys::Response> {
    if !reads(&request) {
        return respond::method_not_allowed("GET, HEAD");
    }
    match answer(&request, query, env).await {
        Ok((content_type, body, tag)) => {
            let headers = [("content-type", content_type), ("cache-control", "private, no-cache")];
            respond::unless_held(&request, &body, &tag, &headers)
        }
        Err(problem) => respond::problem(&problem),
    }
}

async fn answer(
    request: &web_sys::Request,
    query: &str,
    env: &Env,
) -> std::result::Result<(&'static str, String, Tag), Problem> {
    let isolate = isolate::get(env);
    let settings = &isolate.settings;
    let now = WorkerClock.now();
    admit(request, env, &isolate).await?;
    let (mut query, format) = query::read(query, &settings.time_zone, now)?;
    query.home = Some(settings.time_zone.clone());
    query.funnels = crate::serve::query::funnels(&settings.funnels);
    let limits = gateway::limits(&settings.budget);
    let rules = public::rules(&settings.public);
    (query.people_min, query.referrals) = (rules.people_min, rules.referrals);
    query.budget = (limits.of_all() || limits.of_people())
        .then(|| BudgetQuery { limits, periods: gateway::periods(settings, now) });
    let unreachable = |error: CallError| {
        Problem::unavailable("gold_unreachable", format!("the numbers' object {error}; try again"), 2)
    };
    let answer = runtime::answer(env, &query).await.map_err(unreachable)?;
    let panel = query.panels.first().map_or("", |panel| panel.name());
    Ok(match format {
        query::Format::Json => {
            let tag = Tag::of_answer(&answer);
            ("application/json", answer, tag)
        }
        query::Format::Csv => {
            let answer: Value = serde_json::from_str(&answer).map_err(|_| unreachable(CallError::Unreachable))?;
            let body = csv::panel(answer.pointer(&format!("/panels/{panel}")).unwrap_or_default());
            let tag = Tag::of_body(&body);
            ("text/csv; charset=utf-8", body, tag)
        }
    })
}

/// May this client see numbers?
pub(super) async fn admit(
    request: &web_sys::Request,
    env: &Env,
    isolate: &Isolate,
) -> std::result::Result<(), Problem> {
    let settings = &isolate.settings;
    let now = WorkerClock.now();
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (authorization, access_token) = (header("authorization"), header("cf-access-jwt-assertion"));
    let address = settings.client.address.header().and_then(header);
    let address = place::address(|_| address.as_deref(), &settings.client);
    let claim = AdminClaim { authorization: authorization.as_deref(), access_token: access_token.as_deref(), address };
    if admin(&claim, variable(env, "SAGE_ADMIN_TOKEN").as_deref(), settings)? == Admission::CheckAccess {
        let unverified = access_token.as_deref().and_then(|token| access::check_claims(token, settings, now));
        let valid = match unverified {
            Some(token) => jwks::verify(&access::jwks_url(settings), &token, now).await,
            None => false,
        };
        if !valid {
            let detail = "the Cloudflare Access token is not valid for this application";
            return Err(Problem::new(http::StatusCode::UNAUTHORIZED, "unauthorized", detail));
        }
    }
    Ok(())
}

thread_local! {
    static HEALTHY_AT: Cell<UtcMillis> = const { Cell::new(UtcMillis(0)) };
}

type Probe = (Option<Place>, std::result::Result<(), CallError>);

/// Asks every object for a sign of life.
async fn probes(env: &Env, shards: u32) -> Vec<Probe> {
    let objects = (0..shards).map(|shard| Some(Place { shard, shards })).chain([None]);
    join_all(objects.map(async |object| (object, runtime::probe(env, object).await))).await
}

/// `ok` once a write to every object has become durable.
pub(super) async fn health(request: &web_sys::Request, env: &Env) -> Result<web_sys::Response> {
    if !reads(request) {
        return respond::method_not_allowed("GET, HEAD");
    }
    let isolate = isolate::get(env);
    let mut reasons = Vec::new();
    reasons.extend(isolate.settings_error.clone());
    reasons.extend(isolate.keys().err().map(|problem| problem.detail));
    let now = WorkerClock.now();
    if now.0 - HEALTHY_AT.get().0 >= HEALTH_MS_MAX {
        for (object, result) in probes(env, isolate.shards()).await {
            // A Shard that knows of more is there; how many there are is told below.
            if let Err(error) =
                result.or_else(|error| if matches!(error, CallError::Moved(_)) { Ok(()) } else { Err(error) })
            {
                reasons.push(object.map_or(format!("gold {error}"), |at| format!("shard {} {error}", at.shard)));
            }
        }
        if reasons.is_empty() {
            HEALTHY_AT.set(now);
        }
    }
    if reasons.is_empty() {
        let pages = variable(env, "SAGE_PUBLIC_KEY").is_some_and(|key| !key.is_empty());
        let (set, shards) = (shards_set(env), isolate.shards());
        let grown = format!(
            "SHARDS is {set}, but there are {shards} Shards, which can't become fewer; set SHARDS = \"{shards}\""
        );
        let notes = [pages.then(|| pages::note(env)).flatten().map(Into::into), (set != shards).then_some(grown)];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        let healthy =
            if notes.is_empty() { json!({ "status": "ok" }) } else { json!({ "status": "ok", "notes": notes }) };
        respond::json(200, &healthy.to_string())
    } else {
        respond::json(503, &json!({ "status": "failing", "reasons": reasons }).to_string())
    }
}

pub(super) async fn transparency(request: &web_sys::Request, env: &Env, as_json: bool) -> Result<web_sys::Response> {
    if !reads(request) {
        return respond::method_not_allowed("GET, HEAD");
    }
    let rules = public::rules(&isolate::get(env).settings.public);
    let data = match runtime::public_page(env, &rules).await {
        Ok(data) => data,
        Err(error) => {
            return respond::problem(&Problem::unavailable(
                "gold_unreachable",
                format!("the numbers' object {error}; try again"),
                5,
            ));
        }
    };
    let (content_type, written): (_, fn(&Value) -> String) =
        if as_json { ("application/json", Value::to_string) } else { ("text/html; charset=utf-8", page::html) };
    let body = written(&data);
    let tag = Tag::of_body(&written(&said(data)));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    let headers = [
        ("content-type", content_type),
        ("cache-control", "public, max-age=60"),
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
    ];
    respond::unless_held(request, &body, &tag, &headers)
}

fn reads(request: &web_sys::Request) -> bool {
    matches!(request.method().as_str(), "GET" | "HEAD")
}
