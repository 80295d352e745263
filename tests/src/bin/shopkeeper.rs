//! An agent that does one thing of every kind, `shopkeeper MODEL`, configured by the environment; the model is what
//! listens at that address. Exits with 0 when all of it is delivered.

#![expect(
    clippy::expect_used,
    reason = "a program that cannot go on says so and fails"
)]

use std::convert::Infallible;
use std::time::Duration;
use std::{fmt, io};

use futures::TryStreamExt as _;
use rollout::{
    SendTraced as _, SpanUpdate, TraceUpdate, Usage, agent, llm, span, task, tool,
    update_current_span, update_current_trace,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_mins(1);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rollout = rollout::init().expect("the test configures it well");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let model = std::env::args().nth(1).expect("an address");
    support(&model, "Where is order 7?")
        .await
        .expect("an answer");
    let report = rollout.blocking_flush(LONG).expect("a report");
    assert!(report.is_complete(), "{report:?}");
}

#[agent(
    user_id = "cus_7",
    session_id = "chat_42",
    tags = ["shop", "vip"],
    attributes(channel = "web"),
    skip(model)
)]
async fn support(model: &str, question: &str) -> Result<String, reqwest::Error> {
    update_current_trace(TraceUpdate::new().metadata("plan", "pro"));
    let articles = look_up(question);
    let mut messages = vec![
        json!({ "role": "system", "content": format!("Answer from these: {}", articles[0].content) }),
        json!({ "role": "user", "content": question }),
    ];
    let asked = ask(model, &messages).await?;
    let call = &asked["choices"][0]["message"]["tool_calls"][0];
    let order = lookup_order(call["id"].as_str().expect("an id"), 7);
    list_parcels(order.id);
    let refused = refund(order.id).expect_err("nothing is left");
    // What has ended goes out, long before the agent has.
    let client = rollout::client().expect("it runs");
    client.flush().await.expect("a report");
    messages.push(asked["choices"][0]["message"].clone());
    messages.push(json!({
        "role": "tool",
        "tool_call_id": call["id"],
        "content": format!("{} is {}; {refused}", order.id, order.state),
    }));
    let answer = stream(model, &messages).await?;
    review(&answer).await.expect("a verdict");
    Ok(answer)
}

#[task]
fn look_up(question: &str) -> Vec<Article> {
    embed(question);
    search(question)
}

#[span(type = "embedding")]
fn embed(text: &str) -> Vec<f64> {
    let usage = Usage {
        input_tokens: Some(4),
        total_tokens: Some(4),
        ..Usage::default()
    };
    let update = SpanUpdate::new()
        .model("text-embedding-3-small")
        .provider("openai")
        .usage(usage);
    update_current_span(update);
    vec![text.len() as f64, 0.5]
}

#[derive(Serialize)]
struct Article {
    id: &'static str,
    content: &'static str,
    score: f64,
    metadata: Value,
}

#[span(type = "retrieval")]
fn search(query: &str) -> Vec<Article> {
    rank(query.len());
    vec![
        Article {
            id: "late",
            content: "The fee of a late order is paid back.",
            score: 0.875,
            metadata: json!({ "page": 3 }),
        },
        Article {
            id: "lost",
            content: "A lost order is sent again.",
            score: 0.5,
            metadata: json!({ "page": 4 }),
        },
    ]
}

#[span]
fn rank(terms: usize) -> usize {
    terms * 2
}

fn request(model: &str, messages: &[Value], stream: bool) -> reqwest::RequestBuilder {
    let mut request = json!({
        "model": "gpt-4.1",
        "messages": messages,
        "temperature": 0.25,
        "max_tokens": 200,
        "stream": stream,
    });
    if stream {
        request["stream_options"] = json!({ "include_usage": true });
    } else {
        request["tools"] = json!([{ "type": "function", "function": {
            "name": "lookup_order",
            "description": "Where an order is.",
            "parameters": { "type": "object", "properties": { "order": { "type": "integer" } } },
        } }]);
    }
    reqwest::Client::new()
        .post(format!("http://{model}/v1/chat/completions"))
        .json(&request)
}

async fn ask(model: &str, messages: &[Value]) -> Result<Value, reqwest::Error> {
    let answer = request(model, messages, false).send_traced().await?;
    answer.json().await
}

/// What is said, read as it comes.
async fn stream(model: &str, messages: &[Value]) -> Result<String, reqwest::Error> {
    let answer = request(model, messages, true).send_traced().await?;
    let bytes: Vec<_> = answer.bytes_stream().try_collect().await?;
    let text = String::from_utf8(bytes.concat()).expect("a text");
    let chunks = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let said = chunks.filter_map(|chunk| {
        let chunk: Value = serde_json::from_str(chunk).ok()?;
        let said = chunk["choices"][0]["delta"]["content"].as_str()?;
        Some(said.to_owned())
    });
    Ok(said.collect())
}

#[derive(Serialize)]
struct Order {
    id: u32,
    state: &'static str,
}

#[tool(tool_call_id = call, skip(call))]
fn lookup_order(call: &str, order: u32) -> Order {
    let _ = call;
    Order {
        id: order,
        state: "on its way",
    }
}

/// Nothing is an answer, too.
#[tool]
fn list_parcels(order: u32) -> Vec<u32> {
    let _ = order;
    Vec::new()
}

#[derive(Debug)]
struct Refused(io::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the refund was refused")
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tool]
fn refund(order: u32) -> Result<u32, Refused> {
    let _ = order;
    Err(Refused(io::Error::other("the card has expired")))
}

/// Another agent, which has a trace of its own.
#[agent]
async fn review(answer: &str) -> Result<String, Infallible> {
    let request = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 64,
        "system": "Say yes or no.",
        "messages": [{ "role": "user", "content": answer }],
    });
    let verdict = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{ "type": "text", "text": "Yes." }],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 3,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 40,
            "output_tokens": 7,
        },
    });
    let said = async { Ok::<_, Infallible>(verdict) };
    let verdict = llm("anthropic").record(&request, said).await?;
    grade();
    Ok(verdict["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// A model call told by hand, with what it cost.
#[span(type = "llm")]
fn grade() -> &'static str {
    let usage = Usage {
        input_tokens: Some(11),
        output_tokens: Some(2),
        cost_usd: Some(0.0125),
        ..Usage::default()
    };
    update_current_span(SpanUpdate::new().model("house-model").usage(usage));
    "good"
}
