//! Time is linear, whatever the text is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::find;

const BYTES: usize = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };

fn repeated(pattern: &str) -> String {
    pattern.repeat(BYTES / pattern.len() + 1)
}

/// Pseudo-random text over an alphabet: xorshift64.
fn random(alphabet: &str, mut seed: u64) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        alphabet[(seed % alphabet.len() as u64) as usize]
    };
    std::iter::repeat_with(next).take(BYTES).collect()
}

#[rustfmt::skip]
const PATTERNS: &[&str] = &[
    "a", "@", "a@", "a@b.", "a.b@", "a@b.co ", "\"a", "\"@", "1", "1 ", "12 ", "123 ", "1234 ", "4111 ", "1-", "12345678 ",
    "0 ", "01 ", "012 ", "(", "(1", "+", "+1 ", "+49 ", "+49 1", "0049 ", "1.", "255.", "1.2.3.4 ", ":", "a:", "::1", "1:: ", "ffff:",
    "00:", "00:1a:2b:3c:4d:5e ", "://", "a://", "http://a?b=c&", "http://u:p@h ", "a=b&", "sk-", "sk-a1 ", "eyJ.", "eyJhbGciOiJIUzI1.",
    "eyJ0", "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PUBLIC KEY-----\n", "=", "a==", "AKIA1 ", "xoxb-1 ", "M.", "123456789:",
    "AD12", "AD12 ", "GB82 WEST ", "DE89 3704 0044 0532 0130 01 ", "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf ",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5 ", "0x", "phone ", "phone 1234567 ", "order 4155550132 ", "born ", "born 1/1/",
    "street ", "1 Elm St ", "A St ", "rue A ", "rue ", "via A 1 ", "password ", "password: ", "password-", "secret_", "id ",
    "the quick brown fox ", "te ", "電", "電話1", "телефон ", "\u{200b}", "1\u{200b}", "１", "😀", "住所1", "住所", "AB 12 34 56 ",
    "AB123456 ", "A1 ", "passport A1 ", "[EMAIL]", "123-45-6789 ", "4111111111111111 ", "4111 1111 1111 1111 ", "415-555-0132 ",
    "+14155550132,", "415-555-0132-", "glpat-", "SG.", "hvs.", "A-", "a_", "Hauptstr. ", "Hauptstr. 1, A ", "1 A St, B, ", "is1-", "born may 1 ",
    "born a ", "fe80::%a", "AAAAAAAAAA ", "user:", "a/", "?=", "bearer ", "ｂ@", "住所a ", "+(1", "1)", "ab\n12", "\t1", "é", "é1 ", "ß@é.", "12~", "1 - ",
    "LC12 ", "RU12 ", "RU12-", "password:", "password:a1", "token=a1 ", "key: ", "key:a", "key:1a", "rue a", "rue A", "via a 1 ",
];

/// A mebibyte is to take 50 ms of the processor that [`YARDSTICK`] was taken of, and on a slower one in proportion more. A
/// quadratic reading of any of these takes minutes.
const BUDGET: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 50 });
/// What [`yardstick`] takes of a processor on which the budget holds as it stands.
const YARDSTICK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 10_000 } else { YARDSTICK_MS });
/// Cloud machine of 2026, Intel Xeon, 2 cores.
const YARDSTICK_MS: u64 = 56;

/// Work whose time depends on nothing but the processor: 20 million steps of splitmix64, each waiting for the one before.
fn yardstick() -> Duration {
    busy(|| {
        let mut state = std::hint::black_box(7u64);
        for _ in 0..20_000_000 {
            state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) ^ 1;
        }
        std::hint::black_box(state);
    })
}

/// Processor time that this thread takes for it: what else runs on the machine does not make a reading slower.
fn busy(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    };
    let began = now();
    work();
    now() - began
}

/// What a text takes of the budget: the first reading within it, or the best. One that is beyond it is set against the
/// yardstick of its moment, because a neighbour on a shared machine slows both.
fn share(text: &str) -> f64 {
    const READINGS_MAX: usize = if cfg!(debug_assertions) { 1 } else { 20 };
    let mut best = f64::INFINITY;
    for _ in 0..READINGS_MAX {
        let mut taken = busy(|| drop(std::hint::black_box(find(text)))).as_secs_f64() / BUDGET.as_secs_f64();
        if taken > 1.0 {
            taken /= (yardstick().as_secs_f64() / YARDSTICK.as_secs_f64()).max(1.0);
        }
        best = best.min(taken);
        if best <= 1.0 {
            break;
        }
    }
    best
}

#[test]
fn a_mebibyte_of_anything_is_read_in_no_time() {
    let mut texts: Vec<(String, String)> =
        PATTERNS.iter().map(|pattern| ((*pattern).to_owned(), repeated(pattern))).collect();
    for (seed, alphabet) in
        ["0123456789 -.()+/", "0123456789abcdef:.% ", "ab.@\"-_ ", "0123456789abcdef ", "aA1 -_.:=/@"]
            .iter()
            .enumerate()
    {
        texts.push((format!("random of {alphabet}"), random(alphabet, seed as u64 + 1)));
    }
    let printable: String = (' '..='~').collect();
    texts.push(("random".into(), random(&printable, 9)));
    texts.push(("a query without end".into(), format!("http://x?{}", repeated("a=b&"))));
    texts.push(("a long name".into(), format!("{}@b.com", repeated("a"))));
    let slow: Vec<(f64, String)> =
        texts.into_iter().map(|(name, text)| (share(&text), name)).filter(|(share, _)| *share > 1.0).collect();
    assert!(slow.is_empty(), "shares of the budget: {slow:?}");
}
