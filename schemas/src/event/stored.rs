//! Events as the log keeps them: turns packed, a quarter of their line; all others, which are few, as their line of JSON.
//!
//! By hand, because this is written and read with every turn, and code that is derived for it takes twenty times the room.

use std::borrow::Cow;

use super::{
    AmountRange, Aside, CacheEffect, Cohort, Cost, Country, PriceContext, Provenance, Source, Turn, TurnStatus,
    UnitAmount, UnpricedReason, UtcOffset,
};
use crate::packed::{PackedError, Reader, Writer};
use crate::{Body, Event, Label, NanoUsd, Usage, UtcMillis, order};

/// Form of a packed turn, its first byte. A change of it is another form beside this one: rows of years hold it, and edges and Shards are
/// not replaced at one instant, so that Shards must read a form before edges write it.
const FORM: u8 = 1;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

mod flag {
    pub(super) const USER: u8 = 1;
    pub(super) const CONVERSATION: u8 = 2;
    pub(super) const SESSION: u8 = 4;
    pub(super) const REPLY: u8 = 8;
    pub(super) const COHORT: u8 = 16;
    pub(super) const USAGE: u8 = 32;
    pub(super) const PARTIAL: u8 = 64;
    pub(super) const ASIDE: u8 = 128;
    /// Of a cost.
    pub(super) const PRICED: u8 = 1;
    pub(super) const RANGE: u8 = 2;
    pub(super) const CACHE: u8 = 4;
}

/// Adds an event.
pub fn push(events: &mut Vec<u8>, event: &Event) {
    let start = events.len();
    events.extend_from_slice(&[0; LENGTH_BYTES]);
    let mut out = Writer(std::mem::take(events));
    let packed = match &event.body {
        Body::Turn(turn) => write(&mut out, event, turn).is_some(),
        _ => false,
    };
    *events = out.0;
    if !packed {
        events.truncate(start + LENGTH_BYTES);
        // Fails for no event.
        let _ = serde_json::to_writer(&mut *events, event);
    }
    let length = u32::try_from(events.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    events.iter_mut().skip(start).zip(length).for_each(|(slot, byte)| *slot = byte);
}

/// Adds an event that stands elsewhere.
pub fn push_stored(events: &mut Vec<u8>, stored: StoredEvent<'_>) {
    events.extend_from_slice(&(stored.0.len() as u32).to_le_bytes());
    events.extend_from_slice(stored.0);
}

/// One event of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredEvent<'a>(&'a [u8]);

/// The events, in order; the last is an error where they break off.
pub fn events(bytes: &[u8]) -> impl Iterator<Item = Result<StoredEvent<'_>, PackedError>> {
    let mut input = Reader(bytes);
    std::iter::from_fn(move || {
        (!input.is_at_end()).then(|| {
            let mut next = || {
                let length = u32::from_le_bytes(input.take(LENGTH_BYTES)?.try_into().map_err(|_| PackedError)?);
                input.take(length as usize).map(StoredEvent)
            };
            next().inspect_err(|_| input = Reader(&[]))
        })
    })
}

/// The events, a line of JSON each.
///
/// # Errors
/// The bytes are not what [`push`] made.
pub fn lines(bytes: &[u8]) -> Result<Vec<u8>, PackedError> {
    let mut lines = Vec::with_capacity(bytes.len() * 4);
    for event in events(bytes) {
        lines.extend_from_slice(event?.line()?.as_bytes());
        lines.push(b'\n');
    }
    Ok(lines)
}

impl<'a> StoredEvent<'a> {
    /// The event.
    ///
    /// # Errors
    /// The bytes are not what [`push`] made.
    // Inline, so that reading a line, which is seldom, is compiled with its caller: small.
    #[inline]
    pub fn event(self) -> Result<Event, PackedError> {
        match self.0 {
            [FORM, rest @ ..] => unpacked(rest),
            line => {
                let line = std::str::from_utf8(line).map_err(|_| PackedError)?;
                Event::from_line(line).map_err(|_| PackedError)
            }
        }
    }

    /// How many bytes [`push_stored`] adds.
    #[must_use]
    pub fn bytes(self) -> usize {
        LENGTH_BYTES + self.0.len()
    }

