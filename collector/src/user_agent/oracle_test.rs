//! uap-core's own cases, and its other readers.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::*;

fn cargo(arguments: &[&str]) -> String {
    let told = std::process::Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(told.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

/// The list's cases come with the crate of its official reader. This platform's packages alone are asked for: no others need be
/// there, and nothing is downloaded.
static UAP_CORE: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told =
        cargo(&["metadata", "--format-version=1", "--offline", "--filter-platform", host, "--manifest-path", manifest]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "ua-parser").unwrap();
    PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("uap-core")
});

#[derive(Deserialize)]
struct Cases {
    test_cases: Vec<Case>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Case {
    user_agent_string: String,
    family: String,
    major: Option<String>,
    minor: Option<String>,
    patch: Option<String>,
    #[serde(default, deserialize_with = "something")]
    patch_minor: Option<String>,
}

/// Some cases write nothing as an empty text.
fn something<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

fn cases(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(UAP_CORE.join(file)).unwrap();
    serde_saphyr::from_str::<Cases>(&text).unwrap().test_cases
}

const BROWSERS: [(&str, usize); 5] = [
    ("tests/test_ua.yaml", 1_460),
    ("test_resources/firefox_user_agent_strings.yaml", 244),
    ("test_resources/pgts_browser_list.yaml", 12_500),
    ("test_resources/opera_mini_user_agent_strings.yaml", 203),
    ("test_resources/podcasting_user_agent_strings.yaml", 144),
];

const SYSTEMS: [(&str, usize); 2] = [("tests/test_os.yaml", 468), ("test_resources/additional_os_tests.yaml", 23)];

fn case(user_agent: &str, family: &Family<'_>) -> Case {
    let [major, minor, patch, patch_minor] = family.version.clone().map(|part| part.map(String::from));
    Case { user_agent_string: user_agent.to_owned(), family: family.name.to_string(), major, minor, patch, patch_minor }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_of_uap_core() {
    assert_eq!(
        std::fs::read_to_string(UAP_CORE.join("regexes.yaml")).unwrap(),
        include_str!("../../lists/uap-core/regexes.yaml")
    );
    let mut wrong = Vec::new();
    for (file, count) in BROWSERS {
        let cases = cases(file);
        assert_eq!(cases.len(), count, "{file}");
        for expected in cases {
            let told = case(&expected.user_agent_string, &read(&expected.user_agent_string).browser);
            wrong.extend((told != expected).then_some((file, told, expected)));
        }
    }
    for (file, count) in SYSTEMS {
        let cases = cases(file);
        assert_eq!(cases.len(), count, "{file}");
        for expected in cases {
            let told = case(&expected.user_agent_string, &read(&expected.user_agent_string).os);
            wrong.extend((told != expected).then_some((file, told, expected)));
        }
    }
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

/// Every text of uap-core's cases.
pub(super) fn corpus() -> Vec<String> {
    let files = BROWSERS.iter().chain(&SYSTEMS);
    files.flat_map(|(file, _)| cases(file)).map(|case| case.user_agent_string).collect()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_are_read_as_by_the_official_reader() {
    let text = std::fs::read_to_string(UAP_CORE.join("regexes.yaml")).unwrap();
    #[derive(Deserialize)]
    struct Lists {
        user_agent_parsers: Vec<std::collections::BTreeMap<String, String>>,
        os_parsers: Vec<std::collections::BTreeMap<String, String>>,
    }
    let lists: Lists = serde_saphyr::from_str(&text).unwrap();
    let field = |one: &std::collections::BTreeMap<String, String>, name: &str| {
        one.get(name).cloned().map(std::borrow::Cow::Owned)
    };
    let browsers = lists.user_agent_parsers.iter().fold(ua_parser::user_agent::Builder::new(), |builder, one| {
        let parser = ua_parser::user_agent::Parser {
            regex: one["regex"].clone().into(),
            family_replacement: field(one, "family_replacement"),
            v1_replacement: field(one, "v1_replacement"),
            v2_replacement: field(one, "v2_replacement"),
            v3_replacement: field(one, "v3_replacement"),
            v4_replacement: field(one, "v4_replacement"),
        };
        builder.push(parser).unwrap()
    });
    let systems = lists.os_parsers.iter().fold(ua_parser::os::Builder::new(), |builder, one| {
        let parser = ua_parser::os::Parser {
            regex: one["regex"].clone().into(),
            os_replacement: field(one, "os_replacement"),
            os_v1_replacement: field(one, "os_v1_replacement"),
            os_v2_replacement: field(one, "os_v2_replacement"),
            os_v3_replacement: field(one, "os_v3_replacement"),
            os_v4_replacement: field(one, "os_v4_replacement"),
        };
        builder.push(parser).unwrap()
    });
    let (browsers, systems) = (browsers.build().unwrap(), systems.build().unwrap());
    // It takes long bounded repetitions for unbounded, which none of the list's own cases shows.
    for text in corpus() {
        let told = read(&text);
        let browser = browsers
            .extract(&text)
            .unwrap_or(ua_parser::user_agent::ValueRef { family: OTHER.into(), ..Default::default() });
        let version = [browser.major, browser.minor, browser.patch, browser.patch_minor];
        assert_eq!(told.browser.name, browser.family, "{text}");
        assert_eq!(told.browser.version.each_ref().map(Option::as_deref), version, "{text}");
        let os = systems.extract(&text).unwrap_or(ua_parser::os::ValueRef { os: OTHER.into(), ..Default::default() });
        let version = [&os.major, &os.minor, &os.patch, &os.patch_minor].map(|part| part.as_deref());
        assert_eq!(told.os.name, os.os, "{text}");
        assert_eq!(told.os.version.each_ref().map(Option::as_deref), version, "{text}");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_are_read_as_by_uaparser() {
    use uaparser::Parser as _;
    let text = std::fs::read(UAP_CORE.join("regexes.yaml")).unwrap();
    let oracle = uaparser::UserAgentParser::from_bytes(&text).unwrap();
    // It matches every pattern one by one: a part of the cases is what time allows.
    for text in corpus().into_iter().step_by(23).chain(robots().into_iter().step_by(7)) {
        let (told, browser, os) = (read(&text), oracle.parse_user_agent(&text), oracle.parse_os(&text));
        let version = [browser.major, browser.minor, browser.patch];
        assert_eq!(
            (told.browser.name.as_ref(), &told.browser.version.each_ref().map(Option::as_deref)[..3]),
            (browser.family.as_ref(), &version.each_ref().map(Option::as_deref)[..]),
            "{text}"
        );
        let version = [os.major, os.minor, os.patch, os.patch_minor];
        assert_eq!(
            (told.os.name.as_ref(), told.os.version.each_ref().map(Option::as_deref)),
            (os.family.as_ref(), version.each_ref().map(Option::as_deref)),
            "{text}"
        );
    }
}

const CRAWLERS: &str = include_str!("../../lists/crawlers/crawler-user-agents.json");

/// The examples of the list of crawlers.
fn robots() -> Vec<String> {
    let robots: Vec<Value> = serde_json::from_str(CRAWLERS).unwrap();
    let examples = robots.iter().flat_map(|robot| robot["instances"].as_array().into_iter().flatten());
    examples.map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_of_robots_are_known() {
    let texts = robots();
    let missed: Vec<&String> = texts.iter().filter(|text| read(text).bot.is_none()).collect();
    assert!(texts.len() > 2_100 && missed.len() * 200 <= texts.len(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn robots_have_their_names_and_kinds() {
    let rows = [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot search_engine"),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "GPTBot ai_crawler",
        ),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
            "ChatGPT-User ai_assistant",
        ),
        ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot ai_crawler"),
        ("Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@anthropic.com)", "Claude-User ai_assistant"),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0; +https://perplexity.ai/perplexity-user)",
            "Perplexity-User ai_assistant",
        ),
        ("Mozilla/5.0 (compatible; ExampleNewBot/1.0)", "ExampleNewBot other"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
            "HeadlessChrome browser_automation",
        ),
        ("curl/8.5.0", "curl http_library"),
        ("python-requests/2.32.3", "python-requests http_library"),
        ("Go-http-client/1.1", "Go-http-client http_library"),
        ("axios/1.7.2", "axios http_library"),
        ("", "other other"),
        ("   ", "other other"),
        // An address of a person is no name.
        ("bot alice@example.com", "bot other"),
        ("spider/203.0.113.7", "spider other"),
    ];
    for (text, expected) in rows {
        let bot = read(text).bot.unwrap();
        assert_eq!(format!("{} {}", bot.name, bot.kind.as_str()), expected, "{text}");
    }
}

#[test]
fn people_are_no_robots() {
    for text in [
        "Mozilla/5.0 (Linux; Android 6.0; CUBOT MAX Build/MRA58K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.81 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 4.2.2; it-it; S222 Build/CUBOT) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.1.0; XBot_Senior Build/O11019) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/65.0.3325.109 Mobile Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F79 Instagram 334.0.4.32.98",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 [FBAN/FBIOS;FBAV/489.0.0.68.109;FBBV/663365083;FBDV/iPhone15,2]",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
        "Viber/12.8.0.1 CFNetwork/1121.2.2 Darwin/19.3.0",
    ] {
        assert_eq!(read(text).bot, None, "{text}");
    }
}

#[test]
fn classes_of_devices() {
    use DeviceClass::{Bot, Console, Desktop, Mobile, Other, Tablet, Tv};
    for (text, class) in [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
            Desktop,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            Mobile,
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            Tablet,
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36",
            Tablet,
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
            Tv,
        ),
        (
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
            Tv,
        ),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
            Console,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0 Safari/537.36 Edge/16.0",
            Console,
        ),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", Bot),
        ("atc/1.0 watchOS/5.2 model/Watch4,4 hwp/t8006 build/16T225 (6; dt:193)", Other),
    ] {
        assert_eq!(read(text).class, class, "{text}");
    }
}

#[test]
fn what_is_stored_holds_nothing_of_the_text_and_can_be_reversed() {
    let text = "okhttp/4.12.0";
    let stored = device(text, &Hints::default(), &settings::Bots::default()).unwrap();
    assert_eq!((stored.class, stored.bot.unwrap().name.as_str()), (DeviceClass::Bot, "okhttp"));
    let human = settings::Bots { human: vec!["OkHttp".to_owned()] };
    let stored = device(text, &Hints::default(), &human).unwrap();
    assert_eq!((stored.class, stored.bot), (DeviceClass::Other, None));
    let text = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15 alice@example.com";
    let json = serde_json::to_string(&device(text, &Hints::default(), &settings::Bots::default())).unwrap();
    assert!(json.contains(r#""os":{"family":"Mac-OS-X","major":10}"#) && !json.contains("alice"), "{json}");
}
