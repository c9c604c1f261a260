//! Names → provider and model.

use std::borrow::Cow;
use std::cell::RefCell;

use schemas::event::UnpricedReason;

use super::book::{PriceBook, Provider};
use super::memo::Memo;
use super::model::Model;
use super::unpack::Unpacked;
use crate::usage::listed::Extractor;

/// A model found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) model: &'static Model,
    /// It is the provider's own, not one it falls back to. Variants hold for its own only.
    pub(super) own: bool,
}

type Answer = Result<Found, UnpricedReason>;

impl PriceBook {
    /// The model that `provider` and `name` mean. Case and space around the provider do not matter.
    ///
    /// Answers are kept, because a large provider has hundreds of conditions to try and an app uses few models.
    pub(super) fn find(&self, provider: &str, name: &str) -> Answer {
        thread_local! {
            static MEMO: RefCell<Memo<Answer>> = const { RefCell::new(Memo::new()) };
        }
        MEMO.with(|memo| Memo::get_or(memo, provider, name, || self.look_up(provider, name)))
    }

    /// Where the provider's replies keep their counts, by API; nothing for a provider that the list does not know.
    pub(crate) fn extractors(&self, provider: &str) -> &'static [(&'static str, Extractor)] {
        self.provider(&lower(provider)).map_or(&[], |provider| provider.extractors)
    }

    /// The model of this very id, `provider/model`.
    pub(super) fn model_of_id(&self, provider: &str, id: &str) -> Option<&'static Model> {
        let provider = self.providers.iter().find(|candidate| candidate.id == provider)?;
        provider.models.get().models.iter().find(|model| model.id == id)
    }

    fn look_up(&self, provider: &str, name: &str) -> Answer {
        let (mut provider, name) = (lower(provider), lower(name));
        let mut name = name.as_ref();
        if provider == "litellm"
            && let Some((prefix, rest)) = name.split_once('/')
            && self.provider(prefix).is_some()
        {
            (provider, name) = (Cow::Owned(prefix.to_owned()), rest);
        }
        let found = self.provider(&provider).or_else(|| {
            let by_model =
                |candidate: &&&Provider| candidate.model_matching.as_ref().is_some_and(|clause| clause.matches(name));
            self.providers.iter().filter(|_| provider == "litellm").find(by_model).copied()
        });
        let found = found.ok_or(UnpricedReason::UnknownProvider)?;
        found.model(name).or_else(|| found.model(&with_dashed_dates(name)?)).ok_or(UnpricedReason::UnknownModel)
    }

    fn provider(&self, name: &str) -> Option<&'static Provider> {
        let name = name.trim();
        let named = self.providers.iter().find(|provider| provider.id == name);
        let matching = |provider: &&&Provider| provider.matching.as_ref().is_some_and(|clause| clause.matches(name));
        named.or_else(|| self.providers.iter().find(matching)).copied()
    }
}

impl Provider {
    fn model(&'static self, name: &str) -> Option<Found> {
        let own = self.own_model(name).map(|model| Found { model, own: true });
        own.or_else(|| {
            self.fallbacks.iter().find_map(|other| Some(Found { model: other.own_model(name)?, own: false }))
        })
    }

