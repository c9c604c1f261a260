//! `prices.toml`: an operator's own prices, read and checked at build, embedded in the Worker.
//!
//! Used by the build step and at run time, so it knows neither the price list's statics nor other rooms. Numbers come as text
//! (or as JSON numbers of at most 15 digits, which a float repeats as written): money never passes through a float.

use serde_json::{Map, Value};

use super::literal::{Decimal, Glob, day};

/// Everything that the file says.
#[derive(Clone, Debug, Default)]
pub struct OwnPrices {
    /// Prices of models; the last that holds wins.
    pub models: Vec<OwnModel>,
    /// Discounts on the list's prices; the last that holds wins.
    pub discounts: Vec<Discount>,
    /// Prices of other services; the last that holds wins.
    pub services: Vec<ServicePrice>,
}

/// To which turns a price or a discount is given.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Which providers.
    pub provider: Glob,
    /// Which models.
    pub model: Glob,
    /// Pairs that the turn's price context must have.
    pub when: Vec<(String, String)>,
    /// At which time.
    pub period: Period,
}

/// The price of a model.
#[derive(Clone, Debug)]
pub struct OwnModel {
    /// To which turns.
    pub scope: Scope,
    /// Model of the list whose prices hold for what is not stated here: `model` of the same provider, or `provider/model`.
    pub like: Option<String>,
    /// Prices by unit: the unit's name in the list, USD, and for how many.
    pub units: Vec<(&'static str, Decimal, u64)>,
    /// USD a second of the turn's latency.
    pub per_second: Option<Decimal>,
    /// The file's name and the first day: `own@2026-01-01`, `own`.
    pub version: String,
}

/// A discount.
#[derive(Clone, Debug)]
pub struct Discount {
    /// On which turns.
    pub scope: Scope,
    /// Percent off; below zero a surcharge.
    pub percent: Decimal,
}

/// The price of something else than a model.
#[derive(Clone, Debug)]
pub struct ServicePrice {
    /// What is counted.
    pub item: String,
    /// Who bills it; `None`: anybody.
    pub provider: Option<String>,
    /// USD.
    pub price: Decimal,
    /// For how many.
    pub per: u64,
    /// At which time.
    pub period: Period,
    /// The file's name and the first day: `own@2026-01-01`, `own`.
    pub version: String,
}

/// UTC days, since 1970: from the first to before the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: Option<i32>,
    /// Day after the last.
    pub until: Option<i32>,
}

impl Period {
    /// Does it hold on this day?
    #[must_use]
    pub fn holds(&self, day: i32) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Table and its position, `("model", 2)`; nothing for the file itself.
    pub table: Option<(&'static str, usize)>,
    /// The key.
    pub key: String,
    /// What it must be.
    pub what: String,
}

/// `model[2].input must be…`, as JSON has it.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let table = self.table.map(|(name, at)| format!("{name}[{at}].")).unwrap_or_default();
        write!(f, "{table}{} {}", self.key, self.what)
    }
}

