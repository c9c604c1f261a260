//! The attack: everything that was ever published of random histories, and what a reader works out of it.
//!
//! The reader saves the page of every week, knows the rules, and writes down all that follows: an equation for every number that
//! is shown, bounds for every one that is not. Two ways of solving, neither of them the one that suppression uses: elimination
//! over rationals for what is determined, and a simplex over floats for how narrow the rest is.

use std::collections::BTreeMap;

use schemas::event::{CrisisEvent, Emotion};
use schemas::time::DAY_MS;
use schemas::{Quarter, UtcDay};
use serde_json::Value;

use super::archive::{self, Period, Records};
use super::contribution::Capped;
use super::noise::testing::Seeded;
use super::steps;
use super::suppress::Cell;
use crate::answer::public::{self, OpenFacts, PeopleFacts, PeriodFacts, PublicRules};
use crate::fold::safety::Safety;

const HISTORIES: u64 = 1_000;
const K: u64 = 50;
const QUARTERS: u64 = 5;
/// Countries of the histories, in their order on the page.
const COUNTRIES: [&str; 5] = ["AT", "DE", "FR", "IT", "US"];
const EMOTIONS: [Emotion; 4] = [Emotion::Neutral, Emotion::Joy, Emotion::Sadness, Emotion::Anger];

/// A quarter as it was.
#[derive(Clone, Debug, Default)]
struct Truth {
    /// People by the month in which they came first, by country.
    came: [[u64; 5]; 3],
    /// People and visits by emotion.
    emotions: [Cell; 4],
    sessions: u64,
    turns: u64,
    wishes: u64,
    referrals: u64,
    flagged: u64,
}

impl Truth {
    fn users(&self, months: usize) -> u64 {
        self.came.iter().take(months).flatten().sum()
    }

    fn country(&self, at: usize) -> u64 {
        self.came.iter().map(|month| month[at]).sum()
    }

    /// People with a visit without an emotion: one who was alone in that, or as many as can be.
    fn emotionless(&self) -> u64 {
        let with: u64 = self.emotions.iter().map(|cell| cell.value).sum();
        let without = self.sessions - with;
        without.min(if self.turns.is_multiple_of(2) { 1 } else { self.users(3) })
    }

    fn people(&self, months: usize) -> PeopleFacts {
        let countries = COUNTRIES.iter().enumerate().map(|(at, name)| ((*name).to_owned(), self.country(at)));
        PeopleFacts {
            users: self.users(months),
            capped: Capped { sessions: self.sessions, turns: self.turns },
            countries: Some(countries.filter(|(_, people)| *people > 0).collect()),
            emotions: Some(EMOTIONS.into_iter().zip(self.emotions).filter(|(_, cell)| cell.people > 0).collect()),
            emotionless: self.emotionless(),
            wishes: Some([("dark-mode".to_owned(), self.wishes)].into()),
        }
    }

    fn safety(&self) -> Safety {
        let mut safety = Safety::default();
        safety.crisis.insert((CrisisEvent::Referral, 3), self.referrals);
        safety.crisis.insert((CrisisEvent::Flagged, 3), self.flagged);
        safety
    }
}

/// A year of mostly small quarters and one more, at least one number of which is small.
fn history(random: &mut Seeded) -> Vec<Truth> {
    let scale = [8, 30, 60, 120, 400, 5_000][random.below(6) as usize];
    // One small group for certain, beside larger ones that would tell of it.
    let sure = random.below(QUARTERS);
    (0..QUARTERS)
        .map(|quarter| {
            let mut truth = Truth::default();
            for month in &mut truth.came {
                for people in month.iter_mut() {
                    *people = match random.below(4) {
                        0 => 0,
                        1 => random.below(6),
                        _ => random.below(scale),
                    };
                }
            }
            if quarter == sure {
                truth.came =
                    [[300, 400, 200, 0, 1 + random.below(7)], [250, 0, 0, 0, 0], [0, 120, 0, 0, random.below(3)]];
            }
            let users = truth.users(3);
            for cell in &mut truth.emotions {
                let people = match random.below(3) {
                    0 => random.below(10).min(users),
                    _ => random.below(users + 1),
                };
                *cell = Cell { people, value: people + random.below(people * 2 + 1) };
            }
            let with: u64 = truth.emotions.iter().map(|cell| cell.value).sum();
            truth.sessions = with.max(users) + random.below(users + 1) / (1 + random.below(20));
            truth.turns = truth.sessions * 3;
            truth.wishes = random.below(users + 1);
            truth.referrals = [0, random.below(12), random.below(60), 50 + random.below(40)][random.below(4) as usize];
            truth.flagged = truth.referrals + random.below(60);
            truth
        })
        .collect()
}

