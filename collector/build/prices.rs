//! Price list (JSON, `schemas/prices/genai-prices.json`) → Rust statics that `price/book.rs` and `price/unpack.rs` include.
//!
//! What can be decided once is decided here: names in lower case and sorted, patterns compiled, prices scaled to an integer
//! a token, the rules of the price units checked. Models, sets of prices and rates, of which there are thousands, are packed
//! (half of what they weigh as statics); `price/unpack.rs` reads a provider's when it is first asked for. Numbers are
//! LEB128, texts stand behind their length:
//!
//! - rates: price, tiers (count; start, price). A price is its digits and how many zeros follow, USD × 10^-24 a unit.
//! - sets: count of rates × 2, + 1 where there are prices for other units; (unit, rate).
//! - models of a provider: names that mean one model (count; name, model); models: id (0 and the text, or which name + 1),
//!   prices (count), variants (count; pairs of their context). Of each price: set × 3 + when it holds (0 always, 1 from a day
//!   since 1970, 2 from a time of day to another, ms).

mod pattern;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Write as _;

use crate::leb128::{text, unsigned};
use crate::literal::day;
use crate::price_list::{COUNTED, Clause, Dated, Extractor, List, Model, Price, Provider, Result, Step, Unit};

/// Prices are integers of USD × 10^-24 a token: the longest price of the list has 18 decimals a million tokens.
const SCALE: u32 = 24;

/// Source of the statics of `price/book.rs`: `UNITS`, `ORDER` and `PROVIDERS`; and of `price/unpack.rs`: `VERSION`, `PACKED_SETS` and
/// `PACKED_RATES`.
///
/// # Errors
/// Says which entry of the list is not understood.
pub fn generate(list: &List) -> Result<(String, String)> {
    let mut out = Output {
        list,
        units: &list.units,
        text: String::new(),
        rates: Packed::default(),
        sets: Packed::default(),
        extractors: HashMap::new(),
    };
    out.units()?;
    for (at, provider) in list.providers.iter().enumerate() {
        out.provider(at, provider, &list.providers).map_err(|error| format!("{}: {error}", provider.id))?;
    }
    let all: Vec<String> = (0..list.providers.len()).map(|at| format!("&P{at}")).collect();
    writeln!(out.text, "pub(in super::super) static PROVIDERS: &[&Provider] = &[{}];", all.join(", "))?;
    let packed = format!(
        "/// Version of the list.\npub(super) static VERSION: &str = \"genai-prices-{}\";\nstatic PACKED_SETS: &[u8] = &{:?};\nstatic PACKED_RATES: &[u8] = &{:?};\n",
        list.version, out.sets.bytes, out.rates.bytes
    );
    Ok((out.text, packed))
}

struct Output<'a> {
    list: &'a List,
    units: &'a BTreeMap<String, Unit>,
    text: String,
    rates: Packed,
    sets: Packed,
    extractors: HashMap<String, usize>,
}

/// Packed rows, each once.
#[derive(Default)]
struct Packed {
    bytes: Vec<u8>,
    numbers: HashMap<Vec<u8>, u64>,
}

impl Packed {
    /// Number of this row.
    fn number(&mut self, row: Vec<u8>) -> u64 {
        let next = self.numbers.len() as u64;
        if let Some(&number) = self.numbers.get(&row) {
            return number;
        }
        self.bytes.extend(&row);
        self.numbers.insert(row, next);
        next
    }
}

