//! JSON Schemas of what clients send and of what is stored, generated from the types. `schemas/json/` holds them; a test
//! fails when it drifts.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::event;
use crate::wire::{self, KINDS};

/// Every schema by file name.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    let mut files = vec![("event.schema.json".to_owned(), pretty(&stored()))];
    files.extend(KINDS.iter().map(|kind| (format!("wire.{kind}.schema.json"), pretty(&wire_kind(kind)))));
    files
}

fn stored() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<event::Event>().to_value()
}

/// The envelope's members and the kind's, in one flat object.
fn wire_kind(kind: &str) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let body = body_schema(kind, &mut generator);
    let envelope = wire::envelope_schema(&mut generator);
    let mut properties = Map::new();
    properties.insert("type".into(), json!({ "const": kind }));
    for part in [&envelope, &body] {
        if let Some(Value::Object(members)) = part.get("properties") {
            properties.extend(members.clone());
        }
    }
    let mut required = vec![json!("type"), json!("ts")];
    if let Some(Value::Array(names)) = body.get("required") {
        required.extend(names.clone());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": body.get("description"),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": generator.take_definitions(true),
    })
}

fn body_schema(kind: &str, generator: &mut SchemaGenerator) -> Schema {
    fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
    match kind {
        "turn" => of::<wire::Turn>(generator),
        "feedback" => of::<wire::Feedback>(generator),
        "observation" => of::<event::Observation>(generator),
        "error" => of::<wire::ErrorReport>(generator),
        "vital" => of::<wire::Vital>(generator),
        "journey" => of::<event::Journey>(generator),
        "platform" => of::<event::Platform>(generator),
        "service_cost" => of::<wire::ServiceCost>(generator),
        "consent" => of::<event::Consent>(generator),
        "crisis" => of::<event::Crisis>(generator),
        "incident" => of::<event::Incident>(generator),
        "notice" => of::<event::Notice>(generator),
        _ => of::<wire::Moment>(generator),
    }
}

fn pretty(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    /// `UPDATE_SCHEMAS=1 cargo test -p schemas` writes the files anew.
    #[test]
    fn the_checked_in_schemas_are_those_of_the_types() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/json/");
        for (name, text) in super::all() {
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::write(format!("{dir}{name}"), &text).unwrap();
            }
            let stored = std::fs::read_to_string(format!("{dir}{name}")).unwrap_or_default();
            assert!(stored == text, "{name} differs from the types; run UPDATE_SCHEMAS=1 cargo test -p schemas");
        }
        let names: Vec<String> = super::all().into_iter().map(|(name, _)| name).collect();
        for file in std::fs::read_dir(dir).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            // The answer's shape belongs to no type; the aggregator's tests hold answers against it.
            assert!(file == "sage.schema.json" || names.contains(&file), "{file} belongs to no type");
        }
    }
}
