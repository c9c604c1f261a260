//! National identity numbers: by their check digits, by a form that nothing else has, or by the word beside them.

use super::card::luhn;
use super::context::Context;
use super::groups::{Groups, free_after, free_before, value};
use super::tells;
use super::view::{View, is_word};
use super::{Hit, Kind};

/// A form in digits: lengths of the groups, what joins them, the check, and whether it takes a word beside it.
struct Form {
    groups: &'static [usize],
    joints: &'static [u8],
    check: fn(&[u8]) -> bool,
    needs_word: bool,
}

const fn form(groups: &'static [usize], joints: &'static [u8], check: fn(&[u8]) -> bool, needs_word: bool) -> Form {
    Form { groups, joints, check, needs_word }
}

#[rustfmt::skip]
const FORMS: &[Form] = &[
    // Brazil: CPF.
    form(&[3, 3, 3, 2], b"..-", cpf, false),
    form(&[11], b"", cpf, true),
    // India: Aadhaar.
    form(&[4, 4, 4], b"  ", aadhaar, false),
    form(&[4, 4, 4], b"--", aadhaar, false),
    form(&[12], b"", aadhaar, true),
    // Poland: PESEL; Türkiye: T.C. kimlik; Germany: Steuer-ID.
    form(&[11], b"", pesel, true),
    form(&[11], b"", kimlik, true),
    form(&[11], b"", steuer_id, true),
    form(&[2, 3, 3, 3], b"   ", steuer_id, true),
    // Thailand.
    form(&[1, 4, 5, 2, 1], b"----", thai, false),
    form(&[1, 4, 5, 2, 1], b"    ", thai, false),
    form(&[13], b"", thai, true),
    // South Africa.
    form(&[13], b"", south_african, true),
    form(&[6, 4, 2, 1], b"   ", south_african, true),
    // France: NIR.
    form(&[15], b"", nir, false),
    form(&[1, 2, 2, 2, 3, 3, 2], b"      ", nir, false),
    // Switzerland: AHV.
    form(&[3, 4, 4, 2], b"...", ahv, false),
    form(&[13], b"", ahv, false),
    // Belgium: Rijksregister.
    form(&[2, 2, 2, 3, 2], b"..-.", belgian, false),
    form(&[11], b"", belgian, true),
    // Sweden: personnummer.
    form(&[6, 4], b"-", swedish, false),
    form(&[8, 4], b"-", swedish, false),
    form(&[10], b"", swedish, true),
    form(&[12], b"", swedish, true),
    // South Korea: RRN.
    form(&[6, 7], b"-", korean, false),
    form(&[13], b"", korean, true),
    // Canada: SIN.
    form(&[3, 3, 3], b"--", sin, false),
    form(&[3, 3, 3], b"  ", sin, true),
    // United States: ITIN.
    form(&[3, 2, 4], b"--", itin, false),
    form(&[3, 2, 4], b"  ", itin, true),
    form(&[9], b"", itin, true),
    // China: resident id.
    form(&[18], b"", chinese, false),
    // United Kingdom: NHS number.
    form(&[3, 3, 4], b"  ", nhs, true),
    form(&[3, 3, 4], b"--", nhs, true),
    form(&[10], b"", nhs, true),
];

/// Where the forms stand in the list, from one on, by the length of their first group.
#[allow(clippy::indexing_slicing, reason = "at compile time")]
const PLACES: &[[u8; 8]; 19] = &{
    let mut places = [[0; 8]; 19];
    let mut i = 0;
    while i < FORMS.len() {
        let of_length = &mut places[FORMS[i].groups[0]];
        let mut at = 0;
        while of_length[at] != 0 {
            at += 1;
        }
        of_length[at] = i as u8 + 1;
        i += 1;
    }
    places
};

