//! Bank accounts: ISO 13616.

use super::view::{View, is_alphanumeric};
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
    let source = view.bytes.get(start..).unwrap_or_default();
    let [first, second, b'0'..=b'9', b'0'..=b'9', ..] = source else { return None };
    let length = length([first.to_ascii_uppercase(), second.to_ascii_uppercase()])?;
    let mut text = [0u8; 34];
    let (mut rest, mut before) = (source.iter(), 0);
    for to in text.get_mut(..length)? {
        loop {
            let byte = *rest.next()?;
            if is_alphanumeric(byte) {
                *to = byte.to_ascii_uppercase();
                before = byte;
                break;
            }
            if !matches!(byte, b' ' | b'-') || !is_alphanumeric(before) {
                return None;
            }
            before = byte;
        }
    }
    let end = start + source.len() - rest.len();
    // ISO 7064, MOD 97-10, the first four characters last.
    let (head, body) = text.get(..length)?.split_at_checked(4)?;
    let rest = body.iter().chain(head).fold(0u64, |rest, byte| {
        // Divided only when it must be.
        let rest = if rest < 1 << 50 { rest } else { rest % 97 };
        if byte.is_ascii_digit() {
            rest * 10 + u64::from(byte - b'0')
        } else {
            rest * 100 + u64::from(byte - b'A') + 10
        }
    }) % 97;
    (rest == 1 && view.ends_word(end)).then_some(Hit { kind: Kind::Iban, start, end, rank: 95 })
}
