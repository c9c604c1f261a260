//! The price list as it is kept: `schemas/prices/genai-prices.json`.

use std::collections::BTreeMap;
use std::error::Error;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::own::{Fault, OwnModel, OwnPrices};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The price units that `schemas::usage::Usage` counts, in the order of its fields, by the list's names; and `requests`, of
/// which a turn is one.
pub const COUNTED: [&str; 31] = [
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

/// The price list.
#[derive(Deserialize)]
pub struct List {
    pub version: String,
    pub units: BTreeMap<String, Unit>,
    pub providers: Vec<Provider>,
}

#[derive(Deserialize)]
pub struct Unit {
    pub per: u64,
    pub price_key: String,
    pub dimensions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub struct Provider {
    pub id: String,
    pub provider_match: Option<Clause>,
    pub model_match: Option<Clause>,
    #[serde(default)]
    pub fallback_model_providers: Vec<String>,
    #[serde(default)]
    pub extractors: Vec<Extractor>,
    pub models: Vec<Model>,
}

/// Where a kind of reply keeps its counts.
#[derive(Deserialize)]
pub struct Extractor {
    pub flavor: String,
    pub root: Vec<Step>,
    /// Unit, whether it must be there, path.
    pub counts: Vec<(String, bool, Vec<Step>)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Step {
    Member(String),
    /// Members of a list that have this text in this field.
    Having(BTreeMap<String, String>),
}

#[derive(Deserialize)]
pub struct Model {
    pub id: String,
    #[serde(rename = "match")]
    pub clause: Clause,
    pub prices: Vec<Dated>,
    #[serde(default)]
    pub variants: Vec<Dated>,
}

#[derive(Deserialize)]
pub struct Dated {
    pub start_date: Option<String>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub prices: BTreeMap<String, Price>,
    #[serde(default)]
    pub when: BTreeMap<String, String>,
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
#[serde(untagged)]
pub enum Price {
    Flat(String),
    Tiered { base: String, tiers: Vec<Tier> },
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
pub struct Tier {
    pub start: u64,
    pub price: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
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
    pub fn counted(&self) -> Result<Vec<(&'static str, u64)>> {
        let units: Vec<(&str, &Unit)> =
            COUNTED.iter().map(|&name| Ok((name, self.unit(name)?))).collect::<Result<_>>()?;
        let nested = |name: &str, unit: &Unit| {
            let within = units.iter().enumerate().filter(|(_, (other, inner))| *other != name && unit.holds(inner));
            within.fold(0_u64, |mask, (at, _)| mask | 1 << at)
        };
        Ok(units.iter().map(|(name, unit)| (*name, nested(name, unit))).collect())
    }

    pub fn unit(&self, name: &str) -> Result<&Unit> {
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

    pub fn sets_of_like(&self, own: &OwnModel) -> Option<Vec<u64>> {
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

    pub fn service(&self, provider: &Provider, model: &Model, dated: &Dated, unit: &str) -> Option<Value> {
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

impl Unit {
    pub fn holds(&self, inner: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| inner.dimensions.get(key) == Some(value))
    }

    pub fn agrees(&self, other: &Self) -> bool {
        self.dimensions.iter().all(|(key, value)| other.dimensions.get(key).is_none_or(|theirs| theirs == value))
    }
}
