//! What users of TraceRoot know: observed functions, scopes of attributes, updates from any depth, and where a server
//! shows it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;

use futures::executor::block_on;
use proptest::prelude::*;
use rollout::testing::{Captured, CapturedSpan, capture};
use rollout::{
    SpanUpdate, TraceUpdate, TracedFuture as _, Usage, agent, attributes, observe, task, tool,
    trace,
};
use rollout_tests::events::{builder, flushed, in_memory, of_type, text, the};
use rollout_tests::server::TestServer;
use serde_json::{Value, json};

#[derive(serde::Serialize)]
struct Plan {
    name: &'static str,
}

#[observe(
    name = "ask_model",
    type = "llm",
    metadata(feature = "chat", "plan.of" = plan, length = question.len()),
    tags = ["production", plan.name],
    session_id = session,
    user_id = "cus_1",
    capture_output = false,
    skip(session)
)]
fn ask(question: &str, plan: &Plan, session: Option<&str>) -> String {
    format!("{question}: yes, {} {session:?}", plan.name)
}

#[agent(metadata(tier = 1))]
async fn answer(question: String) -> String {
    ask(&question, &Plan { name: "pro" }, None)
}

fn metadata_of(span: &CapturedSpan) -> Value {
    Value::Object(span.metadata.clone())
}

#[test]
fn an_observed_function_says_all_of_it() {
    let plan = Plan { name: "pro" };
    let (_, captured) = capture(|| ask("why", &plan, Some("sess_1")));
    let span = captured.span("ask_model").expect("it was called");
    assert_eq!(span.span_type, "llm");
    assert_eq!(
        metadata_of(span),
        json!({ "feature": "chat", "plan.of": { "name": "pro" }, "length": 3 })
    );
    assert_eq!(span.tags, ["production", "pro"]);
    assert_eq!(
        (&span.input, &span.output),
        (
            &Some(json!({ "question": "why", "plan": { "name": "pro" } })),
            &None
        )
    );
    // It began a trace, which is of the same name and for the same user.
    let trace = captured.trace("ask_model").expect("it began one");
    assert_eq!(
        trace.context,
        json!({ "user_id": "cus_1", "session_id": "sess_1" })
    );
    assert_eq!(trace.tags, ["production", "pro"]);
    assert_eq!(trace.metadata["feature"], "chat");
}

#[test]
fn an_observed_function_inside_of_a_trace_is_a_span_of_it() {
    let (_, captured) = capture(|| block_on(answer("why".to_owned())));
    assert_eq!(
        captured.tree(),
        "answer\n  answer [agent] ok {\"question\":\"why\"} -> \"why: yes, pro None\"\n    \
         ask_model [llm] ok {\"plan\":{\"name\":\"pro\"},\"question\":\"why\"}\n"
    );
    let trace = captured.trace("answer").expect("it was called");
    assert_eq!(Value::Object(trace.metadata.clone()), json!({ "tier": 1 }));
    assert_eq!(metadata_of(&trace.spans[0]), json!({ "tier": 1 }));
}

#[tool(metadata(attempt = attempt))]
fn look_up(attempt: u32) -> u32 {
    attempt
}

#[task(metadata(r#type = "plan", "dotted.key" = [1, 2]))]
fn plan() {}

#[trace("nightly", metadata(window = "02:00"))]
fn nightly() {
    let _ = look_up(2);
    plan();
}

#[test]
fn every_macro_takes_metadata() {
    let ((), captured) = capture(nightly);
    let trace = captured.trace("nightly").expect("it was called");
    assert_eq!(
        Value::Object(trace.metadata.clone()),
        json!({ "window": "02:00" })
    );
    let of = |name| metadata_of(captured.span(name).expect("it was called"));
    assert_eq!(of("look_up"), json!({ "attempt": 2 }));
    assert_eq!(of("plan"), json!({ "type": "plan", "dotted.key": [1, 2] }));
}

/// The line of a text in this file.
fn line(text: &str) -> usize {
    let source = include_str!("traceroot.rs");
    source.lines().position(|line| line == text).unwrap() + 1
}

struct Desk(usize);

#[observe(type = "agent")]
impl Desk {
    fn reply(&self, text: &str) -> usize {
        self.0 + text.len()
    }

    async fn reply_later(&self, text: &str) -> usize {
        self.reply(text)
    }
}