/// A number of digits alone.
pub(super) fn number(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let (start, first) = (number.start(), number.0.first()?.len());
    let places = PLACES.get(first).map_or(&[][..], |places| places);
    for form in places.iter().map_while(|place| FORMS.get(usize::from(*place).checked_sub(1)?)) {
        let count = form.groups.len();
        let joined = number.are(form.groups, |_| true)
            && form.joints.iter().enumerate().all(|(i, joint)| number.joint(i + 1) == *joint);
        if !joined || !(form.check)(number.digits(view, count).all()) {
            continue;
        }
        let end = number.end(count);
        let free = free_before(view, start) && free_after(view, end);
        let told = context.tells(start, end, tells::ID | tells::ID_WEAK | tells::SSN);
        let phone = !told && context.nearest(start, end, tells::PHONE | tells::THING | tells::CARD) != 0;
        if free && (told || !form.needs_word && !phone) {
            return Some(Hit { kind: Kind::NationalId, start, end, rank: if told { 84 } else { 75 } });
        }
    }
    let ended = matches!(first, 6..=8 | 17);
    let mixed = if ended { mixed(view, context, start) } else { None };
    mixed.or_else(|| told(view, context, number))
}

/// Six to fourteen digits beside a word for such a number.
fn told(view: &View<'_>, context: &Context, number: Groups<'_>) -> Option<Hit> {
    let start = number.start();
    let near = |end: usize| {
        context.nearest(start, end, tells::ID | tells::THING | tells::PHONE | tells::CARD | tells::BIRTH) == tells::ID
    };
    let first = context.before(start).find(|mark| mark.tells & tells::ID != 0)?;
    if start - first.end > 24 || context.bare {
        return None;
    }
    let most = number.0.iter().skip(1).take(5).take_while(|group| b" -./".contains(&group.joint)).count() + 1;
    (1..=most).rev().find_map(|groups| {
        let end = number.end(groups);
        let digits = number.count(groups);
        ((6..=14).contains(&digits) && near(end) && free_before(view, start) && free_after(view, end)).then_some(Hit {
            kind: Kind::NationalId,
            start,
            end,
            rank: 64,
        })
    })
}

/// Digits that end in a letter: Spain's NIF, Finland's HETU, China's check X.
fn mixed(view: &View<'_>, context: &Context, start: usize) -> Option<Hit> {
    if !view.starts_word(start) || b".-/".contains(&view.before(start)) && is_word(view.before(start.saturating_sub(1)))
    {
        return None;
    }
    let hit = |end: usize| Some(Hit { kind: Kind::NationalId, start, end, rank: 75 });
    let text = view.slice(start, start + 18);
    if let [digits @ .., b'X' | b'x'] = text
        && text.len() == 18
        && view.ends_word(start + 18)
    {
        let mut values = [10; 18];
        values.iter_mut().zip(digits).for_each(|(to, byte)| *to = byte.wrapping_sub(b'0'));
        return if values.iter().take(17).all(|value| *value < 10) && chinese(&values) {
            hit(start + 18)
        } else {
            None
        };
    }
    let digits = view.skip(start, |byte| byte.is_ascii_digit()) - start;
    let number = |from: usize, to: usize| {
        view.slice(from, to)
            .iter()
            .fold(0u32, |sum, byte| sum.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0'))))
    };
    if digits == 8 || digits == 7 {
        let letter = start + digits + usize::from(view.at(start + digits) == b'-');
        let right = nif_letter(number(start, start + digits)) == view.at(letter).to_ascii_uppercase();
        // Older numbers lack their leading zero.
        let long = digits == 8 || context.tells(start, letter + 1, tells::ID);
        return if right && view.ends_word(letter + 1) && long { hit(letter + 1) } else { None };
    }
    let sign = view.at(start + 6).to_ascii_uppercase();
    let tail = view.slice(start + 7, start + 10);
    if digits == 6
        && b"+-ABCDEFYXWVU".contains(&sign)
        && tail.len() == 3
        && tail.iter().all(u8::is_ascii_digit)
        && view.ends_word(start + 11)
    {
        let key = number(start, start + 6) * 1000 + number(start + 7, start + 10);
        let letter = b"0123456789ABCDEFHJKLMNPRSTUVWXY".get((key % 31) as usize);
        let day = is_day(number(start + 2, start + 4).into(), number(start, start + 2).into());
        return if day && letter == Some(&view.at(start + 10).to_ascii_uppercase()) { hit(start + 11) } else { None };
    }
    None
}

fn nif_letter(number: u32) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE".get((number % 23) as usize).copied().unwrap_or(0)
}

