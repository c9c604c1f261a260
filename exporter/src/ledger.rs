//! The exporter's memory in the object's own SQL: plans, positions and done marks.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{ExportError, SqlError};

/// Records by key, kept through a crash. In SQLite: `CREATE TABLE export(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID`.
pub trait Ledger {
    /// The record of that key.
    ///
    /// # Errors
    /// [`SqlError`]; absence is `None`, not an error.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, SqlError>;

    /// The first `limit` records whose keys start with `prefix`, in the order of bytes. `prefix` is ASCII.
    ///
    /// # Errors
    /// [`SqlError`].
    fn scan(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, SqlError>;

    /// Applies all changes or none, durably before any object is written after it (an object's output gate does that).
    ///
    /// # Errors
    /// [`SqlError`]; then none of them took effect.
    fn commit(&self, changes: &[Change]) -> Result<(), SqlError>;
}

/// A change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes the record, whether or not there was one.
    Put(String, Vec<u8>),
    /// Removes the record; that there is none is fine.
    Remove(String),
}

/// Reads a record; `T::default()` where there is none.
pub(crate) fn load<T: DeserializeOwned + Default>(ledger: &impl Ledger, key: &str) -> Result<T, ExportError> {
    ledger.get(key)?.map_or_else(|| Ok(T::default()), |value| decode(key, &value))
}

/// Reads a record's value.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, ExportError> {
    serde_json::from_slice(value)
        .map_err(|error| ExportError::Bug(format!("ledger record {key:?} is not readable: {error}")))
}

/// A change that writes `value`.
pub(crate) fn store<T: Serialize>(key: impl Into<String>, value: &T) -> Result<Change, ExportError> {
    let key = key.into();
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(Change::Put(key, bytes)),
        Err(error) => Err(ExportError::Bug(format!("ledger record {key:?} is not writable: {error}"))),
    }
}
