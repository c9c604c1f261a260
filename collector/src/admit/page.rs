//! What a page may send. Whoever reads a page has its key, so nothing that a page says can be more than one visitor's word.

use schemas::UtcMillis;
use schemas::event::DeviceClass;
use schemas::time::DAY_MS;
use schemas::wire::{WireBody, WireCode, WireError, WireEvent};

use crate::scrub::CLOCK_SKEW_MS_MAX;

/// Kinds that a page may send: a page cannot forge turns or costs, nor consent in someone's name.
const KINDS: [&str; 4] = ["feedback", "error", "vital", "journey"];
/// Oldest event of a page, milliseconds. Longer than a page's memory holds what it could not send; shorter than the time in
/// which an event counts once.
const AGE_MS_MAX: i64 = DAY_MS;

/// What is known of a page that sends events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// It may name a person (`browser.user_ids`).
    pub names_people: bool,
    /// How far its clock is ahead of Sage's, milliseconds; 0 when it is right enough, or when the page did not say.
    pub clock_ahead_ms: i64,
    /// The class of the device that it is on; `None` when its request does not tell, or does not want to be tracked.
    pub device: Option<DeviceClass>,
}

impl Page {
    /// A page whose clock showed `sent` (milliseconds since 1970, as text) when it sent.
    #[must_use]
    pub fn new(names_people: bool, sent: Option<&str>, now: UtcMillis) -> Self {
        let ahead = sent.and_then(|sent| sent.parse::<i64>().ok()).map_or(0, |sent| sent.saturating_sub(now.0));
        let wrong = ahead.unsigned_abs() > CLOCK_SKEW_MS_MAX.unsigned_abs();
        Self { names_people, clock_ahead_ms: if wrong { ahead } else { 0 }, device: None }
    }

