//! Model calls through a wrapped `async-openai` client.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use futures::StreamExt as _;
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{ModelCalls, agent};
use rollout_tests::model::{Script, events, serve};
use serde_json::{Value, json};

async fn config(script: Script) -> OpenAIConfig {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    OpenAIConfig::new()
        .with_api_base(format!("http://{}/v1", serve(script).await))
        .with_api_key("sk-secret-of-the-caller")
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
async fn ask(client: &Client<OpenAIConfig>) -> Result<Value, OpenAIError> {
    client.chat().create_byot(request()).await
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    &agent.children[0]
}

#[tokio::test]
async fn a_chat_completion() {
    let client = rollout::wrap(config(Script::Json(200, reply())).await);
    let (answer, captured) = capture_async(ask(&client)).await;
    assert_eq!(answer.unwrap(), reply());
    let call = the_call(&captured);
    assert_eq!(
        (call.span_type.as_str(), call.status.as_str()),
        ("llm", "ok")
    );
    assert_eq!(call.input, Some(request()));
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hello");
    assert_eq!(call.usage["total_tokens"], 5);
    assert!(!call.attributes.contains_key("rollout.attempts"));
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn embed(client: &Client<OpenAIConfig>) -> usize {
    use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
    let request = CreateEmbeddingRequestArgs::default()
        .model("e-3")
        .input("text")
        .build()
        .unwrap();
    let reply = client.embeddings().create(request).await.unwrap();
    reply.data[0].embedding.len()
}

#[tokio::test]
async fn typed_calls_of_other_groups() {
    let embeddings = json!({ "object": "list", "model": "e-3", "data": [{ "object": "embedding", "index": 0, "embedding": [0.5, 1.0] }],
        "usage": { "prompt_tokens": 1, "total_tokens": 1 } });
    let config = config(Script::Json(200, embeddings)).await;
    let client = rollout::wrap((config, reqwest::Client::new()));
    let (dimensions, captured) = capture_async(embed(&client)).await;
    assert_eq!(dimensions, 2);
    assert_eq!(the_call(&captured).name, "embeddings");
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn follow(client: &Client<OpenAIConfig>, most: usize) -> String {
    let mut request = request();
    request["stream"] = true.into();
    let stream = client.chat().create_stream_byot::<_, Value>(request).await;
    let texts = stream.unwrap().take(most).map(|chunk| {
        let chunk = chunk.unwrap();
        chunk["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    texts.collect().await
}

#[tokio::test]
async fn a_stream_that_stops_at_its_last_word() {
    let delta = |text: &str| json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{ "index": 0, "delta": { "content": text } }] });
    let stream = events(&[delta("Hel"), delta("lo")]) + "data: [DONE]\n\n";
    let client = rollout::wrap(config(Script::Events(stream, 10)).await);
    let (text, captured) = capture_async(follow(&client, usize::MAX)).await;
    assert_eq!(text, "Hello");
    let call = the_call(&captured);
    assert_eq!(call.status, "ok");
    assert_eq!(call.output, Some(json!({ "content": "Hello" })));
    assert_eq!(call.attributes["chunk_count"], 2);
}

#[tokio::test]
async fn a_retry_is_one_call_of_two_attempts() {
    let busy = json!({ "error": { "message": "Rate limit reached", "type": "requests", "param": null, "code": "rate_limit_exceeded" } });
    let script = Script::in_turn(vec![Script::Json(429, busy), Script::Json(200, reply())]);
    let client = rollout::wrap(config(script).await);
    let (answer, captured) = capture_async(ask(&client)).await;
    assert!(answer.is_ok());
    let call = the_call(&captured);
    assert_eq!(call.status, "ok");
    assert_eq!(call.attributes["rollout.attempts"], 2);
}

#[tokio::test]
async fn errors_are_the_callers_own() {
    let refused = json!({ "error": { "message": "Incorrect API key provided", "type": "invalid_request_error", "param": null, "code": "invalid_api_key" } });
    let client = rollout::wrap(config(Script::Json(401, refused)).await);
    let (answer, captured) = capture_async(ask(&client)).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, OpenAIError::ApiError(_)), "{error:?}");
    assert!(error.to_string().contains("Incorrect API key provided"));
    let call = the_call(&captured);
    assert_eq!(call.status, "error");
    assert_eq!(
        call.error.as_ref().unwrap().message,
        "Incorrect API key provided"
    );
}

#[tokio::test]
async fn a_say_in_what_is_recorded() {
    let config = config(Script::Json(200, reply())).await;
    let calls = ModelCalls::new()
        .provider("openrouter")
        .capture_output(false);
    let client = rollout::wrap_with(config, calls);
    let (_, captured) = capture_async(ask(&client)).await;
    let call = the_call(&captured);
    assert_eq!(call.model["provider"], "openrouter");
    assert_eq!((&call.output, call.input.is_some()), (&None, true));
}
