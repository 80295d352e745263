//! Why a store could not do what it was asked.

use std::fmt;

use rusqlite::ErrorCode;

use crate::prices::PricesError;

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// More waits to be written than may: to be tried again.
    Busy,
    /// The disk has no room left.
    Full(String),
    /// The store has stopped.
    Closed,
    /// The query's cursor is of another query, or of no query at all.
    Cursor,
    /// The events were read by somebody else meanwhile: look again from where the store is.
    Overtaken,
    /// What is registered is registered as something else.
    Conflict(String),
    /// What it is a part of is not registered.
    Unregistered(String),
    /// A table of prices cannot be used.
    Prices(PricesError),
    /// The database failed.
    Database(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the store is busy: try again"),
            Self::Full(detail) => write!(f, "the disk is full: {detail}"),
            Self::Closed => f.write_str("the store has stopped"),
            Self::Cursor => f.write_str("the cursor does not belong to this list: ask without one"),
            Self::Overtaken => {
                f.write_str("another process has read this part of the spool meanwhile")
            }
            Self::Conflict(detail) | Self::Unregistered(detail) => f.write_str(detail),
            Self::Prices(error) => write!(f, "prices: {error}"),
            Self::Database(detail) => write!(f, "the store failed: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<PricesError> for StoreError {
    fn from(error: PricesError) -> Self {
        Self::Prices(error)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            _ => Self::Database(error.to_string()),
        }
    }
}
