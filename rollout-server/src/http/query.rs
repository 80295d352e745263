//! The query API below `/api/v1`.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{App, curl::Call, error::ApiError};
use crate::{
    query::{
        self, Chart, ChartQuery, Completion, DatapointPage, DatapointQuery, Filter, GroupBy,
        GroupPage, GroupQuery, MAX_BUCKETS, MAX_DATAPOINTS, MAX_GROUPS, MAX_HITS, MAX_RUNS,
        MAX_SPANS, MAX_TRACES, RunDetail, RunPage, RunQuery, SpanDetail, SpanHits, SpanPage,
        TraceDetail, TracePage, TraceQuery,
    },
    store::{Store, StoreError},
};

/// What the list of traces may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    filter: Option<String>,
    order: Option<Order>,
    limit: Option<u64>,
    cursor: Option<String>,
}

/// Which traces come first.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// The oldest.
    Asc,
    /// The newest.
    Desc,
}

/// What a chart may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawnQuery {
    filter: Option<String>,
    buckets: Option<u64>,
}

/// What a list of users, sessions or conversations may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupsQuery {
    filter: Option<String>,
    limit: Option<u64>,
    cursor: Option<String>,
}

/// What a filter that is being written is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeforeQuery {
    #[serde(default)]
    before: String,
}

/// What a list of spans may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeQuery {
    offset: Option<u64>,
    limit: Option<u64>,
}

/// What the list of runs may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    filter: Option<String>,
    limit: Option<u64>,
    cursor: Option<String>,
}

/// What a list of datapoints may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatapointsQuery {
    step: Option<i64>,
    offset: Option<u64>,
    limit: Option<u64>,
}

/// `GET /api/v1/traces?filter=…&order=…&limit=…&cursor=…`
pub(super) async fn traces(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<TracePage>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let query = TraceQuery {
        filter: filter(query.filter.as_deref())?,
        ascending: query.order == Some(Order::Asc),
        limit: limit(query.limit, 50, MAX_TRACES)?,
        cursor: query.cursor.filter(|cursor| !cursor.is_empty()),
    };
    ask(&app, move |store| store.traces(&query)).await.map(Json)
}

/// `GET /api/v1/chart?filter=…&buckets=…`
pub(super) async fn chart(
    State(app): State<App>,
    query: Result<Query<DrawnQuery>, QueryRejection>,
) -> Result<Json<Chart>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let buckets = query.buckets.unwrap_or(60);
    if !(1..=MAX_BUCKETS).contains(&buckets) {
        return Err(ApiError::bad_request(
            "invalid_buckets",
            format!("`buckets` must be from 1 to {MAX_BUCKETS}"),
        ));
    }
    let query = ChartQuery {
        filter: filter(query.filter.as_deref())?,
        buckets,
        now: Timestamp::now(),
    };
    ask(&app, move |store| store.chart(&query)).await.map(Json)
}

/// `GET /api/v1/users?filter=…&limit=…&cursor=…`
pub(super) async fn users(
    app: State<App>,
    query: Result<Query<GroupsQuery>, QueryRejection>,
) -> Result<Json<GroupPage>, ApiError> {
    groups(app, query, GroupBy::User).await
}

/// `GET /api/v1/sessions?filter=…&limit=…&cursor=…`
pub(super) async fn sessions(
    app: State<App>,
    query: Result<Query<GroupsQuery>, QueryRejection>,
) -> Result<Json<GroupPage>, ApiError> {
    groups(app, query, GroupBy::Session).await
}

/// `GET /api/v1/conversations?filter=…&limit=…&cursor=…`
pub(super) async fn conversations(
    app: State<App>,
    query: Result<Query<GroupsQuery>, QueryRejection>,
) -> Result<Json<GroupPage>, ApiError> {
    groups(app, query, GroupBy::Conversation).await
}

async fn groups(
    State(app): State<App>,
    query: Result<Query<GroupsQuery>, QueryRejection>,
    by: GroupBy,
) -> Result<Json<GroupPage>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let query = GroupQuery {
        by,
        filter: filter(query.filter.as_deref())?,
        limit: limit(query.limit, 50, MAX_GROUPS)?,
        cursor: query.cursor.filter(|cursor| !cursor.is_empty()),
    };
    ask(&app, move |store| store.groups(&query)).await.map(Json)
}

/// `GET /api/v1/complete?before=…`
pub(super) async fn complete(
    State(app): State<App>,
    query: Result<Query<BeforeQuery>, QueryRejection>,
) -> Result<Json<Completion>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    ask(&app, move |store| {
        query::complete(&query.before, |values| store.values(values))
    })
    .await
    .map(Json)
}

/// `GET /api/v1/traces/{trace_id}`
pub(super) async fn trace(
    State(app): State<App>,
    Path(trace_id): Path<String>,
) -> Result<Json<TraceDetail>, ApiError> {
    let unknown = no_trace(&trace_id);
    let found = ask(&app, move |store| store.trace(&trace_id)).await?;
    found.map(Json).ok_or(unknown)
}