/// A token of letters and digits.
pub(super) fn token(view: &View<'_>, context: &Context, start: usize, end: usize) -> Option<Hit> {
    let text = view.slice(start, end);
    let hit = |end: usize, rank: u8| Some(Hit { kind: Kind::NationalId, start, end, rank });
    let lower = text.iter().any(u8::is_ascii_lowercase);
    let told = || context.tells(start, end, tells::ID | tells::ID_WEAK | tells::SSN);
    if let Some(end) = nino(view, start)
        && (!lower || told())
    {
        return hit(end, 76);
    }
    let dashed = view.at(end) == b'-';
    if dashed && shaped(view.slice(start, start + 13), b"DLAD-LAD-LLDD") && view.ends_word(start + 13) {
        return hit(start + 13, 76);
    }
    if dashed && shaped(view.slice(start, end), b"LDDDDDDD") && view.ends_word(start + 10) {
        let mut joined = [0; 9];
        joined
            .iter_mut()
            .zip(view.slice(start, start + 8).iter().chain(view.slice(start + 9, start + 10)))
            .for_each(|(to, from)| *to = *from);
        return if nie(&joined) { hit(start + 10, 76) } else { None };
    }
    let before = view.before(start);
    if b"-/.#=&?".contains(&before) && is_word(view.before(start.saturating_sub(1)))
        || b"-@/".contains(&view.at(end)) && is_word(view.at(end + 1))
    {
        return None;
    }
    let of_form = match text.len() {
        // India: PAN; Singapore: NRIC, FIN; Spain: NIE.
        10 => {
            shaped(text, b"LLLLLDDDDL")
                && text.get(3).is_some_and(|kind| b"ABCFGHJLPT".contains(&kind.to_ascii_uppercase()))
        }
        9 => shaped(text, b"LDDDDDDDL") && (nric(text) || nie(text)),
        15 => shaped(text, b"DDLLLLLDDDDLAZA"),
        // Italy: codice fiscale; United Kingdom: driving licence.
        16 => codice_fiscale(text) || shaped(text, b"99999DDDDDD99AAA") && shaped(text, b"AAAAAAAAAAA99DLL"),
        // Mexico: CURP.
        18 => shaped(text, b"LLLLDDDDDDLLLLLLAD") && text.get(10).is_some_and(|sex| b"HMXhmx".contains(sex)),
        // United States: Medicare beneficiary.
        11 => shaped(text, b"DLADLADLLDD"),
        _ => false,
    };
    if of_form && (!lower || told()) {
        return hit(end, 76);
    }
    // Beside a word for it, any token of letters and digits that is no word.
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let mixed =
        (6..=20).contains(&text.len()) && digits >= 4 && digits < text.len() && (!lower || text.len() - digits <= 3);
    let rivals = tells::ID | tells::ID_WEAK | tells::THING | tells::PHONE | tells::SECRET | tells::VERSION;
    let said = mixed && !context.bare && context.nearest(start, end, rivals) == tells::ID;
    if said { hit(end, 64) } else { None }
}

/// Does a token have this form? `L` letter, `D` digit, `A` either, `9` a letter or 9, else itself.
fn shaped(text: &[u8], form: &[u8]) -> bool {
    text.len() == form.len()
        && text.iter().zip(form).all(|(byte, class)| match class {
            b'L' => byte.is_ascii_alphabetic(),
            b'D' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphanumeric(),
            b'9' => byte.is_ascii_alphabetic() || *byte == b'9',
            other => byte.eq_ignore_ascii_case(other),
        })
}

