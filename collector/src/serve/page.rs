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
dd.none { font-size: .9rem; color: var(--soft); line-height: 1.35; padding-top: .35rem; } dd small { display: block; font-size: .8rem; color: var(--soft); }
h3 { font-size: .95rem; margin: 1.5rem 0 .4rem; } section > p { margin: .4rem 0; } .note { border-left: 3px solid var(--accent); padding-left: .75rem; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; } th { text-align: left; font-weight: 400; overflow-wrap: anywhere; min-width: 6rem; }
td { text-align: right; font-variant-numeric: tabular-nums; } td.none { color: var(--soft); font-size: .85rem; }
th, td { padding: .3rem 0 .3rem .5rem; border-top: 1px solid var(--line); vertical-align: baseline; } th { padding-left: 0; }
a { color: var(--accent); } footer { font-size: .85rem; }
";

/// The page. `page` is [`aggregator::answer::public::page`]'s value.
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
    let people_min = least.as_u64().unwrap_or(0);
    for quarter in items(&page["quarters"]) {
        Section { text: &mut text, quarter, people_min, first_step: page["first_step"].as_u64().unwrap_or(0) }.write();
    }
    years(&mut text, &page["referrals_by_year"], people_min);
    text.push_str("<section><h2>How the numbers are made</h2><ul>");
    for line in items(&page["method"]) {
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

/// Writes a quarter.
struct Section<'a> {
    text: &'a mut String,
    quarter: &'a Value,
    people_min: u64,
    first_step: u64,
}

