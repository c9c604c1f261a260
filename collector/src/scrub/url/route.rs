//! Route templates without configuration: what names a part of the app stays, what may name a thing or a person is `:id`.
//!
//! A segment stays only if it reads like a fixed word of the app's own paths: ASCII letters, at most three words, not spelled like a
//! token, and not after a segment such as `users`. All digits go but those of versions and of a few terms of the trade. So a name is
//! kept back where something tells it is one; that a lone `/priya` is a name, nothing tells.

/// Most segments of a route; deeper paths end in `:rest`.
pub const SEGMENTS_MAX: usize = 8;
/// Most characters of a segment that is kept as it is.
pub const SEGMENT_CHARS_MAX: usize = 40;
/// The route of all paths that the app does not have: what strangers guess makes no route of its own.
pub const NOT_FOUND: &str = ":not_found";

/// Most words of a segment; what has more is a title.
const WORDS_MAX: usize = 3;
/// Most segments that are looked at on the way to [`SEGMENTS_MAX`]: `..` takes back.
const SEGMENTS_READ_MAX: usize = 256;

/// Segments after which the next one names a person or says what one looked for, unless it is one of [`PAGES`].
const PEOPLE: [&str; 32] = [
    "u",
    "user",
    "users",
    "people",
    "person",
    "persons",
    "profile",
    "profiles",
    "member",
    "members",
    "account",
    "accounts",
    "customer",
    "customers",
    "client",
    "clients",
    "patient",
    "patients",
    "contact",
    "contacts",
    "author",
    "authors",
    "friend",
    "friends",
    "student",
    "students",
    "employee",
    "employees",
    "username",
    "search",
    "invite",
    "invites",
];
/// Pages that stand where a person's name may.
const PAGES: [&str; 77] = [
    "me",
    "self",
    "new",
    "edit",
    "list",
    "all",
    "create",
    "search",
    "settings",
    "login",
    "logout",
    "signin",
    "signup",
    "sign-in",
    "sign-up",
    "register",
    "password",
    "reset-password",
    "change-password",
    "forgot-password",
    "reset",
    "verify",
    "verification",
    "confirm",
    "recover",
    "preferences",
    "profile",
    "billing",
    "subscription",
    "subscriptions",
    "orders",
    "payment",
    "payments",
    "plan",
    "plans",
    "upgrade",
    "cancel",
    "delete",
    "deactivate",
    "export",
    "import",
    "security",
    "privacy",
    "notifications",
    "sessions",
    "devices",
    "activity",
    "history",
    "usage",
    "avatar",
    "photo",
    "photos",
    "favorites",
    "messages",
    "addresses",
    "api-keys",
    "keys",
    "tokens",
    "teams",
    "details",
    "overview",
    "dashboard",
    "help",
    "support",
    "sales",
    "form",
    "thanks",
    "success",
    "online",
    "active",
    "current",
    "count",
    "info",
    "personal",
    "results",
    "onboarding",
    "consent",
];
/// Terms that have digits, a leading dot or many words, and name no one.
const TERMS: [&str; 34] = [
    ".well-known",
    "oauth2",
    "auth0",
    "saml2",
    "openid2",
    "2fa",
    "web3",
    "i18n",
    "l10n",
    "a11y",
    "k8s",
    "b2b",
    "b2c",
    "s3",
    "ec2",
    "http2",
    "ipv4",
    "ipv6",
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "base64",
    "utf8",
    "mp3",
    "mp4",
    "h264",
    "gpt4",
    "es-419",
    "do-not-sell",
    "do-not-sell-my-info",
    "do-not-sell-my-personal-information",
    "terms-and-conditions-of-use",
    "terms-of-service-and-privacy",
];
/// Extensions of pages and documents.
const PAGE_EXTENSIONS: [&str; 22] = [
    "html",
    "htm",
    "xhtml",
    "php",
    "asp",
    "aspx",
    "jsp",
    "do",
    "action",
    "cgi",
    "json",
    "jsonl",
    "xml",
    "txt",
    "csv",
    "pdf",
    "md",
    "rss",
    "atom",
    "zip",
    "webmanifest",
    "well-known",
];
/// Extensions of scripts, styles, images, fonts and the like.
const ASSET_EXTENSIONS: [&str; 20] = [
    "js", "mjs", "css", "map", "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "woff", "woff2", "ttf",
    "otf", "mp4", "webm", "mp3", "wasm",
];

/// The route template of a URL or path: no query, no fragment, no parameters of a segment (`;…`), dot segments resolved, every
/// segment that may name something or someone replaced by `:id`.
#[must_use]
pub fn route(url: &str) -> String {
    let mut kept: Vec<&str> = Vec::with_capacity(SEGMENTS_MAX + 1);
    let mut names_someone = vec![false];
    let mut read = 0;
    for segment in path_of(url).split(['/', '\\']) {
        read += 1;
        if read > SEGMENTS_READ_MAX {
            break;
        }
        let segment = segment.split(';').next().unwrap_or_default();
        if is_dots(segment, 2) {
            kept.pop();
            names_someone.truncate(kept.len() + 1);
        } else if !segment.is_empty() && !is_dots(segment, 1) && kept.len() <= SEGMENTS_MAX {
            let known = |list: &[&str]| list.iter().any(|word| segment.eq_ignore_ascii_case(word));
            let after_people = names_someone.last() == Some(&true);
            kept.push(if is_word(segment) && (!after_people || known(&PAGES)) { segment } else { ":id" });
            names_someone.push(known(&PEOPLE));
        }
    }
    if kept.is_empty() {
        return "/".into();
    }
    let mut template = String::with_capacity(64);
    for (depth, segment) in kept.into_iter().enumerate() {
        template.push('/');
        template.push_str(if depth == SEGMENTS_MAX { ":rest" } else { segment });
    }
    template
}

