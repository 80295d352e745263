//! Traces written to a file, in a form that somebody else reads.
//!
//! Of a store of any size, no more is in memory at a time than a page of the list and what is being written of one
//! trace.

mod chat;
mod ndjson;
mod otlp;
#[cfg(feature = "parquet")]
mod parquet;
mod score;

use std::{fmt, io, io::Write};

pub(crate) use self::score::Threshold;
use crate::{
    query::{Filter, MAX_TRACES, TraceQuery, TraceSummary},
    store::{Store, StoreError},
};

/// In which form traces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Events as `rollout import` and the ingest API take them, one a line: nothing is lost
    Ndjson,
    /// OpenTelemetry's spans as OTLP's JSON, a request a line
    Otlp,
    /// A table of spans, compressed by zstd
    #[cfg(feature = "parquet")]
    Parquet,
    /// Conversations to train a model with, one a line, as OpenAI's fine-tuning takes them
    Chat,
}

impl Format {
    /// Whether it is no text.
    pub(crate) fn is_binary(self) -> bool {
        match self {
            Self::Ndjson | Self::Otlp | Self::Chat => false,
            #[cfg(feature = "parquet")]
            Self::Parquet => true,
        }
    }
}

/// In which form a single trace is written: [`Format`] has what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TraceFormat {
    Ndjson,
    Otlp,
}

/// Which traces are written.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// What they must have.
    pub(crate) filter: Filter,
    /// The scores that they must have.
    pub(crate) scores: Vec<Threshold>,
    /// How many at most, the newest.
    pub(crate) limit: Option<u64>,
}

/// What was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) traces: u64,
    /// What could not be written, by the reason, and how often.
    pub(crate) left_out: Vec<(&'static str, u64)>,
}

/// Why traces could not be written.
#[derive(Debug)]
pub(crate) enum ExportError {
    Store(StoreError),
    Output(io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

/// Writes one form.
trait Writer {
    /// Writes a trace. Returns whether there was anything of it to be written.
    fn trace(&mut self, store: &dyn Store, trace: &TraceSummary) -> Result<bool, ExportError>;

    /// Writes what is left. Returns what could not be written, by the reason.
    fn finish(self: Box<Self>) -> Result<Vec<(&'static str, u64)>, ExportError>;
}

/// Writes one trace as events or as OTLP's spans. Returns whether there was anything of it to be written.
pub(crate) fn export_trace(
    store: &dyn Store,
    trace: &TraceSummary,
    format: TraceFormat,
    out: &mut (dyn Write + Send),
) -> Result<bool, ExportError> {
    let mut writer: Box<dyn Writer + '_> = match format {
        TraceFormat::Ndjson => Box::new(ndjson::Ndjson::new(out)),
        TraceFormat::Otlp => Box::new(otlp::Otlp::new(out)),
    };
    let found = writer.trace(store, trace)?;
    writer.finish()?;
    Ok(found)
}

/// Writes the traces of a store that are wanted, the newest first.
pub(crate) fn export(
    store: &dyn Store,
    wanted: Selection,
    format: Format,
    with_metadata: bool,
    out: &mut (dyn Write + Send),
) -> Result<Written, ExportError> {
    let mut writer: Box<dyn Writer + '_> = match format {
        Format::Ndjson => Box::new(ndjson::Ndjson::new(out)),
        Format::Otlp => Box::new(otlp::Otlp::new(out)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Parquet::new(out)?),
        Format::Chat => Box::new(chat::Chats::new(out, with_metadata)),
    };
    let mut written = Written::default();
    let mut query = TraceQuery {
        filter: wanted.filter,
        limit: MAX_TRACES,
        cursor: None,
        ascending: false,
    };
    let most = wanted.limit.unwrap_or(u64::MAX);
    'pages: while written.traces < most {
        let page = store.traces(&query)?;
        for trace in &page.traces {
            if written.traces == most {
                break 'pages;
            }
            if !score::reaches(&trace.scores, &wanted.scores) {
                continue;
            }
            written.traces += u64::from(writer.trace(store, trace)?);
        }
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    written.left_out = writer.finish()?;
    written.left_out.retain(|(_, count)| *count > 0);
    Ok(written)
}