fn quarter_at(at: usize) -> Quarter {
    Quarter { year: 2025 + at as i32 / 4, quarter: at as u32 % 4 + 1 }
}

/// Every page that the public could have saved, one a week, until all is published; those that differ in nothing but the hour
/// are made once, and closed quarters, which stay as they are, are on the last.
fn publish(truth: &[Truth], rules: &PublicRules) -> Vec<Value> {
    let first = quarter_at(0).start();
    let mut records = Records::new();
    let mut random = Seeded(1);
    let (mut pages, mut last) = (Vec::new(), None);
    for week in 0..(QUARTERS as i64 * 14) {
        let now = first.plus_ms(week * 7 * DAY_MS + 1);
        for period in archive::due(now, Some(UtcDay::of(first)), &records) {
            let facts = facts_of(period, truth);
            let record = public::record(period, &facts, rules, &records, now, &mut random).unwrap();
            records.insert(period.name(), record);
        }
        let open = archive::open_quarters(now);
        let state = Some((
            records.len(),
            open.iter().map(|quarter| archive::last_months(*quarter, now)).collect::<Vec<_>>(),
            open.clone(),
        ));
        if std::mem::replace(&mut last, state.clone()) == state {
            continue;
        }
        let open: Vec<OpenFacts> = open
            .into_iter()
            .map(|quarter| OpenFacts { quarter, safety: Safety::default(), notices: Default::default() })
            .collect();
        let running = records.iter().filter(|(_, record)| record["state"] == "running");
        let running: Records = running.map(|(name, record)| (name.clone(), record.clone())).collect();
        pages.push(public::page(now, &open, &running, rules, true));
    }
    pages.push(public::page(quarter_at(QUARTERS as usize + 1).start(), &[], &records, rules, true));
    pages
}

fn facts_of(period: Period, truth: &[Truth]) -> PeriodFacts {
    let of = |quarter: Quarter| {
        let at = (quarter.year - 2025) * 4 + quarter.quarter as i32 - 1;
        truth.get(usize::try_from(at).unwrap()).cloned().unwrap_or_default()
    };
    match period {
        Period::Quarter(quarter) => {
            PeriodFacts { people: of(quarter).people(3), safety: of(quarter).safety(), ..PeriodFacts::default() }
        }
        Period::Months(quarter, months) => {
            PeriodFacts { people: of(quarter).people(months as usize), ..PeriodFacts::default() }
        }
        Period::Year(year) => {
            let mut quarters = [0; 4];
            quarters.iter_mut().zip(archive::quarters_of(year)).for_each(|(n, quarter)| *n = of(quarter).referrals);
            PeriodFacts { referrals: (quarters.iter().sum(), quarters), ..PeriodFacts::default() }
        }
    }
}

/// What a reader has written down: unknowns, each 0 or more, and sums of them that are equal to, or at most, a number.
#[derive(Default)]
struct Notes {
    unknowns: Vec<(String, u64)>,
    equal: Vec<(Vec<(usize, f64)>, f64)>,
    at_most: Vec<(Vec<(usize, f64)>, f64)>,
    /// Small groups, and the least width that a reader must be left with.
    secrets: Vec<(Vec<usize>, u64)>,
}

impl Notes {
    fn unknown(&mut self, name: String, truth: u64) -> usize {
        self.unknowns.push((name, truth));
        self.unknowns.len() - 1
    }

    fn equal(&mut self, of: &[usize], value: u64) {
        assert_eq!(of.iter().map(|at| self.unknowns[*at].1).sum::<u64>(), value, "the reader is told the truth");
        self.equal.push((of.iter().map(|at| (*at, 1.0)).collect(), value as f64));
    }

