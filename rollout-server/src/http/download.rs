//! One trace as a file, written while it is sent.

use std::io::{self, BufWriter, Write};

use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{App, error::ApiError};
use crate::{
    export::{TraceFormat, export_trace},
    query::TraceSummary,
    store::Store,
};

/// Bytes that leave at a time.
const CHUNK: usize = 64 << 10;
/// Chunks that wait for a client that is slow.
const WAITING: usize = 4;

/// What a download may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    format: String,
}

/// `GET /api/v1/traces/{trace_id}/export?format=ndjson|otlp`
pub(super) async fn trace(
    State(app): State<App>,
    Path(trace_id): Path<String>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::bad_request("invalid_query", error.body_text()))?;
    let (format, ending) = match query.format.as_str() {
        "ndjson" => (TraceFormat::Ndjson, "ndjson"),
        "otlp" => (TraceFormat::Otlp, "otlp.jsonl"),
        other => {
            return Err(ApiError::bad_request(
                "invalid_format",
                format!("`format` must be `ndjson` or `otlp`, not `{other}`"),
            ));
        }
    };
    let store = app.store.clone();
    let unknown = ApiError::not_found(format!("there is no trace `{trace_id}`"));
    let found = tokio::task::spawn_blocking(move || store.trace(&trace_id)).await??;
    let summary = found.ok_or(unknown)?.summary;
    let name = file_name(&summary.trace_id, ending);
    let (send, receive) = mpsc::channel(WAITING);
    let store = app.store.clone();
    tokio::task::spawn_blocking(move || write(&*store, &summary, format, send));
    let chunks = futures::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|chunk| (chunk, receive))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// A name that every file system and header takes.
fn file_name(trace_id: &str, ending: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = trace_id
        .chars()
        .take(80)
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    format!("{name}.{ending}")
}

fn write(
    store: &dyn Store,
    trace: &TraceSummary,
    format: TraceFormat,
    send: mpsc::Sender<io::Result<Vec<u8>>>,
) {
    let mut out = BufWriter::with_capacity(CHUNK, Chunks(send.clone()));
    let written = export_trace(store, trace, format, &mut out);
    let written = written.map_err(|error| io::Error::other(error.to_string()));
    if let Err(error) = written.and_then(|_| out.flush()) {
        // What is cut off is no whole file: the client is told by the connection's end. One that has gone is told
        // nothing.
        let _ = send.blocking_send(Err(error));
    }
}

/// Sends what is written to it.
struct Chunks(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(bytes.to_vec()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
