//! Requests to the server: what is asked, what is inserted, and what a refusal means.

use std::time::Duration;

use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite, error::Error};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::runtime::Handle;

use super::address::ClickHouseAddress;
use crate::store::StoreError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection waits for its next use: the server closes it after 3 s, or 10.
const IDLE: Duration = Duration::from_millis(2_500);
/// How long an insert may take.
const INSERT: Duration = Duration::from_mins(1);
/// How long a question may take.
const ASK: Duration = Duration::from_mins(2);

/// `MEMORY_LIMIT_EXCEEDED`, `TIMEOUT_EXCEEDED`, `TOO_MANY_SIMULTANEOUS_QUERIES`, `TOO_MANY_PARTS`, `TABLE_IS_READ_ONLY`,
/// `NO_ZOOKEEPER`, `KEEPER_EXCEPTION`: what waiting cures.
const BUSY: [u32; 7] = [241, 159, 202, 252, 242, 225, 999];
/// `NOT_ENOUGH_SPACE`.
const FULL: u32 = 243;

/// A database of a server.
pub(super) struct Database {
    client: Client,
    handle: Handle,
    pub(super) address: ClickHouseAddress,
}

impl Database {
    pub(super) fn new(address: ClickHouseAddress, handle: Handle) -> Result<Self, StoreError> {
        let tls = tls(address.url.starts_with("https:"))
            .map_err(|error| StoreError::Database(format!("TLS cannot be set up: {error}")))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        let mut client = Client::with_http_client(http)
            .with_url(&address.url)
            .with_database(&address.database)
            .with_user(&address.user)
            .with_compression(Compression::Lz4)
            .with_product_info("rollout-server", env!("CARGO_PKG_VERSION"));
        if let Some(password) = &address.password {
            client = client.with_password(password);
        }
        Ok(Self {
            client,
            handle,
            address,
        })
    }

    /// All rows that a query gives.
    pub(super) fn rows<T: RowOwned + RowRead>(&self, sql: &str) -> Result<Vec<T>, StoreError> {
        let asked = self.client.query_raw(sql).fetch_all::<T>();
        self.handle.block_on(async {
            match tokio::time::timeout(ASK, asked).await {
                Ok(rows) => rows.map_err(|error| self.refusal(&error)),
                Err(_) => Err(StoreError::Database(format!(
                    "ClickHouse has not answered within {} s",
                    ASK.as_secs()
                ))),
            }
        })
    }

    /// The one row that a query gives.
    pub(super) fn row<T: RowOwned + RowRead>(&self, sql: &str) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql)?.into_iter().next())
    }

    /// Inserts rows as one block: when this returns, they are written.
    pub(super) fn insert<T: RowOwned + RowWrite>(
        &self,
        table: &str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let inserted = async {
            let insert = self.client.insert::<T>(table).await?;
            let mut insert = insert.with_timeouts(Some(INSERT), Some(INSERT));
            for row in rows {
                insert.write(row).await?;
            }
            insert.end().await
        };
        self.handle
            .block_on(inserted)
            .map_err(|error| self.refusal(&error))
    }

    /// Does something, in the database or (`aside`) in none.
    pub(super) fn execute(&self, sql: &str, aside: bool) -> Result<(), Error> {
        let client = if aside {
            self.client.clone().with_database("")
        } else {
            self.client.clone()
        };
        self.handle.block_on(client.query_raw(sql).execute())
    }

    /// Why something was not done, in our words.
    pub(super) fn refusal(&self, error: &Error) -> StoreError {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        if let Some(password) = self.address.password.as_deref().filter(|it| !it.is_empty()) {
            text = text.replace(password, "[redacted]");
        }
        let text: String = text.chars().take(600).collect();
        match code(error) {
            Some(code) if BUSY.contains(&code) => {
                log::warn!("ClickHouse is busy: {text}");
                StoreError::Busy
            }
            Some(FULL) => StoreError::Full(text),
            Some(_) => StoreError::Database(text),
            None => StoreError::Database(format!("ClickHouse at {}: {text}", self.address.url)),
        }
    }
}

/// The server's code for an error, if it is one of the server's.
pub(super) fn code(error: &Error) -> Option<u32> {
    let Error::BadResponse(text) = error else {
        return None;
    };
    let (_, after) = text.split_once("Code: ")?;
    let digits = after.find(|c: char| !c.is_ascii_digit());
    after[..digits.unwrap_or(after.len())].parse().ok()
}

/// TLS by ring, given explicitly: the process's own choice of a provider is left alone. Without `https` no certificate of
/// the system is read.
fn tls(https: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if https {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

/// A text as SQL has it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\0' => quoted.push_str("\\0"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Several texts as a list.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("({})", quoted.join(", "))
}