/// End of a UK national insurance number, with or without spaces (HMRC, NIM39110).
fn nino(view: &View<'_>, start: usize) -> Option<usize> {
    if !view.at(start).is_ascii_alphabetic() || !view.at(start + 1).is_ascii_alphabetic() {
        return None;
    }
    let mut text = [0u8; 9];
    let mut at = start;
    let mut count = 0;
    while count < 9 {
        let byte = view.at(at);
        if byte == b' ' && matches!(count, 2 | 4 | 6 | 8) && view.before(at) != b' ' {
            at += 1;
            continue;
        }
        if let Some(to) = text.get_mut(count) {
            *to = byte.to_ascii_uppercase();
        }
        count += 1;
        at += 1;
    }
    let [a, b, .., last] = text;
    let first =
        a.is_ascii_alphabetic() && !b"DFIQUV".contains(&a) && b.is_ascii_alphabetic() && !b"DFIQUVO".contains(&b);
    let given = ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&[a, b]);
    (first
        && given
        && text.iter().skip(2).take(6).all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(&last)
        && view.ends_word(at))
    .then_some(at)
}

fn nric(text: &[u8]) -> bool {
    let [prefix, digits @ .., letter] = text else { return false };
    let prefix = prefix.to_ascii_uppercase();
    let (offset, letters): (u32, &[u8]) = match prefix {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"KLJNPQRTUWX"),
        _ => return false,
    };
    let sum = digits
        .iter()
        .zip([2, 7, 6, 5, 4, 3, 2])
        .map(|(byte, weight)| u32::from(byte.wrapping_sub(b'0')) * weight)
        .sum::<u32>()
        + offset;
    let at = sum % 11;
    letters.get(if prefix == b'M' { 10 - at } else { at } as usize) == Some(&letter.to_ascii_uppercase())
}

fn nie(text: &[u8]) -> bool {
    let [prefix, digits @ .., letter] = text else { return false };
    let Some(first) = b"XYZ".iter().position(|known| *known == prefix.to_ascii_uppercase()) else { return false };
    let number = digits.iter().fold(first as u32, |sum, byte| sum * 10 + u32::from(byte.wrapping_sub(b'0')));
    nif_letter(number) == letter.to_ascii_uppercase()
}

