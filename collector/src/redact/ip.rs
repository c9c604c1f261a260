//! Network addresses: IPv4, IPv6, MAC.

use std::net::Ipv6Addr;

use super::context::Context;
use super::groups::Groups;
use super::tells;
use super::view::{View, is_word};
use super::{Hit, Kind};

/// An IPv4 address in four decimal parts, with a prefix length when there is one.
pub(super) fn v4(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let [first, rest @ ..] = number.0 else { return None };
    let (start, mut end) = (first.start, rest.get(2)?.end);
    let parts = number.0.get(..4)?;
    let part =
        |group: &super::groups::Group| (group.len() <= 3).then(|| octet(view.slice(group.start, group.end))).flatten();
    if !parts.iter().skip(1).all(|group| group.joint == b'.') || !parts.iter().all(|group| part(group).is_some()) {
        return None;
    }
    let before = view.before(start);
    if is_word(before) || before == b'.' && b"0123456789]".contains(&view.before(start - 1)) || is_word(view.at(end)) {
        return None;
    }
    let compared =
        b"=<>~^".contains(&before) && b"=<>~^!".contains(&view.before(start.saturating_sub(1))) || before == b'^';
    let told = context.before(start).next().map_or(0, |mark| if start - mark.end <= 12 { mark.tells } else { 0 });
    let version = told & tells::VERSION != 0 && told & tells::IP == 0 || compared;
    // Five parts and more are a version or an object id, unless the first four can hardly be.
    let longer = view.at(end) == b'.' && view.at(end + 1).is_ascii_digit();
    let large = parts.iter().filter_map(part).any(|octet| octet >= 100) && part(first) >= Some(10);
    if version || longer && !large {
        return None;
    }
    if !longer {
        end = prefix(view, end, 32);
    }
    Some(Hit { kind: Kind::Ip, start, end, rank: 88 })
}

fn octet(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, byte| value.checked_mul(10)?.checked_add(byte.wrapping_sub(b'0')))
}

/// End of a prefix length (`/24`) that stands there, or `end`.
fn prefix(view: &View<'_>, end: usize, bits_max: u32) -> usize {
    let after = view.skip(end + 1, |byte| byte.is_ascii_digit());
    let bits = view.slice(end + 1, after);
    let bits = (view.at(end) == b'/' && (1..=3).contains(&bits.len())).then(|| octet(bits)).flatten();
    if bits.is_some_and(|bits| u32::from(bits) <= bits_max) && !is_word(view.at(after)) { after } else { end }
}

/// Longest IPv6 address: eight groups, or six and an IPv4 address, with their colons.
const V6_CHARS_MAX: usize = 45;

/// An IPv6 or MAC address at a colon; the position to go on from.
pub(super) fn colons(view: &View<'_>, context: &Context, colon: usize, hits: &mut Vec<Hit>) -> usize {
    let part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    let mut start = colon;
    while start > 0 && colon - start <= 4 && view.before(start).is_ascii_hexdigit() {
        start -= 1;
    }
    let end = view.skip_all(colon, part);
    // A name with a colon may stand before an address: `MAC:00:1a…`, `ip:2001:db8::1`.
    let named = view.slice(start, colon).iter().all(u8::is_ascii_alphabetic) && view.at(colon + 1) != b':';
    if named && (start == colon || !view.starts_word(start)) {
        start = colon + 1;
        if view.slice(start, end).iter().filter(|byte| **byte == b':').count() > 1 {
            let hit = mac_at(view, start, end, b':', 0).or_else(|| v6(view, context, start, end));
            let on = hit.as_ref().map_or(end, |hit| hit.end.max(end));
            hits.extend(hit);
            return on;
        }
        return end;
    }
    let text = view.slice(start, end);
    if !view.starts_word(start) || view.before(start) == b':' || text.len() > V6_CHARS_MAX {
        return end;
    }
    let hit = mac_at(view, start, end, b':', b':').or_else(|| v6(view, context, start, end));
    let on = hit.as_ref().map_or(end, |hit| hit.end.max(end));
    hits.extend(hit);
    on
}

