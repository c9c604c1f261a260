//! Request events: made from heads, kept briefly, sent together.

use std::collections::BTreeMap;

use schemas::event::{Cohort, Method, NetworkKind, Request, Source};
use schemas::{Body, Event, EventKey, KeyId, UtcMillis};

use super::HeaderList;
use crate::place::{self, Platform};
use crate::scrub::{network, url};
use crate::settings::Settings;
use crate::user_agent::{self, Hints};

/// Most request events that an isolate keeps.
pub const BUFFER_MAX: usize = 4_000;
/// Events at which the buffer is sent at once.
pub const FLUSH_AT: usize = 1_000;
/// Longest that an event waits in the buffer, milliseconds.
pub const FLUSH_AFTER_MS: u64 = 1_000;

/// What is read of a request, raw. Lives only until [`request_event`] has reduced it.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// Absolute URL.
    pub url: &'a str,
    /// Method as in the request line.
    pub method: &'a str,
    /// Headers.
    pub headers: HeaderList<'a>,
    /// What the platform says of the client; `None` where it says nothing of anyone.
    pub platform: Option<Platform<'a>>,
}

/// How the request went.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// HTTP status that the client saw.
    pub status: u16,
    /// When the request came.
    pub began: UtcMillis,
    /// When the response's head was there.
    pub answered: UtcMillis,
    /// The app could not be reached.
    pub origin_unreachable: bool,
}

/// Ids of request events of one isolate: a random start, then one step of splitmix64 (Steele, Lea & Flood 2014) each.
pub struct EventIds {
    state: u64,
    tail: u64,
}

impl EventIds {
    /// Starts at 128 random bits.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(random);
        Self { state: (bits >> 64) as u64, tail: bits as u64 }
    }

    /// The next id that belongs to Shard `shard` of `shards`: all events of one isolate go to one Shard, so that a page with
    /// many assets costs one call.
    pub fn next(&mut self, shard: u32, shards: u32) -> EventKey {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let shards = u64::from(shards.max(1));
        let prefix = mixed >> 1;
        let prefix = prefix - prefix % shards + u64::from(shard) % shards;
        EventKey::from_mac(KeyId(0), (u128::from(prefix) << 64 | u128::from(self.tail)).to_be_bytes())
    }
}

/// The event of a request. Of a client that does not want to be tracked only route and outcome are kept.
#[must_use]
pub fn request_event(head: &Head<'_>, capture: Capture, id: EventKey, settings: &Settings) -> Event {
    let set = |name| head.headers.get(name).is_some_and(|value| value.trim() == "1");
    let known = !(set("sec-gpc") || set("dnt"));
    let header = |name: &str| head.headers.get(name).filter(|_| known);
    let place = place::place(head.platform.filter(|_| known), header, &settings.client, capture.began);
    let no_such_path = matches!(capture.status, 404 | 410);
    let user_agent = head.headers.get("user-agent").unwrap_or_default();
    let device = known.then(|| user_agent::device(user_agent, &Hints::of(head.headers), &settings.bots)).flatten();
    let device = match place.network_kind {
        Some(NetworkKind::DataCentre) => device.map(|device| user_agent::in_data_centre(device, &settings.bots)),
        _ => device,
    };
    Event {
        id,
        ts: capture.began,
        source: Source::Edge,
        user: None,
        conversation: None,
        session: None,
        reply: None,
        cohort: Cohort { country: place.country, utc_offset_minutes: place.utc_offset, ..Cohort::default() },
        aside: None,
        body: Body::Request(Request {
            method: Method::parse(head.method),
            route: if no_such_path { url::NOT_FOUND.to_owned() } else { url::route(head.url) },
            status: capture.status,
            ttfb_ms: u32::try_from(capture.answered.0 - capture.began.0).unwrap_or(0),
            origin_unreachable: capture.origin_unreachable,
            device,
            network: place::address(header, &settings.client).and_then(network::of),
            referrer_domain: header("referer").and_then(url::referrer_domain),
            network_kind: place.network_kind,
            campaign: if known { url::campaign(head.url, &settings.urls.campaigns) } else { BTreeMap::new() },
        }),
    }
}

/// Request events of one isolate, on their way to a Shard. One lot is under way at a time.
///
/// A request's task can end before its time (the client is gone, the platform's limit is reached), so what it has promised
/// to do holds for a while only; then the next request takes over.
#[derive(Default)]
pub struct Buffer {
    events: Vec<Event>,
    overflow: u64,
    unstored: u64,
    soon_until: UtcMillis,
    sending_until: UtcMillis,
}

/// How much longer than [`FLUSH_AFTER_MS`] the one who waits is believed to be there, milliseconds.
const SOON_GRACE_MS: i64 = 1_000;
/// How long the one who sends is believed to be there: two calls of 5 s to a Shard, and some, milliseconds.
const SENDING_MS_MAX: i64 = 12_000;

