//! What a program's spans say when they go out by OTLP: to whom, under which names, of which types. One program runs
//! once, to all routes; each test looks at a part of what came.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use rollout::{
    ExporterKind, Message, ModelCalls, OtlpExporter, SendTraced as _, SpanUpdate, TraceUpdate,
    Usage, agent, span, task, tool,
};
use rollout_tests::DEADLINE;
use rollout_tests::collector::{Collector, Sent};
use rollout_tests::events::builder;
use rollout_tests::model::{Script, events, serve};
use serde::Serialize;
use serde_json::{Value, json};

/// What came, by route.
struct Run {
    own: Collector,
    mlflow: Collector,
    langfuse: Collector,
    traceroot: Collector,
    trace: String,
    inner_trace: String,
}

impl Run {
    fn routes(&self) -> [(&'static str, &Collector); 4] {
        [
            ("own", &self.own),
            ("mlflow", &self.mlflow),
            ("langfuse", &self.langfuse),
            ("traceroot", &self.traceroot),
        ]
    }
}

#[derive(Debug)]

struct NoWeather(&'static str, std::io::Error);

impl fmt::Display for NoWeather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no weather for {}", self.0)
    }
}

impl Error for NoWeather {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

#[derive(Serialize)]
struct Found {
    id: u32,
    text: &'static str,
    score: f64,
    shelf: &'static str,
}

#[tool(tool_call_id = id)]
fn weather(id: &str, city: &'static str) -> Result<String, NoWeather> {
    let _ = id;
    match city {
        "Oslo" => Ok("rain".to_owned()),
        city => Err(NoWeather(city, std::io::Error::other("the wire is cut"))),
    }
}

#[span(type = "retrieval", attributes(model = "of the program", limit = 2))]
fn search(query: &str) -> Vec<Found> {
    let _ = query;
    vec![
        Found {
            id: 7,
            text: "umbrellas",
            score: 0.5,
            shelf: "b",
        },
        Found {
            id: 8,
            text: "boots",
            score: 0.25,
            shelf: "c",
        },
    ]
}

#[task]
fn plan(goal: &str) -> usize {
    goal.len()
}

#[agent(name = "helper", capture_input = false)]
async fn helper() -> u32 {
    rollout::update_current_trace(TraceUpdate::new().user_id("ann"));
    7
}

#[agent(
    name = "weather_agent",
    user_id = "bob",
    session_id = "s-1",
    conversation_id = "c-1",
    tags = ["demo", "oslo"],
    attributes(plan = "gold", "step.number" = 3)
)]
async fn run(question: String, url: String) -> String {
    let client = reqwest::Client::new();
    rollout::current_trace()
        .unwrap()
        .message(Message::user(&question));
    plan(&question);
    search("umbrella");
    let request = json!({
        "model": "gpt-4.1", "temperature": 1, "max_completion_tokens": 100, "stop": "END", "seed": 5,
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": question },
        ],
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }],
    });
    let chat = client
        .post(format!("{url}/v1/chat/completions"))
        .json(&request);
    let calls = ModelCalls::new().attribute("team", "support");
    chat.send_traced_with(calls)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    weather("call_1", "Oslo").unwrap();
    weather("call_2", "Atlantis").unwrap_err();
    let request = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 64, "stream": true, "system": "Be kind.",
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "Look." },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "aGk=" } },
            ]},
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "t1", "name": "look", "input": { "far": true } }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t1", "content": "a hut" }] },
        ],
    });
    let messages = client.post(format!("{url}/v1/messages")).json(&request);
    messages.send_traced().await.unwrap().bytes().await.unwrap();
    let request = json!({ "model": "text-embedding-3-small", "input": ["one", "two"] });
    let embeddings = client.post(format!("{url}/v1/embeddings")).json(&request);
    embeddings
        .send_traced()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    helper().await;
    let span = rollout::current_span()
        .unwrap()
        .span("guardrail")
        .name("check");
    span.in_scope(|span| {
        span.update(SpanUpdate::new().metadata("rule", "no rain").usage(Usage {
            cost_usd: Some(0.5),
            ..Usage::default()
        }));
    });
    rollout::update_current_trace(
        TraceUpdate::new()
            .tag("late")
            .metadata("customer", json!({ "since": 2019 })),
    );
    rollout::feedback("helpful", &0.75);
    rollout::current_trace()
        .unwrap()
        .message(Message::assistant("Rain."));
    "Rain.".to_owned()
}

