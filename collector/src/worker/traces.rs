//! `POST /sage/v1/traces`.

use worker::{Env, Result};

use super::isolate::{self, variable};
use super::{intake, respond};
use crate::admit::{self, IntakeClaim, IntakeKeys};
use crate::intake::otlp::{self, Encoding};
use crate::intake::{Batch, Problem};

pub(super) async fn traces(request: web_sys::Request, env: &Env) -> Result<web_sys::Response> {
    if request.method() != "POST" {
        return respond::method_not_allowed("POST");
    }
    let encoding = match otlp::encoding(request.headers().get("content-type")?.as_deref()) {
        Ok(encoding) => encoding,
        Err(problem) => return respond::problem(&problem),
    };
    let (status, reply, retry_after_s) = match take(request, encoding, env).await {
        Ok(batch) => (200, otlp::success(encoding, &batch), None),
        Err(problem) => (problem.status, otlp::failure(encoding, &problem), problem.retry_after_s),
    };
    respond::bytes(status, reply.0, &reply.1, retry_after_s)
}

async fn take(request: web_sys::Request, encoding: Encoding, env: &Env) -> std::result::Result<Batch, Problem> {
    let isolate = isolate::get(env);
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let (authorization, ingest) = (header("authorization"), variable(env, "SAGE_INGEST_KEY"));
    let claim = IntakeClaim { authorization: authorization.as_deref(), ..IntakeClaim::default() };
    admit::intake(&claim, &IntakeKeys { ingest: ingest.as_deref(), public: None }, &isolate.settings)?;
    if let Some(error) = &isolate.settings_error {
        return Err(Problem::unavailable("not_configured", error.clone(), 60));
    }
    isolate.keys()?;
    let content_encoding = header("content-encoding");
    let bytes_max = otlp::body_bytes_max(content_encoding.as_deref());
    let body = intake::read_bounded(request, header("content-length"), bytes_max).await?;
    let traces = otlp::read(body, encoding, content_encoding.as_deref())?;
    let mut batch = otlp::take_in(&traces, &isolate.door()?);
    intake::append(env, isolate.shards(), &mut batch).await?;
    Ok(batch)
}
