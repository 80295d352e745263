//! `rollout tail`: what happens, as it happens.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Failure,
    local::{Local, Place},
};
use crate::{
    present::{self, Tone},
    query::{MAX_SPANS, SpanRow, TraceQuery, TraceSummary},
    terminal,
};

/// How often is looked for more.
const PACE: Duration = Duration::from_millis(150);
/// Traces that are watched at a time, the newest.
const TRACES: u64 = 200;

/// Follow traces and spans as they happen, until Ctrl-C
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Tail {
    /// What traces must have, such as user:cus_1
    filter: Vec<String>,
    /// Print a line of JSON for each trace and span
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Trace(&'a TraceSummary),
    Span {
        trace_id: &'a str,
        #[serde(flatten)]
        span: &'a SpanRow,
    },
}

/// What has been told of a trace that has not ended.
#[derive(Default)]
struct Open {
    /// Spans that have begun.
    begun: HashSet<String>,
    /// Spans that have ended.
    ended: HashSet<String>,
}

struct Follower<'a> {
    json: bool,
    out: &'a mut dyn Write,
    open: HashMap<String, Open>,
    /// Traces that have ended, and how.
    done: HashMap<String, String>,
}

impl Tail {
    /// Runs the command until nobody reads the output any more.
    pub(super) fn run(&self, out: &mut dyn Write, say: &mut dyn Write) -> Result<(), Failure> {
        let query = TraceQuery {
            filter: super::ls::filter(&self.filter)?,
            limit: TRACES,
            cursor: None,
            ascending: false,
        };
        let local = Local::open(&self.place)?;
        let mut follower = Follower {
            json: self.json,
            out,
            open: HashMap::new(),
            done: HashMap::new(),
        };
        // What has ended before is not news.
        for trace in local.store.traces(&query)?.traces {
            if !running(&trace.status) {
                follower.done.insert(trace.trace_id, trace.status);
            }
        }
        writeln!(say, "following {}", local.place())?;
        loop {
            let began = Instant::now();
            local.sync()?;
            let traces = local.store.traces(&query)?.traces;
            for trace in traces.iter().rev() {
                follower.look(&local, trace)?;
            }
            follower.out.flush()?;
            // A long look is followed by a longer pause: others want the disk too.
            thread::sleep(PACE.max(began.elapsed() * 5));
        }
    }
}

fn running(status: &str) -> bool {
    present::status_tone(status) == Tone::Running
}

impl Follower<'_> {
    fn look(&mut self, local: &Local, trace: &TraceSummary) -> Result<(), Failure> {
        if self.done.get(&trace.trace_id) == Some(&trace.status) {
            return Ok(());
        }
        let known = self.open.remove(&trace.trace_id);
        if known.is_none() {
            if !self.json {
                terminal::write_begin(self.out, trace)?;
            } else if running(&trace.status) {
                self.print(&Line::Trace(trace))?;
            }
        }
        let mut known = known.unwrap_or_default();
        let mut offset = 0;
        loop {
            let page = local.store.spans(&trace.trace_id, offset, MAX_SPANS)?;
            let page = page.unwrap_or_default();
            for span in &page.spans {
                self.span(trace, span, &mut known)?;
            }
            offset += page.spans.len() as u64;
            if page.spans.is_empty() || offset >= page.total {
                break;
            }
        }
        if running(&trace.status) {
            self.open.insert(trace.trace_id.clone(), known);
            return Ok(());
        }
        if self.json {
            self.print(&Line::Trace(trace))?;
        } else {
            terminal::write_end(self.out, trace)?;
        }
        self.done
            .insert(trace.trace_id.clone(), trace.status.clone());
        Ok(())
    }

    fn span(
        &mut self,
        trace: &TraceSummary,
        span: &SpanRow,
        known: &mut Open,
    ) -> Result<(), Failure> {
        let told = if running(&span.status) {
            &mut known.begun
        } else {
            &mut known.ended
        };
        if !told.insert(span.span_id.clone()) {
            return Ok(());
        }
        if self.json {
            self.print(&Line::Span {
                trace_id: &trace.trace_id,
                span,
            })
        } else {
            Ok(terminal::write_span(self.out, trace, span)?)
        }
    }

    fn print(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        serde_json::to_writer(&mut *self.out, line)?;
        Ok(writeln!(self.out)?)
    }
}