    fn at_most(&mut self, of: &[usize], value: u64) {
        assert!(of.iter().map(|at| self.unknowns[*at].1).sum::<u64>() <= value);
        self.at_most.push((of.iter().map(|at| (*at, 1.0)).collect(), value as f64));
    }

    fn at_least(&mut self, of: &[usize], value: u64) {
        assert!(of.iter().map(|at| self.unknowns[*at].1).sum::<u64>() >= value);
        self.at_most.push((of.iter().map(|at| (*at, -1.0)).collect(), -(value as f64)));
    }

    /// What a number of the page says of a sum.
    fn read(&mut self, metric: &Value, of: &[usize], small_max: u64, zero_shown: bool) {
        match (metric["value"].as_u64(), metric["hidden"].as_str()) {
            (Some(step), _) if metric["at_least"] == true => {
                self.at_least(of, step);
                self.at_most(of, step + K - 1);
            }
            (Some(value), _) => self.equal(of, value),
            (None, Some("fewer_than_50_people")) => {
                self.at_most(of, small_max);
                self.at_least(of, u64::from(zero_shown));
            }
            _ => {}
        }
    }

    /// A sum that no one may know closer than to k values, if it is small.
    fn secret(&mut self, of: Vec<usize>, people: u64, zero_too: bool) {
        if people < K && (people > 0 || zero_too) {
            self.secrets.push((of, K - 1 - u64::from(!zero_too)));
        }
    }
}

/// All that can be written down of the pages.
fn read(pages: &[Value], truth: &[Truth]) -> Vec<Notes> {
    // Of equal sections one is enough.
    let mut sections: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for section in pages.iter().flat_map(|page| page["quarters"].as_array().unwrap()) {
        let known = sections.entry(section["quarter"].as_str().unwrap().to_owned()).or_default();
        if !known.contains(&section) {
            known.push(section);
        }
    }
    let mut all = Vec::new();
    for (at, was) in truth.iter().enumerate() {
        let Some(seen) = sections.get(&quarter_at(at).to_string()) else { continue };
        all.push(people_notes(seen, was));
        all.extend(emotion_notes(seen, was));
    }
    all.push(year_notes(&sections, pages, &truth[..4]));
    all
}

/// People by when they came and from where.
fn people_notes(seen: &[&Value], was: &Truth) -> Notes {
    let mut notes = Notes::default();
    let ids: Vec<Vec<usize>> = (0..3)
        .map(|month| (0..5).map(|at| notes.unknown(format!("{at} in {month}"), was.came[month][at])).collect())
        .collect();
    let months = |n: usize| ids[..n].concat();
    for section in seen {
        let users = &section["users"];
        match section["users_until"].as_str() {
            Some(until) => {
                let n = (until[5..7].parse::<usize>().unwrap() - 1) % 3 + 1;
                if let Some(step) = users["value"].as_u64() {
                    notes.at_least(&months(n), step);
                    let after = (step + 1..).find(|people| steps::step(*people, K) > step).unwrap();
                    notes.at_most(&months(n), after - 1);
                } else if users["hidden"] == "below_first_step" {
                    notes.at_most(&months(n), steps::first_step(K) - 1);
                }
            }
            None if section["closed"] == true => {
                notes.read(users, &months(3), K - 1, false);
                countries(&mut notes, section, &ids);
                // Whoever was there has a visit and a turn.
                for name in ["sessions", "turns"] {
                    section[name]["value"].as_u64().into_iter().for_each(|sum| notes.at_most(&months(3), sum));
                }
                for wish in section["wishes"].as_array().unwrap() {
                    wish["value"].as_u64().into_iter().for_each(|people| notes.at_least(&months(3), people));
                }
            }
            None => {}
        }
    }
    for month in &ids {
        notes.secret(month.clone(), month.iter().map(|at| notes.unknowns[*at].1).sum(), true);
    }
    for n in 1..=3 {
        notes.secret(months(n), was.users(n), true);
    }
    for at in 0..5 {
        notes.secret(ids.iter().map(|month| month[at]).collect(), was.country(at), true);
    }
    notes
}

