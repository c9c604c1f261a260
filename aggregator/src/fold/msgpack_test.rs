use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Bare,
    One(Box<Every>),
    Two(i8, String),
    Named { a: Option<u16>, b: Vec<bool> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Wrapped(i64);

/// One of every shape that serde knows and a counter may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Every {
    unsigned: (u8, u16, u32, u64),
    signed: (i8, i16, i32, i64),
    floats: (f32, f64),
    text: String,
    letter: char,
    list: Vec<Option<Wrapped>>,
    map: BTreeMap<String, BTreeMap<i32, u64>>,
    nothing: Nothing,
    unit: (),
    #[serde(default)]
    shapes: Vec<Shape>,
}

fn every() -> impl Strategy<Value = Every> {
    let leaf = (
        any::<(u8, u16, u32, u64)>(),
        any::<(i8, i16, i32, i64)>(),
        (-1e30f32..1e30, -1e300f64..1e300),
        ".{0,300}",
        any::<char>(),
        proptest::collection::vec(proptest::option::of(any::<i64>()), 0..40),
        proptest::collection::btree_map(
            "[a-z]{0,40}",
            proptest::collection::btree_map(any::<i32>(), any::<u64>(), 0..20),
            0..20,
        ),
    )
        .prop_map(|(unsigned, signed, floats, text, letter, list, map)| Every {
            unsigned,
            signed,
            floats,
            text,
            letter,
            list: list.into_iter().map(|n| n.map(Wrapped)).collect(),
            map,
            ..Every::default()
        });
    leaf.prop_recursive(3, 16, 4, |inner| {
        let shape = prop_oneof![
            Just(Shape::Bare),
            inner.clone().prop_map(|every| Shape::One(Box::new(every))),
            (any::<i8>(), ".{0,40}").prop_map(|(a, b)| Shape::Two(a, b)),
            (any::<Option<u16>>(), any::<Vec<bool>>()).prop_map(|(a, b)| Shape::Named { a, b }),
        ];
        (inner, proptest::collection::vec(shape, 0..4)).prop_map(|(every, shapes)| Every { shapes, ..every })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What `rmp-serde` writes is read as it was, and a piece of it is refused.
    #[test]
    fn what_is_written_is_read(value in every(), cut in any::<prop::sample::Index>()) {
        let bytes = rmp_serde::to_vec(&value).unwrap();
        prop_assert_eq!(&read::<Every>(&bytes).unwrap(), &value);
        prop_assert_eq!(&rmp_serde::from_slice::<Every>(&bytes).unwrap(), &value);
        prop_assert!(read::<IgnoredAny>(&bytes).is_ok());
        prop_assert!(read::<Every>(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(read::<Every>(&[&bytes[..], &[0xc0]].concat()).is_err());
    }

    /// Any bytes are read as `rmp-serde` reads them, or refused.
    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), flips in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4)) {
        let _ = read::<Every>(&bytes);
        if let Ok(value) = read::<serde_json::Value>(&bytes) {
            prop_assert_eq!(value, rmp_serde::from_slice::<serde_json::Value>(&bytes).unwrap());
        }
        let mut damaged = rmp_serde::to_vec(&Every { text: "text".into(), list: vec![None; 4], ..Every::default() }).unwrap();
        for (at, byte) in flips {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok(value) = read::<Every>(&damaged) {
            let theirs = rmp_serde::from_slice::<Every>(&damaged).unwrap();
            prop_assert_eq!(format!("{value:?}"), format!("{theirs:?}"));
        }
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused_without_memory() {
    assert!(read::<Vec<u64>>(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    assert!(read::<BTreeMap<u8, u8>>(&[0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(read::<IgnoredAny>(&[0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(read::<String>(&[0xdb, 0xff, 0xff, 0xff, 0xff]).is_err());
}

#[test]
fn depth_is_bounded() {
    let nested = [vec![0x91; 100_000], vec![0xc0]].concat();
    assert!(read::<serde_json::Value>(&nested).is_err());
    assert!(read::<IgnoredAny>(&nested).is_ok());
}

#[test]
fn a_struct_of_more_members_is_of_a_later_release() {
    assert!(read::<(u8, u8)>(&[0x93, 1, 2, 3]).is_err());
}
