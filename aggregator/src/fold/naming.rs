//! Under which names an event counts.

use schemas::event::{
    self, Cost, Country, Crisis, CrisisEvent, DeviceClass, ErrorReport, Feedback, FrustrationFlag, Journey,
    Observation, PlatformEvent, Rating, Request, Turn, TurnStatus, Vital, VitalName,
};
use schemas::{Body, Bucket15, Event, UtcMillis};

use super::named::Named;
use super::names::{Additive, NONE, Rate};
use super::operations::{Visits, failed};
use super::pending::Pending;
use super::sentiment::Wish;

/// Below this confidence a journey's intent was misunderstood.
const CONFIDENCE_MIN: f64 = 0.5;

impl Named {
    /// Counts an event.
    pub fn fold(&mut self, bucket: Bucket15, event: &Event) {
        match &event.body {
            Body::Turn(turn) => self.turn(bucket, turn),
            Body::Request(request) => {
                self.request(bucket, request);
                self.request_of_person(bucket, event.cohort.country, request);
            }
            Body::Observation(observation) => self.observation(bucket, observation),
            Body::Feedback(feedback) => self.feedback(bucket, feedback),
            Body::Journey(journey) => self.journey(bucket, journey),
            Body::Error(error) => self.error(bucket, error),
            Body::Vital(vital) => self.vital(bucket, vital),
            Body::Crisis(crisis) => self.crisis(bucket, crisis),
            Body::Platform(platform) => self.platform(bucket, event.ts, platform),
            _ => {}
        }
    }

    /// Counts the price that was found for a turn.
    pub fn reprice(&mut self, bucket: Bucket15, turn: &Pending, cost: &Cost) {
        if let Some(nano_usd) = cost.nano_usd() {
            self.models.change(turn.model.as_str(), bucket, |model| model.cost(nano_usd));
        }
    }

    fn turn(&mut self, bucket: Bucket15, turn: &Turn) {
        let nano_usd = turn.cost.nano_usd();
        if turn.latency_ms.is_some() || turn.ttft_ms.is_some() || nano_usd.is_some() {
            self.models.change(turn.model.as_str(), bucket, |model| {
                turn.latency_ms.into_iter().for_each(|ms| model.latency.record(ms));
                turn.ttft_ms.into_iter().for_each(|ms| model.ttft.record(ms));
                nano_usd.into_iter().for_each(|nano_usd| model.cost(nano_usd));
            });
        }
        if failed(turn.status) {
            let status = if turn.status == TurnStatus::Timeout { "timeout" } else { "error" };
            let code = turn.error_code.as_ref().map_or(status, |code| code.as_str());
            self.codes.change(&format!("{} {} {code}", turn.provider, turn.model), bucket, |n| *n += 1);
        }
    }

    fn request(&mut self, bucket: Bucket15, request: &Request) {
        let visits = Visits::of(request);
        self.routes.change(&request.route, bucket, |all| all.merge(&visits));
        if let Some(domain) = &request.referrer_domain {
            self.referrers.change(domain, bucket, |all| all.merge(&visits));
        }
        self.ttfb.change(bucket, |all| all.record(request.ttfb_ms));
    }

    /// Where a person's request comes from and what they use: robots' requests are in no number of it.
    fn request_of_person(&mut self, bucket: Bucket15, country: Option<Country>, request: &Request) {
        let device = request.device.as_ref();
        if device.is_some_and(|device| device.bot.is_some()) {
            return;
        }
        let country = country.as_ref().map_or(NONE, Country::as_str);
        let mut place = String::with_capacity(16);
        place.push_str(country);
        place.push(' ');
        place.push_str(device.map_or(NONE, |device| DeviceClass::as_str(device.class)));
        self.places.change(&place, bucket, |n| *n += 1);
        self.browsers.change(device.map_or(NONE, |device| device.browser.family.as_str()), bucket, |n| *n += 1);
        self.systems.change(device.map_or(NONE, |device| device.os.family.as_str()), bucket, |n| *n += 1);
        if let Some(domain) = &request.referrer_domain {
            self.people_referrers.change(domain, bucket, |n| *n += 1);
        }
    }

