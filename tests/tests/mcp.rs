//! Tools of MCP servers, called and served: results and errors are what they are without us, and each call is recorded
//! on the side that is wrapped.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::future::pending;

use futures::FutureExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientRequest, ContentBlock,
    ErrorData, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{
    NotificationContext, RequestContext, RoleClient, RoleServer, RunningService, Service,
    ServiceError, ServiceExt as _, ServiceRole,
};
use rmcp::{ClientHandler, ServerHandler};
use rollout::testing::{CapturedSpan, capture_async};
use rollout::{
    CallToolTraced as _, MemoryExporter, Span, SpoolKind, ToolCalls, TracedFuture as _, agent,
    task, with_tool_call_id, wrap_mcp_server, wrap_mcp_server_with,
};
use rollout_tests::wait_until;
use serde_json::{Value, json};

#[derive(Clone)]
struct Weather;

#[task]
async fn look_up(city: &str) -> u32 {
    tokio::task::yield_now().await;
    city.len() as u32
}

impl ServerHandler for Weather {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::default())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let city = request.arguments.as_ref().and_then(|all| all.get("city"));
        let city = city.and_then(Value::as_str).unwrap_or_default();
        match request.name.as_ref() {
            "weather" if city == "Atlantis" => {
                let text = ContentBlock::text("Atlantis has sunk.");
                Ok(CallToolResult::error(vec![text]).into())
            }
            "weather" => {
                let degrees = look_up(city).await;
                Ok(CallToolResult::structured(json!({ "degrees": degrees })).into())
            }
            "never" => pending().await,
            name => Err(ErrorData::invalid_params(format!("no tool {name}"), None)),
        }
    }
}

#[derive(Clone)]
struct Client;

impl ClientHandler for Client {}

/// A server whose requests are handled inside a span, as a program would do that runs both sides in one process.
struct Inside<S> {
    server: S,
    span: Span,
}

type Answer = Result<<RoleServer as ServiceRole>::Resp, ErrorData>;

impl<S: Service<RoleServer>> Service<RoleServer> for Inside<S> {
    fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answer> + Send + '_ {
        let handle = || {
            self.server
                .handle_request(request, context)
                .in_current_span()
        };
        self.span.in_scope(handle)
    }

    async fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.server.handle_notification(notification, context).await
    }

    fn get_info(&self) -> <RoleServer as ServiceRole>::Info {
        self.server.get_info()
    }
}

type Running = RunningService<RoleClient, Client>;

/// A client of this server, over memory.
async fn connect<S: Service<RoleServer>>(server: S) -> Running {
    let (here, there) = tokio::io::duplex(4096);
    tokio::spawn(async move { server.serve(there).await.unwrap().waiting().await });
    Client.serve(here).await.unwrap()
}

fn call(name: &'static str, city: &str) -> CallToolRequestParams {
    let arguments = json!({ "city": city, "api_key": "secret-of-the-caller" });
    let Value::Object(arguments): Value = arguments else {
        return CallToolRequestParams::new(name);
    };
    CallToolRequestParams::new(name).with_arguments(JsonObject::from_iter(arguments))
}

fn shown(result: &Result<CallToolResult, ServiceError>) -> String {
    format!("{result:?}")
}

#[agent(capture_input = false, capture_output = false)]
async fn run<F: Future>(future: F) -> F::Output {
    future.await
}

async fn calls<F: Future>(future: F) -> (F::Output, Vec<CapturedSpan>) {
    let (value, captured) = capture_async(run(future)).await;
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    (value, captured.span("run").unwrap().children.clone())
}

#[tokio::test]
async fn calls_of_a_client() {
    let client = connect(Weather).await;
    let params = [
        call("weather", "Oslo"),
        call("weather", "Atlantis"),
        call("tides", "Oslo"),
    ];
    let mut plain = Vec::new();
    for params in &params {
        plain.push(shown(&client.call_tool(params.clone()).await));
    }
    let (traced, calls) = calls(Box::pin(async {
        let mut traced = Vec::new();
        for params in &params {
            traced.push(shown(&client.call_tool_traced(params.clone()).await));
        }
        traced
    }))
    .await;
    assert_eq!(traced, plain);
    let names: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.status.as_str()))
        .collect();
    assert_eq!(
        names,
        [("weather", "ok"), ("weather", "error"), ("tides", "error")]
    );
    assert_eq!(calls[0].span_type, "tool");
    assert_eq!(
        calls[0].input,
        Some(json!({ "city": "Oslo", "api_key": "[redacted]" }))
    );
    assert_eq!(
        calls[0].output.as_ref().unwrap()["structuredContent"],
        json!({ "degrees": 4 })
    );
    assert_eq!(calls[0].attributes["span.kind"], "client");
    let error = calls[1].error.as_ref().unwrap();
    assert_eq!(
        (error.error_type.as_str(), error.message.as_str()),
        ("tool_error", "Atlantis has sunk.")
    );
    assert_eq!(calls[1].output.as_ref().unwrap()["isError"], true);
    let error = calls[2].error.as_ref().unwrap();
    assert!(error.message.contains("no tool tides"), "{}", error.message);
    assert_eq!(calls[2].output, None);
}

