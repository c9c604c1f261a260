//! Client hints that browsers send without being asked: brands, form and platform. They tell more than the text, which
//! browsers freeze: Chromium's relatives all say Chrome there, and a phone's browser may ask for a desktop's page.

use std::borrow::Cow;

use schemas::event::{BotEvidence, BotKind, DeviceClass};

use super::Reading;
use super::families::{Family, OTHER};
use super::robots;
use crate::proxy::HeaderList;

/// The hints of one request, as headers carry them. What is not there is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// `Sec-CH-UA`, a list of brands with their versions.
    pub brands: Option<&'a str>,
    /// `Sec-CH-UA-Mobile`, `?0` or `?1`.
    pub mobile: Option<&'a str>,
    /// `Sec-CH-UA-Platform`, a string.
    pub platform: Option<&'a str>,
}

/// Longest header that is read, bytes.
const HINT_BYTES_MAX: usize = 512;

/// Brands by what they are called in hints; the engine that all share stands last.
const BRANDS: [(&str, &str, &str); 13] = [
    ("Microsoft Edge WebView2", "Edge", "Edge"),
    ("Microsoft Edge", "Edge", "Edge Mobile"),
    ("Opera GX", "Opera", "Opera Mobile"),
    ("Opera", "Opera", "Opera Mobile"),
    ("OperaMobile", "Opera", "Opera Mobile"),
    ("Brave", "Brave", "Brave"),
    ("Vivaldi", "Vivaldi", "Vivaldi"),
    ("YaBrowser", "Yandex Browser", "Yandex Browser"),
    ("Yandex", "Yandex Browser", "Yandex Browser"),
    ("Samsung Internet", "Samsung Internet", "Samsung Internet"),
    ("DuckDuckGo", "DuckDuckGo", "DuckDuckGo Mobile"),
    ("Whale", "Whale", "Whale"),
    ("Avast Secure Browser", "Avast", "Avast"),
];

/// Families of a text that may be another's, because all of Chromium's relatives call themselves so.
const SHARED: [&str; 4] = ["Chrome", "Chrome Mobile", "Chrome Mobile WebView", OTHER];

/// Platforms and uap-core's names of them.
const PLATFORMS: [(&str, &str); 9] = [
    ("Windows", "Windows"),
    ("macOS", "Mac OS X"),
    ("Android", "Android"),
    ("iOS", "iOS"),
    ("Chrome OS", "Chrome OS"),
    ("Chromium OS", "Chrome OS"),
    ("ChromeOS", "Chrome OS"),
    ("Linux", "Linux"),
    ("Fuchsia", "Fuchsia"),
];

impl<'a> Hints<'a> {
    /// The hints among a request's headers.
    #[must_use]
    pub fn of(headers: HeaderList<'a>) -> Self {
        let hint = |name| headers.get(name).filter(|value| value.len() <= HINT_BYTES_MAX);
        Self { brands: hint("sec-ch-ua"), mobile: hint("sec-ch-ua-mobile"), platform: hint("sec-ch-ua-platform") }
    }

    /// Corrects what the text says. A robot stays one.
    pub(super) fn correct(&self, reading: &mut Reading<'_>) {
        let mobile = match self.mobile.map(str::trim) {
            Some("?1") => Some(true),
            Some("?0") => Some(false),
            _ => None,
        };
        let brands = self.brands.map(brands).unwrap_or_default();
        if reading.bot.is_none() && brands.iter().any(|(name, _)| name.contains("Headless")) {
            reading.bot = robots::bot(BotKind::BrowserAutomation, None, BotEvidence::Headless);
            reading.class = DeviceClass::Bot;
        }
        if reading.bot.is_some() {
            return;
        }
        let known = |(name, version): &(String, String)| {
            let (_, desktop, phone) = BRANDS.iter().find(|(brand, ..)| brand == name)?;
            Some((if mobile == Some(true) { *phone } else { *desktop }, version.clone()))
        };
        if let Some((family, version)) =
            brands.iter().find_map(known).filter(|_| SHARED.contains(&&*reading.browser.name))
        {
            reading.browser =
                Family { name: Cow::Borrowed(family), version: [Some(Cow::Owned(version)), None, None, None] };
        }
        self.correct_machine(mobile, reading);
    }

    fn correct_machine(&self, mobile: Option<bool>, reading: &mut Reading<'_>) {
        let platform = self.platform.and_then(|text| string(text.trim())).map(|(platform, _)| platform);
        let system = platform.and_then(|platform| PLATFORMS.iter().find(|(name, _)| *name == platform));
        if let Some((_, system)) = system {
            // Distributions, and the names that Windows once had, are finer than the platform.
            let finer = match *system {
                "Linux" => !["Windows", "Mac OS X", "Android", "iOS", "Chrome OS", OTHER].contains(&&*reading.os.name),
                "Windows" => reading.os.name.starts_with("Windows"),
                system => reading.os.name == system,
            };
            if !finer {
                reading.os = Family { name: Cow::Borrowed(system), version: [const { None }; 4] };
                reading.class = match *system {
                    "Android" | "iOS" => DeviceClass::Tablet,
                    _ => DeviceClass::Desktop,
                };
            }
        }
        reading.class = match (mobile, reading.class) {
            (Some(true), DeviceClass::Desktop | DeviceClass::Tablet | DeviceClass::Other) => DeviceClass::Mobile,
            (Some(false), DeviceClass::Mobile) if reading.os.name == "Android" => DeviceClass::Tablet,
            (Some(false), DeviceClass::Mobile) => DeviceClass::Desktop,
            (_, class) => class,
        };
    }
}

