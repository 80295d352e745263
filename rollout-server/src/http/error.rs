//! How the APIs say no: `{"error": {"code", "message"}}`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{ingest::Refusal, query::FilterError, store::StoreError};

/// An answer that says what is wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    place: Option<Box<Place>>,
}

/// What of a filter an error is about.
#[derive(Debug, Serialize)]
struct Place {
    /// The first character.
    from: usize,
    /// The character after the last.
    to: usize,
    /// The filter, with carets below what is wrong.
    under: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            place: None,
        }
    }

    /// A filter that cannot be read.
    pub(super) fn filter(error: &FilterError, filter: &str) -> Self {
        let at = error.characters(filter);
        Self {
            place: Some(Box::new(Place {
                from: at.start,
                to: at.end,
                under: error.under(filter),
            })),
            ..Self::bad_request("invalid_filter", error.to_string())
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

/// The client in Python tries again on 503, while 507 costs it the batch.
const RETRIES_ONLY_503: &str = "sdk_python";

impl ApiError {
    /// Why events of this source could not be stored, in a status that has the sender try again.
    pub(super) fn not_stored(error: StoreError, source: &str) -> Self {
        let mut error = Self::from(error);
        if error.status == StatusCode::INSUFFICIENT_STORAGE && source == RETRIES_ONLY_503 {
            error.status = StatusCode::SERVICE_UNAVAILABLE;
        }
        error
    }
}

/// What a refusal says, on its response: for protocols that say it in another way.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(flatten)]
    place: Option<&'a Place>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            error: Fault {
                code: self.code,
                message: &self.message,
                place: self.place.as_deref(),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(Said {
            message: self.message,
        });
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Refusal::TooHeavy => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_parts"),
            Refusal::Encoding(_) => (StatusCode::BAD_REQUEST, "invalid_encoding"),
            Refusal::Json(_) => (StatusCode::BAD_REQUEST, "invalid_json"),
            Refusal::Spans(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Refusal::Envelope(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_batch"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let (status, code) = match error {
            StoreError::Cursor => (StatusCode::BAD_REQUEST, "invalid_cursor"),
            StoreError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            StoreError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
            StoreError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            StoreError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            StoreError::Unregistered(_) => (StatusCode::NOT_FOUND, "not_registered"),
            StoreError::Overtaken | StoreError::Prices(_) | StoreError::Database(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "store_failed")
            }
        };
        if status.is_server_error() {
            log::warn!("{error}");
        }
        Self::new(status, code, error.to_string())
    }
}

/// What happened to a task of ours that never came back with an answer.
impl From<tokio::task::JoinError> for ApiError {
    fn from(error: tokio::task::JoinError) -> Self {
        log::error!("a request could not be answered: {error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request could not be answered; the server's log says why",
        )
    }
}
