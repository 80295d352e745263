//! The shape of a whole trace for the viewer's tree: names, types and statuses once each, and a
//! few numbers per span, so that 100,000 spans are folded, filtered and drawn in the browser.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Pages, facts,
    reply::{Missing, blocking},
    timeline::Timeline,
};
use crate::{
    query::{MAX_SPANS, SpanRow, TraceLink, TraceSummary},
    store::Store,
};

/// Spans that the tree shows at most; browsers lay out no higher page.
const LIMIT: u64 = 500_000;
/// Called traces that the tree shows at most.
const CALLS: usize = 200;

#[derive(Serialize)]
pub(super) struct Outline {
    duration_ms: Option<f64>,
    names: Vec<String>,
    types: Vec<String>,
    statuses: Vec<String>,
    spans: Columns,
    calls: Vec<Called>,
}

/// A trace that a span called, shown in its place.
#[derive(Serialize)]
struct Called {
    /// The span; none where only the trace is known to be the caller.
    span: Option<String>,
    trace: String,
    name: String,
    status: String,
    /// Milliseconds since the start of the caller's trace.
    start: f64,
    /// Milliseconds; -1 where it is not known.
    duration: f64,
}

/// One entry per span and column, in tree order.
#[derive(Default, Serialize)]
struct Columns {
    id: Vec<String>,
    depth: Vec<u32>,
    /// Milliseconds since the start of the trace, to the microsecond.
    start: Vec<f64>,
    /// Milliseconds; -1 where it is not known.
    duration: Vec<f64>,
    name: Vec<usize>,
    #[serde(rename = "type")]
    kind: Vec<usize>,
    status: Vec<usize>,
}

/// Words that recur, each kept once.
#[derive(Default)]
struct Words {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Words {
    fn place(&mut self, word: &str) -> usize {
        if let Some(&place) = self.places.get(word) {
            return place;
        }
        let place = self.list.len();
        self.list.push(word.to_owned());
        self.places.insert(word.to_owned(), place);
        place
    }
}

/// `GET /traces/{trace_id}/outline`.
pub(super) async fn outline(
    State(pages): State<Pages>,
    Path(trace_id): Path<String>,
) -> Result<Response, Missing> {
    let outline = blocking(move || read(&*pages.store, &trace_id)).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(outline)).into_response())
}

fn read(store: &dyn Store, trace_id: &str) -> Result<Outline, Missing> {
    let missing = || Missing::Trace(trace_id.to_owned());
    let detail = store.trace(trace_id)?.ok_or_else(missing)?;
    let trace = detail.summary;
    let line = Timeline::new(trace.started_at, trace.duration_ms, Timestamp::now());
    let (mut names, mut kinds, mut statuses) =
        (Words::default(), Words::default(), Words::default());
    let mut columns = Columns::default();
    let mut offset = 0;
    while offset < LIMIT {
        let page = store
            .spans(trace_id, offset, MAX_SPANS)?
            .ok_or_else(missing)?;
        if page.spans.is_empty() {
            break;
        }
        offset += page.spans.len() as u64;
        for span in page.spans {
            columns.start.push(micros(line.offset_ms(&span)));
            columns.push(span, &mut names, &mut kinds, &mut statuses);
        }
        if offset >= page.total {
            break;
        }
    }
    let mut calls = Vec::new();
    let callees = detail.links.iter().filter(|link| link.relation == "callee");
    for link in callees.take(CALLS) {
        if let Some(callee) = store.trace(&link.trace_id)? {
            calls.push(Called::of(link, &callee.summary, &line));
        }
    }
    Ok(Outline {
        calls,
        duration_ms: Some(micros(line.length_ms())),
        names: names.list,
        types: kinds.list,
        statuses: statuses.list,
        spans: columns,
    })
}

impl Called {
    fn of(link: &TraceLink, callee: &TraceSummary, line: &Timeline) -> Self {
        Self {
            span: link.span_id.clone(),
            trace: link.trace_id.clone(),
            name: facts::name_of(callee),
            status: callee.status.clone(),
            start: micros(line.since_start_ms(callee.started_at)),
            duration: callee.duration_ms.map_or(-1.0, micros),
        }
    }
}

impl Columns {
    fn push(&mut self, span: SpanRow, names: &mut Words, kinds: &mut Words, statuses: &mut Words) {
        self.depth.push(span.depth);
        self.duration.push(span.duration_ms.map_or(-1.0, micros));
        self.name
            .push(names.place(span.name.as_deref().unwrap_or(&span.kind)));
        self.kind.push(kinds.place(&span.kind));
        self.status.push(statuses.place(&span.status));
        self.id.push(span.span_id);
    }
}

fn micros(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}
