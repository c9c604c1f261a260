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

fn stored(events: &[&Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    events.iter().for_each(|event| push(&mut bytes, event));
    bytes
}

fn read_all(bytes: &[u8]) -> Result<Vec<Event>, PackedError> {
    super::events(bytes).map(|stored| stored?.event()).collect()
}

fn read_one(event: &Event) -> Event {
    read_all(&stored(&[event])).unwrap().remove(0)
}

#[test]
fn events_are_read_as_they_were() {
    let moment =
        r#"{"id":"k1_00000000000000000000000000000001","ts":1,"source":"browser","body":{"moment":{"text_chars":1}}}"#;
    let all = [WHOLE, moment, BARE].map(event);
    let bytes = stored(&all.each_ref());
    assert_eq!(read_all(&bytes).unwrap(), all);
    let text: String = all.iter().map(|event| event.to_line().unwrap() + "\n").collect();
    assert_eq!(String::from_utf8(lines(&bytes).unwrap()).unwrap(), text);
    let mut copy = Vec::new();
    super::events(&bytes).for_each(|stored| push_stored(&mut copy, stored.unwrap()));
    assert_eq!(copy, bytes);
    assert!(stored(&[&all[0]]).len() < all[0].to_line().unwrap().len() / 3);
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
fn what_is_said_beside_a_turn_stays_with_it() {
    let mut event = event(BARE);
    let said = super::super::Said { opted_out: true, age_13_plus: Some(false) };
    event.aside = Some(Box::new(Aside { said, ..Aside::default() }));
    assert_eq!(read_one(&event), event);
}

#[test]
fn broken_bytes_are_wrong() {
    let bytes = stored(&[&event(WHOLE)]);
    (1..bytes.len()).for_each(|end| assert!(read_all(&bytes[..end]).is_err()));
    let longer = [&(bytes.len() as u32 - 3).to_le_bytes()[..], &bytes[4..], &[0]].concat();
    assert_eq!(read_all(&longer), Err(PackedError));
    assert_eq!(read_all(&[]).unwrap(), []);
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Rows hold this form for years: a change of these bytes is another form.
#[test]
fn the_form_is_what_it_was() {
    assert_eq!((FORM, hash(&stored(&[&event(WHOLE), &event(BARE)]))), (1, 0x516f_becf_788e_abfa));
}

/// What stands in a list is told by its place: lists may grow at their ends, and are pinned anew then.
#[test]
fn the_lists_are_what_they_were() {
    let words = (Source::ALL, TurnStatus::ALL, Provenance::ALL, UnpricedReason::ALL);
    assert_eq!(hash(format!("{:?}{words:?}", Usage::FIELDS).as_bytes()), 0x5e22_40da_8086_17d7);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
        let _ = StoredEvent(&bytes).line();
        let _ = StoredEvent(&[&[FORM][..], &bytes].concat()).event();
        let mut damaged = stored(&[&event(WHOLE), &event(BARE)]);
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = read_all(&damaged);
    }
}
