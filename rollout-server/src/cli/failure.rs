//! Why a command failed, in words for the person who typed it.

use std::{fmt, io};

use crate::store::StoreError;

/// Why a command could not do what it was asked, and what to do about it.
#[derive(Debug)]
pub(super) enum Failure {
    /// Words for the person; the command ends with code 1.
    Told(String),
    /// Whoever reads the output has gone away: no failure at all.
    BrokenPipe,
}

impl Failure {
    /// A failure in words.
    pub(super) fn told(words: impl Into<String>) -> Self {
        Self::Told(words.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(words) => f.write_str(words),
            Self::BrokenPipe => f.write_str("nobody reads the output any more"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::told(format!("cannot write the output: {error}")),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::told(error.to_string())
    }
}
