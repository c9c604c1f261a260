//! Bank accounts: ISO 13616.

use super::view::View;
use super::{Hit, Kind};

/// Countries of the IBAN registry with the length of their numbers.
const LENGTHS: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22\
GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// The same by both letters; 0: no country.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const BY_LETTERS: &[u8; 26 * 26] = &{
    let mut lengths = [0; 26 * 26];
    let mut i = 0;
    while i < LENGTHS.len() {
        let place = (LENGTHS[i] - b'A') as usize * 26 + (LENGTHS[i + 1] - b'A') as usize;
        lengths[place] = (LENGTHS[i + 2] - b'0') * 10 + LENGTHS[i + 3] - b'0';
        i += 4;
    }
    lengths
};

fn length(first: u8, second: u8) -> Option<usize> {
    let letter = |byte: u8| byte.is_ascii_alphabetic().then(|| usize::from(byte.to_ascii_lowercase() - b'a'));
    let length = BY_LETTERS.get(letter(first)? * 26 + letter(second)?)?;
    (*length > 0).then_some(usize::from(*length))
}

/// The account number that begins at a word's start, in one or in groups with single spaces or dashes.
pub(super) fn at(view: &View<'_>, start: usize) -> Option<Hit> {
    let source = view.bytes.get(start..).unwrap_or_default();
    let [first, second, b'0'..=b'9', b'0'..=b'9', ..] = source else { return None };
    let length = length(*first, *second)?;
    let mut values = [0u8; 34];
    let mut rest = source.iter();
    for to in values.get_mut(..length)? {
        let mut byte = *rest.next()?;
        if matches!(byte, b' ' | b'-') {
            byte = *rest.next()?;
        }
        *to = match byte {
            b'0'..=b'9' => byte - b'0',
            _ if byte.is_ascii_alphabetic() => byte.to_ascii_lowercase() - b'a' + 10,
            _ => return None,
        };
    }
    let end = start + source.len() - rest.len();
    if !view.ends_word(end) {
        return None;
    }
    let (head, body) = values.get(..length)?.split_at_checked(4)?;
    // The first four characters count last.
    (rest_by_97(body.iter().chain(head)) == 1).then_some(Hit { kind: Kind::Iban, start, end, rank: 95 })
}

/// ISO 7064, MOD 97-10, from the last character on: so no step waits for the one before.
fn rest_by_97<'v>(values: impl DoubleEndedIterator<Item = &'v u8>) -> u32 {
    let mut place = 0;
    let weighed = values.rev().map(|value| {
        let weight = POWERS.get(place).copied().unwrap_or(0);
        place += if *value < 10 { 1 } else { 2 };
        u32::from(*value) * u32::from(weight)
    });
    weighed.sum::<u32>() % 97
}

/// What is left of the powers of ten, divided by 97, as many as 34 letters take.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const POWERS: &[u8; 68] = &{
    let mut powers = [1; 68];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = (powers[i - 1] as u16 * 10 % 97) as u8;
        i += 1;
    }
    powers
};