/// Keys that price a unit, the unit's name in the list, and for how many a price is.
const UNIT_KEYS: [(&str, &str, u64); 31] = {
    const MILLION: u64 = 1_000_000;
    const THOUSAND: u64 = 1_000;
    [
        ("input", "input_tokens", MILLION),
        ("output", "output_tokens", MILLION),
        ("cache_read", "cache_read_tokens", MILLION),
        ("cache_write", "cache_write_tokens", MILLION),
        ("cache_write_5m", "cache_write_5m_tokens", MILLION),
        ("cache_write_1h", "cache_write_1h_tokens", MILLION),
        ("reasoning", "output_reasoning_tokens", MILLION),
        ("output_citation", "output_citation_tokens", MILLION),
        ("input_text", "input_text_tokens", MILLION),
        ("input_audio", "input_audio_tokens", MILLION),
        ("input_image", "input_image_tokens", MILLION),
        ("input_video", "input_video_tokens", MILLION),
        ("cache_text_read", "cache_text_read_tokens", MILLION),
        ("cache_audio_read", "cache_audio_read_tokens", MILLION),
        ("cache_image_read", "cache_image_read_tokens", MILLION),
        ("cache_video_read", "cache_video_read_tokens", MILLION),
        ("input_tool", "input_tool_tokens", MILLION),
        ("input_text_tool", "input_text_tool_tokens", MILLION),
        ("input_audio_tool", "input_audio_tool_tokens", MILLION),
        ("input_image_tool", "input_image_tool_tokens", MILLION),
        ("input_video_tool", "input_video_tool_tokens", MILLION),
        ("output_text", "output_text_tokens", MILLION),
        ("output_audio", "output_audio_tokens", MILLION),
        ("output_image", "output_image_tokens", MILLION),
        ("output_video", "output_video_tokens", MILLION),
        ("web_searches", "web_searches", THOUSAND),
        ("storage_searches", "storage_searches", THOUSAND),
        ("input_text_messages", "input_text_messages", THOUSAND),
        ("input_document_pages", "input_document_pages", THOUSAND),
        ("input_annotated_document_pages", "input_annotated_document_pages", THOUSAND),
        ("per_request", "requests", 1),
    ]
};

impl OwnPrices {
    /// Reads the file as JSON; `name` is what versions of its prices begin with.
    ///
    /// # Errors
    /// The key that is wrong, and what it must be.
    pub fn read(json: &Value, name: &str) -> Result<Self, Fault> {
        let Value::Object(root) = json else {
            return Err(Fault { table: None, key: "the file".into(), what: "must be a table".into() });
        };
        if let Some(key) = root.keys().find(|key| !["model", "discount", "service"].contains(&key.as_str())) {
            let what = "is not known; there are [[model]], [[discount]] and [[service]]".into();
            return Err(Fault { table: None, key: key.clone(), what });
        }
        Ok(Self {
            models: tables(root, "model", name)?.into_iter().map(model).collect::<Result<_, _>>()?,
            discounts: tables(root, "discount", name)?.into_iter().map(discount).collect::<Result<_, _>>()?,
            services: tables(root, "service", name)?.into_iter().map(service).collect::<Result<_, _>>()?,
        })
    }

    /// Adds the prices of another, which win.
    pub fn extend(&mut self, other: Self) {
        self.models.extend(other.models);
        self.discounts.extend(other.discounts);
        self.services.extend(other.services);
    }

    /// Checks what the price list decides: that the models to be like are there, and that a count never counts in two prices.
    ///
    /// `units` are the list's units: name, and the bits of those nested in it. `like` gives the sets of units (as bits) that
    /// have a price at one time or another for that model of the list; `None` when there is no such model.
    ///
    /// # Errors
    /// As [`OwnPrices::read`].
    pub fn check(&self, units: &[(&str, u64)], like: impl Fn(&OwnModel) -> Option<Vec<u64>>) -> Result<(), Fault> {
        for (at, model) in self.models.iter().enumerate() {
            let fault =
                |key: &str, what: &str| Fault { table: Some(("model", at)), key: key.into(), what: what.into() };
            let sets = match &model.like {
                None => vec![0],
                Some(_) => like(model).ok_or_else(|| {
                    fault("like", "must be the id of a model in schemas/prices/genai-prices.json, \"provider/model\"")
                })?,
            };
            let bit = |unit: &str| units.iter().position(|(name, _)| *name == unit).map_or(0, |at| 1_u64 << at);
            let own = model.units.iter().fold(0, |bits, (unit, ..)| bits | bit(unit));
            for set in sets {
                if let Some((missing, because)) = unpriced_unit(units, own | set) {
                    let what = format!("must be there, too, because {because} is");
                    return Err(fault(key_of(missing), &what));
                }
            }
        }
        Ok(())
    }
}

