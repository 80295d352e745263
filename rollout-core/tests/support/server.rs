//! A scripted ingest API on a loopback port.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

/// What the server does with a request.
pub enum Answer {
    /// Takes every event.
    Accept,
    /// Takes every event but those, by index.
    Refuse(Vec<usize>, &'static str, bool),
    /// This status, header and body, and takes nothing.
    Status(u16, &'static str, &'static str),
    /// 200 with this body, and takes nothing.
    Garbage(&'static str),
    /// Takes every event once the gate is open.
    AcceptWhen(watch::Receiver<bool>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// From 0.
    pub number: usize,
    pub path: String,
    pub headers: HeaderMap,
    pub batch: Value,
}

impl Request {
    pub fn events(&self) -> Vec<Value> {
        self.batch["events"].as_array().cloned().unwrap_or_default()
    }
}

type Script = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    script: Script,
    requests: Mutex<Vec<Request>>,
    stored: Mutex<Vec<String>>,
}

/// Runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A port where nobody listens.
pub fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Server {
    pub fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            requests: Mutex::default(),
            stored: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let state = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let app = Router::new().fallback(handle).with_state(state);
                let serve = std::future::IntoFuture::into_future(axum::serve(listener, app));
                futures::future::select(serve, stopped).await;
            });
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The names of the events that were taken, in order, with repetitions; empty for those without.
    pub fn stored(&self) -> Vec<String> {
        self.shared.stored.lock().unwrap().clone()
    }

    /// Whether exactly these were taken, each once.
    pub fn has_once(&self, names: &[String]) -> bool {
        let stored = self.stored();
        let unique: BTreeSet<_> = stored.iter().collect();
        unique.len() == stored.len() && unique == names.iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response<Body> {
    if uri.path().ends_with("/v1/writers:gone") {
        // A server that does not know of writers.
        return response(404, "", String::new());
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut text)
        .unwrap();
    let batch: Value = serde_json::from_str(&text).unwrap();
    let request = {
        let mut requests = shared.requests.lock().unwrap();
        let number = requests.len();
        requests.push(Request {
            number,
            path: uri.path().into(),
            headers,
            batch,
        });
        requests.last().unwrap().clone()
    };
    let answer = (shared.script)(&request);
    let (refused, code, retryable) = match answer {
        Answer::Accept => (Vec::new(), "", false),
        Answer::Refuse(indices, code, retryable) => (indices, code, retryable),
        Answer::AcceptWhen(mut gate) => {
            let _ = gate.wait_for(|open| *open).await;
            (Vec::new(), "", false)
        }
        Answer::Garbage(body) => return response(200, "", body.into()),
        Answer::Status(status, header, body) => return response(status, header, body.into()),
    };
    let events = request.events();
    let taken = events
        .iter()
        .enumerate()
        .filter(|(index, _)| !refused.contains(index))
        .map(|(_, event)| event["name"].as_str().unwrap_or("").to_owned());
    shared.stored.lock().unwrap().extend(taken);
    let errors: Vec<_> = refused
        .iter()
        .map(|index| json!({ "index": index, "code": code, "message": "said the test" }))
        .collect();
    let answer = json!({
        "accepted": events.len() - refused.len(),
        "rejected": refused.len(),
        "retryable": retryable,
        "errors": errors,
    });
    response(200, "", answer.to_string())
}

fn response(status: u16, header: &str, body: String) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    if let Some((name, value)) = header.split_once(": ") {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
