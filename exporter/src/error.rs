//! Errors, typed by what the caller does next.

/// Why an object store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, timed out or asked to slow down. Whether the write took effect is not known: ask again.
    #[error("object store did not answer: {0}")]
    Retry(String),
    /// It refused: permission, missing bucket, size. Asking again changes nothing until an operator has acted.
    #[error("object store refused: {0}")]
    Reject(String),
}

/// The object's own SQL failed: nothing of that call took effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sql failed: {0}")]
pub struct SqlError(pub String);

/// Why an export step did not finish. Whatever had been done by then is kept, and the next call goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Call again later, with a growing pause.
    #[error("{0}; will be tried again")]
    Retry(String),
    /// Log at ERROR: an operator has to act. Calling again is harmless.
    #[error("{0}; check the bucket and its permissions")]
    Reject(String),
    /// Log at ERROR: log, ledger and lake contradict each other. Nothing was overwritten, nothing trimmed.
    #[error("{0}; nothing was overwritten")]
    Bug(String),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Retry(_) => Self::Retry(error.to_string()),
            StoreError::Reject(_) => Self::Reject(error.to_string()),
        }
    }
}

impl From<SqlError> for ExportError {
    fn from(error: SqlError) -> Self {
        Self::Retry(error.to_string())
    }
}
