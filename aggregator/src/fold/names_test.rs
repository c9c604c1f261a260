use proptest::prelude::*;

use super::*;

const DAY: UtcDay = UtcDay(20_778);

fn at(quarter: i32) -> Bucket15 {
    Bucket15(DAY.first_bucket().0 + quarter)
}

fn totals<C: Additive, const MAX: usize>(names: &Names<C, MAX>, from: i32, to: i32) -> FlatMap<String, C> {
    let mut totals = FlatMap::new();
    names.sum(DAY, at(from), at(to), &mut totals);
    totals
}

#[test]
fn a_flood_of_names_takes_no_room_and_no_count() {
    let mut names: Names<Rate> = Names::default();
    let mut count = |name: &str, quarter: i32, hit: bool| {
        names.change(name, at(quarter), |rate| rate.merge(&Rate::of(hit)));
    };
    count("/chat", 0, false);
    for n in 0..10_000 {
        count(&format!("/{n}"), n % 96, true);
        count("/chat", n % 96, false);
    }
    assert_eq!(names.0.len(), NAMES_MAX + 1);
    let totals = totals(&names, 0, 96);
    assert_eq!(totals["/chat"], Rate { n: 10_001, hits: 0 });
    let other = u32::try_from(10_000 - (NAMES_MAX - 1)).unwrap();
    assert_eq!(totals[OTHER], Rate { n: other, hits: other });
    let bytes = crate::fold::encode(&names).unwrap();
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    assert_eq!(crate::fold::decode::<Names<Rate>>(&bytes).unwrap(), names);
}

#[test]
fn a_full_day_lets_no_name_in() {
    let mut names: Names<u32, 2> = Names::default();
    let mut count = |name: &str| names.change(name, at(1), |n| *n += 1);
    ["a", "b", "c", "a", "c"].into_iter().for_each(&mut count);
    let mut gone: Names<u32, 2> = Names::default();
    gone.change("a", at(1), |n| *n += 2);
    names.take_out(&gone);
    names.change("c", at(1), |n| *n += 1);
    assert_eq!(totals(&names, 0, 96), FlatMap::from([("b".into(), 1), (OTHER.into(), 3)]));
    // What has no place is taken out of the rest.
    let mut gone: Names<u32, 2> = Names::default();
    gone.change("c", at(1), |n| *n += 3);
    names.take_out(&gone);
    assert_eq!(totals(&names, 0, 96), FlatMap::from([("b".into(), 1)]));
}

proptest! {
    /// Cut anywhere, the parts of a day add up to all of it, and all of it to what was counted.
    #[test]
    fn parts_add_up(seen in proptest::collection::vec((0u8..150, 0i32..96, any::<bool>()), 0..400), cut in 0i32..=96) {
        let mut names: Names<Rate> = Names::default();
        for (name, quarter, hit) in &seen {
            names.change(&format!("/{name}"), at(*quarter), |rate| rate.merge(&Rate::of(*hit)));
        }
        let mut parts = totals(&names, 0, cut);
        Additive::merge(&mut parts, &totals(&names, cut, 96));
        let whole = totals(&names, -96, 192);
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(whole.values().map(|rate| rate.n as usize).sum::<usize>(), seen.len());
        let hits = seen.iter().filter(|(.., hit)| *hit).count();
        prop_assert_eq!(whole.values().map(|rate| rate.hits as usize).sum::<usize>(), hits);
    }

    /// As long as a day has room, order changes nothing, and what is taken out was never there.
    #[test]
    fn order_changes_nothing(seen in proptest::collection::vec((0u8..20, 0i32..96, any::<bool>()), 0..80)) {
        let names = |seen: &mut dyn Iterator<Item = &(u8, i32, bool)>| {
            let mut names: Names<Rate> = Names::default();
            for (name, quarter, hit) in seen {
                names.change(&format!("/{name}"), at(*quarter), |rate| rate.merge(&Rate::of(*hit)));
            }
            names
        };
        let mut whole = names(&mut seen.iter());
        prop_assert_eq!(&whole, &names(&mut seen.iter().rev()));
        whole.take_out(&names(&mut seen.iter().step_by(3)));
        let rest: Vec<_> = seen.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, one)| *one).collect();
        prop_assert_eq!(whole, names(&mut rest.iter()));
    }
}