#[test]
fn the_place_in_the_code_is_where_the_function_is_defined() {
    let (_, captured) = capture(|| (Desk(0).reply("a"), block_on(Desk(0).reply_later("b"))));
    for (name, text) in [
        ("reply", "    fn reply(&self, text: &str) -> usize {"),
        (
            "reply_later",
            "    async fn reply_later(&self, text: &str) -> usize {",
        ),
    ] {
        let place = &captured.span(name).expect("it was called").attributes;
        assert_eq!(place["code.line.number"], json!(line(text)), "{name}");
        assert_eq!(place["code.file.path"], json!(file!()));
        let function = place["code.function.name"].as_str().unwrap();
        assert!(function.ends_with(name), "{function}");
    }
}

#[test]
fn the_place_of_what_is_opened_by_hand_is_where_that_is_written() {
    let (client, memory) = in_memory(|builder| builder);
    let here = line!();
    let trace = client.trace("trace").start();
    trace.in_scope(|| {
        client
            .span("task")
            .name("span")
            .in_scope(|span| span.tool("tool").in_scope(|_| ()));
        let call = rollout::llm("openai").record("hello", async { Ok::<_, String>("hi") });
        let _ = block_on(call);
    });
    trace.end();
    let events = flushed(&client, &memory);
    for (event_type, name, line) in [
        ("trace.start", "trace", here + 1),
        ("span.start", "span", here + 4),
        ("tool.call", "tool", here + 6),
        ("span.start", "openai", here + 7),
    ] {
        let place = &the(&events, event_type, name)["attributes"];
        assert_eq!(place["code.line.number"], line, "{name}");
        assert_eq!(place["code.file.path"], file!(), "{name}");
        assert_eq!(place.get("code.function.name"), None, "{name}");
    }
    // What an end says it has from its start.
    let end = the(&events, "span.end", "span");
    assert_eq!(end["attributes"].get("code.line.number"), None);
}

#[observe(type = "llm")]
fn call_model(query: &str) -> String {
    deep_inside(query, 3)
}

/// Not annotated, some calls below.
fn deep_inside(query: &str, depth: u32) -> String {
    if depth > 0 {
        return deep_inside(query, depth - 1);
    }
    rollout::update_current_span(
        SpanUpdate::new()
            .name("custom-llm")
            .model("custom-llm-v1")
            .provider("ours")
            .model_parameters(
                json!({ "temperature": 0.7, "maxTokens": 1024, "stop": ["."], "ours": true }),
            )
            .prompt(json!([{ "role": "user", "content": query }]))
            .metadata("custom_key", "first")
            .metadata("kept", 1)
            .tags(["a", "b"])
            .usage(Usage {
                input_tokens: Some(100),
                ..Usage::default()
            })
            .cost(0.0123),
    );
    rollout::update_current_span(
        SpanUpdate::new()
            .input(json!({ "query": query, "rewritten": true }))
            .output("in between")
            .metadata("custom_key", "custom_value")
            .tag("b")
            .tag("c")
            .usage(Usage {
                output_tokens: Some(50),
                ..Usage::default()
            }),
    );
    rollout::update_current_trace(
        TraceUpdate::new()
            .user_id("user-123")
            .session_id("sess-456")
            .tags(["production", "v2"])
            .metadata("plan", "free"),
    );
    rollout::update_current_trace(TraceUpdate::new().tag("v2").metadata("plan", "pro"));
    "answered".to_owned()
}

#[observe(name = "request", tags = ["v1"], metadata(plan = "none", region = "eu"))]
fn request(query: &str) -> String {
    call_model(query)
}

