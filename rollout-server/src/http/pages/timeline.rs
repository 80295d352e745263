//! Where a span's bar lies in the waterfall.

use jiff::Timestamp;

use crate::{present, query::SpanRow};

/// The stretch of time that a trace's waterfall shows.
#[derive(Clone, Copy)]
pub(super) struct Timeline {
    start: Option<Timestamp>,
    length_ms: f64,
}

impl Timeline {
    /// From the start of a trace, over its duration; of one that runs, up to now.
    pub(super) fn new(start: Option<Timestamp>, duration_ms: Option<f64>, now: Timestamp) -> Self {
        let running = start.map(|start| present::since_ms(start, now));
        Self {
            start,
            length_ms: duration_ms.or(running).unwrap_or(0.0).max(0.001),
        }
    }

    /// The length in milliseconds.
    pub(super) fn length_ms(self) -> f64 {
        self.length_ms
    }

    /// Milliseconds from the start of the trace to that of the span.
    pub(super) fn offset_ms(self, span: &SpanRow) -> f64 {
        self.since_start_ms(span.started_at)
    }

    /// Milliseconds from the start of the trace to a moment; 0 where one of them is not known.
    pub(super) fn since_start_ms(self, at: Option<Timestamp>) -> f64 {
        match (self.start, at) {
            (Some(start), Some(at)) => present::since_ms(start, at),
            _ => 0.0,
        }
    }

    /// Start and width of the span's bar in per cent, so that the shortest and latest is seen.
    pub(super) fn bar(self, span: &SpanRow) -> (f64, f64) {
        let offset = self.offset_ms(span).min(self.length_ms);
        let most = self.length_ms - offset;
        let width = span.duration_ms.unwrap_or(most).min(most);
        (
            (offset / self.length_ms * 100.0).min(99.4),
            (width / self.length_ms * 100.0).max(0.3),
        )
    }
}