/// `GET /api/v1/traces/{trace_id}/spans?offset=…&limit=…`
pub(super) async fn spans(
    State(app): State<App>,
    Path(trace_id): Path<String>,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Result<Json<SpanPage>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let (offset, limit) = (
        query.offset.unwrap_or(0),
        limit(query.limit, 1000, MAX_SPANS)?,
    );
    let unknown = no_trace(&trace_id);
    let found = ask(&app, move |store| store.spans(&trace_id, offset, limit)).await?;
    found.map(Json).ok_or(unknown)
}

/// `GET /api/v1/traces/{trace_id}/spans/{span_id}`
pub(super) async fn span(
    State(app): State<App>,
    Path((trace_id, span_id)): Path<(String, String)>,
) -> Result<Json<SpanDetail>, ApiError> {
    let unknown = ApiError::not_found(format!(
        "there is no span `{span_id}` in a trace `{trace_id}`"
    ));
    let found = ask(&app, move |store| store.span(&trace_id, &span_id)).await?;
    found.map(Json).ok_or(unknown)
}

/// What a search inside of a trace may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchQuery {
    text: String,
    limit: Option<u64>,
}

/// `GET /api/v1/traces/{trace_id}/search?text=…&limit=…`
pub(super) async fn search(
    State(app): State<App>,
    Path(trace_id): Path<String>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<SpanHits>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    if query.text.trim().is_empty() {
        return Err(ApiError::bad_request(
            "invalid_query",
            "`text` must say what to look for",
        ));
    }
    let limit = limit(query.limit, MAX_HITS, MAX_HITS)?;
    let unknown = no_trace(&trace_id);
    let found = ask(&app, move |store| store.hits(&trace_id, &query.text, limit)).await?;
    found.map(Json).ok_or(unknown)
}

/// `GET /api/v1/traces/{trace_id}/spans/{span_id}/curl`: a command that makes the model call once more.
pub(super) async fn curl(
    State(app): State<App>,
    Path((trace_id, span_id)): Path<(String, String)>,
) -> Result<String, ApiError> {
    let unknown = ApiError::not_found(format!(
        "there is no span `{span_id}` in a trace `{trace_id}`"
    ));
    let span = ask(&app, move |store| store.span(&trace_id, &span_id)).await?;
    let call = Call::of(&span.ok_or(unknown)?);
    let call = call.map_err(|why| {
        ApiError::new(
            StatusCode::CONFLICT,
            "not_repeatable",
            format!("this span says no request that could be sent again: {why}"),
        )
    })?;
    Ok(call.to_string())
}

/// `GET /api/v1/runs?filter=…&limit=…&cursor=…`
pub(super) async fn runs(
    State(app): State<App>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Result<Json<RunPage>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let query = RunQuery {
        filter: filter(query.filter.as_deref())?,
        limit: limit(query.limit, 50, MAX_RUNS)?,
        cursor: query.cursor.filter(|cursor| !cursor.is_empty()),
    };
    ask(&app, move |store| store.runs(&query)).await.map(Json)
}

/// `GET /api/v1/runs/{run_id}`
pub(super) async fn run(
    State(app): State<App>,
    Path(run_id): Path<String>,
) -> Result<Json<RunDetail>, ApiError> {
    let unknown = no_run(&run_id);
    let found = ask(&app, move |store| store.run(&run_id)).await?;
    found.map(Json).ok_or(unknown)
}

/// `GET /api/v1/runs/{run_id}/datapoints?step=…&offset=…&limit=…`
pub(super) async fn datapoints(
    State(app): State<App>,
    Path(run_id): Path<String>,
    query: Result<Query<DatapointsQuery>, QueryRejection>,
) -> Result<Json<DatapointPage>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let unknown = no_run(&run_id);
    let query = DatapointQuery {
        run_id,
        step_number: query.step,
        offset: query.offset.unwrap_or(0),
        limit: limit(query.limit, 1000, MAX_DATAPOINTS)?,
    };
    let found = ask(&app, move |store| store.datapoints(&query)).await?;
    found.map(Json).ok_or(unknown)
}

fn no_run(run_id: &str) -> ApiError {
    ApiError::not_found(format!("there is no run `{run_id}`"))
}

pub(super) fn no_trace(trace_id: &str) -> ApiError {
    ApiError::not_found(format!("there is no trace `{trace_id}`"))
}

fn filter(text: Option<&str>) -> Result<Filter, ApiError> {
    let text = text.unwrap_or_default();
    text.parse().map_err(|error| ApiError::filter(&error, text))
}

pub(super) fn limit(asked: Option<u64>, default: u64, most: u64) -> Result<u64, ApiError> {
    let limit = asked.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::bad_request(
        "invalid_limit",
        format!("`limit` must be from 1 to {most}"),
    ))
}

/// Asks the store on a thread that may block.
pub(super) async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let store = app.store.clone();
    Ok(tokio::task::spawn_blocking(move || question(&*store)).await??)
}