    /// Reduces an event to what a page can know: facts of a person are the edge's or the backend's to tell, and left out.
    /// Puts its time right where the page's clock is wrong.
    ///
    /// # Errors
    /// When a page may not send such an event, or it is older than a day.
    pub fn take(&self, wire: &mut WireEvent, now: UtcMillis) -> Result<(), WireError> {
        if !KINDS.contains(&wire.body.kind()) {
            let detail = format!("must be one of {} for a page", KINDS.join(", "));
            return Err(WireError::at(WireCode::TypeNotAllowed, "type", detail));
        }
        let envelope = &mut wire.envelope;
        envelope.ts = envelope.ts.plus_ms(self.clock_ahead_ms.saturating_neg());
        if envelope.ts < now.plus_ms(-AGE_MS_MAX) {
            return Err(WireError::at(WireCode::TsTooOld, "ts", "lies more than a day back, too far for a page"));
        }
        envelope.user_id = envelope.user_id.take().filter(|_| self.names_people);
        envelope.country = None;
        envelope.utc_offset_minutes = None;
        envelope.plan = None;
        envelope.guest = None;
        envelope.age_13_plus = None;
        if let WireBody::Vital(vital) = &mut wire.body {
            vital.device = self.device;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use schemas::time::MINUTE_MS;

    use super::*;

    fn now() -> UtcMillis {
        UtcMillis::parse_rfc3339("2026-11-21T19:00:00Z").unwrap()
    }

    fn feedback(ts: &str) -> WireEvent {
        WireEvent::from_json(&format!(
            r#"{{"type":"feedback","ts":"{ts}","user_id":"alice","conversation_id":"c","session_id":"s","country":"NP",
                "utc_offset_minutes":345,"plan":"premium","guest":false,"opted_out":false,"rating":"up"}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_page_tells_no_facts_of_a_person() {
        for names_people in [false, true] {
            let mut event = feedback("2026-11-21T18:59:00Z");
            Page { names_people, ..Page::default() }.take(&mut event, now()).unwrap();
            let envelope = event.envelope;
            assert_eq!(envelope.user_id.is_some(), names_people);
            assert!(envelope.conversation_id.is_some() && envelope.session_id.is_some());
            assert!(envelope.country.is_none() && envelope.utc_offset_minutes.is_none());
            assert!(envelope.plan.is_none() && envelope.guest.is_none());
        }
    }

    #[test]
    fn a_vital_has_the_device_of_its_request_and_no_other() {
        let vital = |more: &str| {
            WireEvent::from_json(&format!(
                r#"{{"type":"vital","ts":"2026-11-21T18:59:00Z","name":"lcp","value":1,"url":"/"{more}}}"#
            ))
        };
        for device in [None, Some(DeviceClass::Mobile)] {
            let mut event = vital("").unwrap();
            Page { device, ..Page::default() }.take(&mut event, now()).unwrap();
            let WireBody::Vital(taken) = event.body else { panic!() };
            assert_eq!(taken.device, device);
        }
        assert_eq!(vital(r#","device":"mobile""#).err().unwrap().code, WireCode::UnknownField);
    }

    #[test]
    fn other_kinds_are_refused() {
        let kinds = [
            r#""type":"turn","provider":"openai","model":"gpt-4o""#,
            r#""type":"service_cost","service":"cdn","nano_usd":1"#,
            r#""type":"consent","state":"granted","purpose":"analytics""#,
            r#""type":"crisis","event":"flagged","severity":4"#,
            r#""type":"incident","severity":"p0","code":"down""#,
            r#""type":"notice","kind":"safety_policy","code":"v3""#,
            r#""type":"moment","text":"hello""#,
            r#""type":"platform","platform":"whatsapp","event":"connected""#,
            r#""type":"observation","emotion":"joy","intensity":1,"confidence":0.5,"model_version":"v1""#,
        ];
        for kind in kinds {
            let mut event = WireEvent::from_json(&format!(r#"{{{kind},"ts":"2026-11-21T18:59:00Z"}}"#)).expect(kind);
            let error = Page::default().take(&mut event, now()).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (WireCode::TypeNotAllowed, Some("type")), "{kind}");
        }
        assert_eq!(kinds.len() + KINDS.len(), schemas::wire::KINDS.len());
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right() {
        let sent = |ms: i64| Page::new(false, Some(&(now().0 + ms).to_string()), now()).clock_ahead_ms;
        assert_eq!([sent(0), sent(5 * MINUTE_MS), sent(-5 * MINUTE_MS)], [0; 3]);
        assert_eq!(sent(5 * MINUTE_MS + 1), 5 * MINUTE_MS + 1);
        for wrong in [None, Some(""), Some("soon"), Some("99999999999999999999")] {
            assert_eq!(Page::new(false, wrong, now()).clock_ahead_ms, 0, "{wrong:?}");
        }
        for (sent, ts) in
            [("2027-01-01T00:00:00Z", "2026-12-31T23:59:58Z"), ("1970-01-01T00:00:10Z", "1970-01-01T00:00:08Z")]
        {
            let sent = UtcMillis::parse_rfc3339(sent).unwrap().0.to_string();
            let mut event = feedback(ts);
            Page::new(false, Some(&sent), now()).take(&mut event, now()).unwrap();
            assert_eq!(event.envelope.ts, now().plus_ms(-2_000));
        }
        for sent in [i64::MIN, i64::MAX] {
            let mut event = feedback("2026-11-21T18:59:00Z");
            let page = Page::new(false, Some(&sent.to_string()), now());
            assert!(page.take(&mut event, now()).is_err() || event.envelope.ts > now().plus_ms(DAY_MS));
        }
    }

    #[test]
    fn a_page_cannot_reach_into_the_past() {
        let mut event = feedback("2026-11-20T18:59:59Z");
        assert_eq!(Page::default().take(&mut event, now()).unwrap_err().code, WireCode::TsTooOld);
        assert!(Page::default().take(&mut feedback("2026-11-20T19:00:01Z"), now()).is_ok());
    }
}
