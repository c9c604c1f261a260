//! Registrable domains by the Public Suffix List, all of it, as browsers use it: what is registered at a registry and what at a
//! provider of sites (`github.io`) are both domains of their own.
//!
//! The `psl` crate is 240 KiB of a Worker; `collector/build/public_suffix.rs` packs the same list into 40 and says how.

static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public_suffix.bin"));

const INDEX_BYTES: usize = 129 * 4;
const LENGTH: u8 = 63;
const ENDS: u8 = 64;
const FOLLOWED: u8 = 128;

/// The registrable domain of a host: its public suffix and the label before it. The host is in lower case and ASCII, as labels
/// with a dot between. `None` where the host is a public suffix itself, a single label, or has an empty label.
#[must_use]
pub(super) fn registrable(host: &str) -> Option<&str> {
    if host.split('.').any(str::is_empty) {
        return None;
    }
    let mut labels = host.rsplit('.');
    for _ in 0..suffix_labels(host) {
        labels.next()?;
    }
    labels.next()?;
    // What is left in front of the domain, and the dot after it.
    let front: usize = labels.map(|label| label.len() + 1).sum();
    host.get(front..)
}

/// How many labels the public suffix has: those of the longest rule, one where no rule is found. An exception beats them all.
fn suffix_labels(host: &str) -> usize {
    let (mut level, mut longest) = (top_level(host), 1);
    for (depth, label) in host.rsplit('.').enumerate() {
        let found = look_up(level, label.as_bytes());
        if found.exception {
            return depth;
        }
        if found.ends {
            longest = depth + 1;
        }
        level = found.below;
        if level.is_empty() {
            break;
        }
    }
    longest
}

/// The part of the tree whose top-level domains begin as that of the host.
fn top_level(host: &str) -> &'static [u8] {
    let offset = |at: usize| {
        let bytes = RULES.get(at * 4..at * 4 + 4)?;
        Some(INDEX_BYTES + u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let first = host.rsplit('.').next().and_then(|label| label.bytes().next()).filter(u8::is_ascii).map(usize::from);
    first.and_then(|first| RULES.get(offset(first)?..offset(first + 1)?)).unwrap_or_default()
}

#[derive(Default)]
struct Found {
    ends: bool,
    exception: bool,
    below: &'static [u8],
}

/// What a level of the tree says of a label.
fn look_up(mut level: &'static [u8], label: &[u8]) -> Found {
    let mut found = Found::default();
    while let Some((head, rest)) = level.split_first() {
        let Some((name, mut rest)) = rest.split_at_checked(usize::from(head & LENGTH)) else { break };
        let mut below: &[u8] = &[];
        if head & FOLLOWED != 0 {
            let (mut length, mut shift) = (0_usize, 0);
            while let Some((byte, after)) = rest.split_first() {
                rest = after;
                length |= usize::from(byte & 127) << shift;
                shift += 7;
                if byte & 128 == 0 {
                    break;
                }
            }
            (below, rest) = rest.split_at_checked(length).unwrap_or_default();
        }
        if name == label {
            found.ends |= head & ENDS != 0;
            found.below = below;
        } else if name == b"*" {
            found.ends = true;
        } else if name.strip_prefix(b"!") == Some(label) {
            found.exception = true;
        }
        level = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = include_str!("../../../lists/publicsuffix/public_suffix_list.dat");

    fn ascii(name: &str) -> String {
        name.split('.')
            .map(|label| {
                if label.is_ascii() {
                    label.to_owned()
                } else {
                    format!("xn--{}", idna::punycode::encode_str(label).unwrap())
                }
            })
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The rules of the list in ASCII, without `!` and `*.`.
    fn rules() -> Vec<String> {
        let rules = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
        rules.map(|rule| ascii(rule.trim_start_matches('!').trim_start_matches("*."))).collect()
    }

    /// The list's algorithm, word for word, over all rules. Source: <https://github.com/publicsuffix/list/wiki/Format>.
    fn by_the_letter(host: &str) -> Option<String> {
        let host: Vec<&str> = host.split('.').collect();
        let (mut longest, mut exception) = (1, None);
        for rule in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let rule = ascii(rule.trim());
            let labels: Vec<&str> = rule.trim_start_matches('!').split('.').collect();
            let fits = labels.len() <= host.len()
                && labels.iter().rev().zip(host.iter().rev()).all(|(rule, label)| *rule == "*" || rule == label);
            if fits && rule.starts_with('!') {
                exception = Some(labels.len() - 1);
            } else if fits {
                longest = longest.max(labels.len());
            }
        }
        let suffix = exception.unwrap_or(longest);
        (host.len() > suffix).then(|| host[host.len() - suffix - 1..].join("."))
    }

    #[test]
    fn the_lists_own_cases() {
        let mut seen = 0;
        for line in include_str!("../../../lists/publicsuffix/test_psl.txt").lines() {
            let Some(arguments) = line.strip_prefix("checkPublicSuffix(").and_then(|rest| rest.strip_suffix(");"))
            else {
                continue;
            };
            let (host, domain) = arguments.split_once(", ").unwrap();
            let text =
                |quoted: &str| quoted.strip_prefix('\'').map(|text| ascii(&text.trim_end_matches('\'').to_lowercase()));
            let Some(host) = text(host) else { continue };
            assert_eq!(registrable(&host).map(str::to_owned), text(domain), "{host}");
            seen += 1;
        }
        assert!(seen > 70, "{seen}");
    }

    #[test]
    fn every_rule_holds_as_browsers_have_it() {
        // The crate has a list of another day: where the two differ, the list's own words decide.
        let (mut seen, mut differ) = (0, 0);
        for rule in rules() {
            for front in ["", "a.", "b.a.", "www.b.a."] {
                let host = format!("{front}{rule}");
                let theirs = psl::domain_str(&host).filter(|domain| domain.contains('.'));
                seen += 1;
                if registrable(&host) != theirs {
                    differ += 1;
                    assert_eq!(registrable(&host).map(str::to_owned), by_the_letter(&host), "{host}");
                }
            }
        }
        assert!(seen > 40_000 && differ * 100 < seen, "{differ} of {seen}");
    }

    #[test]
    fn hosts_that_are_no_names_have_no_domain() {
        for host in
            ["", ".", "localhost", "com", "co.uk", ".com", "a..com", "github.io", "ck", "compute.amazonaws.com.cn."]
        {
            assert_eq!(registrable(host), None, "{host}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_host_is_cut_by_the_letter(
            front in "([a-z0-9-]{1,12}\\.){0,3}", rule in any::<prop::sample::Index>(), cut in 0usize..3, odd in "[a-z.]{0,12}",
        ) {
            let rules = rules();
            let rule: Vec<&str> = rules[rule.index(rules.len())].split('.').collect();
            let host = format!("{front}{}", rule[cut.min(rule.len() - 1)..].join("."));
            prop_assert_eq!(registrable(&host).map(str::to_owned), by_the_letter(&host));
            let _ = registrable(&odd);
        }
    }
}
