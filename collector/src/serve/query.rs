//! `GET /sage?from=&to=&tz=&panel=&filter=&compare=&after=&format=`: a checked question or a clear error.

use aggregator::answer::{Filter, Panel, Query};
use aggregator::census::churn::Cursor;
use aggregator::census::funnels::{Funnel, Step};
use aggregator::civil::{self, Window};
use aggregator::zone::Zone;
use http::StatusCode;
use schemas::UtcMillis;
use schemas::time::DAY_MS;

use crate::intake::Problem;
use crate::settings::funnel;

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
/// of an hour. `panel` is one name or several with commas. `filter` is a kind and a name, `model:gpt-4o`; every panel asked for
/// must keep it apart, and where none is named, those that do are asked for. `compare=previous` sets the window of the same
/// length just before beside this one. `after` is a `churn.next`: its list goes on from there.
///
/// # Errors
/// 400 naming the parameter and what it should be.
pub fn read(query: &str, home: &str, now: UtcMillis) -> Result<(Query, Format), Problem> {
    let (mut from, mut to, mut tz, mut panel, mut format, mut filter, mut compare, mut after) =
        (None, None, None, None, None, None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match name.as_ref() {
            "from" => &mut from,
            "to" => &mut to,
            "tz" => &mut tz,
            "panel" => &mut panel,
            "format" => &mut format,
            "filter" => &mut filter,
            "compare" => &mut compare,
            "after" => &mut after,
            _ => return Err(bad("parameters are from, to, tz, panel, filter, compare, after and format")),
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
    let filter = filter.as_deref().map(filter_of).transpose()?.unwrap_or_default();
    let panels = match panel.as_deref() {
        None => Panel::ALL.into_iter().filter(|panel| filter.is_kept_by(*panel)).collect(),
        Some(names) => names.split(',').map(|name| panel_of(name, &filter)).collect::<Result<Vec<_>, _>>()?,
    };
    if panels.is_empty() {
        return Err(bad(&format!("filter={}: is kept by no panel", filter.kind().unwrap_or_default())));
    }
    let previous = match compare.as_deref() {
        None => None,
        Some("previous") => Some(previous(tz, start, end)),
        Some(_) => return Err(bad("compare must be previous")),
    };
    let after = match after.as_deref() {
        None => None,
        Some(_) if panels != [Panel::Usage] || previous.is_some() || filter != Filter::None => {
            return Err(bad("after needs panel=usage, without filter and compare"));
        }
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| bad("after must be a churn.next as it was answered"))?),
    };
    let format = match format.as_deref() {
        None | Some("json") => Format::Json,
        Some("csv") if panels.len() == 1 => Format::Csv,
        Some("csv") => return Err(bad("format=csv needs one panel, such as panel=cost")),
        Some(_) => return Err(bad("format must be json or csv")),
    };
    if format == Format::Csv && previous.is_some() {
        return Err(bad("compare is for format=json"));
    }
    Ok((Query { filter, previous, after, ..Query::new(tz, civil::window(tz, start, end), panels, now) }, format))
}

/// The window just before: of as many civil days, where it is one of whole days; else of the same length.
fn previous(tz: Zone, start: UtcMillis, end: UtcMillis) -> Window {
    let (first, after) = (civil::date_of(tz, start), civil::date_of(tz, end));
    let whole = civil::day_start(tz, first) == start && civil::day_start(tz, after) == end;
    let days = u64::try_from(after.signed_duration_since(first).num_days()).unwrap_or(0);
    let before = first.checked_sub_days(chrono::Days::new(days)).filter(|_| whole);
    let from = before.map_or(start.plus_ms(start.0 - end.0), |date| civil::day_start(tz, date));
    civil::window(tz, UtcMillis(from.0.max(0)), start)
}

fn filter_of(text: &str) -> Result<Filter, Problem> {
    let kinds = Filter::KINDS.join(", ");
    Filter::parse(text).ok_or_else(|| bad(&format!("filter must be one of {kinds}, a colon and a name: model:gpt-4o")))
}

/// The funnels of the settings, which have been checked.
#[must_use]
pub fn funnels(settings: &[funnel::Funnel]) -> Vec<Funnel> {
    let funnel = |funnel: &funnel::Funnel| Funnel {
        name: funnel.name.clone(),
        within_days: funnel.within_days,
        steps: funnel.steps.iter().map(|steps| steps.split('|').filter_map(Step::parse).collect()).collect(),
    };
    settings.iter().map(funnel).collect()
}

