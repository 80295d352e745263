//! `/`: the list of traces.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::{
    Frame, Pages,
    chart::{self, ChartView},
    columns::{self, Column},
    reply::{Missing, blocking, html},
    row::Row,
    search::{Asked, Search},
};
use crate::query::{ChartQuery, Filter, TracePage, TraceQuery};

/// Traces on one page.
const LIMIT: u64 = 100;

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    search: Search,
    now: String,
    /// Whether there is no trace at all.
    empty: bool,
    first: bool,
    next_href: Option<String>,
    columns: Vec<Column>,
    away: String,
    charts: Option<ChartView>,
    rows: Vec<Row>,
}

/// `GET /`.
pub(super) async fn page(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    if let Some(elsewhere) = asked.elsewhere("/") {
        return Ok(Redirect::to(&elsewhere).into_response());
    }
    let now = Timestamp::now();
    let (search, filter) = Search::of("/", &asked.filter, now);
    let first = asked.cursor.is_none();
    let (found, charts) = match filter {
        Some(filter) => {
            let drawn = search.drawn(filter.clone(), now);
            list(&pages, filter, drawn, asked.cursor, now).await?
        }
        None => (TracePage::default(), None),
    };
    let next_href = search.after(found.next_cursor);
    let traces = found.traces.into_iter();
    let rows: Vec<Row> = traces.map(|row| Row::of(row, &asked.filter, now)).collect();
    let columns = columns::of(&headers);
    html(&ListPage {
        frame: pages.frame(&headers),
        now: now.to_string(),
        empty: rows.is_empty() && first && asked.filter.trim().is_empty(),
        search,
        first,
        next_href,
        away: columns::classes(&columns),
        columns,
        charts,
        rows,
    })
}

/// `GET /traces`: the list has one address.
pub(super) async fn all() -> Redirect {
    Redirect::permanent("/")
}

/// The rows and the charts, asked for at the same time.
async fn list(
    pages: &Pages,
    filter: Filter,
    drawn: Filter,
    cursor: Option<String>,
    now: Timestamp,
) -> Result<(TracePage, Option<ChartView>), Missing> {
    let drawn = ChartQuery {
        filter: drawn,
        buckets: chart::BUCKETS,
        now,
    };
    let listed = TraceQuery {
        filter,
        limit: LIMIT,
        cursor,
        ..TraceQuery::default()
    };
    let (one, other) = (Arc::clone(pages.store()), Arc::clone(pages.store()));
    let (found, chart) = tokio::join!(
        blocking(move || Ok(one.traces(&listed)?)),
        blocking(move || Ok(other.chart(&drawn)?)),
    );
    Ok((found?, Some(ChartView::of(&chart?))))
}

/// A number that is another one whenever anything of a thing is.
pub(super) fn version(of: &impl serde::Serialize) -> String {
    let mut hash = DefaultHasher::new();
    let text = serde_json::to_string(of).unwrap_or_default();
    text.hash(&mut hash);
    format!("{:x}", hash.finish())
}
