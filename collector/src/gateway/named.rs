//! Who a call is for, as its headers say.

use schemas::Label;
use schemas::UtcMillis;
use schemas::event::{Belonging, Country};
use schemas::wire::{Envelope, Raw};

use crate::proxy::HeaderList;
use crate::scrub::Keyring;

/// What the headers `Sage-…` of a call say. What can't be read is left unsaid: a call is never refused for it.
pub struct Named {
    user: Option<Raw>,
    conversation: Option<Raw>,
    session: Option<Raw>,
    country: Option<Country>,
    plan: Option<Label>,
    guest: Option<bool>,
    opted_out: bool,
    age_13_plus: Option<bool>,
    /// The part of the app that asks.
    pub feature: Option<Label>,
    /// Position in the conversation, from 0.
    pub turn_index: Option<u32>,
}

/// Most bytes of an id.
const ID_BYTES_MAX: usize = 1_024;

impl Named {
    /// Reads `Sage-User`, `Sage-Conversation`, `Sage-Session`, `Sage-Feature`, `Sage-Turn` (position in the conversation),
    /// `Sage-Country`, `Sage-Plan`, `Sage-Guest`, `Sage-Age-13-Plus` and `Sage-Opt-Out`; `Sec-GPC` and `DNT` opt out as well.
    #[must_use]
    pub fn read(headers: HeaderList<'_>) -> Self {
        let value = |name| headers.get(name).map(str::trim).filter(|value| !value.is_empty());
        let id = |name| value(name).filter(|id| id.len() <= ID_BYTES_MAX).map(Raw::new);
        let label = |name| value(name).and_then(|value| Label::parse(value).ok());
        let set = |name| value(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
        Self {
            user: id("sage-user"),
            conversation: id("sage-conversation"),
            session: id("sage-session"),
            country: value("sage-country").and_then(Country::parse),
            plan: label("sage-plan"),
            guest: value("sage-guest").map(|_| set("sage-guest")),
            age_13_plus: value("sage-age-13-plus").map(|_| set("sage-age-13-plus")),
            opted_out: ["sage-opt-out", "sec-gpc", "dnt"].into_iter().any(set),
            feature: label("sage-feature"),
            turn_index: value("sage-turn").and_then(|value| value.parse().ok()),
        }
    }

    /// The call says that its person is not there: no limit of theirs holds.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.opted_out || self.age_13_plus == Some(false)
    }

    /// Who and what the call's turn leads to: whoever is named, for their Shard to decide whether they are there. `id` is the
    /// turn's.
    #[must_use]
    pub fn belonging(&self, keys: &Keyring, id: &Raw) -> Belonging {
        let home = keys.home_of(self.user.as_ref(), self.session.as_ref(), self.conversation.as_ref(), Some(id));
        if self.user.is_none() && self.is_absent() {
            return Belonging { home, ..Belonging::default() };
        }
        Belonging {
            user: self.user.as_ref().map(|raw| keys.key(raw)),
            conversation: self.conversation.as_ref().map(|raw| keys.key(raw)),
            session: self.session.as_ref().map(|raw| keys.key(raw)),
            home,
        }
    }

    /// What the call's event shares with all others.
    #[must_use]
    pub fn envelope(self, id: Raw, ts: UtcMillis) -> Envelope {
        Envelope {
            id: Some(id),
            ts,
            user_id: self.user,
            conversation_id: self.conversation,
            session_id: self.session,
            country: self.country,
            utc_offset_minutes: None,
            plan: self.plan,
            guest: self.guest,
            opted_out: self.opted_out,
            age_13_plus: self.age_13_plus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_person_and_the_purpose() {
        let named = Named::read(HeaderList(
            "sage-user,alice\nsage-session, s1 \nsage-feature,chat\nsage-turn,3\nsage-plan,pro\nsage-guest,false\nsage-country,np",
        ));
        assert_eq!(
            (named.turn_index, named.feature.as_ref().map(Label::as_str), named.guest),
            (Some(3), Some("chat"), Some(false))
        );
        let envelope = named.envelope(Raw::new("id"), UtcMillis(1));
        assert!(envelope.user_id.is_some() && envelope.session_id.is_some() && envelope.conversation_id.is_none());
        assert!(!envelope.opted_out && envelope.plan.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_left_unsaid() {
        let long = format!(
            "sage-user,{}\nsage-feature,a b\nsage-turn,-1\nsage-country,Nepal\nsage-plan,a@example.com",
            "x".repeat(1_025)
        );
        let named = Named::read(HeaderList(&long));
        assert!(named.user.is_none() && named.feature.is_none() && named.turn_index.is_none() && named.plan.is_none());
    }

    #[test]
    fn who_opted_out_is_not_known() {
        for header in ["sage-opt-out,1", "sage-opt-out,true", "sec-gpc,1", "dnt,1"] {
            let headers = format!("sage-user,alice\n{header}");
            let named = Named::read(HeaderList(&headers));
            let keys = Keyring::new(Some("0123456789abcdef0123456789abcdef")).unwrap();
            assert!(named.is_absent() && named.belonging(&keys, &Raw::new("id")).user.is_some(), "{header}");
        }
    }
}