fn instant(text: &str, name: &str, of_date: impl Fn(chrono::NaiveDate) -> UtcMillis) -> Result<UtcMillis, Problem> {
    let at = civil::parse_date(text).map(of_date).or_else(|| UtcMillis::parse_rfc3339(text));
    at.filter(|at| at.0 >= 0).ok_or_else(|| {
        bad(&format!(
            "{name} must be a date such as 2026-11-21 or a date-time such as 2026-11-21T18:00:00Z, from 1970 on"
        ))
    })
}

fn panel_of(name: &str, filter: &Filter) -> Result<Panel, Problem> {
    let known: Vec<&str> = Panel::ALL.iter().map(|panel| panel.name()).collect();
    let panel = Panel::ALL
        .into_iter()
        .find(|panel| panel.name() == name)
        .ok_or_else(|| bad(&format!("panel must be one or more of {}", known.join(", "))))?;
    if filter.is_kept_by(panel) {
        return Ok(panel);
    }
    let kept = match Filter::kept_by(panel) {
        [] => "no filter".to_owned(),
        kinds => kinds.join(", "),
    };
    Err(bad(&format!("filter: the panel {name} keeps {kept}")))
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
    fn a_filter_asks_those_that_keep_it() {
        let query = ask("filter=model%3Aft%3Agpt-4o%3Aacme%3A%3A1").unwrap().0;
        assert_eq!(query.filter, Filter::Model("ft:gpt-4o:acme::1".into()));
        assert_eq!(query.panels, [Panel::Cost, Panel::Operations]);
        assert_eq!(ask("filter=device:mobile").unwrap().0.panels, [Panel::Demographics]);
        assert_eq!(ask("filter=country:de&panel=demographics").unwrap().0.filter, Filter::Country("DE".into()));
    }

    #[test]
    fn the_window_before_is_as_long() {
        let before = |query: &str| {
            let window = ask(&format!("{query}&compare=previous")).unwrap().0.previous.unwrap();
            (window.from.start().to_rfc3339(), window.to.start().to_rfc3339(), window.days.len())
        };
        let at = |from: &str, to: &str, days| (format!("{from}:00.000Z"), format!("{to}:00.000Z"), days);
        assert_eq!(before("from=2026-11-15&to=2026-11-21"), at("2026-11-08T00:00", "2026-11-15T00:00", 7));
        // The day of 25 hours is a day.
        let berlin = before("from=2026-10-26&to=2026-10-26&tz=Europe%2FBerlin");
        assert_eq!(berlin, at("2026-10-24T22:00", "2026-10-25T23:00", 1));
        let instants = before("from=2026-11-21T10:00:00Z&to=2026-11-21T12:30:00Z");
        assert_eq!(instants, at("2026-11-21T07:30", "2026-11-21T10:00", 1));
        assert_eq!(before("from=1970-01-01&to=1970-01-02").2, 0);
        assert_eq!(ask("").unwrap().0.previous, None);
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
            ("filter=model", "model:gpt-4o"),
            ("filter=user:alice", "model"),
            ("filter=model:gpt-4o&panel=crisis", "crisis keeps no filter"),
            ("filter=plan:free&panel=demographics", "demographics keeps country, device"),
            ("filter=country:DE&panel=demographics,cost", "cost keeps model"),
            ("compare=next", "previous"),
            ("after=21&panel=usage", "after must be"),
            ("after=&panel=usage", "after must be"),
            ("after=21.alice@example.com&panel=usage", "churn.next"),
            ("after=90.k1_000102030405060708090a0b0c0d0e0f&panel=usage", "after must be"),
            ("after=21.k1_000102030405060708090a0b0c0d0e0f", "after needs panel=usage"),
            ("after=21.k1_000102030405060708090a0b0c0d0e0f&panel=usage,cost", "after needs panel=usage"),
            ("after=21.k1_000102030405060708090a0b0c0d0e0f&panel=usage&filter=plan:free", "without filter"),
            ("after=21.k1_000102030405060708090a0b0c0d0e0f&panel=usage&compare=previous", "compare"),
            ("compare=previous&panel=cost&format=csv", "compare"),
        ] {
            let problem = ask(query).unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(problem.detail.contains(word), "{query}: {}", problem.detail);
            assert!(!problem.detail.contains("alice@"), "{query}: {}", problem.detail);
        }
        assert_eq!(ask("panel=cost,usage").unwrap().0.panels, [Panel::Cost, Panel::Usage]);
        assert_eq!(ask("panel=cost&format=csv").unwrap().1, Format::Csv);
    }

    #[test]
    fn a_list_goes_on_after_a_place() {
        let place = "21.k1_000102030405060708090a0b0c0d0e0f";
        let query = ask(&format!("panel=usage&after={place}")).unwrap().0;
        assert_eq!(query.after.map(|place| place.to_string()).as_deref(), Some(place));
        assert_eq!(query.ask().after, query.after);
        assert_eq!(ask("panel=usage").unwrap().0.after, None);
    }
}