    fn observation(&mut self, bucket: Bucket15, observation: &Observation) {
        use FrustrationFlag::{Misunderstood, Repeated};
        let rate = Rate::of(!observation.frustration.is_empty());
        self.sentinels.change(observation.model_version.as_str(), bucket, |all| all.merge(&rate));
        if let Some(intent) = &observation.intent {
            let misunderstood = observation.frustration.iter().any(|flag| matches!(flag, Repeated | Misunderstood));
            self.intents.change(intent.as_str(), bucket, |counts| {
                counts.mentions += 1;
                counts.misunderstood += u32::from(misunderstood);
                counts.observed.merge(&rate);
            });
        }
        if let Some(wish) = &observation.wish {
            let count = |counts: &mut Wish| counts.count(Some(wish.kano), observation.confidence);
            self.wishes.change(wish.tag.as_str(), bucket, count);
        }
    }

    fn feedback(&mut self, bucket: Bucket15, feedback: &Feedback) {
        let thumb = match feedback.rating {
            Rating::Up => Some(Rate::of(true)),
            Rating::Down => Some(Rate::of(false)),
            _ => None,
        };
        if let Some(thumb) = thumb {
            if let Some(model) = &feedback.model {
                self.rated_models.change(model.as_str(), bucket, |all| all.merge(&thumb));
            }
            if let Some(intent) = &feedback.intent {
                self.intents.change(intent.as_str(), bucket, |counts| counts.thumbs.merge(&thumb));
            }
        }
        for wish in &feedback.wishes {
            self.wishes.change(wish.as_str(), bucket, |counts| counts.count(None, 1.0));
        }
    }

    fn journey(&mut self, bucket: Bucket15, journey: &Journey) {
        if let Some(ms) = journey.duration_ms {
            self.actions.change(journey.name.as_str(), bucket, |all| all.record(ms));
        }
        let Some(intent) = &journey.intent else { return };
        self.intents.change(intent.as_str(), bucket, |counts| {
            counts.mentions += 1;
            journey.success.into_iter().for_each(|success| counts.success.merge(&Rate::of(success)));
            counts.misunderstood += u32::from(journey.confidence.is_some_and(|confidence| confidence < CONFIDENCE_MIN));
        });
    }

    fn error(&mut self, bucket: Bucket15, error: &ErrorReport) {
        let name = format!("{} {}", error.component, error.code);
        self.errors.change(&name, bucket, |all| all.merge(&Rate::of(error.fatal)));
    }

    fn vital(&mut self, bucket: Bucket15, vital: &Vital) {
        let device = vital.device.map_or(NONE, DeviceClass::as_str);
        let scale = if vital.name == VitalName::Cls { 1_000.0 } else { 1.0 };
        let name = format!("{} {device} {}", vital.name.as_str(), vital.route);
        // The edge has checked that it lies between 0 and 3,600,000.
        self.vitals.change(&name, bucket, |all| all.record((vital.value * scale).round() as u32));
    }

    fn crisis(&mut self, bucket: Bucket15, crisis: &Crisis) {
        match crisis.event {
            CrisisEvent::Flagged => {
                let detector = crisis.detector_version.as_ref().map_or(NONE, |version| version.as_str());
                self.detectors.change(detector, bucket, |all| all.merge(&Rate::of(crisis.false_positive)));
            }
            CrisisEvent::Escalation if !crisis.false_positive => {
                let seconds = crisis.escalation_s.into_iter();
                seconds.for_each(|seconds| self.escalation.change(bucket, |all| all.record(seconds)));
            }
            _ => {}
        }
    }

    fn platform(&mut self, bucket: Bucket15, at: UtcMillis, platform: &event::Platform) {
        self.platforms.change(platform.platform.as_str(), bucket, |counts| counts.count(at, platform));
        if platform.event == PlatformEvent::ConnectionFailed {
            let reason = platform.reason.as_ref().map_or(NONE, |reason| reason.as_str());
            self.reasons.change(&format!("{} {reason}", platform.platform), bucket, |n| *n += 1);
        }
    }
}
