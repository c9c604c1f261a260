//! Which numbers of a table may be shown.
//!
//! A number that fewer than k people stand behind is *small* and hidden (primary suppression). What is shown must not give a
//! small number away, so that others are hidden too (complementary suppression). The measure is the reader who knows most:
//! every number that is shown, which of the hidden ones are small (0 to k − 1) and which only protect (k or more), and that all
//! are whole and not negative. A table is safe when for this reader a small number can still be anything that a small number
//! can be: the interval that is left is never narrower than 0 to k − 1 (1 to k − 1 where 0 is shown). So what is shown adds
//! nothing to "fewer than k", and no sum or difference of shown numbers tells of fewer than k people.
//!
//! How a reader might use the rules themselves (Wong et al. 2007, minimality attack): which number protects another is decided
//! by its place, never by its size. In a list with a total it is the first two, as soon as anything in the list is small, and
//! of these is not told whether they are small; then the reader who knows the rules learns nothing at all. In other tables as
//! many are hidden as are needed, of which is told that they are not small.
//!
//! Intervals are those of [`super::simplex`]; where it has no answer, more is hidden.

use super::simplex::{Program, Unsure, Vertex};

/// What is said of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is shown.
    Shown,
    /// Hidden: too few people stand behind it.
    Small,
    /// Hidden: it would give a small one away. In a list it may be small itself.
    Protects,
    /// Nothing is said of it, not even which of the two it is.
    Withheld,
}

/// What counts as small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Fewest people behind a shown number.
    pub people_min: u64,
    /// Is 0 shown, because it tells nobody's?
    pub zero_shown: bool,
    /// The most that one person adds to a value; 1 where values are people.
    pub per_person_max: u64,
}

impl Rule {
    /// The rule for counts of people, in tables where a 0 is as telling as any small number.
    #[must_use]
    pub fn people(people_min: u64) -> Self {
        Self { people_min, zero_shown: false, per_person_max: 1 }
    }

    /// Is a number small that so many people stand behind?
    #[must_use]
    pub fn is_small(&self, people: u64) -> bool {
        people < self.people_min && !(people == 0 && self.zero_shown)
    }

    fn least(&self) -> i64 {
        i64::from(self.zero_shown)
    }

    fn small_max(&self) -> i64 {
        self.people_min.saturating_sub(1).try_into().unwrap_or(i64::MAX)
    }
}

/// A smallest part of a table: what belongs to no finer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// People behind it.
    pub people: u64,
    /// Its value: the people, or what they did.
    pub value: u64,
}

impl Cell {
    /// A count of people.
    #[must_use]
    pub fn of_people(people: u64) -> Self {
        Self { people, value: people }
    }
}

/// A number: the sum of some cells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    cells: Vec<usize>,
    state: State,
    /// Said before, and not to be taken back.
    said: bool,
}

/// Cells, and the numbers that are to be shown of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    rule: Rule,
    cells: Vec<Cell>,
    numbers: Vec<Number>,
    /// The first numbers, which protect all others.
    protectors: usize,
}