#[tokio::test]
async fn the_peer_of_a_client_and_what_is_said_of_calls() {
    let client = connect(Weather).await;
    let peer = client.peer().clone();
    let (_, calls) = calls(Box::pin(async {
        // On another task, in the trace of its caller.
        rollout::spawn(async move {
            let call = || peer.call_tool_traced(call("weather", "Oslo"));
            with_tool_call_id("call_1", call).await.unwrap()
        })
        .await
    }))
    .await;
    assert_eq!(calls[0].tool["tool_call_id"], "call_1");

    let quiet = ToolCalls::new()
        .capture_input(false)
        .capture_output(false)
        .attribute("team", "support");
    let (_, calls) = self::calls(Box::pin(
        client.call_tool_traced_with(call("weather", "Oslo"), quiet),
    ))
    .await;
    assert_eq!((&calls[0].input, &calls[0].output), (&None, &None));
    assert_eq!(calls[0].attributes["team"], "support");
}

#[tokio::test]
async fn a_call_that_is_given_up() {
    let client = connect(Weather).await;
    let (done, calls) = calls(Box::pin(async {
        let call = client.call_tool_traced(call("never", "Oslo"));
        call.now_or_never().is_some()
    }))
    .await;
    assert!(!done);
    assert_eq!(calls[0].status, "cancelled");
}

#[tokio::test]
async fn calls_that_a_server_answers() {
    let plain = connect(Weather).await;
    let (results, calls) = calls(Box::pin(async {
        let span = rollout::current_span().unwrap();
        // Wrapped twice, it records once.
        let server = wrap_mcp_server(wrap_mcp_server(Weather));
        let client = connect(Inside { server, span }).await;
        let list = client.list_tools(None).await;
        let results = (
            client.call_tool(call("weather", "Oslo")).await,
            client.call_tool(call("weather", "Atlantis")).await,
            client.call_tool(call("tides", "Oslo")).await,
        );
        assert!(list.unwrap().tools.is_empty());
        results
    }))
    .await;
    assert_eq!(
        shown(&results.0),
        shown(&plain.call_tool(call("weather", "Oslo")).await)
    );
    assert_eq!(
        shown(&results.1),
        shown(&plain.call_tool(call("weather", "Atlantis")).await)
    );
    assert_eq!(
        shown(&results.2),
        shown(&plain.call_tool(call("tides", "Oslo")).await)
    );
    let names: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.status.as_str()))
        .collect();
    assert_eq!(
        names,
        [("weather", "ok"), ("weather", "error"), ("tides", "error")]
    );
    assert_eq!(
        calls[0].input,
        Some(json!({ "city": "Oslo", "api_key": "[redacted]" }))
    );
    assert_eq!(
        calls[0].output.as_ref().unwrap()["structuredContent"],
        json!({ "degrees": 4 })
    );
    assert_eq!(calls[0].attributes["span.kind"], "server");
    assert_eq!(
        calls[0].children.len(),
        1,
        "the tool's own work is inside its call"
    );
    assert_eq!(calls[0].children[0].name, "look_up");
    assert_eq!(
        calls[1].error.as_ref().unwrap().message,
        "Atlantis has sunk."
    );
    assert!(
        calls[2]
            .error
            .as_ref()
            .unwrap()
            .message
            .contains("no tool tides")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_in_no_trace() {
    let memory = MemoryExporter::new();
    let _rollout = rollout::builder()
        .enabled(true)
        .spool(SpoolKind::Memory)
        .exporters([])
        .exporter(Box::new(memory.clone()))
        .init()
        .unwrap();
    let quiet = ToolCalls::new().attribute("server", "alone");
    let client = connect(wrap_mcp_server_with(Weather, quiet)).await;
    client.call_tool(call("weather", "Oslo")).await.unwrap();
    // Other tests of this process record here as well.
    let starts = || {
        let events = memory.events();
        let ours = |event: &&Value| {
            event["event_type"] == "tool.call" && event["attributes"]["server"] == "alone"
        };
        events.iter().filter(ours).cloned().collect::<Vec<_>>()
    };
    let start = wait_until("the call is recorded", || starts().pop());
    let trace = start["trace_id"].as_str().unwrap();
    let events = memory.events();
    assert!(
        events
            .iter()
            .any(|event| event["event_type"] == "trace.start" && event["trace_id"] == trace),
        "a trace of its own: {start}"
    );

    // Where the caller is recorded too, both sides are in one trace, unless they are told otherwise.
    let rollout = rollout::client().unwrap();
    for propagate in [true, false] {
        let calls = ToolCalls::new().propagate(propagate);
        let before = starts().len();
        let called = rollout.trace("caller").in_scope_async(async |_| {
            client
                .call_tool_traced_with(call("weather", "Rome"), calls)
                .await
                .map(drop)
        });
        called.await.unwrap();
        let served = wait_until("the call is recorded", || starts().into_iter().nth(before));
        let sent = wait_until("so is the caller's side", || {
            let of_client = |event: &&Value| {
                event["event_type"] == "tool.call" && event["attributes"]["span.kind"] == "client"
            };
            memory.events().iter().rfind(of_client).cloned()
        });
        assert_eq!(served["trace_id"] == sent["trace_id"], propagate);
        let parent = propagate.then(|| sent["span_id"].clone());
        assert_eq!(served.get("parent_span_id").cloned(), parent);
        assert_eq!(served["raw"]["arguments"], sent["raw"]["arguments"]);
    }
}
