//! Which requests carry the trace along: those to servers do, model calls do not.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use reqwest_middleware::ClientBuilder;
use rig_http::http_client::{DynHttpClient, HttpClientExt as _, LazyBody};
use rig_reqwest::ReqwestClient;
use rollout::testing::{self, Captured, capture_async};
use rollout::{ModelCallMiddleware, ModelCalls, SendTraced as _, SpanContext, wrap_with};
use serde_json::{Value, json};

const MODEL_CALL: &str = "/v1/chat/completions";

/// A server that answers with the headers of the request.
async fn mirror() -> SocketAddr {
    let answer = async |request: Request<axum::body::Body>| {
        let headers: &HeaderMap = request.headers();
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
        let pairs = headers.iter();
        let pairs = pairs.map(|(name, value)| (name.to_string(), text(value).into()));
        axum::Json(Value::Object(pairs.collect()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

fn client() -> reqwest::Client {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn body() -> String {
    json!({ "model": "m", "messages": [] }).to_string()
}

/// Who is told to be the caller, if anybody is.
fn told(headers: &str) -> Option<SpanContext> {
    let headers: Value = serde_json::from_str(headers).unwrap();
    headers["traceparent"]
        .as_str()
        .map(|text| text.parse().unwrap())
}

/// What the server was told by requests that are sent inside a span.
async fn inside<R>(send: impl AsyncFnOnce() -> R) -> (R, Captured) {
    capture_async(async {
        let outer = testing::client().unwrap().span("task").name("outer");
        let sent = outer.in_scope_async(async |_| Ok::<_, Infallible>(send().await));
        sent.await.unwrap()
    })
    .await
}

fn span_of(captured: &Captured, name: &str) -> (String, String) {
    let span = captured.span(name).unwrap();
    (captured.traces[0].trace_id.clone(), span.span_id.clone())
}

fn ids(context: &SpanContext) -> (String, String) {
    (
        context.trace_id().to_string(),
        context.span_id().to_string(),
    )
}

async fn sent(request: reqwest::RequestBuilder, calls: ModelCalls) -> Option<SpanContext> {
    let answer = request.send_traced_with(calls).await.unwrap();
    told(&answer.text().await.unwrap())
}

#[tokio::test]
async fn a_request_to_a_server_carries_the_trace_and_a_model_call_does_not() {
    let url = format!("http://{}", mirror().await);
    let http = client();
    let post = || http.post(format!("{url}{MODEL_CALL}")).body(body());
    let get = || http.get(format!("{url}/orders"));
    let all = || ModelCalls::new().propagate(true);
    let none = || ModelCalls::new().propagate(false);
    let (told, captured) = inside(async || {
        [
            sent(get(), ModelCalls::new()).await,
            sent(http.post(format!("{url}/orders")).body(body()), all()).await,
            sent(post(), all()).await,
            sent(post(), ModelCalls::new()).await,
            sent(get(), none()).await,
            sent(post(), none()).await,
        ]
    })
    .await;
    let outer = span_of(&captured, "outer");
    assert_eq!(told[0].as_ref().map(ids), Some(outer.clone()));
    assert_eq!(told[1].as_ref().map(ids), Some(outer.clone()));
    let call = told[2].as_ref().map(ids).unwrap();
    assert_eq!(call.0, outer.0);
    let calls = &captured.span("outer").unwrap().children;
    assert_eq!(calls[0].span_id, call.1, "the call itself is the caller");
    assert_eq!(calls.len(), 3);
    assert_eq!(told[3..], [None, None, None]);
    // Outside of any trace there is nothing to carry; and what the program has set itself stays.
    assert_eq!(sent(get(), ModelCalls::new()).await, None);
    let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (told, _) =
        inside(async || sent(get().header("traceparent", own), ModelCalls::new()).await).await;
    assert_eq!(told.unwrap().to_string(), own);
}

#[tokio::test]
async fn so_do_the_other_http_clients() {
    let url = format!("http://{}", mirror().await);
    let recorder = |calls: ModelCalls| {
        let client = ClientBuilder::new(client()).with(ModelCallMiddleware::new(calls));
        client.build()
    };
    let (quiet, loud) = (
        recorder(ModelCalls::new()),
        recorder(ModelCalls::new().propagate(true)),
    );
    let (told, captured) = inside(async || {
        let text = async |answer: reqwest::Response| told(&answer.text().await.unwrap());
        let before = async |request: reqwest_012::RequestBuilder| {
            let answer = request.send_traced().await.unwrap();
            told(&answer.text().await.unwrap())
        };
        let orders = format!("{url}/orders");
        let call = format!("{url}{MODEL_CALL}");
        [
            before(reqwest_012::Client::new().get(&orders)).await,
            before(reqwest_012::Client::new().post(&call).body(body())).await,
            text(quiet.get(&orders).send().await.unwrap()).await,
            text(quiet.post(&call).body(body()).send().await.unwrap()).await,
            text(loud.post(&call).body(body()).send().await.unwrap()).await,
        ]
    })
    .await;
    let outer = span_of(&captured, "outer");
    assert_eq!(told[0].as_ref().map(ids), Some(outer.clone()));
    assert_eq!(told[1], None);
    assert_eq!(told[2].as_ref().map(ids), Some(outer.clone()));
    assert_eq!(told[3], None);
    let last = captured.span("outer").unwrap().children.last().unwrap();
    assert_eq!(
        told[4].as_ref().map(ids),
        Some((outer.0, last.span_id.clone()))
    );
}

#[tokio::test]
async fn a_wrapped_client_of_a_provider_carries_it_only_where_it_is_told_to() {
    let url = format!("http://{}", mirror().await);
    let rig = |calls: ModelCalls| {
        let http = DynHttpClient::new(ReqwestClient::from(client()));
        wrap_with(http, calls)
    };
    let send = async |client: DynHttpClient, path: &str| {
        let request = http::Request::post(format!("{url}{path}")).body(Bytes::from(body()));
        let answer = client.send::<Bytes, Bytes>(request.unwrap()).await.unwrap();
        let body: LazyBody<Bytes> = answer.into_body();
        told(str::from_utf8(&body.await.unwrap()).unwrap())
    };
    let openai = async |calls: ModelCalls| {
        let config = async_openai::config::OpenAIConfig::new()
            .with_api_base(format!("{url}/v1"))
            .with_api_key("a key");
        let client = wrap_with((config, client()), calls);
        let answer: Value = client
            .chat()
            .create_byot(json!({ "model": "m", "messages": [] }))
            .await
            .unwrap();
        told(&answer.to_string())
    };
    let all = || ModelCalls::new().propagate(true);
    let (told, captured) = inside(async || {
        [
            send(rig(ModelCalls::new()), MODEL_CALL).await,
            send(rig(ModelCalls::new()), "/v1/models").await,
            openai(ModelCalls::new()).await,
            send(rig(all()), MODEL_CALL).await,
            openai(all()).await,
        ]
    })
    .await;
    assert_eq!(told[..3], [None, None, None]);
    let outer = captured.span("outer").unwrap();
    let calls: Vec<_> = outer
        .children
        .iter()
        .map(|call| call.span_id.clone())
        .collect();
    assert_eq!(calls.len(), 4, "{}", captured.tree());
    let callers: Vec<_> = told[3..]
        .iter()
        .flatten()
        .map(|told| told.span_id().to_string())
        .collect();
    assert_eq!(callers, calls[2..]);
}
