//! Prices of other services: speech, storage, compute, delivery, databases.

use schemas::{Label, NanoUsd, Quantity, UtcDay, UtcMillis};

use super::amount::divided;
use super::own::{OwnPrices, ServicePrice};
use super::{PriceBook, Prices};

/// What an amount of a service costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAmount {
    /// Rounded once, half to even.
    pub nano_usd: NanoUsd,
    /// The list that the price is of, and the day from which it holds: `own@2026-01-01`.
    pub price_version: Label,
}

/// Why an amount of a service has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// No price of that item, provider and day.
    #[error("has no price on that day; add it to prices.toml as [[service]], or send nano_usd")]
    UnknownItem,
    /// The amount exceeds [`NanoUsd`].
    #[error("is too large for this item's price")]
    TooLarge,
}

impl Prices {
    /// What `quantity` of `item` costs; the operator's own prices win over those of the build.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub fn service(
        &self,
        item: &str,
        provider: Option<&str>,
        quantity: &Quantity,
        at: UtcMillis,
    ) -> Result<ServiceAmount, ServiceError> {
        let day = UtcDay::of(at).0;
        let (item, provider) = (item.to_ascii_lowercase(), provider.map(str::to_ascii_lowercase));
        let holds = |price: &&ServicePrice| {
            price.item == item && (price.provider.is_none() || price.provider == provider) && price.period.holds(day)
        };
        let price = self.services.iter().rev().find(holds).ok_or(ServiceError::UnknownItem)?;
        let nano_usd = amount(price, quantity).ok_or(ServiceError::TooLarge)?;
        let price_version = Label::parse(&price.version).map_err(|_| ServiceError::UnknownItem)?;
        Ok(ServiceAmount { nano_usd, price_version })
    }

    /// The services that the build knows: `schemas/prices/services.toml`, and what the price list prices by the hour or by
    /// the character.
    pub(super) fn builtin_services() -> Option<Vec<ServicePrice>> {
        let read = |text, name| OwnPrices::read(&serde_json::from_str(text).ok()?, name).ok();
        let own = read(include_str!(concat!(env!("OUT_DIR"), "/services.json")), "services")?;
        let listed =
            read(include_str!(concat!(env!("OUT_DIR"), "/listed_services.json")), PriceBook::builtin().version())?;
        Some([own.services, listed.services].concat())
    }
}

fn amount(price: &ServicePrice, quantity: &Quantity) -> Option<NanoUsd> {
    const NANO: u32 = 9;
    let ((price_digits, price_decimals), (digits, decimals)) = (price.price.parts(), quantity.parts());
    let product = price_digits.checked_mul(digits)?;
    let decimals = price_decimals + decimals;
    let (up, down) = (NANO.saturating_sub(decimals), decimals.saturating_sub(NANO));
    let nanos = product.checked_mul(10_u128.checked_pow(up)?)?;
    let by = 10_u128.checked_pow(down)?.checked_mul(u128::from(price.per))?;
    i64::try_from(divided(nanos, by)?).ok().map(NanoUsd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(
        own: &str,
        item: &str,
        provider: Option<&str>,
        quantity: &str,
        at: &str,
    ) -> Result<(i64, String), ServiceError> {
        let prices = Prices::load(own, None).unwrap();
        let quantity = Quantity::parse(quantity).unwrap();
        let amount = prices.service(item, provider, &quantity, UtcMillis::parse_rfc3339(at).unwrap())?;
        Ok((amount.nano_usd.0, amount.price_version.to_string()))
    }

    const OWN: &str = r#"{"service": [
        {"item": "tts", "price": "0.000015", "per": 1, "from": "2026-01-01"},
        {"item": "tts", "price": "0.00003", "from": "2026-02-01", "until": "2026-03-01"},
        {"item": "tts", "price": "3", "per": "7", "provider": "acme"},
        {"item": "huge", "price": "999999999"}]}"#;

    #[test]
    fn the_last_price_that_holds_wins() {
        let at = |item, provider, quantity, day: &str| cost(OWN, item, provider, quantity, &format!("{day}T00:00:00Z"));
        let own = |nanos, version: &str| Ok((nanos, version.to_owned()));
        assert_eq!(at("tts", None, "1000", "2026-01-31"), own(15_000_000, "own@2026-01-01"));
        assert_eq!(at("TTS", Some("x"), "1000.5", "2026-02-28"), own(30_015_000, "own@2026-02-01"));
        assert_eq!(at("tts", None, "1", "2026-03-01"), own(15_000, "own@2026-01-01"));
        assert_eq!(at("tts", Some("Acme"), "1", "2020-03-01"), own(428_571_429, "own"));
        assert_eq!(at("tts", None, "1", "2025-12-31"), Err(ServiceError::UnknownItem));
        assert_eq!(at("stt", None, "1", "2026-03-01"), Err(ServiceError::UnknownItem));
        assert_eq!(at("huge", None, "999999999999999", "2026-03-01"), Err(ServiceError::TooLarge));
        assert_eq!(at("huge", None, "0", "2026-03-01"), own(0, "own"));
    }

    #[test]
    fn the_build_knows_platform_and_speech() {
        let at = |item, quantity| cost("{}", item, None, quantity, "2026-11-20T00:00:00Z");
        assert_eq!(at("cloudflare/r2/class_a_operations", "1000000").unwrap().0, 4_500_000_000);
        let (nanos, version) = at("openai/whisper-1/audio_seconds", "60").unwrap();
        assert_eq!((nanos, version.starts_with(PriceBook::builtin().version())), (6_000_000, true));
        assert_eq!(at("openai/tts-1/input_characters", "1000000").unwrap().0, 15_000_000_000);
    }
}
