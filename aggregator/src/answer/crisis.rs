//! The crisis panel: anonymous counts.

use schemas::event::CrisisEvent;
use serde::Serialize;
use serde_json::{Value, json};

use super::Facts;
use super::metric::{Metric, Unit};
use crate::fold::safety::Safety;

pub(super) fn answer(facts: &Facts<'_>) -> Value {
    let window = &facts.query.window;
    let all = facts.counted.range(window.from, window.to);
    let safety = &all.safety;
    json!({
        "flagged": counted(safety, CrisisEvent::Flagged),
        "referrals": counted(safety, CrisisEvent::Referral),
        "escalations": counted(safety, CrisisEvent::Escalation),
        "flagged_by_severity": (0..=4u8).map(|severity| {
            let n = safety.crisis.get(&(CrisisEvent::Flagged, severity)).copied().unwrap_or(0);
            Metric::exact(n, Unit::Count, n).in_bucket(&severity.to_string(), json!({}))
        }).collect::<Vec<_>>(),
        "dispositions": named(&safety.dispositions),
        "false_positives": Metric::exact(safety.false_positives, Unit::Count, safety.false_positives),
        "incidents": named(&safety.incidents),
    })
}

pub(super) fn count_of(safety: &Safety, event: CrisisEvent) -> u64 {
    safety.crisis.iter().filter(|((kind, _), _)| *kind == event).map(|(_, n)| n).sum()
}

fn counted(safety: &Safety, event: CrisisEvent) -> Metric {
    let n = count_of(safety, event);
    Metric::exact(n, Unit::Count, n)
}

fn named<K: Serialize>(counts: &std::collections::BTreeMap<K, u64>) -> Vec<Value> {
    let row = |(key, n): (&K, &u64)| {
        Metric::exact(*n, Unit::Count, *n).in_bucket(json!(key).as_str().unwrap_or_default(), json!({}))
    };
    counts.iter().map(row).collect()
}
