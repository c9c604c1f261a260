//! Keys, tokens and passwords.

use super::context::{Context, Mark, beginning};
use super::tells;
use super::view::{LETTER, View, is_alphanumeric, is_word};
use super::{Hit, Kind};

/// Which characters follow a key's prefix.
#[derive(Clone, Copy)]
enum Of {
    /// Letters and digits.
    Plain,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Capitals and digits.
    Upper,
    /// Hexadecimal digits.
    Hex,
}

/// How the keys of known issuers begin, the fewest characters that follow, and which. Sorted.
#[rustfmt::skip]
const PREFIXES: &[(&str, u8, Of)] = &[
    ("A3T", 17, Of::Upper), ("AC", 32, Of::Hex), ("ACCA", 16, Of::Upper), ("AGE-SECRET-KEY-1", 58, Of::Upper),
    ("AGPA", 16, Of::Upper), ("AIDA", 16, Of::Upper), ("AIPA", 16, Of::Upper), ("AIza", 35, Of::Url),
    ("AKIA", 16, Of::Upper), ("ANPA", 16, Of::Upper), ("ANVA", 16, Of::Upper), ("APKA", 16, Of::Upper),
    ("AROA", 16, Of::Upper), ("ASIA", 16, Of::Upper), ("ATATT3", 40, Of::Url), ("ATBB", 24, Of::Plain),
    ("CFPAT-", 40, Of::Url), ("EAAA", 60, Of::Url), ("EAAC", 30, Of::Plain), ("GOCSPX-", 20, Of::Url), ("LTAI", 16, Of::Plain),
    ("NRAK-", 20, Of::Plain), ("PMAK-", 50, Of::Url), ("SG.", 60, Of::Url), ("SK", 32, Of::Hex), ("amzn.mws.", 30, Of::Url),
    ("cfut_", 40, Of::Url), ("dapi", 32, Of::Hex), ("dckr_pat_", 20, Of::Url), ("doo_v1_", 64, Of::Hex), ("dop_v1_", 64, Of::Hex),
    ("dp.pt.", 40, Of::Plain), ("fly_", 30, Of::Url), ("fw_", 20, Of::Plain), ("gho_", 30, Of::Plain), ("ghp_", 30, Of::Plain),
    ("ghr_", 30, Of::Plain), ("ghs_", 30, Of::Plain), ("ghu_", 30, Of::Plain), ("github_pat_", 22, Of::Url),
    ("glcbt-", 20, Of::Url), ("gldt-", 20, Of::Url), ("glft-", 20, Of::Url), ("gloas-", 20, Of::Url), ("glpat-", 20, Of::Url),
    ("glptt-", 20, Of::Url), ("glrt-", 20, Of::Url), ("glsa_", 32, Of::Url), ("gsk_", 40, Of::Plain), ("hf_", 30, Of::Plain),
    ("hvb.", 24, Of::Url), ("hvs.", 24, Of::Url), ("key-", 32, Of::Hex), ("lin_api_", 32, Of::Plain), ("npm_", 36, Of::Plain),
    ("ntn_", 40, Of::Plain), ("nvapi-", 40, Of::Url), ("oy2", 43, Of::Plain), ("pk_live_", 16, Of::Plain),
    ("pk_test_", 16, Of::Plain), ("pplx-", 32, Of::Plain), ("pscale_", 30, Of::Url), ("pypi-", 30, Of::Url), ("r8_", 30, Of::Plain),
    ("rk_live_", 16, Of::Plain), ("rk_test_", 16, Of::Plain), ("rubygems_", 48, Of::Hex), ("sbp_", 40, Of::Hex),
    ("secret_", 40, Of::Plain), ("shpat_", 32, Of::Hex), ("shpca_", 32, Of::Hex), ("shppa_", 32, Of::Hex), ("shpss_", 32, Of::Hex),
    ("sk-", 20, Of::Url), ("sk_live_", 16, Of::Plain), ("sk_test_", 16, Of::Plain), ("sntrys_", 40, Of::Url), ("sq0atp-", 22, Of::Url),
    ("sq0csp-", 40, Of::Url), ("tfp_", 40, Of::Url), ("vercel_", 20, Of::Url), ("whsec_", 24, Of::Url), ("xai-", 40, Of::Plain), ("xapp-", 20, Of::Url),
    ("xoxa-", 10, Of::Url), ("xoxb-", 10, Of::Url), ("xoxc-", 10, Of::Url), ("xoxd-", 10, Of::Url), ("xoxe-", 10, Of::Url),
    ("xoxe.", 10, Of::Url), ("xoxo-", 10, Of::Url), ("xoxp-", 10, Of::Url), ("xoxr-", 10, Of::Url), ("xoxs-", 10, Of::Url), ("ya29.", 20, Of::Url),
];

fn is_url(byte: u8) -> bool {
    is_alphanumeric(byte) || byte == b'_' || byte == b'-'
}

