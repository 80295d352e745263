//! `/traces/{trace_id}`: the tree with its waterfall, and the pane of what is selected.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Frame, Pages,
    detail::Detail,
    facts::{self, Facts, Kind, Status},
    reply::{Missing, blocking, html},
    timeline::Timeline,
};
use crate::{
    present::{self, Tone},
    query::{SpanRow, TraceDetail},
    store::{Store, StoreError},
};

/// Spans on the first screen, and on each page where there are no scripts.
const ROWS: u64 = 200;

/// Traces around this one that are named.
const CALLERS: usize = 4;

#[derive(Deserialize)]
pub(super) struct Asked {
    span: Option<String>,
    #[serde(default)]
    offset: u64,
}

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    facts: Facts,
    /// The traces around this one, the outermost first: name and the span that calls.
    callers: Vec<(String, String)>,
    selected: Option<String>,
    axis: Axis,
    total: u64,
    rows: Vec<Row>,
    pages: Option<Sheets>,
    detail: Detail,
}

/// The parts of the page that change: its facts and its pane.
#[derive(Template)]
#[template(path = "part.html")]
struct PartPage {
    facts: Facts,
    detail: Detail,
}

struct Axis {
    half: String,
    full: String,
}

/// Where the pages before and after this one are.
struct Sheets {
    from: u64,
    to: u64,
    before: Option<String>,
    after: Option<String>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the template"
)]
struct Row {
    index: u64,
    level: u32,
    indent: u32,
    parent: bool,
    selected: bool,
    href: String,
    kind: Kind,
    name: String,
    model: String,
    status: Status,
    /// Nothing to say about its status.
    plain: bool,
    failed: bool,
    open: bool,
    duration: String,
    tokens: String,
    x: String,
    width: String,
}

impl Row {
    fn of(span: &SpanRow, index: u64, parent: bool, asked: &Place<'_>) -> Self {
        let tone = present::status_tone(&span.status);
        let (x, width) = asked.line.bar(span);
        Self {
            index: index + 1,
            level: span.depth + 1,
            indent: indent(span.depth),
            parent,
            selected: asked.span == Some(span.span_id.as_str()),
            href: format!(
                "{}&offset={}",
                facts::span_href(asked.trace_id, &span.span_id),
                asked.offset
            ),
            kind: Kind::of(&span.kind),
            name: span.name.clone().unwrap_or_else(|| span.kind.clone()),
            model: span.model.clone().unwrap_or_default(),
            plain: tone == Tone::Ok,
            failed: tone == Tone::Error,
            open: span.duration_ms.is_none(),
            status: Status::of(&span.status),
            duration: match span.duration_ms {
                Some(ms) => present::duration(ms),
                None if tone == Tone::Running => "…".to_owned(),
                None => String::new(),
            },
            tokens: present::tokens(&span.usage)
                .map(present::count)
                .unwrap_or_default(),
            x: format!("{x:.3}"),
            width: format!("{width:.3}"),
        }
    }
}

/// What all rows of one page share.
struct Place<'a> {
    trace_id: &'a str,
    span: Option<&'a str>,
    offset: u64,
    line: Timeline,
}

/// Pixels before a row of that depth: deep trees keep room for their names. The same as in
/// `viewer/js/grid.js`.
fn indent(depth: u32) -> u32 {
    if depth <= 12 {
        depth * 14
    } else {
        168 + (depth - 12).min(60) * 4
    }
}

/// `GET /traces/{trace_id}`.
pub(super) async fn page(
    State(pages): State<Pages>,
    Path(trace_id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || read(&*pages.store, frame, &trace_id, asked)).await?;
    html(&page)
}

