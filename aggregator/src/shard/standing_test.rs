//! People who are not there.

use schemas::consent::{Absence, TABLE, Treatment, treatment};
use schemas::event::{self, Aside, Cohort, ConsentState, Country, Source};
use schemas::event::{Policy, Said};
use schemas::{Body, Event, Label, NanoUsd, SessionKey};

use super::tests::{NOW, append, message};
use super::*;
use crate::fold::intake::DropReason;
use crate::fold::testing::turn;
use crate::protocol::Person;
use crate::storage::memory::Memory;

const OUT: Said = Said { opted_out: true, age_13_plus: None };

/// The `n`-th event of a person, with all that could tell whose it is.
fn of(n: u128, body: Body, said: Said) -> Event {
    let aside = Aside { said, ..Aside::default() };
    Event {
        session: Some(SessionKey::from_mac(schemas::KeyId(1), [3; 16])),
        cohort: Cohort { country: Country::parse("NP"), ..Cohort::default() },
        body,
        aside: (aside != Aside::default()).then(|| Box::new(aside)),
        source: Source::Backend,
        ..turn(n, Some(1), Some(1), NOW.0 + i64::try_from(n).unwrap(), Some(5), 0)
    }
}

fn label(word: &str) -> Label {
    Label::parse(word).unwrap()
}

fn a_turn() -> Body {
    match turn(1, None, None, 0, Some(5), 0).body {
        Body::Turn(turn) => Body::Turn(event::Turn { user_chars: Some(7), turn_index: Some(3), ..turn }),
        other => other,
    }
}

fn consent(purpose: &str, state: ConsentState) -> Body {
    Body::Consent(event::Consent { state, purpose: label(purpose) })
}

/// One body of every kind.
pub(super) fn bodies() -> Vec<Body> {
    let json = r#"[
        {"request":{"method":"GET","route":"/","status":200,"ttfb_ms":1}},
        {"repriced":{"turn":"k1_00112233445566778899aabbccddeeff","provider":"p","model":"m","tokens":1,"cost":{"unpriced":"no_price"}}},
        {"feedback":{"rating":"up","text_chars":3}},
        {"observation":{"emotion":"joy","intensity":1,"confidence":0.5,"model_version":"m"}},
        {"error":{"component":"c","code":"e","message_digest":"0011223344556677"}},
        {"vital":{"name":"lcp","value":1.0,"route":"/"}},
        {"journey":{"name":"chat_opened"}},
        {"platform":{"platform":"p","event":"connected"}},
        {"service_cost":{"service":"cdn","nano_usd":3}},
        {"crisis":{"event":"referral","severity":3}},
        {"incident":{"severity":"p1","code":"c"}},
        {"notice":{"kind":"safety_policy","code":"c"}},
        {"moment":{"text_chars":3}}]"#;
    let mut bodies: Vec<Body> = serde_json::from_str(json).unwrap();
    bodies.push(a_turn());
    bodies.push(consent("analytics", ConsentState::Withdrawn));
    assert_eq!(bodies.len(), TABLE.len());
    bodies
}

/// What a Shard makes of one event: the line it stores, and why it stores none.
fn stored(shard: &mut Shard<Memory>, event: &Event) -> (Option<Event>, Option<DropReason>) {
    let reply = append(shard, &message(std::slice::from_ref(event)), NOW).unwrap();
    assert_eq!(reply.stored + reply.dropped.values().sum::<u64>(), 1);
    let row = shard.storage.rows_after(reply.seq - 1, usize::MAX).unwrap().remove(0);
    let event = schemas::event::stored::events(&row.events).next().map(|stored| stored.unwrap().event().unwrap());
    (event, reply.dropped.into_keys().next())
}

fn open() -> Shard<Memory> {
    Shard::open(Memory::default(), NOW).unwrap()
}

#[test]
fn every_kind_is_treated_as_the_table_says() {
    for (n, body) in bodies().into_iter().enumerate() {
        for said in [OUT, Said { opted_out: false, age_13_plus: Some(false) }] {
            let event = of(n as u128 + 1, body.clone(), said);
            let (line, dropped) = stored(&mut open(), &event);
            let absence = if said.opted_out { Absence::OptedOut } else { Absence::NotAttested };
            match treatment(body.kind(), absence) {
                Treatment::Whole => assert_eq!(line, Some(Event { aside: None, ..event })),
                Treatment::Dropped => assert_eq!((line, dropped), (None, Some(absence.into()))),
                Treatment::WithoutPerson => {
                    let line = line.unwrap();
                    let json = line.to_line().unwrap();
                    let telling =
                        ["\"user\"", "conversation", "session", "NP", "aside", "chars", "turn_index", "digest"];
                    assert!(telling.iter().all(|word| !json.contains(word)), "{json}");
                    assert_eq!((line.id, line.ts, line.body.kind()), (event.id, event.ts, body.kind()));
                }
            }
        }
        let (line, _) = stored(&mut open(), &of(n as u128 + 1, body, Said::default()));
        assert!(line.unwrap().user.is_some());
    }
}

