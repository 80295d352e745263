//! `GET /api/v1/compare`: how two traces differ.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{
    App,
    error::ApiError,
    query::{ask, limit, no_trace},
};
use crate::{
    compare::{CompareQuery, Kept, MAX_ROWS, Report},
    store::{Store, StoreError},
};

/// What a comparison may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    a: Option<String>,
    b: Option<String>,
    only: Option<String>,
    offset: Option<u64>,
    limit: Option<u64>,
    /// The step of which differences are told in words: a span of either trace,
    span: Option<String>,
    /// or the number of a row,
    row: Option<usize>,
    /// or the traces as a whole.
    #[serde(default)]
    whole: bool,
}

/// Why a comparison cannot be given.
enum Refused {
    Trace(String),
    Step,
}

/// `GET /api/v1/compare?a=…&b=…&only=differences&offset=…&limit=…&span=…&row=…&whole=true`
pub(super) async fn compare(
    State(app): State<App>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Report>, ApiError> {
    let Query(asked) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let (Some(a), Some(b)) = (asked.a.clone(), asked.b.clone()) else {
        let message = "`a` and `b` must be the ids of two traces";
        return Err(ApiError::bad_request("invalid_query", message));
    };
    let only_differences = match asked.only.as_deref() {
        None => false,
        Some("differences") => true,
        Some(other) => {
            let message = format!("`only` is `{other}`; it may be `differences`");
            return Err(ApiError::bad_request("invalid_query", message));
        }
    };
    let steps = [asked.span.is_some(), asked.row.is_some(), asked.whole];
    if steps.into_iter().filter(|asked| *asked).count() > 1 {
        let message = "of `span`, `row` and `whole`, only one may be asked for";
        return Err(ApiError::bad_request("invalid_query", message));
    }
    let query = CompareQuery {
        only_differences,
        offset: asked.offset.unwrap_or(0),
        limit: limit(asked.limit, 1000, MAX_ROWS)?,
    };
    let kept = app.comparisons.clone();
    let answer = ask(&app, move |store| {
        read(store, &kept, (&a, &b), query, &asked)
    });
    answer.await?.map(Json).map_err(|refused| match refused {
        Refused::Trace(id) => no_trace(&id),
        Refused::Step => {
            ApiError::not_found("neither trace has such a span, and there is no such row")
        }
    })
}

fn read(
    store: &dyn Store,
    kept: &Kept,
    (a, b): (&str, &str),
    query: CompareQuery,
    asked: &Asked,
) -> Result<Result<Report, Refused>, StoreError> {
    let comparison = match kept.read(store, a, b)? {
        Ok(comparison) => comparison,
        Err(unknown) => return Ok(Err(Refused::Trace(unknown.to_owned()))),
    };
    let mut report = comparison.report(store, query)?;
    let step = match (&asked.span, asked.row) {
        (Some(span), _) => match comparison.row_of(store, span)? {
            Some(row) => Some(Some(row)),
            None => return Ok(Err(Refused::Step)),
        },
        (None, Some(row)) => Some(Some(row)),
        (None, None) => asked.whole.then_some(None),
    };
    if let Some(step) = step {
        report.diff = comparison.diff(store, step)?;
        if report.diff.is_none() {
            return Ok(Err(Refused::Step));
        }
    }
    Ok(Ok(report))
}
