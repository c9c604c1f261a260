//! The event of a call.

use schemas::event::{Cost, PriceContext, Provenance, TurnStatus};
use schemas::wire::{Raw, Turn, WireBody, WireEvent, Witnessed};
use schemas::{Label, Usage, UtcMillis};

use super::{Ask, ModelCall, Named};
use crate::price::{Prices, TurnFacts};
use crate::usage::{Reply, Stop};

/// A call, as far as it is known before the provider has answered.
pub struct Call {
    /// Whose prices hold.
    pub provider: Label,
    /// What kind of call it is.
    pub kind: ModelCall,
    /// Who and what it is for.
    pub named: Named,
    /// What the request says.
    pub ask: Ask,
}

/// How a reply ended, as the one who passed it on saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The provider ended it.
    Whole,
    /// The provider broke off.
    Broken,
    /// The caller hung up.
    Left,
}

/// How a call went.
pub struct Outcome {
    /// HTTP status; `None`: the provider could not be reached.
    pub status: Option<u16>,
    /// When the call came.
    pub began: UtcMillis,
    /// When the first bytes of a stream were there.
    pub first_bytes: Option<UtcMillis>,
    /// When the reply ended.
    pub ended: UtcMillis,
    /// How it ended.
    pub how: Ended,
    /// What it said; `None` where it can't be read.
    pub reply: Option<Reply>,
    /// The provider's error code.
    pub error_code: Option<Label>,
}

/// The event of a call, before it is scrubbed. `id` names the call.
#[must_use]
pub fn turn(call: Call, outcome: Outcome, id: Raw, prices: &Prices) -> WireEvent {
    let Call { provider, kind, named, ask } = call;
    let failed = outcome.status.is_none_or(|status| status >= 400);
    let ms = |at: UtcMillis| u32::try_from(at.0 - outcome.began.0).ok();
    let (latency_ms, ttft_ms) = (ms(outcome.ended), outcome.first_bytes.and_then(ms));
    let reply = outcome.reply;
    let partial = !failed && (outcome.how != Ended::Whole || reply.as_ref().is_none_or(|reply| reply.partial));
    let (usage, named_model, response_id, price_context, stopped) = match reply {
        Some(reply) => (reply.usage, reply.model, reply.response_id, reply.price_context, reply.stopped),
        None => Default::default(),
    };
    let status = status(outcome.status, outcome.how, stopped.as_ref());
    let stream_error = match stopped {
        Some(Stop::Error(code)) => code,
        _ => None,
    };
    let error_code =
        stream_error.or(outcome.error_code).or_else(|| failed.then(|| http_code(outcome.status)).flatten());
    let facts = Facts { provider: &provider, at: outcome.began, usage: usage.as_ref(), context: &price_context };
    let turn = Turn {
        turn_index: named.turn_index,
        model: facts.model([named_model, ask.model, kind.model], prices),
        feature: named.feature.clone(),
        status,
        error_code,
        latency_ms,
        ttft_ms,
        user_chars: None,
        assistant_chars: None,
        usage,
        provider_usage: None,
        response_id,
        partial,
        witnessed: Some(if failed && usage.is_none() { Witnessed::NotBilled } else { Witnessed::Reported }),
        price_context,
        provider,
    };
    WireEvent { envelope: named.envelope(id, outcome.began), body: WireBody::Turn(turn) }
}

struct Facts<'a> {
    provider: &'a Label,
    at: UtcMillis,
    usage: Option<&'a Usage>,
    context: &'a PriceContext,
}

impl Facts<'_> {
    /// The first name that has a price: the reply's is the most telling, then the request's, then the path's.
    fn model(&self, names: [Option<Label>; 3], prices: &Prices) -> Label {
        let priced = |model: &&Label| {
            let facts = TurnFacts {
                provider: self.provider.as_str(),
                model: model.as_str(),
                at: self.at,
                usage: self.usage,
                provenance: Provenance::ProviderReported,
                context: self.context,
                latency_ms: Some(0),
                input_chars: None,
                output_chars: None,
            };
            matches!(prices.cost(&facts), Cost::Priced { .. })
        };
        let mut known = names.iter().flatten();
        let best = known.clone().find(priced).or_else(|| known.next());
        best.cloned().or_else(|| Label::parse("unknown").ok()).unwrap_or_else(|| self.provider.clone())
    }
}

fn status(status: Option<u16>, how: Ended, stopped: Option<&Stop>) -> TurnStatus {
    match (status, how, stopped) {
        (Some(408 | 504 | 524), ..) => TurnStatus::Timeout,
        (None | Some(400..), ..) => TurnStatus::Error,
        (_, Ended::Left, _) => TurnStatus::Cancelled,
        (_, Ended::Broken, _) | (.., Some(Stop::Error(_))) => TurnStatus::Error,
        (.., Some(Stop::Filtered)) => TurnStatus::Filtered,
        _ => TurnStatus::Ok,
    }
}

fn http_code(status: Option<u16>) -> Option<Label> {
    Label::parse(&status.map_or_else(|| "unreachable".to_owned(), |status| format!("http_{status}"))).ok()
}
