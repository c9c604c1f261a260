use proptest::prelude::*;
use serde_json::Value;

use super::{Kind, find, redact};

fn redacted(text: &str) -> String {
    redact(text, usize::MAX).as_str().to_owned()
}

/// Rows whose list of spans is not Presidio's verdict: there the test asks for one hit and leaves its place open, so that the
/// list came out empty. Both are whole, valid, public IPv6 addresses.
const ARGUED: [(&str, [usize; 2]); 2] =
    [("2345:0425:2CA1:0000:0000:0567:5673:23b5", [0, 39]), ("2400:c401::5054:ff:fe1b:b031", [0, 28])];

#[test]
fn every_case_of_presidio() {
    let rows = include_str!("../../../tests/data/pii_cases.jsonl");
    let mut seen = 0;
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = row["text"].as_str().unwrap();
        let mut wanted: Vec<[usize; 2]> = serde_json::from_value(row["spans"].clone()).unwrap();
        wanted.extend(ARGUED.iter().filter(|(argued, _)| *argued == text).map(|(_, span)| *span));
        let chars = |byte: usize| text[..byte].chars().count();
        let found = find(text).into_iter().filter(|found| row["type"] == found.kind.name());
        let spans: Vec<[usize; 2]> = found.map(|found| [chars(found.start), chars(found.end)]).collect();
        assert_eq!(spans, wanted, "{text}");
        seen += 1;
    }
    assert_eq!(seen, 252);
}

#[test]
fn a_secret_of_any_length_goes_whole() {
    for chars in [20, 127, 128, 129, 255, 256, 257, 5_000] {
        let random: String = ('a'..='z').chain('0'..='9').cycle().step_by(5).take(chars).collect();
        for (before, after) in [
            ("Authorization: Bearer ", " ok"),
            ("my password is ", "."),
            ("api_key=\"", "\", next"),
            ("token: ", ""),
            ("secret_access_key = ", "\n"),
            ("https://a.example/?token=", " "),
            ("sk-", " "),
        ] {
            let redacted = redacted(&format!("{before}{random}{after}"));
            assert!(redacted.ends_with(&format!("]{after}")), "{redacted}");
        }
    }
    let sentence = "是我的".repeat(100);
    let redacted_sentence = redacted(&format!("密码: abc123{sentence}"));
    assert!(redacted_sentence.starts_with("密码: [SECRET]") && redacted_sentence.ends_with(&"是我的".repeat(59)));
    assert_eq!(redacted("password: a1password=b2password: c3d4e5f6, g"), "password: [SECRET]: [SECRET], g");
}

#[test]
#[rustfmt::skip]
fn what_is_personal_is_replaced_by_its_type() {
    for (text, wanted) in [
        ("write to o'brien+x@mail.example.co.uk, please", "write to [EMAIL], please"),
        ("„müller@münchen.de“ und 用户@例子.公司", "„[EMAIL]“ und [EMAIL]"),
        ("请联系info@example.com谢谢", "请联系[EMAIL]谢谢"),
        ("mailto:a.b@c.org?subject=x <d@e.io>", "mailto:[EMAIL]?subject=x <[EMAIL]>"),
        ("\"john doe\"@example.com and x@[192.0.2.1]", "[EMAIL] and [EMAIL]"),
        ("https://a.example/?email=ann@example.com&x=1", "https://a.example/?email=[EMAIL]&x=1"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[EMAIL]"),
        ("card ٤١١١ ١١١١ ١١١١ ١١١١", "card [CARD]"),
        ("card 4111\u{a0}1111\u{a0}1111\u{a0}1111", "card [CARD]"),
        ("card 41\u{200b}11111111111\u{200d}111", "card [CARD]"),
        ("4111 1111 1111 1111 123", "[CARD] 123"),
        ("gb29nwbk60161331926819", "[IBAN]"),
        ("電話は090-1234-5678です", "電話は[PHONE]です"),
        ("Ruf mich an: 0171/1234567", "Ruf mich an: [PHONE]"),
        ("call me at 4155550132", "call me at [PHONE]"),
        ("call 555-0132 now", "call [PHONE] now"),
        ("+1 (415) 555-0132 ext. 12", "[PHONE]"),
        ("тел. 8 (912) 345-67-89", "тел. [PHONE]"),
        ("fon +49 (0)30 1234567.", "fon [PHONE]."),
        ("+33 (0)1 23 45 67 89, 415.555.0132x045", "[PHONE], [PHONE]"),
        ("passport no. 123456789", "passport no. [NATIONAL_ID]"),
        ("5555 5555 5555 4444,4012888888881881,123-45-6789", "[CARD],[CARD],[SSN]"),
        ("https://u:pw@h/GB29 NWBK 6016 1331 9268 19", "[URL][IBAN]"),
        ("my ssn is 078051121", "my ssn is [SSN]"),
        ("CPF 529.982.247-25", "CPF [NATIONAL_ID]"),
        ("Aadhaar 2341 2341 2346", "Aadhaar [NATIONAL_ID]"),
        ("RSSMRA85T10A562S", "[NATIONAL_ID]"),
        ("passport number is X1234567", "passport number is [NATIONAL_ID]"),
        ("护照 E12345678", "护照 [NATIONAL_ID]"),
        ("11010519491231002X", "[NATIONAL_ID]"),
        ("MAC:00:1a:2b:3c:4d:5e", "MAC:[MAC]"),
        ("see https://u:pw@host/x and https://a.example/x?page=2", "see [URL] and https://a.example/x?page=2"),
        ("key sk-proj-abcdefghijklmnopqrstuvwx1234", "key [SECRET]"),
        ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
        ("Authorization: Bearer abcdef1234567890abcdef", "Authorization: Bearer [SECRET]"),
        ("password: hunter2x", "password: [SECRET]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----.", "-----[SECRET]."),
        ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "pay [CRYPTO]"),
        ("born on March 12, 1985 in Rome", "born on [DATE_OF_BIRTH] in Rome"),
        ("geboren am 12. März 1985", "geboren am [DATE_OF_BIRTH]"),
        ("生年月日は1985年3月12日です", "生年月日は[DATE_OF_BIRTH]です"),
        ("DOB: 03/12/1985", "DOB: [DATE_OF_BIRTH]"),
        ("I live at 12 Elm Road, Springfield, IL 62704.", "I live at [ADDRESS]."),
        ("Hauptstraße 12a, 10115 Berlin", "[ADDRESS]"),
        ("12 rue des Lilas, 75011 Paris", "[ADDRESS]"),
    ] {
        assert_eq!(redacted(text), wanted, "{text}");
    }
}

