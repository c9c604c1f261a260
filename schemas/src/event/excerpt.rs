//! What is counted of a turn, beside its line: spares a Shard reading the line, which is for the log and the lake.
//!
//! By hand, because this is written and read with every turn, and code that is derived for it takes twenty times the room.

use super::{
    AmountRange, CacheEffect, Cohort, Cost, Country, PriceContext, Provenance, Source, Turn, TurnStatus,
    UnpricedReason, UtcOffset,
};
use crate::packed::{PackedError, Reader, Writer};
use crate::{Body, Event, NanoUsd, Usage, UtcMillis, order};

/// Form of the bytes; to be raised with every change of them, because edges and Shards are not replaced at one instant.
const FORM: u8 = 1;

mod flag {
    pub(super) const USER: u8 = 1;
    pub(super) const CONVERSATION: u8 = 2;
    pub(super) const SESSION: u8 = 4;
    pub(super) const REPLY: u8 = 8;
    pub(super) const COHORT: u8 = 16;
    pub(super) const USAGE: u8 = 32;
    pub(super) const PARTIAL: u8 = 64;
    pub(super) const PRICED: u8 = 128;
    /// Of a price.
    pub(super) const RANGE: u8 = 1;
    pub(super) const CACHE: u8 = 2;
}

/// That of an event; empty of one that is no turn, or that says something beside itself.
#[must_use]
pub fn of(event: &Event) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(192));
    match &event.body {
        Body::Turn(turn) if event.aside.is_none() => write(&mut out, event, turn).map(|()| out.0).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Excerpts of events, in order, as the bytes that [`read`] reads; none where no event has one.
#[must_use]
pub fn join(excerpts: &[Vec<u8>]) -> Vec<u8> {
    if excerpts.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let mut out = Writer(Vec::with_capacity(1 + excerpts.iter().map(|excerpt| excerpt.len() + 2).sum::<usize>()));
    out.byte(FORM);
    for excerpt in excerpts {
        out.unsigned(excerpt.len() as u64);
        out.bytes(excerpt);
    }
    out.0
}

/// The events of these excerpts, in order, with all that is counted of them, prices without their units; none where the bytes are
/// none, or of another release: then there are the lines.
///
/// # Errors
/// They were not made by [`join`].
pub fn read(bytes: &[u8]) -> Result<Vec<Option<Event>>, PackedError> {
    let mut input = Reader(bytes);
    let mut events = Vec::new();
    if bytes.first() != Some(&FORM) {
        return Ok(events);
    }
    input.byte()?;
    while !input.is_at_end() {
        let length = input.count()?;
        let mut excerpt = Reader(input.take(length)?);
        events.push(if length > 0 { Some(event(&mut excerpt)?) } else { None });
        if !excerpt.is_at_end() {
            return Err(PackedError);
        }
    }
    Ok(events)
}

/// `None` for what has no place in its list.
fn place<T: PartialEq>(all: &[T], thing: &T) -> Option<u8> {
    all.iter().position(|other| other == thing).and_then(|place| u8::try_from(place).ok())
}

fn at<T: Copy>(all: &[T], place: u8) -> Result<T, PackedError> {
    all.get(usize::from(place)).copied().ok_or(PackedError)
}

fn write(out: &mut Writer, event: &Event, turn: &Turn) -> Option<()> {
    let has = |flag, there| if there { flag } else { 0 };
    let cohort = Some(&event.cohort).filter(|cohort| !cohort.is_empty());
    out.byte(
        has(flag::USER, event.user.is_some())
            | has(flag::CONVERSATION, event.conversation.is_some())
            | has(flag::SESSION, event.session.is_some())
            | has(flag::REPLY, event.reply.is_some())
            | has(flag::COHORT, cohort.is_some())
            | has(flag::USAGE, turn.usage.is_some())
            | has(flag::PARTIAL, turn.partial)
            | has(flag::PRICED, turn.cost.nano_usd().is_some()),
    );
    out.key(&event.id);
    out.signed(event.ts.0);
    out.byte(place(&Source::ALL, &event.source)?);
    event.user.iter().for_each(|key| out.key(key));
    event.conversation.iter().for_each(|key| out.key(key));
    event.session.iter().for_each(|key| out.key(key));
    event.reply.iter().for_each(|key| out.key(key));
    if let Some(Cohort { country, utc_offset_minutes, plan, guest }) = cohort {
        out.bytes(country.as_ref().map_or("\0\0", Country::as_str).as_bytes());
        out.signed(utc_offset_minutes.map_or(i64::MAX, |offset| offset.minutes().into()));
        out.label_or_none(plan.as_ref());
        out.small_or_none(guest.map(u32::from));
    }
    out.small_or_none(turn.turn_index);
    out.label(&turn.provider);
    out.label(&turn.model);
    out.label_or_none(turn.feature.as_ref());
    out.byte(place(&TurnStatus::ALL, &turn.status)?);
    out.label_or_none(turn.error_code.as_ref());
    [turn.latency_ms, turn.ttft_ms, turn.user_chars, turn.assistant_chars]
        .into_iter()
        .for_each(|number| out.small_or_none(number));
    if let Some(usage) = &turn.usage {
        let counts = usage.counts();
        let stated = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        out.unsigned(stated.clone().count() as u64);
        for (place, count) in stated {
            out.unsigned(place as u64);
            out.unsigned(*count);
        }
    }
    out.unsigned(turn.price_context.len() as u64);
    for (name, value) in &turn.price_context {
        out.label(name);
        out.label(value);
    }
    match &turn.cost {
        Cost::Priced { nano_usd, price_version, tier, provenance, units: _, range, cache } => {
            out.byte(has(flag::RANGE, range.is_some()) | has(flag::CACHE, cache.is_some()));
            out.signed(nano_usd.0);
            out.label(price_version);
            out.label(tier);
            out.byte(place(&Provenance::ALL, provenance)?);
            if let Some(AmountRange { low, high }) = range {
                out.signed(low.0);
                out.signed(high.0);
            }
            if let Some(CacheEffect { saved, write_premium }) = cache {
                out.signed(saved.0);
                out.signed(write_premium.0);
            }
        }
        Cost::Unpriced { unpriced } => out.byte(place(&UnpricedReason::ALL, unpriced)?),
    }
    Some(())
}

fn event(input: &mut Reader<'_>) -> Result<Event, PackedError> {
    let flags = input.byte()?;
    let has = |flag| flags & flag > 0;
    Ok(Event {
        id: input.key()?,
        ts: UtcMillis(input.signed()?),
        source: at(&Source::ALL, input.byte()?)?,
        user: has(flag::USER).then(|| input.key()).transpose()?,
        conversation: has(flag::CONVERSATION).then(|| input.key()).transpose()?,
        session: has(flag::SESSION).then(|| input.key()).transpose()?,
        reply: has(flag::REPLY).then(|| input.key()).transpose()?,
        cohort: if has(flag::COHORT) { cohort(input)? } else { Cohort::default() },
        body: Body::Turn(Turn {
            turn_index: input.small_or_none()?,
            provider: input.label()?,
            model: input.label()?,
            feature: input.label_or_none()?,
            status: at(&TurnStatus::ALL, input.byte()?)?,
            error_code: input.label_or_none()?,
            latency_ms: input.small_or_none()?,
            ttft_ms: input.small_or_none()?,
            user_chars: input.small_or_none()?,
            assistant_chars: input.small_or_none()?,
            usage: has(flag::USAGE).then(|| usage(input)).transpose()?,
            partial: has(flag::PARTIAL),
            price_context: price_context(input)?,
            cost: if has(flag::PRICED) {
                price(input)?
            } else {
                Cost::Unpriced { unpriced: at(&UnpricedReason::ALL, input.byte()?)? }
            },
        }),
        aside: None,
    })
}

fn cohort(input: &mut Reader<'_>) -> Result<Cohort, PackedError> {
    let country = match input.take(2)? {
        [0, 0] => None,
        letters => Some(std::str::from_utf8(letters).ok().and_then(Country::parse).ok_or(PackedError)?),
    };
    let utc_offset_minutes = match input.signed()? {
        i64::MAX => None,
        minutes => Some(i16::try_from(minutes).ok().and_then(UtcOffset::new).ok_or(PackedError)?),
    };
    let (plan, guest) = (input.label_or_none()?, input.small_or_none()?.map(|guest| guest > 0));
    Ok(Cohort { country, utc_offset_minutes, plan, guest })
}

fn usage(input: &mut Reader<'_>) -> Result<Usage, PackedError> {
    let mut counts = [0; Usage::FIELDS.len()];
    for _ in 0..input.count()? {
        let place = input.small()? as usize;
        *counts.get_mut(place).ok_or(PackedError)? = input.unsigned()?;
    }
    Ok(Usage::of_counts(counts))
}

fn price_context(input: &mut Reader<'_>) -> Result<PriceContext, PackedError> {
    let pairs: Result<Vec<_>, _> = (0..input.count()?).map(|_| Ok((input.label()?, input.label()?))).collect();
    pairs.map(order::map)
}

fn price(input: &mut Reader<'_>) -> Result<Cost, PackedError> {
    let flags = input.byte()?;
    Ok(Cost::Priced {
        nano_usd: NanoUsd(input.signed()?),
        price_version: input.label()?,
        tier: input.label()?,
        provenance: at(&Provenance::ALL, input.byte()?)?,
        units: Vec::new(),
        range: (flags & flag::RANGE > 0)
            .then(|| Ok(AmountRange { low: NanoUsd(input.signed()?), high: NanoUsd(input.signed()?) }))
            .transpose()?,
        cache: (flags & flag::CACHE > 0)
            .then(|| Ok(CacheEffect { saved: NanoUsd(input.signed()?), write_premium: NanoUsd(input.signed()?) }))
            .transpose()?,
    })
}

#[cfg(test)]
#[path = "excerpt_test.rs"]
mod tests;
