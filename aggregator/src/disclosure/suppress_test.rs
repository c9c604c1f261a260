use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use State::{Protects, Shown, Small, Withheld};

fn people(counts: &[u64]) -> Vec<Cell> {
    counts.iter().map(|count| Cell::of_people(*count)).collect()
}

fn listed(counts: &[u64]) -> Vec<State> {
    Table::list(Rule::people(50), &people(counts)).suppress()
}

#[test]
fn a_small_group_takes_the_first_two_with_it() {
    assert_eq!(listed(&[200, 300, 400]), [Shown, Shown, Shown, Shown]);
    assert_eq!(listed(&[200, 300, 400, 3]), [Protects, Protects, Shown, Small, Shown]);
    assert_eq!(listed(&[200, 3, 400, 0]), [Protects, Protects, Shown, Small, Shown]);
    assert_eq!(listed(&[3, 300]), [Protects, Protects, Shown]);
}

#[test]
fn where_all_hidden_is_too_little_nothing_is_said() {
    assert_eq!(listed(&[3, 5, 400, 7, 500]), [Withheld, Withheld, Withheld, Withheld, Withheld, Shown]);
    assert_eq!(listed(&[60, 39]), [Withheld, Withheld, Shown]);
    assert_eq!(listed(&[160]), [Shown, Shown]);
}

#[test]
fn a_two_way_table_hides_corners() {
    let rows = [vec![3, 200, 300], vec![400, 500, 600], vec![700, 800, 900]].map(|row| people(&row)).to_vec();
    let states = Table::two_way(Rule::people(50), &rows).suppress();
    let hidden: Vec<usize> = (0..9).filter(|at| states[*at] != Shown).collect();
    assert_eq!(hidden, [0, 1, 3, 4]);
    assert!(states[9..].iter().all(|state| *state == Shown));
}

#[test]
fn windows_that_overlap_give_no_difference_away() {
    // Two windows share all but three people, who came in the last days.
    let mut table = Table::new(Rule::people(50));
    let cells: Vec<usize> = people(&[70, 400, 3]).into_iter().map(|cell| table.cell(cell)).collect();
    table.show(&cells[0..2]);
    table.show(&cells[0..3]);
    assert_eq!(table.clone().suppress(), [Protects, Shown]);
    // The first was said before: then the second is not.
    let mut table = Table::new(Rule::people(50));
    let cells: Vec<usize> = people(&[70, 400, 3]).into_iter().map(|cell| table.cell(cell)).collect();
    table.said(&cells[0..2], Shown);
    table.show(&cells[0..3]);
    assert_eq!(table.suppress(), [Shown, Protects]);
}

#[test]
fn where_zero_is_shown_it_hides_nothing() {
    let rule = Rule { people_min: 50, zero_shown: true, per_person_max: 1 };
    let sums = |counts: &[u64]| {
        let mut table = Table::new(rule);
        let cells: Vec<usize> = people(counts).into_iter().map(|cell| table.cell(cell)).collect();
        cells.iter().for_each(|cell| table.show(&[*cell]));
        table.show(&cells);
        table.suppress()
    };
    assert_eq!(sums(&[0, 0, 60]), [Shown; 4]);
    assert_eq!(sums(&[0, 0, 30]), [Shown, Shown, Small, Small]);
    assert_eq!(sums(&[0, 7, 160]), [Shown, Small, Protects, Shown]);
    assert_eq!(sums(&[0, 7, 60]), [Shown, Small, Protects, Protects]);
}

#[test]
fn what_people_did_hides_with_them() {
    let cells = [(80, 1_000), (90, 7_000), (70, 70), (4, 900)].map(|(people, value)| Cell { people, value });
    let rule = Rule { per_person_max: 1_000, ..Rule::people(50) };
    assert_eq!(Table::list(rule, &cells).suppress(), [Protects, Protects, Shown, Small, Shown]);
}

/// Every list of up to 18 people, with k = 3, grouped by what a reader sees: in each group a hidden number that
/// may be small takes every value that a small number can have. So the reader may know how numbers are hidden, and still learns nothing.
#[test]
fn knowing_the_rules_of_a_list_does_not_help() {
    let (k, most) = (3, 18);
    for cells in 1..=4 {
        let mut groups: BTreeMap<String, Vec<BTreeSet<u64>>> = BTreeMap::new();
        let mut counts = vec![0_u64; cells];
        loop {
            let total: u64 = counts.iter().sum();
            if (k..=most).contains(&total) {
                let states = Table::list(Rule::people(k), &people(&counts)).suppress();
                let shown: Vec<_> = states.iter().zip(&counts).map(|(s, n)| (*s == Shown).then_some(*n)).collect();
                let group = groups.entry(format!("{states:?}{shown:?}{total}")).or_default();
                group.resize(cells, BTreeSet::new());
                for (values, (count, state)) in group.iter_mut().zip(counts.iter().zip(&states)) {
                    values.extend((*state != Shown).then_some(*count));
                    assert!(*state != Shown || *count >= k);
                }
            }
            let Some(at) = counts.iter().rposition(|count| *count < most) else { break };
            counts[at] += 1;
            counts[at + 1..].fill(0);
        }
        assert!(groups.len() > 10);
        for (seen, values) in &groups {
            for values in values.iter().filter(|values| values.first().is_some_and(|least| *least < k)) {
                assert!((0..k).all(|value| values.contains(&value)), "{values:?} of {seen}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The order in which sums are given changes nothing, and the same table always gives the same.
    #[test]
    fn sums_may_come_in_any_order(counts in proptest::collection::vec(0u64..150, 6), turn in 0usize..6) {
        let sums = [vec![0, 1, 2], vec![3, 4, 5], vec![0, 3], vec![1, 4], vec![2, 5], vec![0, 1, 2, 3, 4, 5]];
        let states = |turn: usize| {
            let mut table = Table::new(Rule::people(50));
            let cells: Vec<usize> = people(&counts).into_iter().map(|cell| table.cell(cell)).collect();
            cells.iter().for_each(|cell| table.show(&[*cell]));
            let mut turned = sums.clone();
            turned.rotate_left(turn);
            turned.iter().for_each(|sum| table.show(sum));
            let mut states = table.suppress();
            states[6..].rotate_right(turn);
            states
        };
        prop_assert_eq!(states(turn)[..6].to_vec(), states(0)[..6].to_vec());
    }

    /// What is shown has enough people, and where nothing is small nothing is hidden.
    #[test]
    fn no_more_and_no_less(counts in proptest::collection::vec(prop_oneof![0u64..60, 50u64..500], 1..7)) {
        let states = listed(&counts);
        for (state, count) in states.iter().zip(&counts) {
            prop_assert!(*state != Shown || *count >= 50);
        }
        if counts.iter().all(|count| *count >= 50) && counts.iter().sum::<u64>() >= 100 {
            prop_assert!(states.iter().all(|state| *state == Shown));
        }
    }
}
