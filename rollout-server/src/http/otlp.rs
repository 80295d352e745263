//! `POST /v1/traces`: spans of OpenTelemetry, by OTLP over HTTP, in protobuf and JSON.

use std::fmt::Write as _;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::json;
use tokio::task::JoinError;

use super::{
    App,
    error::{ApiError, Said},
    ingest::encoding,
};
use crate::{
    ingest::{Format, Spans, receive_spans},
    store::Origin,
};

/// OTLP's own path, and those to which the clients of Langfuse and TraceRoot send.
const PATHS: [&str; 3] = [
    "/v1/traces",
    "/api/public/otel/v1/traces",
    "/api/v1/public/traces",
];

/// Takes the spans of a request. An answer of success means that they are committed.
pub(super) async fn take(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let format = format(&headers).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_content_type",
            "Content-Type must be application/x-protobuf or application/json",
        )
    })?;
    let encoding = encoding(&headers)?;
    let body = app.bodies.read(&headers, body).await?;
    let decode = move || {
        let spans = receive_spans(&body.bytes, encoding, format)?;
        // Its share of the memory is held as long as there are spans left.
        Ok::<_, ApiError>((spans, body))
    };
    let (mut spans, mut body) = in_turn(&app, decode).await??;
    let mut accepted = 0;
    loop {
        let events;
        let next = move || {
            let events = spans.next_events();
            (events, spans, body)
        };
        (events, spans, body) = in_turn(&app, next).await?;
        if events.is_empty() {
            break;
        }
        accepted += events.len() as u64;
        app.store.append(events, Origin::Request(None)).await?;
    }
    drop(body);
    let reasons = spans.rejected().iter();
    app.metrics
        .events(accepted, reasons.map(|(reason, number)| (*reason, *number)));
    Ok(format.answer(&spans))
}

/// Does what keeps a core busy: no more at a time than there are.
async fn in_turn<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let _turn = app.decoders.acquire().await;
    tokio::task::spawn_blocking(work).await
}

fn format(headers: &HeaderMap) -> Option<Format> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Format::Protobuf)
    } else if kind.eq_ignore_ascii_case("application/json") {
        Some(Format::Json)
    } else {
        None
    }
}

impl Format {
    fn answer(self, spans: &Spans) -> Response {
        let rejected: u64 = spans.rejected().values().sum();
        let message = explain(rejected, spans);
        match self {
            Self::Protobuf => {
                let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
                    rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
                    error_message: message,
                });
                self.response(ExportTraceServiceResponse { partial_success }.encode_to_vec())
            }
            Self::Json if rejected == 0 => self.response("{}"),
            Self::Json => {
                let partial =
                    json!({ "rejectedSpans": rejected.to_string(), "errorMessage": message });
                self.response(json!({ "partialSuccess": partial }).to_string())
            }
        }
    }

    fn response(self, body: impl Into<Bytes>) -> Response {
        let kind = match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        };
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        (headers, Body::from(body.into())).into_response()
    }
}

fn explain(rejected: u64, spans: &Spans) -> String {
    let mut message = format!("{rejected} of {} spans are rejected", spans.seen());
    for error in spans.explained() {
        // A text takes whatever is written to it.
        let _ = write!(message, "; span {}: {}", error.index, error.message);
    }
    message
}

/// How OTLP says no: `google.rpc.Status`, of which it uses the message.
#[derive(Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Has every refusal of spans, whoever gives it, speak OTLP in the request's encoding.
pub(super) async fn rephrase(request: Request, next: Next) -> Response {
    if !PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let format = format(request.headers()).unwrap_or(Format::Json);
    let response = next.run(request).await;
    let Some(said) = response.extensions().get::<Said>() else {
        return response;
    };
    let (code, message) = (code(response.status()), said.message.clone());
    let body = match format {
        Format::Protobuf => Status { code, message }.encode_to_vec(),
        Format::Json => json!({ "code": code, "message": message })
            .to_string()
            .into_bytes(),
    };
    let mut rephrased = format.response(body);
    *rephrased.status_mut() = match response.status() {
        // OTLP has nobody try again on 507.
        StatusCode::INSUFFICIENT_STORAGE => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = response.headers().get(&name) {
            rephrased.headers_mut().insert(name, value.clone());
        }
    }
    rephrased
}

/// The code of `google.rpc` that says the same.
fn code(status: StatusCode) -> i32 {
    match status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => 14,
        StatusCode::REQUEST_TIMEOUT => 4,
        status if status.is_server_error() => 13,
        _ => 3,
    }
}
