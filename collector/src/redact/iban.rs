//! Bank accounts: ISO 13616.

use super::view::View;
use super::{Hit, Kind};

/// Countries of the IBAN registry with the length of their numbers.
const LENGTHS: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22\
GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

fn length(country: [u8; 2]) -> Option<usize> {
    let entries = LENGTHS.as_chunks::<4>().0;
    let at = entries.binary_search_by(|[a, b, ..]| [*a, *b].cmp(&country)).ok()?;
    entries.get(at).map(|[_, _, tens, ones]| usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
}

/// The account number that begins at a word's start, in one or in groups with single spaces or dashes.
pub(super) fn at(view: &View<'_>, start: usize) -> Option<Hit> {
    let upper = |i: usize| view.at(i).to_ascii_uppercase();
    if !view.at(start + 2).is_ascii_digit() || !view.at(start + 3).is_ascii_digit() {
        return None;
    }
    let length = length([upper(start), upper(start + 1)])?;
    let mut text = [0u8; 34];
    let (mut i, mut count) = (start, 0);
    while count < length {
        let byte = upper(i);
        if byte.is_ascii_alphanumeric() {
            if let Some(to) = text.get_mut(count) {
                *to = byte;
            }
            count += 1;
        } else if !b" -".contains(&byte) || !view.before(i).is_ascii_alphanumeric() {
            return None;
        }
        i += 1;
    }
    // ISO 7064, MOD 97-10, the first four characters last.
    let (head, body) = text.get(..length)?.split_at_checked(4)?;
    let rest = body.iter().chain(head).fold(0u32, |rest, byte| {
        if byte.is_ascii_digit() {
            (rest * 10 + u32::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    (rest == 1 && view.ends_word(i)).then_some(Hit { kind: Kind::Iban, start, end: i, rank: 95 })
}