fn assert_updated(captured: &Captured) {
    let span = captured.span("custom-llm").expect("under its new name");
    assert_eq!(span.span_type, "llm");
    assert_eq!(
        span.model,
        json!({ "model": "custom-llm-v1", "provider": "ours", "temperature": 0.7 })
    );
    assert_eq!(
        span.usage,
        json!({ "input_tokens": 100, "output_tokens": 50, "cost_usd": 0.0123 })
    );
    assert_eq!(
        metadata_of(span),
        json!({ "custom_key": "custom_value", "kept": 1 })
    );
    assert_eq!(span.tags, ["a", "b", "c"]);
    for (name, value) in [
        ("gen_ai.request.temperature", json!(0.7)),
        ("gen_ai.request.max_tokens", json!(1024)),
        ("gen_ai.request.stop_sequences", json!(["."])),
        ("gen_ai.request.ours", json!(true)),
        (
            "rollout.prompt",
            json!([{ "role": "user", "content": "hello" }]),
        ),
    ] {
        assert_eq!(span.attributes[name], value, "{name}");
    }
    assert_eq!(
        (&span.input, &span.output),
        (
            &Some(json!({ "query": "hello", "rewritten": true })),
            // What the function returns goes before what was said in between.
            &Some(json!("answered"))
        )
    );
    let trace = captured.trace("request").expect("it was called");
    assert_eq!(
        trace.context,
        json!({ "user_id": "user-123", "session_id": "sess-456" })
    );
    assert_eq!(trace.tags, ["v1", "production", "v2"]);
    assert_eq!(
        Value::Object(trace.metadata.clone()),
        json!({ "plan": "pro", "region": "eu" })
    );
}

#[test]
fn spans_and_traces_are_updated_from_any_depth() {
    let (answer, captured) = capture(|| request("hello"));
    assert_eq!(answer, "answered");
    assert_updated(&captured);
}

#[test]
fn a_new_name_stays_and_a_root_s_is_its_trace_s() {
    #[observe]
    fn root() {
        rollout::update_current_span(SpanUpdate::new().name("first"));
        rollout::update_current_span(SpanUpdate::new().name("the root"));
    }
    let ((), captured) = capture(root);
    assert_eq!(captured.tree(), "the root\n  the root [span] ok\n");
    let end = captured.events.last().expect("the end of the trace");
    assert_eq!(
        (text(end, "/event_type"), text(end, "/name")),
        ("trace.end", "the root")
    );
}

#[test]
fn what_was_said_of_a_span_by_hand_is_not_taken_back_by_its_end() {
    let (client, memory) = in_memory(|builder| builder);
    client.trace("trace").in_scope(|trace| {
        let call = trace.llm("call").model("asked").provider("openai").start();
        call.in_scope(|| {
            rollout::update_current_span(SpanUpdate::new().name("renamed").model("answered"));
        });
        // Another span has another name.
        client.span("task").name("other").in_scope(|_| ());
        call.end();
        let tool = trace.tool("tool").start();
        tool.update(SpanUpdate::new().name("the tool").tool_call_id("call_1"));
        tool.end();
    });
    let events = flushed(&client, &memory);
    let end = the(&events, "span.end", "renamed");
    assert_eq!(
        end["model"],
        json!({ "model": "answered", "provider": "openai" })
    );
    let result = the(&events, "tool.result", "the tool");
    assert_eq!(
        (
            text(result, "/tool/name"),
            text(result, "/tool/tool_call_id")
        ),
        ("the tool", "call_1")
    );
    the(&events, "span.end", "other");
    the(&events, "trace.end", "trace");
}

#[test]
fn prompts_are_inputs_where_none_are_recorded() {
    let (client, memory) = in_memory(|builder| builder.capture_input(false));
    client.trace("trace").in_scope(|trace| {
        trace
            .llm("call")
            .in_scope(|call| call.update(SpanUpdate::new().prompt("a secret").metadata("kept", 1)));
    });
    let events = flushed(&client, &memory);
    assert!(!json!(events).to_string().contains("a secret"));
    let update = of_type(&events, "span.update")[0];
    assert_eq!(
        update["attributes"]["rollout.metadata"],
        json!({ "kept": 1 })
    );
}

#[test]
fn what_a_span_says_of_itself_is_inside_of_every_scope() {
    #[agent(user_id = "inner", tags = ["b", "a"], metadata(won = "inner"))]
    fn inner() {}
    let scope = attributes()
        .user_id("outer")
        .session_id("outer")
        .tags(["a"])
        .metadata("won", "outer")
        .metadata("kept", 1);
    let ((), captured) = capture(|| scope.clone().in_scope(inner));
    let trace = captured.trace("inner").expect("it was called");
    assert_eq!(
        trace.context,
        json!({ "user_id": "inner", "session_id": "outer" })
    );
    assert_eq!(trace.tags, ["a", "b"]);
    assert_eq!(
        Value::Object(trace.metadata.clone()),
        json!({ "won": "inner", "kept": 1 })
    );
    // No key twice, which readers of JSON would each understand in their own way.
    let (client, memory) = in_memory(|builder| builder);
    scope.in_scope(|| {
        client
            .trace("by hand")
            .user_id("inner")
            .metadata("won", "inner")
            .in_scope(|_| ());
    });
    let events = flushed(&client, &memory);
    let start = the(&events, "trace.start", "by hand");
    assert_eq!(start["context"]["user_id"], "inner");
    assert_eq!(
        start["attributes"]["rollout.metadata"],
        json!({ "kept": 1, "won": "inner" })
    );
}

