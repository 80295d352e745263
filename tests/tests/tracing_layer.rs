//! Spans of other libraries that `tracing` carries, in the shapes in which rig and genai emit them.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "that is how a test fails, and a tool"
)]

use std::error::Error;
use std::fmt;
use std::sync::Once;

use rollout::testing::{Captured, CapturedSpan, capture, capture_async};
use rollout::{TracingLayer, agent, task, tool};
use serde::{Serialize, Serializer};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument as _, Level, Span, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

/// The layer as it is by default, for all threads.
fn layer() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(TracingLayer::new());
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The same with settings, for this thread.
fn with_layer<R>(layer: TracingLayer, body: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body)
}

#[agent(capture_input = false, capture_output = false)]
fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[agent(name = "run", capture_input = false, capture_output = false)]
async fn run_async<F: Future>(future: F) -> F::Output {
    future.await
}

fn children(captured: &Captured) -> &[CapturedSpan] {
    &captured.span("run").unwrap().children
}

fn names(spans: &[CapturedSpan]) -> Vec<(&str, &str)> {
    spans
        .iter()
        .map(|span| (span.span_type.as_str(), span.name.as_str()))
        .collect()
}

/// As rig's agents open a run.
fn rig_agent() -> Span {
    info_span!(
        parent: None,
        "invoke_agent",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = "weather agent",
        gen_ai.system_instructions = Empty,
        gen_ai.prompt = Empty,
        gen_ai.completion = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    )
}

/// As rig's agents open a turn, and its providers fill it in.
fn rig_chat() -> Span {
    info_span!(
        target: "rig::agent_chat",
        "chat",
        rig.completion_parent = true,
        gen_ai.operation.name = "chat",
        gen_ai.system_instructions = r#"[{"type":"text","content":"Be brief."}]"#,
        gen_ai.provider.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.request.stream = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        rig.provider_request_id = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning_tokens = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        gen_ai.agent.name = "weather agent",
    )
}

/// As rig's agents open a tool call.
fn rig_tool() -> Span {
    info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.type = "function",
        gen_ai.tool.name = Empty,
        gen_ai.tool.call.id = Empty,
        gen_ai.tool.call.arguments = Empty,
        gen_ai.tool.call.result = Empty,
        gen_ai.tool.call.outcome = Empty,
        gen_ai.tool.error.type = Empty,
    )
}

/// As genai opens a call.
fn genai_chat() -> Span {
    info_span!(
        "genai.chat",
        "otel.name" = "chat gpt-4o",
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "error.type" = Empty,
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = "openai",
        "gen_ai.request.model" = "gpt-4o",
        "gen_ai.request.stream" = false,
        "gen_ai.request.temperature" = 0.5,
        "server.address" = "api.openai.com",
        "server.port" = 443_i64,
        "gen_ai.response.id" = Empty,
        "gen_ai.response.model" = Empty,
        "gen_ai.response.finish_reasons" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.usage.reasoning.output_tokens" = Empty,
        "gen_ai.input.messages" = Empty,
        "gen_ai.output.messages" = Empty,
        "gen_ai.tool.definitions" = Empty,
    )
}

#[task]
async fn look_up(city: &str) -> usize {
    tokio::task::yield_now().await;
    city.len()
}

const INPUT: &str = r#"[{"role":"user","parts":[{"type":"text","content":"Weather in Oslo?"}]}]"#;
const OUTPUT: &str = r#"[{"role":"assistant","parts":[{"type":"text","content":"Rain."}]}]"#;

