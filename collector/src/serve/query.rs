//! `GET /sage?from=&to=&tz=&panel=&format=`: a checked question or a clear error.

use aggregator::answer::{Panel, Query};
use aggregator::civil;
use http::StatusCode;
use schemas::UtcMillis;
use schemas::time::DAY_MS;

use crate::intake::Problem;

/// Days of the window when none is asked for, today included.
const DEFAULT_DAYS: i64 = 30;

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// All panels asked for, one document.
    Json,
    /// One panel, a row a number.
    Csv,
}

/// Reads a query string (without `?`). `home` is the zone of `sage.toml`.
///
/// `from` and `to` are civil dates, both included, or RFC 3339 instants, `to` excluded and both moved outwards to a quarter
/// of an hour. `panel` is one name or several with commas.
///
/// # Errors
/// 400 naming the parameter and what it should be.
pub fn read(query: &str, home: &str, now: UtcMillis) -> Result<(Query, Format), Problem> {
    let (mut from, mut to, mut tz, mut panel, mut format) = (None, None, None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match name.as_ref() {
            "from" => &mut from,
            "to" => &mut to,
            "tz" => &mut tz,
            "panel" => &mut panel,
            "format" => &mut format,
            _ => return Err(bad("parameters are from, to, tz, panel and format")),
        };
        *slot = Some(value.into_owned());
    }
    let tz_name = tz.as_deref().unwrap_or(home);
    let tz = civil::zone(tz_name).ok_or_else(|| bad("tz must be an IANA zone such as Europe/Berlin"))?;
    let today = civil::date_of(tz, now);
    let end = match to.as_deref() {
        None => civil::day_start(tz, civil::next(today)),
        Some(text) => instant(text, "to", |date| civil::day_start(tz, civil::next(date)))?,
    };
    let start = match from.as_deref() {
        None => {
            let last = civil::date_of(tz, end.plus_ms(-1));
            let first = last.checked_sub_days(chrono::Days::new(DEFAULT_DAYS as u64 - 1)).unwrap_or(last);
            civil::day_start(tz, first)
        }
        Some(text) => instant(text, "from", |date| civil::day_start(tz, date))?,
    };
    if start >= end {
        return Err(bad("from must lie before to"));
    }
    if end.0 - start.0 > (civil::WINDOW_DAYS_MAX - 1) * DAY_MS {
        return Err(bad("from and to may lie at most 399 days apart"));
    }
    let panels = match panel.as_deref() {
        None => Panel::ALL.to_vec(),
        Some(names) => names.split(',').map(panel_of).collect::<Result<Vec<_>, _>>()?,
    };
    let format = match format.as_deref() {
        None | Some("json") => Format::Json,
        Some("csv") if panels.len() == 1 => Format::Csv,
        Some("csv") => return Err(bad("format=csv needs one panel, such as panel=cost")),
        Some(_) => return Err(bad("format must be json or csv")),
    };
    Ok((
        Query {
            tz: tz.name().to_owned(),
            window: civil::window(tz, start, end),
            panels,
            now,
            budget: None,
            referrals: Default::default(),
        },
        format,
    ))
}

fn instant(text: &str, name: &str, of_date: impl Fn(chrono::NaiveDate) -> UtcMillis) -> Result<UtcMillis, Problem> {
    let at = civil::parse_date(text).map(of_date).or_else(|| UtcMillis::parse_rfc3339(text));
    at.filter(|at| at.0 >= 0).ok_or_else(|| {
        bad(&format!(
            "{name} must be a date such as 2026-11-21 or a date-time such as 2026-11-21T18:00:00Z, from 1970 on"
        ))
    })
}

fn panel_of(name: &str) -> Result<Panel, Problem> {
    let known: Vec<&str> = Panel::ALL.iter().map(|panel| panel.name()).collect();
    Panel::ALL
        .into_iter()
        .find(|panel| panel.name() == name)
        .ok_or_else(|| bad(&format!("panel must be one or more of {}", known.join(", "))))
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Result<(Query, Format), Problem> {
        read(query, "UTC", UtcMillis::parse_rfc3339("2026-11-21T18:56:03Z").unwrap())
    }

    fn window(query: &str) -> (String, String, usize) {
        let window = ask(query).unwrap().0.window;
        (window.from.start().to_rfc3339(), window.to.start().to_rfc3339(), window.days.len())
    }

    #[test]
    fn windows_are_civil_days() {
        assert_eq!(window(""), ("2026-10-23T00:00:00.000Z".into(), "2026-11-22T00:00:00.000Z".into(), 30));
        assert_eq!(window("from=2026-11-21&to=2026-11-21").2, 1);
        let kathmandu = window("from=2026-11-21&to=2026-11-21&tz=Asia%2FKathmandu");
        assert_eq!(kathmandu, ("2026-11-20T18:15:00.000Z".into(), "2026-11-21T18:15:00.000Z".into(), 1));
        let instants = window("from=2026-11-21T10:07:00Z&to=2026-11-21T12:00:00%2B01:00");
        assert_eq!(instants, ("2026-11-21T10:00:00.000Z".into(), "2026-11-21T11:00:00.000Z".into(), 1));
    }

    #[test]
    fn bad_questions_are_named() {
        for (query, word) in [
            ("from=yesterday", "from"),
            ("to=2026-13-01", "to"),
            ("tz=Mars/Base", "tz"),
            ("panel=gold", "panel"),
            ("format=xml", "format"),
            ("format=csv", "panel"),
            ("from=2026-11-22&to=2026-11-21", "before"),
            ("from=2020-01-01", "399"),
            ("window=7d", "parameters"),
            ("from=0001-01-01&to=0001-01-02", "from"),
            ("panel=", "panel"),
        ] {
            let problem = ask(query).unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(problem.detail.contains(word), "{query}: {}", problem.detail);
        }
        assert_eq!(ask("panel=cost,usage").unwrap().0.panels, [Panel::Cost, Panel::Usage]);
        assert_eq!(ask("panel=cost&format=csv").unwrap().1, Format::Csv);
    }
}
