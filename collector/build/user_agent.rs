//! The lists of browsers, systems and robots → the file that `src/user_agent/index.rs` reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::code;
use crate::user_agent_code::{Classes, compile, parse};
use crate::user_agent_literals::{GRAM_BYTES, needed};
use crate::user_agent_robots::Robots;

#[derive(Deserialize)]
struct UapCore {
    user_agent_parsers: Vec<Agent>,
    os_parsers: Vec<System>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    regex: String,
    family_replacement: Option<String>,
    v1_replacement: Option<String>,
    v2_replacement: Option<String>,
    v3_replacement: Option<String>,
    v4_replacement: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct System {
    regex: String,
    os_replacement: Option<String>,
    os_v1_replacement: Option<String>,
    os_v2_replacement: Option<String>,
    os_v3_replacement: Option<String>,
    os_v4_replacement: Option<String>,
}

struct Pattern {
    regex: String,
    replacements: [Option<String>; 5],
}

/// The patterns of uap-core's list, in its order, and those of robots.
///
/// # Errors
/// What is wrong with which list.
pub fn generate(uap_core: &str, devices: &str, robots: &Robots) -> Result<Vec<u8>, String> {
    let list: UapCore = serde_saphyr::from_str(uap_core).map_err(|error| format!("regexes.yaml: {error}"))?;
    let agents = list.user_agent_parsers.into_iter().map(|agent| Pattern {
        regex: agent.regex,
        replacements: [
            agent.family_replacement,
            agent.v1_replacement,
            agent.v2_replacement,
            agent.v3_replacement,
            agent.v4_replacement,
        ],
    });
    let systems = list.os_parsers.into_iter().map(|system| Pattern {
        regex: system.regex,
        replacements: [
            system.os_replacement,
            system.os_v1_replacement,
            system.os_v2_replacement,
            system.os_v3_replacement,
            system.os_v4_replacement,
        ],
    });
    let robot = |(regex, _): &(String, u8)| Pattern { regex: regex.clone(), replacements: [const { None }; 5] };
    let lists = [
        agents.collect(),
        systems.collect(),
        robots.listed.iter().map(robot).collect(),
        robots.rules.iter().map(robot).collect(),
    ];
    let mut bytes = pack(&lists)?;
    bytes.extend(robots.listed.iter().chain(&robots.rules).map(|(_, kind)| *kind));
    texts(&robots.blank, &mut bytes)?;
    let words: BTreeMap<String, Vec<String>> =
        toml::from_str(devices).map_err(|error| format!("devices.toml: {error}"))?;
    let person = ("person".to_owned(), robots.person.clone());
    // By kind: what stands together packs better.
    let mut names: Vec<(u8, &String)> = robots.names.iter().map(|(name, kind)| (*kind, name)).collect();
    for (mark, words) in words.iter().chain([(&person.0, &person.1)]) {
        let number = code::WORDS.iter().position(|word| word == mark);
        let number = number.ok_or_else(|| format!("devices.toml: `{mark}` is no mark"))? as u8;
        names.extend(words.iter().map(|word| (code::WORD_FROM + number, word)));
    }
    names.sort();
    bytes.extend((names.len() as u16).to_le_bytes());
    bytes.extend(names.iter().map(|(kind, _)| *kind));
    names.iter().try_for_each(|(_, name)| text(name, &mut bytes))?;
    Ok(bytes)
}

fn texts(texts: &[String], bytes: &mut Vec<u8>) -> Result<(), String> {
    bytes.push(u8::try_from(texts.len()).map_err(|_| "rules.toml: more phrases than 255")?);
    texts.iter().try_for_each(|one| text(one, bytes))
}

fn text(text: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    bytes.push(u8::try_from(text.len()).map_err(|_| format!("{text:?} is too long"))?);
    bytes.extend(text.as_bytes());
    Ok(())
}

fn pack(lists: &[Vec<Pattern>]) -> Result<Vec<u8>, String> {
    let mut classes = Classes::default();
    let mut records = Vec::new();
    for pattern in lists.iter().flatten() {
        let told = |what: String| format!("pattern {:?}: {what}", pattern.regex);
        let hir = parse(&pattern.regex).map_err(told)?;
        let compiled = compile(&hir, &mut classes).map_err(told)?;
        let grams = needed(&hir).unwrap_or_default();
        record(pattern, &compiled, &grams, &mut records).map_err(told)?;
    }
    let mut bytes = classes.bytes();
    bytes.push(lists.len() as u8);
    lists.iter().for_each(|list| bytes.extend((list.len() as u16).to_le_bytes()));
    bytes.extend(records);
    Ok(bytes)
}

fn record(pattern: &Pattern, compiled: &[u8], grams: &BTreeSet<Vec<u8>>, bytes: &mut Vec<u8>) -> Result<(), String> {
    bytes.extend((compiled.len() as u16).to_le_bytes());
    bytes.extend(u16::try_from(grams.len()).map_err(|_| "too many literals")?.to_le_bytes());
    for gram in grams {
        let short = if gram.len() < GRAM_BYTES { code::GRAM_SHORT } else { 0 };
        let inside = compiled.windows(gram.len()).position(|window| window.eq_ignore_ascii_case(gram));
        match inside.and_then(|offset| u16::try_from(offset).ok()) {
            Some(offset) => bytes.extend((offset | short).to_le_bytes()),
            None => {
                bytes.extend((code::GRAM_WRITTEN | short).to_le_bytes());
                bytes.extend(gram);
            }
        }
    }
    let replacements = pattern.replacements.each_ref().map(|text| text.as_ref().filter(|text| !text.is_empty()));
    let mask = replacements.iter().enumerate().map(|(field, text)| u8::from(text.is_some()) << field);
    bytes.push(mask.sum());
    replacements.iter().flatten().try_for_each(|replacement| text(replacement, bytes))?;
    bytes.extend(compiled);
    Ok(())
}