/// Second characters of the prefixes by the first, both in their low six bits: most words are turned away here.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const HEADS: &[u64; 64] = &{
    let mut heads = [0u64; 64];
    let mut i = 0;
    while i < PREFIXES.len() {
        let prefix = PREFIXES[i].0.as_bytes();
        heads[(prefix[0] & 63) as usize] |= 1 << (prefix[1] & 63);
        i += 1;
    }
    heads
};

/// A key that begins at a word's start; `end` is where the word's letters and digits end.
pub(super) fn at(view: &View<'_>, start: usize, end: usize) -> Option<Hit> {
    let stop = issued(view, start).or_else(|| dotted(view, start)).or_else(|| match view.at(end) {
        b':' if (8..=10).contains(&(end - start)) => telegram(view, start, end),
        b'~' => azure(view, start, end),
        b'-' | b' ' => pem(view, start),
        _ => None,
    })?;
    Some(Hit { kind: Kind::Secret, start, end: stop, rank: 94 })
}

/// Among how many characters of a key a digit stands at the latest.
const RANDOM_CHARS: usize = 40;

/// A sentence of words with dashes has no digits.
fn is_random(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
}

fn issued(view: &View<'_>, start: usize) -> Option<usize> {
    let [first, second] = *view.slice(start, start + 2) else { return None };
    if HEADS.get(usize::from(first & 63)).is_none_or(|seconds| seconds >> (second & 63) & 1 == 0) {
        return None;
    }
    let head = beginning(&[first, second]);
    let from = PREFIXES.partition_point(|(prefix, ..)| beginning(prefix.as_bytes()) < head);
    let rest = PREFIXES.get(from..).unwrap_or_default().iter();
    let alike = rest.take_while(|(prefix, ..)| beginning(prefix.as_bytes()) == head);
    alike
        .filter_map(|(prefix, least, of)| {
            let body = start + prefix.len();
            if view.slice(start, body) != prefix.as_bytes() {
                return None;
            }
            let fits = |byte: u8| match of {
                Of::Plain => byte.is_ascii_alphanumeric(),
                Of::Url => is_url(byte) || byte == b'.' && prefix.contains(['.']),
                Of::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
                Of::Hex => byte.is_ascii_hexdigit(),
            };
            let least_end = body + usize::from(*least);
            // The least is read first: of many starts in one long run only a key reads on.
            let head = view.slice(body, least_end);
            let near = view.slice(body, least_end.max(body + RANDOM_CHARS).min(view.len()));
            if head.is_empty() || !is_random(near) || !head.iter().all(|byte| fits(*byte)) {
                return None;
            }
            let mut end = view.skip_all(body, fits);
            while view.before(end) == b'.' {
                end -= 1;
            }
            let exact = matches!(of, Of::Hex | Of::Upper)
                && (is_word(view.at(end)) || prefix.len() <= 4 && end - body != usize::from(*least));
            (!exact).then_some(end)
        })
        .max()
}

/// JSON web tokens and Discord's bot tokens: three parts between dots.
fn dotted(view: &View<'_>, start: usize) -> Option<usize> {
    let json = match view.at(start) {
        b'e' => view.slice(start, start + 3) == b"eyJ",
        b'M' | b'N' | b'O' => false,
        _ => return None,
    };
    // Only at the start of a run, so that a run is read once.
    if is_url(view.before(start)) || !json && view.at(start) == b'e' {
        return None;
    }
    let first = view.skip_all(start, is_url);
    if view.at(first) != b'.' {
        return None;
    }
    let second = view.skip_all(first + 1, is_url);
    let third = if view.at(second) == b'.' { view.skip_all(second + 1, is_url) } else { second };
    let (one, two, three) = (first - start, second - first - 1, third.saturating_sub(second + 1));
    let jwt = json && one >= 10 && two >= 8;
    let discord = !json && (23..=28).contains(&one) && two == 6 && three >= 27;
    (jwt || discord).then_some(third)
}

fn telegram(view: &View<'_>, start: usize, colon: usize) -> Option<usize> {
    if !view.slice(start, colon).iter().all(u8::is_ascii_digit) {
        return None;
    }
    let end = view.skip(colon + 1, is_url);
    (end - colon == 36).then_some(end)
}

/// Client secrets of Entra ID: three characters, a digit, `Q~` and 31–34 more.
fn azure(view: &View<'_>, start: usize, tilde: usize) -> Option<usize> {
    if tilde - start != 5 || view.before(tilde) != b'Q' {
        return None;
    }
    let end = view.skip(tilde + 1, |byte| is_url(byte) || byte == b'~' || byte == b'.');
    (31..=34).contains(&(end - tilde - 1)).then_some(end)
}

