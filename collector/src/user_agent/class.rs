//! What kind of machine a text speaks of. Robots are known elsewhere.

use schemas::event::DeviceClass;

const TV: [&str; 50] = [
    "smart-tv",
    "smarttv",
    "smart tv",
    "smarthub",
    "google tv",
    "googletv",
    "android tv",
    "androidtv",
    "appletv",
    "apple tv",
    "tvos",
    "hbbtv",
    "web0s",
    "webos.tv",
    "netcast",
    "bravia",
    "roku",
    "; aft",
    "crkey",
    "philipstv",
    "nettv",
    "opera tv",
    "inettvbrowser",
    "viera",
    "mitv",
    "mibox",
    "shield android",
    "large screen",
    "kreatv",
    "vizio",
    " omi/",
    "wired)",
    "wireless)",
    " tv safari",
    "amazon;aft",
    "amazon aft",
    " tv build",
    " tv)",
    " tv;",
    "mxqpro",
    "hdtv",
    "olleh",
    "espial",
    "ce-html",
    "tizen/tv",
    "vidaa",
    "whaletv",
    "titanos",
    "freebox",
    "firetv",
];

const CONSOLE: [&str; 13] = [
    "playstation",
    " xbox",
    "(xbox",
    "nintendo",
    "wiiu",
    "psp (",
    "ps vita",
    "dreamcast",
    "ouya",
    "segasaturn",
    "archos gamepad",
    "retroid",
    "shield portable",
];

const TABLET: [&str; 21] = [
    "ipad",
    "tablet;",
    " tablet",
    "playbook",
    "kindle",
    "touchpad",
    "sm-t",
    "sm-x",
    "gt-p",
    "mediapad",
    "matepad",
    "xoom",
    "nexus 7",
    "nexus 9",
    "nexus 10",
    "pixel c ",
    "iconia",
    "ideatab",
    "galaxy tab",
    "gt-n80",
    "silk/",
];

const MOBILE: [&str; 38] = [
    "mobi",
    "iphone",
    "ipod",
    "windows phone",
    "windows ce",
    "iemobile",
    "blackberry",
    "bb10",
    "symb",
    "series60",
    "series40",
    "series 40",
    "midp",
    "j2me",
    "nokia",
    "sonyericsson",
    "kaios",
    "opera mini",
    "palm",
    "webos/",
    "hpwos",
    "up.browser",
    "up.link",
    "ucweb",
    "wap-browser",
    "wap browser",
    "meego",
    "maemo",
    "bada",
    "netfront",
    "docomo",
    "samsung-",
    "obigo",
    "brew",
    "fban/fbios",
    "phone",
    "lumia",
    "dv(iph",
];

const DESKTOP: [&str; 17] = [
    "windows",
    "macintosh",
    "mac os x",
    "macos",
    "mac_powerpc",
    "x11",
    "linux",
    "cros ",
    "bsd",
    "sunos",
    "win9",
    "winnt",
    "win32",
    "os/2",
    "amiga",
    "x86_64",
    "mac os/",
];

/// Macs, in texts of apps that say `Darwin` as iPhones' do.
const MACS: [&str; 5] = ["x86_64", "i386", "macbook", "imac", "power%20macintosh"];

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
pub(super) fn class(text: &str, system: &str) -> DeviceClass {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let android = text.contains("android");
    if has(&TV) || text.contains("tizen") && text.contains("tv") {
        return DeviceClass::Tv;
    }
    if has(&CONSOLE) {
        return DeviceClass::Console;
    }
    // `Tablet PC` is a word of desktops' Internet Explorer.
    if has(&TABLET) && !text.contains("tablet pc") || android && !text.contains("mobi") && is_browser(&text) {
        return DeviceClass::Tablet;
    }
    if has(&MOBILE) || android {
        return DeviceClass::Mobile;
    }
    if text.contains("darwin/") && has(&MACS) {
        return DeviceClass::Desktop;
    }
    if let Some((_, class)) = SYSTEMS.iter().find(|(name, _)| *name == system) {
        return *class;
    }
    if has(&DESKTOP) { DeviceClass::Desktop } else { DeviceClass::Other }
}

/// Apps do not say `Mobile`; browsers on phones do.
fn is_browser(text: &str) -> bool {
    ["applewebkit", "gecko", "opera", "firefox"].iter().any(|engine| text.contains(engine))
}
