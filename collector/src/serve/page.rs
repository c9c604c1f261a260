//! `/safety/transparency` as a page: the same facts as its JSON twin, readable without a script.

use std::fmt::Write;

use serde_json::Value;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5a6876; --line: #dbe1e8; --paper: #fbfcfd; --card: #fff; --accent: #2f6f6a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa8b5; --line: #2d3945; --paper: #11171d; --card: #182029; --accent: #7cc4bd; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 0; display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
p, li { color: var(--soft); } .lead { margin: 0 0 2rem; max-width: 38rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; margin: 0 0 1.25rem; }
.state { font-size: .8rem; font-weight: 500; color: var(--accent); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; margin: 1rem 0 0; }
dt { font-size: .85rem; color: var(--soft); } dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
dd.none { font-size: .9rem; color: var(--soft); line-height: 1.35; padding-top: .35rem; }
a { color: var(--accent); } footer { font-size: .85rem; }
";

/// The page. `page` is [`aggregator::answer::public_page`]'s value.
#[must_use]
pub fn html(page: &Value) -> String {
    let mut text = String::new();
    let least = &page["people_min"];
    let _ = write!(
        text,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Safety and transparency</title><style>{STYLE}</style></head><body><main><h1>Safety and transparency</h1>\
         <p class=\"lead\">How this chat is used and how safe it is, by quarter. Numbers only: nothing here says what anyone \
         wrote, and nothing is shown that fewer than {least} people stand behind.</p>"
    );
    for quarter in page["quarters"].as_array().into_iter().flatten() {
        section(&mut text, quarter);
    }
    text.push_str("<section><h2>How the numbers are made</h2><ul>");
    for line in page["method"].as_array().into_iter().flatten() {
        let _ = write!(text, "<li>{}</li>", escape(line.as_str().unwrap_or_default()));
    }
    let _ = write!(
        text,
        "</ul></section><footer><p>Made {} · <a href=\"/safety/transparency.json\">the same as JSON</a></p></footer></main></body></html>",
        escape(page["generated_at"].as_str().unwrap_or_default().get(..16).unwrap_or_default()).replace('T', " ")
            + " UTC"
    );
    text
}

fn section(text: &mut String, quarter: &Value) {
    let word = |name: &str| escape(quarter[name].as_str().unwrap_or_default());
    let state = if quarter["closed"] == Value::Bool(true) { "closed, exact" } else { "running, rounded down to tens" };
    let _ = write!(
        text,
        "<section><h2>{} <span class=\"state\">{state}</span></h2><p>{} to {}</p><dl>",
        word("quarter"),
        word("from"),
        word("to")
    );
    let numbers = [
        ("People", "/users"),
        ("Sessions", "/sessions"),
        ("Turns", "/turns"),
        ("Messages flagged as a crisis", "/crisis/flagged"),
        ("Crisis referrals", "/crisis/referrals"),
        ("Outages (P0)", "/incidents/p0"),
        ("Outages (P1)", "/incidents/p1"),
    ];
    for (name, at) in numbers {
        let metric = quarter.pointer(at).unwrap_or(&Value::Null);
        let _ = match metric["value"].as_u64() {
            Some(value) => write!(text, "<div><dt>{name}</dt><dd>{}</dd></div>", grouped(value)),
            None => write!(text, "<div><dt>{name}</dt><dd class=\"none\">{}</dd></div>", reason(metric)),
        };
    }
    text.push_str("</dl></section>");
}

fn reason(metric: &Value) -> &'static str {
    match metric["hidden"].as_str() {
        Some("fewer_than_50_people") => "not shown: fewer than 50 people",
        Some("shard_unreachable") => "not available just now",
        _ => "no data",
    }
}

/// 1234567 → 1,234,567.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_and_reasons_are_shown() {
        let hidden = json!({"value": null, "hidden": "fewer_than_50_people"});
        let page = json!({"generated_at": "2026-11-21T18:56:03.120Z", "people_min": 50, "method": ["a < b"], "quarters": [{
            "quarter": "2026-Q3", "from": "2026-07-01", "to": "2026-09-30", "closed": true,
            "users": {"value": 1234567}, "sessions": hidden, "turns": hidden,
            "crisis": {"flagged": hidden, "referrals": hidden}, "incidents": {"p0": {"value": 0}, "p1": {"value": 0}}}]});
        let html = super::html(&page);
        for part in
            ["<dd>1,234,567</dd>", "not shown: fewer than 50 people", "a &lt; b", "2026-Q3", "2026-11-21 18:56 UTC"]
        {
            assert!(html.contains(part), "{part}");
        }
        assert_eq!(["0", "999", "1,000"], [0, 999, 1000].map(super::grouped).map(|s| s.leak() as &str));
    }
}
