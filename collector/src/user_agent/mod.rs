//! What a request's headers say about a device: class, browser, system, robot. The text itself is not kept.
//!
//! The build compiles the lists of `lists/` (`build/user_agent.rs`); nothing is done at start. `index` finds the patterns that a text can
//! match at all, `unpack` spreads their code out, `machine` runs them. `families` reads browser and system as uap-core does, `robots` knows who is no person,
//! `class` the kind of machine, `hints` corrects all three by client hints.

mod class;
#[allow(dead_code)]
mod code;
mod families;
mod hints;
mod index;
mod machine;
mod robots;
mod unpack;

use schemas::Label;
use schemas::event::{Bot, BotEvidence, BotKind, Browser, Device, DeviceClass, System};
use serde_json::{Value, json};

pub use families::{Family, OTHER};
pub use hints::Hints;
use index::{Index, List};
use machine::{Machine, TEXT_BYTES_MAX};

use crate::proxy::HeaderList;
use crate::settings;

/// Headers that tell of a device.
pub const HEADERS: [&str; 4] = ["user-agent", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"];

/// What a text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Browser, as uap-core's list tells it.
    pub browser: Family<'a>,
    /// System, likewise.
    pub os: Family<'a>,
    /// Device class.
    pub class: DeviceClass,
    /// The robot that it is.
    pub bot: Option<Bot>,
}

impl Reading<'_> {
    /// The reading as `sage-inspect ua` tells it.
    #[must_use]
    pub fn json(&self) -> Value {
        let [major, minor, patch, patch_minor] = &self.browser.version;
        let [os_major, os_minor, os_patch, os_patch_minor] = &self.os.version;
        json!({
            "browser": {
                "family": self.browser.name, "major": major, "minor": minor, "patch": patch, "patch_minor": patch_minor,
            },
            "os": {
                "family": self.os.name, "major": os_major, "minor": os_minor, "patch": os_patch, "patch_minor": os_patch_minor,
            },
            "device": self.class,
            "bot": self.bot.as_ref().map(|bot| &bot.name),
            "bot_kind": self.bot.as_ref().map(|bot| bot.kind),
        })
    }
}

/// Reads a `User-Agent`. Of a longer one its first 1,024 bytes.
#[must_use]
pub fn read(user_agent: &str) -> Reading<'_> {
    read_as(user_agent, true)
}

/// Without `robots` everyone is a person.
fn read_as(user_agent: &str, robots: bool) -> Reading<'_> {
    let text = user_agent.get(..user_agent.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let index = Index::get();
    let scan = index.scan(text);
    let mut machine = Machine::default();
    let browser = families::read(index, List::Browsers, &scan.candidates, &mut machine, text);
    let os = families::read(index, List::Systems, &scan.candidates, &mut machine, text);
    let bot = robots.then(|| robots::read(index, &scan, &mut machine, text, &browser.name)).flatten();
    let class = if bot.is_some() { DeviceClass::Bot } else { class::class(text, scan.words, &os.name) };
    Reading { browser, os, class, bot }
}

/// Reads a `User-Agent` and corrects it by client hints.
#[must_use]
pub fn read_with<'a>(user_agent: &'a str, hints: &Hints<'_>) -> Reading<'a> {
    let mut reading = read(user_agent);
    hints.correct(&mut reading);
    reading
}

/// For tests and measurements of the edge: the readings of texts that come as lines of JSON. With `times` above 0 each is read so
/// often and only the number of robots is told.
#[cfg(feature = "fault-injection")]
pub(crate) fn sample(lines: &str, times: u32) -> String {
    let texts = lines.lines().filter_map(|line| serde_json::from_str::<String>(line).ok());
    if times == 0 {
        return texts.map(|text| read(&text).json().to_string() + "\n").collect();
    }
    let texts: Vec<String> = texts.collect();
    let repeated = (0..times).flat_map(|_| &texts);
    repeated
        .filter(|text| device(text, &Hints::default(), &settings::Bots::default()).is_some_and(|it| it.bot.is_some()))
        .count()
        .to_string()
}

/// The class of the device that these headers tell of; `None` without a user agent.
#[must_use]
pub fn class(headers: HeaderList<'_>, settings: &settings::Bots) -> Option<DeviceClass> {
    let user_agent = headers.get("user-agent")?;
    device(user_agent, &Hints::of(headers), settings).map(|device| device.class)
}

/// What is stored of a device. A robot that `settings` names as a person's is read as a device.
#[must_use]
pub fn device(user_agent: &str, hints: &Hints<'_>, settings: &settings::Bots) -> Option<Device> {
    let mut reading = read_with(user_agent, hints);
    let is_human = |bot: &Bot| settings.human.iter().any(|name| name.eq_ignore_ascii_case(bot.name.as_str()));
    if reading.bot.as_ref().is_some_and(is_human) {
        reading = read_as(user_agent, false);
        hints.correct(&mut reading);
    }
    let other = || Label::parse(OTHER).ok();
    let family = |family: &Family<'_>| robots::family_label(&family.name).or_else(other);
    Some(Device {
        class: reading.class,
        browser: Browser { family: family(&reading.browser)?, major: reading.browser.major() },
        os: System { family: family(&reading.os)?, major: reading.os.major() },
        bot: reading.bot,
    })
}

/// The name of a robot that tells itself by nothing but its network.
pub const DATA_CENTRE: &str = "data-centre";

/// A device of a data centre is a robot's, whatever it says of itself, unless `settings` names [`DATA_CENTRE`] as people's.
#[must_use]
pub fn in_data_centre(mut device: Device, settings: &settings::Bots) -> Device {
    match &mut device.bot {
        Some(bot) => bot.evidence.push(BotEvidence::DataCentre),
        None if settings.human.iter().any(|name| name.eq_ignore_ascii_case(DATA_CENTRE)) => {}
        None => {
            let evidence = vec![BotEvidence::DataCentre];
            device.bot = Label::parse(DATA_CENTRE).ok().map(|name| Bot { name, kind: BotKind::Suspected, evidence });
        }
    }
    device
}

#[cfg(test)]
#[path = "machine_test.rs"]
mod machine_test;
#[cfg(test)]
#[path = "oracle_test.rs"]
mod oracle_test;
