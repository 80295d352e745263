//! Calls of genai, as they are, under the `tracing` layer.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::net::SocketAddr;
use std::sync::Once;

use axum::Router;
use axum::http::StatusCode;
use futures::StreamExt as _;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{TracingLayer, agent};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt as _;

/// The layer, and TLS that is never used.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let subscriber = tracing_subscriber::registry().with(TracingLayer::new());
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// A model that answers this.
async fn model(status: u16, media_type: &'static str, body: String) -> SocketAddr {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move || async move { (status, [("content-type", media_type)], body) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn client() -> Client {
    // No proxy stands before this machine's own ports.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Client::builder().with_reqwest(http).build().unwrap()
}

fn target(address: SocketAddr) -> ServiceTarget {
    ServiceTarget {
        endpoint: Endpoint::from_owned(format!("http://{address}/v1/")),
        auth: AuthData::from_single("sk-secret-of-the-caller"),
        model: ModelIden::new(AdapterKind::OpenAI, "gpt-4.1"),
    }
}

fn request() -> ChatRequest {
    ChatRequest::new(vec![ChatMessage::user("Why does it rain in Bergen?")])
}

fn usage() -> Value {
    json!({ "prompt_tokens": 14, "completion_tokens": 13, "total_tokens": 27 })
}

#[agent(capture_input = false, capture_output = false)]
async fn ask<F: Future>(call: F) -> F::Output {
    call.await
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    &agent.children[0]
}

#[tokio::test]
async fn an_answer_in_one_piece() {
    prepare();
    let reply = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Wet air." } }],
        "usage": usage(),
    });
    let address = model(200, "application/json", reply.to_string()).await;
    let client = client();
    let options = ChatOptions::default().with_temperature(0.5);
    let call = client.exec_chat(target(address), request(), Some(&options));
    let (answer, captured) = capture_async(ask(call)).await;
    assert_eq!(answer.unwrap().first_text(), Some("Wet air."));
    let call = the_call(&captured);
    assert_eq!(
        (call.span_type.as_str(), call.status.as_str()),
        ("llm", "ok")
    );
    assert_eq!(call.model["provider"], "openai");
    assert_eq!(call.model["model"], "gpt-4.1");
    assert_eq!(call.model["temperature"], 0.5);
    assert_eq!(call.usage["input_tokens"], 14);
    assert_eq!(call.usage["output_tokens"], 13);
    assert_eq!(call.attributes["rollout.usage_source"], "reported");
    assert_eq!(
        call.attributes["gen_ai.response.finish_reasons"],
        json!(["stop"])
    );
}

#[tokio::test]
async fn a_stream() {
    prepare();
    let chunk = |delta: Value, reason: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1", "choices": [choice] })
        )
    };
    let last = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1", "choices": [], "usage": usage() });
    let body = [
        chunk(json!({ "role": "assistant", "content": "Wet " }), None),
        chunk(json!({ "content": "air." }), None),
        chunk(json!({}), Some("stop")),
        format!("data: {last}\n\ndata: [DONE]\n\n"),
    ];
    let address = model(200, "text/event-stream", body.concat()).await;
    let client = client();
    let (text, captured) = capture_async(ask(async {
        let options = ChatOptions::default().with_capture_usage(true);
        let call = client.exec_chat_stream(target(address), request(), Some(&options));
        let mut events = call.await.unwrap().stream;
        let mut text = String::new();
        while let Some(event) = events.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event.unwrap() {
                text += &chunk.content;
            }
        }
        text
    }))
    .await;
    assert_eq!(text, "Wet air.");
    let call = the_call(&captured);
    assert_eq!(
        (call.span_type.as_str(), call.status.as_str()),
        ("llm", "ok")
    );
    assert_eq!(call.attributes["gen_ai.request.stream"], true);
    assert_eq!(call.usage["input_tokens"], 14);
    assert!(call.attributes["gen_ai.response.time_to_first_chunk"].as_f64() > Some(0.0));
}

#[tokio::test]
async fn a_refusal() {
    prepare();
    let refusal =
        json!({ "error": { "message": "Incorrect API key", "type": "invalid_request_error" } });
    let address = model(401, "application/json", refusal.to_string()).await;
    let client = client();
    let call = client.exec_chat(target(address), request(), None);
    let (answer, captured) = capture_async(ask(call)).await;
    assert!(answer.is_err());
    let call = the_call(&captured);
    assert_eq!(call.status, "error");
    assert_eq!(call.attributes["rollout.usage_source"], "absent");
}
