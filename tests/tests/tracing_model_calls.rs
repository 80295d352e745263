//! Model calls that are seen twice, by the `tracing` layer and by a wrapper of ours: they are recorded once, with what
//! both know.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::net::SocketAddr;
use std::sync::Once;

use async_openai::config::OpenAIConfig;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{SendTraced as _, TracingLayer, agent};
use rollout_tests::model::{Piece, Script, events, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let subscriber = tracing_subscriber::registry().with(TracingLayer::new());
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

async fn server(script: Script) -> SocketAddr {
    prepare();
    serve(script).await
}

/// As rig opens a call.
fn chat() -> Span {
    let chat = info_span!(
        target: "rig::completions",
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = Empty,
        gen_ai.request.model = "gpt-4.1",
        gen_ai.request.stream = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        otel.status_code = Empty,
    );
    chat.record("gen_ai.provider.name", "openrouter");
    chat
}

/// A call as rig makes it.
async fn call<F: Future>(future: F) -> F::Output {
    future.instrument(chat()).await
}

fn request() -> Value {
    json!({ "model": "gpt-4.1", "messages": [{ "role": "user", "content": "Hi" }] })
}

fn reply() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello" } }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5 },
    })
}

#[agent(capture_input = false, capture_output = false)]
async fn ask<F: Future>(future: F) -> F::Output {
    future.await
}

async fn captured<F: Future>(future: F) -> (F::Output, Captured) {
    capture_async(ask(future)).await
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    let call = &agent.children[0];
    assert_eq!(
        (call.span_type.as_str(), call.children.len()),
        ("llm", 0),
        "{}",
        captured.tree()
    );
    let id = &call.span_id;
    let ends = captured
        .events
        .iter()
        .filter(|event| event["event_type"] == "span.end" && event["span_id"].as_str() == Some(id));
    assert_eq!(ends.count(), 1);
    call
}

fn post(address: SocketAddr) -> BoxFuture<'static, reqwest::Response> {
    let url = format!("http://{address}/v1/chat/completions");
    let request = reqwest::Client::new().post(url).json(&request());
    async { request.send_traced().await.unwrap() }.boxed()
}

#[tokio::test]
async fn a_wrapped_client_inside_of_a_span() {
    let address = server(Script::Json(200, reply())).await;
    let config = OpenAIConfig::new().with_api_base(format!("http://{address}/v1"));
    let client = rollout::wrap(config);
    let (answer, captured) = captured(call(async {
        // The span has been left and entered again.
        tokio::task::yield_now().await;
        let answer: Value = client.chat().create_byot(request()).await.unwrap();
        let span = Span::current();
        span.record("gen_ai.response.id", "as rig says");
        span.record("gen_ai.output.messages", r#"[{"role":"assistant"}]"#);
        span.record("gen_ai.usage.input_tokens", 2_u64);
        answer
    }))
    .await;
    assert_eq!(answer, reply());
    let call = the_call(&captured);
    assert_eq!((call.name.as_str(), call.status.as_str()), ("chat", "ok"));
    assert_eq!(call.input, Some(request()));
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hello");
    assert_eq!(call.usage["total_tokens"], 5);
    assert_eq!(
        call.model["provider"], "openrouter",
        "the library knows whom it calls"
    );
    assert_eq!(
        call.attributes["gen_ai.response.model"],
        "gpt-4.1-2025-04-14"
    );
    assert_eq!(call.attributes["rollout.usage_source"], "reported");
}

#[tokio::test]
async fn the_last_of_several_attempts_is_told() {
    let busy = json!({ "error": { "message": "Rate limit reached", "type": "requests" } });
    let address = server(Script::in_turn(vec![
        Script::Json(429, busy),
        Script::Json(200, reply()),
    ]))
    .await;
    let ((), captured) = captured(call(async {
        assert!(post(address).await.text().await.unwrap().contains("Rate"));
        assert_eq!(post(address).await.json::<Value>().await.unwrap(), reply());
    }))
    .await;
    let call = the_call(&captured);
    assert_eq!(call.status, "ok");
    assert_eq!(call.attributes["rollout.attempts"], 2);
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hello");
}

#[tokio::test]
async fn an_error_that_only_the_wrapper_sees() {
    let refused = json!({ "error": { "message": "No such key", "type": "invalid_request_error" } });
    let address = server(Script::Json(401, refused)).await;
    let (text, captured) =
        captured(call(async { post(address).await.text().await.unwrap() })).await;
    assert!(text.contains("No such key"));
    let call = the_call(&captured);
    assert_eq!(call.status, "error");
    assert_eq!(call.error.as_ref().unwrap().message, "No such key");
}

#[tokio::test]
async fn a_stream_that_goes_on_when_the_span_is_closed() {
    let chunk = |delta: Value| json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": delta }] });
    let last = json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 5, "completion_tokens": 9 } });
    let text = events(&[
        chunk(json!({ "role": "assistant", "content": "Hel" })),
        chunk(json!({ "content": "lo" })),
        last,
    ]);
    let address = server(Script::Events(text + "data: [DONE]\n\n", 20)).await;
    let (bytes, captured) = captured(async {
        let response = post(address).instrument(chat()).await;
        // The span is closed. What comes is read outside of it.
        response
            .bytes_stream()
            .map(|chunk| chunk.unwrap().len())
            .collect::<Vec<_>>()
            .await
    })
    .await;
    assert!(bytes.len() > 1);
    let call = the_call(&captured);
    assert_eq!(
        (call.status.as_str(), &call.usage["total_tokens"]),
        ("ok", &json!(14))
    );
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hello");
}

#[tokio::test]
async fn a_stream_that_is_given_up() {
    let (send, receive) = mpsc::channel(1);
    let chunk = json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": { "content": "Hel" } }] });
    send.send(Piece::Ok(events(&[chunk]).into())).await.unwrap();
    let address = server(Script::channel(receive)).await;
    let ((), captured) = captured(async {
        let span = chat();
        let mut stream = post(address).instrument(span.clone()).await.bytes_stream();
        assert!(stream.next().await.is_some());
        drop(stream);
    })
    .await;
    let call = the_call(&captured);
    assert_eq!(call.status, "cancelled");
    assert_eq!(call.output, Some(json!({ "content": "Hel" })));
}

#[tokio::test]
async fn a_span_inside_of_a_recorded_call() {
    prepare();
    let (answer, captured) = captured(async {
        rollout::llm("openai")
            .record(
                &request(),
                call(async {
                    tokio::task::yield_now().await;
                    Ok::<_, std::io::Error>(reply())
                }),
            )
            .await
    })
    .await;
    assert_eq!(answer.unwrap(), reply());
    let call = the_call(&captured);
    assert_eq!(
        (call.name.as_str(), &call.usage["total_tokens"]),
        ("openai", &json!(5))
    );
}

#[tokio::test]
async fn calls_that_are_two() {
    let address = server(Script::Json(200, reply())).await;
    let ((), captured) = captured(async {
        // Not the call itself, but a tool that asks a model by itself.
        let tool = info_span!("execute_tool", gen_ai.tool.name = "summarize");
        async { drop(post(address).await.text().await) }
            .instrument(tool)
            .await;
        async {}.instrument(chat()).await;
    })
    .await;
    let agent = captured.span("ask").unwrap();
    let [tool, chat] = &agent.children[..] else {
        unreachable!("{}", captured.tree())
    };
    assert_eq!(
        (tool.name.as_str(), tool.children[0].name.as_str()),
        ("summarize", "chat")
    );
    assert_eq!(chat.name, "chat");
}