#[test]
fn a_scope_inside_of_a_remote_trace_is_the_inner_one() {
    let (client, memory) = in_memory(|builder| builder.baggage(["user_id", "tags"]));
    let carrier = BTreeMap::from([
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("baggage", "user.id=remote,rollout.tags=[%22remote%22]"),
    ]);
    let carrier: BTreeMap<String, String> = carrier
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let parent = rollout::extract(&carrier);
    assert!(parent.is_some());
    let open = |name: &str| client.span("task").name(name).parent(parent.clone());
    open("plain").in_scope(|_| ());
    rollout::user("here")
        .tags(["here"])
        .in_scope(|| open("scoped").in_scope(|_| ()));
    let events = flushed(&client, &memory);
    for (name, user, tags) in [
        ("plain", "remote", json!(["remote"])),
        ("scoped", "here", json!(["remote", "here"])),
    ] {
        let start = the(&events, "span.start", name);
        assert_eq!(start["context"]["user_id"], user, "{name}");
        assert_eq!(start["attributes"]["rollout.tags"], tags, "{name}");
    }
}

#[test]
fn a_scope_that_clears_begins_anew() {
    #[agent]
    fn inside() {}
    #[agent]
    async fn later() {}
    let ((), captured) = capture(|| {
        let _outer = attributes()
            .user_id("outer")
            .tags(["outer"])
            .metadata("outer", 1)
            .enter();
        let cleared = attributes().user_id("forgotten").clear().session_id("new");
        cleared.in_scope(inside);
        block_on(later().with_attributes(attributes().clear()));
    });
    let trace = captured.trace("inside").expect("it was called");
    assert_eq!(trace.context, json!({ "session_id": "new" }));
    assert!(
        trace.tags.is_empty() && trace.metadata.is_empty(),
        "{trace:?}"
    );
    assert_eq!(
        captured.trace("later").expect("it ran").context,
        Value::Null
    );
}

/// One scope among others, as a test makes it up.
#[derive(Debug, Clone)]
struct Layer {
    clears: bool,
    user: Option<u8>,
    session: Option<u8>,
    tags: Vec<u8>,
    metadata: Vec<(u8, u8)>,
}

fn layer() -> impl Strategy<Value = Layer> {
    (
        proptest::bool::weighted(0.1),
        proptest::option::of(0..4_u8),
        proptest::option::of(0..4_u8),
        proptest::collection::vec(0..4_u8, 0..4),
        proptest::collection::vec((0..3_u8, 0..9_u8), 0..4),
    )
        .prop_map(|(clears, user, session, tags, metadata)| Layer {
            clears,
            user,
            session,
            tags,
            metadata,
        })
}

/// What scopes come to, by the rules as they are written down.
#[derive(Debug, Default, PartialEq)]
struct Merged {
    user: Option<String>,
    session: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, u8>,
}

