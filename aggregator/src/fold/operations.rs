//! How the app does: requests through the edge, replies of models, errors, web vitals, actions.

use schemas::event::{BotKind, DeviceClass, ErrorReport, Journey, Request, Turn, TurnStatus, Vital, VitalName};
use schemas::{Body, Bucket15, Event, FlatMap, NanoUsd};
use serde::{Deserialize, Serialize};

use super::Counters;
use super::named::Named;
use super::names::{Additive, NONE, Rate, additive};
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
    fn of(request: &Request) -> Self {
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
    fn record(&mut self, ms: u32) {
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

pub(super) fn turn(named: &mut Named, bucket: Bucket15, turn: &Turn) {
    let nano_usd = turn.cost.nano_usd();
    if turn.latency_ms.is_some() || turn.ttft_ms.is_some() || nano_usd.is_some() {
        named.models.change(turn.model.as_str(), bucket, |model| {
            turn.latency_ms.into_iter().for_each(|ms| model.latency.record(ms));
            turn.ttft_ms.into_iter().for_each(|ms| model.ttft.record(ms));
            nano_usd.into_iter().for_each(|nano_usd| model.cost(nano_usd));
        });
    }
    if failed(turn.status) {
        let status = if turn.status == TurnStatus::Timeout { "timeout" } else { "error" };
        let code = turn.error_code.as_ref().map_or(status, |code| code.as_str());
        named.codes.change(&format!("{} {} {code}", turn.provider, turn.model), bucket, |n| *n += 1);
    }
}

pub(super) fn request(named: &mut Named, bucket: Bucket15, request: &Request) {
    let visits = Visits::of(request);
    named.routes.change(&request.route, bucket, |all| all.merge(&visits));
    if let Some(domain) = &request.referrer_domain {
        named.referrers.change(domain, bucket, |all| all.merge(&visits));
    }
    named.ttfb.change(bucket, |all| all.record(request.ttfb_ms));
}

pub(super) fn journey(named: &mut Named, bucket: Bucket15, journey: &Journey) {
    if let Some(ms) = journey.duration_ms {
        named.actions.change(journey.name.as_str(), bucket, |all| all.record(ms));
    }
}

pub(super) fn error(named: &mut Named, bucket: Bucket15, error: &ErrorReport) {
    let name = format!("{} {}", error.component, error.code);
    named.errors.change(&name, bucket, |all| all.merge(&Rate::of(error.fatal)));
}

pub(super) fn vital(named: &mut Named, bucket: Bucket15, vital: &Vital) {
    let device = vital.device.map_or(NONE, DeviceClass::as_str);
    let scale = if vital.name == VitalName::Cls { 1_000.0 } else { 1.0 };
    let name = format!("{} {device} {}", vital.name.as_str(), vital.route);
    // The edge has checked that it lies between 0 and 3,600,000.
    named.vitals.change(&name, bucket, |all| all.record((vital.value * scale).round() as u32));
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
