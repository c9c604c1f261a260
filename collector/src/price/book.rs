//! The price list, as the build step made it: statics, and models in packed form that are read when their provider is first asked for.

use super::clause::Clause;
use super::model::UNITS_COUNT;
use super::unpack::{self, Models};
use crate::usage::listed::Extractor;

/// The list of one version.
pub struct PriceBook {
    pub(super) version: &'static str,
    pub(super) providers: &'static [&'static Provider],
}

impl PriceBook {
    /// The list that this build holds.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: PriceBook = PriceBook { version: unpack::VERSION, providers: tables::PROVIDERS };
        &BUILTIN
    }

    /// Version of the list, `genai-prices-0.2.3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.version
    }
}

/// Who runs models.
pub(super) struct Provider {
    pub(super) id: &'static str,
    pub(super) matching: Option<Clause>,
    pub(super) model_matching: Option<Clause>,
    /// Whose models hold where it has none of that name.
    pub(super) fallbacks: &'static [&'static Provider],
    /// Where its replies keep their counts, by the list's name of the API.
    pub(super) extractors: &'static [(&'static str, Extractor)],
    /// Every condition but that a name is this one, and the model it means, in the list's order.
    pub(super) clauses: &'static [(Clause, u16)],
    pub(super) models: Models,
}

/// A price unit.
pub(super) struct Unit {
    pub(super) name: &'static str,
    /// Bit `i`: unit `i` is part of this one.
    pub(super) nested: u64,
}

/// What the build step wrote.
pub(super) mod tables {
    use super::super::clause::Clause;
    use super::super::pattern::Inst;
    use super::{Models, Provider, UNITS_COUNT, Unit};
    use crate::usage::listed::{Mapping, Step};

    include!(concat!(env!("OUT_DIR"), "/prices.rs"));
}
