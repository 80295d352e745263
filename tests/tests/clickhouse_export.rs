//! What a program's traces say in ClickHouse. One program runs once; each test looks at a part of what came.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::fmt;
use std::sync::OnceLock;

use rollout::{Message, SpanUpdate, TraceUpdate, Usage, agent, task, tool};
use rollout_tests::DEADLINE;
use rollout_tests::clickhouse::{ClickHouse, Database, PASSWORD, USER};
use rollout_tests::events::builder;
use serde_json::{Value, json};

/// Where its rows are, and which trace is its own.
struct Run {
    database: Database<'static>,
    trace: String,
}

#[derive(Debug)]
struct NoWeather(&'static str);

impl fmt::Display for NoWeather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no weather for {}", self.0)
    }
}

impl std::error::Error for NoWeather {}

#[tool(tool_call_id = id)]
fn weather(id: &str, city: &'static str) -> Result<String, NoWeather> {
    let _ = id;
    match city {
        "Oslo" => Ok("rain \u{1f327} 'n\t\\wind".to_owned()),
        city => Err(NoWeather(city)),
    }
}

#[task(attributes(step = "first", tries = 1))]
fn plan(goal: &str) -> usize {
    let span = rollout::current_span().unwrap();
    span.update(SpanUpdate::new().attribute("tries", 2).tag("planned"));
    span.update(SpanUpdate::new().metadata("model", json!({ "of": "plan" })));
    goal.len()
}

fn ask(name: &str, input_tokens: u64, cost: Option<f64>) {
    let trace = rollout::current_trace().unwrap();
    let call = trace.llm(name).model("gpt-4.1").provider("openai");
    call.in_scope(|span| {
        span.record_input(&json!({ "messages": ["?"] }));
        span.set_usage(Usage {
            input_tokens: Some(input_tokens),
            output_tokens: Some(7),
            total_tokens: Some(input_tokens + 7),
            cached_tokens: Some(3),
            cost_usd: cost,
            ..Usage::default()
        });
        span.record_output(&"Rain.");
    });
}

#[agent(
    name = "weather_agent",
    user_id = "bob",
    session_id = "s-1",
    conversation_id = "c-1",
    tags = ["demo", "oslo"],
    attributes(plan = "gold", "step.number" = 3)
)]
fn run(question: &str) -> String {
    let trace = rollout::current_trace().unwrap();
    trace.message(Message::user(question));
    plan(question);
    ask("first", 20, Some(0.25));
    weather("call_1", "Oslo").unwrap();
    weather("call_2", "Atlantis").unwrap_err();
    ask("second", 30, None);
    rollout::update_current_trace(
        TraceUpdate::new()
            .tag("late")
            .metadata("customer", json!({ "since": 2019 })),
    );
    rollout::feedback("helpful", &0.75);
    trace.message(Message::assistant("Rain.").internal());
    "Rain.".to_owned()
}

fn program() -> Option<&'static Run> {
    static RUN: OnceLock<Option<Run>> = OnceLock::new();
    RUN.get_or_init(|| {
        let database = ClickHouse::shared()?.database();
        let dir = tempfile::tempdir().unwrap();
        // Batches that part what belongs together.
        let guard = builder()
            .dir(dir.path())
            .clickhouse_url(database.server().url())
            .clickhouse_database(&database.name)
            .clickhouse_user(USER, PASSWORD)
            .flush_at(1)
            .service_name("shop")
            .release("1.2.3")
            .environment("production")
            .agent_version("4")
            .init()
            .unwrap();
        run("Is it raining in Oslo?");
        let report = guard.blocking_flush(DEADLINE).unwrap();
        let stats = guard.stats();
        assert!(report.is_complete(), "{report:?} {stats:?}");
        assert_eq!(stats.events_lost(), 0, "{stats:?}");
        let trace = database.run("SELECT DISTINCT trace_id FROM traces");
        let trace = trace.trim().to_owned();
        assert_eq!(trace.len(), 32, "{trace}");
        Some(Run { database, trace })
    })
    .as_ref()
}

/// What a query says of the one trace.
fn row(run: &Run, columns: &str, of: &str) -> Value {
    run.database.row(&format!("SELECT {columns} FROM {of}"))
}

#[test]
fn a_trace_is_one_row_with_its_sums() {
    let Some(run) = program() else { return };
    let columns = "name, status, user_id, session_id, conversation_id, service_name, release, environment, agent_version, \
                   input, output, arraySort(tags) AS tags, span_count, open_count, error_count, message_count, \
                   input_tokens, output_tokens, cached_tokens, total_tokens, reasoning_tokens, cost_usd, \
                   attributes['plan'] AS plan, attributes['step.number'] AS step";
    assert_eq!(
        row(run, columns, "traces FINAL"),
        json!({
            "name": "weather_agent", "status": "ok", "user_id": "bob", "session_id": "s-1", "conversation_id": "c-1",
            "service_name": "shop", "release": "1.2.3", "environment": "production", "agent_version": "4",
            "input": r#"{"question":"Is it raining in Oslo?"}"#, "output": r#""Rain.""#,
            "tags": ["demo", "late", "oslo", "planned"], "span_count": 6, "open_count": 0, "error_count": 1,
            "message_count": 2, "input_tokens": 50, "output_tokens": 14, "cached_tokens": 6, "total_tokens": 64,
            "reasoning_tokens": null, "cost_usd": 0.25, "plan": "gold", "step": "3",
        })
    );
    let times = "day = toDate(started_at) AND started_at <= ended_at AND duration_ns > 0 AND \
                 abs(duration_ns / 1000 - date_diff('microsecond', started_at, ended_at)) < 1e6 AS good";
    assert_eq!(row(run, times, "traces FINAL"), json!({ "good": 1 }));
}

