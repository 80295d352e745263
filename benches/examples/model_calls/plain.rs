//! Calls through a plain `reqwest` client.

use futures::StreamExt as _;
use reqwest::{Body, Client, Response};
use rollout::SendTraced as _;
use serde_json::Value;

/// How a request is sent.
#[derive(Clone, Copy)]
pub(crate) enum Sent {
    /// As if rollout were not there.
    Bare,
    /// The same, with the body of its response taken out and put back.
    PutBack,
    /// Recorded.
    Traced,
}

async fn send(client: &Client, url: &str, request: &Value, sent: Sent) -> Response {
    let request = client.post(url).json(request);
    match sent {
        Sent::Bare => request.send().await.unwrap(),
        Sent::PutBack => {
            let response: http::Response<Body> = request.send().await.unwrap().into();
            response.into()
        }
        Sent::Traced => request.send_traced().await.unwrap(),
    }
}

/// A call that is answered at once, by JSON that the program reads.
pub(crate) async fn whole(client: &Client, url: &str, request: &Value, sent: Sent) {
    let answer: Value = send(client, url, request, sent).await.json().await.unwrap();
    std::hint::black_box(answer);
}

/// A stream, of which the program takes the bytes alone or parses the events as well.
pub(crate) async fn stream(client: &Client, url: &str, request: &Value, parses: bool, sent: Sent) {
    let response = send(client, url, request, sent).await;
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        if parses && chunk.starts_with(b"data: {") {
            // One that is cut by the client's buffer fails, at about the same cost.
            let event = serde_json::from_slice::<Value>(&chunk[6..]);
            let _ = std::hint::black_box(event);
        }
        std::hint::black_box(chunk);
    }
}
