//! Model calls through `reqwest` 0.12, beside 0.13 in the same program.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{SendTraced as _, agent};
use rollout_tests::model::{Script, events, serve};
use serde_json::{Value, json};

/// What a program sees of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn request(url: &str) -> reqwest_012::RequestBuilder {
    let request = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    reqwest_012::Client::new()
        .post(url)
        .header("x-api-key", "secret-of-the-caller")
        .json(&request)
}

async fn seen(response: reqwest_012::Response) -> Seen {
    Seen {
        status: response.status().as_u16(),
        url: response.url().to_string(),
        headers: response
            .headers()
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: response.text().await.unwrap(),
    }
}

#[agent(capture_input = false, capture_output = false)]
async fn ask(url: &str) -> Result<Seen, reqwest_012::Error> {
    Ok(seen(request(url).send_traced().await?).await)
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    &agent.children[0]
}

/// Asks with and without us, holds both against each other, and gives the span.
async fn recorded(script: Script) -> CapturedSpan {
    let address = serve(script).await;
    let url = format!("http://{address}/v1/messages?key=secret-of-the-caller");
    let (answer, captured) = capture_async(ask(&url)).await;
    let plain = seen(request(&url).send().await.unwrap()).await;
    assert_eq!(answer.unwrap(), plain);
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    the_call(&captured).clone()
}

#[tokio::test]
async fn answers_are_what_they_are_without_us() {
    let content = json!([{ "type": "text", "text": "Hello" }]);
    let usage = json!({ "input_tokens": 2, "output_tokens": 3 });
    let answer = json!({ "role": "assistant", "content": content, "usage": usage });
    let whole = recorded(Script::Json(200, answer)).await;
    let stream: [Value; 4] = [
        json!({ "type": "message_start", "message": { "role": "assistant", "usage": usage } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hello" } }),
        json!({ "type": "message_stop" }),
    ];
    let streamed = recorded(Script::Events(events(&stream), 20)).await;
    for call in [whole, streamed] {
        assert_eq!(
            (call.name.as_str(), call.status.as_str()),
            ("messages", "ok")
        );
        assert_eq!(call.input.as_ref().unwrap()["model"], "m");
        assert_eq!(call.output.as_ref().unwrap()["content"], content);
        assert_eq!(call.usage["total_tokens"], 5);
    }
}

#[tokio::test]
async fn errors_are_what_they_are_without_us() {
    let refused = json!({ "type": "error", "error": { "type": "authentication_error", "message": "invalid x-api-key" } });
    let call = recorded(Script::Json(401, refused)).await;
    assert_eq!(call.error.as_ref().unwrap().message, "invalid x-api-key");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/v1/messages?key=secret-of-the-caller");
    let (answer, captured) = capture_async(ask(&url)).await;
    assert!(answer.unwrap_err().is_connect());
    let error = the_call(&captured).error.clone().unwrap();
    assert!(error.message.starts_with("cannot connect"));
    assert!(!error.message.contains("secret-of-the-caller"));
}
