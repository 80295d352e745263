//! A server of a test's own, in this process, on a free port, with a fresh directory.

use std::path::Path;

use jiff::Timestamp;
use rollout_server::{
    ServeOptions, Server,
    ingest::{self, Encoding},
    serve,
    store::Origin,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A running server; it stops when dropped.
pub struct TestServer {
    // Dropped in this order.
    server: Option<Server>,
    runtime: Runtime,
    dir: TempDir,
}

impl TestServer {
    /// Starts a server.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let options = ServeOptions {
            addr: "127.0.0.1:0".to_owned(),
            dir: dir.path().to_owned(),
            keys: Vec::new(),
        };
        let server = runtime.block_on(serve(options)).expect("the server starts");
        Self {
            server: Some(server),
            runtime,
            dir,
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server().addr())
    }

    /// The directory that it reads.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Takes in events, and returns when they are committed.
    pub fn take(&self, events: &[Value]) {
        let store = self.server().store();
        let mut pending = Vec::new();
        for (number, events) in events.chunks(1000).enumerate() {
            let batch = json!({
                "schema_version": "1.0",
                "source": "sdk_rust",
                "sdk": { "name": "rollout", "version": "0.1.0", "language": "rust" },
                "batch_id": format!("batch_{number}"),
                "sent_at": Timestamp::now().to_string(),
                "events": events,
            });
            let received =
                ingest::receive(batch.to_string().as_bytes(), Encoding::Identity).expect("a batch");
            assert!(received.errors.is_empty(), "{:?}", received.errors);
            pending.push(store.append(received.events, Origin::Request));
        }
        for pending in pending {
            pending.wait().expect("they are stored");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}
