//! Requests: a client with our own TLS, and inserts that may be repeated.

use std::time::Duration;

use clickhouse::{Client, Compression, RowOwned, RowWrite};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::refusal::Refusal;
use super::rows::Rows;
use crate::config::{ClickHouseSettings, Config};
use crate::export::client::{CONNECT, tls};
use crate::export::uuid;

/// How long a connection waits for its next use: the server closes it after 3 s, or 10.
const IDLE: Duration = Duration::from_millis(2_500);

/// What is yet to be inserted of a batch.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The batch's id.
    pub(super) of: u128,
    rows: Rows,
}

impl Outbox {
    pub(super) fn new(of: u128, rows: Rows) -> Self {
        Self { of, rows }
    }
}

/// Inserts rows.
pub(super) struct Sender {
    client: Client,
    timeout: Duration,
}

impl Sender {
    /// Fails, in words, if the system's certificates cannot be read for an address that begins with `https:`.
    pub(super) fn new(settings: &ClickHouseSettings, config: &Config) -> Result<Self, String> {
        let url = settings.url();
        let https = url
            .get(..6)
            .is_some_and(|s| s.eq_ignore_ascii_case("https:"));
        let tls = tls(https).map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT.min(config.timeout())));
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
            .with_url(url)
            .with_database(settings.database())
            .with_user(settings.user())
            .with_compression(Compression::Lz4)
            .with_product_info("rollout-rust", env!("CARGO_PKG_VERSION"))
            // Many programs with small batches make few parts; and what is acknowledged is written.
            .with_setting("async_insert", "1")
            .with_setting("wait_for_async_insert", "1")
            .with_setting("insert_deduplicate", "1")
            .with_setting("async_insert_deduplicate", "1");
        if let Some(password) = settings.password() {
            client = client.with_password(password);
        }
        Ok(Self {
            client,
            timeout: config.timeout(),
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Forgets what was known of the tables' columns.
    pub(super) async fn look_again(&self) {
        self.client.clear_cached_metadata().await;
    }

    /// Inserts what is left of a batch, into all tables at once. What one has taken is not sent again.
    pub(super) async fn send(&self, outbox: &mut Outbox) -> Result<(), Refusal> {
        let batch = uuid(outbox.of);
        let rows = &mut outbox.rows;
        let results = futures::join!(
            self.insert("traces", &batch, &mut rows.traces),
            self.insert("spans", &batch, &mut rows.spans),
            self.insert("messages", &batch, &mut rows.messages),
            self.insert("events", &batch, &mut rows.events),
            self.insert("entity_metadata", &batch, &mut rows.metadata),
            self.insert("tags", &batch, &mut rows.tags),
        );
        let (traces, spans, messages, events, metadata, tags) = results;
        traces.and(spans)?;
        messages.and(events)?;
        metadata.and(tags)
    }

    /// Inserts rows as one block, known by the batch that they are of: one that was taken, and whose answer was lost,
    /// is not taken again, however late it was.
    async fn insert<T>(&self, table: &str, batch: &str, rows: &mut Vec<T>) -> Result<(), Refusal>
    where
        T: RowOwned + RowWrite,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let within = Some(self.timeout);
        let inserted = async {
            let insert = self.client.insert::<T>(table).await?;
            let mut insert = insert
                .with_setting("insert_deduplication_token", batch)
                .with_timeouts(within, within);
            for row in rows.iter() {
                insert.write(row).await?;
            }
            insert.end().await
        };
        inserted.await.map_err(|error| Refusal::of(&error))?;
        rows.clear();
        Ok(())
    }
}
