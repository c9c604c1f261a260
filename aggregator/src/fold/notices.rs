//! What operators decided and checked: the newest word on each wish and on each week's audit, and every change of
//! the safety policy. Kept for good.

use schemas::event::{Notice, NoticeKind};
use schemas::{Body, Event, FlatMap, UtcDay, UtcMillis};
use serde::{Deserialize, Serialize};

use super::names::NAMES_MAX;

/// What was decided about a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishStatus {
    /// It will be.
    Planned,
    /// It is being made.
    Building,
    /// It will not be.
    Declined,
}

/// What a human found of a week's sampled observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Audit {
    /// Observations that were checked.
    pub checked: u32,
    /// Of those: with which the human agreed.
    pub agreed: u32,
}

/// The newest word on each matter, and when it was said, of two said at once the greater; and changes with their dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// Wishes by tag.
    pub wishes: FlatMap<String, (UtcMillis, WishStatus)>,
    /// Audits by the week's Monday.
    pub audits: FlatMap<UtcDay, (UtcMillis, Audit)>,
    /// Changes of the safety policy, by when and the app's name for it, ascending; each once.
    #[serde(default)]
    pub policies: Vec<(UtcMillis, String)>,
}

impl Notices {
    /// Takes in a notice. A UTC day has room for [`NAMES_MAX`] of a kind: those that came first, and what is said of them later.
    pub fn fold(&mut self, event: &Event) {
        let Body::Notice(notice) = &event.body else { return };
        if let Some(status) = status(notice) {
            let tag = notice.code.as_str();
            if self.wishes.len() < NAMES_MAX || self.wishes.contains_key(tag) {
                newest(&mut self.wishes, tag.to_owned(), (event.ts, status));
            }
        }
        if notice.kind == NoticeKind::SafetyPolicy && self.policies.len() < NAMES_MAX {
            self.policy(&(event.ts, notice.code.to_string()));
        }
        if let (Some(week), Some(checked), Some(agreed)) = (notice.audited_week(), notice.checked, notice.agreed)
            && (self.audits.len() < NAMES_MAX || self.audits.contains_key(&week))
        {
            newest(&mut self.audits, week, (event.ts, Audit { checked, agreed }));
        }
    }

    /// Takes in another's.
    pub fn merge(&mut self, other: &Self) {
        other.wishes.iter().for_each(|(tag, said)| newest(&mut self.wishes, tag.clone(), *said));
        other.audits.iter().for_each(|(week, said)| newest(&mut self.audits, *week, *said));
        other.policies.iter().for_each(|changed| self.policy(changed));
    }

    fn policy(&mut self, changed: &(UtcMillis, String)) {
        if let Err(at) = self.policies.binary_search(changed) {
            self.policies.insert(at, changed.clone());
        }
    }
}

fn status(notice: &Notice) -> Option<WishStatus> {
    match notice.kind {
        NoticeKind::WishPlanned => Some(WishStatus::Planned),
        NoticeKind::WishBuilding => Some(WishStatus::Building),
        NoticeKind::WishDeclined => Some(WishStatus::Declined),
        NoticeKind::SafetyPolicy | NoticeKind::ObservationAudit => None,
    }
}

fn newest<K: Ord, V: Ord + Copy>(known: &mut FlatMap<K, (UtcMillis, V)>, key: K, said: (UtcMillis, V)) {
    known.entry(key).and_modify(|before| *before = (*before).max(said)).or_insert(said);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::turn;
    use proptest::prelude::*;
    use schemas::Label;

    fn notice(ts: i64, kind: NoticeKind, code: &str, audit: Option<(u32, u32)>) -> Event {
        let (checked, agreed) = audit.unzip();
        let notice = Notice { kind, code: Label::parse(code).unwrap(), checked, agreed };
        Event { body: Body::Notice(notice), ..turn(1, None, None, ts, None, 0) }
    }

    fn of(events: &[Event]) -> Notices {
        let mut notices = Notices::default();
        events.iter().for_each(|event| notices.fold(event));
        notices
    }

    #[test]
    fn the_newest_word_holds() {
        use NoticeKind::*;
        let said = [
            notice(5, WishBuilding, "dark-mode", None),
            notice(3, WishPlanned, "dark-mode", None),
            notice(3, WishDeclined, "fax", None),
            notice(9, SafetyPolicy, "dark-mode", None),
            notice(7, SafetyPolicy, "v2", None),
            notice(9, SafetyPolicy, "dark-mode", None),
            notice(4, ObservationAudit, "2026-W47", Some((10, 9))),
            notice(2, ObservationAudit, "2026-W47", Some((99, 9))),
        ];
        let notices = of(&said);
        assert_eq!(notices.wishes["dark-mode"], (UtcMillis(5), WishStatus::Building));
        assert_eq!(notices.wishes["fax"].1, WishStatus::Declined);
        assert_eq!(notices.audits, FlatMap::from([(UtcDay(20_773), (UtcMillis(4), Audit { checked: 10, agreed: 9 }))]));
        assert_eq!(notices.policies, [(UtcMillis(7), "v2".to_owned()), (UtcMillis(9), "dark-mode".to_owned())]);
        assert_eq!(crate::fold::decode::<Notices>(&crate::fold::encode(&notices).unwrap()).unwrap(), notices);
    }

    proptest! {
        #[test]
        fn order_and_grouping_change_nothing(said in proptest::collection::vec((0i64..4, 0usize..4, 0u8..3), 0..20), cut in 0usize..20) {
            use NoticeKind::*;
            let kinds = [WishBuilding, WishPlanned, WishDeclined, SafetyPolicy];
            let mut events: Vec<Event> =
                said.iter().map(|(ts, kind, wish)| notice(*ts, kinds[*kind], &format!("w{wish}"), None)).collect();
            let whole = of(&events);
            let (left, right) = events.split_at(cut.min(events.len()));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &whole);
            events.reverse();
            prop_assert_eq!(of(&events), whole);
        }
    }
}
