//! A file of prices (TOML) → JSON that `price/own.rs` reads, checked, with messages that name line and key.
//!
//! Numbers become the text that the file has: a price never passes through a float.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::own::{Fault, OwnPrices};

/// A file of prices, read.
pub struct PricesFile {
    /// What it is called in messages.
    name: &'static str,
    text: String,
    /// The same as JSON.
    pub json: Value,
    places: Vec<Place>,
}

/// Where a key starts, in bytes: its table and the table's position, the key (nothing for the table itself).
type Place = (Option<(String, usize)>, String, usize);

impl PricesFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is not TOML, with its line.
    pub fn read(name: &'static str, text: String) -> Result<Self, String> {
        let mut file = Self { name, text: String::new(), json: Value::Null, places: Vec::new() };
        let root = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(&text, span.start));
            format!("{name}, line {line}: {}", error.message())
        })?;
        let mut json = Map::new();
        for (key, value) in root.get_ref() {
            file.places.push((None, key.get_ref().to_string(), key.span().start));
            if let DeValue::Array(rows) = value.get_ref() {
                for (at, row) in rows.iter().enumerate() {
                    let table = Some((key.get_ref().to_string(), at));
                    file.places.push((table.clone(), String::new(), row.span().start));
                    let members = row.get_ref().as_table().into_iter().flatten();
                    let places =
                        members.map(|(member, _)| (table.clone(), member.get_ref().to_string(), member.span().start));
                    file.places.extend(places);
                }
            }
            json.insert(key.get_ref().to_string(), plain(value));
        }
        file.json = Value::Object(json);
        file.text = text;
        Ok(file)
    }

    /// Its prices.
    ///
    /// # Errors
    /// The line and the key that is wrong, and what it must be.
    pub fn prices(&self) -> Result<OwnPrices, String> {
        OwnPrices::read(&self.json, "own").map_err(|fault| self.message(&fault))
    }

    /// `prices.toml, line 12: model.input must be…`. A key that is not there is at the start of its table.
    pub fn message(&self, fault: &Fault) -> String {
        let at_key = |(table, key, _): &&Place| {
            *key == fault.key && table.as_ref().map(|(name, at)| (name.as_str(), *at)) == fault.table
        };
        let at_table = |(table, ..): &&Place| table.as_ref().map(|(name, at)| (name.as_str(), *at)) == fault.table;
        let found = self.places.iter().find(at_key).or_else(|| self.places.iter().find(at_table));
        let line = found.map_or(1, |(.., start)| line_at(&self.text, *start));
        let table = fault.table.map(|(name, _)| format!("{name}.")).unwrap_or_default();
        format!("{}, line {line}: {table}{} {}", self.name, fault.key, fault.what)
    }
}

fn plain(value: &Spanned<DeValue>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::String(number.as_str().to_owned()),
        DeValue::Float(number) => Value::String(number.as_str().to_owned()),
        DeValue::Integer(_) => Value::Null,
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::String(value.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        DeValue::Table(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value))).collect())
        }
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}