#[test]
fn spans_are_a_tree() {
    let Some(run) = program() else { return };
    let sql = "SELECT p.name AS parent, s.name AS name, s.type AS type, s.status AS status FROM spans AS s FINAL \
               LEFT JOIN spans AS p FINAL ON p.trace_id = s.trace_id AND p.span_id = s.parent_span_id \
               ORDER BY s.started_at";
    let rows = run.database.rows(sql);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-");
            format!(
                "{} > {} {} {}",
                text("parent"),
                text("type"),
                text("name"),
                text("status")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "- > agent weather_agent ok",
            "weather_agent > task plan ok",
            "weather_agent > llm first ok",
            "weather_agent > tool weather ok",
            "weather_agent > tool weather error",
            "weather_agent > llm second ok",
        ]
    );
}

#[test]
fn a_span_says_what_it_was_given_and_what_came_of_it() {
    let Some(run) = program() else { return };
    let tools = run.database.rows(
        "SELECT input, output, tool_call_id, error_type, error_message, status FROM spans FINAL WHERE type = 'tool' \
         ORDER BY started_at",
    );
    assert_eq!(
        tools,
        [
            json!({ "input": r#"{"id":"call_1","city":"Oslo"}"#, "output": "\"rain \u{1f327} 'n\\t\\\\wind\"",
                "tool_call_id": "call_1", "error_type": null, "error_message": null, "status": "ok" }),
            json!({ "input": r#"{"id":"call_2","city":"Atlantis"}"#, "output": null, "tool_call_id": "call_2",
                "error_type": "clickhouse_export::NoWeather", "error_message": "no weather for Atlantis",
                "status": "error" }),
        ]
    );
    let columns = "model, provider, input, output, input_tokens, output_tokens, cached_tokens, total_tokens, cost_usd";
    assert_eq!(
        row(run, columns, "spans FINAL WHERE name = 'first'"),
        json!({ "model": "gpt-4.1", "provider": "openai",
            "input": r#"{"messages":["?"]}"#, "output": r#""Rain.""#,
            "input_tokens": 20, "output_tokens": 7, "cached_tokens": 3, "total_tokens": 27, "cost_usd": 0.25 })
    );
}

#[test]
fn of_an_attribute_what_was_said_last_holds() {
    let Some(run) = program() else { return };
    let columns = "attributes['step'] AS step, attributes['tries'] AS tries, \
                   countEqual(mapKeys(attributes), 'tries') AS times, attributes['code.function.name'] AS place";
    assert_eq!(
        row(run, columns, "spans FINAL WHERE name = 'plan'"),
        json!({ "step": "first", "tries": "2", "times": 1, "place": "clickhouse_export::plan" })
    );
}

#[test]
fn messages_tags_metadata_and_feedback_have_tables_of_their_own() {
    let Some(run) = program() else { return };
    let (database, trace) = (&run.database, &run.trace);
    assert_eq!(
        database.rows("SELECT role, content, is_internal, span_id IS NULL AS of_trace FROM messages FINAL ORDER BY at"),
        [
            json!({ "role": "user", "content": "\"Is it raining in Oslo?\"", "is_internal": false, "of_trace": 0 }),
            json!({ "role": "assistant", "content": "\"Rain.\"", "is_internal": true, "of_trace": 0 }),
        ]
    );
    let of = |table: &str, columns: &str| {
        let sql = format!(
            "SELECT {columns}, if(span_id = '', '', s.name) AS span FROM {table} AS t FINAL \
             LEFT JOIN spans AS s FINAL USING (trace_id, span_id) WHERE trace_id = '{trace}' ORDER BY ALL"
        );
        database.rows(&sql)
    };
    let tagged = of("tags", "tag");
    assert!(
        tagged.contains(&json!({ "tag": "late", "span": "" })),
        "{tagged:?}"
    );
    assert!(
        tagged.contains(&json!({ "tag": "planned", "span": "plan" })),
        "{tagged:?}"
    );
    let tags = database.run("SELECT arraySort(groupUniqArray(tag)) FROM tags FINAL");
    assert_eq!(tags.trim(), "['demo','late','oslo','planned']");
    assert_eq!(
        of("entity_metadata", "key, value"),
        [
            json!({ "key": "customer", "value": r#"{"since":2019}"#, "span": "" }),
            json!({ "key": "model", "value": r#"{"of":"plan"}"#, "span": "plan" }),
        ]
    );
    let event = database.row("SELECT type, name, value, event, trace_id FROM events FINAL");
    assert_eq!(
        (
            &event["type"],
            &event["name"],
            &event["value"],
            &event["trace_id"]
        ),
        (
            &json!("feedback"),
            &json!("helpful"),
            &json!("0.75"),
            &json!(trace)
        )
    );
    let whole: Value = serde_json::from_str(event["event"].as_str().unwrap()).unwrap();
    assert_eq!(whole["attributes"]["value"], 0.75);
}