/// The list's own rule (`validation.py` of `genai-prices`): units around a priced unit are priced, and so is what two priced
/// units both hold. Gives the unit that lacks a price, and the keys that demand it.
fn unpriced_unit<'a>(units: &[(&'a str, u64)], priced: u64) -> Option<(&'a str, String)> {
    let has = |at: usize| priced >> at & 1 == 1;
    let all = || units.iter().enumerate();
    for (at, (name, nested)) in all().filter(|(at, _)| has(*at)) {
        if let Some((_, (around, _))) = all().find(|(outer, (_, within))| within >> at & 1 == 1 && !has(*outer)) {
            return Some((around, key_of(name).to_owned()));
        }
        for (other, (second, theirs)) in all().filter(|(other, _)| *other > at && has(*other)) {
            let (inside, shared) = (nested >> other & 1 == 1 || theirs >> at & 1 == 1, nested & theirs);
            let join =
                all().find(|(join, (_, within))| shared == (1 << join) | within & shared && shared >> join & 1 == 1);
            if let (false, Some((join, (name_of_join, _)))) = (inside, join)
                && !has(join)
            {
                return Some((name_of_join, format!("{} and {}", key_of(name), key_of(second))));
            }
        }
    }
    None
}

fn key_of(unit: &str) -> &str {
    UNIT_KEYS.iter().find(|(_, name, _)| *name == unit).map_or(unit, |(key, ..)| key)
}

/// One table of a list, while it is read.
struct Table<'a> {
    place: (&'static str, usize),
    members: &'a Map<String, Value>,
    file: &'a str,
}

fn tables<'a>(root: &'a Map<String, Value>, name: &'static str, file: &'a str) -> Result<Vec<Table<'a>>, Fault> {
    let wrong = || Fault { table: None, key: name.into(), what: format!("must be written [[{name}]]") };
    let Some(value) = root.get(name) else { return Ok(Vec::new()) };
    let rows = value.as_array().ok_or_else(wrong)?.iter().enumerate();
    rows.map(|(at, row)| Ok(Table { place: (name, at), members: row.as_object().ok_or_else(wrong)?, file })).collect()
}

impl Table<'_> {
    fn fault<T>(&self, key: &str, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { table: Some(self.place), key: key.to_owned(), what: what.into() })
    }

    fn knows(&self, keys: &[&str]) -> Result<(), Fault> {
        match self.members.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(key) => self.fault(key, format!("is not known; there are {}", keys.join(", "))),
            None => Ok(()),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Fault> {
        match self.members.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
            Some(_) => self.fault(key, "must be a text in quotes"),
        }
    }

    fn required_text(&self, key: &str) -> Result<&str, Fault> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => self.fault(key, "is required"),
        }
    }

    fn number(&self, key: &str) -> Result<Option<Decimal>, Fault> {
        let wrong = "must be a decimal such as 0.25, with at most 9 digits before the point and 18 after it";
        let text = match self.members.get(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => {
                let text = number.to_string();
                if text.bytes().filter(u8::is_ascii_digit).count() > 15 {
                    return self.fault(key, "has more than 15 digits; put it in quotes");
                }
                text
            }
            Some(_) => return self.fault(key, wrong),
        };
        match Decimal::parse(&text) {
            Some(number) => Ok(Some(number)),
            None => self.fault(key, wrong),
        }
    }

    fn price(&self, key: &str) -> Result<Option<Decimal>, Fault> {
        match self.number(key)? {
            Some(price) if price.negative => self.fault(key, "must not be below 0"),
            price => Ok(price),
        }
    }

    fn date(&self, key: &str) -> Result<Option<i32>, Fault> {
        match self.text(key)?.map(day) {
            None => Ok(None),
            Some(Some(day)) => Ok(Some(day)),
            Some(None) => self.fault(key, "must be a UTC date such as \"2026-01-31\""),
        }
    }

    fn period(&self) -> Result<Period, Fault> {
        let period = Period { from: self.date("from")?, until: self.date("until")? };
        match (period.from, period.until) {
            (Some(from), Some(until)) if until <= from => self.fault("until", "must be after from; it is not included"),
            _ => Ok(period),
        }
    }

    fn version(&self) -> String {
        match self.members.get("from").and_then(Value::as_str) {
            Some(from) => format!("{}@{from}", self.file),
            None => self.file.to_owned(),
        }
    }

    fn scope(&self) -> Result<Scope, Fault> {
        let wrong = "must be a table of texts such as { service_tier = \"flex\" }";
        let mut when = Vec::new();
        if let Some(pairs) = self.members.get("when") {
            let Value::Object(pairs) = pairs else { return self.fault("when", wrong) };
            for (key, value) in pairs {
                let Value::String(value) = value else { return self.fault("when", wrong) };
                when.push((key.clone(), value.clone()));
            }
        }
        Ok(Scope {
            provider: Glob::new(self.required_text("provider")?),
            model: Glob::new(self.required_text("model")?),
            when,
            period: self.period()?,
        })
    }
}