    /// Its line of JSON, without its end.
    ///
    /// # Errors
    /// The bytes are not what [`push`] made.
    pub fn line(self) -> Result<Cow<'a, str>, PackedError> {
        match self.0 {
            [FORM, rest @ ..] => unpacked(rest)?.to_line().map(Cow::Owned).map_err(|_| PackedError),
            line => std::str::from_utf8(line).map(Cow::Borrowed).map_err(|_| PackedError),
        }
    }
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
    out.byte(FORM);
    out.byte(
        has(flag::USER, event.user.is_some())
            | has(flag::CONVERSATION, event.conversation.is_some())
            | has(flag::SESSION, event.session.is_some())
            | has(flag::REPLY, event.reply.is_some())
            | has(flag::COHORT, cohort.is_some())
            | has(flag::USAGE, turn.usage.is_some())
            | has(flag::PARTIAL, turn.partial)
            | has(flag::ASIDE, event.aside.is_some()),
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
        Cost::Priced { nano_usd, price_version, tier, provenance, units, range, cache } => {
            out.byte(flag::PRICED | has(flag::RANGE, range.is_some()) | has(flag::CACHE, cache.is_some()));
            out.signed(nano_usd.0);
            out.label(price_version);
            out.label(tier);
            out.byte(place(&Provenance::ALL, provenance)?);
            out.unsigned(units.len() as u64);
            for UnitAmount { unit, count, nano_usd } in units {
                let place = Usage::FIELDS.iter().position(|field| *field == unit.as_str());
                out.unsigned(place.map_or(0, |place| place as u64 + 1));
                if place.is_none() {
                    out.label(unit);
                }
                out.unsigned(*count);
                out.signed(nano_usd.0);
            }
            if let Some(AmountRange { low, high }) = range {
                out.signed(low.0);
                out.signed(high.0);
            }
            if let Some(CacheEffect { saved, write_premium }) = cache {
                out.signed(saved.0);
                out.signed(write_premium.0);
            }
        }
        Cost::Unpriced { unpriced } => {
            out.byte(0);
            out.byte(place(&UnpricedReason::ALL, unpriced)?);
        }
    }
    if let Some(aside) = &event.aside {
        serde_json::to_writer(&mut out.0, aside).ok()?;
    }
    Some(())
}

fn unpacked(bytes: &[u8]) -> Result<Event, PackedError> {
    let mut input = Reader(bytes);
    let event = read(&mut input)?;
    if input.is_at_end() { Ok(event) } else { Err(PackedError) }
}

fn read(input: &mut Reader<'_>) -> Result<Event, PackedError> {
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
            cost: cost(input)?,
        }),
        aside: if has(flag::ASIDE) { aside(input)? } else { None },
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

fn cost(input: &mut Reader<'_>) -> Result<Cost, PackedError> {
    let flags = input.byte()?;
    let has = |flag| flags & flag > 0;
    if !has(flag::PRICED) {
        return Ok(Cost::Unpriced { unpriced: at(&UnpricedReason::ALL, input.byte()?)? });
    }
    let amount = |input: &mut Reader<'_>| input.signed().map(NanoUsd);
    Ok(Cost::Priced {
        nano_usd: amount(input)?,
        price_version: input.label()?,
        tier: input.label()?,
        provenance: at(&Provenance::ALL, input.byte()?)?,
        units: (0..input.count()?).map(|_| unit(input)).collect::<Result<_, _>>()?,
        range: has(flag::RANGE).then(|| Ok(AmountRange { low: amount(input)?, high: amount(input)? })).transpose()?,
        cache: has(flag::CACHE)
            .then(|| Ok(CacheEffect { saved: amount(input)?, write_premium: amount(input)? }))
            .transpose()?,
    })
}

fn unit(input: &mut Reader<'_>) -> Result<UnitAmount, PackedError> {
    let unit = match input.small()?.checked_sub(1) {
        None => input.label()?,
        Some(place) => {
            let field = Usage::FIELDS.get(place as usize).ok_or(PackedError)?;
            Label::parse(field).map_err(|_| PackedError)?
        }
    };
    Ok(UnitAmount { unit, count: input.unsigned()?, nano_usd: NanoUsd(input.signed()?) })
}

/// All that is left.
fn aside(input: &mut Reader<'_>) -> Result<Option<Box<Aside>>, PackedError> {
    let rest = std::str::from_utf8(input.take(input.0.len())?).map_err(|_| PackedError)?;
    serde_json::from_str(rest).map(Some).map_err(|_| PackedError)
}

#[cfg(test)]
#[path = "stored_test.rs"]
mod tests;
