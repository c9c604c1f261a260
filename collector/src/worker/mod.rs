//! The shell: what the runtime calls, and what it is asked to do. No rule lives here.

mod admin;
mod intake;
mod isolate;
mod jwks;
mod pass;
mod respond;

use aggregator::runtime;
use aggregator::runtime::objects::shard_count;
use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, event};

use crate::proxy::{is_own_path, split_url};

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> Result<web_sys::Response> {
    let url = request.url();
    let (_, path, query) = split_url(&url);
    if !is_own_path(path) {
        return pass::pass(request, &url, env, &context).await;
    }
    let query = query.strip_prefix('?').unwrap_or_default();
    match path {
        "/sage/v1/events" => intake::events(request, query, &env).await,
        "/sage" | "/sage/" => admin::numbers(request, query, &env).await,
        "/sage/healthz" => admin::health(&request, &env).await,
        "/safety/transparency" => admin::transparency(&request, &env, false).await,
        "/safety/transparency.json" => admin::transparency(&request, &env, true).await,
        #[cfg(feature = "fault-injection")]
        "/sage/__fault" => {
            let answer = runtime::fault(&env, 0, query).await;
            respond::text(200, "text/plain", &format!("{answer:?}"))
        }
        _ => respond::not_found(),
    }
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    for shard in 0..shard_count(&env) {
        if let Err(error) = runtime::start_nightly(&env, shard).await {
            worker::console_error!("nightly job: shard {shard} {error}; it starts by itself when the shard is back");
        }
    }
}