/// How many numbers protect a list: with one of them small, the other still hides it.
const PROTECTORS: usize = 2;

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self { rule, cells: Vec::new(), numbers: Vec::new(), protectors: 0 }
    }

    /// Groups that share no one, the two that most people are in first, and their total, which is shown anyhow; its number
    /// comes last.
    #[must_use]
    pub fn list(rule: Rule, cells: &[Cell]) -> Self {
        let mut table = Self::new(rule);
        let all: Vec<usize> = cells.iter().map(|cell| table.cell(*cell)).collect();
        all.iter().for_each(|cell| table.show(&[*cell]));
        table.said(&all, State::Shown);
        table.protectors = PROTECTORS.min(cells.len());
        table
    }

    /// Groups by two ways: the numbers of the cells row by row, of the rows, of the columns, of all.
    #[must_use]
    pub fn two_way(rule: Rule, rows: &[Vec<Cell>]) -> Self {
        let mut table = Self::new(rule);
        let at: Vec<Vec<usize>> = rows.iter().map(|row| row.iter().map(|cell| table.cell(*cell)).collect()).collect();
        let columns = at.iter().map(Vec::len).max().unwrap_or(0);
        at.iter().flatten().for_each(|cell| table.show(&[*cell]));
        at.iter().for_each(|row| table.show(row));
        for column in 0..columns {
            let cells: Vec<usize> = at.iter().filter_map(|row| row.get(column)).copied().collect();
            table.show(&cells);
        }
        table.show(&at.concat());
        table
    }

    /// A cell, which is not shown by itself; its place.
    pub fn cell(&mut self, cell: Cell) -> usize {
        self.cells.push(cell);
        self.cells.len() - 1
    }

    /// A number to be shown: the sum of these cells.
    pub fn show(&mut self, cells: &[usize]) {
        self.numbers.push(Number { cells: cells.to_vec(), state: State::Shown, said: false });
    }

    /// A number of which something was said before: the sum of these cells.
    pub fn said(&mut self, cells: &[usize], state: State) {
        self.numbers.push(Number { cells: cells.to_vec(), state, said: true });
    }

    /// What may be said of each number, in the order in which they were given.
    ///
    /// Numbers that were said before stay. If the table is not safe with all others hidden, nothing is said of any of them.
    #[must_use]
    pub fn suppress(mut self) -> Vec<State> {
        if self.protectors > 0 && self.is_too_small() {
            self.withhold();
            return self.states();
        }
        self.hide_small();
        if self.numbers.iter().any(|number| number.state == State::Small) {
            self.numbers.iter_mut().take(self.protectors).for_each(|number| number.state = State::Protects);
        }
        while !self.is_safe() {
            let Some(next) = self.next_to_hide().filter(|_| self.protectors == 0) else {
                self.withhold();
                break;
            };
            if let Some(number) = self.numbers.get_mut(next) {
                number.state = State::Protects;
            }
        }
        self.states()
    }

    /// Of fewer than twice k people a group of k or more leaves fewer than k for all others, whatever is hidden.
    fn is_too_small(&self) -> bool {
        let all: Vec<usize> = (0..self.cells.len()).collect();
        people_of(&self.cells, &all) < self.rule.people_min.saturating_mul(2)
    }

    fn withhold(&mut self) {
        self.numbers.iter_mut().filter(|number| !number.said).for_each(|number| number.state = State::Withheld);
    }

    fn states(&self) -> Vec<State> {
        self.numbers.iter().map(|number| number.state).collect()
    }

    fn hide_small(&mut self) {
        let (rule, cells) = (self.rule, &self.cells);
        for number in self.numbers.iter_mut().filter(|number| !number.said) {
            if rule.is_small(people_of(cells, &number.cells)) {
                number.state = State::Small;
            }
        }
    }

    /// Can every small number still be anything that a small number can be? People are taken as if their numbers were shown,
    /// too, where values are something else.
    fn is_safe(&self) -> bool {
        let by_value = self.cells.iter().any(|cell| cell.value != cell.people);
        self.protects(|cell| cell.people, 1) == Ok(true)
            && (!by_value || self.protects(|cell| cell.value, self.rule.per_person_max) == Ok(true))
    }

    fn protects(&self, measure: impl Fn(&Cell) -> u64, per_person_max: u64) -> Result<bool, Unsure> {
        let value = |cells: &[usize]| -> Result<i64, Unsure> {
            let sum =
                cells.iter().filter_map(|cell| self.cells.get(*cell)).map(&measure).fold(0_u64, u64::saturating_add);
            i64::try_from(sum).map_err(|_| Unsure)
        };
        let (least, small_max) = (self.rule.least(), self.rule.small_max());
        let per_person_max = i64::try_from(per_person_max).map_err(|_| Unsure)?;
        let bound = small_max.saturating_mul(per_person_max);
        let protecting = small_max.saturating_add(1);
        let mut program = Program::default();
        // What each cell is in the program: a known value, or a variable and what is added to it.
        let mut known = Vec::with_capacity(self.cells.len());
        for cell in 0..self.cells.len() {
            known.push(match self.state_of(cell) {
                Some(State::Shown) => (None, value(&[cell])?),
                Some(State::Small) => {
                    let variable = program.variable();
                    program.at_most(&[variable], bound - least);
                    (Some(variable), least)
                }
                Some(State::Protects) if self.protectors == 0 => (Some(program.variable()), protecting),
                Some(State::Protects | State::Withheld) | None => (Some(program.variable()), 0),
            });
        }
        let split = |cells: &[usize]| -> (Vec<usize>, i64) {
            let parts: Vec<&(Option<usize>, i64)> = cells.iter().filter_map(|cell| known.get(*cell)).collect();
            (parts.iter().filter_map(|(variable, _)| *variable).collect(), parts.iter().map(|(_, known)| known).sum())
        };
        for number in self.numbers.iter().filter(|number| number.cells.len() != 1) {
            let (variables, base) = split(&number.cells);
            match number.state {
                State::Shown if variables.is_empty() => {}
                State::Shown => {
                    // What a sum leaves to the hidden cells is a number, too.
                    let hidden: Vec<usize> =
                        number.cells.iter().copied().filter(|cell| !self.is_shown(*cell)).collect();
                    if self.rule.is_small(people_of(&self.cells, &hidden)) {
                        return Ok(false);
                    }
                    let sum = value(&number.cells)? - base;
                    program.equal(variables.iter().map(|variable| (*variable, 1)).collect(), sum);
                }
                State::Small => program.at_most(&variables, bound - base),
                State::Protects if base < protecting => program.at_least(&variables, protecting - base),
                State::Protects | State::Withheld => {}
            }
        }
        let mut vertex: Vertex = program.solve()?;
        let single = (0..self.cells.len()).filter(|cell| !self.is_shown(*cell)).map(|cell| vec![cell]);
        let sums = self.numbers.iter().filter(|number| number.cells.len() > 1 && number.state != State::Shown);
        for cells in single.chain(sums.map(|number| number.cells.clone())) {
            if !self.rule.is_small(people_of(&self.cells, &cells)) {
                continue;
            }
            let (variables, base) = split(&cells);
            let terms: Vec<(usize, i64)> = variables.iter().map(|variable| (*variable, 1)).collect();
            let low = vertex.least(&terms)?.is_none_or(|low| low + base <= least);
            if !low || vertex.greatest(&terms)?.is_some_and(|high| high + base < small_max) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is said of a cell by itself; `None` when nothing is to be said.
    fn state_of(&self, cell: usize) -> Option<State> {
        let mut alone = self.numbers.iter().filter(|number| number.cells == [cell]);
        alone.next().map(|number| number.state)
    }

    fn is_shown(&self, cell: usize) -> bool {
        self.state_of(cell) == Some(State::Shown)
    }

    /// The number to hide next: a cell that lies in most sums with one hidden cell, then in most with any; the first of
    /// those. Then sums with hidden cells. Decided by what is hidden alone, not by any value.
    fn next_to_hide(&self) -> Option<usize> {
        let hidden = |cell: &&usize| !self.is_shown(**cell);
        // A 0 that is always shown protects nothing.
        let some = |number: &Number| people_of(&self.cells, &number.cells) > 0;
        let sums: Vec<(&Number, usize)> = self
            .numbers
            .iter()
            .filter(|number| number.cells.len() > 1 && number.state == State::Shown)
            .map(|number| (number, number.cells.iter().filter(hidden).count()))
            .collect();
        let is_open = |number: &Number| number.state == State::Shown && !number.said && some(number);
        let open = || self.numbers.iter().enumerate().filter(|(_, number)| is_open(number));
        let mut best: Option<((usize, usize), usize)> = None;
        for (at, number) in open() {
            let [cell] = number.cells.as_slice() else { continue };
            let of = |least: usize, most: usize| {
                sums.iter().filter(|(sum, hidden)| (least..=most).contains(hidden) && sum.cells.contains(cell)).count()
            };
            let score = (of(1, 1), of(1, usize::MAX));
            if score.1 > 0 && best.is_none_or(|(other, _)| score > other) {
                best = Some((score, at));
            }
        }
        let sum = || open().find(|(_, number)| number.cells.iter().any(|cell| hidden(&cell))).map(|(at, _)| at);
        best.map(|(_, at)| at).or_else(sum).or_else(|| open().next().map(|(at, _)| at))
    }
}

fn people_of(cells: &[Cell], of: &[usize]) -> u64 {
    of.iter().filter_map(|cell| cells.get(*cell)).map(|cell| cell.people).fold(0, u64::saturating_add)
}

#[cfg(test)]
#[path = "suppress_test.rs"]
mod tests;
