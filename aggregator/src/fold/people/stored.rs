//! Facts as they are stored: by page, which is the first byte of the key, and stretch of time.

use std::collections::BTreeSet;

use schemas::{UtcDay, UtcMillis};

use super::facts::{Owner, ThreadId};
use super::segment;
use super::words::Words;
use crate::fold::CodecError;

/// UTC days of a stretch of time whose facts are stored together: a person's month is read and written, not their years.
pub const STRETCH_DAYS: i32 = 32;

/// A stretch of time, counted from 1970.
pub type Stretch = i32;

/// Facts as they are stored.
pub trait Stored {
    /// The stored facts of a page, by stretch, ascending.
    ///
    /// # Errors
    /// When storage fails.
    fn page(&self, page: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError>;

    /// The stretches that facts of a page are stored of.
    ///
    /// # Errors
    /// When storage fails.
    fn stretches(&self, page: u16) -> Result<Vec<Stretch>, CodecError> {
        Ok(self.page(page)?.into_iter().map(|(at, _)| at).collect())
    }

    /// The stored facts of one stretch of a page.
    ///
    /// # Errors
    /// When storage fails.
    fn stretch(&self, page: u16, stretch: Stretch) -> Result<Option<Vec<u8>>, CodecError> {
        Ok(self.page(page)?.into_iter().find(|(at, _)| *at == stretch).map(|(_, bytes)| bytes))
    }
}

/// No facts are stored.
impl Stored for () {
    fn page(&self, _: u16) -> Result<Vec<(Stretch, Vec<u8>)>, CodecError> {
        Ok(Vec::new())
    }
}

/// What is new for storage.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// Facts by page and stretch, whole.
    pub segments: Vec<((u16, Stretch), Vec<u8>)>,
    /// Pages.
    pub pages: Vec<(u16, Vec<u8>)>,
}

/// Owners and threads of a page in storage.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    owners: BTreeSet<Owner>,
    threads: BTreeSet<(Owner, ThreadId)>,
}

impl Names {
    /// Those of a page.
    pub(super) fn read(page: u16, stored: &dyn Stored) -> Result<Self, CodecError> {
        let mut read = Self::default();
        let mut words = Words::default();
        for (_, bytes) in stored.page(page)? {
            for (owner, facts) in segment::decode(&bytes, &mut words)? {
                read.threads.extend(facts.threads.keys().map(|thread| (owner, *thread)));
                read.owners.insert(owner);
            }
        }
        Ok(read)
    }

    /// Is the owner there, or a thread of theirs?
    pub(super) fn contain(&self, owner: Owner, thread: Option<ThreadId>) -> bool {
        thread.map_or_else(|| self.owners.contains(&owner), |thread| self.threads.contains(&(owner, thread)))
    }
}

/// The stretch that an instant lies in, milliseconds since 1970.
pub(super) fn stretch_of(at_ms: i64) -> Stretch {
    UtcDay::of(UtcMillis(at_ms)).0.div_euclid(STRETCH_DAYS)
}

/// The page of an owner, by the first half of the key.
pub(super) fn page_number(belongs_to: u64) -> u16 {
    u16::try_from(belongs_to >> 56).unwrap_or(0)
}
