//! The recorded requests below `tests/wire`.

use std::{fs, io::Write, path::PathBuf};

use flate2::{Compression, write::GzEncoder};

/// One recorded body, as it can be sent.
pub fn recording(file: &str) -> Vec<u8> {
    fs::read(folder().join(file)).unwrap()
}

/// The names of all recorded bodies, in order.
pub fn recordings() -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !matches!(name.as_str(), "README.md" | "request-head.txt"))
        .collect();
    files.sort_unstable();
    files
}

/// The headers that the client sends, without those that depend on the request.
pub fn request_headers() -> Vec<(String, String)> {
    let head = String::from_utf8(recording("request-head.txt")).unwrap();
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !matches!(*name, "Host" | "Content-Length" | "Connection"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Compresses as clients do.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A batch of these events.
pub fn batch(events: &[serde_json::Value]) -> Vec<u8> {
    let batch = serde_json::json!({
        "schema_version": "1.0",
        "source": "sdk_test",
        "sdk": { "name": "test", "language": "rust" },
        "batch_id": "batch_1",
        "sent_at": "2026-01-02T03:04:05.000006Z",
        "events": events,
    });
    serde_json::to_vec(&batch).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("wire")
}