/// What the one who added an event has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: someone else will send it.
    Nothing,
    /// Wait [`FLUSH_AFTER_MS`], then send what is there.
    SendSoon,
    /// Send what is there.
    SendNow,
}

/// What is sent together.
#[derive(Debug, Default, PartialEq)]
pub struct Lot {
    /// The events.
    pub events: Vec<Event>,
    /// Lost since the last lot because the buffer was full.
    pub overflow: u64,
    /// Lost since the last lot because no Shard took them.
    pub unstored: u64,
}

impl Buffer {
    /// Adds an event; over [`BUFFER_MAX`] it is counted and let go.
    pub fn add(&mut self, event: Event, now: UtcMillis) -> Next {
        if self.events.len() >= BUFFER_MAX {
            self.overflow += 1;
        } else {
            self.events.push(event);
        }
        if now < self.sending_until {
            return Next::Nothing;
        }
        if self.events.len() >= FLUSH_AT {
            return Next::SendNow;
        }
        if now < self.soon_until {
            return Next::Nothing;
        }
        self.soon_until = now.plus_ms(FLUSH_AFTER_MS as i64 + SOON_GRACE_MS);
        Next::SendSoon
    }

    /// Takes everything, to be sent; `None` while another lot is under way, or when there is nothing.
    pub fn take(&mut self, now: UtcMillis) -> Option<Lot> {
        if now < self.sending_until || self.events.is_empty() && self.overflow + self.unstored == 0 {
            return None;
        }
        self.soon_until = UtcMillis::default();
        self.sending_until = now.plus_ms(SENDING_MS_MAX);
        Some(Lot {
            events: std::mem::take(&mut self.events),
            overflow: std::mem::take(&mut self.overflow),
            unstored: std::mem::take(&mut self.unstored),
        })
    }

    /// Other events were lost because no Shard took them.
    pub fn missed(&mut self, events: u64) {
        self.unstored += events;
    }

    /// The lot is in a Shard's log.
    pub fn sent(&mut self) {
        self.sending_until = UtcMillis::default();
    }

    /// No Shard took the lot: its events are lost, and the losses are told with the next.
    pub fn lost(&mut self, lot: &Lot) {
        self.sent();
        self.overflow += lot.overflow;
        self.unstored += lot.unstored + lot.events.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::{BotKind, DeviceClass};

    use super::*;

    const CAPTURE: Capture =
        Capture { status: 200, began: UtcMillis(1_000), answered: UtcMillis(1_012), origin_unreachable: false };

    fn head(opted_out: bool) -> Head<'static> {
        let headers = "user-agent,Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0 alice\n\
            referer,https://mail.example.org/inbox/alice\ncf-connecting-ip,203.0.113.77\ncf-ipcountry,np\nx-forwarded-for,198.51.100.1";
        Head {
            url: "https://chat.example.com/users/alice@example.com?token=s3cr3t",
            method: "GET",
            headers: HeaderList(if opted_out { concat_gpc(headers) } else { headers }),
            platform: None,
        }
    }

    fn event_of(head: &Head<'_>, capture: Capture) -> Event {
        request_event(head, capture, EventIds::new([7; 16]).next(0, 1), &Settings::default())
    }

