//! URLs and referrers, coarse: a path whose ids are `:id`, a domain.

/// Most segments of a route; deeper paths end in `:rest`.
pub const SEGMENTS_MAX: usize = 8;
/// Most characters of a segment that is kept as it is.
pub const SEGMENT_CHARS_MAX: usize = 40;

/// Segments after which the next one names a person, unless it is one of [`PAGES`].
const PEOPLE: [&str; 24] = [
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
];
/// Pages that stand where a person's name may.
const PAGES: [&str; 12] = [
    "me",
    "self",
    "new",
    "edit",
    "list",
    "search",
    "settings",
    "login",
    "logout",
    "register",
    "password",
    "preferences",
];

/// The route template of a URL or path: no query, no fragment, every segment that may name something or someone replaced
/// by `:id`. What stays are segments of ASCII letters, hyphens and underscores and versions such as `v2`.
#[must_use]
pub fn route(url: &str) -> String {
    let path = path_of(url);
    let mut template = String::new();
    let mut names_someone = false;
    for (depth, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        if depth == SEGMENTS_MAX {
            template.push_str("/:rest");
            break;
        }
        template.push('/');
        let word = is_word(segment) && (!names_someone || PAGES.contains(&segment));
        template.push_str(if word { segment } else { ":id" });
        names_someone = PEOPLE.iter().any(|people| segment.eq_ignore_ascii_case(people));
    }
    if template.is_empty() { "/".into() } else { template }
}

fn path_of(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => url,
    }
}

/// A fixed word of the app's own paths: letters and hyphens, with at most a short version number, a file name's extension
/// allowed. No long run of consonants-like tokens: at most [`SEGMENT_CHARS_MAX`] characters and no capital inside a word
/// that also has digits.
fn is_word(segment: &str) -> bool {
    let (stem, extension) = segment.rsplit_once('.').unwrap_or((segment, ""));
    let name = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_');
    let version = stem
        .strip_prefix(['v', 'V'])
        .is_some_and(|n| !n.is_empty() && n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()));
    !stem.is_empty()
        && segment.len() <= SEGMENT_CHARS_MAX
        && (name(stem) && !looks_random(stem) || version)
        && extension.len() <= 5
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Letters in a mix of cases, or a long word without a vowel in reach, as ids in base 32 or 64 have them.
fn looks_random(word: &str) -> bool {
    let longest = word.split(['-', '_']).map(str::len).max().unwrap_or(0);
    let case_changes = word
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let vowels = word.bytes().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    longest >= 20 || case_changes >= 3 || word.len() >= 8 && vowels * 6 < word.len()
}

/// Is this a request for a script, style, image, font or the like?
#[must_use]
pub fn is_static_asset(url: &str) -> bool {
    const EXTENSIONS: [&str; 20] = [
        "js", "mjs", "css", "map", "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "woff", "woff2", "ttf",
        "otf", "mp4", "webm", "mp3", "wasm",
    ];
    let file = path_of(url).rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The registrable domain of a referrer, by the common second-level suffixes. `None` for addresses, local names and what is
/// no URL.
#[must_use]
pub fn referrer_domain(referrer: &str) -> Option<String> {
    let (scheme, rest) = referrer.split_once("://")?;
    if scheme != "https" && scheme != "http" {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let valid = |label: &&str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if labels.len() < 2
        || !labels.iter().all(valid)
        || labels.last().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
    {
        return None;
    }
    let second_level = ["co", "com", "org", "net", "ac", "gov", "edu", "ne", "or", "go"];
    let country = labels.last().is_some_and(|top| top.len() == 2);
    let under_suffix =
        country && labels.len() > 2 && labels.iter().rev().nth(1).is_some_and(|label| second_level.contains(label));
    let keep = if under_suffix { 3 } else { 2 };
    Some(labels.iter().skip(labels.len() - keep).copied().collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_name_no_one() {
        let cases = [
            ("/", "/"),
            ("", "/"),
            ("https://app.example.com", "/"),
            ("https://app.example.com/chat?token=s3cr3t#x", "/chat"),
            ("/api/v2/users/42/messages", "/api/v2/users/:id/messages"),
            ("/users/alice@example.com", "/users/:id"),
            ("/u/123e4567-e89b-12d3-a456-426614174000/edit", "/u/:id/edit"),
            ("/reset/dGhpcyBpcyBhIHRva2Vu", "/reset/:id"),
            ("/reset/eyJhbGciOiJIUzI1NiJ9.e30.abc", "/reset/:id"),
            ("/app.js", "/app.js"),
            ("/static/main.3f2a1b9c.js", "/static/:id"),
            ("/search/Priya%20Raman", "/search/:id"),
            ("/über/uns", "/:id/uns"),
            ("//double//slash", "/double/slash"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/:rest"),
            ("/key/BCDFGHJKLMNPQRST", "/key/:id"),
            ("/users/Tolvaniker/posts", "/users/:id/posts"),
            ("/users/me", "/users/me"),
            ("/Profile/priya", "/Profile/:id"),
            ("/sign-in/forgot_password", "/sign-in/forgot_password"),
        ];
        for (url, template) in cases {
            assert_eq!(route(url), template, "{url}");
        }
    }

    #[test]
    fn referrers_become_domains() {
        let cases = [
            ("https://www.google.com/search?q=sad", Some("google.com")),
            ("https://news.bbc.co.uk/x", Some("bbc.co.uk")),
            ("https://alice:pw@mail.example.org:8443/inbox/alice", Some("example.org")),
            ("http://203.0.113.77/x", None),
            ("http://[2001:db8::1]/x", None),
            ("http://localhost:3000/", None),
            ("android-app://com.example.app", None),
            ("not a url", None),
            ("https://a b.com/", None),
        ];
        for (referrer, domain) in cases {
            assert_eq!(referrer_domain(referrer).as_deref(), domain, "{referrer}");
        }
    }

    #[test]
    fn assets_are_told_by_their_extension() {
        assert!(is_static_asset("/a/app.JS?v=3") && is_static_asset("https://x.org/logo.svg"));
        assert!(!is_static_asset("/api/chat") && !is_static_asset("/report.pdf") && !is_static_asset("/"));
    }
}