/// A run as rig makes it.
async fn rig_run() {
    let agent = rig_agent();
    agent.record("gen_ai.prompt", "Weather in Oslo?");
    async {
        let chat = rig_chat();
        async {
            let chat = Span::current();
            chat.record("gen_ai.provider.name", "anthropic");
            chat.record("gen_ai.request.model", "claude-sonnet-4-5");
            chat.record("gen_ai.request.stream", false);
            chat.record("gen_ai.input.messages", INPUT);
            tokio::task::yield_now().await;
            chat.record("gen_ai.response.id", "msg_1");
            chat.record("gen_ai.usage.input_tokens", 20_u64);
            chat.record("gen_ai.usage.output_tokens", 7_u64);
            chat.record("gen_ai.usage.cache_read.input_tokens", 16_u64);
            chat.record("gen_ai.output.messages", OUTPUT);
        }
        .instrument(chat)
        .await;
        async {
            let tool = Span::current();
            tool.record("gen_ai.tool.name", "weather");
            tool.record("gen_ai.tool.call.id", tracing::field::display("call_1"));
            let arguments = r#"{"city":"Oslo","api_key":"secret-of-the-caller"}"#;
            tool.record("gen_ai.tool.call.arguments", arguments);
            let degrees = look_up("Oslo").await;
            tool.record("gen_ai.tool.call.outcome", "success");
            tool.record(
                "gen_ai.tool.call.result",
                format!("{{\"degrees\":{degrees}}}"),
            );
        }
        .instrument(rig_tool())
        .await;
        async {
            let tool = Span::current();
            tool.record("gen_ai.tool.name", "tides");
            tool.record("gen_ai.tool.call.outcome", "error");
            tool.record("gen_ai.tool.error.type", "not_found");
        }
        .instrument(rig_tool())
        .await;
    }
    .instrument(agent.clone())
    .await;
    agent.record("gen_ai.completion", "It rains.");
    agent.record("gen_ai.usage.input_tokens", 20_u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_rig() {
    layer();
    let ((), captured) = capture_async(run_async(async {
        let here = rollout::current_span().unwrap().id();
        // In a task of its own, so on other threads.
        rollout::spawn(rig_run()).await.unwrap();
        rig_run().await;
        assert_eq!(rollout::current_span().unwrap().id(), here);
    }))
    .await;
    let events = serde_json::to_string(&captured.events).unwrap();
    assert!(
        !events.contains("secret-of-the-caller"),
        "a key was recorded"
    );
    let agents = children(&captured);
    assert_eq!(
        names(agents),
        [("agent", "weather agent"), ("agent", "weather agent")]
    );
    for agent in agents {
        assert_eq!(agent.output, Some(json!("It rains.")));
        assert_eq!(agent.input, Some(json!("Weather in Oslo?")));
        assert_eq!(
            agent.usage["input_tokens"],
            json!(null),
            "tokens are counted once, where they were used"
        );
        assert_eq!(agent.attributes["gen_ai.usage.input_tokens"], 20);
        assert_eq!(
            names(&agent.children),
            [("llm", "chat"), ("tool", "weather"), ("tool", "tides")]
        );
        let [chat, weather, tides] = &agent.children[..] else {
            panic!()
        };
        assert_eq!(
            (
                chat.status.as_str(),
                &chat.model["provider"],
                &chat.model["model"]
            ),
            ("ok", &json!("anthropic"), &json!("claude-sonnet-4-5"))
        );
        assert_eq!(chat.usage["input_tokens"], 20);
        assert_eq!(chat.usage["cached_tokens"], 16);
        assert_eq!(chat.usage["total_tokens"], 27);
        assert_eq!(chat.attributes["rollout.usage_source"], "reported");
        assert_eq!(chat.attributes["gen_ai.response.id"], "msg_1");
        let messages: serde_json::Value = serde_json::from_str(INPUT).unwrap();
        assert_eq!(
            chat.input,
            Some(
                json!({ "system": [{ "type": "text", "content": "Be brief." }], "messages": messages })
            )
        );
        assert_eq!(chat.output, Some(serde_json::from_str(OUTPUT).unwrap()));
        assert_eq!(
            weather.input,
            Some(json!({ "city": "Oslo", "api_key": "[redacted]" }))
        );
        assert_eq!(weather.output, Some(json!({ "degrees": 4 })));
        assert_eq!(weather.tool["tool_call_id"], "call_1");
        assert_eq!(weather.tool["name"], "weather");
        assert_eq!(names(&weather.children), [("task", "look_up")]);
        assert_eq!(tides.status, "error");
        assert_eq!(tides.error.as_ref().unwrap().error_type, "not_found");
    }
}

#[test]
fn calls_of_genai() {
    layer();
    let ((), captured) = capture(|| {
        run(|| {
            let call = genai_chat();
            call.record(
                "gen_ai.tool.definitions",
                r#"[{"type":"function","name":"weather"}]"#,
            );
            call.record("gen_ai.input.messages", INPUT);
            call.in_scope(|| ());
            call.record("gen_ai.response.finish_reasons", r#"["stop"]"#);
            call.record("gen_ai.usage.input_tokens", 10_i64);
            call.record("gen_ai.usage.output_tokens", 20_i64);
            call.record("gen_ai.usage.reasoning.output_tokens", 5_i64);
            drop(call);
            let call = genai_chat();
            call.record("otel.status_code", "error");
            call.record("error.type", "429");
        });
    });
    let [call, refused] = children(&captured) else {
        panic!("{}", captured.tree())
    };
    assert_eq!(
        (
            call.span_type.as_str(),
            call.name.as_str(),
            call.status.as_str()
        ),
        ("llm", "chat", "ok")
    );
    assert_eq!(
        call.model,
        json!({ "provider": "openai", "model": "gpt-4o", "temperature": 0.5 })
    );
    assert_eq!(call.usage["reasoning_tokens"], 5);
    assert_eq!(
        call.attributes["gen_ai.response.finish_reasons"],
        json!(["stop"])
    );
    assert_eq!(call.attributes["server.port"], 443);
    assert!(!call.attributes.contains_key("otel.kind"));
    assert_eq!(call.input.as_ref().unwrap()["tools"][0]["name"], "weather");
    assert_eq!(refused.status, "error");
    assert_eq!(refused.error.as_ref().unwrap().error_type, "429");
    assert_eq!(refused.attributes["rollout.usage_source"], "absent");
}

#[tokio::test]
async fn a_call_that_is_given_up() {
    layer();
    let (given_up, captured) = capture_async(async {
        let call = async { std::future::pending::<()>().instrument(genai_chat()).await };
        let mut run = Box::pin(run_async(call));
        let is_pending = futures::poll!(&mut run).is_pending();
        drop(run);
        is_pending
    })
    .await;
    assert!(given_up);
    assert_eq!(captured.span("run").unwrap().status, "cancelled");
    let [call] = children(&captured) else {
        panic!("{}", captured.tree())
    };
    // All that `tracing` tells is that it was closed.
    assert_eq!(call.status, "ok");
    assert_eq!((&call.output, call.usage.is_null()), (&None, true));
    assert_eq!(call.attributes["rollout.usage_source"], "absent");
}

#[tool]
fn within(depth: u32) -> u32 {
    rig_tool().in_scope(|| if depth == 0 { 0 } else { within(depth - 1) + 1 })
}

#[test]
fn inside_of_each_other() {
    layer();
    let (_, captured) = capture(|| genai_chat().in_scope(|| within(2)));
    let mut span = captured.span("chat").unwrap();
    assert_eq!(captured.traces.len(), 1, "{}", captured.tree());
    for name in [
        "within",
        "execute_tool",
        "within",
        "execute_tool",
        "within",
        "execute_tool",
    ] {
        assert_eq!(span.children.len(), 1, "{}", captured.tree());
        span = &span.children[0];
        assert_eq!(span.name, name, "{}", captured.tree());
    }
    assert!(rollout::current_span().is_none());
}

#[test]
fn explicit_parents_and_spans_that_are_left_out_of_order() {
    layer();
    let ((), captured) = capture(|| {
        run(|| {
            let here = || rollout::current_span().and_then(|span| span.id());
            let outside = here();
            let (first, second) = (rig_agent(), genai_chat());
            let in_first = first.enter();
            let inside_first = here();
            let in_second = second.enter();
            let inside_second = here();
            drop(in_first);
            assert_eq!(here(), inside_second);
            drop(in_second);
            assert_eq!(here(), outside);
            assert!(outside != inside_first && inside_first != inside_second);
            drop(
                info_span!(parent: &first, "execute_tool", gen_ai.tool.name = "child of the first"),
            );
        });
    });
    let agent = captured.span("weather agent").unwrap();
    assert_eq!(names(&agent.children), [("tool", "child of the first")]);
}

#[test]
fn other_spans_where_they_are_asked_for() {
    let body = || {
        run(|| {
            info_span!("plain", size = 3, password = "secret-of-the-caller").in_scope(|| {
                tracing::debug_span!("fine").in_scope(|| rig_tool().in_scope(|| ()));
            });
        });
    };
    let ((), without) = capture(|| with_layer(rollout::tracing_layer(), body));
    assert_eq!(names(children(&without)), [("tool", "execute_tool")]);
    let layer = TracingLayer::new().other_spans(Level::INFO);
    let ((), with) = capture(|| with_layer(layer, body));
    let [plain] = children(&with) else {
        panic!("{}", with.tree())
    };
    assert_eq!(
        (plain.span_type.as_str(), plain.name.as_str()),
        ("span", "plain")
    );
    assert_eq!(plain.attributes["size"], 3);
    assert_eq!(plain.attributes["password"], "[redacted]");
    assert_eq!(
        names(&plain.children),
        [("tool", "execute_tool")],
        "the finer span is not there"
    );
}

#[test]
fn a_say_in_what_is_recorded() {
    let layer = TracingLayer::new()
        .capture_input(false)
        .capture_output(false);
    let ((), captured) = capture(|| {
        with_layer(layer, || {
            let call = genai_chat();
            call.record("gen_ai.input.messages", INPUT);
            call.record("gen_ai.output.messages", OUTPUT);
            call.record("gen_ai.usage.input_tokens", 10_i64);
        });
    });
    let call = captured.span("chat").unwrap();
    assert_eq!(
        (&call.input, &call.output, &call.usage["input_tokens"]),
        (&None, &None, &json!(10))
    );
}

#[derive(Debug)]
struct Refused(std::num::ParseIntError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number was refused")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[tracing::instrument(err, skip_all, fields(gen_ai.tool.name = "number"))]
fn number(text: &str) -> Result<u32, Refused> {
    text.parse().map_err(Refused)
}

#[test]
fn errors_of_all_kinds() {
    layer();
    let ((), captured) = capture(|| {
        run(|| {
            assert!(number("x").is_err());
            let span = info_span!("execute_tool", gen_ai.tool.name = "chain", error = Empty);
            let error = Refused("x".parse::<u32>().unwrap_err());
            span.record("error", &error as &(dyn Error + 'static));
            drop(span);
            drop(info_span!(
                "execute_tool",
                gen_ai.tool.name = "flag",
                error = true,
                error.message = "no"
            ));
            let panics = std::panic::AssertUnwindSafe(|| {
                info_span!("execute_tool", gen_ai.tool.name = "panic").in_scope(|| panic!("no"));
            });
            assert!(std::panic::catch_unwind(panics).is_err());
        });
    });
    let [number, chain, flag, panicked] = children(&captured) else {
        panic!("{}", captured.tree())
    };
    let error = |span: &CapturedSpan| {
        assert_eq!(span.status, "error", "{}", span.name);
        span.error.clone().unwrap()
    };
    assert_eq!(error(number).message, "the number was refused");
    assert_eq!(error(chain).message, "the number was refused");
    assert_eq!(error(chain).chain, ["invalid digit found in string"]);
    assert_eq!(error(flag).message, "no");
    assert_eq!(error(panicked).error_type, "panic");
}

/// Code of the program that runs while a value is recorded, and traces.
struct Traces;

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        genai_chat().in_scope(|| tracing::error!(error = "from within", "in a callback"));
        within(1);
        f.write_str("traced")
    }
}

impl Serialize for Traces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        genai_chat().in_scope(|| tracing::error!(error = "from within", "in a capture"));
        serializer.serialize_str("traced")
    }
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("while it is recorded")
    }
}

#[tool(capture_output = false)]
fn takes(value: Traces) -> Traces {
    value
}

#[test]
fn code_that_traces_while_it_is_recorded() {
    layer();
    let ((), captured) = capture(|| {
        run(|| {
            let span = info_span!("execute_tool", gen_ai.tool.name = "debug", first = ?Traces, second = ?Panics, third = Empty);
            span.record("third", tracing::field::debug(Traces));
            drop(span);
            takes(Traces);
            assert_eq!(within(0), 0);
        });
    });
    let debug = captured.span("debug").unwrap();
    assert_eq!(debug.attributes["first"], "traced");
    assert_eq!(
        debug.attributes["second"],
        "[not recorded: its Debug panicked]"
    );
    assert_eq!(debug.attributes["third"], "traced");
    assert_eq!(debug.status, "ok");
    assert_eq!(
        captured.span("takes").unwrap().input,
        Some(json!({ "value": "traced" }))
    );
    assert!(captured.span("within").is_some());
    assert!(captured.span("chat").is_none(), "{}", captured.tree());
}

#[test]
fn texts_are_bounded() {
    layer();
    let ((), captured) = capture(|| {
        run(|| {
            let span = info_span!(
                "chat",
                gen_ai.request.model = "m",
                gen_ai.prompt = Empty,
                more = Empty
            );
            let long = "x".repeat(900 << 10);
            for _ in 0..100 {
                span.record("gen_ai.prompt", &long);
            }
            span.record("more", &long);
        });
    });
    let call = captured.span("chat").unwrap();
    assert_eq!(call.attributes["rollout.fields_dropped"], 1);
    assert!(call.input.as_ref().unwrap().as_str().unwrap().len() < 65 << 10);
    assert!(serde_json::to_string(&captured.events).unwrap().len() < 300 << 10);
}

#[test]
fn where_nothing_records_nothing_happens() {
    layer();
    assert_eq!(genai_chat().in_scope(|| within(1)), 1);
    assert!(rollout::current_span().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_runs_at_once() {
    layer();
    let ((), captured) = capture_async(run_async(async {
        let runs: Vec<_> = (0..100).map(|_| rollout::spawn(rig_run())).collect();
        for run in runs {
            run.await.unwrap();
        }
    }))
    .await;
    let agents = children(&captured);
    assert_eq!(agents.len(), 100);
    for agent in agents {
        assert_eq!(
            names(&agent.children),
            [("llm", "chat"), ("tool", "weather"), ("tool", "tides")]
        );
        assert_eq!(names(&agent.children[1].children), [("task", "look_up")]);
    }
}