fn chat_answer() -> Value {
    json!({
        "id": "chatcmpl-1", "model": "gpt-4.1-2025-04-14",
        "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "Let me see.",
            "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } }],
        }}],
        "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cost": 0.25,
            "prompt_tokens_details": { "cached_tokens": 16 }, "completion_tokens_details": { "reasoning_tokens": 3 } },
    })
}

fn stream() -> String {
    events(&[
        json!({ "type": "message_start", "message": { "id": "msg_1", "model": "claude-sonnet-4-5-20250929", "role": "assistant",
            "usage": { "input_tokens": 4, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "thinking", "thinking": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "Hm." } }),
        json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "text_delta", "text": "A hut." } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 9 } }),
        json!({ "type": "message_stop" }),
    ])
}

fn program() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let collectors = [(); 4].map(|()| Collector::start());
        let [own, mlflow, langfuse, traceroot] = collectors;
        let config = builder()
            .otlp_endpoint(mlflow.url())
            .otlp_headers([("x-mlflow-experiment-id", "0")])
            .config()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let guard = builder()
            .dir(dir.path())
            .exporters([
                ExporterKind::Otlp,
                ExporterKind::Langfuse,
                ExporterKind::TraceRoot,
            ])
            .exporter(Box::new(OtlpExporter::new(&config).unwrap()))
            .otlp_endpoint(format!("{}/base/", own.url()))
            .otlp_headers([("x-tenant", "a=b,c;d")])
            .langfuse("pk-lf-1", "sk-lf-secret")
            .langfuse_host(langfuse.url())
            .traceroot("tr-secret")
            .traceroot_host(traceroot.url())
            .service_name("shop")
            .release("1.2.3")
            .environment("Production EU")
            .agent_version("4")
            .init()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let script = Script::in_turn(vec![
            Script::Json(200, chat_answer()),
            Script::Events(stream(), 40),
            Script::Json(
                200,
                json!({ "model": "text-embedding-3-small", "data": [{ "embedding": [0.5, 0.5] }],
                    "usage": { "prompt_tokens": 2, "total_tokens": 2 } }),
            ),
        ]);
        runtime.block_on(async {
            let url = format!("http://{}", serve(script).await);
            run("Is it raining in Oslo?".to_owned(), url).await
        });
        let report = guard.blocking_flush(DEADLINE).unwrap();
        assert!(report.is_complete(), "{report:?}");
        let agent = own.span("invoke_agent weather_agent");
        let helper = own.span("invoke_agent helper");
        Run {
            trace: agent.trace(),
            inner_trace: helper.trace(),
            own,
            mlflow,
            langfuse,
            traceroot,
        }
    })
}

const AGENT: &str = "invoke_agent weather_agent";
const CHAT: &str = "chat gpt-4.1";
const STREAM: &str = "chat claude-sonnet-4-5";

/// The two calls of the tool: the one that worked, and the one that failed.
fn tools(collector: &Collector) -> (Sent, Sent) {
    let mut found: Vec<Sent> = collector
        .spans()
        .into_iter()
        .filter(|span| span.name() == "execute_tool weather")
        .collect();
    assert_eq!(found.len(), 2);
    let second = found.pop().unwrap();
    (found.pop().unwrap(), second)
}

#[track_caller]
fn assert_says(span: &Sent, expected: &[(&str, Value)]) {
    let attributes = span.attributes();
    for (name, value) in expected {
        let found = attributes.get(*name).map(rollout_tests::collector::plain);
        assert_eq!(found.as_ref(), Some(value), "{name} of {}", span.name());
    }
}