/// Check letter of D.M. 23/12/1976, art. 4.
fn codice_fiscale(text: &[u8]) -> bool {
    if shaped(text, b"LLLLLLDDLDDLDDDL")
        && text.get(8).is_some_and(|month| b"ABCDEHLMPRST".contains(&month.to_ascii_uppercase()))
    {
        return true;
    }
    // Letters stand for digits where two people would share a code.
    if !shaped(text, b"LLLLLLAALAALAAAL") || text.iter().filter(|byte| byte.is_ascii_digit()).count() < 3 {
        return false;
    }
    const ODD: &[u8; 26] =
        &[1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let of = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte.to_ascii_uppercase().wrapping_sub(b'A') };
    let sum: u32 = text
        .iter()
        .take(15)
        .enumerate()
        .map(|(i, byte)| {
            u32::from(if i % 2 == 0 { ODD.get(usize::from(of(*byte))).copied().unwrap_or(0) } else { of(*byte) })
        })
        .sum();
    text.last().is_some_and(|last| u32::from(of(*last)) == sum % 26)
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

fn last(digits: &[u8]) -> u32 {
    digits.last().map_or(0, |digit| u32::from(*digit))
}

fn varied(digits: &[u8]) -> bool {
    digits.iter().any(|digit| Some(digit) != digits.first())
}

fn cpf(digits: &[u8]) -> bool {
    let check = |count: u32| {
        let weights: [u32; 10] = std::array::from_fn(|i| (count + 1).saturating_sub(i as u32));
        let taken = digits.get(..count as usize).unwrap_or_default();
        weighted(taken, &weights) * 10 % 11 % 10
    };
    varied(digits) && digits.get(9).is_some_and(|digit| u32::from(*digit) == check(9)) && last(digits) == check(10)
}

/// Verhoeff's check (UIDAI).
fn aadhaar(digits: &[u8]) -> bool {
    const STEPS: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let step = |mut digit: u8, times: usize| {
        for _ in 0..times % 8 {
            digit = STEPS.get(usize::from(digit)).copied().unwrap_or(0);
        }
        digit
    };
    // The dihedral group of order ten.
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let palindrome = || digits.iter().eq(digits.iter().rev());
    let sum = || digits.iter().rev().enumerate().fold(0, |sum, (i, digit)| product(sum, step(*digit, i)));
    digits.first() > Some(&1) && sum() == 0 && !palindrome()
}

fn is_day(month: u64, day: u64) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn pair(digits: &[u8], at: usize) -> u64 {
    value(digits.get(at..at + 2).unwrap_or_default())
}

fn pesel(digits: &[u8]) -> bool {
    let sum = weighted(digits.get(..10).unwrap_or_default(), &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    (10 - sum % 10) % 10 == last(digits) && is_day(pair(digits, 2) % 20, pair(digits, 4))
}

fn kimlik(digits: &[u8]) -> bool {
    let odd = weighted(digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(digits, &[0, 1, 0, 1, 0, 1, 0, 1, 0]);
    let tenth = (odd * 7 + 90 - even) % 10;
    let all: u32 = digits.iter().take(10).map(|digit| u32::from(*digit)).sum();
    digits.first() != Some(&0)
        && digits.get(9).is_some_and(|digit| u32::from(*digit) == tenth)
        && last(digits) == all % 10
}

/// ISO 7064, MOD 11,10; one digit comes twice or three times among the first ten (BZSt).
fn steuer_id(digits: &[u8]) -> bool {
    let product = digits.iter().take(10).fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let times = (0..10).map(|wanted| digits.iter().take(10).filter(|digit| **digit == wanted).count()).max();
    digits.first() != Some(&0) && matches!(times, Some(2 | 3)) && (11 - product) % 10 == last(digits)
}

fn thai(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    varied(digits) && matches!(digits.first(), Some(1..=8)) && (11 - sum % 11) % 10 == last(digits)
}

fn south_african(digits: &[u8]) -> bool {
    is_day(pair(digits, 2), pair(digits, 4)) && matches!(digits.get(10), Some(0..=2)) && luhn(digits)
}

fn nir(digits: &[u8]) -> bool {
    let number = value(digits.get(..13).unwrap_or_default());
    let month = pair(digits, 3);
    matches!(digits.first(), Some(1..=4 | 7 | 8))
        && ((1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50)
        && 97 - number % 97 == pair(digits, 13)
}

fn ahv(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
    digits.starts_with(&[7, 5, 6]) && (10 - sum % 10) % 10 == last(digits)
}

fn belgian(digits: &[u8]) -> bool {
    let number = value(digits.get(..9).unwrap_or_default());
    let check = pair(digits, 9);
    is_day(pair(digits, 2), pair(digits, 4))
        && (97 - number % 97 == check || 97 - (2_000_000_000 + number) % 97 == check)
}

fn swedish(digits: &[u8]) -> bool {
    let ten = digits.get(digits.len().saturating_sub(10)..).unwrap_or_default();
    let century = digits.len() == 10 || matches!(pair(digits, 0), 18..=20);
    // Numbers lent before a personal one have 60 added to the day.
    century && (1..=12).contains(&pair(ten, 2)) && matches!(pair(ten, 4), 1..=31 | 61..=91) && luhn(ten)
}

fn korean(digits: &[u8]) -> bool {
    is_day(pair(digits, 2), pair(digits, 4)) && matches!(digits.get(6), Some(1..=8))
}

fn sin(digits: &[u8]) -> bool {
    !matches!(digits.first(), Some(0 | 8)) && varied(digits) && luhn(digits)
}

fn itin(digits: &[u8]) -> bool {
    digits.first() == Some(&9) && matches!(pair(digits, 3), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// GB 11643: ISO 7064, MOD 11-2; 10 is written X.
fn chinese(digits: &[u8]) -> bool {
    let year = value(digits.get(6..10).unwrap_or_default());
    let sum = digits.iter().take(17).fold(0, |sum, digit| (sum + u32::from(*digit)) * 2 % 11);
    digits.first() != Some(&0)
        && (1900..2050).contains(&year)
        && is_day(pair(digits, 10), pair(digits, 12))
        && (12 - sum) % 11 == last(digits)
}

fn nhs(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    varied(digits) && (11 - sum % 11) % 11 == last(digits)
}
