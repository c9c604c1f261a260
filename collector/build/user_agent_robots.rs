//! The lists of robots: `lists/crawlers/crawler-user-agents.json` and `lists/crawlers/rules.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::code;

/// Patterns of the list that people's browsers match, or that are an app which people use: a place in an app's own window, a
/// messenger, an editor, a device's name.
const NOT_ROBOTS: [&str; 16] = [
    r"AP3A\.240617\.008",
    "Butterfly",
    r"Code\/1\.",
    "Expanse",
    "Fever",
    "Fluid",
    "MetaIAB Facebook",
    r"Miniature\.io\/",
    "Sogou",
    "Sonic",
    "TSM-turingos",
    r"Trae\/",
    "Viber",
    "WhatsApp",
    "YLT Chrome",
    r"008\/",
];

/// The number of the last kind whose robots are all known by name. Of the others, those that call themselves robots are left to the
/// rules, which tell their names too: the Worker's size has a budget.
const KNOWN_KINDS_MAX: u8 = 3;

/// Does the name hold a word of its kind, by which the rules tell it?
fn says_kind(name: &str, kind: u8) -> bool {
    let name = name.to_ascii_lowercase();
    let words: &[&str] = match code::KINDS.get(usize::from(kind)) {
        Some(&"monitoring") => &["uptime", "synthetic", "checker", "pingdom", "lighthouse"],
        Some(&"scanner") => &["scan", "inspect", "detect"],
        Some(&"feed_reader") => &["feed"],
        Some(&"archiver") => &["archive"],
        _ => &[],
    };
    words.iter().any(|word| name.contains(word))
}

fn calls_itself_robot(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let bot = name.rfind("bot").and_then(|at| name.get(at + 3..));
    ["crawl", "spider"].iter().any(|word| name.contains(word))
        || bot.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// A robot of the list.
#[derive(Deserialize)]
struct Listed {
    pattern: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    blank: Vec<String>,
    person: Vec<String>,
    name: Vec<Names>,
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    kind: String,
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    kind: String,
    #[serde(default)]
    named: bool,
    #[serde(default)]
    unless_person: bool,
    patterns: Vec<String>,
}

/// What is known of robots.
pub struct Robots {
    /// Names as they stand in texts, with their kinds.
    pub names: BTreeMap<String, u8>,
    /// Patterns of the list that are no plain names.
    pub listed: Vec<(String, u8)>,
    /// Patterns of texts in lower case.
    pub rules: Vec<(String, u8)>,
    /// Phrases to blank.
    pub blank: Vec<String>,
    /// Words of people's texts.
    pub person: Vec<String>,
}

/// Reads both lists.
///
/// # Errors
/// What is wrong with which.
pub fn read(list: &str, rules: &str) -> Result<Robots, String> {
    let list: Vec<Listed> = serde_json::from_str(list).map_err(|error| format!("crawler-user-agents.json: {error}"))?;
    let rules: Rules = toml::from_str(rules).map_err(|error| format!("rules.toml: {error}"))?;
    let missing = NOT_ROBOTS.iter().find(|left_out| list.iter().all(|robot| robot.pattern != **left_out));
    if let Some(missing) = missing {
        return Err(format!("crawler-user-agents.json has no pattern {missing}: it need not be left out"));
    }
    let mut robots = Robots {
        names: BTreeMap::new(),
        listed: Vec::new(),
        rules: Vec::new(),
        blank: rules.blank,
        person: rules.person,
    };
    for robot in list.into_iter().filter(|robot| !NOT_ROBOTS.contains(&robot.pattern.as_str())) {
        let kind = robot.tags.iter().map(|tag| kind_of(&tag.replace('-', "_"))).collect::<Result<Vec<_>, _>>()?;
        let kind = kind.into_iter().min().unwrap_or(code::KINDS.len() as u8 - 1);
        match plain(&robot.pattern) {
            Some(name) if kind > KNOWN_KINDS_MAX && (calls_itself_robot(&name) || says_kind(&name, kind)) => {}
            Some(name) => _ = robots.names.insert(name, kind),
            None => robots.listed.push((robot.pattern, kind | code::NAMED)),
        }
    }
    for names in rules.name {
        let kind = kind_of(&names.kind)?;
        robots.names.extend(names.names.into_iter().map(|name| (name, kind)));
    }
    for rule in rules.rule {
        let kind = kind_of(&rule.kind)?
            | if rule.named { code::NAMED } else { 0 }
            | if rule.unless_person { code::UNLESS_PERSON } else { 0 };
        robots.rules.extend(rule.patterns.into_iter().map(|pattern| (pattern, kind)));
    }
    Ok(robots)
}

fn kind_of(name: &str) -> Result<u8, String> {
    let kind = code::KINDS.iter().position(|kind| *kind == name);
    kind.map(|kind| kind as u8).ok_or_else(|| format!("`{name}` is no kind of robots"))
}

/// The text that a pattern stands for, where it is one.
fn plain(pattern: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.push(characters.next().filter(char::is_ascii_punctuation)?),
            '.' | '^' | '$' | '[' | ']' | '(' | ')' | '|' | '?' | '*' | '+' | '{' | '}' => return None,
            character => name.push(character),
        }
    }
    (name.len() > 2).then_some(name)
}
