//! People's connections to platforms as they stand now, and errors that people met in the window.

use std::collections::BTreeMap;

use schemas::event::PlatformEvent;
use schemas::time::DAY_MS;
use serde::{Deserialize, Serialize};

use super::{Ask, Person, merge_counts};
use crate::fold::people::facts::MarkKind;
use crate::fold::people::words::WordNo;

/// Days after the last sync from which on data are stale.
pub const STALE_DAYS: i64 = 3;
/// Days ahead in which tokens that expire are counted.
pub const EXPIRING_DAYS: i64 = 7;

/// People by the state of their connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrations {
    /// By platform.
    pub platforms: BTreeMap<String, Connections>,
    /// People who met an error in the window, by `component/code`.
    pub errors: BTreeMap<String, u64>,
}

/// People of one platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Connected.
    pub connected: u64,
    /// Whose connection has expired.
    pub expired: u64,
    /// Connected, and not synced for [`STALE_DAYS`].
    pub stale: u64,
    /// Connected, with a token that ends within [`EXPIRING_DAYS`].
    pub expiring: u64,
}

/// One person's connection.
#[derive(Default)]
struct Connection {
    state: Option<PlatformEvent>,
    connected_ms: i64,
    synced_ms: Option<i64>,
    token_until_ms: Option<i64>,
}

impl Integrations {
    pub(super) fn take(&mut self, person: &Person<'_>, ask: &Ask) {
        if !person.is_user() {
            return;
        }
        let mut connections: BTreeMap<WordNo, Connection> = BTreeMap::new();
        let mut errors: Vec<WordNo> = Vec::new();
        for mark in person.marks() {
            match mark.kind {
                MarkKind::Error => {
                    let within = ask.window.from.start().0..ask.window.to.start().0;
                    if within.contains(&mark.ts_ms) && !errors.contains(&mark.name) {
                        errors.push(mark.name);
                    }
                }
                MarkKind::Platform(event) if mark.ts_ms <= ask.now.0 => {
                    let connection = connections.entry(mark.name).or_default();
                    use PlatformEvent::{Connected, Disconnected, Expired, Synced};
                    if matches!(event, Connected | Synced | Disconnected | Expired) {
                        connection.state = Some(event);
                    }
                    match event {
                        Connected => connection.connected_ms = mark.ts_ms,
                        Synced => connection.synced_ms = Some(mark.ts_ms),
                        _ => {}
                    }
                    if let Some(days) = mark.days {
                        connection.token_until_ms = Some(mark.ts_ms + i64::from(days) * DAY_MS);
                    }
                }
                _ => {}
            }
        }
        for (name, connection) in connections {
            let (Some(name), Some(state)) = (person.words.word(name), connection.state) else { continue };
            let counts = match self.platforms.get_mut(name.as_str()) {
                Some(counts) => counts,
                None => self.platforms.entry(name.to_string()).or_default(),
            };
            match state {
                PlatformEvent::Connected | PlatformEvent::Synced => {
                    counts.connected += 1;
                    let synced_ms = connection.synced_ms.unwrap_or(connection.connected_ms);
                    counts.stale += u64::from(ask.now.0 - synced_ms > STALE_DAYS * DAY_MS);
                    let expiring = connection.token_until_ms.map(|until| until - ask.now.0);
                    counts.expiring +=
                        u64::from(expiring.is_some_and(|left| (1..=EXPIRING_DAYS * DAY_MS).contains(&left)));
                }
                PlatformEvent::Expired => counts.expired += 1,
                _ => {}
            }
        }
        for error in errors.into_iter().filter_map(|error| person.words.word(error)) {
            *self.errors.entry(error.to_string()).or_default() += 1;
        }
    }

    /// Adds another Shard's people.
    pub fn merge(&mut self, other: &Self) {
        for (name, counts) in &other.platforms {
            let mine = self.platforms.entry(name.clone()).or_default();
            mine.connected += counts.connected;
            mine.expired += counts.expired;
            mine.stale += counts.stale;
            mine.expiring += counts.expiring;
        }
        merge_counts(&mut self.errors, &other.errors);
    }
}
