//! Exporters: they take batches of events and hand them over.
//!
//! Every exporter is a cursor over the spool, with batches, retries and a position of its own,
//! so that one that is slow or broken holds up no other. The exporter `local` is no code: it is
//! the spool itself, which then keeps its segments (see `spool`).

mod batch;
mod child;
#[cfg(feature = "clickhouse")]
mod clickhouse;
#[cfg(feature = "http")]
mod client;
mod console;
#[cfg(feature = "http")]
mod http;
mod memory;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "http")]
mod registry;
#[cfg(any(feature = "clickhouse", feature = "otlp"))]
mod told;

use std::future::Future;
use std::pin::Pin;

pub use self::batch::Batch;
pub(crate) use self::batch::uuid;
pub use self::child::ForChild;
pub(crate) use self::child::{Heir, in_child};
#[cfg(feature = "clickhouse")]
pub use self::clickhouse::ClickHouseExporter;
pub use self::console::ConsoleExporter;
#[cfg(feature = "http")]
pub use self::http::HttpExporter;
pub use self::memory::MemoryExporter;
#[cfg(feature = "otlp")]
pub use self::otlp::{OtlpExporter, TraceSpans};
use crate::config::{Config, ExporterKind};
use crate::error::{ConfigError, ExportError};

/// What [`Exporter::export`] returns.
pub type ExportFuture<'a> = Pin<Box<dyn Future<Output = Result<Receipt, ExportError>> + Send + 'a>>;

/// Takes batches of events and hands them over.
///
/// Its futures run on the worker's thread, inside a single-threaded tokio runtime with timers
/// and network. A future that blocks its thread holds up everything, so hand blocking work to a
/// thread of your own. Batches come one at a time, in order, each again until it is handed over
/// or refused; delivery is at least once, and `event_id` tells repetitions.
pub trait Exporter: Send + 'static {
    /// A short name for statistics, warnings and the cursor's file: lower-case letters, digits
    /// and `_`. Of two exporters with one name, the second is renamed `name_2`.
    fn name(&self) -> &str;

    /// Hands over a batch.
    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a>;

    /// Whether what one process leaves behind in its spool is sent by the next one that has
    /// an exporter of this name. If so, its cursor is kept on disk.
    fn resumes(&self) -> bool {
        false
    }

    /// How many times as much as `flush_at` and 1 MiB say makes a batch of this exporter: more than once for a store
    /// that likes few large inserts. Asked for once, at the start. What there is goes after `flush_interval` all the same.
    fn batch_scale(&self) -> usize {
        1
    }

    /// What makes the exporter that takes this one's place in a forked child (Unix).
    ///
    /// Asked for when the client starts, and called in each child that records, on the thread of the worker there. A
    /// child has no other threads of its parent's than the one that forked: what is made must use no lock, connection,
    /// thread or runtime that was there before. Without it, the child says once in the log that this exporter does not follow,
    /// and what it records stays in the spool, for the next process that has an exporter of this name that
    /// [`resumes`](Exporter::resumes).
    fn for_child(&self) -> Option<ForChild> {
        None
    }

    /// The number of the oldest batch of this writer that the exporter still needs, because something began there that is
    /// not over: say a span that is sent as a whole, when it has ended. Nothing, unless it says so.
    ///
    /// Asked for whenever a batch is done with. Delivery goes on, but what follows from there stays in the spool, and if
    /// this process dies, the next one that has an exporter of this name gets it [again](Batch::is_again). That is for
    /// exporters that [`resume`](Exporter::resumes), and only as far as the spool is on disk and what is kept takes no
    /// more than 64 MiB, or an eighth of the spool's bound; how much memory the exporter itself takes for what is open it
    /// has to bound by itself. `writer` is what [`Batch::writer`] says of the events.
    fn needs_from(&self, writer: Option<&str>) -> Option<u64> {
        let _ = writer;
        None
    }

    /// Says that a process has ended, and that all it recorded is handed over: what it left open will never end. It is
    /// said of processes that have ended without a word, and of this one where the exporter still [needs
    /// something](Exporter::needs_from) of it when the client shuts down. `writer` is what [`Batch::writer`] says of its
    /// events, and empty where that is nothing. What the receipt says to be rejected is counted, whatever its index. An
    /// error of the kind [`Retry`](ExportError::Retry) has it said again; of another one nobody hears.
    fn writer_gone<'a>(&'a mut self, writer: &'a str) -> ExportFuture<'a> {
        let _ = writer;
        Box::pin(std::future::ready(Ok(Receipt::all())))
    }
}

/// The other side took a batch, but for what it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The events of the batch that were refused; all others are delivered.
    pub rejected: Vec<Rejection>,
    /// Whether the refused ones may be taken at another time. They are then sent again a few
    /// times before they count as rejected.
    pub retryable: bool,
}

impl Receipt {
    /// The other side took all of it.
    pub fn all() -> Self {
        Self::default()
    }
}

/// One event that the other side refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its index in the batch.
    pub index: usize,
    /// The other side's word for why.
    pub code: String,
    /// The other side's explanation.
    pub message: String,
}

/// The exporters that `config` names, with the program's own after them.
#[cfg_attr(
    not(feature = "http"),
    expect(
        clippy::unnecessary_wraps,
        reason = "an address may be wrong with `http` only"
    )
)]
pub(crate) fn all(
    config: &Config,
    own: Vec<Box<dyn Exporter>>,
) -> Result<Vec<Box<dyn Exporter>>, ConfigError> {
    let mut exporters: Vec<Box<dyn Exporter>> = Vec::new();
    for kind in config.exporters() {
        match kind {
            ExporterKind::Local => {}
            #[cfg(feature = "http")]
            ExporterKind::Http => exporters.push(Box::new(HttpExporter::new(config)?)),
            // Refused where the configuration is resolved.
            #[cfg(not(feature = "http"))]
            ExporterKind::Http => {}
            #[cfg(feature = "http")]
            ExporterKind::Registry => {
                exporters.push(Box::new(registry::RegistryExporter::new(config)?));
            }
            #[cfg(not(feature = "http"))]
            ExporterKind::Registry => {}
            ExporterKind::Console => exporters.push(Box::new(ConsoleExporter::new())),
            #[cfg(feature = "otlp")]
            ExporterKind::Otlp | ExporterKind::Langfuse | ExporterKind::TraceRoot => {
                exporters.push(Box::new(OtlpExporter::of_kind(*kind, config)?));
            }
            #[cfg(not(feature = "otlp"))]
            ExporterKind::Otlp | ExporterKind::Langfuse | ExporterKind::TraceRoot => {}
            #[cfg(feature = "clickhouse")]
            ExporterKind::ClickHouse => exporters.push(Box::new(ClickHouseExporter::new(config)?)),
            #[cfg(not(feature = "clickhouse"))]
            ExporterKind::ClickHouse => {}
        }
    }
    exporters.extend(own);
    Ok(exporters)
}