fn countries(notes: &mut Notes, section: &Value, ids: &[Vec<usize>]) {
    let of = |at: usize| ids.iter().map(|month| month[at]).collect::<Vec<_>>();
    let list = section["countries"]["list"].as_array().unwrap();
    let mut others = Vec::new();
    for (at, name) in COUNTRIES.iter().enumerate() {
        match list.iter().find(|row| row["bucket"] == *name) {
            Some(row) => notes.read(row, &of(at), K - 1, false),
            None => others.extend(of(at)),
        }
    }
    notes.read(&section["countries"]["elsewhere"], &others, K - 1, false);
}

/// Visits by emotion, and people as if every group of visits were as many people.
fn emotion_notes(seen: &[&Value], was: &Truth) -> Option<Notes> {
    let section = seen.iter().find(|section| section["closed"] == true)?;
    let rows = section["sentiment"]["by_emotion"].as_array()?;
    let mut notes = Notes::default();
    let mut all = Vec::new();
    let with: u64 = was.emotions.iter().map(|cell| cell.value).sum();
    for row in rows {
        let name = row["bucket"].as_str()?;
        let at = EMOTIONS.iter().position(|emotion| serde_json::json!(emotion) == name);
        let cell = match at {
            Some(at) => was.emotions[at],
            None if name == "none" => Cell { people: was.emotionless(), value: was.sessions - with },
            None => Cell::of_people(0),
        };
        let id = notes.unknown(name.to_owned(), cell.value);
        notes.read(row, &[id], (K - 1) * PublicRules::default().cap.sessions, false);
        notes.secret(vec![id], cell.people, true);
        all.push(id);
    }
    if let (false, Some(sessions)) = (all.is_empty(), section["sessions"]["value"].as_u64()) {
        notes.equal(&all, sessions);
    }
    Some(notes)
}

/// Referrals by quarter and year.
fn year_notes(sections: &BTreeMap<String, Vec<&Value>>, pages: &[Value], was: &[Truth]) -> Notes {
    let mut notes = Notes::default();
    let ids: Vec<usize> = (0..4).map(|at| notes.unknown(quarter_at(at).to_string(), was[at].referrals)).collect();
    for (at, id) in ids.iter().enumerate() {
        let seen =
            sections.get(&quarter_at(at).to_string()).into_iter().flatten().find(|section| section["closed"] == true);
        if let Some(section) = seen {
            // Where the people are too few, so may any number of crises be.
            let people = section["users"]["value"].is_u64();
            let metric = &section["crisis"]["referrals"];
            if people || metric["value"].is_u64() {
                notes.read(metric, &[*id], K - 1, true);
            }
        }
        notes.secret(vec![*id], was[at].referrals, false);
    }
    let year = quarter_at(0).year.to_string();
    for row in pages.last().unwrap()["referrals_by_year"].as_array().unwrap() {
        if row["bucket"] == year.as_str() {
            notes.read(row, &ids, K - 1, true);
        }
    }
    notes
}

/// What a reader finds: small groups that are determined, and where it is asked for such as are known closer than to k values.
fn attack(notes: &Notes, widths: bool) -> (Vec<String>, Vec<String>) {
    let name = |of: &[usize]| format!("{:?}", of.iter().map(|at| &notes.unknowns[*at]).collect::<Vec<_>>());
    let (mut determined, mut narrow) = (Vec::new(), Vec::new());
    if notes.secrets.is_empty() {
        return (determined, narrow);
    }
    let solved = eliminate(notes);
    let lp = widths.then(|| Lp::of(notes));
    for (of, width) in &notes.secrets {
        if is_determined(&solved, of, notes.unknowns.len()) {
            determined.push(name(of));
        }
        let Some(lp) = &lp else { continue };
        let (low, high) = lp.bounds(of);
        let truth: u64 = of.iter().map(|at| notes.unknowns[*at].1).sum();
        assert!(low <= truth as f64 + 1e-6 && truth as f64 <= high + 1e-6, "{low} {truth} {high} of {}", name(of));
        if high - low + 1e-6 < *width as f64 {
            narrow.push(format!("{low}..{high} of {}", name(of)));
        }
    }
    (determined, narrow)
}