    fn concat_gpc(headers: &str) -> &'static str {
        format!("{headers}\nsec-gpc,1").leak()
    }

    #[test]
    fn a_request_is_reduced() {
        let json = serde_json::to_string(&event_of(&head(false), CAPTURE)).unwrap();
        for kept in ["/users/:id", "203.0.113.0/24", "example.org", "NP", "Firefox", "\"ttfb_ms\":12"] {
            assert!(json.contains(kept), "{kept} in {json}");
        }
        for secret in ["alice", "s3cr3t", "198.51", "203.0.113.77", "inbox", "mail.example"] {
            assert!(!json.contains(secret), "{secret} in {json}");
        }
        let json = serde_json::to_string(&event_of(&head(true), CAPTURE)).unwrap();
        for kept_back in ["Firefox", "NP", "203.0", "example.org"] {
            assert!(!json.contains(kept_back), "{kept_back} in {json}");
        }
    }

    #[test]
    fn what_strangers_guess_is_one_route() {
        let route = |status| match event_of(&head(false), Capture { status, ..CAPTURE }).body {
            Body::Request(request) => request.route,
            _ => String::new(),
        };
        assert_eq!(
            [200, 401, 404, 410, 500].map(route),
            ["/users/:id", "/users/:id", ":not_found", ":not_found", "/users/:id"]
        );
    }

    #[test]
    fn headers_that_no_one_trusts_change_nothing() {
        let platform = Some(Platform { country: Some("NP"), timezone: Some("Asia/Kathmandu"), asn: Some(16509) });
        let plain = Head { headers: HeaderList("cf-connecting-ip,203.0.113.77"), platform, ..head(false) };
        let spoofed = "cf-connecting-ip,203.0.113.77\nx-forwarded-for,198.51.100.1\nx-real-ip,198.51.100.1\nforwarded,for=198.51.100.1\n\
            true-client-ip,198.51.100.1\ncf-ipcountry,KP\ncf-connecting-ipv6,2001:db8::1\ncf-timezone,Asia/Tokyo\ncf-ray,x\n\
            cloudfront-viewer-country,KP\ncloudfront-viewer-address,198.51.100.1:1\nx-vercel-ip-country,KP\nsage-user,alice\n\
            sage-country,KP\nsage-turn,{}\nsage-key,k\nsage-opt-out,1";
        let event = event_of(&plain, CAPTURE);
        assert_eq!(event_of(&Head { headers: HeaderList(spoofed), ..plain }, CAPTURE), event);
        let Body::Request(request) = event.body else { panic!() };
        assert_eq!(
            (request.network.as_deref(), request.network_kind),
            (Some("203.0.113.0/24"), Some(NetworkKind::DataCentre))
        );
        let device = |headers, settings: &Settings| {
            let head = Head { headers: HeaderList(headers), platform, ..head(false) };
            match request_event(&head, CAPTURE, EventIds::new([7; 16]).next(0, 1), settings).body {
                Body::Request(request) => request.device.unwrap(),
                _ => panic!(),
            }
        };
        let browser = "user-agent,Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";
        let suspect = device(browser, &Settings::default());
        let bot = suspect.bot.unwrap();
        assert_eq!(
            (bot.name.as_str(), bot.kind, suspect.class),
            ("data-centre", BotKind::Suspected, DeviceClass::Desktop)
        );
        assert_eq!(device("user-agent,GPTBot/1.2", &Settings::default()).bot.unwrap().evidence.len(), 2);
        let mut people = Settings::default();
        people.bots.human.push("Data-Centre".into());
        assert_eq!(device(browser, &people).bot, None);
        assert_eq!(event.cohort.country.map(|country| country.as_str().to_owned()).as_deref(), Some("NP"));
        assert_eq!(event.cohort.utc_offset_minutes.map(|offset| offset.minutes()), Some(345));
    }

    #[test]
    fn ids_of_an_isolate_differ_and_lead_to_its_shard() {
        for (shard, shards) in [(0, 1), (3, 4), (2, 3), (255, 256)] {
            let mut ids = EventIds::new([9; 16]);
            let keys: Vec<EventKey> = (0..1_000).map(|_| ids.next(shard, shards)).collect();
            assert!(
                keys.iter()
                    .all(|key| request_event(&head(false), CAPTURE, *key, &Settings::default()).shard(shards) == shard)
            );
            assert_eq!(keys.iter().map(EventKey::prefix).collect::<std::collections::HashSet<_>>().len(), 1_000);
        }
    }

    #[test]
    fn a_page_of_fifty_assets_is_one_batch() {
        let mut buffer = Buffer::default();
        let (event, now) = (event_of(&head(false), CAPTURE), UtcMillis(5_000));
        let next: Vec<Next> = (0..50).map(|_| buffer.add(event.clone(), now)).collect();
        assert_eq!(next[0], Next::SendSoon);
        assert!(next[1..].iter().all(|next| *next == Next::Nothing));
        assert_eq!(buffer.take(now).unwrap().events.len(), 50);
        buffer.sent();
        assert_eq!(buffer.take(now), None);
        assert_eq!(buffer.add(event, now), Next::SendSoon);
    }

    #[test]
    fn one_lot_is_under_way_at_a_time_and_losses_are_counted() {
        let mut buffer = Buffer::default();
        let (event, now) = (event_of(&head(false), CAPTURE), UtcMillis(5_000));
        let next: Vec<Next> = (0..FLUSH_AT).map(|_| buffer.add(event.clone(), now)).collect();
        assert_eq!(next[FLUSH_AT - 1], Next::SendNow);
        let lot = buffer.take(now).unwrap();
        assert!((0..BUFFER_MAX + 5).all(|_| buffer.add(event.clone(), now) == Next::Nothing));
        assert_eq!(buffer.take(now), None);
        buffer.lost(&lot);
        let next = buffer.take(now).unwrap();
        assert_eq!((next.events.len(), next.overflow, next.unstored), (BUFFER_MAX, 5, FLUSH_AT as u64));
    }

    #[test]
    fn a_task_that_ended_before_its_time_is_not_waited_for() {
        let mut buffer = Buffer::default();
        let (event, now) = (event_of(&head(false), CAPTURE), UtcMillis(5_000));
        assert_eq!(buffer.add(event.clone(), now), Next::SendSoon);
        assert_eq!(buffer.add(event.clone(), now.plus_ms(1_900)), Next::Nothing);
        assert_eq!(buffer.add(event.clone(), now.plus_ms(2_000)), Next::SendSoon);
        assert_eq!(buffer.take(now).unwrap().events.len(), 3);
        assert_eq!(buffer.add(event.clone(), now.plus_ms(11_999)), Next::Nothing);
        assert_eq!(buffer.add(event, now.plus_ms(12_000)), Next::SendSoon);
    }
}
