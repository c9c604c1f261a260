//! Requests by name: by route, by referrer's domain.
//!
//! Names come from outside, so a day has room for [`NAMES_MAX`]: those that came first, in the order of the log. What comes when it is
//! full counts under [`OTHER`], so sums stay exact and memory is bounded whoever asks for what. Of a name that has its place every
//! request of the day is counted, whatever comes after it: a flood of names takes none from those that were there before.

use std::collections::BTreeMap;

use schemas::event::Request;
use schemas::{Bucket15, UtcDay};
use serde::{Deserialize, Serialize};

/// Most names of a UTC day of a Shard, [`OTHER`] beside them.
pub const NAMES_MAX: usize = 100;
/// Stands for all names for which a day had no room.
pub const OTHER: &str = ":other";

/// Requests of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// All.
    pub requests: u32,
    /// Of those: answered 4xx.
    pub client_errors: u32,
    /// Of those: answered 5xx.
    pub server_errors: u32,
}

impl Count {
    fn of(request: &Request) -> Self {
        Self {
            requests: 1,
            client_errors: u32::from((400..500).contains(&request.status)),
            server_errors: u32::from((500..600).contains(&request.status)),
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.client_errors = self.client_errors.saturating_add(other.client_errors);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
    }
}

/// Requests of a UTC day by name; of each the buckets of the day that have any, by their number in the day, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names(BTreeMap<String, Vec<(u8, Count)>>);

impl Names {
    fn count(&mut self, name: &str, bucket: Bucket15, count: Count) {
        let named = self.0.len() - usize::from(self.0.contains_key(OTHER));
        let name = if named >= NAMES_MAX && !self.0.contains_key(name) { OTHER } else { name };
        let counts = match self.0.get_mut(name) {
            Some(counts) => counts,
            None => self.0.entry(name.to_owned()).or_default(),
        };
        let at = u8::try_from(bucket.0 - first_bucket(bucket.utc_day())).unwrap_or(u8::MAX);
        match counts.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(found) => counts.get_mut(found).into_iter().for_each(|(_, known)| known.add(count)),
            Err(before) => counts.insert(before, (at, count)),
        }
    }

    /// Adds the requests of this day that lie in `[from, to)`.
    pub fn sum(&self, day: UtcDay, from: Bucket15, to: Bucket15, totals: &mut BTreeMap<String, Count>) {
        let first = first_bucket(day);
        for (name, counts) in &self.0 {
            let mut total = Count::default();
            let within = |(at, _): &&(u8, Count)| (from.0..to.0).contains(&(first + i32::from(*at)));
            counts.iter().filter(within).for_each(|(_, count)| total.add(*count));
            if total.requests == 0 {
                continue;
            }
            match totals.get_mut(name) {
                Some(known) => known.add(total),
                None => drop(totals.insert(name.clone(), total)),
            }
        }
    }
}

fn first_bucket(day: UtcDay) -> i32 {
    day.0.saturating_mul(96)
}

/// Requests of a UTC day by what outsiders can name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visits {
    /// By route template.
    pub routes: Names,
    /// By the referrer's registrable domain; requests without one are not among them.
    pub referrers: Names,
}

impl Visits {
    /// Counts a request.
    pub fn count(&mut self, bucket: Bucket15, request: &Request) {
        let count = Count::of(request);
        self.routes.count(&request.route, bucket, count);
        if let Some(domain) = &request.referrer_domain {
            self.referrers.count(domain, bucket, count);
        }
    }
}

/// Requests of a window by name, over all Shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    /// By route template.
    pub routes: BTreeMap<String, Count>,
    /// By the referrer's registrable domain.
    pub referrers: BTreeMap<String, Count>,
}

impl Visited {
    /// Adds another window's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.routes, &other.routes), (&mut self.referrers, &other.referrers)] {
            for (name, count) in theirs {
                mine.entry(name.clone()).or_default().add(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::event::Method;

    use super::*;

    const DAY: UtcDay = UtcDay(20_778);

    fn request(route: &str, referrer: Option<&str>, status: u16) -> Request {
        Request {
            method: Method::Get,
            route: route.into(),
            status,
            ttfb_ms: 1,
            origin_unreachable: false,
            device: None,
            network: None,
            referrer_domain: referrer.map(str::to_owned),
            network_kind: None,
            campaign: BTreeMap::new(),
        }
    }

    fn at(quarter: i32) -> Bucket15 {
        Bucket15(first_bucket(DAY) + quarter)
    }

    #[test]
    fn a_flood_of_names_takes_no_room_and_no_count() {
        let mut visits = Visits::default();
        visits.count(at(0), &request("/chat", Some("example.org"), 200));
        for n in 0..10_000 {
            visits.count(at(n % 96), &request(&format!("/{n}"), Some(&format!("{n}.example")), 404));
            visits.count(at(n % 96), &request("/chat", None, 503));
        }
        assert_eq!((visits.routes.0.len(), visits.referrers.0.len()), (NAMES_MAX + 1, NAMES_MAX + 1));
        let mut totals = BTreeMap::new();
        visits.routes.sum(DAY, at(0), at(96), &mut totals);
        assert_eq!(totals["/chat"], Count { requests: 10_001, client_errors: 0, server_errors: 10_000 });
        let other = u32::try_from(10_000 - (NAMES_MAX - 1)).unwrap();
        assert_eq!(totals[OTHER], Count { requests: other, client_errors: other, server_errors: 0 });
        let bytes = crate::fold::encode(&visits).unwrap();
        assert!(bytes.len() < 40_000, "{} bytes", bytes.len());
        assert_eq!(crate::fold::decode::<Visits>(&bytes).unwrap(), visits);
    }

    proptest! {
        /// Cut anywhere, the parts of a day add up to all of it, and all of it to what was counted.
        #[test]
        fn parts_add_up(seen in proptest::collection::vec((0u8..150, 0i32..96, 200u16..600), 0..400), cut in 0i32..=96) {
            let mut names = Names::default();
            for (name, quarter, status) in &seen {
                names.count(&format!("/{name}"), at(*quarter), Count::of(&request("/", None, *status)));
            }
            let (mut parts, mut whole) = (BTreeMap::new(), BTreeMap::new());
            names.sum(DAY, at(0), at(cut), &mut parts);
            names.sum(DAY, at(cut), at(96), &mut parts);
            names.sum(DAY, at(-96), at(192), &mut whole);
            prop_assert_eq!(&parts, &whole);
            prop_assert_eq!(whole.values().map(|count| count.requests as usize).sum::<usize>(), seen.len());
            let failed = seen.iter().filter(|(_, _, status)| *status >= 500).count();
            prop_assert_eq!(whole.values().map(|count| count.server_errors as usize).sum::<usize>(), failed);
        }
    }
}
