//! Ten million turns of a hundred thousand people: how long they take, and how much room. `cargo test --release -p aggregator --lib --
//! --ignored --nocapture scale`

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use schemas::time::{DAY_MS, MINUTE_MS};
use schemas::{ConversationKey, Event, KeyId, UserKey, UtcMillis};

use super::*;
use crate::fold::CodecError;
use crate::fold::people::People;
use crate::fold::people::stored::{Stored, Stretch};
use crate::fold::testing::turn;
use crate::zone::Zone;

const TURNS: usize = 10_000_000;
const PEOPLE: u64 = 100_000;
const CHECKPOINT_EVERY: usize = 20_000;

#[derive(Default)]
struct Disk(RefCell<BTreeMap<(u16, Stretch), Vec<u8>>>);

impl Stored for Disk {
    fn page(&self, page: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError> {
        let disk = self.0.borrow();
        Ok(disk
            .range((page, Stretch::MIN)..=(page, Stretch::MAX))
            .map(|((_, at), bytes)| (*at, bytes.clone()))
            .collect())
    }
}

fn mix(n: u64) -> u64 {
    let bits = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[test]
#[allow(clippy::print_stdout, reason = "what it measures is its result")]
#[ignore = "a minute or two, with optimisation"]
fn scale_of_ten_million_turns() {
    let end = UtcMillis::parse_rfc3339("2026-11-21T00:00:00Z").unwrap().0;
    let start = end - 365 * DAY_MS;
    let (mut people, disk) = (People::default(), Disk::default());
    let mut event: Event = turn(1, Some(1), Some(1), start, Some(5_000_000), 0);
    let (began, mut saving, mut since, mut pages) = (Instant::now(), 0.0, 0, BTreeSet::new());
    let sessions = TURNS / 6;
    let mut save = |people: &mut People, pages: &mut BTreeSet<u16>| {
        let began = Instant::now();
        for (place, bytes) in people.take_unsaved(&disk).unwrap().segments {
            pages.insert(place.0);
            disk.0.borrow_mut().insert(place, bytes);
        }
        saving += began.elapsed().as_secs_f64();
    };
    for session in 0..sessions {
        let user = mix(mix(session as u64) % PEOPLE + 1);
        let at = start + (session as f64 / sessions as f64 * (end - start) as f64) as i64;
        for n in 0..6 {
            event.ts = UtcMillis(at + n * 2 * MINUTE_MS);
            event.user = Some(UserKey::from_mac(KeyId(1), (u128::from(user) << 64 | 7).to_be_bytes()));
            let conversation = u128::from(mix(session as u64 + 1)) << 64 | 9;
            event.conversation = Some(ConversationKey::from_mac(KeyId(1), conversation.to_be_bytes()));
            people.fold(&event);
            since += 1;
        }
        if since >= CHECKPOINT_EVERY {
            save(&mut people, &mut pages);
            since = 0;
        }
    }
    save(&mut people, &mut pages);
    let folding = began.elapsed().as_secs_f64() - saving;
    let bytes: usize = disk.0.borrow().values().map(Vec::len).sum();
    println!(
        "fold {:.2} µs a turn, checkpoints {:.2} µs a turn, {:.1} MB in {} parts",
        folding / TURNS as f64 * 1e6,
        saving / TURNS as f64 * 1e6,
        bytes as f64 / 1e6,
        disk.0.borrow().len()
    );
    for days in [1, 7, 30, 90, 365] {
        let window = crate::civil::window(Zone::UTC, UtcMillis(end - days * DAY_MS), UtcMillis(end));
        let ask = Ask {
            window,
            tz: "Asia/Kathmandu".into(),
            now: UtcMillis(end),
            scope: Scope::Whole,
            funnels: testing::funnels(),
            only: None,
            after: None,
        };
        let began = Instant::now();
        let mut taker = Taker::new(&ask);
        people.each(&disk, &pages, |owner, facts, words| taker.take(owner, facts, words)).unwrap();
        let census = taker.done();
        let bytes = crate::fold::encode(&census).unwrap().len();
        println!(
            "{days} days: {:.0} ms, {} people, {} sessions, answer of {bytes} bytes",
            began.elapsed().as_secs_f64() * 1e3,
            census.activity.users,
            census.sessions.count()
        );
    }
}
