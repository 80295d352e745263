//! A server of the test's own, on a free port over a folder of its own, and a client for it.
//!
//! Its store is SQLite; in a program of tests whose name begins with `clickhouse_store`, a database of a real ClickHouse, one
//! for each folder. So the same tests run on both.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use rollout_server::store::{Store, StoreError, StorePlace};
use rollout_server::{ServeOptions, Server, open_store_at, serve};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::{Agent, http};

use crate::clickhouse::ClickHouse;

/// A server that stops when the test is done with it.
pub struct TestServer {
    runtime: Runtime,
    server: Option<Server>,
    addr: SocketAddr,
    agent: Agent,
    dir: PathBuf,
    /// Removed with the server.
    own_dir: Option<TempDir>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body.
    pub body: String,
}

/// What a server answered that may be no text.
#[derive(Debug)]
pub struct Bytes {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the error that the body tells of.
    #[track_caller]
    pub fn error_code(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].is_string(), "{self:?}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl TestServer {
    /// Starts a server that asks for no key.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(dir.path(), &[]);
        server.own_dir = Some(dir);
        server
    }

    /// Starts a server over a folder, with keys.
    pub fn start_in(dir: &Path, keys: &[&str]) -> Self {
        Self::start_at(dir, place(dir), keys)
    }

    /// Starts a server over a folder, with a store that may be elsewhere, and keys.
    pub fn start_at(dir: &Path, store: StorePlace, keys: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = ServeOptions {
            addr: "127.0.0.1:0".to_owned(),
            dir: dir.to_owned(),
            store,
            keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
            retention: rollout_server::store::Retention::default(),
            prices: None,
        };
        let server = runtime.block_on(serve(options)).unwrap();
        Self {
            addr: server.addr(),
            runtime,
            server: Some(server),
            agent: Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .build()
                .into(),
            dir: dir.to_owned(),
            own_dir: None,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it keeps its store, and looks for a spool.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sends a body to the ingest API, with headers.
    pub fn post(&self, body: &[u8], headers: &[(String, String)]) -> Answer {
        let mut request = self.agent.post(self.url("/v1/events:batch"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        answer(request.send(body))
    }

    /// Sends a body to a path, with headers; what is answered may be no text.
    pub fn post_to(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Bytes {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).unwrap();
        Bytes {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_vec().unwrap(),
        }
    }

    /// Puts a body to a path, with headers.
    pub fn put(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.put(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    /// Takes in spans of OpenTelemetry: returns when they are committed.
    #[track_caller]
    pub fn take_spans(&self, request: &ExportTraceServiceRequest) {
        let headers = [("content-type", "application/x-protobuf")];
        let answer = self.post_to("/v1/traces", &crate::otlp::protobuf(request), &headers);
        assert_eq!((answer.status, answer.body), (200, Vec::new()));
    }

    /// One span with its payloads, by the number that its id is of.
    #[track_caller]
    pub fn otlp_span(&self, number: u64) -> Value {
        let (trace, span) = (crate::otlp::TRACE, crate::otlp::id(number));
        self.get_json(&format!("/api/v1/traces/{trace}/spans/{span}"))
    }

    /// Sends a body as the Python client does.
    pub fn post_as_recorded(&self, body: &[u8]) -> Answer {
        self.post(&crate::wire::gzip(body), &crate::wire::request_headers())
    }

    /// Takes in events: returns when they are committed.
    #[track_caller]
    pub fn take(&self, events: &[Value]) {
        for events in events.chunks(1000) {
            let answer = self.post(&crate::wire::batch(events), &[]);
            assert_eq!(
                (answer.status, &answer.json()["rejected"]),
                (200, &0.into()),
                "{answer:?}"
            );
        }
    }

    /// Asks for a path, with headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call())
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// Asks for a path that answers with JSON.
    #[track_caller]
    pub fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// The ids of all listed traces, newest first.
    pub fn trace_ids(&self) -> Vec<String> {
        let page = self.get_json("/api/v1/traces?limit=500");
        let traces = page["traces"].as_array().unwrap();
        traces
            .iter()
            .map(|trace| trace["trace_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The spans of a trace.
    #[track_caller]
    pub fn spans(&self, trace_id: &str) -> Vec<Value> {
        let page = self.get_json(&format!("/api/v1/traces/{trace_id}/spans?limit=10000"));
        page["spans"].as_array().unwrap().clone()
    }

    /// The tree of a trace, a line a span: `type name status`, indented by its depth.
    #[track_caller]
    pub fn tree(&self, trace_id: &str) -> String {
        let line = |span: &Value| {
            let depth = span["depth"].as_u64().unwrap() as usize;
            let text = |name: &str| span[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{}{} {} {}\n",
                "  ".repeat(depth),
                text("type"),
                text("name"),
                text("status")
            )
        };
        self.spans(trace_id).iter().map(line).collect()
    }

    /// Stops it, as Ctrl-C does.
    pub fn stop(mut self) {
        self.stop_now();
    }

    fn stop_now(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop_now();
        if self.own_dir.is_some() {
            let known = databases().remove(&self.dir);
            if let (Some(database), Some(server)) = (known, engine()) {
                server.run(&format!("DROP DATABASE IF EXISTS {database}"));
            }
        }
    }
}

/// The engine of this program's tests; `None` where that is SQLite.
fn engine() -> Option<&'static ClickHouse> {
    static ASKED: OnceLock<bool> = OnceLock::new();
    let asked = ASKED.get_or_init(|| {
        let program = std::env::current_exe().unwrap();
        let name = program.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("clickhouse_store")
    });
    if *asked { ClickHouse::shared() } else { None }
}

/// Whether servers of this program's tests have their stores in ClickHouse.
pub fn is_on_clickhouse() -> bool {
    engine().is_some()
}

/// The databases of this program's tests, by the folder of the server.
fn databases() -> std::sync::MutexGuard<'static, HashMap<PathBuf, String>> {
    static DATABASES: OnceLock<Mutex<HashMap<PathBuf, String>>> = OnceLock::new();
    let databases = DATABASES.get_or_init(Mutex::default);
    databases.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the store of a server over a folder is.
pub fn place(dir: &Path) -> StorePlace {
    let Some(server) = engine() else {
        return StorePlace::Dir;
    };
    let mut databases = databases();
    let database = databases
        .entry(dir.to_owned())
        .or_insert_with(|| format!("test_{:016x}", fastrand::u64(..)));
    format!("clickhouse://{}/{database}", server.address())
        .parse()
        .unwrap()
}

/// Opens the store of a server over a folder.
pub fn open_store(dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
    open_store_at(&place(dir), dir)
}

fn answer(response: Result<http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .unwrap(),
    }
}
