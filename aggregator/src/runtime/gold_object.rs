//! Gold as an object: pulls what changed from the Shards when asked, and answers.

use std::cell::RefCell;

use futures_util::future::join_all;
use schemas::{Clock, UtcMillis};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::call;
use super::objects::{WorkerClock, route, shard_count};
use super::sql::Sql;
use crate::answer::public::{self, PublicRules, facts};
use crate::answer::{Facts, Query, admin};
use crate::budget::{HoldRequest, Settlement, Span};
use crate::census::{Ask, Census, Scope};
use crate::disclosure::archive::{self, Archive, Period, Records};
use crate::disclosure::noise::{Random, RandomError};
use crate::fold;
use crate::gold::{Gold as GoldState, GoldError};
use crate::place::Place;
use crate::protocol::{PullRequest, ShardHealth, Taken};

/// How long the public page is kept, milliseconds.
const PUBLIC_MS_MAX: i64 = 10_000;
/// Rounds of changes taken from a Shard for one answer; each brings up to [`crate::shard::CHANGES_BYTES_MAX`].
const ROUNDS_MAX: usize = 256;

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
            route::ANSWER => match fold::decode::<Query>(&request.bytes().await?) {
                Ok(query) => self.answer(&query).await,
                Err(_) => Response::error("malformed", 400),
            },
            route::PUBLIC => match fold::decode::<PublicRules>(&request.bytes().await?) {
                Ok(rules) => self.public(&rules).await,
                Err(_) => Response::error("malformed", 400),
            },
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
                after: None,
                funnels: Vec::new(),
                window: span.window(),
                ..query.ask()
            };
            let (limits, periods) = (budget.limits, budget.periods);
            asks.extend([ask(periods.day, limits.user_day), ask(periods.month, limits.user_month)]);
        }
        let before = query.of_previous().map(|before| {
            asks.push(before.ask());
            asks.len() - 1
        });
        let pulled = self.pull_all(&asks).await;
        let people_before = before.and_then(|at| merged(&pulled, at)).map(|(people, _)| people);
        let (people, people_as_of) = merged(&pulled, 0).unzip();
        let budgets = query
            .budget
            .filter(|budget| budget.limits.of_people())
            .and_then(|_| merged(&pulled, 1).zip(merged(&pulled, 2)));
        let budget_people = budgets.map(|((day, _), (month, _))| (day, month));
        let shards = pulled.into_iter().map(|reply| reply.map(|(_, health)| health)).collect();
        let answer = self.with(|gold| {
            gold.count(|gold| {
                admin(&Facts { query, counted: gold, people, people_as_of, people_before, budget_people, shards })
            })
        });
        match answer {
            Ok(answer) => Response::from_json(&answer),
            Err(error) => failed(&error.to_string()),
        }
    }

    async fn public(&self, rules: &PublicRules) -> Result<Response> {
        let now = WorkerClock.now();
        let kept =
            self.public.borrow().as_ref().filter(|(at, _)| now.0 - at.0 < PUBLIC_MS_MAX).map(|(_, text)| text.clone());
        if let Some(text) = kept {
            return Response::ok(text);
        }
        let mut asked: Vec<Period> = Vec::new();
        // The first round brings the days that tell what is due; the second, where anything is, the people.
        let complete = loop {
            let asks: Vec<Ask> = asked.iter().filter_map(|period| facts::ask(*period, rules.cap, now)).collect();
            let pulled = self.pull_all(&asks).await;
            let complete = pulled.iter().all(Option::is_some);
            let due = self.with(|gold| publish(gold, rules, now, &asked, &pulled));
            match due {
                Ok(due) if complete && asked.is_empty() && !due.is_empty() => asked = due,
                Ok(_) => break complete,
                Err(error) => return failed(&error.to_string()),
            }
        };
        let page = self.with(|gold| {
            let records = archive::records(gold.storage())?;
            gold.count(|gold| public::page(now, &facts::of_open(now, gold), &records, rules, complete))
        });
        match page {
            Ok(page) => {
                let text = page.to_string();
                if complete {
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

/// Makes the records of the periods whose people were asked for, if every Shard has answered; returns what is due then.
fn publish(
    gold: &GoldState<Sql>,
    rules: &PublicRules,
    now: UtcMillis,
    asked: &[Period],
    pulled: &[Option<(Vec<Taken>, ShardHealth)>],
) -> std::result::Result<Vec<Period>, GoldError> {
    let storage = gold.storage();
    let mut records: Records = archive::records(storage)?;
    let mut asks = 0;
    for period in asked {
        let mut people = Some(Census::default());
        if facts::ask(*period, rules.cap, now).is_some() {
            people = merged(pulled, asks).map(|(people, _)| people);
            asks += 1;
        }
        let Some(people) = people else { break };
        let facts = gold.count(|gold| facts::of_period(*period, facts::people(&people.published), gold))?;
        let record = public::record(*period, &facts, rules, &records, now, &mut Platform);
        let record = record.map_err(|_| crate::storage::StorageError("random"))?;
        storage.keep_record(&period.name(), &record.to_string())?;
        records.insert(period.name(), record);
    }
    Ok(archive::due(now, facts::first_day(gold), &records))
}

/// The platform's generator of random bits.
struct Platform;

impl Random for Platform {
    fn bits(&mut self) -> std::result::Result<u64, RandomError> {
        getrandom::u64().map_err(|_| RandomError)
    }
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
