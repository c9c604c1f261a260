//! The least and the greatest value that a sum of hidden counts can have, given every equation that is known of them.
//!
//! A linear program by the simplex method with Bland's rule (Bland 1977, Math. Oper. Res. 2:103), in integers: tables with
//! margins and sequences in time have totally unimodular equations, so every pivot is 1, every vertex is whole, and a bound of
//! the program is a bound of the counts (Hoffman & Kruskal 1956). Where equations are of another kind, or too many, there is no
//! answer, and who asks must hide more.

/// Most variables, with those that stand for the slack of a bound.
const COLUMNS_MAX: usize = 512;
/// Most steps of one answer.
const PIVOTS_MAX: usize = 4_096;

/// An answer that can't be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsure;

/// `Σ x = value` over variables numbered from 0, all of them 0 or more.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    columns: usize,
    rows: Vec<(Vec<(usize, i64)>, i64)>,
}

impl Program {
    /// A variable.
    pub(super) fn variable(&mut self) -> usize {
        self.columns += 1;
        self.columns - 1
    }

    /// `Σ coefficient · x = value`.
    pub(super) fn equal(&mut self, terms: Vec<(usize, i64)>, value: i64) {
        self.rows.push((terms, value));
    }

    /// `Σ x ≤ value`.
    pub(super) fn at_most(&mut self, parts: &[usize], value: i64) {
        let slack = self.variable();
        let terms = parts.iter().map(|part| (*part, 1)).chain([(slack, 1)]).collect();
        self.equal(terms, value);
    }

    /// `Σ x ≥ value`.
    pub(super) fn at_least(&mut self, parts: &[usize], value: i64) {
        let surplus = self.variable();
        let terms = parts.iter().map(|part| (*part, 1)).chain([(surplus, -1)]).collect();
        self.equal(terms, value);
    }

    /// A vertex from which bounds are found.
    ///
    /// # Errors
    /// When there is none, or the equations are not of the kind that this can solve.
    pub(super) fn solve(&self) -> Result<Vertex, Unsure> {
        let (columns, count) = (self.columns, self.rows.len());
        if columns + count > COLUMNS_MAX {
            return Err(Unsure);
        }
        let mut rows = Vec::with_capacity(count);
        for (at, (terms, value)) in self.rows.iter().enumerate() {
            let sign = if *value < 0 { -1 } else { 1 };
            let mut row = vec![0; columns + count + 1];
            for (column, coefficient) in terms {
                *row.get_mut(*column).ok_or(Unsure)? += sign * coefficient;
            }
            *row.get_mut(columns + at).ok_or(Unsure)? = 1;
            *row.last_mut().ok_or(Unsure)? = sign * value;
            rows.push(row);
        }
        // Variables that stand for what an equation lacks are driven to 0, then taken away.
        let mut vertex = Vertex { rows, basis: (columns..columns + count).collect() };
        let lacking: Vec<(usize, i64)> = (columns..columns + count).map(|column| (column, 1)).collect();
        if vertex.least(&lacking)? != Some(0) {
            return Err(Unsure);
        }
        for at in 0..count {
            let artificial = vertex.basis.get(at).is_some_and(|column| *column >= columns);
            let row = vertex.rows.get(at).ok_or(Unsure)?;
            let entering = row.iter().take(columns).position(|cell| *cell != 0).filter(|_| artificial);
            if let Some(column) = entering {
                vertex.pivot(at, column)?;
            }
        }
        let (mut kept, mut basis) = (Vec::new(), Vec::new());
        for (mut row, column) in vertex.rows.into_iter().zip(vertex.basis) {
            // A row that still has none of the variables repeats others.
            if column < columns {
                row.drain(columns..columns + count);
                kept.push(row);
                basis.push(column);
            }
        }
        Ok(Vertex { rows: kept, basis })
    }
}

/// A vertex of the counts that are possible: equations solved for the variables of `basis`, their values last.
#[derive(Clone, Debug)]
pub(super) struct Vertex {
    rows: Vec<Vec<i64>>,
    basis: Vec<usize>,
}

impl Vertex {
    /// The least value of `Σ coefficient · x`; `None` when there is none. Goes to the vertex that has it.
    ///
    /// # Errors
    /// When the equations are not of the kind that this can solve.
    pub(super) fn least(&mut self, terms: &[(usize, i64)]) -> Result<Option<i64>, Unsure> {
        let width = self.rows.first().map_or(0, Vec::len);
        // Where there is no equation, a sum of variables can be 0, and as much as one likes.
        if width == 0 {
            return Ok(terms.iter().all(|(_, coefficient)| *coefficient >= 0).then_some(0));
        }
        let mut costs = vec![0_i64; width];
        for (column, coefficient) in terms {
            *costs.get_mut(*column).ok_or(Unsure)? += coefficient;
        }
        for (row, column) in self.rows.iter().zip(&self.basis) {
            let cost = costs.get(*column).copied().unwrap_or(0);
            subtract(&mut costs, row, cost);
        }
        for _ in 0..PIVOTS_MAX {
            let Some(entering) = costs.iter().take(width - 1).position(|cost| *cost < 0) else {
                return Ok(costs.last().map(|value| -value));
            };
            let candidates = self.rows.iter().zip(&self.basis).enumerate().filter_map(|(at, (row, column))| {
                let cell = row.get(entering).copied().filter(|cell| *cell > 0)?;
                Some((cell, row.last().copied().unwrap_or(0), *column, at))
            });
            let mut leaving: Option<(i64, usize, usize)> = None;
            for (cell, value, column, at) in candidates {
                if cell != 1 {
                    return Err(Unsure);
                }
                if leaving.is_none_or(|(least, other, _)| (value, column) < (least, other)) {
                    leaving = Some((value, column, at));
                }
            }
            let Some((_, _, at)) = leaving else { return Ok(None) };
            self.pivot(at, entering)?;
            let row = self.rows.get(at).ok_or(Unsure)?;
            let cost = costs.get(entering).copied().unwrap_or(0);
            subtract(&mut costs, row, cost);
        }
        Err(Unsure)
    }