/// The equations in reduced echelon form, over rationals.
fn eliminate(notes: &Notes) -> Vec<Vec<(i128, i128)>> {
    let n = notes.unknowns.len();
    let mut rows: Vec<Vec<(i128, i128)>> = notes
        .equal
        .iter()
        .map(|(terms, _)| {
            let mut row = vec![(0, 1); n];
            terms.iter().for_each(|(at, c)| row[*at] = (*c as i128, 1));
            row
        })
        .collect();
    let mut done = 0;
    for column in 0..n {
        let Some(pivot) = (done..rows.len()).find(|row| rows[*row][column].0 != 0) else { continue };
        rows.swap(done, pivot);
        let by = rows[done][column];
        rows[done].iter_mut().for_each(|cell| *cell = reduced(cell.0 * by.1, cell.1 * by.0));
        let solved = rows[done].clone();
        for (at, row) in rows.iter_mut().enumerate().filter(|(at, row)| *at != done && row[column].0 != 0) {
            let _ = at;
            let factor = row[column];
            for (cell, other) in row.iter_mut().zip(&solved) {
                *cell = reduced(cell.0 * factor.1 * other.1 - factor.0 * other.0 * cell.1, cell.1 * factor.1 * other.1);
            }
        }
        done += 1;
    }
    rows.truncate(done);
    rows
}

