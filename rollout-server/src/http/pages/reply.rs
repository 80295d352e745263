//! How a page, or the lack of one, is answered.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::{Frame, Pages, assets};
use crate::store::StoreError;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Missing {
    /// No such trace.
    Trace(String),
    /// No such run.
    Run(String),
    /// No trace of such a user, session or conversation.
    Group(&'static str, String),
    /// No such span.
    Span(String),
    /// No such value, or no such place in it.
    Value,
    /// The store could not answer.
    Store(StoreError),
    /// A template failed, or the task that made the page.
    Page(String),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: &'static str,
    words: String,
}

impl IntoResponse for Missing {
    fn into_response(self) -> Response {
        let (status, title, words) = match self {
            Self::Trace(id) => (
                StatusCode::NOT_FOUND,
                "No such trace",
                format!(
                    "This store holds no trace {id}. It may have been removed, or its events have not arrived yet."
                ),
            ),
            Self::Run(id) => (
                StatusCode::NOT_FOUND,
                "No such run",
                format!("No rollout in this store belongs to a run {id}, and none is registered."),
            ),
            Self::Group(what, id) => (
                StatusCode::NOT_FOUND,
                match what {
                    "user" => "No such user",
                    "session" => "No such session",
                    _ => "No such conversation",
                },
                format!("No trace in this store names a {what} {id}."),
            ),
            Self::Span(id) => (
                StatusCode::NOT_FOUND,
                "No such span",
                format!("This trace has no span {id}."),
            ),
            Self::Value => (
                StatusCode::NOT_FOUND,
                "No such value",
                "Nothing was recorded there, or what was has no such part.".to_owned(),
            ),
            Self::Store(StoreError::Cursor) => (
                StatusCode::BAD_REQUEST,
                "No such page",
                "This address is of a page of another list. Start from the first.".to_owned(),
            ),
            Self::Store(error @ (StoreError::Busy | StoreError::Closed)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The store does not answer",
                format!("{error}."),
            ),
            Self::Store(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The store failed",
                format!("{error}."),
            ),
            Self::Page(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page could not be made",
                error,
            ),
        };
        error_page(status, title, words)
    }
}

/// The page for an address that nothing answers to.
pub fn not_found() -> Response {
    error_page(
        StatusCode::NOT_FOUND,
        "No such page",
        "Nothing is served at this address.".to_owned(),
    )
}

fn error_page(status: StatusCode, title: &'static str, words: String) -> Response {
    let frame = Frame {
        assets: format!("/assets/{}", assets::version()),
        origin: String::new(),
        dir: String::new(),
    };
    let page = ErrorPage {
        frame,
        title,
        words,
    };
    let body = page.render().unwrap_or_else(|_| title.to_owned());
    let body = Html(without_nul(body));
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// HTML has no such character, and browsers would hide that there is one.
fn without_nul(body: String) -> String {
    if body.contains('\0') {
        body.replace('\0', "\u{fffd}")
    } else {
        body
    }
}

/// Renders a page; what changes by the second is never kept by the browser.
pub(super) fn html(page: &impl Template) -> Result<Response, Missing> {
    let body = page
        .render()
        .map_err(|error| Missing::Page(error.to_string()))?;
    let body = Html(without_nul(body));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// Runs what asks the store where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Missing> + Send + 'static,
) -> Result<T, Missing> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Missing::Page(error.to_string()))?
}

impl Pages {
    /// The frame of a page asked for with these headers.
    pub(super) fn frame(&self, headers: &HeaderMap) -> Frame {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("127.0.0.1:4747");
        Frame {
            assets: format!("/assets/{}", assets::version()),
            origin: format!("http://{host}"),
            dir: self.dir.to_string(),
        }
    }
}
