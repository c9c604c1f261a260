//! Packed models, sets and rates → what prices are looked up in; `build/prices.rs` packs them and says how.

use std::borrow::Cow;
use std::sync::OnceLock;

use schemas::UtcDay;
use schemas::packed::{PackedError, Reader};

use super::model::{Dated, Holds, Model, Rate, Set, Variant};

include!(concat!(env!("OUT_DIR"), "/packed_prices.rs"));

type Result<T> = std::result::Result<T, PackedError>;

/// A provider's models, unpacked when first asked for.
pub(super) struct Models {
    packed: &'static [u8],
    unpacked: OnceLock<Unpacked>,
}

#[derive(Default)]
pub(super) struct Unpacked {
    /// Names that mean one model, sorted, and the position of each one's model.
    pub(super) exact: Vec<(&'static str, u16)>,
    /// In the list's order: of two that match, the first holds.
    pub(super) models: Vec<Model>,
}

impl Models {
    pub(super) const fn new(packed: &'static [u8]) -> Self {
        Self { packed, unpacked: OnceLock::new() }
    }

    pub(super) fn get(&self) -> &Unpacked {
        // The build has written them, and a test reads them all.
        self.unpacked.get_or_init(|| unpacked(self.packed).unwrap_or_default())
    }
}

fn unpacked(packed: &'static [u8]) -> Result<Unpacked> {
    let input = &mut Reader(packed);
    let exact = several(input, |input| Ok((text(input)?, position(input)?)))?;
    let mut models = Vec::new();
    while !input.is_at_end() {
        models.push(model(input, &exact)?);
    }
    Ok(Unpacked { exact, models })
}

fn model(input: &mut Reader<'static>, exact: &[(&'static str, u16)]) -> Result<Model> {
    let id = match input.small_or_none()? {
        None => text(input)?,
        Some(name) => exact.get(name as usize).ok_or(PackedError)?.0,
    };
    let prices = several(input, dated)?;
    let variants = several(input, |input| {
        let when = several(input, |input| Ok((text(input)?, text(input)?)))?;
        Ok(Variant { when, price: dated(input)? })
    })?;
    Ok(Model { id, prices, variants })
}

fn dated(input: &mut Reader<'static>) -> Result<Dated> {
    let number = input.small()?;
    let set = sets().get((number / 3) as usize).ok_or(PackedError)?;
    let holds = match number % 3 {
        0 => Holds::Always,
        1 => Holds::From(input.small()?.try_into().map_err(|_| PackedError)?),
        _ => Holds::Daily(input.small()?, input.small()?),
    };
    Ok(Dated { holds, version: version(holds), set })
}

/// `genai-prices-0.2.3`, `…@2025-06-10`, `…@16:30Z`.
fn version(holds: Holds) -> Cow<'static, str> {
    match holds {
        Holds::Always => VERSION.into(),
        Holds::From(day) => format!("{}@{}", VERSION, UtcDay(day).start().utc_date()).into(),
        Holds::Daily(start, _) => {
            let minutes = start / 60_000;
            format!("{}@{:02}:{:02}Z", VERSION, minutes / 60, minutes % 60).into()
        }
    }
}

fn sets() -> &'static [Set] {
    static SETS: OnceLock<Vec<Set>> = OnceLock::new();
    SETS.get_or_init(|| {
        all(PACKED_SETS, |input| {
            let number = input.small()?;
            let rates = (0..number / 2).map(|_| {
                let unit = input.small()?.try_into().map_err(|_| PackedError)?;
                Ok((unit, rates().get(input.small()? as usize).ok_or(PackedError)?))
            });
            Ok(Set { rates: rates.collect::<Result<_>>()?, other_units: number % 2 == 1 })
        })
    })
}

fn rates() -> &'static [Rate] {
    static RATES: OnceLock<Vec<Rate>> = OnceLock::new();
    RATES.get_or_init(|| {
        all(PACKED_RATES, |input| {
            Ok(Rate { base: price(input)?, tiers: several(input, |input| Ok((input.unsigned()?, price(input)?)))? })
        })
    })
}

/// USD × 10^-24 of one.
fn price(input: &mut Reader<'static>) -> Result<u128> {
    let digits = u128::from(input.unsigned()?);
    10_u128.checked_pow(input.small()?).and_then(|up| digits.checked_mul(up)).ok_or(PackedError)
}

fn text(input: &mut Reader<'static>) -> Result<&'static str> {
    let length = input.count()?;
    std::str::from_utf8(input.take(length)?).map_err(|_| PackedError)
}

fn position(input: &mut Reader<'static>) -> Result<u16> {
    input.small()?.try_into().map_err(|_| PackedError)
}

fn several<T>(input: &mut Reader<'static>, read: impl Fn(&mut Reader<'static>) -> Result<T>) -> Result<Vec<T>> {
    (0..input.count()?).map(|_| read(input)).collect()
}

/// Rows up to the end; those before one that can't be read.
fn all<T>(packed: &'static [u8], read: impl Fn(&mut Reader<'static>) -> Result<T>) -> Vec<T> {
    let mut input = Reader(packed);
    std::iter::from_fn(|| (!input.is_at_end()).then(|| read(&mut input).ok()).flatten()).collect()
}
