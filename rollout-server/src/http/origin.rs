//! Who may speak to the server through somebody's browser: nobody but its own pages.

use std::net::{IpAddr, Ipv6Addr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, error::ApiError};

/// Refuses requests that a foreign page makes.
///
/// Without a key, the server must be called by a loopback name: else a page whose own name is
/// made to mean this machine (DNS rebinding) could read all traces. With a key, such a page has
/// none. What changes something must not come from a page of another origin.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = host(request.headers(), request.uri());
    if app.access.is_open() && !host.as_deref().is_some_and(is_loopback) {
        let message = "call the server by a loopback name (localhost, 127.0.0.1 or [::1]); others need an API key";
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden_host", message).into_response();
    }
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !reads && !is_own(request.headers(), host.as_deref()) {
        let message = "a page of another origin may not change anything here";
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden_origin", message).into_response();
    }
    next.run(request).await
}

/// The name and port that the server was called by.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    header
        .or_else(|| uri.authority().map(Authority::as_str))
        .map(str::to_ascii_lowercase)
}

fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest
            .split_once(']')
            .map(|(address, _)| address.parse::<Ipv6Addr>());
        return matches!(address, Some(Ok(address)) if address.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Programs name no origin; browsers do.
fn is_own(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: header::HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let same_site = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let same_origin = text(header::ORIGIN).is_none_or(|origin| {
        let name = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        name.is_some() && name.map(str::to_ascii_lowercase).as_deref() == host
    });
    same_site && same_origin
}
