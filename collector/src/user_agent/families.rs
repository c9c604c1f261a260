//! Browser and system as uap-core's list tells them.

use std::borrow::Cow;

use super::index::{Candidates, Index, List};
use super::machine::{Groups, Machine};

/// The family of what no pattern knows.
pub const OTHER: &str = "Other";

/// A family with its version, as uap-core's specification has them. Parts that the text does not tell are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family<'a> {
    /// `Chrome Mobile`, `Mac OS X`…; [`OTHER`].
    pub name: Cow<'a, str>,
    /// Major, minor, patch and the part behind it: digits as a rule, but also such as `XP` or `0b9pre`.
    pub version: [Option<Cow<'a, str>>; 4],
}

impl Family<'_> {
    fn other() -> Self {
        Self { name: Cow::Borrowed(OTHER), version: [const { None }; 4] }
    }

    /// The major version, where it is a number.
    #[must_use]
    pub fn major(&self) -> Option<u16> {
        self.version[0].as_deref()?.parse().ok()
    }
}

/// The first pattern of a list that matches says it.
pub(super) fn read<'a>(
    index: &Index,
    list: List,
    candidates: &Candidates,
    machine: &mut Machine,
    text: &'a str,
) -> Family<'a> {
    let mut code = Vec::new();
    let found = index.of_list(candidates, list).find_map(|number| {
        let groups = machine.find(index.pattern(number, &mut code)?, text)?;
        Some((number, groups))
    });
    let Some((number, groups)) = found else { return Family::other() };
    let [name, version @ ..] = index.replacements(number);
    let mut parts = version.iter().zip(2..).map(|(part, group)| filled(*part, &groups, text, group));
    Family {
        name: filled(name, &groups, text, 1).unwrap_or(Cow::Borrowed("")),
        version: std::array::from_fn(|_| parts.next().flatten()),
    }
}

/// A replacement with its groups put in; without one, the group of that place. Nothing is `None`.
fn filled<'a>(replacement: Option<&'static str>, groups: &Groups, text: &'a str, group: usize) -> Option<Cow<'a, str>> {
    let Some(replacement) = replacement else {
        return groups.get(text, group).filter(|part| !part.is_empty()).map(Cow::Borrowed);
    };
    if !replacement.contains('$') {
        return Some(Cow::Borrowed(replacement));
    }
    let mut pieces = replacement.split('$');
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.chars().next().and_then(|digit| digit.to_digit(10)) {
            Some(number) if number > 0 => {
                whole.push_str(groups.get(text, number as usize).unwrap_or_default());
                whole.push_str(piece.get(1..).unwrap_or_default());
            }
            _ => {
                whole.push('$');
                whole.push_str(piece);
            }
        }
    }
    let trimmed = whole.trim();
    (!trimmed.is_empty()).then(|| Cow::Owned(trimmed.to_owned()))
}
