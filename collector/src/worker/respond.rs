//! Responses of Sage's own.

use wasm_bindgen::JsCast;
use web_sys::{Headers, ResponseInit};
use worker::{Error, Result};

use crate::intake::Problem;
use crate::serve::etag::Tag;

pub(super) fn text(status: u16, content_type: &str, body: &str) -> Result<web_sys::Response> {
    with_headers(status, body, &[("content-type", content_type), ("cache-control", "no-store")])
}

pub(super) fn json(status: u16, body: &str) -> Result<web_sys::Response> {
    text(status, "application/json", body)
}

pub(super) fn problem(problem: &Problem) -> Result<web_sys::Response> {
    let retry_after = problem.retry_after_s.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
    if let Some(seconds) = &retry_after {
        headers.push(("retry-after", seconds));
    }
    headers.extend((problem.status == 401).then_some(BEARER));
    with_headers(problem.status, &problem.json(), &headers)
}

const BEARER: (&str, &str) = ("www-authenticate", "Bearer realm=\"sage\"");

pub(super) fn not_found() -> Result<web_sys::Response> {
    problem(&Problem::new(http::StatusCode::NOT_FOUND, "not_found", "Sage has no such route; README lists them"))
}

pub(super) fn method_not_allowed(allow: &str) -> Result<web_sys::Response> {
    let detail = format!("this route takes {allow}");
    let response = problem(&Problem::new(http::StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail))?;
    response.headers().set("allow", allow)?;
    Ok(response)
}

/// A body of bytes.
pub(super) fn bytes(
    status: u16,
    content_type: &str,
    body: &[u8],
    retry_after_s: Option<u32>,
) -> Result<web_sys::Response> {
    let retry_after = retry_after_s.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", content_type), ("cache-control", "no-store")];
    headers.extend(retry_after.as_deref().map(|seconds| ("retry-after", seconds)));
    headers.extend((status == 401).then_some(BEARER));
    let init = init(status, &headers)?;
    web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&js_sys::Uint8Array::from(body)), &init)
        .map_err(Error::from)
}

pub(super) fn with_headers(status: u16, body: &str, headers: &[(&str, &str)]) -> Result<web_sys::Response> {
    let init = init(status, headers)?;
    let empty = matches!(status, 101 | 204 | 205 | 304);
    web_sys::Response::new_with_opt_str_and_init((!empty).then_some(body), &init).map_err(Error::from)
}

/// A body with its entity tag, or 304 alone where the client holds it.
pub(super) fn unless_held(
    request: &web_sys::Request,
    body: &str,
    tag: &Tag,
    headers: &[(&str, &str)],
) -> Result<web_sys::Response> {
    let status = tag.status(request.headers().get("if-none-match")?.as_deref());
    let mut headers = headers.to_vec();
    headers.push(("etag", tag.as_str()));
    with_headers(status, body, &headers)
}

fn init(status: u16, headers: &[(&str, &str)]) -> Result<ResponseInit> {
    let fields = Headers::new()?;
    for (name, value) in headers {
        fields.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(fields.unchecked_ref());
    Ok(init)
}
