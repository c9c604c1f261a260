//! Which bytes must be in a text for a pattern to match at all: any one of a few literals, lower-cased, the rarest there are.

use std::collections::BTreeSet;

use regex_syntax::hir::{Hir, HirKind};

use crate::user_agent_code::set_of;

/// Texts that come all the time: what they hold tells patterns apart badly.
const COMMON: [&str; 12] = [
    "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/141.0.0.0 safari/537.36 edg/141.0.0.0",
    "mozilla/5.0 (macintosh; intel mac os x 10_15_7) applewebkit/537.36 (khtml, like gecko) chrome/141.0.0.0 safari/537.36",
    "mozilla/5.0 (macintosh; intel mac os x 10_15_7) applewebkit/605.1.15 (khtml, like gecko) version/18.1 safari/605.1.15",
    "mozilla/5.0 (iphone; cpu iphone os 18_1 like mac os x) applewebkit/605.1.15 (khtml, like gecko) version/18.1 mobile/15e148 safari/604.1",
    "mozilla/5.0 (ipad; cpu os 17_5 like mac os x) applewebkit/605.1.15 (khtml, like gecko) version/17.5 mobile/15e148 safari/604.1",
    "mozilla/5.0 (linux; android 10; k) applewebkit/537.36 (khtml, like gecko) chrome/141.0.0.0 mobile safari/537.36",
    "mozilla/5.0 (linux; android 15; sm-s918b build/ap3a; wv) applewebkit/537.36 (khtml, like gecko) version/4.0 chrome/141.0.0.0 mobile safari/537.36",
    "mozilla/5.0 (linux; android 14; sm-x910) applewebkit/537.36 (khtml, like gecko) samsungbrowser/28.0 chrome/130.0.0.0 safari/537.36",
    "mozilla/5.0 (x11; linux x86_64; rv:144.0) gecko/20100101 firefox/144.0",
    "mozilla/5.0 (windows nt 10.0; win64; x64; rv:144.0) gecko/20100101 firefox/144.0",
    "mozilla/5.0 (compatible; googlebot/2.1; +http://www.google.com/bot.html)",
    "mozilla/4.0 (compatible; msie 8.0; windows nt 6.1; trident/4.0; .net clr 2.0.50727)",
];

/// Most texts that a part of a pattern may stand for.
const TEXTS_MAX: usize = 400;
/// Bytes of a literal that are looked for.
pub const GRAM_BYTES: usize = 4;
/// Least bytes of a literal that is worth a look.
const GRAM_BYTES_MIN: usize = 3;

/// The literals, each of three or four bytes, of which every match of `pattern` holds one. `None`: nothing is certain.
pub fn needed(pattern: &Hir) -> Option<BTreeSet<Vec<u8>>> {
    let (texts, needed) = read(pattern);
    texts.and_then(|texts| grams(&texts)).into_iter().chain(needed).min_by_key(cost)
}

type Texts = BTreeSet<Vec<u8>>;

fn common(gram: &[u8]) -> usize {
    COMMON.iter().filter(|text| text.as_bytes().windows(gram.len()).any(|window| window == gram)).count()
}

fn cost(grams: &BTreeSet<Vec<u8>>) -> usize {
    grams.iter().map(|gram| 1 + 100 * common(gram) + if gram.len() < GRAM_BYTES { 20 } else { 0 }).sum()
}

/// The rarest gram of every text.
fn grams(texts: &Texts) -> Option<BTreeSet<Vec<u8>>> {
    texts
        .iter()
        .map(|text| {
            let bytes = text.len().min(GRAM_BYTES);
            let windows = (bytes >= GRAM_BYTES_MIN).then(|| text.windows(bytes));
            windows?.min_by_key(|gram| common(gram)).map(<[u8]>::to_vec)
        })
        .collect()
}

/// All texts that a part matches, where they are few; and the best grams that a match of it must hold.
fn read(hir: &Hir) -> (Option<Texts>, Option<BTreeSet<Vec<u8>>>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (Some(Texts::from([Vec::new()])), None),
        HirKind::Literal(literal) => (Some(Texts::from([literal.0.to_ascii_lowercase()])), None),
        HirKind::Class(class) => {
            let Ok(set) = set_of(class) else { return (None, None) };
            let members: Texts = set.iter().map(|byte| vec![byte.to_ascii_lowercase()]).collect();
            ((members.len() <= 4).then_some(members), None)
        }
        HirKind::Repetition(repetition) => {
            let (texts, needed) = read(&repetition.sub);
            match (repetition.min, repetition.max) {
                (0, Some(1)) => {
                    let with_nothing = |mut texts: Texts| {
                        texts.insert(Vec::new());
                        texts
                    };
                    (texts.map(with_nothing), None)
                }
                (0, _) => (None, None),
                (1, Some(1)) => (texts, needed),
                _ => (None, best(texts.as_ref(), needed)),
            }
        }
        HirKind::Capture(capture) => read(&capture.sub),
        HirKind::Concat(parts) => sequence(parts),
        HirKind::Alternation(ways) => {
            let ways: Vec<_> = ways.iter().map(read).collect();
            let texts = ways.iter().map(|(texts, _)| texts.clone()).collect::<Option<Vec<_>>>();
            let texts = texts.map(|texts| texts.into_iter().flatten().collect::<Texts>());
            let texts = texts.filter(|texts| texts.len() <= TEXTS_MAX);
            if texts.is_some() {
                return (texts, None);
            }
            let needed =
                ways.into_iter().map(|(texts, needed)| best(texts.as_ref(), needed)).collect::<Option<Vec<_>>>();
            (None, needed.map(|needed| needed.into_iter().flatten().collect()))
        }
    }
}

fn best(texts: Option<&Texts>, needed: Option<BTreeSet<Vec<u8>>>) -> Option<BTreeSet<Vec<u8>>> {
    texts.and_then(grams).into_iter().chain(needed).min_by_key(cost)
}

fn sequence(parts: &[Hir]) -> (Option<Texts>, Option<BTreeSet<Vec<u8>>>) {
    let mut run = Texts::from([Vec::new()]);
    let mut exact = true;
    let mut needed = None;
    for part in parts {
        let (texts, inner) = read(part);
        needed = needed.into_iter().chain(inner).min_by_key(cost);
        match texts.filter(|texts| texts.len() * run.len() <= TEXTS_MAX) {
            Some(texts) => {
                run = run.iter().flat_map(|head| texts.iter().map(|tail| [head.as_slice(), tail].concat())).collect();
            }
            None => {
                exact = false;
                needed = best(Some(&run), needed);
                // What follows begins anew; a part with too many texts still tells its own.
                run = Texts::from([Vec::new()]);
                let (texts, _) = read(part);
                needed = best(texts.as_ref(), needed);
            }
        }
        // A run that grows wide is told before it is joined with what tells less.
        needed = best(Some(&run), needed);
    }
    (exact.then_some(run), needed)
}
