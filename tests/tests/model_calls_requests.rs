//! The requests of model calls that are recorded, as the server sees them.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use async_openai::config::OpenAIConfig;
use bytes::Bytes;
use rig_http::http_client::{DynHttpClient, HttpClientExt as _, LazyBody};
use rollout::testing::{CapturedSpan, capture_async};
use rollout::{ModelCallMiddleware, ModelCalls, SendTraced as _, agent};
use rollout_tests::model::{Script, serve};
use serde_json::{Value, json};

/// Text that is there, text that is none, and a stream of it.
#[derive(Clone, Copy)]
enum Body {
    None,
    Text(&'static str),
    Stream,
}

const BODIES: [Body; 4] = [
    Body::None,
    Body::Text(""),
    Body::Text("{\"model\":\"m\",\"messages\":[]}"),
    Body::Stream,
];

/// A path with a query, in which a key may be.
const PATH: &str = "/v1/chat/completions?key=sk-secret-of-the-caller";

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn ask<F: Future<Output = Value>>(answer: F) -> Value {
    answer.await
}

/// Asks with and without us: the server sees the same.
async fn compare(
    bare: impl Future<Output = Value>,
    recorded: impl Future<Output = Value>,
) -> CapturedSpan {
    let seen = bare.await;
    let (seen_recorded, captured) = capture_async(ask(recorded)).await;
    assert_eq!(seen_recorded, seen);
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children.len(), 1, "{}", captured.tree());
    agent.children[0].clone()
}

/// What was sent is the input of the call, where it was there as a whole.
fn check(call: &CapturedSpan, body: Body) {
    let sent = match body {
        Body::Text(text) => serde_json::from_str::<Value>(text).ok(),
        Body::None | Body::Stream => None,
    };
    assert_eq!(call.input, sent);
}

async fn server() -> String {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    format!("http://{}", serve(Script::Echo).await)
}

macro_rules! over_reqwest {
    ($name:ident, $reqwest:ident) => {
        #[tokio::test]
        async fn $name() {
            let url = server().await + PATH;
            let client = $reqwest::Client::new();
            for body in BODIES {
                let request = || {
                    let request = client
                        .post(&url)
                        .header("x-api-key", "sk-secret-of-the-caller");
                    match body {
                        Body::None => request,
                        Body::Text(text) => request.body(text),
                        Body::Stream => {
                            let pieces = ["{\"model\":", "\"m\"}"].map(Ok::<_, std::io::Error>);
                            request.body($reqwest::Body::wrap_stream(futures::stream::iter(pieces)))
                        }
                    }
                };
                let bare = async { request().send().await.unwrap().json().await.unwrap() };
                let recorded = async {
                    let answer = request().send_traced().await.unwrap();
                    assert_eq!(answer.url().as_str(), url);
                    answer.json().await.unwrap()
                };
                check(&compare(bare, recorded).await, body);
            }
        }
    };
}

over_reqwest!(through_reqwest, reqwest);
over_reqwest!(through_reqwest_0_12, reqwest_012);

#[tokio::test]
async fn through_a_middleware() {
    let url = server().await + PATH;
    let client = || reqwest_middleware::ClientBuilder::new(reqwest::Client::new());
    let recorder = client()
        .with(ModelCallMiddleware::new(ModelCalls::new()))
        .build();
    let bare = client().build();
    for body in BODIES {
        let send = async |client: &reqwest_middleware::ClientWithMiddleware| {
            let request = client.post(&url);
            let request = match body {
                Body::None => request,
                Body::Text(text) => request.body(text),
                Body::Stream => {
                    let pieces = futures::stream::iter([Ok::<_, std::io::Error>("{}")]);
                    request.body(reqwest::Body::wrap_stream(pieces))
                }
            };
            let answer = request.send().await.unwrap();
            assert_eq!(answer.url().as_str(), url);
            answer.json().await.unwrap()
        };
        check(&compare(send(&bare), send(&recorder)).await, body);
    }
}

#[tokio::test]
async fn through_async_openai() {
    let base = server().await + "/v1";
    let config = OpenAIConfig::new()
        .with_api_base(base)
        .with_api_key("sk-secret-of-the-caller");
    let (bare, wrapped) = (
        async_openai::Client::with_config(config.clone()),
        rollout::wrap(config),
    );
    let request = json!({ "model": "m", "messages": [] });
    let send = async |client: &async_openai::Client<OpenAIConfig>| {
        let answer: Value = client.chat().create_byot(&request).await.unwrap();
        answer
    };
    let call = compare(send(&bare), send(&wrapped)).await;
    assert_eq!(call.input, Some(request.clone()));
}

/// Takes as many bytes as the answer has, and does not ask whether there are more.
#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn take(url: &str) {
    let sent = reqwest::Client::new().post(url).body("{}").send_traced();
    let mut answer = sent.await.unwrap();
    let length = answer.content_length().unwrap();
    let mut taken = 0;
    while taken < length {
        taken += answer.chunk().await.unwrap().unwrap().len() as u64;
    }
}

#[tokio::test]
async fn who_reads_by_the_length_has_read_all() {
    let ((), captured) = capture_async(take(&(server().await + PATH))).await;
    let agent = captured.span("ask").unwrap();
    assert_eq!(agent.children[0].status, "ok", "{}", captured.tree());
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn get(url: &str) {
    let current = reqwest::Client::new();
    assert!(current.get(url).send_traced().await.is_ok());
    let before = reqwest_012::Client::new();
    assert!(before.get(url).send_traced().await.is_ok());
    let middleware = reqwest_middleware::ClientBuilder::new(current.clone())
        .with(ModelCallMiddleware::new(ModelCalls::new()))
        .build();
    assert!(middleware.get(url).send().await.is_ok());
    let rig = rig_reqwest::ReqwestClient::from(current);
    let request = http::Request::get(url).body(Bytes::new()).unwrap();
    let sent: Result<http::Response<LazyBody<Bytes>>, _> =
        rollout::wrap(DynHttpClient::new(rig)).send(request).await;
    assert!(sent.is_ok());
}

#[tokio::test]
async fn to_look_something_up_is_no_call() {
    let ((), captured) = capture_async(get(&(server().await + PATH))).await;
    let agent = captured.span("ask").unwrap();
    assert!(agent.children.is_empty(), "{}", captured.tree());
}

#[tokio::test]
async fn through_rig() {
    let url = server().await + PATH;
    let client = || DynHttpClient::new(rig_reqwest::ReqwestClient::from(reqwest::Client::new()));
    let (bare, wrapped) = (client(), rollout::wrap(client()));
    for text in ["", "{\"model\":\"m\"}"] {
        let send = async |client: &DynHttpClient| {
            let request = http::Request::post(&url)
                .header("x-api-key", "sk-secret-of-the-caller")
                .body(text)
                .unwrap();
            let answer: http::Response<LazyBody<Bytes>> = client.send(request).await.unwrap();
            serde_json::from_slice(&answer.into_body().await.unwrap()).unwrap()
        };
        check(
            &compare(send(&bare), send(&wrapped)).await,
            Body::Text(text),
        );
    }
}
