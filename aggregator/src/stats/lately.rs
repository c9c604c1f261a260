//! What was worked out lately: from one answer to the next most values stay as they are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::thread::LocalKey;

/// Results by what they were worked out from, the latest first.
pub(super) struct Lately<K, V>(VecDeque<(K, V)>);

/// How many are remembered: those of a few windows.
const REMEMBERED_MAX: usize = 48;

impl<K: 'static, V: Clone + 'static> Lately<K, V> {
    pub(super) const fn new() -> RefCell<Self> {
        RefCell::new(Self(VecDeque::new()))
    }

    /// The result known for what `is_same`, or else that of `work`, which is remembered by `from`.
    pub(super) fn result(
        lately: &'static LocalKey<RefCell<Self>>,
        is_same: impl Fn(&K) -> bool,
        from: impl FnOnce() -> K,
        work: impl FnOnce() -> V,
    ) -> V {
        let known =
            lately.with_borrow(|Self(all)| all.iter().find(|known| is_same(&known.0)).map(|known| known.1.clone()));
        known.unwrap_or_else(|| {
            let result = work();
            lately.with_borrow_mut(|Self(all)| {
                all.truncate(REMEMBERED_MAX - 1);
                all.push_front((from(), result.clone()));
            });
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static SQUARES: RefCell<Lately<u64, u64>> = const { Lately::new() };
    }

    #[test]
    fn a_few_are_worked_out_once() {
        let mut worked = Vec::new();
        let rounds = (0..60).chain(12..60).chain(0..2);
        for number in rounds {
            let work = || {
                worked.push(number);
                number * number
            };
            assert_eq!(Lately::result(&SQUARES, |known| *known == number, || number, work), number * number);
        }
        assert_eq!(worked, (0..60).chain(0..2).collect::<Vec<u64>>());
        assert_eq!(SQUARES.with_borrow(|Lately(all)| all.len()), REMEMBERED_MAX);
    }
}