impl Section<'_> {
    fn write(mut self) {
        let word = |name: &str| escape(self.quarter[name].as_str().unwrap_or_default());
        let state = match self.quarter["state"].as_str() {
            Some("closed") => "closed",
            Some("closing") => "over, late events still come in",
            _ => "running",
        };
        let open = match self.quarter["published_on"].as_str() {
            Some(date) => format!(" Its numbers are published on {}.", escape(date)),
            None => String::new(),
        };
        let _ = write!(
            self.text,
            "<section><h2>{} <span class=\"state\">{state}</span></h2><p>{} to {}.{open}</p><dl>",
            word("quarter"),
            word("from"),
            word("to")
        );
        let until = self.quarter["users_until"].as_str().map(|date| format!(" <small>to {}</small>", escape(date)));
        self.number("People", "/users", &until.unwrap_or_default());
        if self.quarter["closed"] == Value::Bool(true) {
            for (name, at) in [
                ("Sessions", "/sessions"),
                ("Turns", "/turns"),
                ("Messages flagged as a crisis", "/crisis/flagged"),
                ("Crisis referrals", "/crisis/referrals"),
                ("Escalations", "/crisis/escalations"),
            ] {
                self.number(name, at, "");
            }
        }
        self.number("Outages (P0)", "/incidents/p0", "");
        self.number("Outages (P1)", "/incidents/p1", "");
        self.text.push_str("</dl>");
        self.table("Crises, how they ended", "/crisis/dispositions", None);
        self.table("Sessions by strongest emotion", "/sentiment/by_emotion", self.quarter.pointer("/sessions/value"));
        self.countries();
        self.wishes();
        for change in items(&self.quarter["safety_policy"]) {
            let line = |name: &str| escape(change[name].as_str().unwrap_or_default());
            let _ = write!(self.text, "<p>{}: the safety policy changed ({}).</p>", line("date"), line("code"));
        }
        for note in items(&self.quarter["corrections"]) {
            let line = |name: &str| escape(note[name].as_str().unwrap_or_default());
            let _ = write!(self.text, "<p class=\"note\">Correction of {}: {}</p>", line("date"), line("note"));
        }
        if let Some(noise) = self.quarter["noise"].as_object() {
            let of = |name: &str| escape(noise.get(name).and_then(Value::as_str).unwrap_or_default());
            let _ = write!(
                self.text,
                "<p>Noise: {}; epsilon {} a number, {} in all.</p>",
                of("mechanism"),
                of("epsilon_per_number"),
                of("epsilon_total")
            );
        }
        self.text.push_str("</section>");
    }

    fn number(&mut self, name: &str, at: &str, more: &str) {
        let metric = self.quarter.pointer(at).unwrap_or(&Value::Null);
        let _ = match shown(metric) {
            Some(value) => write!(self.text, "<div><dt>{name}</dt><dd>{value}{more}</dd></div>"),
            None => {
                let why = reason(metric, self.people_min, self.first_step);
                write!(self.text, "<div><dt>{name}</dt><dd class=\"none\">{why}{more}</dd></div>")
            }
        };
    }

    /// A list of numbers; with `all` as shares of it. Left out where none of them is of a closed quarter.
    fn table(&mut self, name: &str, at: &str, all: Option<&Value>) {
        let rows: Vec<&Value> = items(self.quarter.pointer(at).unwrap_or(&Value::Null)).collect();
        if rows.is_empty() || rows.iter().all(|row| row["hidden"] == "quarter_running") {
            return;
        }
        let _ = write!(self.text, "<h3>{name}</h3><table>");
        for row in rows {
            let title = row["bucket"].as_str().unwrap_or_default();
            let title = if title == "none" { "not told".to_owned() } else { title.replace('_', " ") };
            let share = all.and_then(Value::as_u64).zip(row["value"].as_u64()).filter(|(all, _)| *all > 0);
            self.row(&title, row, &share.map(|(all, part)| percent(part, all)).unwrap_or_default());
        }
        self.text.push_str("</table>");
    }

    fn row(&mut self, title: &str, metric: &Value, share: &str) {
        let title = escape(title);
        let _ = match shown(metric) {
            Some(value) => {
                write!(self.text, "<tr><th scope=\"row\">{title}</th><td>{value}</td><td>{share}</td></tr>")
            }
            None => {
                let why = reason(metric, self.people_min, self.first_step);
                write!(self.text, "<tr><th scope=\"row\">{title}</th><td class=\"none\" colspan=\"2\">{why}</td></tr>")
            }
        };
    }

    fn countries(&mut self) {
        let countries = &self.quarter["countries"];
        if countries.pointer("/number/value").is_none_or(Value::is_null) {
            return;
        }
        self.text.push_str("<h3>People by country</h3><table>");
        for row in items(&countries["list"]) {
            self.row(row["bucket"].as_str().unwrap_or_default(), row, "");
        }
        self.row("elsewhere", &countries["elsewhere"], "");
        self.text.push_str("</table>");
    }

    fn wishes(&mut self) {
        let rows: Vec<&Value> = items(&self.quarter["wishes"]).collect();
        if rows.is_empty() {
            return;
        }
        self.text.push_str("<h3>What people wish for</h3><table>");
        for row in rows {
            let since = row["since"].as_str().map(|date| format!(" since {date}")).unwrap_or_default();
            let status = format!("{}{since}", row["status"].as_str().unwrap_or_default());
            let people = shown(row).map(|value| format!("{value} people")).unwrap_or_default();
            let _ = write!(
                self.text,
                "<tr><th scope=\"row\">{}</th><td class=\"none\">{}</td><td>{people}</td></tr>",
                escape(row["bucket"].as_str().unwrap_or_default()),
                escape(&status)
            );
        }
        self.text.push_str("</table>");
    }
}

