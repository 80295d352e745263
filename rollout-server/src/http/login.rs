//! Asks for a key: programs by status 401, people by a form.

use askama::Template;
use axum::{
    Form,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{App, assets, auth::Scope, error::ApiError};

/// Lets requests pass that may send events.
pub(super) async fn require_ingest(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    if app.access.allows(request.headers(), Scope::Ingest) {
        return next.run(request).await;
    }
    refused("ingest").into_response()
}

/// Lets requests pass that may read; shows people who may not yet where to log in.
pub(super) async fn require_read(State(app): State<App>, request: Request, next: Next) -> Response {
    // Styles and scripts are no secret, and the form needs them.
    if app.access.allows(request.headers(), Scope::Read)
        || request.uri().path().starts_with("/assets/")
    {
        return next.run(request).await;
    }
    let accepts = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let is_browser = request.method() == Method::GET
        && accepts.is_some_and(|accept| accept.contains("text/html"));
    if is_browser {
        let next = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        form(next, false)
    } else {
        refused("read").into_response()
    }
}

fn refused(scope: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        format!("send `Authorization: Bearer KEY` with a key of this server that may {scope}"),
    )
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    assets: String,
    /// The page that was asked for.
    next: &'a str,
    wrong: bool,
}

fn form(next: &str, wrong: bool) -> Response {
    let page = LoginPage {
        assets: format!("/assets/{}", assets::version()),
        next,
        wrong,
    };
    match page.render() {
        Ok(page) => (
            StatusCode::UNAUTHORIZED,
            [(header::CACHE_CONTROL, "no-store")],
            Html(page),
        )
            .into_response(),
        Err(_) => refused("read").into_response(),
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Login {
    key: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`: a session for a key.
pub(super) async fn log_in(State(app): State<App>, Form(login): Form<Login>) -> Response {
    // Only to a page of ours: `//name` and `/\name` are addresses of others.
    let is_own = login.next.starts_with('/') && !login.next[1..].starts_with(['/', '\\']);
    let next = if is_own { &*login.next } else { "/" };
    match app.access.log_in(&login.key) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response(),
        None => form(next, true),
    }
}
