//! Spans by OTLP: to any collector, to Langfuse, to TraceRoot.
//!
//! HTTP with protobuf, by the rules of the OTLP specification for what is tried again and what is not. A span goes out
//! when it has ended, whether or not those around it have: see [`collect`]. What a span says, in whose words, is in
//! [`write`].

#[cfg(test)]
mod any;
mod collect;
mod conversation;
mod facts;
mod moments;
mod open;
mod request;
mod route;
mod send;
mod told_trace;
mod write;

use std::fmt;
use std::sync::Arc;

use self::collect::{Collector, Ready};
use self::open::Origin;
use self::route::Route;
use self::send::{Outbox, Sender};
pub use self::told_trace::TraceSpans;
use super::{Batch, ExportFuture, Exporter, ForChild, Receipt, Rejection, child};
use crate::config::{Config, ExporterKind};
use crate::error::{ConfigError, ExportError};
use crate::event::Event;

/// Sends spans by OTLP.
///
/// What is open is kept in memory, 32 MiB of it at most, and the spool keeps what it is known from, so that a process
/// that dies loses nothing: the next one sends the spans that are over by then, and those that will never be as failed,
/// with the `error.type` `interrupted`.
///
/// What happens at one moment (feedback, a signal, a score, a message) rides on the span that is open there or on the
/// root. When these have gone out already, it becomes a span of no length below them. What names no trace has no place
/// in OTLP and counts as rejected, under the code `no_trace`.
pub struct OtlpExporter {
    kind: ExporterKind,
    config: Config,
    sender: Sender,
    collector: Collector,
    outbox: Option<Outbox>,
}

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpExporter")
            .field("kind", &self.kind)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

impl OtlpExporter {
    /// To the address of the settings `otlp_…`, which are OpenTelemetry's variables. With the header
    /// `x-mlflow-experiment-id`, without which MLflow takes nothing, spans speak its words, too.
    ///
    /// Fails if the system's certificates cannot be read for an address that begins with `https:`.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::of_kind(ExporterKind::Otlp, config)
    }

    /// To Langfuse, with its keys. Fails as [`OtlpExporter::new`], or if there is a key missing.
    pub fn langfuse(config: &Config) -> Result<Self, ConfigError> {
        Self::of_kind(ExporterKind::Langfuse, config)
    }

    /// To TraceRoot, with its key. Fails as [`OtlpExporter::new`], or if there is no key.
    pub fn traceroot(config: &Config) -> Result<Self, ConfigError> {
        Self::of_kind(ExporterKind::TraceRoot, config)
    }

    pub(super) fn of_kind(kind: ExporterKind, config: &Config) -> Result<Self, ConfigError> {
        let route = Route::of(kind, config)?;
        Ok(Self {
            kind,
            collector: Collector::new(route.words),
            sender: Sender::new(route, config)?,
            config: config.clone(),
            outbox: None,
        })
    }

    async fn take(&mut self, batch: &Batch) -> Result<Receipt, ExportError> {
        // A batch that is tried again was taken before.
        if self.outbox.as_ref().is_none_or(|out| out.of != batch.id()) {
            self.outbox = Some(self.collect(batch));
        }
        self.send().await
    }

    /// Takes the events of a batch; what is over with them is to be sent.
    fn collect(&mut self, batch: &Batch) -> Outbox {
        let mut origin = Origin {
            writer: batch.writer().map(Arc::from),
            batch: batch.number(),
            index: 0,
        };
        let (mut ready, mut rejected) = (Vec::new(), Vec::new());
        let mut reject = |index, code: &str, message: String| {
            rejected.push(Rejection {
                index,
                code: code.to_owned(),
                message,
            });
        };
        for (index, event) in batch.parsed::<Event>().enumerate() {
            origin.index = index;
            match event {
                Ok(event) => {
                    if let Err((code, message)) = self.collector.take(&event, &origin, &mut ready) {
                        reject(index, code, message.to_owned());
                    }
                }
                Err(error) => reject(index, "unreadable", error.to_string()),
            }
        }
        if batch.is_again() {
            // It was sent by the process that died.
            ready.clear();
            rejected.clear();
        }
        Outbox::new(batch.id(), ready, rejected)
    }

    async fn gone(&mut self, writer: &str) -> Result<Receipt, ExportError> {
        let of = u128::MAX;
        if self.outbox.as_ref().is_none_or(|out| out.of != of) {
            let mut ready: Vec<Ready> = Vec::new();
            let writer = Some(writer).filter(|writer| !writer.is_empty());
            self.collector.interrupt(writer, &mut ready);
            self.outbox = Some(Outbox::new(of, ready, Vec::new()));
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<Receipt, ExportError> {
        if let Some(outbox) = &mut self.outbox {
            self.sender.send(outbox).await?;
        }
        let rejected = self.outbox.take().map(|out| out.rejected);
        Ok(Receipt {
            rejected: rejected.unwrap_or_default(),
            retryable: false,
        })
    }
}

impl Exporter for OtlpExporter {
    fn name(&self) -> &str {
        self.kind.as_str()
    }

    fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
        Box::pin(self.take(batch))
    }

    fn resumes(&self) -> bool {
        true
    }

    fn needs_from(&self, writer: Option<&str>) -> Option<u64> {
        self.collector.needs_from(writer)
    }

    fn for_child(&self) -> Option<ForChild> {
        let (kind, config) = (self.kind, self.config.clone());
        Some(Arc::new(move || match Self::of_kind(kind, &config) {
            Ok(exporter) => Box::new(exporter),
            Err(_) => child::absent(kind.as_str()),
        }))
    }

    fn writer_gone<'a>(&'a mut self, writer: &'a str) -> ExportFuture<'a> {
        Box::pin(self.gone(writer))
    }
}
