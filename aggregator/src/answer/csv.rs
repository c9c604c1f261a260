//! A panel as comma-separated values: one row a number.

use serde_json::Value;

const COLUMNS: [&str; 6] = ["value", "unit", "n", "exact", "hidden", "ci"];

/// `metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high`, RFC 4180, of every number in a panel of
/// [`super::admin`]'s answer.
#[must_use]
pub fn panel(panel: &Value) -> String {
    let mut text = String::from("metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high\r\n");
    rows("", panel, &mut text);
    text
}

fn rows(name: &str, value: &Value, text: &mut String) {
    match value {
        Value::Object(members) if members.contains_key("unit") && members.contains_key("value") => {
            let bucket = members.get("bucket").unwrap_or(&Value::Null);
            let mut cells = vec![cell(&Value::String(name.into())), cell(bucket)];
            for column in COLUMNS {
                let value = members.get(column).unwrap_or(&Value::Null);
                if column == "ci" {
                    cells.extend([0, 1].map(|end| cell(value.get(end).unwrap_or(&Value::Null))));
                } else {
                    cells.push(cell(value));
                }
            }
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        Value::Object(members) => {
            for (key, value) in members {
                rows(&if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, value, text);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| rows(name, item, text)),
        _ => {}
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\r', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn every_number_is_a_row() {
        let metric = json!({"value": 7, "unit": "count", "ci": [1.5, 2.5], "n": 7, "exact": true, "hidden": null});
        let mut bucketed = metric.clone();
        bucketed["bucket"] = json!("a,\"b\"");
        let csv = super::panel(&json!({"x": metric, "y": {"z": [bucketed]}}));
        assert_eq!(
            csv,
            "metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high\r\nx,,7,count,7,true,,1.5,2.5\r\n\
            y.z,\"a,\"\"b\"\"\",7,count,7,true,,1.5,2.5\r\n"
        );
    }
}
