//! Price list (JSON, `schemas/prices/genai-prices.json`) → Rust statics that `price/book.rs` includes.
//!
//! What can be decided once is decided here: names in lower case and sorted, patterns compiled, prices scaled to an integer
//! a token, the rules of the price units checked. So the Worker starts with nothing to read or to allocate.

mod pattern;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Write as _;

use serde::Deserialize;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The price units that `schemas::usage::Usage` counts, in the order of `price::charge::counts`, by the list's names;
/// and `requests`, of which a turn is one.
const COUNTED: [&str; 10] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_reasoning_tokens",
    "input_audio_tokens",
    "cache_audio_read_tokens",
    "output_audio_tokens",
    "requests",
];

/// Prices are integers of USD × 10^-24 a token: the longest price of the list has 18 decimals a million tokens.
const SCALE: u32 = 24;

#[derive(Deserialize)]
struct List {
    version: String,
    units: BTreeMap<String, Unit>,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
struct Unit {
    per: u64,
    price_key: String,
    dimensions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Provider {
    id: String,
    provider_match: Option<Clause>,
    model_match: Option<Clause>,
    #[serde(default)]
    fallback_model_providers: Vec<String>,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(rename = "match")]
    clause: Clause,
    prices: Vec<Dated>,
    #[serde(default)]
    variants: Vec<Dated>,
}

#[derive(Deserialize)]
struct Dated {
    start_date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    prices: BTreeMap<String, Price>,
    #[serde(default)]
    when: BTreeMap<String, String>,
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
#[serde(untagged)]
enum Price {
    Flat(String),
    Tiered { base: String, tiers: Vec<Tier> },
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Tier {
    start: u64,
    price: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clause {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(String),
    Or(Vec<Clause>),
    And(Vec<Clause>),
}

/// Source of the statics `VERSION`, `UNITS`, `ORDER` and `PROVIDERS`.
///
/// # Errors
/// Says which entry of the list is not understood.
pub fn generate(json: &str) -> Result<String> {
    let list: List = serde_json::from_str(json)?;
    let version = format!("genai-prices-{}", list.version);
    let mut out = Output {
        units: &list.units,
        version: &version,
        text: String::new(),
        rates: HashMap::new(),
        sets: HashMap::new(),
    };
    out.units()?;
    for (at, provider) in list.providers.iter().enumerate() {
        out.provider(at, provider, &list.providers).map_err(|error| format!("{}: {error}", provider.id))?;
    }
    let all: Vec<String> = (0..list.providers.len()).map(|at| format!("&P{at}")).collect();
    writeln!(out.text, "pub(in super::super) static VERSION: &str = {version:?};")?;
    writeln!(out.text, "pub(in super::super) static PROVIDERS: &[&Provider] = &[{}];", all.join(", "))?;
    Ok(out.text)
}

struct Output<'a> {
    units: &'a BTreeMap<String, Unit>,
    version: &'a str,
    text: String,
    rates: HashMap<String, usize>,
    sets: HashMap<String, usize>,
}

impl Output<'_> {
    /// The counted units with those nested in them, and the order in which remainders are taken: most specific first.
    fn units(&mut self) -> Result<()> {
        let counted: Vec<(&str, &Unit)> =
            COUNTED.iter().map(|&name| Ok((name, self.unit(name)?))).collect::<Result<_>>()?;
        let mut order: Vec<usize> = (0..counted.len()).collect();
        order.sort_by_key(|&at| counted.get(at).map(|(name, unit)| (usize::MAX - unit.dimensions.len(), *name)));
        let rows: Vec<String> = counted
            .iter()
            .map(|(name, unit)| {
                let nested =
                    counted.iter().enumerate().filter(|(_, (other, inner))| other != name && unit.holds(inner));
                let mask = nested.fold(0_u16, |mask, (at, _)| mask | 1 << at);
                format!("Unit {{ name: {name:?}, nested: {mask:#b} }}")
            })
            .collect();
        writeln!(self.text, "pub(in super::super) static UNITS: [Unit; UNITS_COUNT] = [{}];", rows.join(", "))?;
        writeln!(self.text, "pub(in super::super) static ORDER: [usize; UNITS_COUNT] = {order:?};")?;
        Ok(())
    }

    fn unit(&self, name: &str) -> Result<&Unit> {
        self.units.get(name).ok_or_else(|| format!("no unit {name}").into())
    }

    fn provider(&mut self, at: usize, provider: &Provider, all: &[Provider]) -> Result<()> {
        let mut exact: BTreeMap<String, usize> = BTreeMap::new();
        let mut clauses = Vec::new();
        for (order, model) in provider.models.iter().enumerate() {
            let row = self.model(order, model).map_err(|error| format!("{}: {error}", model.id))?;
            writeln!(self.text, "static P{at}M{order}: Model = {row};")?;
            for clause in alternatives(&model.clause) {
                match clause {
                    Clause::Equals(name) => {
                        exact.entry(name.to_lowercase()).or_insert(order);
                    }
                    other => clauses.push(format!("({}, &P{at}M{order})", clause_source(other)?)),
                }
            }
        }
        let exact: Vec<String> = exact.iter().map(|(name, order)| format!("({name:?}, &P{at}M{order})")).collect();
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
            "static P{at}: Provider = Provider {{ id: {:?}, matching: {}, model_matching: {}, fallbacks: &[{}],\n exact: &[{}],\n clauses: &[{}] }};",
            provider.id,
            optional(&provider.provider_match)?,
            optional(&provider.model_match)?,
            fallbacks.join(", "),
            exact.join(", "),
            clauses.join(", "),
        )?;
        Ok(())
    }

