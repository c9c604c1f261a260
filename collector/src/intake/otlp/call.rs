//! Which spans are calls of a model. What wraps calls (agents, chains, tools, a library's outer span) tells the same tokens
//! again, and is none.

use schemas::order;

use super::Unreadable;
use super::conventions::Fact;
use super::span::Span;
use super::usage;
use crate::intake::EVENTS_MAX;

/// What a span does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A model was asked for text.
    Text,
    /// A model was asked for vectors: nothing is written.
    Embedding,
}

impl Call {
    /// What the span says that it is; `None` for everything that is no call of a model.
    ///
    /// The narrowest convention decides: the Vercel AI SDK's operation, OpenInference's kind, the GenAI operation, Traceloop's older
    /// type of request. Where there is none of them, provider, model and tokens together make a call.
    pub(super) fn of(span: &Span) -> Option<Self> {
        if let Some(operation) = span.text(Fact::VercelOperation) {
            return match operation.strip_prefix("ai.")?.split_once('.')?.1 {
                "doGenerate" | "doStream" => Some(Self::Text),
                "doEmbed" => Some(Self::Embedding),
                _ => None,
            };
        }
        if let Some(kind) = span.text(Fact::OpenInferenceKind) {
            return match kind {
                "LLM" => Some(Self::Text),
                "EMBEDDING" => Some(Self::Embedding),
                _ => None,
            };
        }
        if let Some(operation) = span.text(Fact::Operation).or_else(|| span.text(Fact::RequestType)) {
            return match operation {
                "chat" | "text_completion" | "generate_content" | "completion" => Some(Self::Text),
                "embeddings" | "embedding" => Some(Self::Embedding),
                _ => None,
            };
        }
        let counted = span.has(Fact::InputTokens) && span.has(Fact::OutputTokens);
        (counted && span.text(Fact::Provider).is_some() && span.text(Fact::Model).is_some()).then_some(Self::Text)
    }
}

/// Longest way up from a span that is gone.
const DEPTH_MAX: usize = 64;

/// The calls among the spans that no other call of this request tells in more detail, in order; each with the attributes of
/// the spans around it.
///
/// A call around others is told by them where one of them has its reply's id; where either side has no ids, where theirs are as
/// many tokens as its own. So it goes when two libraries watch the same call, and for spans that sum up a loop of calls.
///
/// # Errors
/// There are more than [`EVENTS_MAX`].
pub(super) fn innermost(mut spans: Vec<Span>) -> Result<Vec<(Call, Span)>, Unreadable> {
    let calls: Vec<Option<Call>> = spans.iter().map(Call::of).collect();
    if calls.iter().flatten().count() > EVENTS_MAX {
        return Err(Unreadable::TooManyCalls);
    }
    let ways_up = ways_up(&spans, &calls);
    let mut within: Vec<Vec<&Span>> = vec![Vec::new(); spans.len()];
    for (way, span) in ways_up.iter().zip(&spans) {
        let call = way.iter().find(|at| calls.get(**at).is_some_and(Option::is_some));
        if let Some(inner) = call.and_then(|at| within.get_mut(*at)) {
            inner.push(span);
        }
    }
    let told: Vec<bool> = spans.iter().zip(&within).map(|(span, inner)| is_told_by(span, inner)).collect();
    let attributes: Vec<_> = spans.iter().map(|span| span.attributes.clone()).collect();
    for (span, way) in spans.iter_mut().zip(ways_up) {
        span.outer = way.into_iter().filter_map(|at| attributes.get(at).cloned()).collect();
    }
    let all = spans.into_iter().zip(calls).zip(told);
    Ok(all.filter(|(_, told)| !told).filter_map(|((span, call), _)| Some((call?, span))).collect())
}

/// For each call the spans around it, the nearest first. Spans that are around each other are around nothing.
fn ways_up(spans: &[Span], calls: &[Option<Call>]) -> Vec<Vec<usize>> {
    let ids = spans.iter().enumerate().filter_map(|(at, span)| Some(((span.trace_id?, span.span_id?), at)));
    let by_id = order::map(ids);
    let parent = |at: usize| {
        let span = spans.get(at)?;
        by_id.get(&(span.trace_id?, span.parent_id?)).copied()
    };
    let way_up = |own: usize| {
        let way: Vec<usize> = std::iter::successors(parent(own), |at| parent(*at)).take(DEPTH_MAX).collect();
        if way.contains(&own) { Vec::new() } else { way }
    };
    calls.iter().enumerate().map(|(at, call)| if call.is_some() { way_up(at) } else { Vec::new() }).collect()
}

fn is_told_by(outer: &Span, inner: &[&Span]) -> bool {
    if inner.is_empty() {
        return false;
    }
    let ids: Vec<&str> = inner.iter().filter_map(|span| span.text(Fact::ResponseId)).collect();
    if let Some(id) = outer.text(Fact::ResponseId)
        && ids.len() == inner.len()
    {
        return ids.contains(&id);
    }
    let tokens = |span: &Span| {
        let told = usage::read(span, "", false).unwrap_or_default().usage.unwrap_or_default();
        (told.input_tokens, told.output_tokens)
    };
    let sums = inner
        .iter()
        .map(|span| tokens(span))
        .fold((0_u64, 0_u64), |sum, tokens| (sum.0.saturating_add(tokens.0), sum.1.saturating_add(tokens.1)));
    let own = tokens(outer);
    own.0 <= sums.0 && own.1 <= sums.1
}