/// The types of attributes.
#[track_caller]
fn assert_types(span: &Sent, expected: &[(&str, &str)]) {
    let attributes = span.attributes();
    for (name, kind) in expected {
        let found = match attributes.get(*name) {
            Some(Any::StringValue(_)) => "text",
            Some(Any::BoolValue(_)) => "flag",
            Some(Any::IntValue(_)) => "int",
            Some(Any::DoubleValue(_)) => "float",
            Some(Any::ArrayValue(_)) => "list",
            _ => "nothing that is known",
        };
        assert_eq!(found, *kind, "{name} of {}", span.name());
    }
}

#[test]
fn the_tree_is_the_programs() {
    let run = program();
    for (route, collector) in run.routes() {
        let spans = collector.spans();
        let agent = collector.span(AGENT);
        assert_eq!(agent.parent(), "", "{route}");
        assert_eq!(spans.len(), 10, "{route}: {:?}", collector.names());
        for span in &spans {
            let kind = if span.name().starts_with("chat") || span.name().starts_with("embeddings") {
                3
            } else {
                1
            };
            assert_eq!(span.span.kind, kind, "{}", span.name());
            assert_eq!(span.span.flags, 0x101);
            let (start, end) = (span.span.start_time_unix_nano, span.span.end_time_unix_nano);
            assert!(0 < start && start <= end);
            assert!(
                start >= agent.span.start_time_unix_nano && end <= agent.span.end_time_unix_nano
            );
            if span.name() == "invoke_agent helper" {
                assert_eq!(
                    (span.parent(), span.trace()),
                    (String::new(), run.inner_trace.clone())
                );
            } else if span.name() != AGENT {
                assert_eq!(
                    (span.parent(), span.trace()),
                    (agent.id(), run.trace.clone())
                );
            }
        }
        let helper = collector.span("invoke_agent helper");
        let link = &helper.span.links[0];
        assert_eq!(link.trace_id, agent.span.trace_id, "{route}");
        assert_eq!(link.span_id, agent.span.span_id, "{route}");
    }
}

