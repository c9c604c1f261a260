//! The public page's data: whole quarters, nothing that fewer than 50 people stand behind.

use schemas::event::{CrisisEvent, IncidentSeverity};
use schemas::{Quarter, UtcMillis};
use serde_json::{Value, json};

use super::crisis::count_of;
use super::metric::{Hidden, Metric, Unit};
use crate::fold::Bucket;

/// Fewest people behind a published number.
pub const PEOPLE_MIN: u64 = 50;
/// The running quarter is shown in steps of this size, so that a change does not give one person away.
pub const STEP: u64 = 10;

/// One quarter's counters.
pub struct QuarterFacts {
    /// Which.
    pub quarter: Quarter,
    /// Distinct people; `None` when a Shard did not answer.
    pub users: Option<u64>,
    /// Visits; `None` when a Shard did not answer.
    pub sessions: Option<u64>,
    /// Counters of the quarter, UTC.
    pub counters: Bucket,
}

/// What the public page is made of.
pub struct PublicFacts {
    /// When it is asked for.
    pub now: UtcMillis,
    /// Newest first.
    pub quarters: Vec<QuarterFacts>,
}

/// The JSON twin of the public page.
#[must_use]
pub fn public_page(facts: &PublicFacts) -> Value {
    json!({
        "generated_at": facts.now.to_rfc3339(),
        "people_min": PEOPLE_MIN,
        "running_quarter_step": STEP,
        "quarters": facts.quarters.iter().map(|quarter| quarter_json(quarter, facts.now)).collect::<Vec<_>>(),
        "method": [
            "Numbers are exact counts made from events that hold no text, no name and no address; people are counted by keyed, one-way codes.",
            "Nothing is shown that fewer than 50 people stand behind, so neither are 1 to 49 crises; 0 is.",
            "The running quarter is rounded down to tens.",
            "A quarter is a calendar quarter in UTC. A session is one visit to one conversation and ends after 30 minutes of silence.",
        ],
    })
}

fn quarter_json(facts: &QuarterFacts, now: UtcMillis) -> Value {
    let closed = facts.quarter.end() <= now;
    let hidden = match facts.users {
        None => Some(Hidden::ShardUnreachable),
        Some(users) if users < PEOPLE_MIN => Some(Hidden::FewerThan50People),
        Some(_) => None,
    };
    let metric = |value: Option<u64>| match (hidden, value) {
        (Some(why), _) => Metric::hidden(Unit::Count, why, 0),
        (None, None) => Metric::hidden(Unit::Count, Hidden::ShardUnreachable, 0),
        (None, Some(value)) => {
            let shown = if closed { value } else { value - value % STEP };
            Metric { exact: closed, ..Metric::exact(shown, Unit::Count, shown) }
        }
    };
    // Of few crises even the number may tell the people around someone who it was; that there was none tells nobody's.
    let crises = |count: u64| match hidden {
        None if (1..PEOPLE_MIN).contains(&count) => Metric::hidden(Unit::Count, Hidden::FewerThan50People, 0),
        _ => metric(Some(count)),
    };
    let safety = &facts.counters.safety;
    // Outages are facts about the service, not about people.
    let incidents = |severity| match facts.users {
        None => Metric::hidden(Unit::Count, Hidden::ShardUnreachable, 0),
        Some(_) => {
            let n = safety.incidents.get(&severity).copied().unwrap_or(0);
            Metric::exact(n, Unit::Count, n)
        }
    };
    json!({
        "quarter": facts.quarter.to_string(),
        "from": facts.quarter.start().utc_date().to_string(),
        "to": facts.quarter.end().plus_ms(-1).utc_date().to_string(),
        "closed": closed,
        "users": metric(facts.users),
        "sessions": metric(facts.sessions),
        "turns": metric(Some(facts.counters.usage.turns)),
        "crisis": {
            "flagged": crises(count_of(safety, CrisisEvent::Flagged)),
            "referrals": crises(count_of(safety, CrisisEvent::Referral)),
        },
        "incidents": { "p0": incidents(IncidentSeverity::P0), "p1": incidents(IncidentSeverity::P1) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(users: Option<u64>, at: &str) -> Value {
        let now = UtcMillis::parse_rfc3339(at).unwrap();
        let quarter = Quarter { year: 2026, quarter: 4 };
        let mut counters = Bucket::default();
        counters.usage.turns = 1_237;
        counters.safety.crisis.insert((CrisisEvent::Flagged, 2), 49);
        let quarter = QuarterFacts { quarter, users, sessions: users.map(|n| n * 3), counters };
        public_page(&PublicFacts { now, quarters: vec![quarter] })["quarters"][0].clone()
    }

    #[test]
    fn nothing_is_shown_of_fewer_than_fifty_people() {
        let page = page(Some(49), "2027-01-02T00:00:00Z");
        for name in ["users", "sessions", "turns"] {
            assert_eq!(page[name]["value"], Value::Null);
            assert_eq!(page[name]["n"], 0);
            assert_eq!(page[name]["hidden"], "fewer_than_50_people");
        }
        assert_eq!(page["crisis"]["referrals"]["value"], Value::Null);
    }

    #[test]
    fn a_closed_quarter_is_exact_and_a_running_one_coarse() {
        let closed = page(Some(50), "2027-01-02T00:00:00Z");
        assert_eq!((&closed["users"]["value"], &closed["turns"]["value"]), (&json!(50), &json!(1_237)));
        assert_eq!(closed["crisis"]["flagged"]["hidden"], "fewer_than_50_people");
        assert_eq!(closed["crisis"]["referrals"]["value"], json!(0));
        let running = page(Some(57), "2026-11-21T00:00:00Z");
        assert_eq!((&running["users"]["value"], &running["turns"]["value"]), (&json!(50), &json!(1_230)));
        assert_eq!(running["users"]["exact"], json!(false));
        assert_eq!(page(None, "2027-01-02T00:00:00Z")["users"]["hidden"], "shard_unreachable");
    }
}