impl Output<'_> {
    /// The counted units with those nested in them, and the order in which remainders are taken: most specific first.
    fn units(&mut self) -> Result<()> {
        let mut order: Vec<usize> = (0..COUNTED.len()).collect();
        order.sort_by_key(|&at| {
            let name = COUNTED.get(at).copied().unwrap_or_default();
            (usize::MAX - self.units.get(name).map_or(0, |unit| unit.dimensions.len()), name)
        });
        let counted = self.list.counted()?;
        let rows: Vec<String> =
            counted.iter().map(|(name, mask)| format!("Unit {{ name: {name:?}, nested: {mask:#b} }}")).collect();
        writeln!(self.text, "pub(in super::super) static UNITS: [Unit; UNITS_COUNT] = [{}];", rows.join(", "))?;
        writeln!(self.text, "pub(in super::super) static ORDER: [usize; UNITS_COUNT] = {order:?};")?;
        Ok(())
    }

    fn provider(&mut self, at: usize, provider: &Provider, all: &[Provider]) -> Result<()> {
        let mut exact: BTreeMap<String, usize> = BTreeMap::new();
        let mut clauses = Vec::new();
        for (order, model) in provider.models.iter().enumerate() {
            for clause in alternatives(&model.clause) {
                match clause {
                    Clause::Equals(name) => {
                        exact.entry(name.to_lowercase()).or_insert(order);
                    }
                    other => clauses.push(format!("({}, {order})", clause_source(other)?)),
                }
            }
        }
        let mut models = Vec::new();
        unsigned(&mut models, exact.len() as u64);
        for (name, order) in &exact {
            text(&mut models, name);
            unsigned(&mut models, *order as u64);
        }
        for model in &provider.models {
            let name = exact.keys().position(|name| *name == model.id);
            self.model(model, name, &mut models).map_err(|error| format!("{}: {error}", model.id))?;
        }
        let mut extractors = Vec::new();
        for extractor in &provider.extractors {
            let kind = format!("{}: reply of {}", provider.id, extractor.flavor);
            extractors.extend(self.extractor(extractor).map_err(|error| format!("{kind}: {error}"))?);
        }
        let fallbacks: Vec<String> = provider
            .fallback_model_providers
            .iter()
            .filter_map(|id| all.iter().position(|other| other.id == *id))
            .map(|other| format!("&P{other}"))
            .collect();
        let optional = |clause: &Option<Clause>| match clause {
            Some(clause) => Ok::<_, Box<dyn Error>>(format!("Some({})", clause_source(clause)?)),
            None => Ok("None".to_owned()),
        };
        writeln!(
            self.text,
            "static P{at}: Provider = Provider {{ id: {:?}, matching: {}, model_matching: {}, fallbacks: &[{}],\n extractors: &[{}],\n clauses: &[{}],\n models: Models::new(&{models:?}) }};",
            provider.id,
            optional(&provider.provider_match)?,
            optional(&provider.model_match)?,
            fallbacks.join(", "),
            extractors.join(", "),
            clauses.join(", "),
        )?;
        Ok(())
    }

    /// `("chat", &E3)`; `None` where the reply counts nothing that `Usage` does.
    fn extractor(&mut self, extractor: &Extractor) -> Result<Option<String>> {
        // The readers find the block themselves, wherever a stream wraps it.
        let blocks = ["usage", "usageMetadata", "meta", "tokenUsage", "usage_info"];
        let block = extractor
            .root
            .iter()
            .position(|step| matches!(step, Step::Member(name) if blocks.contains(&name.as_str())));
        let within =
            block.and_then(|at| extractor.root.get(at + 1..)).ok_or("its root is not known to Block::within")?;
        let mut counts = Vec::new();
        for (unit, required, path) in &extractor.counts {
            let Some(at) = COUNTED.iter().position(|counted| counted == unit) else { continue };
            let path: Vec<String> = within.iter().chain(path).map(step_source).collect::<Result<_>>()?;
            counts.push(format!("Mapping {{ path: &[{}], at: {at}, required: {required} }}", path.join(", ")));
        }
        if counts.is_empty() {
            return Ok(None);
        }
        let source = format!("[Mapping; {}] = [{}]", counts.len(), counts.join(", "));
        let next = self.extractors.len();
        let at = *self.extractors.entry(source.clone()).or_insert(next);
        if at == next {
            writeln!(self.text, "static E{at}: {source};")?;
        }
        Ok(Some(format!("({:?}, &E{at})", extractor.flavor)))
    }

    fn model(&mut self, model: &Model, name: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
        match name {
            Some(at) => unsigned(out, at as u64 + 1),
            None => {
                unsigned(out, 0);
                text(out, &model.id);
            }
        }
        let variant_keys = model.variants.iter().flat_map(|variant| variant.prices.keys());
        unsigned(out, model.prices.len() as u64);
        for entry in &model.prices {
            self.check_units(entry.prices.keys())?;
            self.check_units(entry.prices.keys().chain(variant_keys.clone()))?;
            for variant in &model.variants {
                self.check_units(entry.prices.keys().chain(variant.prices.keys()))?;
            }
            self.dated(entry, out)?;
        }
        unsigned(out, model.variants.len() as u64);
        for entry in &model.variants {
            unsigned(out, entry.when.len() as u64);
            for (key, value) in &entry.when {
                text(out, key);
                text(out, value);
            }
            self.dated(entry, out)?;
        }
        Ok(())
    }

    fn dated(&mut self, entry: &Dated, out: &mut Vec<u8>) -> Result<()> {
        let set = self.set(&entry.prices)? * 3;
        match (&entry.start_date, &entry.start_time, &entry.end_time) {
            (None, None, None) => unsigned(out, set),
            (Some(date), None, None) => {
                unsigned(out, set + 1);
                unsigned(out, u64::try_from(day(date).ok_or("bad date")?)?);
            }
            (None, Some(start), Some(end)) => {
                unsigned(out, set + 2);
                unsigned(out, time_ms(start)?);
                unsigned(out, time_ms(end)?);
            }
            _ => return Err("a price has a date or a start and an end time, not both".into()),
        }
        Ok(())
    }

    fn set(&mut self, prices: &BTreeMap<String, Price>) -> Result<u64> {
        let mut rates = Vec::new();
        for (at, name) in COUNTED.iter().enumerate() {
            let unit = self.list.unit(name)?;
            if let Some(price) = prices.get(&unit.price_key) {
                rates.push((at as u64, self.rate(price, unit.per)?));
            }
        }
        let mut row = Vec::new();
        unsigned(&mut row, rates.len() as u64 * 2 + u64::from(rates.len() < prices.len()));
        for (at, rate) in rates {
            unsigned(&mut row, at);
            unsigned(&mut row, rate);
        }
        Ok(self.sets.number(row))
    }

    fn rate(&mut self, price: &Price, per: u64) -> Result<u64> {
        let (base, tiers) = match price {
            Price::Flat(base) => (base, &[][..]),
            Price::Tiered { base, tiers } => (base, tiers.as_slice()),
        };
        if !tiers.is_sorted_by_key(|tier| tier.start) {
            return Err("tiers are not in order".into());
        }
        let mut row = Vec::new();
        scaled(base, per, &mut row)?;
        unsigned(&mut row, tiers.len() as u64);
        for tier in tiers {
            unsigned(&mut row, tier.start);
            scaled(&tier.price, per, &mut row)?;
        }
        Ok(self.rates.number(row))
    }

    /// The list's own rules (its `validation.py`): the units around a priced unit are priced, so are the units where two
    /// priced ones overlap; and ours: a unit that `Usage` does not count holds none that it does.
    fn check_units<'k>(&self, price_keys: impl Iterator<Item = &'k String>) -> Result<()> {
        let mut priced: BTreeMap<&str, &Unit> = BTreeMap::new();
        for key in price_keys {
            let unit = self
                .units
                .iter()
                .find(|(_, unit)| unit.price_key == *key)
                .ok_or_else(|| format!("no unit for {key}"))?;
            priced.insert(unit.0, unit.1);
        }
        for (name, unit) in &priced {
            let around = self.units.iter().filter(|(other, outer)| other != name && outer.holds(unit));
            if let Some((missing, _)) = around.into_iter().find(|(other, _)| !priced.contains_key(other.as_str())) {
                return Err(format!("{name} is priced and {missing} is not").into());
            }
            for (other, second) in &priced {
                let joined: BTreeSet<_> = unit.dimensions.iter().chain(&second.dimensions).collect();
                if !unit.agrees(second) {
                    continue;
                }
                let join =
                    self.units.iter().find(|(_, unit)| unit.dimensions.iter().collect::<BTreeSet<_>>() == joined);
                if !join.is_some_and(|(join, _)| priced.contains_key(join.as_str())) {
                    return Err(format!("{name} and {other} are priced and what both hold is not").into());
                }
            }
            if !COUNTED.contains(name) {
                let counted: Vec<&Unit> = COUNTED.iter().map(|name| self.list.unit(name)).collect::<Result<_>>()?;
                let join = |a: &Unit, b: &Unit| {
                    a.agrees(b)
                        && a.dimensions.iter().chain(&b.dimensions).collect::<BTreeSet<_>>()
                            == unit.dimensions.iter().collect()
                };
                if counted.iter().any(|inner| unit.holds(inner) || counted.iter().any(|other| join(inner, other))) {
                    return Err(format!("{name} is priced: Usage needs a field for it").into());
                }
            }
        }
        Ok(())
    }
}

