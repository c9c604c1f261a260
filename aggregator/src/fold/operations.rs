//! Requests through the edge, and errors that were reported.

use std::collections::BTreeMap;

use schemas::event::BotKind;
use schemas::{Body, Event};
use serde::{Deserialize, Serialize};

use super::Counters;

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
    pub bots: BTreeMap<BotKind, u64>,
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

#[cfg(test)]
mod tests {
    use schemas::event::{Bot, BotEvidence, Browser, Device, DeviceClass, Method, Request, System};
    use schemas::{Label, UtcMillis};

    use super::*;
    use crate::fold::testing;

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
            campaign: BTreeMap::new(),
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
        assert_eq!(requests.bots, BTreeMap::from([(BotKind::AiCrawler, 2), (BotKind::Seo, 1)]));
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