fn reduced(top: i128, bottom: i128) -> (i128, i128) {
    let (mut a, mut b) = (top.abs(), bottom.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let by = a.max(1) * bottom.signum();
    (top / by, bottom / by)
}

/// Is the sum a combination of equations?
fn is_determined(solved: &[Vec<(i128, i128)>], of: &[usize], n: usize) -> bool {
    let mut rest = vec![(0_i128, 1_i128); n];
    of.iter().for_each(|at| rest[*at] = (1, 1));
    for row in solved {
        let Some(column) = row.iter().position(|cell| cell.0 != 0) else { continue };
        let factor = rest[column];
        for (cell, other) in rest.iter_mut().zip(row) {
            *cell = reduced(cell.0 * factor.1 * other.1 - factor.0 * other.0 * cell.1, cell.1 * factor.1 * other.1);
        }
    }
    rest.iter().all(|cell| cell.0 == 0)
}

/// A linear program over floats, its dictionary made feasible from what is true.
struct Lp {
    /// Rows: basic variables as what is left of `value − Σ`.
    table: Vec<Vec<f64>>,
    basis: Vec<usize>,
    n: usize,
    bound: f64,
}

impl Lp {
    fn of(notes: &Notes) -> Self {
        let n = notes.unknowns.len();
        let slack = notes.at_most.len();
        let width = n + slack + 1;
        let mut table: Vec<Vec<f64>> = Vec::new();
        for (at, (terms, value)) in notes
            .equal
            .iter()
            .map(|row| (None, row))
            .chain(notes.at_most.iter().enumerate().map(|(at, row)| (Some(at), row)))
        {
            let mut row = vec![0.0; width];
            terms.iter().for_each(|(column, c)| row[*column] += c);
            at.into_iter().for_each(|at| row[n + at] = 1.0);
            row[width - 1] = *value;
            table.push(row);
        }
        let mut lp = Self { table, basis: Vec::new(), n, bound: 1e12 };
        lp.start();
        lp
    }

    /// Phase one by the big-M-free way: each row gets a helper, the sum of helpers is driven to 0.
    fn start(&mut self) {
        let rows = self.table.len();
        let width = self.table.first().map_or(1, Vec::len);
        for (at, row) in self.table.iter_mut().enumerate() {
            let value = row.pop().unwrap();
            row.extend((0..rows).map(|other| f64::from(u8::from(other == at))));
            row.push(value);
            if value < 0.0 {
                row.iter_mut().for_each(|cell| *cell = -*cell);
                row[width - 1 + at] = 1.0;
            }
        }
        self.basis = (0..rows).map(|at| width - 1 + at).collect();
        let mut cost = vec![0.0; width - 1 + rows];
        cost[width - 1..].fill(1.0);
        let least = self.minimise(&cost);
        assert!(least.abs() < 1e-6, "what is true is possible: {least}");
        // Helpers that are left at 0 are swapped out, or their row repeats others.
        for at in 0..rows {
            let used = |column: &usize| self.table[at][*column].abs() > 1e-9;
            if let Some(column) = (0..width - 1).find(used).filter(|_| self.basis[at] >= width - 1) {
                self.pivot(at, column);
            }
        }
        let keep: Vec<bool> = self.basis.iter().map(|column| *column < width - 1).collect();
        let mut kept = keep.iter();
        self.table.retain(|_| *kept.next().unwrap());
        let mut kept = keep.iter();
        self.basis.retain(|_| *kept.next().unwrap());
        for row in &mut self.table {
            row.drain(width - 1..width - 1 + rows);
        }
    }

    fn pivot(&mut self, at: usize, column: usize) {
        let by = self.table[at][column];
        self.table[at].iter_mut().for_each(|cell| *cell /= by);
        let solved = self.table[at].clone();
        for (other, row) in self.table.iter_mut().enumerate() {
            let factor = row[column];
            if other != at && factor != 0.0 {
                row.iter_mut().zip(&solved).for_each(|(cell, s)| *cell -= factor * s);
            }
        }
        self.basis[at] = column;
    }

    fn minimise(&mut self, cost: &[f64]) -> f64 {
        let mut costs = cost.to_vec();
        costs.push(0.0);
        for (row, basic) in self.table.iter().zip(&self.basis) {
            let factor = cost[*basic];
            if factor != 0.0 {
                costs.iter_mut().zip(row).for_each(|(c, cell)| *c -= factor * cell);
            }
        }
        for _ in 0..10_000 {
            let Some(entering) = costs[..cost.len()].iter().position(|c| *c < -1e-9) else {
                return -costs.last().unwrap();
            };
            let ratio = |at: &usize| self.table[*at].last().unwrap() / self.table[*at][entering];
            let leaving = (0..self.table.len())
                .filter(|at| self.table[*at][entering] > 1e-9)
                .min_by(|a, b| ratio(a).partial_cmp(&ratio(b)).unwrap().then(self.basis[*a].cmp(&self.basis[*b])));
            let Some(at) = leaving else { return -self.bound };
            self.pivot(at, entering);
            let factor = costs[entering];
            costs.iter_mut().zip(&self.table[at]).for_each(|(c, cell)| *c -= factor * cell);
        }
        panic!("the simplex goes round");
    }

    fn bounds(&self, of: &[usize]) -> (f64, f64) {
        let width = self.table.first().map_or(self.n, |row| row.len() - 1);
        let find = |sign: f64| {
            let mut cost = vec![0.0; width];
            of.iter().for_each(|at| cost[*at] = sign);
            let mut lp = Self { table: self.table.clone(), basis: self.basis.clone(), ..*self };
            lp.minimise(&cost) * sign
        };
        (find(1.0), find(-1.0))
    }
}

fn found(rules: &PublicRules, widths: bool) -> (usize, usize, Vec<String>) {
    let (mut determined_in, mut narrow_in, mut examples) = (0, 0, Vec::new());
    for seed in 0..HISTORIES {
        let truth = history(&mut Seeded(seed));
        let pages = publish(&truth, rules);
        let (mut determined, mut narrow) = (Vec::new(), Vec::new());
        for notes in read(&pages, &truth) {
            let (all, some) = attack(&notes, widths);
            determined.extend(all);
            narrow.extend(some);
        }
        determined_in += usize::from(!determined.is_empty());
        narrow_in += usize::from(!narrow.is_empty());
        examples.extend(determined.into_iter().chain(narrow).take(1).map(|what| format!("history {seed}: {what}")));
    }
    (determined_in, narrow_in, examples)
}

#[test]
fn nothing_is_found_in_what_is_published() {
    let (determined, narrow, examples) = found(&PublicRules::default(), true);
    assert_eq!((determined, narrow), (0, 0), "{:#?}", examples.iter().take(5).collect::<Vec<_>>());
}

#[test]
fn without_suppression_something_is_found_in_every_history() {
    let (determined, _, _) = found(&PublicRules { people_min: 1, ..PublicRules::default() }, false);
    assert_eq!(determined as u64, HISTORIES);
}
