//! Where a store is.

use std::{fmt, path::PathBuf, str::FromStr};

#[cfg(feature = "clickhouse")]
use super::ClickHouseAddress;

/// Where a store is: `sqlite:PATH`, or the address of a database of ClickHouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorePlace {
    /// In a file below the server's directory.
    #[default]
    Dir,
    /// In this file.
    File(PathBuf),
    /// In a database of ClickHouse.
    #[cfg(feature = "clickhouse")]
    ClickHouse(ClickHouseAddress),
}

impl StorePlace {
    /// Takes a password for a database whose address has none.
    pub fn or_password(self, password: Option<String>) -> Self {
        match self {
            #[cfg(feature = "clickhouse")]
            Self::ClickHouse(address) => Self::ClickHouse(address.or_password(password)),
            place => {
                drop(password);
                place
            }
        }
    }

    /// Whether it is a database that several machines share.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Dir | Self::File(_))
    }
}

impl FromStr for StorePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err("sqlite: wants a file behind it".to_owned());
            }
            return Ok(Self::File(path.into()));
        }
        #[cfg(feature = "clickhouse")]
        if text.contains("://") {
            return text.parse().map(Self::ClickHouse);
        }
        #[cfg(not(feature = "clickhouse"))]
        if text.contains("://") {
            return Err(
                "this program is built without ClickHouse: build it with the feature `clickhouse`"
                    .to_owned(),
            );
        }
        Err("a store is sqlite:PATH or clickhouse://USER:PASSWORD@HOST:PORT/DATABASE".to_owned())
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir => f.write_str("the directory"),
            Self::File(path) => path.display().fmt(f),
            #[cfg(feature = "clickhouse")]
            Self::ClickHouse(address) => address.fmt(f),
        }
    }
}