/// `GET /traces/{trace_id}/detail`: the facts, and the pane of `?span=` or of the trace.
pub(super) async fn part(
    State(pages): State<Pages>,
    Path(trace_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Missing> {
    let page = blocking(move || {
        let store = &*pages.store;
        let trace = found(store, &trace_id)?;
        Ok(PartPage {
            facts: Facts::of(&trace, Timestamp::now()),
            detail: detail(store, &trace, asked.span.as_deref())?,
        })
    })
    .await?;
    html(&page)
}

fn found(store: &dyn Store, trace_id: &str) -> Result<TraceDetail, Missing> {
    store
        .trace(trace_id)?
        .ok_or_else(|| Missing::Trace(trace_id.to_owned()))
}

fn detail(store: &dyn Store, trace: &TraceDetail, span: Option<&str>) -> Result<Detail, Missing> {
    match span {
        None => Ok(Detail::trace(trace)),
        Some(id) => {
            let span = store
                .span(&trace.summary.trace_id, id)?
                .ok_or_else(|| Missing::Span(id.to_owned()))?;
            Ok(Detail::span(&span, trace.summary.started_at))
        }
    }
}

fn read(
    store: &dyn Store,
    frame: Frame,
    trace_id: &str,
    asked: Asked,
) -> Result<TracePage, Missing> {
    let now = Timestamp::now();
    let trace = found(store, trace_id)?;
    let summary = &trace.summary;
    let trace_id = summary.trace_id.as_str();
    // One more than is shown tells whether the last row has children.
    let spans = store
        .spans(trace_id, asked.offset, ROWS + 1)?
        .unwrap_or_default();
    let place = Place {
        trace_id,
        span: asked.span.as_deref(),
        offset: asked.offset,
        line: Timeline::new(summary.started_at, summary.duration_ms, now),
    };
    let rows: Vec<Row> = spans
        .spans
        .iter()
        .take(ROWS as usize)
        .enumerate()
        .map(|(at, span)| {
            let next = spans.spans.get(at + 1);
            let parent = next.is_some_and(|next| next.depth > span.depth);
            Row::of(span, asked.offset + at as u64, parent, &place)
        })
        .collect();
    let detail = detail(store, &trace, asked.span.as_deref())?;
    let callers = callers(store, &trace)?;
    Ok(TracePage {
        frame,
        callers,
        axis: Axis {
            half: present::duration(place.line.length_ms() / 2.0),
            full: present::duration(place.line.length_ms()),
        },
        total: spans.total,
        pages: sheets(trace_id, asked.offset, rows.len() as u64, spans.total),
        facts: Facts::of(&trace, now),
        selected: asked.span,
        rows,
        detail,
    })
}

/// The traces that called a trace, the outermost first.
fn callers(store: &dyn Store, trace: &TraceDetail) -> Result<Vec<(String, String)>, StoreError> {
    let caller = |trace: &TraceDetail| {
        let mut links = trace.links.iter();
        links.find(|link| link.relation == "caller").cloned()
    };
    let (mut callers, mut next) = (Vec::new(), caller(trace));
    while let Some(link) = next.filter(|_| callers.len() < CALLERS) {
        let around = store.trace(&link.trace_id)?;
        let href = match &link.span_id {
            Some(span_id) => facts::span_href(&link.trace_id, span_id),
            None => facts::trace_href(&link.trace_id),
        };
        let name = match &around {
            Some(around) => facts::name_of(&around.summary),
            None => link.name.unwrap_or(link.trace_id),
        };
        callers.insert(0, (name, href));
        next = around.as_ref().and_then(caller);
    }
    Ok(callers)
}

fn sheets(trace_id: &str, offset: u64, shown: u64, total: u64) -> Option<Sheets> {
    let href = |offset: u64| format!("{}?offset={offset}", facts::trace_href(trace_id));
    (offset > 0 || shown < total).then(|| Sheets {
        from: offset + 1,
        to: offset + shown,
        before: (offset > 0).then(|| href(offset.saturating_sub(ROWS))),
        after: (offset + shown < total).then(|| href(offset + ROWS)),
    })
}