fn step_source(step: &Step) -> Result<String> {
    match step {
        Step::Member(name) => Ok(format!("Step::Member({name:?})")),
        Step::Having(texts) => match texts.iter().next() {
            Some((field, text)) if texts.len() == 1 => Ok(format!("Step::Having({field:?}, {text:?})")),
            _ => Err("a step has one field".into()),
        },
    }
}

fn alternatives(clause: &Clause) -> Vec<&Clause> {
    match clause {
        Clause::Or(parts) => parts.iter().flat_map(alternatives).collect(),
        other => vec![other],
    }
}

fn clause_source(clause: &Clause) -> Result<String> {
    let list = |parts: &[Clause]| {
        Ok::<_, Box<dyn Error>>(parts.iter().map(clause_source).collect::<Result<Vec<_>>>()?.join(", "))
    };
    Ok(match clause {
        Clause::Equals(text) => format!("Clause::Equals({:?})", text.to_lowercase()),
        Clause::StartsWith(text) => format!("Clause::StartsWith({:?})", text.to_lowercase()),
        Clause::EndsWith(text) => format!("Clause::EndsWith({:?})", text.to_lowercase()),
        Clause::Contains(text) => format!("Clause::Contains({:?})", text.to_lowercase()),
        Clause::Regex(text) => format!("Clause::Pattern(&{})", pattern::compile(text)?),
        Clause::Or(parts) => format!("Clause::Or(&[{}])", list(parts)?),
        Clause::And(parts) => format!("Clause::And(&[{}])", list(parts)?),
    })
}

/// Packs a decimal price of `per` units as an integer of USD × 10^-[`SCALE`] a unit.
fn scaled(price: &str, per: u64, out: &mut Vec<u8>) -> Result<()> {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let digits: u128 = format!("{whole}{fraction}").parse()?;
    let up = 10_u128.checked_pow(SCALE.checked_sub(u32::try_from(fraction.len())?).ok_or("too many decimals")?);
    let total = up.and_then(|up| digits.checked_mul(up)).ok_or("price too large")?;
    if total % u128::from(per) != 0 {
        return Err(format!("{price} for {per} is not exact").into());
    }
    let (mut digits, mut zeros) = (total / u128::from(per), 0);
    while digits > 0 && digits % 10 == 0 {
        digits /= 10;
        zeros += 1;
    }
    unsigned(out, u64::try_from(digits)?);
    unsigned(out, zeros);
    Ok(())
}

/// Milliseconds since midnight of `hh:mm:ss`.
fn time_ms(time: &str) -> Result<u64> {
    let parts: Vec<u64> = time.split(':').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [hours, minutes, seconds] = parts.as_slice() else { return Err(format!("bad time {time}").into()) };
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1000)
}
