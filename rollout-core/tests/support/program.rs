//! A program that records, through the public interface.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use rollout_core::event::EventType;
use rollout_core::{Builder, Client, ExporterStats, FlushError, FlushReport, Stats};
use serde_json::json;

/// A client of its own, and the names of what it records.
pub struct Program {
    pub client: Client,
    prefix: &'static str,
    next: Cell<usize>,
}

impl Program {
    /// Starts a client with its spool in `dir`.
    pub fn start(dir: &Path, change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::named("event", dir, change)
    }

    /// The same, with this before the numbers of its events.
    pub fn named(
        prefix: &'static str,
        dir: &Path,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let builder = Client::builder()
            .dir(dir)
            .flush_interval(Duration::from_millis(20));
        Self {
            client: change(builder).build().unwrap(),
            prefix,
            next: Cell::new(0),
        }
    }

    /// Records events and returns their names.
    pub fn record(&self, count: usize) -> Vec<String> {
        let from = self.next.get();
        self.next.set(from + count);
        (from..from + count)
            .map(|number| {
                let name = format!("{}_{number}", self.prefix);
                let fields = json!({ "external_trace_id": "of the test", "name": name });
                self.client.capture_event(EventType::Metric, &fields);
                name
            })
            .collect()
    }

    pub fn flush(&self, within: Duration) -> FlushReport {
        loop {
            match self.client.blocking_flush(within) {
                // A machine with much to do.
                Err(FlushError::Busy) => {}
                report => return report.unwrap(),
            }
        }
    }

    pub fn stop(self, within: Duration) -> FlushReport {
        self.client.blocking_shutdown(within).unwrap()
    }

    pub fn stats(&self) -> Stats {
        self.client.stats()
    }

    /// The counts of the exporter `http`; zero before it has started.
    pub fn http(&self) -> ExporterStats {
        self.stats().exporters.remove("http").unwrap_or_default()
    }
}