#[test]
fn an_opt_out_sticks_to_a_person_until_they_agree_again() {
    let storage = Memory::default();
    let mut shard = Shard::open(storage.clone(), NOW).unwrap();
    let known = |shard: &mut Shard<Memory>, n, body, said| stored(shard, &of(n, body, said)).0.unwrap().user.is_some();
    assert!(known(&mut shard, 1, a_turn(), Said::default()));
    assert!(!known(&mut shard, 2, a_turn(), OUT));
    assert!(!known(&mut shard, 3, a_turn(), Said::default()), "as long as nothing else is said");
    // A restart replays the log, another one reads the checkpoint.
    for n in [4, 5] {
        shard = Shard::open(storage.clone(), NOW).unwrap();
        assert!(!known(&mut shard, n, a_turn(), Said::default()));
        shard.checkpoint(true).unwrap();
    }
    let someone_else = Event { user: turn(1, Some(9), None, 0, None, 0).user, ..of(6, a_turn(), Said::default()) };
    assert!(stored(&mut shard, &someone_else).0.unwrap().user.is_some());
    assert!(known(&mut shard, 7, consent("analytics", ConsentState::Granted), Said::default()));
    assert!(known(&mut shard, 8, a_turn(), Said::default()));
    let minor = Said { opted_out: false, age_13_plus: Some(false) };
    assert!(!known(&mut shard, 9, a_turn(), minor) && !known(&mut shard, 10, a_turn(), Said::default()));
    assert!(known(&mut shard, 11, a_turn(), Said { opted_out: false, age_13_plus: Some(true) }));
    // What they spent adds up all the while, theirs only as far as they were there.
    let days = shard.changes(0).unwrap().days;
    let spent: NanoUsd = shard
        .fold
        .days
        .values()
        .flat_map(|day| day.buckets.values())
        .flat_map(|b| b.cost.lines.values())
        .map(|a| a.nano_usd)
        .sum();
    assert_eq!((days.len(), spent), (1, NanoUsd(50)));
    let theirs = shard
        .held(&Person { user: of(1, a_turn(), OUT).user.unwrap(), was: None, ..Person::default() }, 0)
        .unwrap()
        .spend;
    assert_eq!(theirs.iter().map(|entry| entry.nano_usd.0).sum::<i64>(), 15);
}

#[test]
fn where_the_operator_asks_first_no_one_is_there_who_has_not_answered() {
    let asks = |policy: Policy, shard: &mut Shard<Memory>, n, body, said| {
        let aside = Some(Box::new(Aside { said, policy, ..Aside::default() }));
        let (line, dropped) = stored(shard, &Event { aside, ..of(n, body, Said::default()) });
        (line.is_some_and(|line| line.user.is_some()), dropped)
    };
    let vital = || bodies().remove(5);
    let consent_required = Policy { consent_required: true, age_required: false };
    let mut shard = open();
    assert_eq!(asks(consent_required, &mut shard, 1, a_turn(), Said::default()), (false, None));
    assert_eq!(
        asks(consent_required, &mut shard, 2, vital(), Said::default()),
        (false, Some(DropReason::ConsentMissing))
    );
    let granted = consent("analytics", ConsentState::Granted);
    assert_eq!(asks(consent_required, &mut shard, 3, granted, Said::default()), (true, None));
    assert_eq!(asks(consent_required, &mut shard, 4, a_turn(), Said::default()), (true, None));
    let age_required = Policy { consent_required: false, age_required: true };
    let mut shard = open();
    assert_eq!(asks(age_required, &mut shard, 1, vital(), Said::default()), (false, Some(DropReason::NotAttested)));
    let attested = Said { opted_out: false, age_13_plus: Some(true) };
    assert_eq!(asks(age_required, &mut shard, 2, a_turn(), attested), (true, None));
    assert_eq!(asks(age_required, &mut shard, 3, vital(), Said::default()), (true, None));
}

#[test]
fn a_choice_holds_from_the_next_event_of_the_same_message_on() {
    let mut shard = open();
    let events = [of(1, a_turn(), Said::default()), of(2, a_turn(), OUT), of(3, a_turn(), Said::default())];
    let reply = append(&mut shard, &message(&events), NOW).unwrap();
    assert_eq!((reply.stored, reply.dropped.len()), (3, 0));
    let row = shard.storage.rows_after(0, usize::MAX).unwrap().remove(0);
    let text = String::from_utf8(schemas::event::stored::lines(&row.events).unwrap()).unwrap();
    assert_eq!(text.lines().map(|line| line.contains("\"user\"")).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(append(&mut shard, &message(&events), NOW).unwrap().duplicate, 3);
}
