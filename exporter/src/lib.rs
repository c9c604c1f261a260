//! The lake: turns the log of a Shard into files on R2 or S3, so that no row is lost and none is there twice.
//!
//! - [`publish_bronze`] writes what the log holds beyond the last part as gzip NDJSON, minutes after it came in.
//! - [`nightly`] turns the log into Parquet and deletes the NDJSON parts that the Parquet replaces.
//! - [`publish_manifest`] lists a finished day's files with counts, digests and the intake balance.
//! - [`queue_erasure`] and [`erase_next`] take people out of files that stand.
//! - [`may_trim_before`] says how much of the log is in published Parquet and may go.
//!
//! Every function does a bounded amount of work and is called again for more. The order of writes is always: record the
//! plan in the object's own SQL ([`Ledger`]) → put the object, create-only → record that it stands → delete what it
//! replaces → record that too. After a crash the same call does the same again. Two calls that overlap (an object takes
//! other requests while it awaits R2) do no harm either: after every `await` the ledger is read again.
#![warn(missing_docs)]

mod bronze;
mod erasure;
mod error;
mod event_row;
mod export;
mod ledger;
mod log;
mod manifest;
#[cfg(test)]
mod memory;
mod nightly;
mod object_store;
mod parquet_file;
mod partition;
mod records;

#[cfg(test)]
mod fault_matrix;
#[cfg(test)]
mod sample;

pub use bronze::{BronzeReport, exported_to, publish_bronze};
pub use erasure::{ERASURE_DAYS_MAX, Erasure, erase_next, erasure, erasure_due, queue as queue_erasure};
pub use error::{ExportError, SqlError, StoreError};
pub use export::{Export, Limits};
pub use ledger::{Change, Ledger};
pub use log::{LogEnd, LogRange, LogRow, LogSource};
pub use manifest::{IntakeBalance, Manifest, ManifestReport, publish_manifest};
pub use nightly::{Nightly, nightly};
pub use object_store::{Listing, Object, ObjectInfo, ObjectStore, PutNew, Sha256};
pub use parquet_file::{Cell, ROW_GROUP_ROWS_MAX, TableWriter};
pub use partition::{Hour, ShardNo};
pub use records::{FileEntry, Part, Totals, may_trim_before};
