//! Gold as an object: pulls what changed from the Shards when asked, and answers.

use std::cell::RefCell;

use futures_util::future::join_all;
use schemas::{Bucket15, Clock, Quarter, UtcMillis};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::call;
use super::objects::{WorkerClock, route, shard_count};
use super::sql::Sql;
use crate::answer::{Counted, Facts, PublicFacts, QuarterFacts, Query, admin, public_page};
use crate::budget::{HoldRequest, Settlement, Span};
use crate::census::{Ask, Census, Scope};
use crate::fold;
use crate::gold::{Gold as GoldState, GoldError};
use crate::place::Place;
use crate::protocol::{PullRequest, ShardHealth, Taken, Window};

/// Quarters on the public page, the running one included.
const QUARTERS_SHOWN: usize = 5;
/// How long the public page is kept, milliseconds.
const PUBLIC_MS_MAX: i64 = 10_000;
/// Rounds of changes taken from a Shard for one answer; each brings up to [`crate::shard::CHANGES_BYTES_MAX`].
const ROUNDS_MAX: usize = 64;

/// The object that merges what Shards send and answers queries.
#[durable_object(fetch)]
pub struct Gold {
    state: State,
    env: Env,
    gold: RefCell<Option<GoldState<Sql>>>,
    public: RefCell<Option<(UtcMillis, String)>>,
}

impl DurableObject for Gold {
    fn new(state: State, env: Env) -> Self {
        #[cfg(feature = "fault-injection")]
        super::objects::move_clock(&env);
        Self { state, env, gold: RefCell::default(), public: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let url = request.url()?;
        match url.path() {
            route::CHANGES => {
                let shard = url.query().and_then(|query| query.strip_prefix("shard=")).and_then(|n| n.parse().ok());
                let changes = fold::decode(&request.bytes().await?);
                match (shard, changes) {
                    (Some(shard), Ok(changes)) => match self.with(|gold| gold.apply(shard, &changes)) {
                        Ok(upto) => Response::from_json(&upto),
                        Err(error) => failed(&error.to_string()),
                    },
                    _ => Response::error("malformed", 400),
                }
            }
            route::HOLD => match fold::decode::<HoldRequest>(&request.bytes().await?) {
                Ok(ask) => reply_bytes(self.with(|gold| gold.hold(&ask, WorkerClock.now()))),
                Err(_) => Response::error("malformed", 400),
            },
            route::SETTLE => match fold::decode::<Settlement>(&request.bytes().await?) {
                Ok(settlement) => reply_bytes(self.with(|gold| gold.settle(&settlement, WorkerClock.now()))),
                Err(_) => Response::error("malformed", 400),
            },
            route::ANSWER => match request.json::<Query>().await {
                Ok(query) => self.answer(&query).await,
                Err(_) => Response::error("malformed", 400),
            },
            route::PUBLIC => self.public().await,
            route::PROBE => match self.with(|gold| Ok(gold.storage().probe(WorkerClock.now())?)) {
                Ok(()) => Response::ok("ok"),
                Err(error) => failed(&error.to_string()),
            },
            _ => Response::error("no such route", 404),
        }
    }
}

impl Gold {
    /// Runs `work` on Gold's state; after an error it is opened anew.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut GoldState<Sql>) -> std::result::Result<T, GoldError>,
    ) -> std::result::Result<T, GoldError> {
        let mut slot = self.gold.borrow_mut();
        let mut gold = match slot.take() {
            Some(gold) => gold,
            None => GoldState::open(Sql::gold(&self.state)?)?,
        };
        let result = work(&mut gold);
        if result.is_ok() {
            *slot = Some(gold);
        }
        result
    }

    async fn answer(&self, query: &Query) -> Result<Response> {
        let mut asks = vec![query.ask()];
        if let Some(budget) = query.budget.filter(|budget| budget.limits.of_people()) {
            let ask = |span: Span, limit| Ask {
                scope: Scope::Spend(limit),
                only: None,
                funnels: Vec::new(),
                window: span.window(),
                ..query.ask()
            };
            let (limits, periods) = (budget.limits, budget.periods);
            asks.extend([ask(periods.day, limits.user_day), ask(periods.month, limits.user_month)]);
        }
        let pulled = self.pull_all(&asks).await;
        let (people, people_as_of) = merged(&pulled, 0).unzip();
        let budget_people = merged(&pulled, 1).zip(merged(&pulled, 2)).map(|((day, _), (month, _))| (day, month));
        let shards = pulled.into_iter().map(|reply| reply.map(|(_, health)| health)).collect();
        let answer =
            self.with(|gold| Ok(admin(&Facts { query, counted: gold, people, people_as_of, budget_people, shards })));
        match answer {
            Ok(answer) => Response::from_json(&answer),
            Err(error) => failed(&error.to_string()),
        }
    }

