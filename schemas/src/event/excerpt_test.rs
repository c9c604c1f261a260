use super::*;
use proptest::prelude::*;

const WHOLE: &str = r#"{"id":"k1_00000000000000000000000000000001","ts":1793000000000,"source":"otlp","user":"k1_00000000000000000000000000000002",
    "conversation":"k2_00000000000000000000000000000003","session":"k255_00000000000000000000000000000004","reply":"k1_00000000000000000000000000000005",
    "cohort":{"country":"NP","utc_offset_minutes":345,"plan":"free","guest":true},"body":{"turn":{"turn_index":3,"provider":"openai","model":"gpt-4o",
    "feature":"chat","status":"filtered","error_code":"content_filter","latency_ms":1840,"ttft_ms":4294967295,"user_chars":0,"assistant_chars":900,
    "usage":{"input_tokens":1200,"output_tokens":340,"cache_read_tokens":7,"input_annotated_document_pages":2},"partial":true,
    "price_context":{"processing":"batch","service_tier":"flex"},"cost":{"nano_usd":-5,"price_version":"v","tier":"base","provenance":"estimated",
    "units":[{"unit":"input_tokens","count":1200,"nano_usd":-5}],"range":{"low":-9,"high":1},
    "cache":{"saved":9007199254740993,"write_premium":-3}}}}}"#;
const BARE: &str = r#"{"id":"k1_00000000000000000000000000000001","ts":-1,"source":"backend",
    "body":{"turn":{"provider":"p","model":"m","status":"ok","cost":{"unpriced":"unknown_model"}}}}"#;

fn event(line: &str) -> Event {
    Event::from_line(line).unwrap()
}

fn read_one(event: &Event) -> Event {
    read(&join(&[of(event)])).unwrap().remove(0).unwrap()
}

#[test]
fn an_excerpt_says_all_of_a_turn_but_its_units() {
    let moment =
        r#"{"id":"k1_00000000000000000000000000000001","ts":1,"source":"browser","body":{"moment":{"text_chars":1}}}"#;
    let excerpts = [&event(WHOLE), &event(moment), &event(BARE)].map(of);
    let mut whole = event(WHOLE);
    let Body::Turn(Turn { cost: Cost::Priced { units, .. }, .. }) = &mut whole.body else { panic!() };
    units.clear();
    assert_eq!(read(&join(&excerpts)).unwrap(), [Some(whole), None, Some(event(BARE))]);
    assert!(join(&[of(&event(moment))]).is_empty());
}

#[test]
fn each_word_of_a_list_is_read_as_it_was() {
    for source in Source::ALL {
        let event = Event { source, ..event(BARE) };
        assert_eq!(read_one(&event), event);
    }
    let of_turn = |change: &dyn Fn(&mut Turn)| {
        let mut event = event(BARE);
        let Body::Turn(turn) = &mut event.body else { panic!() };
        change(turn);
        assert_eq!(read_one(&event), event);
    };
    TurnStatus::ALL.into_iter().for_each(|status| of_turn(&|turn| turn.status = status));
    UnpricedReason::ALL.into_iter().for_each(|unpriced| of_turn(&|turn| turn.cost = Cost::Unpriced { unpriced }));
    for provenance in Provenance::ALL {
        let cost = |nano_usd| {
            let json =
                serde_json::json!({"nano_usd": nano_usd, "price_version": "v", "tier": "t", "provenance": provenance});
            serde_json::from_value::<Cost>(json).unwrap()
        };
        [0, i64::MIN, i64::MAX].into_iter().for_each(|nano_usd| of_turn(&|turn| turn.cost = cost(nano_usd)));
    }
}

#[test]
fn what_an_event_says_beside_itself_is_read_in_its_line() {
    let mut event = event(BARE);
    event.aside = Some(Box::default());
    assert!(of(&event).is_empty());
}

#[test]
fn bytes_of_another_form_are_none_and_broken_ones_are_wrong() {
    let mut bytes = join(&[of(&event(WHOLE))]);
    assert!(bytes.len() < WHOLE.len() / 4, "{}", bytes.len());
    (2..bytes.len()).for_each(|end| assert!(read(&bytes[..end]).is_err()));
    bytes[0] += 1;
    assert_eq!(read(&bytes).unwrap(), []);
    assert_eq!(read(&[]).unwrap(), []);
}

/// A change of these bytes is a change of [`FORM`].
#[test]
fn the_form_is_what_it_was() {
    let bytes = join(&[of(&event(WHOLE)), of(&event(BARE))]);
    let hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    assert_eq!((FORM, hash), (1, 0x1382_878e_c201_3300));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
        let _ = read(&[&[FORM][..], &bytes].concat());
        let mut damaged = join(&[of(&event(WHOLE)), of(&event(BARE))]);
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = read(&damaged);
    }
}
