//! Model calls through `reqwest-middleware`.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use rollout::testing::{Captured, CapturedSpan, capture_async};
use rollout::{ModelCallMiddleware, ModelCalls, SendTraced as _, agent, span};
use rollout_tests::model::{Script, serve};
use serde_json::{Value, json};

fn http() -> ClientBuilder {
    // Where a test before has done so, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientBuilder::new(reqwest::Client::new())
}

fn recorder() -> ModelCallMiddleware {
    ModelCallMiddleware::new(ModelCalls::new())
}

fn retries() -> RetryTransientMiddleware<ExponentialBackoff> {
    let at_once = std::time::Duration::ZERO;
    let policy = ExponentialBackoff::builder().retry_bounds(at_once, at_once);
    RetryTransientMiddleware::new_with_policy(policy.build_with_max_retries(3))
}

fn reply() -> Value {
    json!({ "id": "c", "model": "m", "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello" } }] })
}

/// Busy at first.
async fn busy() -> String {
    let busy = json!({ "error": { "message": "Rate limit reached", "type": "requests" } });
    let script = Script::in_turn(vec![Script::Json(429, busy), Script::Json(200, reply())]);
    format!("http://{}/v1/chat/completions", serve(script).await)
}

const REQUEST: &str = r#"{"model":"m","messages":[]}"#;

#[agent(capture_input = false, capture_output = false)]
async fn ask(client: &ClientWithMiddleware, url: &str) -> (u16, Value) {
    let response = client.post(url).body(REQUEST).send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn ask_plainly(url: &str) {
    let request = reqwest::Client::new().post(url).body(REQUEST);
    let response = request.send_traced().await.unwrap();
    response.bytes().await.unwrap();
}

fn calls(captured: &Captured) -> &[CapturedSpan] {
    &captured.span("ask").unwrap().children
}

fn the_call(captured: &Captured) -> &CapturedSpan {
    assert_eq!(calls(captured).len(), 1, "{}", captured.tree());
    &calls(captured)[0]
}

#[tokio::test]
async fn the_trace_is_that_of_a_plain_client() {
    let address = serve(Script::Json(200, reply())).await;
    let url = format!("http://{address}/v1/chat/completions");
    let client = http().with(recorder()).build();
    let (seen, captured) = capture_async(ask(&client, &url)).await;
    assert_eq!(seen, (200, reply()));
    let ((), plain) = capture_async(ask_plainly(&url)).await;
    assert_eq!(captured.tree(), plain.tree());
    assert_eq!(
        the_call(&captured).attributes.keys().collect::<Vec<_>>(),
        the_call(&plain).attributes.keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_retry_below_is_one_call_of_two_attempts() {
    let recorded = recorder();
    let client = http()
        .with(recorded.clone())
        .with(retries())
        .with(recorded)
        .build();
    let (seen, captured) = capture_async(ask(&client, &busy().await)).await;
    assert_eq!(seen, (200, reply()));
    let call = the_call(&captured);
    assert_eq!(call.status, "ok");
    assert_eq!(call.attributes["rollout.attempts"], 2);
    assert_eq!(call.output.as_ref().unwrap()["content"], "Hello");
}

#[tokio::test]
async fn the_order_of_middlewares_decides_what_a_call_is() {
    let above = http().with(recorder()).with(retries()).build();
    let (seen, captured) = capture_async(ask(&above, &busy().await)).await;
    assert_eq!(seen.0, 200);
    assert_eq!(the_call(&captured).status, "ok");

    let below = http().with(retries()).with(recorder()).build();
    let (seen, captured) = capture_async(ask(&below, &busy().await)).await;
    assert_eq!(seen.0, 200);
    let statuses: Vec<_> = calls(&captured).iter().map(|call| &call.status).collect();
    assert_eq!(statuses, ["error", "ok"], "{}", captured.tree());
}

#[tokio::test]
async fn several_layers_count_each_attempt_once() {
    let (one, two) = (recorder(), recorder());
    let client = http()
        .with(one.clone())
        .with(two.clone())
        .with(retries())
        .with(one)
        .with(two)
        .build();
    let (_, captured) = capture_async(ask(&client, &busy().await)).await;
    assert_eq!(the_call(&captured).attributes["rollout.attempts"], 2);
}

/// Looks something up on the way.
struct Checks(ClientWithMiddleware, String);

#[span(capture_input = false, capture_output = false)]
async fn check(client: &ClientWithMiddleware, url: &str) {
    client.post(url).body("{}").send().await.unwrap();
}

#[async_trait::async_trait]
impl Middleware for Checks {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        check(&self.0, &self.1).await;
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn what_happens_below_is_inside_and_another_call_is_another() {
    let address = serve(Script::Json(200, reply())).await;
    let url = format!("http://{address}/v1/chat/completions");
    let checks = Checks(http().with(recorder()).build(), url.clone());
    let client = http().with(recorder()).with(checks).build();
    let (_, captured) = capture_async(ask(&client, &url)).await;
    let call = the_call(&captured);
    assert_eq!(call.children.len(), 1, "{}", captured.tree());
    assert_eq!(call.children[0].name, "check");
    assert_eq!(call.children[0].children[0].name, "chat");
    assert!(!call.attributes.contains_key("rollout.attempts"));
}

/// Fails before anything is sent.
struct Refuses;

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not today: http://h/p?key=secret-of-the-caller")
    }
}

impl std::error::Error for Refused {}

#[async_trait::async_trait]
impl Middleware for Refuses {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut http::Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        Err(reqwest_middleware::Error::middleware(Refused))
    }
}

#[agent(name = "ask", capture_input = false, capture_output = false)]
async fn fail(client: &ClientWithMiddleware, url: &str) -> bool {
    client.post(url).body(REQUEST).send().await.is_err()
}

#[tokio::test]
async fn what_fails_on_the_way_is_told_in_words_without_keys() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/chat/completions?key=secret-of-the-caller",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let (refusing, plain) = (
        http().with(recorder()).with(Refuses).build(),
        http().with(recorder()).build(),
    );
    for (client, words) in [
        (refusing, "not today: http://h/p"),
        (plain, "cannot connect"),
    ] {
        let (failed, captured) = capture_async(fail(&client, &url)).await;
        assert!(failed);
        let call = the_call(&captured);
        assert_eq!(call.status, "error");
        let error = call.error.as_ref().unwrap();
        assert_eq!(error.error_type, "transport");
        assert!(error.message.starts_with(words), "{}", error.message);
        let events = serde_json::to_string(&captured.events).unwrap();
        assert!(
            !events.contains("secret-of-the-caller"),
            "a key was recorded"
        );
    }
}
