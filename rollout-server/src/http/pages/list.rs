//! `/`: the list of traces.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Frame, Pages,
    facts::{self, Moment, Status},
    reply::{Missing, blocking, html},
};
use crate::{
    present,
    query::{Filter, KEYS, TracePage, TraceQuery, TraceSummary},
    store::Store,
};

/// Traces on one page.
const LIMIT: u64 = 100;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    filter: String,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    filter: String,
    problem: Option<String>,
    example: &'static str,
    keys: String,
    empty: bool,
    first: bool,
    first_href: String,
    next_href: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    /// Another one whenever anything of the row is.
    version: String,
    href: String,
    status: Status,
    name: String,
    tags: Vec<String>,
    input: String,
    started: Moment,
    duration: String,
    running_ms: Option<f64>,
    spans: String,
    failed: bool,
    errors: String,
    tokens: String,
    cost: String,
    user: String,
    session: String,
}

impl Row {
    fn of(summary: TraceSummary, now: Timestamp) -> Self {
        let (duration, running_ms) = facts::duration_of(&summary, now);
        let tokens = present::tokens(&summary.usage);
        Self {
            version: format!(
                "{} {} {} {} {:?} {:?}",
                summary.status,
                summary.span_count,
                summary.error_count,
                summary.tags.len(),
                summary.duration_ms,
                tokens,
            ),
            href: facts::trace_href(&summary.trace_id),
            status: Status::of(&summary.status),
            name: facts::name_of(&summary),
            input: summary.input_preview.unwrap_or_default(),
            started: summary.started_at.map_or_else(
                || Moment {
                    iso: String::new(),
                    words: "–".to_owned(),
                },
                Moment::of,
            ),
            duration,
            running_ms,
            spans: present::count(summary.span_count),
            failed: summary.error_count > 0,
            errors: if summary.error_count > 0 {
                present::count(summary.error_count)
            } else {
                "–".to_owned()
            },
            tokens: tokens.map(present::count).unwrap_or_default(),
            cost: summary.cost_usd.map(present::cost).unwrap_or_default(),
            user: summary.user_id.unwrap_or_default(),
            session: summary.session_id.unwrap_or_default(),
            tags: summary.tags,
            id: summary.trace_id,
        }
    }
}

/// `GET /`.
pub(super) async fn page(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || list(&*pages.store, frame, asked)).await?;
    html(&page)
}

/// `GET /traces`: the list has one address.
pub(super) async fn all() -> Redirect {
    Redirect::permanent("/")
}

fn list(store: &dyn Store, frame: Frame, asked: Asked) -> Result<ListPage, Missing> {
    let now = Timestamp::now();
    let (found, problem) = match asked.filter.parse::<Filter>() {
        Ok(filter) => {
            let query = TraceQuery {
                filter,
                limit: LIMIT,
                cursor: asked.cursor.clone(),
                ..TraceQuery::default()
            };
            (store.traces(&query)?, None)
        }
        Err(error) => (TracePage::default(), Some(error.to_string())),
    };
    let filtered = if asked.filter.trim().is_empty() {
        String::new()
    } else {
        format!("filter={}", facts::encoded(&asked.filter))
    };
    let next_href = found.next_cursor.map(|cursor| {
        let and = if filtered.is_empty() { "" } else { "&" };
        format!("/?{filtered}{and}cursor={}", facts::encoded(&cursor))
    });
    let first = asked.cursor.is_none();
    let rows: Vec<Row> = found
        .traces
        .into_iter()
        .map(|summary| Row::of(summary, now))
        .collect();
    Ok(ListPage {
        frame,
        empty: rows.is_empty() && first && filtered.is_empty() && problem.is_none(),
        problem,
        keys: KEYS
            .iter()
            .map(|key| key.name)
            .collect::<Vec<_>>()
            .join(", "),
        example: "status:error user:cus_1 refund",
        first,
        first_href: if filtered.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{filtered}")
        },
        filter: asked.filter,
        next_href,
        rows,
    })
}