fn years(text: &mut String, years: &Value, people_min: u64) {
    if items(years).next().is_none() {
        return;
    }
    text.push_str("<section><h2>Crisis referrals by year</h2><table>");
    for year in items(years) {
        let name = escape(year["bucket"].as_str().unwrap_or_default());
        let _ = match shown(year) {
            Some(value) => write!(text, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"),
            None => write!(
                text,
                "<tr><th scope=\"row\">{name}</th><td class=\"none\">{}; the exact number is reported to the state of California</td></tr>",
                reason(year, people_min, 0)
            ),
        };
    }
    text.push_str("</table></section>");
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A number as it is read; of one that is not exact without noise, that it is a step.
fn shown(metric: &Value) -> Option<String> {
    metric["value"].as_u64().map(grouped).map(|value| {
        let step = metric["at_least"] == Value::Bool(true);
        if step { format!("{value} or more") } else { value }
    })
}

fn percent(part: u64, all: u64) -> String {
    format!("{} %", (u128::from(part) * 200 + u128::from(all)) / (2 * u128::from(all.max(1))))
}

fn reason(metric: &Value, people_min: u64, first_step: u64) -> String {
    match metric["hidden"].as_str() {
        Some("fewer_than_50_people") => format!("not shown: fewer than {people_min} people"),
        Some("protects_another") => "not shown: it would give a small number away".into(),
        Some("quarter_running") => "told when the quarter is over".into(),
        Some("below_first_step") => format!("fewer than {first_step}"),
        Some("shard_unreachable") => "not available just now".into(),
        _ => "no data".into(),
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

    fn quarter(members: serde_json::Value) -> serde_json::Value {
        let mut quarter = json!({"quarter": "2026-Q3", "from": "2026-07-01", "to": "2026-09-30", "state": "closed", "closed": true,
            "incidents": {"p0": {"value": 0}, "p1": {"value": 0}}});
        quarter.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        quarter
    }

    fn html(quarter: &serde_json::Value, more: serde_json::Value) -> String {
        let mut page = json!({"generated_at": "2026-11-21T18:56:03.120Z", "people_min": 60, "first_step": 200, "method": ["a < b"], "quarters": [quarter]});
        page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        super::html(&page)
    }

    #[test]
    fn numbers_and_reasons_are_shown() {
        let hidden = json!({"value": null, "hidden": "fewer_than_50_people"});
        let html = html(
            &quarter(json!({
                "users": {"value": 1234567}, "sessions": {"value": 2000}, "turns": hidden, "crisis": {"flagged": hidden, "referrals": hidden, "dispositions": [{"bucket": "human_hand_off", "value": 71}]},
                "sentiment": {"by_emotion": [{"bucket": "joy", "value": 667}, {"bucket": "none", "value": null, "hidden": "protects_another"}]},
                "countries": {"number": {"value": 1}, "list": [{"bucket": "DE", "value": 90}], "elsewhere": {"value": 61}},
                "wishes": [{"bucket": "dark-mode", "value": 77, "status": "building", "since": "2026-08-01"}, {"bucket": "x", "value": null, "status": "declined", "since": null}],
                "safety_policy": [{"date": "2026-08-02", "code": "v2"}], "corrections": [{"date": "2026-11-02", "note": "<b> & so"}],
                "noise": {"mechanism": "m", "epsilon_per_number": "0.5", "epsilon_total": "1.5"},
            })),
            json!({"referrals_by_year": [{"bucket": "2025", "value": 0}, {"bucket": "2026", "value": null, "hidden": "protects_another"}]}),
        );
        for part in [
            "<dd>1,234,567</dd>",
            "not shown: fewer than 60 people",
            "a &lt; b",
            "2026-Q3",
            "2026-11-21 18:56 UTC",
            "human hand off</th><td>71</td>",
            "joy</th><td>667</td><td>33 %</td>",
            "not told</th><td class=\"none\" colspan=\"2\">not shown: it would give a small number away",
            "DE</th><td>90</td>",
            "elsewhere</th><td>61</td>",
            "building since 2026-08-01</td><td>77 people",
            "declined</td><td></td>",
            "2026-08-02: the safety policy changed (v2).",
            "Correction of 2026-11-02: &lt;b&gt; &amp; so",
            "epsilon 0.5 a number, 1.5 in all",
            "2025</th><td>0</td>",
            "the exact number is reported to the state of California",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(["0", "999", "1,000"], [0, 999, 1000].map(super::grouped).map(|s| s.leak() as &str));
    }

    #[test]
    fn a_quarter_that_runs_says_how_far_it_is_and_when_more_is_told() {
        let open = |users| {
            quarter(
                json!({"state": "running", "closed": false, "users": users, "users_until": "2026-07-31", "published_on": "2026-10-08"}),
            )
        };
        let html = html(&open(json!({"value": 500, "exact": false, "at_least": true})), json!({}));
        for part in ["500 or more <small>to 2026-07-31</small>", "running", "Its numbers are published on 2026-10-08."]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("Sessions") && !html.contains("no data"));
        let html = self::html(&open(json!({"value": null, "hidden": "below_first_step"})), json!({}));
        assert!(html.contains("fewer than 200"), "{html}");
    }
}