const SCOPE_KEYS: [&str; 5] = ["provider", "model", "when", "from", "until"];

fn model(table: Table) -> Result<OwnModel, Fault> {
    let mut keys = SCOPE_KEYS.to_vec();
    keys.extend(["like", "per_second"]);
    keys.extend(UNIT_KEYS.iter().map(|(key, ..)| *key));
    table.knows(&keys)?;
    let mut units = Vec::new();
    for (key, unit, per) in UNIT_KEYS {
        if let Some(price) = table.price(key)? {
            units.push((unit, price, per));
        }
    }
    let own = OwnModel {
        scope: table.scope()?,
        like: table.text("like")?.map(str::to_owned),
        units,
        per_second: table.price("per_second")?,
        version: table.version(),
    };
    let (has, token) = (|key: &str| table.members.contains_key(key), UNIT_KEYS.iter().filter(|(.., per)| *per > 1));
    if own.like.is_none() {
        if own.units.is_empty() && own.per_second.is_none() {
            return table.fault("input", "or another price is required: tokens, per_request, per_second or like");
        }
        // A usage always counts both: a price of one alone would make the other free without saying so.
        for key in ["input", "output"] {
            if token.clone().any(|(key, ..)| has(key)) && !has(key) {
                return table.fault(key, "is required beside other prices of tokens; 0 where it costs nothing");
            }
        }
    }
    Ok(own)
}

fn discount(table: Table) -> Result<Discount, Fault> {
    let mut keys = SCOPE_KEYS.to_vec();
    keys.push("percent");
    table.knows(&keys)?;
    let wrong = "must be a percentage of at most 100 with at most 6 digits after the point; below 0 it is a surcharge";
    let percent = match table.number("percent")? {
        Some(percent) => percent,
        None => return table.fault("percent", "is required"),
    };
    let Some(millionths) = percent.scaled(6) else { return table.fault("percent", wrong) };
    if !percent.negative && millionths > 100_000_000 {
        return table.fault("percent", wrong);
    }
    Ok(Discount { scope: table.scope()?, percent })
}

fn service(table: Table) -> Result<ServicePrice, Fault> {
    table.knows(&["item", "provider", "price", "per", "from", "until", "source"])?;
    let item = table.required_text("item")?;
    if item.len() > 128 || !item.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/@+~[]=".contains(&b)) {
        return table.fault("item", "must be a word of letters, digits and . _ - : / @ + ~ [ ] =");
    }
    let per = match table.number("per")? {
        None => Some(1),
        Some(per) if per.negative => None,
        Some(per) => per.scaled(0).and_then(|per| u64::try_from(per).ok()).filter(|per| *per > 0),
    };
    let Some(per) = per else { return table.fault("per", "must be a whole number above 0") };
    let price = match table.price("price")? {
        Some(price) => price,
        None => return table.fault("price", "is required: USD"),
    };
    table.text("source")?;
    Ok(ServicePrice {
        item: item.to_ascii_lowercase(),
        provider: table.text("provider")?.map(str::to_ascii_lowercase),
        price,
        per,
        period: table.period()?,
        version: table.version(),
    })
}

#[cfg(test)]
#[path = "own_test.rs"]
mod tests;
