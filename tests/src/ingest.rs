//! An ingest server on the loopback interface that behaves as a test says.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It takes every event.
    Accept,
    /// It refuses every request with this status.
    Status(u16),
    /// It takes every event, and answers once it is told another way to answer.
    Hold,
}

/// A request that was answered, or waits for its answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, decoded.
    pub batch: Value,
    /// Whether its events were taken.
    pub taken: bool,
}

/// The server. It stops when dropped.
pub struct IngestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    up: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    requests: Mutex<Vec<Request>>,
    answer: watch::Sender<Answer>,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IngestServer {
    /// A server that answers in this way.
    pub fn start(answer: Answer) -> Self {
        let mut server = Self::down(answer);
        server.come_up();
        server
    }

    /// A server that has a port and refuses every connection.
    pub fn down(answer: Answer) -> Self {
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            answer: watch::Sender::new(answer),
        });
        let (stop, stopped) = oneshot::channel();
        let (up, is_up) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        let state = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                // Bound and not listening: the port is taken, and connections are refused.
                let socket = TcpSocket::new_v4().expect("a socket");
                socket
                    .bind((Ipv4Addr::LOCALHOST, 0).into())
                    .expect("a port");
                bound
                    .send(socket.local_addr().expect("an address"))
                    .expect("the test waits for it");
                if is_up.await.is_err() {
                    return;
                }
                let listener = socket.listen(128).expect("a listener");
                let app = Router::new()
                    .route("/v1/{route}", post(receive))
                    .with_state(state);
                tokio::select! {
                    served = axum::serve(listener, app) => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().expect("an address"),
            shared,
            stop: Some(stop),
            up: Some(up),
            thread: Some(thread),
        }
    }

    /// Takes connections from now on.
    pub fn come_up(&mut self) {
        if let Some(up) = self.up.take() {
            up.send(()).expect("the server runs");
        }
    }

    /// The base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers in this way from now on; what is held is answered too.
    pub fn answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// The events that were taken, in the order in which they came.
    pub fn events(&self) -> Vec<Value> {
        self.requests()
            .into_iter()
            .filter(|request| request.taken)
            .flat_map(|request| match request.batch["events"].clone() {
                Value::Array(events) => events,
                other => panic!("events are {other}"),
            })
            .collect()
    }
}

impl Drop for IngestServer {
    fn drop(&mut self) {
        self.up.take();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said why.
            let _ = thread.join();
        }
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    if body.is_empty() {
        // It is said that a writer is gone, which nobody here wants to know.
        return (StatusCode::NOT_FOUND, Json(json!({})));
    }
    let mut text = Vec::new();
    GzDecoder::new(&body[..])
        .read_to_end(&mut text)
        .expect("a gzip body");
    let batch: Value = serde_json::from_slice(&text).expect("a body of JSON");
    let accepted = batch["events"].as_array().map_or(0, Vec::len);
    let headers = headers
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().expect("a header of text");
            (name.to_string(), value.to_owned())
        })
        .collect();
    let index = {
        let mut requests = shared.requests();
        requests.push(Request {
            headers,
            batch,
            taken: false,
        });
        requests.len() - 1
    };
    let mut answers = shared.answer.subscribe();
    let answer = *answers
        .wait_for(|answer| *answer != Answer::Hold)
        .await
        .expect("the server runs");
    if let Answer::Status(status) = answer {
        let status = StatusCode::from_u16(status).expect("a status");
        return (status, Json(json!({ "message": "not now" })));
    }
    shared.requests()[index].taken = true;
    (
        StatusCode::OK,
        Json(json!({ "accepted": accepted, "rejected": 0, "retryable": false, "errors": [] })),
    )
}
