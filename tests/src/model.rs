//! A server in the place of a model, which answers as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// A piece of a body, or the end of the connection in the middle of it.
pub type Piece = Result<Bytes, std::io::Error>;

/// What the server answers.
#[derive(Clone)]
pub enum Script {
    /// A status and a body.
    Json(u16, Value),
    /// Events, cut into pieces of so many bytes.
    Events(String, usize),
    /// Events as the test lets them go, to the first request.
    Channel(Arc<Mutex<Option<mpsc::Receiver<Piece>>>>),
    /// The request, as it has come.
    Echo,
    /// One answer after another, the last again and again.
    InTurn(Arc<(AtomicUsize, Vec<Script>)>),
}

impl Script {
    /// Events as `pieces` lets them go.
    pub fn channel(pieces: mpsc::Receiver<Piece>) -> Self {
        Self::Channel(Arc::new(Mutex::new(Some(pieces))))
    }

    /// One answer after another, the last again and again.
    pub fn in_turn(scripts: Vec<Self>) -> Self {
        Self::InTurn(Arc::new((AtomicUsize::new(0), scripts)))
    }

    async fn answer(self, request: &Value) -> Response {
        let events = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
        match self {
            Self::Json(status, value) => Response::builder()
                .status(StatusCode::from_u16(status).unwrap())
                .header("content-type", "application/json")
                .body(Body::from(value.to_string())),
            Self::Events(text, size) => {
                let pieces: Vec<_> = text
                    .as_bytes()
                    .chunks(size)
                    .map(|piece| Piece::Ok(Bytes::copy_from_slice(piece)))
                    .collect();
                events.body(Body::from_stream(futures::stream::iter(pieces)))
            }
            Self::Channel(channel) => {
                let pieces = channel.lock().await.take().unwrap();
                events.body(Body::from_stream(ReceiverStream::new(pieces)))
            }
            Self::Echo => Response::builder()
                .header("content-type", "application/json")
                .body(Body::from(request.to_string())),
            Self::InTurn(turns) => {
                let turn = turns.0.fetch_add(1, Ordering::Relaxed);
                let script = turns.1.get(turn).or(turns.1.last()).unwrap().clone();
                return Box::pin(script.answer(request)).await;
            }
        }
        .unwrap()
    }
}

/// Serves the script at every path of a loopback address, for as long as the runtime lives.
pub async fn serve(script: Script) -> SocketAddr {
    async fn answer(State(script): State<Script>, request: Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        let headers = head.headers.iter().map(|(name, value)| {
            let value = value.to_str().unwrap();
            // The port is another one each time.
            let is_host = name == axum::http::header::HOST;
            json!([name.as_str(), if is_host { "here" } else { value }])
        });
        let request = json!({
            "method": head.method.as_str(),
            "uri": head.uri.to_string(),
            "headers": headers.collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&body),
        });
        script.answer(&request).await
    }

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer).with_state(script);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Values as server-sent events.
pub fn events(values: &[Value]) -> String {
    values.iter().fold(String::new(), |text, value| {
        text + &format!("data: {value}\n\n")
    })
}