impl Merged {
    fn with(mut self, layer: &Layer) -> Self {
        if layer.clears {
            self = Self::default();
        }
        self.user = layer.user.map(|user| user.to_string()).or(self.user);
        self.session = layer.session.map(|id| id.to_string()).or(self.session);
        for tag in &layer.tags {
            let tag = tag.to_string();
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
        for (key, value) in &layer.metadata {
            self.metadata.insert(key.to_string(), *value);
        }
        self
    }

    fn of_start(start: &Value) -> Self {
        let id = |name: &str| start["context"][name].as_str().map(str::to_owned);
        let read = |name: &str| start["attributes"][name].clone();
        Self {
            user: id("user_id"),
            session: id("session_id"),
            tags: serde_json::from_value(read("rollout.tags")).unwrap_or_default(),
            metadata: serde_json::from_value(read("rollout.metadata")).unwrap_or_default(),
        }
    }
}

/// Runs inside of all the scopes, entered in one of three ways each.
fn inside(layers: &[Layer], then: &mut dyn FnMut()) {
    let Some((layer, more)) = layers.split_first() else {
        return then();
    };
    let mut scope = attributes();
    if layer.clears {
        scope = scope.clear();
    }
    if let Some(user) = layer.user {
        scope = scope.user_id(user.to_string());
    }
    if let Some(session) = layer.session {
        scope = scope.session_id(session.to_string());
    }
    scope = scope.tags(layer.tags.iter().map(u8::to_string));
    for (key, value) in &layer.metadata {
        scope = scope.metadata(key.to_string(), value);
    }
    match more.len() % 3 {
        0 => scope.in_scope(|| inside(more, then)),
        1 => {
            let _guard = scope.enter();
            inside(more, then);
        }
        _ => block_on(async { inside(more, then) }.with_attributes(scope)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scopes_merge_by_the_rules(layers in proptest::collection::vec(layer(), 0..6)) {
        let (client, memory) = in_memory(|builder| builder);
        inside(&layers, &mut || client.trace("trace").in_scope(|_| ()));
        client.trace("outside").in_scope(|_| ());
        let events = flushed(&client, &memory);
        let expected = layers.iter().fold(Merged::default(), Merged::with);
        prop_assert_eq!(Merged::of_start(the(&events, "trace.start", "trace")), expected);
        prop_assert_eq!(Merged::of_start(the(&events, "trace.start", "outside")), Merged::default());
    }
}

#[test]
fn a_server_shows_what_updates_say() {
    let server = TestServer::start();
    let client = builder()
        .dir(server.dir().join("program"))
        .endpoint(server.url(""))
        .environment("staging")
        .build()
        .expect("a client");
    let trace = client.trace("outer").start();
    trace.in_scope(|| request("hello"));
    trace.end();
    let report = client
        .blocking_flush(rollout_tests::DEADLINE)
        .expect("a report");
    assert!(report.is_complete(), "{report:?}");
    let trace_id = trace.id().expect("it records").to_string();

    let shown = server.get_json(&format!("/api/v1/traces/{trace_id}"));
    assert_eq!(
        (&shown["user_id"], &shown["session_id"]),
        (&json!("user-123"), &json!("sess-456"))
    );
    let mut tags: Vec<&str> = shown["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag.as_str().unwrap())
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["a", "b", "c", "production", "v1", "v2"]);
    assert_eq!(shown["metadata"]["plan"], "pro");
    assert_eq!(shown["cost_usd"], 0.0123);
    assert_eq!(
        server.tree(&trace_id),
        "span request ok\n  llm custom-llm ok\n"
    );
    let span_id = &server.spans(&trace_id)[1]["span_id"];
    let span_id = span_id.as_str().unwrap();
    let span = server.get_json(&format!("/api/v1/traces/{trace_id}/spans/{span_id}"));
    assert_eq!(
        (&span["model"], &span["provider"], &span["cost_usd"]),
        (&json!("custom-llm-v1"), &json!("ours"), &json!(0.0123))
    );
    assert_eq!(
        span["usage"],
        json!({ "input_tokens": 100, "output_tokens": 50, "cost_usd": 0.0123 })
    );
    assert_eq!(
        (&span["input"], &span["output"]),
        (
            &json!({ "query": "hello", "rewritten": true }),
            &json!("answered")
        )
    );
    let attributes = &span["attributes"];
    assert_eq!(attributes["custom_key"], "custom_value");
    assert_eq!(attributes["tags"], json!(["a", "b", "c"]));
    assert_eq!(attributes["gen_ai.request.max_tokens"], 1024);
    assert_eq!(
        attributes["rollout.prompt"],
        json!([{ "role": "user", "content": "hello" }])
    );
    assert!(span["code"]["line"].is_u64(), "{span}");

    let pane = server.get(&format!("/traces/{trace_id}/detail?span={span_id}"));
    assert_eq!(pane.status, 200, "{pane:?}");
    for words in [
        "Prompt",
        "custom-llm-v1",
        "custom_value",
        "gen_ai.request.max_tokens",
    ] {
        assert!(pane.body.contains(words), "{words} in {}", pane.body);
    }
    assert!(
        !pane.body.contains("<dt>rollout.prompt</dt>"),
        "told twice: {}",
        pane.body
    );
}
