//! Model calls through `rig`, by a wrapped HTTP client.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use rig_http::http_client::{
    DynHttpClient, Error, HttpClientExt as _, HttpMiddleware, LazyBody, Result,
};
use rig_http::wasm_compat::WasmBoxedFuture;
use rig_reqwest::ReqwestClient;
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{ModelCalls, agent, span};
use rollout_tests::model::{Piece, Script, events, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn client() -> DynHttpClient {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    DynHttpClient::new(ReqwestClient::from(reqwest::Client::new()))
}

fn reply() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello" } }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5 },
    })
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    &agent.children[0]
}

/// What a program sees of an answer, or of a failure.
#[derive(Debug, PartialEq)]
enum Seen {
    Whole(u16, BTreeMap<String, String>, Bytes),
    Chunks(u16, BTreeMap<String, String>, Vec<Bytes>),
    Refused(u16, BTreeMap<String, String>, String),
    Failed(String),
}

fn headers(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| *name != http::header::DATE)
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn failed(error: Error) -> Seen {
    match error {
        Error::InvalidStatusCodeWithDetails {
            status,
            body,
            headers: all,
        } => Seen::Refused(status.as_u16(), headers(&all), body),
        other => Seen::Failed(other.to_string()),
    }
}

fn request(url: &str) -> Request<Vec<u8>> {
    Request::post(url)
        .header("authorization", "Bearer sk-secret-of-the-caller")
        .body(br#"{"model":"m"}"#.to_vec())
        .unwrap()
}

async fn send(client: &DynHttpClient, url: &str, streamed: bool) -> Seen {
    if streamed {
        return match client.send_streaming(request(url)).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let chunks: Vec<_> = body.map(Result::unwrap).collect().await;
                Seen::Chunks(head.status.as_u16(), headers(&head.headers), chunks)
            }
            Err(error) => failed(error),
        };
    }
    let sent: Result<http::Response<LazyBody<Bytes>>> = client.send(request(url)).await;
    match sent {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let bytes = body.await.unwrap();
            Seen::Whole(head.status.as_u16(), headers(&head.headers), bytes)
        }
        Err(error) => failed(error),
    }
}

#[agent(capture_input = false, capture_output = false)]
async fn ask(client: &DynHttpClient, url: &str, streamed: bool) -> Seen {
    send(client, url, streamed).await
}

/// Asks with and without us, holds both against each other, and gives the span.
async fn recorded(address: std::net::SocketAddr, streamed: bool) -> CapturedSpan {
    let url = format!("http://{address}/v1/chat/completions?key=secret-of-the-caller");
    let wrapped = rollout::wrap(client());
    let (seen, captured) = capture_async(ask(&wrapped, &url, streamed)).await;
    assert_eq!(seen, send(&client(), &url, streamed).await);
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    the_call(&captured).clone()
}

#[tokio::test]
async fn answers_are_what_they_are_without_us() {
    let call = recorded(serve(Script::Json(200, reply())).await, false).await;
    assert_eq!((call.name.as_str(), call.status.as_str()), ("chat", "ok"));
    assert_eq!(call.input, Some(json!({ "model": "m" })));
    assert_eq!(
        call.output.as_ref(),
        Some(&reply()["choices"][0]["message"])
    );
    assert_eq!(call.usage["total_tokens"], 5);

    // One chunk, so that where it is cut is no matter of luck.
    let delta = |text: &str| json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    let text = events(&[delta("Hel"), delta("lo")]) + "data: [DONE]\n\n";
    let call = recorded(serve(Script::Events(text, 10_000)).await, true).await;
    assert_eq!(call.status, "ok");
    assert_eq!(call.output, Some(json!({ "content": "Hello" })));
    assert_eq!(call.attributes["chunk_count"], 2);
}