#[test]
#[rustfmt::skip]
fn numbers_of_things_stay() {
    for text in [
        "order 4155550132 of 2024-01-15", "Bestellung 123456789", "注文番号 1234567890", "v1.2.3.4", "Chrome/120.0.6099.109", "numpy==1.2.3.4",
        "40.7128, -74.0060", "+37.774929", "$1,234.56 or 1.234.567,89 €", "10:30-12:45", "2024-01-15T10:30:00.123Z", "1700000000000",
        "550e8400-e29b-41d4-a716-446655440000", "978-3-16-148410-0", "3.14159265358979323846", "std::vector<int> a[::2]", "logo@2x.png",
        "lodash@4.17.21", "tool@1.0.0-beta.rc", "git@github.com:a/b.git", "01 02 03 04 05 06", "#ff00aa", "a + 12345678 = b", "5 Google Drive folders",
        "sent via Outlook 365", "4096 tokens", "tokens: 120000", "the key is on the table", "I was born in 1985", "1.3.6.1.4.1.311", "digits 0123456789",
        "sk-and-then-some-words-with-dashes-in-them", "x = y == z", "2^64 - 1", "HTTP 404", "[EMAIL] [PHONE] 1234567",
    ] {
        assert_eq!(find(text), [], "{text}");
    }
}

#[test]
fn half_a_placeholder_is_not_kept() {
    assert_eq!(redact("mail a@b.co now", 8).as_str(), "mail ");
    assert_eq!(redact("mail a@b.co now", 12).as_str(), "mail [EMAIL]");
    assert_eq!(redact("ä€😀", 2).as_str(), "ä€");
}

/// Parts of hostile texts.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,17}",
        "[ .:/@+()#=,\\-\\[\\]]{1,3}",
        "[a-zA-Z]{1,8}",
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "a@b.co",
            "4111 1111 1111 1111",
            "+14155550132",
            "415-555-0132",
            "078-05-1121",
            "192.0.2.1",
            "2001:db8::1",
            "phone",
            "order",
            "password: ",
            "[EMAIL]",
            "GB29 NWBK 6016 1331 9268 19",
            "00:1a:2b:3c:4d:5e",
            "born 12/3/1985",
            "電話",
            "住所",
            "1 Elm Road",
            "Hauptstr. 1",
            "https://u:p@h/",
            "\u{200b}",
            "４",
            "id",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn a_redacted_text_stays_as_it_is(parts in prop::collection::vec(part(), 0..14)) {
        let text = parts.concat();
        let once = redacted(&text);
        prop_assert_eq!(redacted(&once), once);
    }

    #[test]
    fn spans_are_in_order_and_at_characters(parts in prop::collection::vec(part(), 0..14)) {
        let text = parts.concat();
        let mut from = 0;
        for found in find(&text) {
            prop_assert!(found.start >= from && found.start < found.end);
            prop_assert!(text.get(found.start..found.end).is_some());
            from = found.end;
        }
    }

    #[test]
    fn no_digits_of_a_planted_value_survive(before in "[a-z]{0,6}[ ,:]", after in "[ ,.][a-z]{0,6}", host in "[a-z]{3,9}", number in "[1-9][0-9]{8}") {
        for value in [format!("{host}{number}@{host}.com"), format!("+49 30 {}", &number[..7]), format!("https://{host}:{number}@h.example/")] {
            let shown = redacted(&format!("{before}{value}{after}"));
            prop_assert!(!shown.contains(&number[..7]), "{}", shown);
        }
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let _ = redacted(&text);
    }
}

#[test]
fn names_are_placeholders_of_their_own() {
    for kind in [Kind::Email, Kind::NationalId, Kind::Birth] {
        assert_eq!(find(&format!("[{}] 1234567", kind.name())), []);
    }
}