    fn own_model(&'static self, name: &str) -> Option<&'static Model> {
        let Unpacked { exact, models } = self.models.get();
        let exact = exact.binary_search_by(|(text, _)| (*text).cmp(name)).ok().and_then(|at| exact.get(at));
        let before = exact.map_or(u16::MAX, |(_, model)| *model);
        let earlier = self.clauses.iter().take_while(|(_, model)| *model < before);
        let found = earlier.into_iter().find(|(clause, _)| clause.matches(name)).map(|(_, model)| *model);
        models.get(usize::from(found.or(exact.map(|(_, model)| *model))?))
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) { text.into() } else { text.to_lowercase().into() }
}

/// `gpt-5.2-20251211` as `gpt-5.2-2025-12-11`, for names of gateways; `None` where there is no such date.
fn with_dashed_dates(name: &str) -> Option<String> {
    let mut dashed = String::with_capacity(name.len() + 2);
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('-') {
        dashed.push_str(before);
        dashed.push('-');
        rest = after;
        if let Some((date, tail)) = after.split_at_checked(8).filter(|(date, tail)| is_date(date) && ends_date(tail))
            && let (Some(year), Some(month), Some(day)) = (date.get(..4), date.get(4..6), date.get(6..))
        {
            dashed.extend([year, "-", month, "-", day]);
            rest = tail;
        }
    }
    dashed.push_str(rest);
    (dashed != name).then_some(dashed)
}

fn ends_date(tail: &str) -> bool {
    tail.is_empty() || tail.starts_with(['-', ':'])
}

/// A day of the years 2000–2099, `YYYYMMDD`.
fn is_date(text: &str) -> bool {
    let part = |range| text.get(range).and_then(|digits: &str| digits.parse::<u32>().ok());
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(4..6), part(6..8)) else { return false };
    let days = match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    text.bytes().all(|b| b.is_ascii_digit()) && (2000..2100).contains(&year) && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn id(provider: &str, name: &str) -> Result<&'static str, UnpricedReason> {
        PriceBook::builtin().find(provider, name).map(|found| found.model.id)
    }

    #[test]
    fn names_find_their_model_whatever_the_case() {
        for _first_and_kept in 0..2 {
            assert_eq!(id("anthropic", "claude-sonnet-4-5-20250929"), id("Anthropic ", "Claude-Sonnet-4-5"));
            assert_eq!(id("azure", "gpt-4o"), id("openai", "gpt-4o"));
            assert_eq!(id("litellm", "openai/gpt-4o"), id("openai", "gpt-4o"));
            assert_eq!(id("litellm", "gpt-4o"), id("openai", "gpt-4o"));
            assert_eq!(id("nobody", "gpt-4o"), Err(UnpricedReason::UnknownProvider));
            assert_eq!(id("openai", "no-such-model"), Err(UnpricedReason::UnknownModel));
            assert_eq!(id("", ""), Err(UnpricedReason::UnknownProvider));
        }
    }

    #[test]
    fn compact_dates_become_dashed() {
        for (name, dashed) in [
            ("gpt-5.2-20251211", Some("gpt-5.2-2025-12-11")),
            ("a-20240229-b-20250131:free", Some("a-2024-02-29-b-2025-01-31:free")),
            ("a-20250229", None),
            ("a-202512110", None),
            ("a-2025121", None),
            ("a20251211", None),
            ("gpt-ä2025121", None),
            ("", None),
        ] {
            assert_eq!(with_dashed_dates(name).as_deref(), dashed, "{name}");
        }
    }

    #[test]
    fn every_model_of_the_list_is_there() {
        let list: Value = serde_json::from_str(include_str!("../../../schemas/prices/genai-prices.json")).unwrap();
        for (ours, theirs) in PriceBook::builtin().providers.iter().zip(list["providers"].as_array().unwrap()) {
            let Unpacked { exact, models } = ours.models.get();
            let theirs = theirs["models"].as_array().unwrap();
            assert_eq!(models.len(), theirs.len(), "{}", ours.id);
            for (ours, theirs) in models.iter().zip(theirs) {
                assert_eq!(ours.id, theirs["id"]);
                assert_eq!(ours.prices.len(), theirs["prices"].as_array().unwrap().len(), "{}", ours.id);
            }
            assert!(exact.iter().all(|(_, at)| usize::from(*at) < models.len()), "{}", ours.id);
            assert!(exact.is_sorted_by_key(|(name, _)| *name), "{}", ours.id);
            assert!(ours.clauses.is_sorted_by_key(|(_, at)| *at), "{}", ours.id);
        }
    }
}
