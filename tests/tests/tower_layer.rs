//! The tower layer before a real axum server.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{get, post};
use rollout::{
    InitGuard, MemoryExporter, ServerLayer, SpanContext, SpanId, SpoolKind, TraceId, agent, task,
};
use rollout_tests::events::builder;
use rollout_tests::wait_until;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;

struct Site {
    addr: SocketAddr,
    memory: MemoryExporter,
    client: InitGuard,
    _runtime: tokio::runtime::Runtime,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let memory = MemoryExporter::new();
    let client = builder()
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(memory.clone()))
        .baggage(["user_id"])
        .init()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let app = axum::Router::new()
        .route("/users/{id}", get(async || look_up().await))
        .route("/agents", post(async || run().await))
        .route("/broken", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/stream", get(async || Body::from_stream(items(3))))
        .route("/endless", get(async || Body::from_stream(items(u32::MAX))))
        .route("/hidden", get(async || "hidden"))
        .layer(ServerLayer::new().only(|request| request.uri.path() != "/hidden"));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, app).await });
    Site {
        addr,
        memory,
        client,
        _runtime: runtime,
    }
});

#[task]
async fn look_up() -> String {
    tokio::task::yield_now().await;
    SpanContext::current().unwrap().traceparent()
}

#[agent]
async fn run() -> &'static str {
    "done"
}

#[task(capture_output = false)]
fn item() -> Bytes {
    Bytes::from_static(b"item ")
}

fn items(count: u32) -> impl tokio_stream::Stream<Item = Result<Bytes, Infallible>> {
    tokio_stream::iter(0..count).map(|_| Ok(item()))
}

/// A caller of the test's own.
fn caller(sampled: bool) -> SpanContext {
    SpanContext::new(
        TraceId::random(),
        SpanId::from_u64(fastrand::u64(1..)).unwrap(),
        sampled,
    )
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", SITE.addr));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(()).unwrap()).unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

fn events(trace: &str) -> Vec<Value> {
    SITE.client.blocking_flush(rollout_tests::DEADLINE).unwrap();
    let events = SITE.memory.events().into_iter();
    events.filter(|event| event["trace_id"] == trace).collect()
}

fn find<'a>(events: &'a [Value], event_type: &str, name: &str) -> Option<&'a Value> {
    events
        .iter()
        .find(|event| event["event_type"] == event_type && event["name"] == name)
}

/// The events of a trace, once its server's span has ended.
fn ended(trace: &str, name: &str) -> Vec<Value> {
    wait_until("the request's end", || {
        let events = events(trace);
        find(&events, "span.end", name).is_some().then_some(events)
    })
}

/// The same of a request that says where it comes from.
fn asked(method: &str, path: &str, name: &str) -> (u16, String, SpanContext, Vec<Value>) {
    let caller = caller(true);
    let headers = [
        ("traceparent", &*caller.traceparent()),
        ("baggage", "user.id=alice"),
    ];
    let (status, body) = ask(method, path, &headers);
    let events = ended(&caller.trace_id().to_string(), name);
    (status, body, caller, events)
}

#[test]
fn a_request_is_a_span_of_its_callers_trace() {
    let (status, body, caller, events) = asked("GET", "/users/7?key=secret", "GET /users/{id}");
    assert_eq!(status, 200);
    let start = find(&events, "span.start", "GET /users/{id}").unwrap();
    assert_eq!(start["parent_span_id"], caller.span_id().to_string());
    assert_eq!(start["span_type"], "server");
    assert_eq!(start["attributes"]["http.request.method"], "GET");
    assert_eq!(start["attributes"]["http.route"], "/users/{id}");
    assert_eq!(start["attributes"]["url.path"], "/users/7");
    assert_eq!(start["context"]["user_id"], "alice");
    let inside = find(&events, "span.start", "look_up").unwrap();
    assert_eq!(inside["parent_span_id"], start["span_id"]);
    assert!(body.contains(inside["span_id"].as_str().unwrap()));
    let end = find(&events, "span.end", "GET /users/{id}").unwrap();
    assert_eq!(end["status"], "ok");
    assert_eq!(end["attributes"]["http.response.status_code"], 200);
    assert!(!serde_json::to_string(&events).unwrap().contains("secret"));
}

#[test]
fn a_request_of_nobody_begins_a_trace() {
    for header in ["", "00-nonsense"] {
        let (_, body) = ask("GET", "/users/7", &[("traceparent", header)]);
        let here: SpanContext = body.parse().unwrap();
        let events = ended(&here.trace_id().to_string(), "GET /users/{id}");
        let types: Vec<_> = events
            .iter()
            .map(|event| event["event_type"].clone())
            .collect();
        assert_eq!(
            types,
            [
                "trace.start",
                "span.start",
                "span.start",
                "span.end",
                "span.end",
                "trace.end"
            ]
        );
        assert_eq!(events[0]["name"], "GET /users/{id}");
        assert_eq!(events[1].get("parent_span_id"), None);
    }
    assert_eq!(SITE.client.stats().orphans, 0);
}

