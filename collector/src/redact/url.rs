//! Links that carry a secret: a password, a token, a signature.

use super::view::View;
use super::{Hit, Kind};

/// Names of parameters that are secret by themselves; the value may be short.
const SECRETS: [&[u8]; 12] = [
    b"token",
    b"secret",
    b"passw",
    b"pwd",
    b"apikey",
    b"api_key",
    b"api-key",
    b"signature",
    b"credential",
    b"session",
    b"accesskey",
    b"access_key",
];
/// Names that are secret when the value looks it.
const KEYS: [&[u8]; 10] = [b"key", b"sig", b"auth", b"code", b"jwt", b"sid", b"otp", b"pass", b"hmac", b"state"];
/// Where in a link such a path stands at the latest.
const HOOK_CHARS_MAX: usize = 200;
/// Paths that are the whole secret of a webhook.
const HOOKS: [&[u8]; 4] = [b"hooks.slack.com/", b"/api/webhooks/", b"webhook.office.com/", b"api.telegram.org/bot"];

/// The link around `://`: where it ends, and what it is when it holds a secret.
pub(super) fn at(view: &View<'_>, colon: usize) -> (usize, Option<Hit>) {
    let mut start = colon;
    while colon - start < 24 && (view.before(start).is_ascii_alphanumeric() || b"+.-".contains(&view.before(start))) {
        start -= 1;
    }
    // Brackets belong to an IPv6 host alone; elsewhere they begin what stands for something found.
    let host =
        if view.at(colon + 3) == b'[' { view.skip(colon + 3, |byte| byte != b']' && byte > b' ') } else { colon + 3 };
    let part = |byte| byte > b' ' && byte < 0x80 && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'[');
    let mut end = view.skip_all(host, part);
    while b".,;:!?)]}".contains(&view.before(end)) {
        end -= 1;
    }
    let text = view.slice(colon + 3, end.max(colon + 3));
    let secret = start < colon
        && (has_password(text)
            || has_parameter(text)
            || HOOKS.iter().any(|hook| contains(text.get(..HOOK_CHARS_MAX).unwrap_or(text), hook)));
    (end.max(colon + 3), secret.then_some(Hit { kind: Kind::Url, start, end, rank: 93 }))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// `user:password@host`.
fn has_password(text: &[u8]) -> bool {
    let authority = text.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else { return false };
    authority
        .get(..at)
        .is_some_and(|user| user.iter().position(|byte| *byte == b':').is_some_and(|colon| colon + 1 < user.len()))
}

fn has_parameter(text: &[u8]) -> bool {
    let Some(query) = text.iter().position(|byte| matches!(byte, b'?' | b'#')) else { return false };
    text.get(query + 1..).unwrap_or_default().split(|byte| matches!(byte, b'&' | b';' | b'#' | b'?')).any(|pair| {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { return false };
        let Some((name, [_, value @ ..])) = pair.split_at_checked(equals) else { return false };
        let random = value.len() >= 16 && value.iter().any(u8::is_ascii_digit);
        name.len() <= 40
            && (value.len() >= 4 && SECRETS.iter().any(|secret| contains(name, secret))
                || random && KEYS.iter().any(|key| name.eq_ignore_ascii_case(key)))
    })
}