#[test]
fn each_route_has_its_address_and_headers() {
    let run = program();
    let of = |collector: &Collector| {
        let received = collector.received();
        let first = received.first().unwrap().clone();
        for other in &received {
            assert_eq!(other.headers["content-type"], "application/x-protobuf");
            assert_eq!(other.headers["content-encoding"], "gzip");
            assert_eq!(other.path, first.path);
        }
        first
    };
    let own = of(&run.own);
    assert_eq!(own.path, "/base/v1/traces");
    assert_eq!(own.headers["x-tenant"], "a=b,c;d");
    let mlflow = of(&run.mlflow);
    assert_eq!(
        (&*mlflow.path, &mlflow.headers["x-mlflow-experiment-id"]),
        ("/v1/traces", &"0".parse().unwrap())
    );
    let langfuse = of(&run.langfuse);
    assert_eq!(langfuse.path, "/api/public/otel/v1/traces");
    assert_eq!(
        langfuse.headers["authorization"],
        "Basic cGstbGYtMTpzay1sZi1zZWNyZXQ="
    );
    assert_eq!(langfuse.headers["x-langfuse-ingestion-version"], "4");
    let traceroot = of(&run.traceroot);
    assert_eq!(traceroot.path, "/api/v1/public/traces");
    assert_eq!(traceroot.headers["authorization"], "Bearer tr-secret");
    assert_eq!(traceroot.headers["x-traceroot-sdk-name"], "rollout");
    assert_eq!(
        traceroot.headers["x-traceroot-sdk-version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn the_resource_tells_of_the_program() {
    let run = program();
    for (_, collector) in run.routes() {
        let agent = collector.span(AGENT);
        let said = |name: &str| {
            agent
                .resource
                .get(name)
                .map(rollout_tests::collector::plain)
        };
        for (name, value) in [
            ("service.name", "shop"),
            ("service.version", "1.2.3"),
            ("deployment.environment.name", "Production EU"),
            ("telemetry.sdk.name", "rollout"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ] {
            assert_eq!(said(name), Some(json!(value)), "{name}");
        }
        assert_eq!(said("process.pid"), Some(json!(std::process::id())));
        assert!(said("service.instance.id").is_some());
        assert_eq!(agent.scope.0, "rollout");
    }
}

#[test]
fn an_agent_speaks_for_its_trace() {
    let run = program();
    let metadata = json!({ "customer": { "since": 2019 }, "plan": "gold", "step.number": 3 });
    for (route, collector) in run.routes() {
        let agent = collector.span(AGENT);
        assert_says(
            &agent,
            &[
                ("gen_ai.operation.name", json!("invoke_agent")),
                ("gen_ai.agent.name", json!("weather_agent")),
                ("gen_ai.agent.version", json!("4")),
                ("agent.name", json!("weather_agent")),
                ("openinference.span.kind", json!("AGENT")),
                ("output.value", json!("Rain.")),
                ("output.mime_type", json!("text/plain")),
                ("input.mime_type", json!("application/json")),
                ("plan", json!("gold")),
                ("step.number", json!(3)),
                (
                    "vcs.repository.url.full",
                    json!("https://example.test/repository"),
                ),
                ("code.file.path", json!(file!())),
                ("tag.tags", json!(["demo", "oslo", "late"])),
            ],
        );
        assert_eq!(
            agent.json("input.value")["question"],
            "Is it raining in Oslo?"
        );
        assert_eq!(agent.json("metadata"), metadata, "{route}");
        assert_types(
            &agent,
            &[
                ("code.line.number", "int"),
                ("tag.tags", "list"),
                ("step.number", "int"),
            ],
        );
        let said = |name: &str| {
            let messages = agent.json(name);
            messages[0]["parts"][0]["content"].clone()
        };
        assert_eq!(said("gen_ai.input.messages"), "Is it raining in Oslo?");
        assert_eq!(said("gen_ai.output.messages"), "Rain.");
        assert_eq!(agent.status().0, 1);
        let score = agent
            .events()
            .into_iter()
            .find(|(name, _)| name == "gen_ai.evaluation.result")
            .unwrap()
            .1;
        assert_eq!(score["gen_ai.evaluation.name"], "helpful");
        assert_eq!(score["gen_ai.evaluation.score.value"], 0.75);
    }
    let agent = run.langfuse.span(AGENT);
    assert_says(
        &agent,
        &[
            ("langfuse.observation.type", json!("agent")),
            ("langfuse.trace.name", json!("weather_agent")),
            ("langfuse.trace.tags", json!(["demo", "oslo", "late"])),
            (
                "langfuse.trace.metadata.customer",
                json!("{\"since\":2019}"),
            ),
            ("langfuse.trace.metadata.plan", json!("gold")),
            ("langfuse.trace.metadata.step.number", json!(3)),
            ("langfuse.trace.output", json!("Rain.")),
            ("langfuse.observation.output", json!("Rain.")),
            ("langfuse.observation.level", json!("DEFAULT")),
        ],
    );
    assert_eq!(
        agent.json("langfuse.trace.input")["question"],
        "Is it raining in Oslo?"
    );
    let agent = run.traceroot.span(AGENT);
    assert_eq!(agent.json("traceroot.trace.metadata"), metadata);
    assert_says(
        &agent,
        &[
            ("traceroot.span.type", json!("agent")),
            ("traceroot.trace.tags", json!(["demo", "oslo", "late"])),
            ("traceroot.span.path", json!([AGENT])),
            ("traceroot.span.output", json!("Rain.")),
            ("traceroot.git.source_file", json!(file!())),
        ],
    );
    let agent = run.mlflow.span(AGENT);
    assert_says(
        &agent,
        &[
            ("mlflow.spanType", json!("AGENT")),
            ("mlflow.traceTag.mlflow.traceName", json!("weather_agent")),
            ("mlflow.spanOutputs", json!("\"Rain.\"")),
            ("mlflow.traceTag.plan", json!("gold")),
            ("mlflow.traceTag.demo", json!("true")),
            ("mlflow.traceTag.customer", json!("{\"since\":2019}")),
        ],
    );
}

#[test]
fn whom_a_trace_is_for_is_on_every_span() {
    let run = program();
    for (route, collector) in run.routes() {
        for span in collector.spans().iter().filter(|s| s.trace() == run.trace) {
            let context = format!("{} on {route}", span.name());
            assert_eq!(span.get("user.id"), "bob", "{context}");
            assert_eq!(span.get("session.id"), "s-1", "{context}");
            assert_eq!(span.get("gen_ai.conversation.id"), "c-1", "{context}");
        }
        assert_eq!(collector.span("invoke_agent helper").get("user.id"), "ann");
    }
    for span in run
        .langfuse
        .spans()
        .iter()
        .filter(|s| s.trace() == run.trace)
    {
        assert_says(
            span,
            &[
                ("langfuse.user.id", json!("bob")),
                ("langfuse.session.id", json!("s-1")),
                ("langfuse.trace.name", json!("weather_agent")),
                ("langfuse.environment", json!("production-eu")),
                ("langfuse.release", json!("1.2.3")),
            ],
        );
    }
    for span in run
        .traceroot
        .spans()
        .iter()
        .filter(|s| s.trace() == run.trace)
    {
        assert_says(
            span,
            &[
                ("traceroot.trace.user_id", json!("bob")),
                ("traceroot.trace.session_id", json!("s-1")),
                ("traceroot.environment", json!("Production EU")),
                (
                    "traceroot.git.repo",
                    json!("https://example.test/repository"),
                ),
                (
                    "traceroot.git.ref",
                    json!("0000000000000000000000000000000000000000"),
                ),
            ],
        );
        if span.name() != AGENT {
            let agent = run.traceroot.span(AGENT).id();
            assert_eq!(span.get("traceroot.span.path"), json!([AGENT, span.name()]));
            assert_eq!(span.get("traceroot.span.ids_path"), json!([agent]));
        }
    }
}

#[test]
fn a_model_call_has_its_messages_options_and_usage() {
    let run = program();
    for (_, collector) in run.routes() {
        let chat = collector.span(CHAT);
        assert_says(
            &chat,
            &[
                ("gen_ai.operation.name", json!("chat")),
                ("gen_ai.provider.name", json!("openai")),
                ("gen_ai.request.model", json!("gpt-4.1")),
                ("gen_ai.response.model", json!("gpt-4.1-2025-04-14")),
                ("gen_ai.response.id", json!("chatcmpl-1")),
                ("gen_ai.response.finish_reasons", json!(["tool_calls"])),
                ("gen_ai.request.temperature", json!(1.0)),
                ("gen_ai.request.max_tokens", json!(100)),
                ("gen_ai.request.seed", json!(5)),
                ("gen_ai.request.stop_sequences", json!(["END"])),
                ("gen_ai.usage.input_tokens", json!(20)),
                ("gen_ai.usage.output_tokens", json!(7)),
                ("gen_ai.usage.cache_read.input_tokens", json!(16)),
                ("gen_ai.usage.reasoning.output_tokens", json!(3)),
                ("openinference.span.kind", json!("LLM")),
                ("llm.model_name", json!("gpt-4.1")),
                ("llm.provider", json!("openai")),
                ("llm.system", json!("openai")),
                ("llm.finish_reason", json!("tool_calls")),
                ("llm.token_count.prompt", json!(20)),
                ("llm.token_count.completion", json!(7)),
                ("llm.token_count.total", json!(27)),
                ("llm.token_count.prompt_details.cache_read", json!(16)),
                ("llm.token_count.completion_details.reasoning", json!(3)),
                ("llm.cost.total", json!(0.25)),
                ("llm.input_messages.0.message.role", json!("system")),
                ("llm.input_messages.0.message.content", json!("Be brief.")),
                (
                    "llm.input_messages.1.message.content",
                    json!("Is it raining in Oslo?"),
                ),
                ("llm.output_messages.0.message.role", json!("assistant")),
                (
                    "llm.output_messages.0.message.content",
                    json!("Let me see."),
                ),
                (
                    "llm.output_messages.0.message.tool_calls.0.tool_call.id",
                    json!("call_1"),
                ),
                (
                    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name",
                    json!("weather"),
                ),
                (
                    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
                    json!("{\"city\":\"Oslo\"}"),
                ),
                ("http.response.status_code", json!(200)),
                ("team", json!("support")),
            ],
        );
        assert_types(
            &chat,
            &[
                ("gen_ai.request.temperature", "float"),
                ("gen_ai.request.max_tokens", "int"),
                ("gen_ai.request.stop_sequences", "list"),
                ("gen_ai.response.finish_reasons", "list"),
                ("gen_ai.usage.input_tokens", "int"),
                ("llm.cost.total", "float"),
            ],
        );
        assert_eq!(
            chat.json("gen_ai.input.messages"),
            json!([
                { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
                { "role": "user", "parts": [{ "type": "text", "content": "Is it raining in Oslo?" }] },
            ])
        );
        assert_eq!(
            chat.json("gen_ai.output.messages"),
            json!([{ "role": "assistant", "finish_reason": "tool_calls", "parts": [
                { "type": "text", "content": "Let me see." },
                { "type": "tool_call", "id": "call_1", "name": "weather", "arguments": { "city": "Oslo" } },
            ]}])
        );
        assert_eq!(
            chat.json("gen_ai.tool.definitions"),
            json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" } }])
        );
        assert_eq!(
            chat.json("llm.tools.0.tool.json_schema")["function"]["name"],
            "weather"
        );
        assert_eq!(chat.json("llm.invocation_parameters")["max_tokens"], 100);
        assert_eq!(chat.json("input.value")["model"], "gpt-4.1");
    }
    let chat = run.langfuse.span(CHAT);
    assert_says(
        &chat,
        &[
            ("langfuse.observation.type", json!("generation")),
            ("langfuse.observation.model.name", json!("gpt-4.1")),
        ],
    );
    assert_eq!(
        chat.json("langfuse.observation.usage_details"),
        json!({ "input": 4, "output": 4, "total": 27, "input_cached_tokens": 16, "output_reasoning_tokens": 3 })
    );
    assert_eq!(
        chat.json("langfuse.observation.cost_details"),
        json!({ "total": 0.25 })
    );
    assert_eq!(
        chat.json("langfuse.observation.model.parameters")["seed"],
        5
    );
    let chat = run.traceroot.span(CHAT);
    assert_says(
        &chat,
        &[
            ("traceroot.span.type", json!("llm")),
            ("traceroot.llm.model", json!("gpt-4.1")),
        ],
    );
    assert_eq!(
        chat.json("traceroot.llm.usage"),
        json!({ "input_tokens": 20, "output_tokens": 7, "cache_read_tokens": 16, "reasoning_tokens": 3 })
    );
    assert_eq!(chat.json("traceroot.llm.model_parameters")["seed"], 5);
    let chat = run.mlflow.span(CHAT);
    assert_says(
        &chat,
        &[
            ("mlflow.spanType", json!("CHAT_MODEL")),
            ("mlflow.llm.model", json!("gpt-4.1")),
            ("mlflow.llm.provider", json!("openai")),
        ],
    );
    assert_eq!(
        chat.json("mlflow.chat.tokenUsage"),
        json!({ "input_tokens": 20, "output_tokens": 7, "total_tokens": 27, "cache_read_input_tokens": 16 })
    );
    assert_eq!(chat.json("mlflow.llm.cost"), json!({ "total_cost": 0.25 }));
    assert_eq!(
        chat.json("mlflow.chat.tools")[0]["function"]["name"],
        "weather"
    );
}

#[test]
fn a_stream_has_its_first_chunk_and_all_kinds_of_parts() {
    let run = program();
    for (_, collector) in run.routes() {
        let stream = collector.span(STREAM);
        assert_says(
            &stream,
            &[
                ("gen_ai.request.stream", json!(true)),
                ("gen_ai.response.finish_reasons", json!(["end_turn"])),
                ("gen_ai.usage.input_tokens", json!(9)),
                ("gen_ai.usage.cache_creation.input_tokens", json!(2)),
                ("llm.token_count.prompt_details.cache_write", json!(2)),
                ("llm.input_messages.0.message.content", json!("Be kind.")),
                (
                    "llm.input_messages.1.message.contents.0.message_content.text",
                    json!("Look."),
                ),
                (
                    "llm.input_messages.1.message.contents.1.message_content.image.image.url",
                    json!("data:image/png;base64,aGk="),
                ),
                ("llm.input_messages.3.message.role", json!("tool")),
                ("llm.input_messages.3.message.tool_call_id", json!("t1")),
                ("llm.input_messages.3.message.content", json!("a hut")),
                ("llm.output_messages.0.message.content", json!("A hut.")),
            ],
        );
        assert_types(&stream, &[("gen_ai.response.time_to_first_chunk", "float")]);
        assert_eq!(
            stream.json("gen_ai.system_instructions"),
            json!([{ "type": "text", "content": "Be kind." }])
        );
        assert_eq!(
            stream.json("gen_ai.output.messages"),
            json!([{ "role": "assistant", "finish_reason": "end_turn", "parts": [
                { "type": "reasoning", "content": "Hm." }, { "type": "text", "content": "A hut." },
            ]}])
        );
        let given = stream.json("gen_ai.input.messages");
        assert_eq!(
            given[0]["parts"][1],
            json!({ "type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk=" })
        );
        assert_eq!(
            given[2],
            json!({ "role": "tool", "parts": [{ "type": "tool_call_response", "id": "t1", "response": "a hut" }] })
        );
    }
    let stream = run.langfuse.span(STREAM);
    let at = stream.get("langfuse.observation.completion_start_time");
    let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
    let start = jiff::Timestamp::from_nanosecond(stream.span.start_time_unix_nano.into()).unwrap();
    let end = jiff::Timestamp::from_nanosecond(stream.span.end_time_unix_nano.into()).unwrap();
    assert!(start <= at && at <= end);
    assert_eq!(
        stream.json("langfuse.observation.usage_details")["input"],
        4
    );
    assert_eq!(
        stream.json("langfuse.observation.usage_details")["input_cache_creation"],
        2
    );
}

#[test]
fn a_tool_has_its_arguments_its_result_and_its_failure() {
    let run = program();
    for (_, collector) in run.routes() {
        let (worked, failed) = tools(collector);
        assert_says(
            &worked,
            &[
                ("gen_ai.operation.name", json!("execute_tool")),
                ("gen_ai.tool.name", json!("weather")),
                ("gen_ai.tool.type", json!("function")),
                ("gen_ai.tool.call.id", json!("call_1")),
                ("gen_ai.tool.call.result", json!("\"rain\"")),
                ("openinference.span.kind", json!("TOOL")),
                ("tool.name", json!("weather")),
                ("tool.id", json!("call_1")),
                ("output.value", json!("rain")),
            ],
        );
        for name in [
            "gen_ai.tool.call.arguments",
            "tool.parameters",
            "input.value",
        ] {
            assert_eq!(worked.json(name)["city"], "Oslo");
        }
        assert_eq!(worked.status(), (1, String::new()));
        assert_eq!(failed.status(), (2, "no weather for Atlantis".to_owned()));
        assert!(
            failed
                .get("error.type")
                .as_str()
                .unwrap()
                .ends_with("NoWeather")
        );
        let (name, exception) = failed.events().pop().unwrap();
        assert_eq!(name, "exception");
        assert_eq!(exception["exception.message"], "no weather for Atlantis");
        assert_eq!(exception["exception.type"], failed.get("error.type"));
        assert_eq!(
            exception["exception.stacktrace"],
            "caused by: the wire is cut"
        );
    }
    let (_, failed) = tools(&run.langfuse);
    assert_says(
        &failed,
        &[
            ("langfuse.observation.type", json!("tool")),
            ("langfuse.observation.level", json!("ERROR")),
            (
                "langfuse.observation.status_message",
                json!("no weather for Atlantis"),
            ),
        ],
    );
}

#[test]
fn retrievals_tasks_embeddings_and_other_types_have_their_words() {
    let run = program();
    for (_, collector) in run.routes() {
        let search = collector.span("search");
        assert_says(
            &search,
            &[
                ("gen_ai.operation.name", json!("retrieval")),
                ("gen_ai.retrieval.query.text", json!("umbrella")),
                ("openinference.span.kind", json!("RETRIEVER")),
                ("retrieval.documents.0.document.id", json!("7")),
                ("retrieval.documents.0.document.content", json!("umbrellas")),
                ("retrieval.documents.0.document.score", json!(0.5)),
                (
                    "retrieval.documents.0.document.metadata",
                    json!("{\"shelf\":\"b\"}"),
                ),
                ("retrieval.documents.1.document.content", json!("boots")),
                // Langfuse takes the bare name for its own.
                ("rollout.attributes.model", json!("of the program")),
                ("limit", json!(2)),
            ],
        );
        assert_eq!(search.get("model"), Value::Null);
        assert_eq!(search.json("gen_ai.retrieval.documents")[1]["id"], 8);
        let plan = collector.span("plan");
        assert_says(
            &plan,
            &[
                ("openinference.span.kind", json!("CHAIN")),
                ("output.value", json!("22")),
            ],
        );
        assert_eq!(plan.get("gen_ai.operation.name"), Value::Null);
        let embeddings = collector.span("embeddings text-embedding-3-small");
        assert_says(
            &embeddings,
            &[
                ("gen_ai.operation.name", json!("embeddings")),
                ("openinference.span.kind", json!("EMBEDDING")),
                ("embedding.model_name", json!("text-embedding-3-small")),
                ("gen_ai.usage.input_tokens", json!(2)),
            ],
        );
        let check = collector.span("check");
        assert_says(&check, &[("openinference.span.kind", json!("GUARDRAIL"))]);
        for name in [
            "gen_ai.usage.input_tokens",
            "llm.cost.total",
            "gen_ai.tool.name",
        ] {
            assert_eq!(check.get(name), Value::Null);
        }
    }
    let types = |collector: &Collector, name: &str| -> Vec<Value> {
        [
            "search",
            "plan",
            "embeddings text-embedding-3-small",
            "check",
        ]
        .map(|span| collector.span(span).get(name))
        .to_vec()
    };
    assert_eq!(
        types(&run.langfuse, "langfuse.observation.type"),
        ["retriever", "chain", "embedding", "guardrail"]
    );
    assert_eq!(
        types(&run.traceroot, "traceroot.span.type"),
        ["span", "span", "llm", "span"]
    );
    assert_eq!(
        types(&run.mlflow, "mlflow.spanType"),
        [
            json!("RETRIEVER"),
            json!("CHAIN"),
            json!("EMBEDDING"),
            Value::Null
        ]
    );
    assert_eq!(
        types(&run.own, "rollout.span.type"),
        ["retrieval", "task", "llm", "guardrail"]
    );
    let check = run.langfuse.span("check");
    assert_says(
        &check,
        &[("langfuse.observation.metadata.rule", json!("no rain"))],
    );
    assert_eq!(
        run.traceroot.span("check").json("traceroot.span.metadata")["rule"],
        "no rain"
    );
    assert_eq!(
        run.own.span("check").json("rollout.metadata")["rule"],
        "no rain"
    );
}

#[test]
fn nobody_gets_the_words_of_others() {
    let run = program();
    let words = ["mlflow.", "langfuse.", "traceroot."];
    for (route, collector) in run.routes() {
        for span in collector.spans() {
            for name in span.attributes().keys() {
                let of_other = words
                    .iter()
                    .any(|word| name.starts_with(word) && *word != format!("{route}."));
                assert!(!of_other, "{name} goes to {route}");
                let bare = [
                    "input",
                    "output",
                    "prompt",
                    "events",
                    "model",
                    "model_config",
                ];
                assert!(!bare.contains(&name.as_str()), "{name} goes to {route}");
            }
            let text = format!("{:?}{:?}", span.span, span.resource);
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