#[test]
fn what_goes_wrong_is_told() {
    let (status, _, _, events) = asked("GET", "/broken", "GET /broken");
    assert_eq!(status, 503);
    let end = find(&events, "span.end", "GET /broken").unwrap();
    assert_eq!(end["status"], "error");
    assert_eq!(end["error"]["message_preview"], "503 Service Unavailable");
    // A caller's mistake is none of the server's, and what has no route has no name of one.
    let (status, _, _, events) = asked("GET", "/nowhere", "GET");
    assert_eq!(status, 404);
    let end = find(&events, "span.end", "GET").unwrap();
    assert_eq!(
        (
            &end["status"],
            &end["attributes"]["http.response.status_code"]
        ),
        (&"ok".into(), &404.into())
    );
}

#[test]
fn the_span_ends_with_the_body_of_the_answer() {
    let (_, body, _, events) = asked("GET", "/stream", "GET /stream");
    assert_eq!(body, "item item item ");
    let start = find(&events, "span.start", "GET /stream").unwrap();
    let items = events
        .iter()
        .filter(|event| event["event_type"] == "span.start" && event["name"] == "item");
    let parents: Vec<_> = items.map(|event| event["parent_span_id"].clone()).collect();
    assert_eq!(parents, vec![start["span_id"].clone(); 3]);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event_type"], &last["status"]),
        (&"span.end".into(), &"ok".into())
    );
    assert_eq!(last["span_id"], start["span_id"]);
    // Nobody reads that of an answer to HEAD.
    let (_, _, _, events) = asked("HEAD", "/stream", "HEAD /stream");
    assert_eq!(
        find(&events, "span.end", "HEAD /stream").unwrap()["status"],
        "ok"
    );
}

#[test]
fn a_client_that_goes_away_cancels() {
    let caller = caller(true);
    let answer = ureq::get(format!("http://{}/endless", SITE.addr))
        .header("traceparent", caller.traceparent())
        .call()
        .unwrap();
    drop(answer);
    let events = ended(&caller.trace_id().to_string(), "GET /endless");
    assert_eq!(
        find(&events, "span.end", "GET /endless").unwrap()["status"],
        "cancelled"
    );
}

#[test]
fn an_agent_in_a_handler_is_linked_and_knows_the_user() {
    let (_, body, caller, events) = asked("POST", "/agents", "POST /agents");
    assert_eq!(body, "done");
    let request = find(&events, "span.start", "POST /agents").unwrap();
    let all = SITE.memory.events();
    let mut agents = all
        .iter()
        .filter(|event| event["event_type"] == "trace.start" && event["name"] == "run");
    let linked = agents.find(|event| {
        event["attributes"]["rollout.link.trace_id"] == caller.trace_id().to_string()
    });
    let agent = linked.unwrap();
    assert_eq!(
        agent["attributes"]["rollout.link.span_id"],
        request["span_id"]
    );
    assert_eq!(agent["context"]["user_id"], "alice");
}

#[test]
fn who_is_not_to_be_recorded_is_not() {
    let caller = caller(false);
    let (_, body) = ask("GET", "/users/7", &[("traceparent", &caller.traceparent())]);
    let here: SpanContext = body.parse().unwrap();
    assert_eq!(
        (here.trace_id(), here.is_sampled()),
        (caller.trace_id(), false)
    );
    let other = self::caller(true);
    let (_, body) = ask("GET", "/hidden", &[("traceparent", &other.traceparent())]);
    assert_eq!(body, "hidden");
    // What comes after it has ended.
    asked("GET", "/users/7", "GET /users/{id}");
    for trace in [caller, other] {
        assert_eq!(events(&trace.trace_id().to_string()), Vec::<Value>::new());
    }
}

#[test]
fn any_service_can_be_told_its_routes() {
    use tower::{Layer as _, Service as _};

    let handler = tower::service_fn(async |request: http::Request<()>| {
        rollout::current_span()
            .unwrap()
            .record_input(&request.uri().path());
        match request.uri().path() {
            "/fails" => Err("no such thing at http://host/?key=secret"),
            _ => Ok(http::Response::new(Body::empty())),
        }
    });
    let layer =
        ServerLayer::new().route(|request| request.uri.path().split('/').nth(1).map(str::to_owned));
    let mut service = layer.layer(handler);
    let mut call = |path: &str| {
        let caller = caller(true);
        let request = http::Request::put(path).header("traceparent", caller.traceparent());
        let answer = futures::executor::block_on(service.call(request.body(()).unwrap()));
        (caller, answer.map(drop))
    };
    assert!(SITE.client.is_enabled());
    let (caller, answer) = call("/one/two");
    assert!(answer.is_ok());
    let ends = ended(&caller.trace_id().to_string(), "PUT one");
    assert_eq!(find(&ends, "span.end", "PUT one").unwrap()["status"], "ok");
    let (caller, answer) = call("/fails");
    assert!(answer.is_err());
    let ends = ended(&caller.trace_id().to_string(), "PUT fails");
    let end = find(&ends, "span.end", "PUT fails").unwrap();
    assert_eq!(end["error"]["type"], "&str");
    assert_eq!(
        end["error"]["message_preview"],
        "no such thing at http://host/"
    );
}