    fn model(&mut self, order: usize, model: &Model) -> Result<String> {
        let variant_keys = model.variants.iter().flat_map(|variant| variant.prices.keys());
        let mut dated = Vec::new();
        for entry in &model.prices {
            self.check_units(entry.prices.keys())?;
            self.check_units(entry.prices.keys().chain(variant_keys.clone()))?;
            for variant in &model.variants {
                self.check_units(entry.prices.keys().chain(variant.prices.keys()))?;
            }
            dated.push(self.dated(entry)?);
        }
        let mut variants = Vec::new();
        for entry in &model.variants {
            let when: Vec<String> = entry.when.iter().map(|(key, value)| format!("({key:?}, {value:?})")).collect();
            variants.push(format!("Variant {{ when: &[{}], price: {} }}", when.join(", "), self.dated(entry)?));
        }
        Ok(format!(
            "Model {{ id: {:?}, order: {order}, prices: &[{}], variants: &[{}] }}",
            model.id,
            dated.join(", "),
            variants.join(", ")
        ))
    }

    fn dated(&mut self, entry: &Dated) -> Result<String> {
        let (holds, version) = match (&entry.start_date, &entry.start_time, &entry.end_time) {
            (None, None, None) => ("Holds::Always".to_owned(), self.version.to_owned()),
            (Some(date), None, None) => (format!("Holds::From({})", day(date)?), format!("{}@{date}", self.version)),
            (None, Some(start), Some(end)) => {
                let minute = start.get(..5).ok_or("bad time")?;
                (format!("Holds::Daily({}, {})", time_ms(start)?, time_ms(end)?), format!("{}@{minute}Z", self.version))
            }
            _ => return Err("a price has a date or a start and an end time, not both".into()),
        };
        Ok(format!("Dated {{ holds: {holds}, version: {version:?}, set: &S{} }}", self.set(&entry.prices)?))
    }

    fn set(&mut self, prices: &BTreeMap<String, Price>) -> Result<usize> {
        let mut rates = Vec::new();
        let mut known = 0;
        for name in COUNTED {
            let unit = self.unit(name)?;
            let (per, key) = (unit.per, unit.price_key.clone());
            rates.push(match prices.get(&key) {
                Some(price) => {
                    known += 1;
                    format!("Some(&R{})", self.rate(price, per)?)
                }
                None => "None".to_owned(),
            });
        }
        let source = format!("Set {{ rates: [{}], other_units: {} }}", rates.join(", "), known < prices.len());
        if let Some(&at) = self.sets.get(&source) {
            return Ok(at);
        }
        let at = self.sets.len();
        writeln!(self.text, "static S{at}: Set = {source};")?;
        self.sets.insert(source, at);
        Ok(at)
    }

    fn rate(&mut self, price: &Price, per: u64) -> Result<usize> {
        let (base, tiers) = match price {
            Price::Flat(base) => (base, &[][..]),
            Price::Tiered { base, tiers } => (base, tiers.as_slice()),
        };
        if !tiers.is_sorted_by_key(|tier| tier.start) {
            return Err("tiers are not in order".into());
        }
        let tiers: Vec<String> = tiers
            .iter()
            .map(|tier| Ok(format!("({}, {})", tier.start, scaled(&tier.price, per)?)))
            .collect::<Result<_>>()?;
        let source = format!("Rate {{ base: {}, tiers: &[{}] }}", scaled(base, per)?, tiers.join(", "));
        if let Some(&at) = self.rates.get(&source) {
            return Ok(at);
        }
        let at = self.rates.len();
        writeln!(self.text, "static R{at}: Rate = {source};")?;
        self.rates.insert(source, at);
        Ok(at)
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
                let counted: Vec<&Unit> = COUNTED.iter().map(|name| self.unit(name)).collect::<Result<_>>()?;
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

impl Unit {
    fn holds(&self, inner: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| inner.dimensions.get(key) == Some(value))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| other.dimensions.get(key).is_none_or(|theirs| theirs == value))
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

/// A decimal price of `per` units as an integer of USD × 10^-[`SCALE`] a unit.
fn scaled(price: &str, per: u64) -> Result<u128> {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let digits: u128 = format!("{whole}{fraction}").parse()?;
    let up = 10_u128.checked_pow(SCALE.checked_sub(u32::try_from(fraction.len())?).ok_or("too many decimals")?);
    let total = up.and_then(|up| digits.checked_mul(up)).ok_or("price too large")?;
    if total % u128::from(per) == 0 {
        Ok(total / u128::from(per))
    } else {
        Err(format!("{price} for {per} is not exact").into())
    }
}

/// Days from 1970-01-01 to `YYYY-MM-DD`. Howard Hinnant, "chrono-compatible low-level date algorithms".
fn day(date: &str) -> Result<i64> {
    let parts: Vec<i64> = date.split('-').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [year, month, day] = parts.as_slice() else { return Err(format!("bad date {date}").into()) };
    let years = if *month <= 2 { year - 1 } else { *year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(years * 365 + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400) + day_of_year - 719_468)
}

fn time_ms(time: &str) -> Result<i64> {
    let parts: Vec<i64> = time.split(':').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [hours, minutes, seconds] = parts.as_slice() else { return Err(format!("bad time {time}").into()) };
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1000)
}