    async fn public(&self) -> Result<Response> {
        let now = WorkerClock.now();
        let kept =
            self.public.borrow().as_ref().filter(|(at, _)| now.0 - at.0 < PUBLIC_MS_MAX).map(|(_, text)| text.clone());
        if let Some(text) = kept {
            return Response::ok(text);
        }
        let quarters: Vec<Quarter> = std::iter::successors(Some(Quarter::of(now)), |quarter| Some(quarter.previous()))
            .take(QUARTERS_SHOWN)
            .collect();
        let windows: Vec<Window> = quarters.iter().map(quarter_window).collect();
        let asks: Vec<Ask> = windows.iter().map(|window| quarter_ask(window, now)).collect();
        let pulled = self.pull_all(&asks).await;
        let page = self.with(|gold| {
            let facts = quarters.iter().zip(&windows).enumerate().map(|(at, (quarter, window))| {
                let people = merged(&pulled, at).map(|(people, _)| people);
                QuarterFacts {
                    quarter: *quarter,
                    users: people.as_ref().map(|people| people.activity.users),
                    sessions: people.as_ref().map(|people| people.sessions.turns.n()),
                    counters: gold.range(window.from, window.to),
                }
            });
            Ok(public_page(&PublicFacts { now, quarters: facts.collect() }))
        });
        match page {
            Ok(page) => {
                let text = page.to_string();
                if pulled.iter().all(Option::is_some) {
                    self.public.replace(Some((now, text.clone())));
                }
                Response::ok(text)
            }
            Err(error) => failed(&error.to_string()),
        }
    }

    /// Takes what changed from every Shard, and its people's answers; `None` for a Shard that did not answer. All go by one count
    /// of Shards, so that each person is told of by one.
    async fn pull_all(&self, asks: &[Ask]) -> Vec<Option<(Vec<Taken>, ShardHealth)>> {
        loop {
            let shards = shard_count(&self.env);
            let pulled = join_all((0..shards).map(|shard| self.pull_one(Place { shard, shards }, asks))).await;
            if shard_count(&self.env) == shards {
                return pulled;
            }
        }
    }

    async fn pull_one(&self, at: Place, asks: &[Ask]) -> Option<(Vec<Taken>, ShardHealth)> {
        for _ in 0..ROUNDS_MAX {
            let since = self.with(|gold| Ok(gold.upto(at.shard))).ok()?;
            let request = PullRequest { since, asks: asks.to_vec() };
            let reply = call::pull(&self.env, at, &request).await.ok()?;
            self.with(|gold| gold.apply(at.shard, &reply.changes)).ok()?;
            if !reply.changes.more {
                return Some((reply.taken, reply.health));
            }
        }
        None
    }
}

/// All Shards' answers to an ask, and when the first of them was made; `None` when one did not answer.
fn merged(pulled: &[Option<(Vec<Taken>, ShardHealth)>], ask: usize) -> Option<(Census, UtcMillis)> {
    let mut all = Census::default();
    let mut as_of = UtcMillis(i64::MAX);
    for reply in pulled {
        let taken = reply.as_ref()?.0.get(ask)?;
        all.merge(&taken.census);
        as_of = as_of.min(taken.as_of);
    }
    Some((all, as_of))
}

fn quarter_ask(window: &Window, now: UtcMillis) -> Ask {
    let tz = crate::zone::Zone::UTC.name().to_owned();
    Ask { window: window.clone(), tz, now, scope: Scope::Whole, funnels: Vec::new(), only: None }
}

fn quarter_window(quarter: &Quarter) -> Window {
    let (from, to) = (Bucket15::of(quarter.start()), Bucket15::of(quarter.end()));
    Window { days: Vec::new(), before: Vec::new(), from, to }
}

fn reply_bytes<T: serde::Serialize>(result: std::result::Result<T, GoldError>) -> Result<Response> {
    match result.and_then(|reply| Ok(fold::encode(&reply)?)) {
        Ok(bytes) => Response::from_bytes(bytes),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(message: &str) -> Result<Response> {
    worker::console_error!("gold: {message}");
    Response::error(message, 503)
}
