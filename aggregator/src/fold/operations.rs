//! How the app does: requests through the edge, reported errors, replies of models.

use schemas::event::{BotKind, Request, TurnStatus};
use schemas::{Body, Event, FlatMap, NanoUsd};
use serde::{Deserialize, Serialize};

use super::Counters;
use super::names::additive;
use crate::stats::histogram::Counts;

/// Requests and errors of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests that passed through.
    pub requests: u64,
    /// Of those: answered 4xx.
    pub client_errors: u64,
    /// Of those: answered 5xx.
    pub server_errors: u64,
    /// Of those: the app could not be reached.
    pub origin_unreachable: u64,
    /// Errors that the app or its pages reported.
    pub reported_errors: u64,
    /// Of the requests: those of robots, by what they are for.
    #[serde(default)]
    pub bots: FlatMap<BotKind, u64>,
}

impl Counters for Requests {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Request(request) => {
                self.requests += 1;
                self.client_errors += u64::from((400..500).contains(&request.status));
                self.server_errors += u64::from((500..600).contains(&request.status));
                self.origin_unreachable += u64::from(request.origin_unreachable);
                if let Some(bot) = request.device.as_ref().and_then(|device| device.bot.as_ref()) {
                    *self.bots.entry(bot.kind).or_default() += 1;
                }
            }
            Body::Error(_) => self.reported_errors += 1,
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.origin_unreachable += other.origin_unreachable;
        self.reported_errors += other.reported_errors;
        for (kind, count) in &other.bots {
            *self.bots.entry(*kind).or_default() += count;
        }
    }

    /// Requests are no one's.
    fn take_out(&mut self, other: &Self) {
        self.reported_errors = self.reported_errors.saturating_sub(other.reported_errors);
    }
}

/// Requests of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visits {
    /// All.
    pub requests: u32,
    /// Of those: answered 4xx.
    pub client_errors: u32,
    /// Of those: answered 5xx.
    pub server_errors: u32,
}

additive!(Visits: requests, client_errors, server_errors);

impl Visits {
    /// Those of one request.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            requests: 1,
            client_errors: u32::from((400..500).contains(&request.status)),
            server_errors: u32::from((500..600).contains(&request.status)),
        }
    }
}

/// Replies slower than these are counted apart, milliseconds.
pub const SLOW_MS: [u32; 2] = [2_000, 5_000];

/// How fast replies were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// Milliseconds.
    pub ms: Counts,
    /// How many took longer than each of [`SLOW_MS`]: exact, which those that share a bin with the limit are not.
    pub over: [u32; SLOW_MS.len()],
}

additive!(Speed: ms, over);

impl Speed {
    /// Counts a reply.
    pub(super) fn record(&mut self, ms: u32) {
        self.ms.record(ms);
        for (count, limit) in self.over.iter_mut().zip(SLOW_MS) {
            *count += u32::from(ms > limit);
        }
    }
}

/// Turns of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// From asking to the end of the reply, of turns that tell.
    pub latency: Speed,
    /// From asking to the first token, of turns that tell.
    pub ttft: Speed,
    /// What each priced turn cost, USD × 1e-9.
    pub cost: Counts,
}

additive!(Model: latency, ttft, cost);

impl Model {
    /// Counts what a turn cost.
    pub fn cost(&mut self, nano_usd: NanoUsd) {
        self.cost.record(u64::try_from(nano_usd.0).unwrap_or(0));
    }
}

/// Did the model's API fail?
#[must_use]
pub fn failed(status: TurnStatus) -> bool {
    matches!(status, TurnStatus::Error | TurnStatus::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing;
    use schemas::event::{Bot, BotEvidence, Browser, Device, DeviceClass, Method, Request, System};
    use schemas::{Label, UtcMillis};

    fn request(bot: Option<BotKind>) -> Event {
        let label = |text: &str| Label::parse(text).unwrap();
        let device = Device {
            class: DeviceClass::Other,
            browser: Browser { family: label("Other"), major: None },
            os: System { family: label("Other"), major: None },
            bot: bot.map(|kind| Bot { name: label("x"), kind, evidence: vec![BotEvidence::Name] }),
        };
        let mut event = testing::turn(1, None, None, UtcMillis::default().0, None, 0);
        event.body = Body::Request(Request {
            method: Method::Get,
            route: "/".into(),
            status: 200,
            ttfb_ms: 1,
            origin_unreachable: false,
            device: Some(device),
            network: None,
            referrer_domain: None,
            campaign: Default::default(),
            network_kind: None,
        });
        event
    }

    #[test]
    fn robots_are_counted_apart_and_by_kind() {
        let mut requests = Requests::default();
        let kinds = [None, Some(BotKind::AiCrawler), Some(BotKind::Seo), Some(BotKind::AiCrawler), None];
        kinds.into_iter().for_each(|kind| requests.fold(&request(kind)));
        assert_eq!(requests.requests, 5);
        assert_eq!(requests.bots, FlatMap::from([(BotKind::AiCrawler, 2), (BotKind::Seo, 1)]));
        requests.merge(&requests.clone());
        assert_eq!((requests.requests, requests.bots[&BotKind::AiCrawler]), (10, 4));
    }

    #[test]
    fn counters_of_a_version_without_robots_are_read() {
        let stored = rmp_serde::to_vec(&(7u64, 1u64, 2u64, 3u64, 4u64)).unwrap();
        let requests: Requests = rmp_serde::from_slice(&stored).unwrap();
        assert_eq!((requests.requests, requests.reported_errors, requests.bots.len()), (7, 4, 0));
    }
}
