//! Spans of a trace that somebody tells who has kept it.

use std::fmt;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::collect::{Collector, Ready};
use super::open::Origin;
use super::request::request;
use super::write::Words;
use crate::config::OtlpSettings;
use crate::event::Event;

/// Makes the spans of events that [`OtlpExporter`](super::OtlpExporter) would send of them, in our own words.
pub struct TraceSpans {
    collector: Collector,
    origin: Origin,
    ready: Vec<Ready>,
    bytes: usize,
}

impl fmt::Debug for TraceSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSpans")
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

impl Default for TraceSpans {
    fn default() -> Self {
        Self {
            collector: Collector::new(Words::Own),
            origin: Origin {
                writer: None,
                batch: 0,
                index: 0,
            },
            ready: Vec::new(),
            bytes: 0,
        }
    }
}

impl TraceSpans {
    /// Takes an event, in the order in which they happened. Fails, with words, on what names no trace by a W3C id.
    pub fn take(&mut self, event: &Event) -> Result<(), &'static str> {
        let before = self.ready.len();
        let taken = self.collector.take(event, &self.origin, &mut self.ready);
        self.weigh(before);
        taken.map_err(|(_, message)| message)
    }

    /// Ends, as interrupted, what has not ended.
    pub fn interrupt(&mut self) {
        let before = self.ready.len();
        self.collector.interrupt(None, &mut self.ready);
        self.weigh(before);
    }

    fn weigh(&mut self, before: usize) {
        let new = self.ready.iter().skip(before);
        self.bytes += new.map(|ready| ready.span.encoded_len()).sum::<usize>();
    }

    /// Bytes that the spans take which have ended and are not in a request, in binary.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A request of these spans; `None` where there are none.
    pub fn request(&mut self) -> Option<ExportTraceServiceRequest> {
        self.bytes = 0;
        let ready = std::mem::take(&mut self.ready);
        (!ready.is_empty()).then(|| request(&ready, &OtlpSettings::default()))
    }
}
