//! One agent through each client: the trace is the same, whoever sends.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use async_openai::config::OpenAIConfig;
use bytes::Bytes;
use rig_http::http_client::{DynHttpClient, HttpClientExt as _, LazyBody};
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{ModelCallMiddleware, ModelCalls, SendTraced as _, agent, tool};
use rollout_tests::model::{Script, serve};
use serde_json::{Value, json};

/// What sends.
enum Sender {
    AsyncOpenai(async_openai::Client<OpenAIConfig>),
    Reqwest(reqwest::Client),
    Reqwest012(reqwest_012::Client),
    Middleware(reqwest_middleware::ClientWithMiddleware),
    Rig(DynHttpClient),
}

impl Sender {
    async fn send(&self, base: &str, request: &Value) -> Value {
        let url = format!("{base}/chat/completions");
        let body = request.to_string();
        let bytes = match self {
            Self::AsyncOpenai(client) => return client.chat().create_byot(request).await.unwrap(),
            Self::Reqwest(client) => {
                let sent = client.post(url).body(body).send_traced().await;
                sent.unwrap().bytes().await.unwrap()
            }
            Self::Reqwest012(client) => {
                let sent = client.post(url).body(body).send_traced().await;
                sent.unwrap().bytes().await.unwrap()
            }
            Self::Middleware(client) => {
                let sent = client.post(url).body(body).send().await;
                sent.unwrap().bytes().await.unwrap()
            }
            Self::Rig(client) => {
                let request = http::Request::post(url).body(body).unwrap();
                let sent: http::Response<LazyBody<Bytes>> = client.send(request).await.unwrap();
                sent.into_body().await.unwrap()
            }
        };
        serde_json::from_slice(&bytes).unwrap()
    }
}

#[tool]
fn weather(city: String) -> String {
    format!("rain in {city}")
}

/// Asks, does as it is told, and asks again.
#[agent(capture_input = false)]
async fn forecaster(sender: &Sender, base: &str) -> String {
    let mut messages = vec![json!({ "role": "user", "content": "Weather in Oslo?" })];
    loop {
        let request = json!({ "model": "gpt-4.1", "temperature": 0.2, "messages": messages });
        let answer = sender.send(base, &request).await;
        let message = answer["choices"][0]["message"].clone();
        let Some(call) = message["tool_calls"].get(0) else {
            return message["content"].as_str().unwrap().to_owned();
        };
        let arguments = call["function"]["arguments"].as_str().unwrap();
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        let result = weather(arguments["city"].as_str().unwrap().to_owned());
        let id = call["id"].clone();
        messages.push(message);
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": result }));
    }
}

fn script() -> Script {
    let answer = |message: Value, reason: &str| {
        let usage = json!({ "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27 });
        let choice = json!({ "index": 0, "finish_reason": reason, "message": message });
        Script::Json(
            200,
            json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4.1-x", "choices": [choice], "usage": usage }),
        )
    };
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } });
    Script::in_turn(vec![
        answer(
            json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
            "tool_calls",
        ),
        answer(
            json!({ "role": "assistant", "content": "It rains." }),
            "stop",
        ),
    ])
}

/// All that is recorded of a span and those inside it, but for ids and times.
fn said(span: &CapturedSpan) -> Value {
    json!({
        "name": span.name, "type": span.span_type, "status": span.status,
        "input": span.input, "output": span.output, "model": span.model, "usage": span.usage,
        "attributes": span.attributes, "error": span.error.is_some(),
        "children": span.children.iter().map(said).collect::<Vec<_>>(),
    })
}

async fn traced(sender: impl AsyncFnOnce(&str) -> Sender) -> Captured {
    let base = format!("http://{}/v1", serve(script()).await);
    let sender = sender(&base).await;
    let (answer, captured) = capture_async(forecaster(&sender, &base)).await;
    assert_eq!(answer, "It rains.");
    captured
}

#[tokio::test]
async fn one_agent_through_each_client_leaves_one_trace() {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plain = traced(async |_| Sender::Reqwest(reqwest::Client::new())).await;
    let others = [
        traced(async |base| {
            let config = OpenAIConfig::new().with_api_base(base).with_api_key("k");
            Sender::AsyncOpenai(rollout::wrap(config))
        })
        .await,
        traced(async |_| Sender::Reqwest012(reqwest_012::Client::new())).await,
        traced(async |_| {
            let recorder = ModelCallMiddleware::new(ModelCalls::new());
            let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new());
            Sender::Middleware(client.with(recorder).build())
        })
        .await,
        traced(async |_| {
            let client = rig_reqwest::ReqwestClient::from(reqwest::Client::new());
            Sender::Rig(rollout::wrap(DynHttpClient::new(client)))
        })
        .await,
    ];
    let agent = plain.span("forecaster").unwrap();
    let names: Vec<_> = agent.children.iter().map(|span| &span.name).collect();
    assert_eq!(names, ["chat", "weather", "chat"]);
    assert_eq!(agent.children[0].usage["total_tokens"], 27);
    for other in others {
        assert_eq!(said(other.span("forecaster").unwrap()), said(agent));
    }
}
