//! The crisis panel: anonymous counts.

use chrono::NaiveDate;
use schemas::Bucket15;
use schemas::FlatMap;
use schemas::event::CrisisEvent;
use serde::Serialize;

use super::Facts;
use super::chart::quantiles;
use super::json::{Json, object, word};
use super::metric::{Metric, Unit};
use crate::civil;
use crate::disclosure::years;
use crate::fold::named::NamedTotals;
use crate::fold::names::{Additive, Rate};
use crate::fold::safety::Safety;
use crate::zone::Zone;

/// Years before it are mistakes.
const EARLIEST_YEAR: i32 = 1970;

pub(super) fn answer(facts: &Facts<'_>, named: &NamedTotals, tz: Zone) -> Json {
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let safety = &all.safety;
    let mut flags = Rate::default();
    named.detectors.values().for_each(|rate| flags.merge(rate));
    object!({
        "flagged": counted(safety, CrisisEvent::Flagged),
        "referrals": counted(safety, CrisisEvent::Referral),
        "escalations": counted(safety, CrisisEvent::Escalation),
        "flagged_today": since(facts, tz, |date| date),
        "flagged_week": since(facts, tz, civil::week_start),
        "flagged_month": since(facts, tz, civil::month_start),
        "flagged_by_severity": by_severity(safety),
        "dispositions": named_counts(&safety.dispositions),
        "time_to_escalation": quantiles(&named.escalation, [("median", 0.5), ("p95", 0.95), ("max", 1.0)], Unit::S),
        "detectors": named.detectors.iter().map(|(version, rate)| {
            Metric::count(rate.n).in_bucket(version.to_owned()).with(object!({ "false_positives": Metric::count(rate.hits) }))
        }).collect::<Json>(),
        "false_positives": Metric::exact(flags.hits, Unit::Count, flags.n.into()),
        "false_positive_share": Metric::of_rate(flags),
        "incidents": named_counts(&safety.incidents),
        "referrals_by_year": referrals_by_year(facts),
    })
}

fn counted(safety: &Safety, event: CrisisEvent) -> Metric {
    Metric::count(safety.count_of(event))
}

/// Flags from the start of the present day, week or month until the end of today.
fn since(facts: &Facts<'_>, tz: Zone, first: fn(NaiveDate) -> NaiveDate) -> Json {
    let (from, to) = civil::until_today(tz, facts.query.now, first);
    let all = facts.counted.range(from, to);
    let safety = &all.safety;
    Json::from(counted(safety, CrisisEvent::Flagged)).with(object!({ "by_severity": by_severity(safety) }))
}

fn by_severity(safety: &Safety) -> Vec<Json> {
    let row = |severity: u8| {
        let n = safety.crisis.get(&(CrisisEvent::Flagged, severity)).copied().unwrap_or(0);
        Metric::count(n).in_bucket(severity.to_string())
    };
    (0..=4).map(row).collect()
}

fn named_counts<K: Serialize>(counts: &FlatMap<K, u64>) -> Vec<Json> {
    let row = |(key, n): (&K, &u64)| Metric::count(*n).in_bucket(word(key));
    counts.iter().map(row).collect()
}

/// The report that California asks for (Business and Professions Code §22603): every year from the first of which anything is known
/// to the present one, exact, however few, whatever the window.
fn referrals_by_year(facts: &Facts<'_>) -> Vec<Json> {
    let imported = |year: i32| facts.query.referrals.iter().find(|(of, _)| *of == year).map_or(0, |(_, n)| *n);
    let counted = facts.counted.ever().map(|(day, _)| years::year_of(day.start()));
    let present = years::year_of(facts.query.now);
    let known = facts.query.referrals.iter().map(|(year, _)| *year);
    let known = known.filter(|year| (EARLIEST_YEAR..=present).contains(year));
    let first = counted.into_iter().chain(known).min().unwrap_or(present);
    let row = |year: i32| {
        let (from, to) = years::span(year);
        let counted = facts.counted.range(Bucket15::of(from), Bucket15::of(to)).safety.count_of(CrisisEvent::Referral);
        let imported = imported(year);
        let more = object!({ "counted": Metric::count(counted), "imported": Metric::count(imported) });
        Metric::count(counted.saturating_add(imported)).in_bucket(year.to_string()).with(more)
    };
    (first..=present).map(row).collect()
}