fn v6(view: &View<'_>, context: &Context, start: usize, end: usize) -> Option<Hit> {
    let text = view.slice(start, end);
    let compressed = text.windows(2).any(|two| two == b"::");
    if !compressed && text.iter().filter(|b| **b == b':').count() < 6 {
        return None;
    }
    // The last part may be an IPv4 address.
    let dotted = view.skip(end, |byte| byte.is_ascii_digit() || byte == b'.');
    let stop = if view.before(dotted) == b'.' { dotted - 1 } else { dotted };
    let parse = |end: usize| -> Option<(usize, Ipv6Addr)> {
        let text = std::str::from_utf8(view.slice(start, end)).ok()?;
        (text.len() <= V6_CHARS_MAX).then(|| text.parse().ok()).flatten().map(|address| (end, address))
    };
    let (mut end, address) = parse(stop).or_else(|| {
        if stop == end {
            None
        } else if view.at(end) == b'.' && !view.at(end + 1).is_ascii_digit() {
            parse(end)
        } else {
            None
        }
    })?;
    if view.at(end) == b'%' && !address.is_unspecified()
        || view.at(end) == b'%' && view.at(end + 1).is_ascii_alphabetic()
    {
        let zone = view.skip(end + 1, |byte| byte.is_ascii_alphanumeric());
        end = if zone > end + 1 { zone } else { end };
    }
    end = prefix(view, end, 128);
    if is_word(view.at(end)) || view.at(end) == b':' {
        return None;
    }
    let text = view.slice(start, end);
    let told = || context.tells(start, end, tells::IP);
    let assigned = view.before(start) == b'=';
    // `a[::2]` takes a slice of a list.
    let index = view.before(start) == b'['
        && start >= 2
        && (is_word(view.before(start - 1)) || b")]".contains(&view.before(start - 1)));
    let hex = text.iter().filter(|b| b.is_ascii_hexdigit()).count();
    let sure = text.contains(&b'/') && hex > 0
        || text.iter().any(u8::is_ascii_digit) && hex >= 4
        || address.is_loopback()
        || !text.iter().any(u8::is_ascii_digit) && hex >= 9;
    (!index && (sure || assigned || told())).then_some(Hit { kind: Kind::Ip, start, end, rank: 88 })
}

/// A MAC address in six pairs, or in Cisco's three groups of four.
pub(super) fn mac(view: &View<'_>, context: &Context, start: usize) -> Option<Hit> {
    let pair = |i: usize| view.at(i).is_ascii_hexdigit() && view.at(i + 1).is_ascii_hexdigit();
    if pair(start) && view.at(start + 2) == b'-' && pair(start + 3) && view.at(start + 5) == b'-' {
        return mac_at(view, start, start + 17, b'-', b'-');
    }
    let text = view.slice(start, start + 14);
    let shaped = text.len() == 14
        && text.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 9) { *b == b'.' } else { b.is_ascii_hexdigit() });
    let told = || text.iter().any(u8::is_ascii_alphabetic) || context.tells(start, start + 14, tells::MAC);
    let free = view.ends_word(start + 14)
        && !(b".-".contains(&view.at(start + 14)) && view.at(start + 15).is_ascii_hexdigit());
    (shaped && free && is_assigned(text) && told()).then_some(Hit { kind: Kind::Mac, start, end: start + 14, rank: 86 })
}

/// Six pairs between `joint`s, not after `barred`.
fn mac_at(view: &View<'_>, start: usize, end: usize, joint: u8, barred: u8) -> Option<Hit> {
    let text = view.slice(start, end);
    let shaped = text.len() == 17
        && text.iter().enumerate().all(|(i, b)| if i % 3 == 2 { *b == joint } else { b.is_ascii_hexdigit() });
    let before = view.before(start);
    let free = !is_word(before)
        && (before != barred || barred == 0)
        && view.ends_word(end)
        && !(view.at(end) == joint && view.at(end + 1).is_ascii_hexdigit());
    (shaped && free && is_assigned(text)).then_some(Hit { kind: Kind::Mac, start, end, rank: 89 })
}

/// Neither the broadcast address nor none at all.
fn is_assigned(text: &[u8]) -> bool {
    let all = |digit: u8| text.iter().filter(|b| b.is_ascii_hexdigit()).all(|b| b.eq_ignore_ascii_case(&digit));
    !all(b'0') && !all(b'f')
}
