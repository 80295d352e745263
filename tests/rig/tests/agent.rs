//! An agent of rig, as it is, under the `tracing` layer.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::{Json, Router};
use rig_agent::prelude::*;
use rig_core::providers::openai::{OpenAIConfig, Route};
use rig_core::tool::{Tool, ToolContext};
use rig_reqwest::ReqwestClient;
use rollout::testing::capture_async;
use rollout::{TracingLayer, agent, task};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Deserialize)]
struct City {
    city: String,
}

struct Weather;

#[task]
async fn look_up(city: &str) -> usize {
    tokio::task::yield_now().await;
    city.len()
}

impl Tool for Weather {
    const NAME: &'static str = "weather";
    type Args = City;
    type Output = Value;
    type Error = std::io::Error;

    fn description(&self) -> String {
        "The weather of a city.".to_owned()
    }

    fn parameters(&self) -> Value {
        json!({ "type": "object", "properties": { "city": { "type": "string" } } })
    }

    async fn call(&self, _: &mut ToolContext, args: City) -> Result<Value, std::io::Error> {
        Ok(json!({ "degrees": look_up(&args.city).await }))
    }
}

fn reply(message: &Value, reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": reason, "message": message }],
        "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27 },
    })
}

/// A model that answers these, one after another.
async fn model(replies: [Value; 2]) -> SocketAddr {
    let replies = Arc::new(Mutex::new(replies.into_iter()));
    let answer = move || {
        let reply = replies.lock().unwrap().next().unwrap();
        async move { Json(reply) }
    };
    let app = Router::new().fallback(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[agent]
async fn ask(question: &str, base_url: String) -> String {
    let model = OpenAIConfig::new("sk-secret-of-the-caller")
        .with_base_url(base_url)
        .with_route(Route::Chat)
        .connect(ReqwestClient::from(reqwest::Client::new()))
        .completion("gpt-4.1");
    let agent = AgentBuilder::new(model)
        .name("weather agent")
        .preamble("Be brief.")
        .record_content_telemetry(true)
        .tool(Weather)
        .build();
    let answer = agent.prompt(question).max_turns(3).await.unwrap();
    answer.output().clone()
}

#[tokio::test]
async fn an_agent_with_a_tool() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let call = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } },
    ]});
    let rain = json!({ "role": "assistant", "content": "Rain." });
    let address = model([reply(&call, "tool_calls"), reply(&rain, "stop")]).await;
    let (answer, captured) =
        capture_async(ask("Weather in Oslo?", format!("http://{address}/v1"))).await;
    assert_eq!(answer, "Rain.");
    let run = captured.span("weather agent").unwrap();
    assert_eq!(captured.span("ask").unwrap().children.len(), 1);
    assert_eq!(
        (run.span_type.as_str(), run.status.as_str()),
        ("agent", "ok")
    );
    assert_eq!(run.output, Some(json!("Rain.")));
    let [first, tool, last] = &run.children[..] else {
        unreachable!("{}", captured.tree())
    };
    for chat in [first, last] {
        assert_eq!(
            (
                chat.span_type.as_str(),
                chat.name.as_str(),
                chat.status.as_str()
            ),
            ("llm", "chat", "ok")
        );
        assert_eq!(
            chat.model,
            json!({ "provider": "openai", "model": "gpt-4.1" })
        );
        assert_eq!(
            chat.usage,
            json!({ "input_tokens": 20, "output_tokens": 7, "total_tokens": 27 })
        );
        assert_eq!(chat.input.as_ref().unwrap()[0]["role"], "system");
    }
    assert_eq!(
        last.output.as_ref().unwrap()[0]["parts"][0]["content"],
        "Rain."
    );
    assert_eq!(
        (tool.span_type.as_str(), tool.name.as_str()),
        ("tool", "weather")
    );
    assert_eq!(tool.input, Some(json!({ "city": "Oslo" })));
    assert_eq!(tool.output, Some(json!({ "degrees": 4 })));
    assert_eq!(tool.tool["tool_call_id"], "call_1");
    assert_eq!(tool.children[0].name, "look_up");
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
}
