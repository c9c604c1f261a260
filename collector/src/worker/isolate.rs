//! What an isolate keeps between requests: settings, the keyring, the buffer of request events.

use std::cell::RefCell;
use std::rc::Rc;

use aggregator::runtime::objects::{WorkerClock, shard_count, shards_known};
use schemas::Clock;
use schemas::event::Policy;
use worker::Env;

use crate::intake::Problem;
use crate::price::Prices;
use crate::proxy::{Buffer, EventIds};
use crate::scrub::keys::{KeyringError, Secrets};
use crate::scrub::{Door, Keyring};
use crate::settings::{Age, Settings};

/// Configuration as it was when the isolate started.
pub(super) struct Isolate {
    pub settings: Settings,
    pub settings_error: Option<String>,
    pub keys: Result<Keyring, KeyringError>,
    pub prices: Prices,
    shards_set: u32,
    /// The Shard that takes this isolate's request events.
    pub capture_shard: u32,
    pub buffer: RefCell<Buffer>,
    pub event_ids: RefCell<EventIds>,
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

pub(super) fn get(env: &Env) -> Rc<Isolate> {
    ISOLATE.with_borrow_mut(|slot| slot.get_or_insert_with(|| Rc::new(load(env))).clone())
}

fn load(env: &Env) -> Isolate {
    #[cfg(feature = "fault-injection")]
    aggregator::runtime::objects::move_clock(env);
    let embedded = include_str!(concat!(env!("OUT_DIR"), "/settings.json"));
    let overlay = variable(env, "SAGE_SETTINGS");
    let (settings, settings_error) = match Settings::load(embedded, overlay.as_deref()) {
        Ok(settings) => (settings, None),
        Err(error) => (Settings::load(embedded, None).unwrap_or_default(), Some(error)),
    };
    if let Some(error) = &settings_error {
        worker::console_error!("{error}; the settings of the build are used");
    }
    let shards = shard_count(env);
    let capture_shard = u32::from_be_bytes(random()) % shards;
    let keys = keyring(env, shards);
    Isolate {
        settings,
        settings_error,
        keys,
        prices: prices(env),
        shards_set: shards,
        capture_shard,
        buffer: RefCell::default(),
        event_ids: RefCell::new(EventIds::new(random())),
    }
}

fn keyring(env: &Env, shards: u32) -> Result<Keyring, KeyringError> {
    let [salt, salt_id, previous, home] =
        ["SAGE_UID_SALT", "SAGE_UID_SALT_ID", "SAGE_UID_SALT_PREVIOUS", "SAGE_HOME_SALT"]
            .map(|name| variable(env, name));
    Keyring::of(&Secrets {
        salt: salt.as_deref(),
        salt_id: salt_id.as_deref(),
        previous: previous.as_deref(),
        home: home.as_deref(),
        shards,
    })
}

fn prices(env: &Env) -> Prices {
    Prices::load(Prices::EMBEDDED, variable(env, "SAGE_PRICES").as_deref()).unwrap_or_else(|error| {
        worker::console_error!("{error}; the prices of the build are used");
        Prices::load(Prices::EMBEDDED, None).unwrap_or_default()
    })
}

impl Isolate {
    /// How many Shards there are, as far as the isolate knows.
    pub fn shards(&self) -> u32 {
        shards_known(self.shards_set)
    }

    /// What every door brings to its events, now.
    pub fn door(&self) -> Result<Door<'_>, Problem> {
        let consent = &self.settings.consent;
        let policy = Policy { consent_required: consent.required, age_required: consent.age_13_plus == Age::Attested };
        Ok(Door {
            keys: self.keys()?,
            prices: &self.prices,
            policy,
            text: self.settings.text,
            shards: self.shards(),
            now: WorkerClock.now(),
        })
    }

    /// The keyring, or the reply that says how to configure it.
    pub fn keys(&self) -> Result<&Keyring, Problem> {
        self.keys.as_ref().map_err(|error| Problem::unavailable("not_configured", error.to_string(), 60))
    }
}

/// A secret or variable of the Worker; `None` when it is not set.
pub(super) fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

/// Random bytes of the platform; zeros if it has none, which it always has in a handler.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = getrandom::fill(&mut bytes);
    bytes
}