#[tokio::test]
async fn errors_are_what_they_are_without_us() {
    let refused =
        json!({ "error": { "message": "Incorrect API key", "type": "invalid_request_error" } });
    let address = serve(Script::Json(401, refused)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    for streamed in [false, true] {
        let error = recorded(address, streamed).await.error.unwrap();
        assert_eq!(error.error_type, "invalid_request_error");
        assert_eq!(error.message, "Incorrect API key");
        let error = recorded(nobody, streamed).await.error.unwrap();
        assert_eq!(error.error_type, "transport");
        assert!(error.message.contains("127.0.0.1"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_stream_is_done_when_it_has_ended_whatever_its_last_word() {
    let delta = json!({ "choices": [{ "index": 0, "delta": { "content": "Hel" } }] });
    let address = serve(Script::Events(events(&[delta]), 10_000)).await;
    let call = recorded(address, true).await;
    assert_eq!(call.status, "ok");
    assert_eq!(call.output, Some(json!({ "content": "Hel" })));
}

/// Reads a stream whose connection breaks after the first piece; what failed is told to the caller.
#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn follow(client: &DynHttpClient, url: &str, next: mpsc::Sender<Piece>) -> bool {
    let mut pieces = client
        .send_streaming(request(url))
        .await
        .unwrap()
        .into_body();
    assert!(pieces.next().await.unwrap().is_ok());
    next.send(Err(std::io::ErrorKind::BrokenPipe.into()))
        .await
        .unwrap();
    pieces.next().await.unwrap().is_err()
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_failure_with_what_there_was() {
    let (sender, receiver) = mpsc::channel(1);
    let delta = json!({ "choices": [{ "index": 0, "delta": { "content": "Hel" } }] });
    sender.send(Ok(events(&[delta]).into())).await.unwrap();
    let address = serve(Script::channel(receiver)).await;
    let url = format!("http://{address}/v1/chat/completions");
    let wrapped = rollout::wrap(client());
    let (failed, captured) = capture_async(follow(&wrapped, &url, sender)).await;
    assert!(failed);
    let call = the_call(&captured);
    assert_eq!(call.status, "error");
    assert_eq!(call.error.as_ref().unwrap().error_type, "transport");
    assert_eq!(call.output, Some(json!({ "content": "Hel" })));
}

#[tokio::test]
async fn a_say_in_what_is_recorded() {
    let address = serve(Script::Json(200, reply())).await;
    let url = format!("http://{address}/v1/chat/completions");
    let calls = ModelCalls::new()
        .provider("openrouter")
        .attribute("team", "support")
        .capture_output(false);
    let wrapped = rollout::wrap_with(client(), calls);
    let (_, captured) = capture_async(ask(&wrapped, &url, false)).await;
    let call = the_call(&captured);
    assert_eq!(call.model["provider"], "openrouter");
    assert_eq!(call.attributes["team"], "support");
    assert_eq!((call.input.is_some(), &call.output), (true, &None));
}

/// Works inside the request.
struct Signs;

#[span(capture_output = false)]
async fn sign() {}

impl HttpMiddleware for Signs {
    fn before_request_headers<'a>(
        &'a self,
        _: &'a http::Method,
        _: &'a http::Uri,
        _: &'a mut http::HeaderMap,
    ) -> WasmBoxedFuture<'a, Result<()>> {
        Box::pin(async {
            sign().await;
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_happens_below_is_inside_and_twice_wrapped_is_once_recorded() {
    let address = serve(Script::Json(200, reply())).await;
    let url = format!("http://{address}/v1/chat/completions");
    for streamed in [false, true] {
        let twice = rollout::wrap(rollout::wrap(client().with_middleware(Signs)));
        let (_, captured) = capture_async(ask(&twice, &url, streamed)).await;
        let call = the_call(&captured);
        assert_eq!(call.name, "chat");
        assert_eq!(call.children.len(), 1, "{}", captured.tree());
        assert_eq!(call.children[0].name, "sign");
        assert!(!call.attributes.contains_key("rollout.attempts"));
    }
}
