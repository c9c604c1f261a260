//! The machine beside the `regex` crate: the same matches, the same groups; and its time.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use regex::{Regex, RegexBuilder};

use super::index::{Index, List};
use super::machine::Machine;

/// A pattern of uap-core's list as the `regex` crate writes what the list means: classes and borders of ASCII.
fn reference(pattern: &str) -> Regex {
    let mut ascii = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            ascii.push(character);
            continue;
        }
        match characters.next().unwrap() {
            'd' => ascii.push_str("[0-9]"),
            'w' => ascii.push_str("[0-9A-Za-z_]"),
            's' => ascii.push_str(r"[\t\n\v\f\r ]"),
            'S' => ascii.push_str(r"[^\t\n\v\f\r ]"),
            'b' => ascii.push_str(r"(?-u:\b)"),
            other => ascii.extend(['\\', other]),
        }
    }
    RegexBuilder::new(&ascii).size_limit(100 << 20).build().unwrap()
}

fn patterns() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Lists {
        user_agent_parsers: Vec<One>,
        os_parsers: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        regex: String,
    }
    let lists: Lists = serde_saphyr::from_str(include_str!("../../lists/uap-core/regexes.yaml")).unwrap();
    lists.user_agent_parsers.into_iter().chain(lists.os_parsers).map(|one| one.regex).collect()
}

/// Everything the machine says of a pattern and a text.
fn same(number: usize, pattern: &str, reference: &Regex, text: &str) -> Result<(), TestCaseError> {
    let index = Index::get();
    let found = Machine::default().find(index.pattern(number, &mut Vec::new()).unwrap(), text);
    let expected = reference.captures(text);
    prop_assert_eq!(found.is_some(), expected.is_some(), "{} on {:?}", pattern, text);
    if let (Some(found), Some(expected)) = (found, expected) {
        let whole = expected.get(0).unwrap();
        prop_assert_eq!((found.start, found.end), (whole.start(), whole.end()), "{} on {:?}", pattern, text);
        for group in 1..=5 {
            let wanted = expected.get(group).map(|group| group.as_str());
            prop_assert_eq!(found.get(text, group), wanted, "{} of {} on {:?}", group, pattern, text);
        }
        let candidates = index.scan(text).candidates;
        let lists = [List::Browsers, List::Systems];
        let candidate = lists.iter().any(|list| index.of_list(&candidates, *list).any(|other| other == number));
        prop_assert!(candidate, "{} is passed over on {:?}", pattern, text);
    }
    Ok(())
}

/// Pieces of a pattern that a text may hold, so that matches are near.
fn pieces(pattern: &str) -> Vec<String> {
    let plain = pattern.replace(r"\d", "7").replace(r"\.", ".").replace(r"\/", "/").replace(r"\(", "(");
    plain.split(['(', ')', '|', '?', '*', '+', '[', ']', '{', '}', '\\', '^', '$']).map(str::to_owned).collect()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_machine_matches_as_the_regex_crate_does() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let corpus: Vec<String> = super::oracle_test::corpus().into_iter().step_by(97).collect();
    let mut matches = 0;
    for (number, pattern) in patterns().iter().enumerate() {
        let reference = reference(pattern);
        for text in &corpus {
            same(number, pattern, &reference, text).unwrap();
        }
        let odd = [
            "7",
            "77.7",
            " ",
            "/",
            ";",
            "ä",
            "日本",
            "\n",
            "_",
            "-",
            "1.2.3.4",
            "x",
            "Mozilla/5.0 (",
            ")",
            "\u{1F600}",
        ];
        let piece = prop_oneof![
            3 => prop::sample::select(pieces(pattern)),
            2 => prop::sample::select(odd.map(str::to_owned).to_vec()),
        ];
        let texts = prop::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat());
        for _ in 0..60 {
            let text = texts.new_tree(&mut runner).unwrap().current();
            matches += usize::from(reference.is_match(&text));
            same(number, pattern, &reference, &text).unwrap();
        }
    }
    assert!(matches > 3_000, "only {matches} of the made texts match: they test little");
}

/// What is long, repeats what patterns hope for, or is no text of a browser at all.
fn hostile() -> Vec<String> {
    let repeated = |piece: &str| piece.repeat(65_536 / piece.len() + 1);
    let mut texts: Vec<String> = [
        "a",
        " ",
        "\n",
        "7",
        "7.",
        "((((",
        "ä",
        "日",
        "\u{1F600}",
        "\u{0}",
        "Mozilla/5.0 ",
        "Android ",
        "HbbTV/1.1.1 (;",
        "Chrome/1.1 Mobile ",
        "CFNetwork/1 Darwin/1",
        "; wv) Version/4.0 ",
        "bot ",
        "crawl spider ",
        "a;",
        "Opera/9.80 (",
        "iPhone OS 1_",
        "Windows NT ",
        "Linux; Android 1.1; ",
        "AppleWebKit/1 (KHTML, like Gecko) ",
    ]
    .map(repeated)
    .to_vec();
    texts.extend(patterns().iter().map(|pattern| repeated(&(pieces(pattern).concat() + " "))));
    texts
}

#[test]
#[cfg_attr(debug_assertions, ignore = "runs optimised, in scripts/test.sh")]
fn user_agents_that_are_hostile_take_bounded_time() {
    const READ_MS_MAX: u128 = 10;
    let _ = super::read("warm");
    for text in hostile() {
        let best = (0..3)
            .map(|_| {
                let began = Instant::now();
                let _ = super::read(&text);
                began.elapsed()
            })
            .min()
            .unwrap_or(Duration::MAX);
        assert!(best.as_millis() < READ_MS_MAX, "{best:?} for {:?}…", &text.chars().take(60).collect::<String>());
    }
}

proptest! {
    #[test]
    fn any_text_can_be_read(text in "\\PC*", cut in 0usize..200) {
        let reading = super::read(&text);
        prop_assert!(!reading.browser.name.is_empty() || reading.browser.version.iter().any(Option::is_some));
        let padded = format!("{}{text}", "x".repeat(900 + cut));
        let _ = super::read(&padded);
    }
}
