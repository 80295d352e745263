//! Where ClickHouse is, and what is asked of it.

use super::secret::Secret;
use super::{Config, ExporterKind};
use crate::error::ConfigError;

/// The settings of the exporter `clickhouse`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClickHouseSettings {
    pub(super) url: Option<String>,
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret<String>>,
    pub(super) cluster: Option<String>,
    pub(super) ttl_days: usize,
}

impl ClickHouseSettings {
    /// Whether the exporter is asked for without being named.
    pub(super) fn is_asked_for(&self) -> bool {
        self.url.is_some()
    }

    /// What it lacks, if that is anything.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.url.is_some() {
            return Ok(());
        }
        let problem = "needs an address: set CLICKHOUSE_URL";
        let name = ExporterKind::ClickHouse.as_str();
        Err(ConfigError::new("exporters", Some(name), problem))
    }
}

#[cfg_attr(
    not(feature = "clickhouse"),
    expect(dead_code, reason = "the exporter is who asks")
)]
impl ClickHouseSettings {
    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.database.as_deref().unwrap_or_default()
    }

    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.as_str())
    }

    /// Whose replicas the tables are made on; one server, where that is nothing.
    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// How many days rows are kept, where that is said.
    pub(crate) fn ttl_days(&self) -> Option<usize> {
        Some(self.ttl_days).filter(|days| *days > 0)
    }
}

impl Config {
    #[cfg_attr(
        not(feature = "clickhouse"),
        expect(dead_code, reason = "the exporter is who asks")
    )]
    pub(crate) fn clickhouse(&self) -> &ClickHouseSettings {
        &self.clickhouse
    }

    /// The address of ClickHouse's HTTP interface, without slashes after it.
    pub fn clickhouse_url(&self) -> Option<&str> {
        self.clickhouse.url.as_deref()
    }

    /// The database that the tables are in.
    pub fn clickhouse_database(&self) -> &str {
        self.clickhouse.database.as_deref().unwrap_or_default()
    }
}
