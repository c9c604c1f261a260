//! `GET`, `DELETE /sage/v1/users/{id}`, `GET /sage/v1/erasures/{receipt}`.

use aggregator::protocol::{ErasureReply, Person};
use aggregator::runtime::{self, CallError};
use aggregator::shard::HeldCursor;
use schemas::event::Belonging;
use schemas::{EventKey, UserKey};
use worker::{Env, Result};

use super::isolate::{self, Isolate, variable};
use super::{admin, respond};
use crate::admit::{bearer, same_secret};
use crate::intake::Problem;
use crate::rights::{erasure_json, held_json, no_id, parse_receipt, receipt_name};
use crate::scrub::raw_id;

type Answer = std::result::Result<web_sys::Response, Problem>;

pub(super) async fn user(request: web_sys::Request, id: &str, query: &str, env: &Env) -> Result<web_sys::Response> {
    let isolate = isolate::get(env);
    let answer = match request.method().as_str() {
        "GET" | "HEAD" => told(&request, id, query, env, &isolate).await,
        "DELETE" => erased(&request, id, env, &isolate).await,
        _ => return respond::method_not_allowed("GET, DELETE"),
    };
    answer.or_else(|problem| respond::problem(&problem))
}

pub(super) async fn erasure(request: web_sys::Request, name: &str, env: &Env) -> Result<web_sys::Response> {
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return respond::method_not_allowed("GET");
    }
    let isolate = isolate::get(env);
    if let Err(problem) = admit(&request, env, &isolate).await {
        return respond::problem(&problem);
    }
    let Some(parts) = parse_receipt(name) else { return unknown_receipt() };
    match erasures(env, &parts).await {
        Ok(found) if found.len() == parts.len() => respond::json(200, &erasure_json(&found).to_string()),
        Ok(_) => unknown_receipt(),
        Err(problem) => respond::problem(&problem),
    }
}

/// Those of the erasures that there are.
async fn erasures(env: &Env, parts: &[(u32, &str)]) -> std::result::Result<Vec<(u32, ErasureReply)>, Problem> {
    let mut found = Vec::new();
    for (shard, receipt) in parts {
        let reply = runtime::erasure(env, *shard, receipt).await.map_err(unreachable)?;
        found.extend(reply.map(|reply| (*shard, reply)));
    }
    Ok(found)
}

fn unknown_receipt() -> Result<web_sys::Response> {
    let detail = "there is no erasure of that receipt; DELETE /sage/v1/users/{id} gives one";
    respond::problem(&Problem::new(http::StatusCode::NOT_FOUND, "unknown_receipt", detail))
}

/// The app's backend, with the ingest key, or an admin.
async fn admit(request: &web_sys::Request, env: &Env, isolate: &Isolate) -> std::result::Result<(), Problem> {
    let authorization = request.headers().get("authorization").ok().flatten();
    let ingest = variable(env, "SAGE_INGEST_KEY").unwrap_or_default();
    if authorization.as_deref().and_then(bearer).is_some_and(|given| same_secret(given, &ingest)) {
        return Ok(());
    }
    admin::admit(request, env, isolate).await
}

fn unreachable(error: CallError) -> Problem {
    Problem::unavailable("shard_unreachable", format!("a shard {error}; send the same request again"), 2)
}

/// Whom the id names, and what leads to their Shard.
fn person(id: &str, isolate: &Isolate) -> std::result::Result<(Person, u64), Problem> {
    let (keys, raw) = (isolate.keys()?, raw_id(id).map_err(no_id)?);
    let user: UserKey = keys.key(&raw);
    let home = keys.home_of(Some(&raw), None, None, None);
    let belonging = Belonging { user: Some(user), home, ..Belonging::default() };
    let person = Person { user, was: keys.previous_key(&raw), home, ..Person::default() };
    Ok((person, belonging.bits(EventKey::default())))
}

async fn told(request: &web_sys::Request, id: &str, query: &str, env: &Env, isolate: &Isolate) -> Answer {
    admit(request, env, isolate).await?;
    let (person, bits) = person(id, isolate)?;
    let after =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after").map(|(_, value)| value.parse());
    let after = after.unwrap_or(Ok(0)).map_err(|_| {
        let detail = "after: must be the number that the page before gave as next";
        Problem::new(http::StatusCode::BAD_REQUEST, "invalid_query", detail)
    })?;
    let held = runtime::held(env, bits, &person, HeldCursor(after)).await.map_err(unreachable)?;
    let parts: Vec<(u32, &str)> = held.erasures.iter().map(|(shard, receipt)| (*shard, receipt.as_str())).collect();
    let found = erasures(env, &parts).await?;
    let erasure = (!found.is_empty()).then(|| erasure_json(&found));
    respond::json(200, &held_json(person.user, &held, erasure).to_string()).map_err(|_| failed())
}

async fn erased(request: &web_sys::Request, id: &str, env: &Env, isolate: &Isolate) -> Answer {
    admit(request, env, isolate).await?;
    let (person, bits) = person(id, isolate)?;
    let erasures = runtime::erase(env, bits, &person).await.map_err(unreachable)?;
    let status = if erasures.iter().all(|(_, reply)| reply.erasure.lake_done_at.is_some()) { 200 } else { 202 };
    let location = format!("/sage/v1/erasures/{}", receipt_name(&erasures));
    let headers =
        [("content-type", "application/json"), ("cache-control", "no-store"), ("location", location.as_str())];
    respond::with_headers(status, &erasure_json(&erasures).to_string(), &headers).map_err(|_| failed())
}

fn failed() -> Problem {
    Problem::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "failed",
        "the reply could not be made; send the request again",
    )
}
