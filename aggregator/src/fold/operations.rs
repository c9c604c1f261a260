//! Requests through the edge, and errors that were reported.

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
}

impl Counters for Requests {
    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Request(request) => {
                self.requests += 1;
                self.client_errors += u64::from((400..500).contains(&request.status));
                self.server_errors += u64::from((500..600).contains(&request.status));
                self.origin_unreachable += u64::from(request.origin_unreachable);
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
    }

    /// Requests are no one's.
    fn take_out(&mut self, other: &Self) {
        self.reported_errors = self.reported_errors.saturating_sub(other.reported_errors);
    }
}
