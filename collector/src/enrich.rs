//! What a request's headers say about a device, coarse: class, browser family and major version, system family, bot.

use schemas::Label;
use schemas::event::{Browser, Device, DeviceClass};

/// Longest User-Agent that is looked at.
const USER_AGENT_CHARS_MAX: usize = 512;

/// Browsers by the token that carries their version; the first that is there wins, so a browser stands before the one
/// whose token it borrows.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung-Internet"),
    ("YaBrowser/", "Yandex-Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("Trident/", "IE"),
];

const SYSTEMS: [(&str, &str); 9] = [
    ("Windows", "Windows"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Tizen", "Tizen"),
    ("Web0S", "webOS"),
    ("Linux", "Linux"),
];

const BOTS: [&str; 16] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "curl/",
    "wget/",
    "python",
    "java/",
    "go-http-client",
    "headless",
    "lighthouse",
    "facebookexternalhit",
    "gptbot",
    "claude",
    "perplexity",
    "monitor",
];

/// Reads a `User-Agent`. The string itself is not kept.
#[must_use]
pub fn device(user_agent: &str) -> Option<Device> {
    let user_agent: String = user_agent.chars().take(USER_AGENT_CHARS_MAX).collect();
    let has = |token: &str| user_agent.contains(token);
    let lower = user_agent.to_ascii_lowercase();
    let (family, major) = BROWSERS
        .iter()
        .find(|(token, _)| has(token))
        .map_or(("Other", None), |(token, family)| (*family, major_after(&user_agent, token)));
    let os = SYSTEMS.iter().find(|(token, _)| has(token)).map_or("Other", |(_, family)| *family);
    let class = if lower.is_empty() || BOTS.iter().any(|token| lower.contains(token)) {
        DeviceClass::Bot
    } else if lower.contains("smart-tv")
        || lower.contains("smarttv")
        || has("Web0S")
        || lower.contains("appletv")
        || has("BRAVIA")
    {
        DeviceClass::Tv
    } else if has("PlayStation") || has("Xbox") || has("Nintendo") {
        DeviceClass::Console
    } else if has("iPad") || has("Android") && !has("Mobile") || lower.contains("tablet") {
        DeviceClass::Tablet
    } else if has("Mobile") || has("iPhone") {
        DeviceClass::Mobile
    } else if os == "Other" {
        DeviceClass::Other
    } else {
        DeviceClass::Desktop
    };
    Some(Device { class, browser: Browser { family: Label::parse(family).ok()?, major }, os: Label::parse(os).ok()? })
}

fn major_after(user_agent: &str, token: &str) -> Option<u16> {
    let (_, version) = user_agent.split_once(token)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_told_apart() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
                "Edge",
                Some(141),
                "Windows",
                DeviceClass::Desktop,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari",
                Some(18),
                "iOS",
                DeviceClass::Mobile,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox",
                Some(144),
                "Linux",
                DeviceClass::Desktop,
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36",
                "Samsung-Internet",
                Some(28),
                "Android",
                DeviceClass::Tablet,
            ),
            ("curl/8.5.0", "Other", None, "Other", DeviceClass::Bot),
            ("", "Other", None, "Other", DeviceClass::Bot),
        ];
        for (user_agent, family, major, os, class) in cases {
            let device = device(user_agent).unwrap();
            assert_eq!(
                (device.browser.family.as_str(), device.browser.major, device.os.as_str(), device.class),
                (family, major, os, class)
            );
        }
    }
}
