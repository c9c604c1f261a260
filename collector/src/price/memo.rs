//! Answers to questions about a provider and a model, kept: an app uses few models.

use std::cell::RefCell;

/// Answers kept, at most one a slot.
#[derive(Clone, Debug)]
pub(super) struct Memo<A>(Vec<Option<Kept<A>>>);

#[derive(Clone, Debug)]
struct Kept<A> {
    provider: Box<str>,
    name: Box<str>,
    answer: A,
}

/// 256 slots of at most 256 bytes of names: below 80 KiB an isolate.
const SLOTS: usize = 256;
const NAMES_BYTES_MAX: usize = 256;

impl<A: Clone> Memo<A> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The answer kept, or the one that `look_up` gives now.
    pub(super) fn get_or(memo: &RefCell<Self>, provider: &str, name: &str, look_up: impl FnOnce() -> A) -> A {
        if provider.len() + name.len() > NAMES_BYTES_MAX {
            return look_up();
        }
        let slot = slot_of(provider, name);
        let kept = memo.try_borrow().ok().and_then(|memo| memo.get(slot, provider, name));
        kept.unwrap_or_else(|| {
            let answer = look_up();
            if let Ok(mut memo) = memo.try_borrow_mut() {
                memo.put(slot, provider, name, answer.clone());
            }
            answer
        })
    }

    fn get(&self, slot: usize, provider: &str, name: &str) -> Option<A> {
        let kept = self.0.get(slot)?.as_ref()?;
        (*kept.name == *name && *kept.provider == *provider).then(|| kept.answer.clone())
    }

    fn put(&mut self, slot: usize, provider: &str, name: &str, answer: A) {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        if let Some(kept) = self.0.get_mut(slot) {
            *kept = Some(Kept { provider: provider.into(), name: name.into(), answer });
        }
    }
}

/// FNV-1a. Names that meet in a slot cost a look-up, no more.
fn slot_of(provider: &str, name: &str) -> usize {
    let bytes = provider.bytes().chain([0]).chain(name.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 16) as usize % SLOTS
}
