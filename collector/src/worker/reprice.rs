//! `POST /sage/v1/prices/reprice`: turns that had no price get the one that holds now. No other turn changes.

use aggregator::batch::ShardBatch;
use aggregator::place::Place;
use aggregator::runtime::objects::WorkerClock;
use aggregator::runtime::{self, CallError};
use schemas::{Clock, UtcMillis};
use worker::{Env, Result};

use super::isolate::{self, Isolate};
use super::{admin, respond};
use crate::intake::Problem;
use crate::price::{FoundPrices, Repricing};

/// How long one request goes on; the next goes on from there, milliseconds.
const WORK_MS_MAX: i64 = 6_000;

pub(super) async fn reprice(request: &web_sys::Request, query: &str, env: &Env) -> Result<web_sys::Response> {
    if request.method() != "POST" {
        return respond::method_not_allowed("POST");
    }
    let isolate = isolate::get(env);
    let dry = form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "dry_run" && value != "0");
    match admin::admit(request, env, &isolate).await {
        Ok(()) => match run(env, &isolate, dry, WorkerClock.now()).await {
            Ok(report) => respond::json(200, &report.json(dry).to_string()),
            Err(problem) => respond::problem(&problem),
        },
        Err(problem) => respond::problem(&problem),
    }
}

async fn run(env: &Env, isolate: &Isolate, dry: bool, began: UtcMillis) -> std::result::Result<Repricing, Problem> {
    let mut report = Repricing::default();
    let mut shard = 0;
    while shard < isolate.shards() {
        let mut after = None;
        loop {
            if WorkerClock.now().0 - began.0 > WORK_MS_MAX {
                report.more = true;
                return Ok(report);
            }
            let unreachable = |error| {
                let detail = format!("shard {shard} {error}; send the same request again, no turn is priced twice");
                Problem::unavailable("shard_unreachable", detail, 2)
            };
            let at = Place { shard, shards: isolate.shards() };
            let page = match runtime::pending(env, at, after).await {
                // There are more Shards by now; it is asked again as one of them.
                Err(CallError::Moved(_)) => continue,
                page => page.map_err(unreachable)?,
            };
            let priced = report.price(&page.turns, &isolate.prices);
            if !dry {
                match store(env, at, &priced).await {
                    Err(CallError::Moved(_)) => store(env, Place { shard, shards: isolate.shards() }, &priced).await,
                    stored => stored,
                }
                .map_err(unreachable)?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        shard += 1;
    }
    Ok(report)
}

/// Stores prices that were found for turns of a Shard.
async fn store(env: &Env, at: Place, priced: &FoundPrices) -> std::result::Result<(), CallError> {
    if !priced.events.is_empty() {
        let mut batch = ShardBatch::default();
        priced.events.iter().for_each(|event| batch.push(event));
        runtime::append(env, at, &batch.message()).await?;
    }
    if !priced.elsewhere.is_empty() {
        runtime::price(env, at, &priced.elsewhere).await?;
    }
    Ok(())
}
