//! Addresses of crypto currencies.

use sha2::{Digest, Sha256};

use super::context::Context;
use super::tells;
use super::view::View;
use super::{Hit, Kind};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Fewest characters of an address.
pub(super) const CHARS_MIN: usize = 14;

/// The address that a token is.
pub(super) fn token(view: &View<'_>, context: &Context, start: usize, end: usize) -> Option<Hit> {
    let text = view.slice(start, end);
    let hit = Hit { kind: Kind::Crypto, start, end, rank: 91 };
    let found = match text.len() {
        // Ethereum and its kin.
        42 if text.starts_with(b"0x") => text.iter().skip(2).all(u8::is_ascii_hexdigit),
        26..=35 if text.first().is_some_and(|first| b"13LMDTAXt9rR".contains(first)) => base58check(text),
        // Monero.
        95 => matches!(text.first(), Some(b'4' | b'8')) && text.iter().all(|byte| BASE58.contains(byte)),
        CHARS_MIN..=90 if is_segwit(text) => bech32(text),
        // Solana has no check digits.
        32..=44 => {
            let mixed = text.iter().any(u8::is_ascii_digit)
                && text.iter().any(u8::is_ascii_uppercase)
                && text.iter().any(u8::is_ascii_lowercase);
            mixed
                && text.iter().all(|byte| BASE58.contains(byte))
                && !context.bare
                && context.tells(start, end, tells::CRYPTO)
        }
        _ => false,
    };
    found.then_some(hit)
}

/// Base58 of 25 bytes whose last four are the double SHA-256 of the others.
fn base58check(text: &[u8]) -> bool {
    // Ripple writes the same in another order of letters.
    const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
    let alphabet = if text.starts_with(b"r") { RIPPLE } else { BASE58 };
    let mut places = [0u8; 128];
    alphabet
        .iter()
        .zip(1..)
        .for_each(|(byte, place)| places.iter_mut().skip(usize::from(*byte)).take(1).for_each(|to| *to = place));
    // 25 bytes in words of 32 bits, the least first.
    let mut words = [0u32; 7];
    for byte in text {
        let Some(place) = places.get(usize::from(*byte)).and_then(|place| place.checked_sub(1)) else { return false };
        let carry = words.iter_mut().fold(u64::from(place), |carry, word| {
            let sum = u64::from(*word) * 58 + carry;
            *word = sum as u32;
            sum >> 32
        });
        if carry != 0 {
            return false;
        }
    }
    let mut bytes = [0u8; 28];
    bytes.iter_mut().rev().zip(words.iter().flat_map(|word| word.to_le_bytes())).for_each(|(to, from)| *to = from);
    let Some(([0, 0, 0], rest)) = bytes.split_first_chunk::<3>() else { return false };
    let Some((payload, check)) = rest.split_at_checked(21) else { return false };
    Sha256::digest(Sha256::digest(payload)).starts_with(check)
}

fn is_segwit(text: &[u8]) -> bool {
    [&b"bc1"[..], b"tb1", b"ltc1"]
        .iter()
        .any(|prefix| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)))
}

/// BIP 173 and 350.
fn bech32(text: &[u8]) -> bool {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let Some(one) = text.iter().rposition(|byte| *byte == b'1') else { return false };
    let Some((name, [_, data @ ..])) = text.split_at_checked(one) else { return false };
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    let values = data.iter().map(|byte| BECH32.iter().position(|known| *known == lower(byte)));
    let expanded = name
        .iter()
        .map(|byte| Some(usize::from(lower(byte) >> 5)))
        .chain([Some(0)])
        .chain(name.iter().map(|byte| Some(usize::from(lower(byte) & 31))));
    let sum = expanded.chain(values).try_fold(1u32, |sum, value| {
        let top = sum >> 25;
        let mixed =
            GENERATOR.iter().enumerate().filter(|(i, _)| top >> i & 1 == 1).fold(0, |mixed, (_, word)| mixed ^ word);
        Some((sum & 0x1ff_ffff) << 5 ^ u32::try_from(value?).ok()? ^ mixed)
    });
    matches!(sum, Some(1 | 0x2bc8_30a3))
}
