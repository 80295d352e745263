//! `rollout show`: one trace as a tree.

use std::io::Write;

use serde::Serialize;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    query::{MAX_SPANS, SpanDetail, TraceDetail},
    store::Store,
    terminal::{self, TraceTree},
};

/// Show a trace as a tree: what was called with what, what it returned, how it failed
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Show {
    /// The trace's id, the beginning of it, or `last`
    trace: String,
    /// How many spans at most
    #[arg(long, short = 'n', default_value_t = 1000, value_name = "COUNT")]
    limit: u64,
    /// Print JSON: the trace with its spans
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    trace: &'a TraceDetail,
    spans: &'a [SpanDetail],
}

impl Show {
    /// Runs the command. `width` is that of the terminal; `say` takes what is no data.
    pub(super) fn run(
        &self,
        out: &mut dyn Write,
        say: &mut dyn Write,
        width: usize,
    ) -> Result<(), Failure> {
        let local = Local::open(&self.place)?;
        let trace = local.find(&self.trace)?;
        let (total, spans) = spans(&*local.store, &trace.summary.trace_id, self.limit)?;
        if self.json {
            let whole = Whole {
                trace: &trace,
                spans: &spans,
            };
            serde_json::to_writer_pretty(&mut *out, &whole)?;
            writeln!(out)?;
        } else {
            let tree = TraceTree {
                trace: &trace,
                spans: &spans,
                total,
            };
            terminal::write_tree(out, tree, width)?;
        }
        let shown = spans.len();
        if (shown as u64) < total {
            writeln!(say, "the first {shown} of {total} spans: --limit N shows N")?;
        }
        Ok(())
    }
}

/// How many spans a trace has, and the first of them with their payloads.
fn spans(store: &dyn Store, trace_id: &str, limit: u64) -> Result<(u64, Vec<SpanDetail>), Failure> {
    let mut details = Vec::new();
    let mut offset = 0;
    loop {
        let page = store
            .spans(trace_id, offset, (limit - offset).min(MAX_SPANS))?
            .unwrap_or_default();
        offset += page.spans.len() as u64;
        for row in &page.spans {
            // A span that has gone meanwhile is left out.
            details.extend(store.span(trace_id, &row.span_id)?);
        }
        if page.spans.is_empty() || offset >= limit.min(page.total) {
            return Ok((page.total, details));
        }
    }
}
