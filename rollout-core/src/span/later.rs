//! What a span says once the worker has worked it out.

use super::emit;
use super::handle::{Span, SpanEnd};
use super::record::{EndStatus, RecordKind};
use super::update::SpanUpdate;
use crate::capture::Words;

/// How a span ends of which more is said later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself; an error that is said later marks it failed.
    Done,
    /// It was given up.
    Cancelled,
}

impl Span {
    /// Like [`update`](Span::update), with changes that are worked out on the worker's thread, soon after.
    ///
    /// `bytes` is what `update` holds on to: it counts against the bound of the queues, and where that is reached the
    /// changes are dropped and counted. An `update` that panics costs itself.
    pub fn update_later(&self, bytes: usize, update: impl FnOnce() -> SpanUpdate + Send + 'static) {
        if self.is_recording() {
            let names = |payload: &mut Words| self.put_names(payload);
            emit::moment_later(
                self.context(),
                RecordKind::SpanUpdate,
                bytes,
                names,
                move |payload, settings| update().put(payload, settings),
            );
        }
    }

    /// Ends the span now, with changes and an end that are worked out on the worker's thread, soon after; for the rest
    /// as [`update_later`](Span::update_later) and [`end_with`](Span::end_with).
    pub fn end_later(
        &self,
        ending: Ending,
        bytes: usize,
        end: impl FnOnce() -> (SpanUpdate, SpanEnd) + Send + 'static,
    ) {
        let Some((opened, kind)) = self.take_end() else {
            return;
        };
        let status = match ending {
            Ending::Done => EndStatus::Ok,
            Ending::Cancelled => EndStatus::Cancelled,
        };
        let names = |payload: &mut Words| self.put_names(payload);
        emit::close_later(
            opened,
            kind,
            status,
            bytes,
            names,
            move |payload, settings| {
                let (update, end) = end();
                update.put(payload, settings);
                end.put(payload, settings);
            },
        );
    }
}
