//! The crisis panel: anonymous counts.

use schemas::event::CrisisEvent;
use serde::Serialize;
use serde_json::{Value, json};

use super::Facts;
use super::metric::{Metric, Unit};
use crate::disclosure::noted::{Noted, add_to_year};
use crate::disclosure::years;
use crate::fold::safety::Safety;

pub(super) fn answer(facts: &Facts<'_>) -> Value {
    let window = &facts.query.window;
    let safety = facts.counted.range(window.from, window.to).safety;
    json!({
        "flagged": counted(&safety, CrisisEvent::Flagged),
        "referrals": counted(&safety, CrisisEvent::Referral),
        "escalations": counted(&safety, CrisisEvent::Escalation),
        "flagged_by_severity": (0..=4u8).map(|severity| {
            let n = safety.crisis.get(&(CrisisEvent::Flagged, severity)).copied().unwrap_or(0);
            Metric::exact(n, Unit::Count, n).in_bucket(&severity.to_string(), json!({}))
        }).collect::<Vec<_>>(),
        "dispositions": named(&safety.dispositions),
        "false_positives": Metric::exact(safety.false_positives, Unit::Count, safety.false_positives),
        "incidents": named(&safety.incidents),
        "referrals_by_year": referrals_by_year(facts),
    })
}

/// The report that California asks for (B&P §22603): exact, however few, by its civil year, whatever window is asked for.
fn referrals_by_year(facts: &Facts<'_>) -> Vec<Value> {
    let mut years = facts.counted.noted().map(Noted::referrals_by_year).unwrap_or_default();
    for (year, before) in &facts.query.referrals {
        add_to_year(&mut years, *year, *before);
    }
    add_to_year(&mut years, years::year_of(facts.query.now), 0);
    years.iter().map(|(year, n)| Metric::exact(*n, Unit::Count, *n).in_bucket(&year.to_string(), json!({}))).collect()
}

fn counted(safety: &Safety, event: CrisisEvent) -> Metric {
    let n = safety.count_of(event);
    Metric::exact(n, Unit::Count, n)
}

fn named<K: Serialize>(counts: &std::collections::BTreeMap<K, u64>) -> Vec<Value> {
    let row = |(key, n): (&K, &u64)| {
        Metric::exact(*n, Unit::Count, *n).in_bucket(json!(key).as_str().unwrap_or_default(), json!({}))
    };
    counts.iter().map(row).collect()
}
