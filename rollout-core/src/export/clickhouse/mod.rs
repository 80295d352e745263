//! Traces into ClickHouse.
//!
//! An event is read by itself and becomes rows that say what it says ([`read`]): a span that starts and ends in two
//! batches is two rows. The engine folds them into one, by rules that do not mind what comes twice: later values over
//! earlier ones, the earliest beginning, sets. So nothing of what is open is kept here, and nothing is lost with it; what
//! is sent again after a crash changes nothing. `docs/clickhouse.md` tells how the tables are read.

mod days;
mod read;
mod refusal;
mod rows;
mod schema;
mod send;

use std::fmt;
use std::sync::Arc;

use self::days::Days;
use self::read::Reader;
use self::refusal::Refusal;
use self::send::{Outbox, Sender};
use super::{Batch, ExportFuture, Exporter, ForChild, Receipt, Rejection, child};
use crate::config::Config;
use crate::error::{ConfigError, ExportError};
use crate::event::Event;

const NAME: &str = "clickhouse";

/// Every insert makes a part in every table, however small it is: few large ones are what the engine is made for. This
/// is 4096 events, or 8 MiB.
const BATCH_SCALE: usize = 8;

/// Inserts traces into ClickHouse: the tables `traces`, `spans`, `messages`, `events`, `entity_metadata` and `tags`,
/// which it makes and brings up to date on first use.
///
/// Delivery is at least once, and the tables make it once: read with `FINAL`, a row that came twice is one. What the
/// server cannot do now is tried again. A wrong password, a user who may not insert, or tables of these names that are
/// somebody else's stop the exporter, with one warning; events then wait in the spool.
pub struct ClickHouseExporter {
    config: Config,
    sender: Sender,
    days: Days,
    outbox: Option<Outbox>,
    rejected: Vec<Rejection>,
    /// Whether the tables are what they should be.
    is_ready: bool,
    /// Whether one of them was missing although they were.
    anew: bool,
}

impl fmt::Debug for ClickHouseExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseExporter")
            .field("settings", self.config.clickhouse())
            .finish_non_exhaustive()
    }
}

impl ClickHouseExporter {
    /// To the address of the settings `clickhouse_…`.
    ///
    /// Fails if there is none, or if the system's certificates cannot be read for one that begins with `https:`.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let settings = config.clickhouse();
        settings.check()?;
        let sender = Sender::new(settings, config)
            .map_err(|problem| ConfigError::new("clickhouse_url", Some(settings.url()), problem))?;
        Ok(Self {
            sender,
            config: config.clone(),
            days: Days::default(),
            outbox: None,
            rejected: Vec::new(),
            is_ready: false,
            anew: false,
        })
    }

    async fn take(&mut self, batch: &Batch) -> Result<Receipt, ExportError> {
        // A batch that is tried again was read before.
        if self.outbox.as_ref().is_none_or(|out| out.of != batch.id()) {
            self.read(batch);
        }
        self.send().await.map_err(|refusal| self.error(refusal))?;
        self.outbox = None;
        Ok(Receipt {
            rejected: std::mem::take(&mut self.rejected),
            retryable: false,
        })
    }

    fn read(&mut self, batch: &Batch) {
        self.rejected.clear();
        let mut reader = Reader::new(&mut self.days, batch.writer());
        let texts = batch.events().map(String::from_utf8_lossy);
        for (index, (event, text)) in batch.parsed::<Event>().zip(texts).enumerate() {
            match event {
                Ok(event) => reader.take(&event, &text),
                Err(error) => self.rejected.push(Rejection {
                    index,
                    code: "unreadable".to_owned(),
                    message: error.to_string(),
                }),
            }
        }
        self.outbox = Some(Outbox::new(batch.id(), reader.finish()));
    }

    async fn send(&mut self) -> Result<(), Refusal> {
        self.prepare().await?;
        let Some(outbox) = &mut self.outbox else {
            return Ok(());
        };
        let sent = self.sender.send(outbox).await;
        if sent.as_ref().is_err_and(Refusal::misses_table) {
            // Somebody has dropped it: it is made again when the batch is tried again.
            self.is_ready = false;
            self.anew = true;
        }
        sent
    }

    async fn prepare(&mut self) -> Result<(), Refusal> {
        if self.is_ready {
            return Ok(());
        }
        let client = self.sender.client();
        schema::prepare(client, self.config.clickhouse(), self.anew).await?;
        self.sender.look_again().await;
        self.is_ready = true;
        self.anew = false;
        Ok(())
    }

    /// Says of what a process has left open that nobody will end it.
    async fn interrupt(&mut self, writer: &str) -> Result<(), Refusal> {
        self.prepare().await?;
        for statement in INTERRUPT {
            let query = self.sender.client().query_raw(statement);
            let query = query.with_setting("param_writer", writer);
            query.execute().await.map_err(|error| Refusal::of(&error))?;
        }
        Ok(())
    }

    fn error(&self, refusal: Refusal) -> ExportError {
        let password = self.config.clickhouse().password().unwrap_or_default();
        refusal.into_export_error(password)
    }
}

/// The rows that say so of spans and traces. Said twice, they say it once.
const INTERRUPT: [&str; 2] = [
    "INSERT INTO spans (day, trace_id, span_id, end_status) SELECT day, trace_id, span_id, 'interrupted' FROM spans \
     FINAL WHERE writer = {writer:String} AND ended_at IS NULL AND end_status IS NULL",
    "INSERT INTO traces (day, trace_id, end_status) SELECT day, trace_id, 'interrupted' FROM traces \
     FINAL WHERE writer = {writer:String} AND ended_at IS NULL AND end_status IS NULL",
];

impl Exporter for ClickHouseExporter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(self.take(batch))
    }

    fn resumes(&self) -> bool {
        true
    }

    fn batch_scale(&self) -> usize {
        BATCH_SCALE
    }

    fn for_child(&self) -> Option<ForChild> {
        let config = self.config.clone();
        Some(Arc::new(move || match Self::new(&config) {
            Ok(exporter) => Box::new(exporter),
            Err(_) => child::absent(NAME),
        }))
    }

    fn writer_gone<'a>(&'a mut self, writer: &'a str) -> ExportFuture<'a> {
        Box::pin(async move {
            match self.interrupt(writer).await {
                Ok(()) => Ok(Receipt::all()),
                Err(refusal) => Err(self.error(refusal)),
            }
        })
    }
}