    /// The greatest value of `Σ coefficient · x`; `None` when there is none.
    ///
    /// # Errors
    /// When the equations are not of the kind that this can solve.
    pub(super) fn greatest(&mut self, terms: &[(usize, i64)]) -> Result<Option<i64>, Unsure> {
        let negative: Vec<(usize, i64)> = terms.iter().map(|(column, coefficient)| (*column, -coefficient)).collect();
        Ok(self.least(&negative)?.map(|value| -value))
    }

    /// Solves the equation `at` for the variable `column`.
    fn pivot(&mut self, at: usize, column: usize) -> Result<(), Unsure> {
        let mut solved = self.rows.get(at).ok_or(Unsure)?.clone();
        match solved.get(column) {
            Some(1) => {}
            Some(-1) => solved.iter_mut().for_each(|cell| *cell = -*cell),
            _ => return Err(Unsure),
        }
        for (other, row) in self.rows.iter_mut().enumerate() {
            if other == at {
                row.clone_from(&solved);
            } else {
                let factor = row.get(column).copied().unwrap_or(0);
                subtract(row, &solved, factor);
            }
        }
        *self.basis.get_mut(at).ok_or(Unsure)? = column;
        Ok(())
    }
}

fn subtract(from: &mut [i64], row: &[i64], factor: i64) {
    if factor != 0 {
        from.iter_mut().zip(row).for_each(|(cell, other)| *cell = cell.saturating_sub(factor.saturating_mul(*other)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(program: &Program, terms: &[(usize, i64)]) -> (Option<i64>, Option<i64>) {
        let mut vertex = program.solve().unwrap();
        (vertex.least(terms).unwrap(), vertex.greatest(terms).unwrap())
    }

    #[test]
    fn bounds_of_few_counts() {
        let mut program = Program::default();
        let [a, b, c] = [program.variable(), program.variable(), program.variable()];
        assert_eq!(bounds(&program, &[(a, 1)]), (Some(0), None));
        program.equal(vec![(a, 1), (b, 1)], 7);
        assert_eq!(bounds(&program, &[(a, 1)]), (Some(0), Some(7)));
        assert_eq!(bounds(&program, &[(c, 1)]), (Some(0), None));
        program.at_most(&[b, c], 5);
        assert_eq!(bounds(&program, &[(a, 1)]), (Some(2), Some(7)));
        program.at_least(&[c], 3);
        assert_eq!(bounds(&program, &[(a, 1)]), (Some(5), Some(7)));
        assert_eq!(bounds(&program, &[(a, 1), (b, 1)]), (Some(7), Some(7)));
        program.equal(vec![(a, 1), (b, 1)], 7);
        assert_eq!(bounds(&program, &[(b, 1)]), (Some(0), Some(2)));
        program.equal(vec![(a, 1)], 9);
        assert_eq!(program.solve().unwrap_err(), Unsure);
    }

    #[test]
    fn what_is_no_table_has_no_answer() {
        let mut program = Program::default();
        let [a, b, c] = [program.variable(), program.variable(), program.variable()];
        for (one, other) in [(a, b), (b, c), (a, c)] {
            program.equal(vec![(one, 1), (other, 1)], 3);
        }
        assert!(program.solve().and_then(|mut vertex| vertex.least(&[(a, 1)])).is_err());
    }

    proptest! {
        /// In any table of two ways with its margins, bounds are those that trying every table finds.
        #[test]
        fn bounds_are_those_of_all_tables(cells in proptest::collection::vec(0i64..4, 6), hide in proptest::collection::vec(any::<bool>(), 5)) {
            let mut program = Program::default();
            let variables: Vec<usize> = (0..6).map(|_| program.variable()).collect();
            let lines = [vec![0, 1, 2], vec![3, 4, 5], vec![0, 3], vec![1, 4], vec![2, 5]];
            let shown: Vec<(&Vec<usize>, i64)> = lines.iter().zip(&hide).filter(|(_, hide)| !**hide)
                .map(|(line, _)| (line, line.iter().map(|at| cells[*at]).sum())).collect();
            for (line, sum) in &shown {
                program.equal(line.iter().map(|at| (variables[*at], 1)).collect(), *sum);
            }
            variables.iter().for_each(|variable| program.at_most(&[*variable], 3));
            let mut found = vec![(i64::MAX, i64::MIN); 6];
            let mut table = [0_i64; 6];
            'tables: loop {
                if shown.iter().all(|(line, sum)| line.iter().map(|at| table[*at]).sum::<i64>() == *sum) {
                    found.iter_mut().zip(&table).for_each(|((low, high), cell)| (*low, *high) = ((*low).min(*cell), (*high).max(*cell)));
                }
                for cell in &mut table {
                    *cell += 1;
                    if *cell < 4 { continue 'tables; }
                    *cell = 0;
                }
                break;
            }
            for (variable, (low, high)) in variables.iter().zip(found) {
                prop_assert_eq!(bounds(&program, &[(*variable, 1)]), (Some(low), Some(high)));
            }
        }
    }
}
