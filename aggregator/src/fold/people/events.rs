//! What an event says of its person or thread.

use schemas::consent::choice_of;
use schemas::event::{Journey, Observation, Platform, Turn, TurnStatus};
use schemas::{Body, Bucket15, Event, Label, NanoUsd, UtcMillis};

use super::People;
use super::facts::{Entry, Mark, MarkKind, Mention, Mood, Owner, ThreadId, Visit};
use crate::fold::pending::Pending;

impl People {
    /// Counts what an event says of its person or thread.
    pub fn fold(&mut self, event: &Event) {
        if let (Some(user), Some(consent)) = (event.user, choice_of(&event.body)) {
            self.standing_mut(user).choices.fold(consent, event.ts);
        }
        if let Body::Turn(turn) = &event.body
            && let Some(pending) = Pending::of(event, turn)
        {
            self.wait(event, pending);
        }
        let Some(owner) = Owner::of(event.user, event.conversation, event.session) else { return };
        let thread = ThreadId::of(event.conversation, event.session);
        match &event.body {
            Body::Turn(turn) => self.turn(owner, thread, event, turn),
            Body::Observation(observation) => self.observation(owner, thread, event, observation),
            Body::Feedback(feedback) => {
                feedback.wishes.iter().for_each(|wish| self.mark(owner, event.ts, MarkKind::Wish, Some(wish), None));
            }
            Body::Journey(journey) => self.journey(owner, thread, event, journey),
            Body::Platform(platform) => self.platform(owner, event, platform),
            Body::ServiceCost(cost) => {
                let cohort = self.words.cohort_number(&event.cohort);
                let (facts, _) = self.facts_mut(owner, event.ts);
                facts.add_entry(Entry { services: cost.nano_usd, ..Entry::at(Bucket15::of(event.ts), cohort) });
            }
            Body::Error(error) => {
                let name = Label::parse(&format!("{}/{}", error.component, error.code)).ok();
                self.mark(owner, event.ts, MarkKind::Error, name.as_ref(), None);
            }
            _ => {}
        }
    }

    fn turn(&mut self, owner: Owner, thread: ThreadId, event: &Event, turn: &Turn) {
        let nano_usd = turn.cost.nano_usd();
        let ok = turn.status == TurnStatus::Ok;
        let cohort = self.words.cohort_number(&event.cohort);
        let model = self.words.number(&turn.model);
        let entry = Entry {
            bucket: Bucket15::of(event.ts),
            cohort,
            turns: 1,
            turns_ok: u32::from(ok),
            priced: u32::from(nano_usd.is_some()),
            nano_usd: nano_usd.unwrap_or_default(),
            services: NanoUsd::ZERO,
        };
        let visit = Visit {
            start_ms: event.ts.0,
            end_ms: event.ts.0,
            turns: 1,
            turns_ok: u32::from(ok),
            nano_usd: nano_usd.unwrap_or_default(),
            tokens: turn.usage.map_or(0, |usage| usage.input_tokens + usage.output_tokens),
            cohort,
            last_ok: ok,
            model,
        };
        let (facts, words) = self.facts_mut(owner, event.ts);
        facts.add_entry(entry);
        facts.add_visit(thread, visit, words);
    }

    fn observation(&mut self, owner: Owner, thread: ThreadId, event: &Event, observation: &Observation) {
        let mood = Mood {
            ts_ms: event.ts.0,
            emotion: observation.emotion,
            intensity: observation.intensity,
            frustrated: !observation.frustration.is_empty(),
        };
        self.facts_mut(owner, event.ts).0.add_mood(thread, mood);
        self.mention(owner, thread, event.ts, observation.intent.as_ref());
        if let Some(wish) = &observation.wish {
            self.mark(owner, event.ts, MarkKind::Wish, Some(&wish.tag), None);
        }
    }

    fn journey(&mut self, owner: Owner, thread: ThreadId, event: &Event, journey: &Journey) {
        self.mention(owner, thread, event.ts, journey.intent.as_ref());
        self.mark(owner, event.ts, MarkKind::Journey, Some(&journey.name), None);
        if let (Some(funnel), Some(step)) = (&journey.funnel, &journey.step) {
            let name = Label::parse(&format!("{funnel}/{step}")).ok();
            self.mark(owner, event.ts, MarkKind::Step, name.as_ref(), None);
        }
    }

    fn platform(&mut self, owner: Owner, event: &Event, platform: &Platform) {
        let kind = MarkKind::Platform(platform.event);
        // Calls come by the thousand, and say nothing of whether someone is connected.
        let is_call = matches!(
            platform.event,
            schemas::event::PlatformEvent::ApiCall | schemas::event::PlatformEvent::RateLimited
        );
        if !is_call || platform.token_expires_days.is_some() {
            self.mark(owner, event.ts, kind, Some(&platform.platform), platform.token_expires_days);
        }
    }

    fn mention(&mut self, owner: Owner, thread: ThreadId, ts: UtcMillis, intent: Option<&Label>) {
        if let Some(intent) = intent {
            let mention = Mention { ts_ms: ts.0, intent: self.words.number(intent) };
            self.facts_mut(owner, ts).0.add_mention(thread, mention);
        }
    }

    fn mark(&mut self, owner: Owner, ts: UtcMillis, kind: MarkKind, name: Option<&Label>, days: Option<i32>) {
        let name = name.map_or(0, |name| self.words.number(name));
        self.facts_mut(owner, ts).0.add_mark(Mark { ts_ms: ts.0, kind, name, days });
    }
}
