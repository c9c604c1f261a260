//! Integrations: connections and calls by platform, as counts that know no person.

use schemas::event::{self, PlatformEvent};
use schemas::{Bucket15, UtcMillis};
use serde::{Deserialize, Serialize};

use super::names::Additive;
use crate::stats::histogram::Counts;

/// Counts of one platform in one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Connections made.
    pub connected: u32,
    /// Connections that failed.
    pub failed: u32,
    /// Connections that were ended.
    pub disconnected: u32,
    /// Connections that expired.
    pub expired: u32,
    /// Calls of the platform's API.
    pub calls: u32,
    /// Of those: without a status, or with one of 400 or more.
    pub call_errors: u32,
    /// Times that the platform refused for too many calls.
    pub rate_limited: u32,
    /// Milliseconds of calls.
    pub latency: Counts,
    /// Syncs.
    pub syncs: u32,
    /// When the last of them was, milliseconds since 1970.
    pub synced_at: i64,
}

impl Additive for Platform {
    fn merge(&mut self, other: &Self) {
        self.counts(other, Additive::merge);
        self.latency.merge(&other.latency);
        self.synced_at = self.synced_at.max(other.synced_at);
    }

    /// Where the last sync goes and others stay, theirs is known to the quarter of an hour: its begin stands for it.
    fn take_out(&mut self, other: &Self) {
        self.counts(other, Additive::take_out);
        self.latency.take_out(&other.latency);
        if self.syncs == 0 {
            self.synced_at = 0;
        } else if other.syncs > 0 && other.synced_at >= self.synced_at {
            self.synced_at = Bucket15::of(UtcMillis(self.synced_at)).start().0;
        }
    }
}

impl Platform {
    fn counts(&mut self, other: &Self, with: impl Fn(&mut u32, &u32)) {
        with(&mut self.connected, &other.connected);
        with(&mut self.failed, &other.failed);
        with(&mut self.disconnected, &other.disconnected);
        with(&mut self.expired, &other.expired);
        with(&mut self.calls, &other.calls);
        with(&mut self.call_errors, &other.call_errors);
        with(&mut self.rate_limited, &other.rate_limited);
        with(&mut self.syncs, &other.syncs);
    }

    /// Counts what happened to an integration.
    pub(super) fn count(&mut self, at: UtcMillis, platform: &event::Platform) {
        match platform.event {
            PlatformEvent::Connected => self.connected += 1,
            PlatformEvent::ConnectionFailed => self.failed += 1,
            PlatformEvent::Disconnected => self.disconnected += 1,
            PlatformEvent::Expired => self.expired += 1,
            PlatformEvent::Synced => {
                self.syncs += 1;
                self.synced_at = self.synced_at.max(at.0);
            }
            PlatformEvent::ApiCall => {
                self.calls += 1;
                self.call_errors += u32::from(platform.status.is_none_or(|status| status >= 400));
                platform.latency_ms.into_iter().for_each(|latency| self.latency.record(latency));
            }
            PlatformEvent::RateLimited => self.rate_limited += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::Label;
    use schemas::event::PlatformEvent::*;

    use super::*;

    fn happened(events: &[(PlatformEvent, Option<u16>, i64)]) -> Platform {
        let mut counts = Platform::default();
        for (event, status, at) in events {
            let platform = event::Platform {
                platform: Label::parse("p").unwrap(),
                event: *event,
                reason: None,
                status: *status,
                latency_ms: status.map(u32::from),
                token_expires_days: None,
            };
            counts.count(UtcMillis(*at), &platform);
        }
        counts
    }

    #[test]
    fn calls_fail_with_400_or_without_a_status() {
        let calls = [(ApiCall, Some(200), 0), (ApiCall, Some(399), 0), (ApiCall, Some(400), 0), (ApiCall, None, 0)];
        let counts = happened(&calls);
        assert_eq!((counts.calls, counts.call_errors, counts.latency.n()), (4, 2, 3));
        assert_eq!(happened(&[(RateLimited, Some(429), 0)]).calls, 0);
    }

    /// The quarter begins at 900,000.
    #[test]
    fn the_last_sync_goes_with_the_person_who_made_it() {
        let whole = happened(&[(Synced, None, 900_500), (Synced, None, 900_700), (Connected, None, 0)]);
        assert_eq!((whole.synced_at, whole.syncs), (900_700, 2));
        let mut left = whole.clone();
        left.take_out(&happened(&[(Synced, None, 900_500)]));
        assert_eq!((left.synced_at, left.syncs), (900_700, 1));
        let mut left = whole.clone();
        left.take_out(&happened(&[(Synced, None, 900_700)]));
        assert_eq!((left.synced_at, left.syncs), (900_000, 1));
        left.take_out(&happened(&[(Synced, None, 900_500), (Connected, None, 0)]));
        assert_eq!(left, Platform::default());
    }
}
