//! What kind of machine a text speaks of. Robots are known elsewhere.

use schemas::event::DeviceClass;

use super::index::Words;

/// Macs, in texts of apps that say `Darwin` as iPhones' do.
const MACS: [&str; 5] = ["x86_64", "i386", "MacBook", "iMac", "Power%20Macintosh"];

/// Systems that say it where the words don't, by uap-core's names.
const SYSTEMS: [(&str, DeviceClass); 8] = [
    ("tvOS", DeviceClass::Tv),
    ("ATV OS X", DeviceClass::Tv),
    ("iOS", DeviceClass::Mobile),
    ("WatchOS", DeviceClass::Other),
    ("Windows", DeviceClass::Desktop),
    ("Mac OS X", DeviceClass::Desktop),
    ("Chrome OS", DeviceClass::Desktop),
    ("Ubuntu", DeviceClass::Desktop),
];

/// The class of a person's device. `system` is uap-core's family.
pub(super) fn class(text: &str, words: Words, system: &str) -> DeviceClass {
    if words.has("tv") || text.contains("Tizen") && text.contains("TV") {
        return DeviceClass::Tv;
    }
    if words.has("console") {
        return DeviceClass::Console;
    }
    let android = text.contains("Android") || text.contains("android");
    let phone = text.contains("Mobi") || text.contains("mobi");
    // `Tablet PC` is a word of desktops' Internet Explorer.
    if words.has("tablet") && !text.contains("Tablet PC") || android && !phone && words.has("browser") {
        return DeviceClass::Tablet;
    }
    if words.has("mobile") || android {
        return DeviceClass::Mobile;
    }
    if text.contains("Darwin/") && MACS.iter().any(|mac| text.contains(mac)) {
        return DeviceClass::Desktop;
    }
    match SYSTEMS.iter().find(|(name, _)| *name == system) {
        Some((_, class)) => *class,
        None if words.has("desktop") => DeviceClass::Desktop,
        None => DeviceClass::Other,
    }
}