/// A private key in PEM, to its end or the text's.
fn pem(view: &View<'_>, start: usize) -> Option<usize> {
    const HEADER_CHARS_MAX: usize = 48;
    if view.slice(start, start + 6) != b"BEGIN " || view.slice(start.saturating_sub(5), start) != b"-----" {
        return None;
    }
    let close = view.skip_some(start, HEADER_CHARS_MAX, |byte| byte != b'-' && byte != b'\n');
    let private = view.slice(start, close).windows(11).any(|words| words == b"PRIVATE KEY");
    if !private {
        return None;
    }
    let rest = view.bytes.get(close..).unwrap_or_default();
    let end = rest.windows(8).position(|words| words == b"-----END").map_or(view.len(), |at| {
        let tail = view.skip(close + at + 8, |byte| byte != b'-' && byte != b'\n');
        view.skip(tail, |byte| byte == b'-')
    });
    Some(end)
}

/// A storage account's key: 64 bytes in base64, at its closing `==`.
pub(super) fn base64_end(view: &View<'_>, equals: usize) -> Option<Hit> {
    const CHARS: usize = 86;
    let start = equals.checked_sub(CHARS)?;
    let text = view.slice(start, equals);
    let mixed = || {
        text.iter().any(u8::is_ascii_digit)
            && text.iter().any(u8::is_ascii_uppercase)
            && text.iter().any(u8::is_ascii_lowercase)
    };
    let of_base64 = |byte: &u8| is_alphanumeric(*byte) || b"+/".contains(byte);
    // What stands nearest tells most texts apart.
    (text.iter().rev().all(of_base64) && mixed() && !of_base64(&view.before(start))).then_some(Hit {
        kind: Kind::Secret,
        start,
        end: equals + 2,
        rank: 90,
    })
}

/// How much of a value tells whether it is a secret.
const VALUE_CHARS: usize = 128;

/// What is told after a word for a secret: `password: …`, `"api_key" = "…"`, `Bearer …`, "my password is …".
///
/// `from` is where the value before ended: what lies in it is a part of it.
fn told(view: &View<'_>, mark: &Mark, from: usize) -> Option<Hit> {
    if mark.tells & tells::SECRET == 0 {
        return None;
    }
    let word = view.slice(mark.start, mark.end);
    // The rest of a name: `secret_access_key`.
    let name = view.skip_some(mark.end, 32, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let mut at = view.skip_some(name, 3, |byte| b"\"' ".contains(&byte));
    let sign = view.at(at) == b':' || view.at(at) == b'=';
    let verb = ["is ", "was ", "ist ", "est ", "es ", "lautet "].iter().find(|verb| view.has(at, verb.as_bytes()));
    if sign {
        at += 1 + usize::from(view.at(at + 1) == b'>' || view.at(at + 1) == b'=');
    } else if let Some(verb) = verb {
        at += verb.len() + usize::from(view.at(at + verb.len()) == b':');
    } else if word.eq_ignore_ascii_case(b"bearer") {
        at = name;
    } else if view.at(at) == LETTER && view.at(at + 1) == b' ' {
        at += 2;
    } else {
        return None;
    }
    let start = view.skip_some(at, 3, |byte| b"\"'` ".contains(&byte));
    if start < from {
        return None;
    }
    let of_value = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'`,;<>)}&[".contains(&byte);
    let without_stops = |mut end: usize| {
        while end > start && b".!?:]".contains(&view.before(end)) {
            end -= 1;
        }
        end
    };
    let near = view.skip_some(start, VALUE_CHARS, of_value);
    let value = view.slice(start, without_stops(near));
    let (mut digits, mut letters, mut signs) = (0, 0, 0);
    for byte in value {
        digits += u32::from(byte.is_ascii_digit());
        letters += u32::from(byte.is_ascii_alphabetic() || *byte == LETTER);
        signs += u32::from(byte.is_ascii_punctuation());
    }
    let key =
        word.eq_ignore_ascii_case(b"key") || word.eq_ignore_ascii_case(b"keys") || word.eq_ignore_ascii_case(b"bearer");
    let counts = word.first().is_some_and(|first| b"tT".contains(first));
    let long = value.len() >= if key { 16 } else { 6 };
    let mixed = digits > 0 && letters > 0
        || !key
            && !counts
            && (signs > 0 && letters > 0 && value.len() >= 8 || digits >= 6 && letters == 0 && signs == 0);
    let hidden = value.first() == Some(&b'[')
        || value.starts_with(b"${")
        || value.starts_with(b"{{")
        || value.starts_with(b"http");
    // Keys that are longer are of ASCII; a sentence without spaces is not.
    let whole = || without_stops(view.skip_all(near, |byte| of_value(byte) && byte.is_ascii()));
    (long && mixed && !hidden).then(|| Hit { kind: Kind::Secret, start, end: whole(), rank: 70 })
}

/// Values after every telling word. None lies in another, so that each is read once, however long it is.
pub(super) fn scan(view: &View<'_>, context: &Context, hits: &mut Vec<Hit>) {
    let mut read = 0;
    for mark in &context.marks {
        let hit = told(view, mark, read);
        read = hit.map_or(read, |hit| hit.end);
        hits.extend(hit);
    }
}