/// Brands and their major versions: a list of strings with the parameter `v` (RFC 9651 §3.1). What is made up to keep readers
/// honest (GREASE) is not told apart here: no one knows its name. Reading ends where the list is malformed.
fn brands(text: &str) -> Vec<(String, String)> {
    const BRANDS_MAX: usize = 16;
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let (Some((name, after)), true) = (string(rest), found.len() < BRANDS_MAX) {
        rest = after.trim_start();
        let mut version = String::new();
        while let Some(parameter) = rest.strip_prefix(';') {
            let parameter = parameter.trim_start();
            let Some((key, value)) = parameter.split_once('=') else { return found };
            let Some((value, after)) = string(value) else { return found };
            if key == "v" {
                version = value.split('.').next().unwrap_or_default().to_owned();
            }
            rest = after.trim_start();
        }
        if !version.is_empty() && version.len() <= 5 && version.bytes().all(|b| b.is_ascii_digit()) {
            found.push((name, version));
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => break,
        }
    }
    found
}

/// A string in quotes at the start of `text` (RFC 9651 §3.3.3), and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 2..)?)),
            '\\' => value.push(characters.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
            ' '..='~' => value.push(character),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_agent::read_with;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
    const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36";
    const DESKTOP_PAGE: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

    #[test]
    fn brands_are_a_list_of_strings_with_versions() {
        let list = r#""Chromium";v="141", "Not?A_Brand";v="8" , "Microsoft Edge"; v="141.0""#;
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(brands(list), [pair("Chromium", "141"), pair("Not?A_Brand", "8"), pair("Microsoft Edge", "141")]);
        assert_eq!(brands(r#""a \"b\\";x="1";v="2""#), [pair(r#"a "b\"#, "2")]);
        for malformed in ["", "\"", "\"a", "\"a\";v", "\"a\";v=1", ",", "Edge;v=1", "\"a\\n\";v=\"1\"", "\"ä\";v=\"1\""]
        {
            assert_eq!(brands(malformed), [], "{malformed}");
        }
    }

    #[test]
    fn hints_correct_the_text() {
        let hints = |brands, mobile, platform| Hints { brands, mobile, platform };
        let edge = Some(r#""Microsoft Edge";v="142", "Chromium";v="142", "Not_A Brand";v="24""#);
        let chrome = Some(r#""Google Chrome";v="141", "Chromium";v="141", "Not_A Brand";v="24""#);
        let rows = [
            (CHROME, hints(None, None, None), "Chrome 141 Windows desktop"),
            (CHROME, hints(chrome, Some("?0"), Some("\"Windows\"")), "Chrome 141 Windows desktop"),
            (CHROME, hints(edge, Some("?0"), Some("\"Windows\"")), "Edge 142 Windows desktop"),
            (CHROME, hints(Some("\"Brave\";v=\"141\""), Some("?0"), Some("\"Linux\"")), "Brave 141 Linux desktop"),
            (PHONE, hints(edge, Some("?1"), Some("\"Android\"")), "Edge Mobile 142 Android mobile"),
            (PHONE, hints(chrome, Some("?0"), Some("\"Android\"")), "Chrome Mobile 141 Android tablet"),
            (DESKTOP_PAGE, hints(chrome, Some("?1"), Some("\"Android\"")), "Chrome 141 Android mobile"),
            (DESKTOP_PAGE, hints(chrome, Some("?0"), Some("\"Android\"")), "Chrome 141 Android tablet"),
            (DESKTOP_PAGE, hints(chrome, Some("?0"), Some("\"Chrome OS\"")), "Chrome 141 Chrome OS desktop"),
            (CHROME, hints(Some("garbage"), Some("?2"), Some("Windows")), "Chrome 141 Windows desktop"),
        ];
        for (text, hints, expected) in rows {
            let reading = read_with(text, &hints);
            let class = serde_json::to_value(reading.class).unwrap();
            let major = reading.browser.major().unwrap();
            let told = format!("{} {major} {} {}", reading.browser.name, reading.os.name, class.as_str().unwrap());
            assert_eq!(told, expected, "{hints:?}");
            assert_eq!(reading.bot, None);
        }
    }

    #[test]
    fn hints_make_no_person_of_a_robot_and_a_robot_of_a_headless_brand() {
        let robot = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
        let hints =
            Hints { brands: Some("\"Google Chrome\";v=\"141\""), mobile: Some("?1"), platform: Some("\"Android\"") };
        let reading = read_with(robot, &hints);
        assert_eq!((reading.class, reading.bot.unwrap().name.as_str()), (DeviceClass::Bot, "GPTBot"));
        let hints = Hints { brands: Some("\"HeadlessChrome\";v=\"141\""), ..Hints::default() };
        assert_eq!(read_with(CHROME, &hints).bot.unwrap().evidence, [BotEvidence::Headless]);
    }
}
