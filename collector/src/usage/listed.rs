//! Reads the counts where the price list says that a provider's replies keep them.

use schemas::Usage;

use super::ReadError;
use super::block::{Block, sum};
use crate::price::PriceBook;

/// Where one kind of reply keeps its counts; those of one unit are added up.
pub(crate) type Extractor = &'static [Mapping];

/// Where one count is kept.
pub(crate) struct Mapping {
    pub(crate) path: &'static [Step],
    /// Position in [`Usage::FIELDS`].
    pub(crate) at: u8,
    /// Without it, it is another kind of reply.
    pub(crate) required: bool,
}

/// A step into a usage block.
pub(crate) enum Step {
    /// A member of an object.
    Member(&'static str),
    /// Members of a list that hold this text in this field.
    Having(&'static str, &'static str),
}

/// The usage that `provider` states, by the list's names of an API, the first that the block fits; `None` where the list
/// does not know the provider's replies or the block is none of them.
pub(super) fn read(provider: &str, flavors: &[&str], block: Block) -> Result<Option<Usage>, ReadError> {
    let extractors = PriceBook::builtin().extractors(provider);
    let of = |flavor: &&str| extractors.iter().find(|(name, _)| name == flavor).map(|(_, extractor)| *extractor);
    for extractor in flavors.iter().filter_map(of) {
        if let Some(usage) = read_with(extractor, block)? {
            return Ok(Some(usage));
        }
    }
    Ok(None)
}

fn read_with(extractor: Extractor, block: Block) -> Result<Option<Usage>, ReadError> {
    let mut counts = [0; Usage::FIELDS.len()];
    let mut stated = false;
    for mapping in extractor {
        match count(block, mapping.path)? {
            Some(count) => {
                if let Some(slot) = counts.get_mut(usize::from(mapping.at)) {
                    *slot = sum(&[*slot, count]);
                }
                stated = true;
            }
            None if mapping.required => return Ok(None),
            None => {}
        }
    }
    Ok(stated.then(|| Usage::of_counts(counts)))
}

fn count(block: Block, path: &'static [Step]) -> Result<Option<u64>, ReadError> {
    match path {
        [Step::Member(name)] => block.count(name),
        [Step::Member(list), Step::Having(field, text), rest @ ..] => {
            let mut total = None;
            for member in block.list(list).filter(|member| member.is(field, text)) {
                if let Some(count) = count(member, rest)? {
                    total = Some(sum(&[total.unwrap_or(0), count]));
                }
            }
            Ok(total)
        }
        [Step::Member(part), rest @ ..] => block.part(part).map_or(Ok(None), |part| count(part, rest)),
        _ => Ok(None),
    }
}
