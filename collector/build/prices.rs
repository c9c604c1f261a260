//! Price list (JSON, `schemas/prices/genai-prices.json`) → Rust statics that `price/book.rs` includes.
//!
//! What can be decided once is decided here: names in lower case and sorted, patterns compiled, prices scaled to an integer
//! a token, the rules of the price units checked. So the Worker starts with nothing to read or to allocate.

mod pattern;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::own::{Fault, OwnModel, OwnPrices, day};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The price units that `schemas::usage::Usage` counts, in the order of its fields, by the list's names; and `requests`, of
/// which a turn is one.
const COUNTED: [&str; 31] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_reasoning_tokens",
    "output_citation_tokens",
    "input_text_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
    "cache_text_read_tokens",
    "cache_audio_read_tokens",
    "cache_image_read_tokens",
    "cache_video_read_tokens",
    "input_tool_tokens",
    "input_text_tool_tokens",
    "input_audio_tool_tokens",
    "input_image_tool_tokens",
    "input_video_tool_tokens",
    "output_text_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "output_video_tokens",
    "web_searches",
    "storage_searches",
    "input_text_messages",
    "input_document_pages",
    "input_annotated_document_pages",
    "requests",
];

/// Prices are integers of USD × 10^-24 a token: the longest price of the list has 18 decimals a million tokens.
const SCALE: u32 = 24;

/// The price list.
#[derive(Deserialize)]
pub struct List {
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
    #[serde(default)]
    extractors: Vec<Extractor>,
    models: Vec<Model>,
}

/// Where a kind of reply keeps its counts.
#[derive(Deserialize)]
struct Extractor {
    flavor: String,
    root: Vec<Step>,
    /// Unit, whether it must be there, path.
    counts: Vec<(String, bool, Vec<Step>)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Member(String),
    /// Members of a list that have this text in this field.
    Having(BTreeMap<String, String>),
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

impl List {
    /// Reads the list's JSON.
    ///
    /// # Errors
    /// What is not understood.
    pub fn read(json: &str) -> Result<Self> {
        Ok(serde_json::from_str(json)?)
    }

    /// The counted units: name, and bits of those nested in it.
    fn counted(&self) -> Result<Vec<(&'static str, u64)>> {
        let units: Vec<(&str, &Unit)> =
            COUNTED.iter().map(|&name| Ok((name, self.unit(name)?))).collect::<Result<_>>()?;
        let nested = |name: &str, unit: &Unit| {
            let within = units.iter().enumerate().filter(|(_, (other, inner))| *other != name && unit.holds(inner));
            within.fold(0_u64, |mask, (at, _)| mask | 1 << at)
        };
        Ok(units.iter().map(|(name, unit)| (*name, nested(name, unit))).collect())
    }

    fn unit(&self, name: &str) -> Result<&Unit> {
        self.units.get(name).ok_or_else(|| format!("no unit {name}").into())
    }

    /// Checks own prices against the list.
    ///
    /// # Errors
    /// The key that is wrong, and what it must be.
    pub fn check(&self, own: &OwnPrices) -> std::result::Result<(), Fault> {
        let units = self.counted().unwrap_or_default();
        own.check(&units, |own| self.sets_of_like(own))
    }

    fn sets_of_like(&self, own: &OwnModel) -> Option<Vec<u64>> {
        let find = |provider: &str, id: &str| {
            let provider = self.providers.iter().find(|candidate| candidate.id == provider)?;
            provider.models.iter().find(|model| model.id == id)
        };
        let id = own.like.as_ref()?;
        let beside = find(own.scope.provider.as_str(), id);
        let model = beside.or_else(|| id.split_once('/').and_then(|(provider, id)| find(provider, id)))?;
        let bits = |dated: &Dated| {
            let priced = |unit: &&str| self.unit(unit).is_ok_and(|unit| dated.prices.contains_key(&unit.price_key));
            COUNTED.iter().enumerate().filter(|(_, unit)| priced(unit)).fold(0_u64, |bits, (at, _)| bits | 1 << at)
        };
        let variants = || model.variants.iter().map(bits);
        Some(model.prices.iter().flat_map(|dated| variants().chain([0]).map(move |more| bits(dated) | more)).collect())
    }

    /// What is priced by the hour of audio or by the character, as items `provider/model/audio_seconds`: services that no
    /// usage counts.
    pub fn services(&self) -> Value {
        let mut rows = Vec::new();
        for provider in &self.providers {
            for model in &provider.models {
                for unit in ["audio_seconds", "input_characters"] {
                    rows.extend(model.prices.iter().filter_map(|dated| self.service(provider, model, dated, unit)));
                }
            }
        }
        json!({ "service": rows })
    }

    fn service(&self, provider: &Provider, model: &Model, dated: &Dated, unit: &str) -> Option<Value> {
        let item = format!("{}/{}/{unit}", provider.id, model.id);
        let unit = self.units.get(unit)?;
        let Price::Flat(price) = dated.prices.get(&unit.price_key)? else { return None };
        let mut row = json!({ "item": item, "price": price, "per": unit.per.to_string() });
        if let Some(from) = &dated.start_date {
            row.as_object_mut()?.insert("from".into(), from.as_str().into());
        }
        Some(row)
    }
}

/// Source of the statics `VERSION`, `UNITS`, `ORDER` and `PROVIDERS`.
///
/// # Errors
/// Says which entry of the list is not understood.
pub fn generate(list: &List) -> Result<String> {
    let version = format!("genai-prices-{}", list.version);
    let mut out = Output {
        list,
        units: &list.units,
        version: &version,
        text: String::new(),
        rates: HashMap::new(),
        sets: HashMap::new(),
        extractors: HashMap::new(),
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
    list: &'a List,
    units: &'a BTreeMap<String, Unit>,
    version: &'a str,
    text: String,
    rates: HashMap<String, usize>,
    sets: HashMap<String, usize>,
    extractors: HashMap<String, usize>,
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
        let mut extractors = Vec::new();
        for extractor in &provider.extractors {
            let kind = format!("{}: reply of {}", provider.id, extractor.flavor);
            extractors.extend(self.extractor(extractor).map_err(|error| format!("{kind}: {error}"))?);
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
            "static P{at}: Provider = Provider {{ id: {:?}, matching: {}, model_matching: {}, fallbacks: &[{}],\n extractors: &[{}],\n exact: &[{}],\n clauses: &[{}] }};",
            provider.id,
            optional(&provider.provider_match)?,
            optional(&provider.model_match)?,
            fallbacks.join(", "),
            extractors.join(", "),
            exact.join(", "),
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
            (Some(date), None, None) => {
                (format!("Holds::From({})", day(date).ok_or("bad date")?), format!("{}@{date}", self.version))
            }
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
        for (at, name) in COUNTED.iter().enumerate() {
            let unit = self.list.unit(name)?;
            let (per, key) = (unit.per, unit.price_key.clone());
            if let Some(price) = prices.get(&key) {
                rates.push(format!("({at}, &R{})", self.rate(price, per)?));
            }
        }
        let source = format!("Set {{ rates: &[{}], other_units: {} }}", rates.join(", "), rates.len() < prices.len());
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

impl Unit {
    fn holds(&self, inner: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| inner.dimensions.get(key) == Some(value))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| other.dimensions.get(key).is_none_or(|theirs| theirs == value))
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

fn time_ms(time: &str) -> Result<i64> {
    let parts: Vec<i64> = time.split(':').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [hours, minutes, seconds] = parts.as_slice() else { return Err(format!("bad time {time}").into()) };
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1000)
}
