//! Events, one a line.

use std::io::Write;

use super::{ExportError, Writer};
use crate::{query::TraceSummary, store::Store};

/// Writes events as the ingest API and `rollout import` take them.
pub(super) struct Ndjson<'w> {
    out: &'w mut (dyn Write + Send),
}

impl<'w> Ndjson<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send)) -> Self {
        Self { out }
    }
}

impl Writer for Ndjson<'_> {
    fn trace(&mut self, store: &dyn Store, trace: &TraceSummary) -> Result<bool, ExportError> {
        let mut written = Ok(());
        let found = store.events(&trace.trace_id, &mut |event| {
            written = serde_json::to_writer(&mut *self.out, &event)
                .map_err(ExportError::from)
                .and_then(|()| Ok(writeln!(self.out)?));
            written.is_ok()
        })?;
        written.map(|()| found)
    }

    fn finish(self: Box<Self>) -> Result<Vec<(&'static str, u64)>, ExportError> {
        Ok(Vec::new())
    }
}
