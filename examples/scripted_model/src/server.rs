//! The model's end: `POST /v1/chat/completions`.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::post,
};
use futures::{Stream, StreamExt as _, stream};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use crate::{
    Reply, Script,
    chat::{Choice, Chunk, ChunkChoice, Completion, Delta, Request, Usage},
    others,
};

/// The key that the server asks for.
pub(crate) const KEY: &str = "scripted";

/// How long the model thinks, so that its traces look like traces.
pub(crate) const THINKING: Duration = Duration::from_millis(40);
/// How long it takes to the next word.
const WORD: Duration = Duration::from_millis(5);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of this machine.
    pub(crate) async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/messages", post(others::messages))
            .route("/v1beta/models/{call}", post(others::generate_content))
            .with_state(Arc::new(script));
        let task = tokio::spawn(async move {
            // It never returns.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { addr, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn complete(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> Response {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if key != Some(KEY) {
        return refuse(StatusCode::UNAUTHORIZED, "Incorrect API key provided");
    }
    let Some(reply) = script.reply(&request.messages) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the script has no answer to the last message of this conversation",
        );
    };
    sleep(THINKING).await;
    let reply = reply.clone();
    if request.stream {
        let usage = request
            .stream_options
            .is_some_and(|options| options.include_usage);
        Sse::new(events(request.model, reply, usage)).into_response()
    } else {
        Json(completion(request.model, reply)).into_response()
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let error = json!({ "error": { "message": message, "type": "invalid_request_error" } });
    (status, Json(error)).into_response()
}

fn completion(model: String, reply: Reply) -> Completion {
    Completion {
        id: "chatcmpl-scripted".to_owned(),
        object: "chat.completion".to_owned(),
        created: 0,
        model,
        choices: vec![Choice {
            index: 0,
            finish_reason: Some(finish_reason(&reply).to_owned()),
            message: reply.message,
        }],
        usage: Some(reply.usage),
    }
}

fn finish_reason(reply: &Reply) -> &'static str {
    if reply.message.tool_calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
}

/// The reply, a word to a chunk.
fn events(
    model: String,
    reply: Reply,
    with_usage: bool,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let chunk = |choices: Vec<ChunkChoice>, usage: Option<Usage>| Chunk {
        id: "chatcmpl-scripted".to_owned(),
        object: "chat.completion.chunk".to_owned(),
        model: model.clone(),
        choices,
        usage,
    };
    let piece = |delta, finish_reason: Option<&str>| {
        let choice = ChunkChoice {
            index: 0,
            delta,
            finish_reason: finish_reason.map(ToOwned::to_owned),
        };
        chunk(vec![choice], None)
    };
    let mut chunks = vec![piece(
        Delta {
            role: Some("assistant".to_owned()),
            tool_calls: reply
                .message
                .tool_calls
                .iter()
                .enumerate()
                .map(|(index, call)| json!({ "index": index, "id": call.id, "type": "function", "function": call.function }))
                .collect(),
            ..Delta::default()
        },
        None,
    )];
    chunks.extend(reply.message.text().split_inclusive(' ').map(|word| {
        let delta = Delta {
            content: Some(word.to_owned()),
            ..Delta::default()
        };
        piece(delta, None)
    }));
    chunks.push(piece(Delta::default(), Some(finish_reason(&reply))));
    if with_usage {
        chunks.push(chunk(Vec::new(), Some(reply.usage)));
    }
    let lines: Vec<String> = chunks
        .iter()
        // The types above have nothing that JSON cannot say.
        .filter_map(|chunk| serde_json::to_string(chunk).ok())
        .chain(["[DONE]".to_owned()])
        .collect();
    stream::iter(lines).then(async |line| {
        sleep(WORD).await;
        Ok(Event::default().data(line))
    })
}
