//! E-mail addresses: RFC 5321 and 6531, as people write them.

use super::view::{IDEOGRAPH, LETTER, View};
use super::{Hit, Kind};

/// Longest quoted local part that is looked for.
const QUOTED_CHARS_MAX: usize = 64;

/// The address around an at sign. `from` is where the address before ended.
pub(super) fn at(view: &View<'_>, sign: usize, from: usize) -> Option<Hit> {
    let end = domain(view, sign + 1)?;
    let start = local(view, sign, from)?;
    // `git@host` is everybody's name, and `@2x.png` a picture's.
    let shared = view.slice(start, sign) == b"git";
    let picture = matches!(view.slice(sign, sign + 4), [b'@', b'1'..=b'4', b'x', b'.']);
    (!shared && !picture).then_some(Hit { kind: Kind::Email, start, end, rank: 92 })
}

fn is_local(byte: u8) -> bool {
    byte == LETTER
        || byte > b' '
            && byte < 0x7F
            && !matches!(byte, b'"' | b'(' | b')' | b',' | b':' | b';' | b'<' | b'>' | b'@' | b'[' | b'\\' | b']')
}

fn local(view: &View<'_>, sign: usize, from: usize) -> Option<usize> {
    if view.before(sign) == b'"' {
        let quoted = view.slice(sign.saturating_sub(QUOTED_CHARS_MAX + 2).max(from), sign.saturating_sub(1));
        let open = quoted.iter().rposition(|byte| *byte == b'"' || *byte == b'\n')?;
        let start = sign - 1 - quoted.len() + open;
        return (view.at(start) == b'"' && open + 1 < quoted.len()).then_some(start);
    }
    let far = view.before(sign) == IDEOGRAPH;
    let mut start = sign;
    while start > from && (is_local(view.before(start)) || far && view.before(start) == IDEOGRAPH) {
        start -= 1;
    }
    // An address that is a part of a link or of an assignment begins after its last sign.
    let text = view.slice(start, sign);
    let link =
        text.iter().any(|byte| b"?&".contains(byte)) || view.before(start) == b':' && text.first() == Some(&b'/');
    let named = text.contains(&b'=') && !text.contains(&b'/');
    let cut = if link {
        text.iter().rposition(|byte| b"?&=/".contains(byte))
    } else if named {
        text.iter().rposition(|byte| *byte == b'=')
    } else {
        None
    };
    start += cut.map_or(0, |cut| cut + 1);
    let wraps = |byte: u8| b"'`*{|~^.-=/".contains(&byte);
    start = view.skip_all(start, wraps);
    (start < sign && view.before(sign) != b'.').then_some(start)
}

/// End of the domain that begins there: two labels or more, the last a name.
fn domain(view: &View<'_>, start: usize) -> Option<usize> {
    if view.at(start) == b'[' {
        let close = view.skip(start + 1, |byte| byte.is_ascii_hexdigit() || b".:IPv".contains(&byte));
        return (view.at(close) == b']' && close - start > 7).then_some(close + 1);
    }
    // A name in another script ends where the script does.
    let far = view.at(start) == IDEOGRAPH;
    let in_label = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte == LETTER || byte == b'-' || byte == b'_' || far && byte == IDEOGRAPH
    };
    let (mut label, mut labels, mut good) = (start, 0usize, None);
    let mut leading_numbers = 0;
    loop {
        let mut end = view.skip_all(label, in_label);
        let next = end;
        while end > label && b"-_".contains(&view.before(end)) {
            end -= 1;
        }
        let text = view.slice(label, end);
        if text.is_empty() || text.first() == Some(&b'-') {
            break;
        }
        labels += 1;
        let far = text.iter().any(|byte| *byte == IDEOGRAPH || *byte == LETTER);
        let name = text.iter().all(|byte| byte.is_ascii_alphabetic() || far) && (text.len() >= 2 || far)
            || view.has(label, b"xn--") && text.len() > 4;
        leading_numbers += usize::from(leading_numbers + 1 == labels && text.iter().all(u8::is_ascii_digit));
        // `tool@1.0.0-beta.rc` is a version.
        if labels >= 2 && name && leading_numbers < 2 {
            good = Some(end);
        }
        if end != next || view.at(next) != b'.' {
            break;
        }
        label = next + 1;
    }
    good
}