/// Is this a request for a script, style, image, font or the like?
#[must_use]
pub fn is_static_asset(url: &str) -> bool {
    let file = path_of(url).rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| ASSET_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn path_of(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        // A path may hold a URL; it begins with a slash, as no scheme does.
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find(['/', '\\']).and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => url,
    }
}

/// Is the segment this many dots, each as it is or as `%2e`?
fn is_dots(segment: &str, count: usize) -> bool {
    let (mut rest, mut dots) = (segment, 0);
    while let Some(after) = ["%2e", "%2E", "."].iter().find_map(|dot| rest.strip_prefix(dot)) {
        (rest, dots) = (after, dots + 1);
    }
    rest.is_empty() && dots == count
}

/// A fixed word of the app's own paths, with at most a known extension.
fn is_word(segment: &str) -> bool {
    if segment.len() > SEGMENT_CHARS_MAX {
        return false;
    }
    if is_version(segment) || TERMS.iter().any(|term| segment.eq_ignore_ascii_case(term)) {
        return true;
    }
    let known = |extension: &str| {
        PAGE_EXTENSIONS.iter().chain(&ASSET_EXTENSIONS).any(|known| extension.eq_ignore_ascii_case(known))
    };
    let stem = match segment.rsplit_once('.') {
        Some((stem, extension)) if known(extension) => stem,
        Some(_) => return false,
        None => segment,
    };
    let letters = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_');
    let words = stem.split(['-', '_']).filter(|word| !word.is_empty()).count();
    is_version(stem) || (1..=WORDS_MAX).contains(&words) && letters(stem) && !looks_random(stem)
}

/// `v2`, `v1.1`, `v1beta2`: at most two digits each.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix(['v', 'V']) else { return false };
    let number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, stage) = ["alpha", "beta", "rc"]
        .iter()
        .find_map(|stage| rest.split_once(stage))
        .map_or((rest, ""), |(rest, stage)| (rest, stage));
    (stage.is_empty() || number(stage)) && rest.splitn(3, '.').all(number)
}

/// Two consonants that stand beside one another in words of European languages; both orders of a pair are two entries.
const PAIRS: &str = "bb bl br bs bt cc ch ck cl cr cs ct dd dg dl dn dr ds dv dw ff fl fr fs ft gd gg gh gl gm gn gr gs ht kh kl kn kr ks kt \
    lb lc ld lf lg lk ll lm ln lp ls lt lv lz mb ml mm mn mp ms nc nd nf ng nj nk nl nm nn np nq nr ns nt nv nw nx nz ph pl pp pr \
    ps pt rb rc rd rf rg rh rj rk rl rm rn rp rr rs rt rv rw rz sc sh sj sk sl sm sn sp sq sr ss st sv sw sz tb tc th tl tm tn tp tr \
    ts tt tw tz vr wh wl wn wr ws xc xp xt zz zw kw qr mc pd xm sf pm ql";

/// Spelled as no word is: a token in base 32, 58 or 64, hexadecimal letters, a code of letters.
fn looks_random(stem: &str) -> bool {
    let bytes = stem.as_bytes();
    let vowel = |b: u8| b"aeiouyAEIOUY".contains(&b);
    let longest = stem.split(['-', '_']).map(str::len).max().unwrap_or(0);
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let vowels = bytes.iter().filter(|b| vowel(**b)).count();
    let hexadecimal = |word: &str| word.len() >= 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let strange = bytes
        .windows(2)
        .filter(|pair| match pair {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && !vowel(*a) && !vowel(*b) => {
                let pair = [a.to_ascii_lowercase(), b.to_ascii_lowercase()];
                // Words of a name in camel case meet anywhere.
                let meets = a.is_ascii_lowercase() && b.is_ascii_uppercase();
                !meets && PAIRS.as_bytes().windows(2).step_by(3).all(|known| known != pair)
            }
            _ => false,
        })
        .count();
    longest >= 20
        || !stem.split(['-', '_']).all(is_cased_as_words)
        || letters >= 8 && vowels * 9 < letters
        || letters >= 5 && vowels == 0
        || strange >= 2 && (strange * 4 >= letters || longest >= 12)
        || strange >= 3
        || stem.split(['-', '_']).any(hexadecimal)
}

/// Small letters, capitals alone, or words in camel case, an acronym before or after them: `getUserInfo`, `OAuth`, `GraphQL`.
fn is_cased_as_words(word: &str) -> bool {
    const ACRONYM_CHARS_MAX: usize = 4;
    const SHOUTED_CHARS_MAX: usize = 9;
    let (mut rest, mut parts) = (word, 0);
    while !rest.is_empty() {
        let capitals = rest.bytes().take_while(u8::is_ascii_uppercase).count();
        let small = rest.bytes().skip(capitals).take_while(u8::is_ascii_lowercase).count();
        rest = rest.get(capitals + small..).unwrap_or_default();
        let first = parts == 0;
        parts += 1;
        let fits = match (capitals, small) {
            (0, _) => first,
            (_, 0) => capitals <= if first { SHOUTED_CHARS_MAX } else { ACRONYM_CHARS_MAX },
            (1, _) => small >= 2 || rest.is_empty(),
            (_, _) => first && capitals <= ACRONYM_CHARS_MAX && small >= 2,
        };
        if !fits || parts > WORDS_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
#[path = "route_test.rs"]
mod tests;
