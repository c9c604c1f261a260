//! A panel as comma-separated values: one row a number.

use serde_json::{Map, Value};

const COLUMNS: [&str; 8] = ["bucket", "value", "unit", "n", "exact", "hidden", "ci", "error"];

/// `metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high,error`, RFC 4180, of every number in a panel of [`super::admin`]'s
/// answer. A number within a row of a series has that row's bucket; where it has one of its own, both with ` / ` between them.
/// Plain numbers beside another have a value alone.
#[must_use]
pub fn panel(panel: &Value) -> String {
    let mut text = String::from("metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high,error\r\n");
    rows("", "", panel, &mut text);
    text
}

fn rows(name: &str, within: &str, value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let own = members.get("bucket").and_then(Value::as_str);
            let bucket = match own {
                Some(own) if !within.is_empty() => format!("{within} / {own}"),
                own => own.unwrap_or(within).to_owned(),
            };
            let is_number = members.contains_key("unit") && members.contains_key("value");
            if is_number {
                number(name, &bucket, members, text);
            }
            for (key, value) in members.iter().filter(|(key, _)| !(is_number && COLUMNS.contains(&key.as_str()))) {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                match value {
                    Value::Number(value) => {
                        let cells = [cell(&name.into()), cell(&bucket.clone().into()), value.to_string()];
                        text.push_str(&cells.join(","));
                        text.push_str(",,,,,,,\r\n");
                    }
                    value => rows(&name, &bucket, value, text),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| rows(name, within, item, text)),
        _ => {}
    }
}

fn number(name: &str, bucket: &str, members: &Map<String, Value>, text: &mut String) {
    let mut cells = vec![cell(&name.into()), cell(&bucket.into())];
    for column in COLUMNS.iter().skip(1) {
        let value = members.get(*column).unwrap_or(&Value::Null);
        if *column == "ci" {
            cells.extend([0, 1].map(|end| cell(value.get(end).unwrap_or(&Value::Null))));
        } else {
            cells.push(cell(value));
        }
    }
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
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
        bucketed["tokens"] = json!(3);
        bucketed["provider"] = json!("p");
        let rough = json!({"value": 9, "unit": "ms", "ci": null, "n": 1, "exact": false, "hidden": null, "error": 0.5, "bucket": "r"});
        bucketed["parts"] = json!([rough]);
        let csv = super::panel(&json!({"x": metric, "y": {"z": [bucketed]}, "w": [{"bucket": "k", "v": metric}]}));
        let mut lines: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert_eq!(lines.remove(0), "metric,bucket,value,unit,n,exact,hidden,ci_low,ci_high,error");
        lines.sort_unstable();
        let wanted = [
            "w.v,k,7,count,7,true,,1.5,2.5,",
            "x,,7,count,7,true,,1.5,2.5,",
            "y.z,\"a,\"\"b\"\"\",7,count,7,true,,1.5,2.5,",
            "y.z.parts,\"a,\"\"b\"\" / r\",9,ms,1,false,,,,0.5",
            "y.z.tokens,\"a,\"\"b\"\"\",3,,,,,,,",
        ];
        assert_eq!(lines, wanted);
        assert!(wanted.iter().all(|line| line.replace("\"a,\"", "").matches(',').count() == 9));
    }
}
