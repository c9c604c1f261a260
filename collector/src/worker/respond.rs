//! Responses of Sage's own.

use wasm_bindgen::JsCast;
use web_sys::{Headers, ResponseInit};
use worker::{Error, Result};

use crate::intake::Problem;

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
    if problem.status == 401 {
        headers.push(("www-authenticate", "Bearer realm=\"sage\""));
    }
    with_headers(problem.status, &problem.json(), &headers)
}

pub(super) fn not_found() -> Result<web_sys::Response> {
    problem(&Problem::new(http::StatusCode::NOT_FOUND, "not_found", "Sage has no such route; README lists them"))
}

pub(super) fn method_not_allowed(allow: &str) -> Result<web_sys::Response> {
    let detail = format!("this route takes {allow}");
    let response = problem(&Problem::new(http::StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail))?;
    response.headers().set("allow", allow)?;
    Ok(response)
}

pub(super) fn with_headers(status: u16, body: &str, headers: &[(&str, &str)]) -> Result<web_sys::Response> {
    let fields = Headers::new()?;
    for (name, value) in headers {
        fields.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(fields.unchecked_ref());
    let empty = matches!(status, 101 | 204 | 205 | 304);
    web_sys::Response::new_with_opt_str_and_init((!empty).then_some(body), &init).map_err(Error::from)
}
