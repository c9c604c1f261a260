//! Is it a robot, and which? First by the names of the list, then by words and shapes.

use schemas::Label;
use schemas::event::{Bot, BotEvidence, BotKind};

use super::code;
use super::families::OTHER;
use super::index::{Index, List, Scan};
use super::machine::Machine;

/// Longest name that is taken from a text.
const NAME_BYTES_MAX: usize = 40;

/// What a text's words say. `family` is the browser that uap-core's list tells.
pub(super) fn read(index: &Index, scan: &Scan, machine: &mut Machine, text: &str, family: &str) -> Option<Bot> {
    if text.trim().is_empty() {
        return bot(BotKind::Other, None, BotEvidence::Shape);
    }
    if let Some((name, kind)) = scan.robot {
        let name = family_label(name.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
        return bot(kind_of(kind), name, evidence(kind));
    }
    let mut code = Vec::new();
    let listed = index.of_list(&scan.candidates, List::Listed).find_map(|number| {
        let found = machine.find(index.pattern(number, &mut code)?, text)?;
        Some((index.kind(number), found))
    });
    if let Some((kind, found)) = listed {
        return bot(kind_of(kind), token(text, found.start, found.end), evidence(kind));
    }
    let original = text;
    let text = text.to_ascii_lowercase();
    let mut blanked = None;
    let found = index.of_list(&scan.candidates, List::Rules).find_map(|number| {
        let (pattern, kind) = (index.pattern(number, &mut code)?, index.kind(number));
        // Most rules that may match don't; the blanks are made for those that do.
        machine.find(pattern, &text)?;
        let blanked = blanked.get_or_insert_with(|| blank(index, &text));
        let found = machine.find(pattern, blanked)?;
        let of_person = kind & code::UNLESS_PERSON != 0 && scan.words.has("person");
        (!of_person).then_some((kind, found))
    });
    let (kind, found) = found?;
    let name = match kind & code::NAMED {
        0 if kind_of(kind) == BotKind::HttpLibrary => {
            Some(family).filter(|family| *family != OTHER).and_then(family_label)
        }
        0 => None,
        _ => token(original, found.start, found.end),
    };
    let says = if name.is_some() { evidence(kind) } else { BotEvidence::Shape };
    bot(kind_of(kind), name, says)
}

fn kind_of(kind: u8) -> BotKind {
    let number = usize::from(kind & !(code::NAMED | code::UNLESS_PERSON));
    BotKind::ALL.get(number).copied().unwrap_or(BotKind::Other)
}

fn evidence(kind: u8) -> BotEvidence {
    if kind_of(kind) == BotKind::BrowserAutomation { BotEvidence::Headless } else { BotEvidence::Name }
}

/// A robot; without a name it has that of its kind.
pub(super) fn bot(kind: BotKind, name: Option<Label>, evidence: BotEvidence) -> Option<Bot> {
    let name = name.or_else(|| Label::parse(kind.as_str()).ok())?;
    Some(Bot { name, kind, evidence: vec![evidence] })
}

/// A family as a label: what a label can't hold becomes `-`.
pub(super) fn family_label(family: &str) -> Option<Label> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:/@+~[]=".contains(c);
    let mut word = String::with_capacity(family.len());
    for c in family.chars() {
        if allowed(c) {
            word.push(c);
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
    }
    Label::parse(word.trim_end_matches('-')).ok()
}

/// The word around a match: what stands before the version.
fn token(text: &str, start: usize, end: usize) -> Option<Label> {
    let bytes = text.as_bytes();
    let in_word = |at: &usize| bytes.get(*at).is_some_and(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
    let first = (start..end).find(|at| bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric))?;
    let from = (0..=first).rev().take_while(in_word).last()?;
    let to = (first..).take_while(in_word).last()? + 1;
    let word = text.get(from..to)?.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (word.len() <= NAME_BYTES_MAX).then(|| Label::parse(word).ok()).flatten()
}

/// The text without phrases that only look like a robot's, and without the place where Android devices have their name.
fn blank(index: &Index, text: &str) -> String {
    let mut blanked = text.to_owned();
    let mut out = |from: usize, to: usize| {
        if let Some(part) = blanked.get(from..to) {
            let spaces = " ".repeat(part.len());
            blanked.replace_range(from..to, &spaces);
        }
    };
    for phrase in &index.blank {
        text.match_indices(phrase).for_each(|(at, phrase)| out(at, at + phrase.len()));
    }
    let opened = text.find("(linux;").or_else(|| text.find("(android"));
    let device = opened.and_then(|opened| {
        let android = opened + text.get(opened..)?.find("android")?;
        let end = android + text.get(android..)?.find([')', '(']).unwrap_or(text.len() - android);
        // A robot that stands in this place says so.
        let place = text.get(android..end)?;
        let robot =
            ["compatible", "storebot-", "duplexweb-", "catchpoint", "http"].iter().any(|word| place.contains(word));
        (!robot && opened < 16).then_some((android, end))
    });
    if let Some((from, to)) = device {
        out(from, to);
    }
    blanked
}
