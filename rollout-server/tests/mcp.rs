//! `rollout mcp`, as a coding agent uses it: over the pipes of a child process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::{fs, path::Path};

use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
    transport::TokioChildProcess,
};
use serde_json::{Value, json};

/// The trace with some 5,000 spans, and a short one that went well.
const LONG: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SHORT: &str = "00000000000000000000000000000abc";

/// A server that runs as a child process, and who asks it.
struct Agent(RunningService<RoleClient, ()>);

/// What a tool answered.
struct Told {
    text: String,
    is_error: bool,
}

impl Agent {
    async fn on(dir: &Path) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rollout"));
        command.args(["mcp", "--dir"]).arg(dir);
        let process = TokioChildProcess::new(command).unwrap();
        Self(().serve(process).await.unwrap())
    }

    async fn call(&self, tool: &str, arguments: Value) -> Told {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = self.0.call_tool(params).await.unwrap();
        Told {
            is_error: result.is_error == Some(true),
            text: text(&result),
        }
    }

    /// An answer within its budget, which it states.
    async fn ask(&self, tool: &str, arguments: Value) -> String {
        let budget = arguments["budget"].as_u64().unwrap_or(2000);
        let told = self.call(tool, arguments).await;
        assert!(!told.is_error, "{}", told.text);
        let last = told.text.lines().last().unwrap();
        let said = last
            .strip_prefix("[about ")
            .and_then(|rest| rest.split_once(" of "));
        let (tokens, rest) =
            said.unwrap_or_else(|| panic!("no budget is stated in\n{}", told.text));
        let tokens: u64 = tokens.parse().unwrap();
        assert!(
            tokens <= budget,
            "{tokens} are more than {budget}:\n{}",
            told.text
        );
        assert!(rest.starts_with(&format!("{budget} tokens; ")), "{last}");
        // However one counts, four bytes are no more than a token of English.
        assert!(
            told.text.len() as u64 / 4 <= tokens,
            "{} bytes are not {tokens} tokens",
            told.text.len()
        );
        told.text
    }

    async fn refused(&self, tool: &str, arguments: Value) -> String {
        let told = self.call(tool, arguments).await;
        assert!(told.is_error, "{}", told.text);
        told.text
    }
}

fn text(result: &CallToolResult) -> String {
    let result = serde_json::to_value(result).unwrap();
    let content = result["content"].as_array().unwrap();
    content
        .iter()
        .map(|block| block["text"].as_str().unwrap())
        .collect()
}

/// The arguments that an answer's last line names for a tool.
fn named(text: &str, tool: &str) -> Value {
    let last = text.lines().last().unwrap();
    let at = last
        .find(&format!("{tool} {{"))
        .unwrap_or_else(|| panic!("no {tool} in {last}"));
    let json = &last[at + tool.len() + 1..];
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    values.next().unwrap().unwrap()
}

/// One event of a trace, milliseconds after its start.
fn event(trace: &str, kind: &str, id: &str, ms: i64, more: Value) -> Value {
    let at = jiff::Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap();
    let mut event = json!({
        "event_id": format!("evt_{trace}_{kind}_{id}"), "event_type": kind, "trace_id": trace, "occurred_at": at,
    });
    let (Value::Object(fields), Value::Object(more)) = (&mut event, more) else {
        unreachable!("both are objects");
    };
    fields.extend(more);
    event
}

fn span(
    trace: &str,
    number: u64,
    parent: Option<u64>,
    kind: &str,
    name: &str,
    more: Value,
) -> Value {
    let id = |number: u64| format!("{number:016x}");
    let mut said = json!({
        "span_id": id(number), "parent_span_id": parent.map(id), "span_type": kind, "name": name, "status": "ok",
        "duration_ms": 2.0,
    });
    let (Value::Object(fields), Value::Object(more)) = (&mut said, more) else {
        unreachable!("both are objects");
    };
    fields.extend(more);
    event(trace, "span.end", &id(number), number.cast_signed(), said)
}

/// A research agent that looks up 4,800 things in ten rounds, and one of its tools fails once, deep inside.
fn recorded(dir: &Path) {
    let mut events = vec![event(
        LONG,
        "trace.start",
        "",
        0,
        json!({ "name": "research", "raw": { "input": "who wrote all of this?" } }),
    )];
    let mut number = 1;
    let root = number;
    events.push(span(LONG, root, None, "agent", "research", json!({ "status": "error", "error": { "type": "ToolError", "message_preview": "no answer" } })));
    for round in 0..10 {
        number += 1;
        let plan = number;
        let fails = round == 7;
        let status = if fails { "error" } else { "ok" };
        events.push(span(
            LONG,
            plan,
            Some(root),
            "task",
            "round",
            json!({ "status": status }),
        ));
        for call in 0..479 {
            number += 1;
            let mut more =
                json!({ "raw": { "input": { "page": call }, "output": "Σωκράτης said so" } });
            if fails && call == 400 {
                more = json!({
                    "status": "error", "raw": { "input": { "page": call, "query": "x".repeat(50_000) }, "output": "y".repeat(9_000) },
                    "error": { "type": "TimedOut", "message_preview": "the archive did not answer within 30 s" },
                    "attributes": { "rollout.error.chain": ["connection reset by peer"] },
                });
            }
            events.push(span(LONG, number, Some(plan), "tool", "lookup", more));
        }
        for _ in 0..20 {
            number += 1;
            events.push(span(LONG, number, Some(plan), "llm", "chat", json!({ "model": { "model": "gpt-4.1", "provider": "openai" }, "usage": { "input_tokens": 100, "output_tokens": 10 } })));
        }
    }
    events.push(event(LONG, "trace.end", "", 20_000, json!({ "status": "error", "error": { "type": "ToolError", "message_preview": "no answer" } })));
    events.push(event(
        SHORT,
        "trace.start",
        "",
        30_000,
        json!({ "name": "greeter", "raw": { "input": "hello" } }),
    ));
    events.push(span(
        SHORT,
        1,
        None,
        "tool",
        "greet",
        json!({ "raw": { "input": "hello", "output": "good day" } }),
    ));
    events.push(event(
        SHORT,
        "trace.end",
        "",
        30_010,
        json!({ "status": "ok", "raw": { "output": "good day" } }),
    ));
    let writer = dir.join("spool/20261121T012252.123456Z-1-a");
    fs::create_dir_all(&writer).unwrap();
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    fs::write(writer.join("00000001.ndjson"), lines.join("\n") + "\n").unwrap();
}

/// The id after a word, of so many digits.
fn id_after<'a>(text: &'a str, word: &str, digits: usize) -> &'a str {
    let at = text
        .find(word)
        .unwrap_or_else(|| panic!("no {word} in\n{text}"))
        + word.len();
    &text[at..at + digits]
}

#[tokio::test]
async fn an_agent_finds_what_failed_among_thousands() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    let list = agent
        .ask(
            "list_traces",
            json!({ "filter": "status:error", "budget": 500 }),
        )
        .await;
    let trace = list.split(' ').next().unwrap().to_owned();
    assert_eq!(trace, LONG, "{list}");
    let outline = agent
        .ask("outline", json!({ "trace": trace, "budget": 1000 }))
        .await;
    let failure = outline.lines().find(|line| line.starts_with('✗')).unwrap();
    assert!(
        failure.contains("research › round › lookup [tool] TimedOut: the archive did not answer"),
        "{failure}"
    );
    let id = id_after(failure, "| span ", 16).to_owned();
    let span = agent
        .ask(
            "span",
            json!({ "trace": trace, "span": id, "budget": 1000 }),
        )
        .await;
    for words in [
        "path: research › round › lookup",
        "TimedOut: the archive did not answer",
        "caused by: connection reset by peer",
        "\"page\":400",
    ] {
        assert!(span.contains(words), "{words} is not in\n{span}");
    }
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn siblings_are_folded_and_unfolded() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    let folded = agent.ask("outline", json!({ "trace": "4bf9" })).await;
    for words in [
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 research: error",
        "5001 spans",
        "in: who wrote all of this?",
        "round [task] ×10",
        "lookup [tool] ×4790",
        "1 FAILED: span ",
        "chat [llm] ×200",
        "22.0k tokens",
        "nothing is left out",
    ] {
        assert!(folded.contains(words), "{words} is not in\n{folded}");
    }
    // One by one, in pages that follow each other.
    let mut seen = Vec::new();
    let mut asked = json!({ "trace": LONG, "unfold": true, "budget": 4000 });
    for _ in 0..3 {
        let page = agent.ask("outline", asked).await;
        let ids = page
            .lines()
            .filter(|line| line.starts_with("  ") || line.starts_with("research ["));
        seen.extend(ids.map(|line| id_after(line, "] ", 16).to_owned()));
        asked = named(&page, "outline");
        asked["budget"] = 4000.into();
    }
    let expected: Vec<_> = (1..=seen.len())
        .map(|number| format!("{number:016x}"))
        .collect();
    assert_eq!(seen, expected);
    assert!(seen.len() > 100, "{}", seen.len());
    // Below one span.
    let round = format!("{:016x}", 2 + 7 * 500);
    let part = agent
        .ask("outline", json!({ "trace": LONG, "span": round }))
        .await;
    assert!(
        part.contains("below research › round") && part.contains("lookup [tool] ×479"),
        "{part}"
    );
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn long_values_are_read_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    let id = format!("{:016x}", 2 + 7 * 500 + 401);
    let whole = agent
        .ask("span", json!({ "trace": LONG, "span": id }))
        .await;
    assert!(whole.contains("bytes left out, from byte"), "{whole}");
    let mut asked = named(&whole, "span");
    assert_eq!(asked["part"], "input");
    let value = json!({ "page": 400, "query": "x".repeat(50_000) }).to_string();
    asked["from"] = 0.into();
    let mut read = String::new();
    for _ in 0..3 {
        asked["budget"] = 20_000.into();
        let page = agent.ask("span", asked.clone()).await;
        let (label, rest) = page.split_once(": ").unwrap();
        assert!(label.ends_with(&format!("of {}", value.len())), "{label}");
        read.push_str(rest.rsplit_once('\n').unwrap().0);
        if page.ends_with("nothing is left out]") {
            break;
        }
        asked = named(&page, "span");
    }
    assert_eq!(read, value);
    let greeted = agent
        .ask(
            "span",
            json!({ "trace": "last", "span": "0000000000000001" }),
        )
        .await;
    assert!(
        greeted.contains("output: good day") && greeted.ends_with("nothing is left out]"),
        "{greeted}"
    );
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn text_is_found_among_traces_and_in_one() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    let among = agent.ask("search", json!({ "text": "GOOD day" })).await;
    assert!(
        among.starts_with(SHORT) && among.contains("good day"),
        "{among}"
    );
    let among = agent
        .ask("search", json!({ "filter": "tool:lookup" }))
        .await;
    assert!(among.starts_with(LONG), "{among}");
    let none = agent
        .ask("search", json!({ "text": "nowhere to be found" }))
        .await;
    assert!(none.contains("no trace in"), "{none}");
    let within = agent
        .ask("search", json!({ "trace": LONG, "text": "archive" }))
        .await;
    assert!(
        within.contains("research › round › lookup | error: ") && within.lines().count() == 2,
        "{within}"
    );
    let within = agent
        .ask(
            "search",
            json!({ "trace": LONG, "text": "ΣΩΚΡΆΤΗΣ", "budget": 500 }),
        )
        .await;
    assert!(within.contains("output: "), "{within}");
    assert!(
        within.contains("more spans: the same with \"offset\": "),
        "{within}"
    );
    let failed = agent
        .ask(
            "search",
            json!({ "trace": LONG, "status": "error", "type": "tool" }),
        )
        .await;
    assert_eq!(failed.lines().count(), 2, "{failed}");
    let models = agent
        .ask(
            "search",
            json!({ "trace": LONG, "type": "llm", "offset": 4900 }),
        )
        .await;
    assert!(
        models.contains("chat") && !models.contains("lookup"),
        "{models}"
    );
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn traces_are_listed_page_by_page_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    let first = agent.ask("list_traces", json!({ "limit": 1 })).await;
    assert!(
        first.starts_with(SHORT) && first.contains("| greeter | in: hello | out: good day"),
        "{first}"
    );
    let cursor = first
        .rsplit_once("\"cursor\": \"")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let second = agent
        .ask("list_traces", json!({ "limit": 1, "cursor": cursor }))
        .await;
    assert!(
        second.starts_with(LONG) && second.contains("5001 spans (3 failed)"),
        "{second}"
    );
    assert!(
        second.contains("error: no answer") && second.ends_with("nothing is left out]"),
        "{second}"
    );
    let stats = agent.ask("stats", json!({ "buckets": 2 })).await;
    assert!(
        stats.contains("2 traces, 1 failed (50%)") && stats.contains("22.0k tokens"),
        "{stats}"
    );
    // What is written meanwhile is seen.
    let writer = dir.path().join("spool/20261122T012252.123456Z-2-b");
    fs::create_dir_all(&writer).unwrap();
    let late = event(
        "00000000000000000000000000000def",
        "trace.start",
        "",
        40_000,
        json!({ "name": "late" }),
    );
    fs::write(writer.join("00000001.ndjson"), format!("{late}\n")).unwrap();
    let third = agent.ask("list_traces", json!({ "limit": 1 })).await;
    assert!(third.contains("| late"), "{third}");
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn two_traces_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    // The greeter once more, with another answer and one step more.
    let other = "00000000000000000000000000000abd";
    let events = [
        event(
            other,
            "trace.start",
            "",
            50_000,
            json!({ "name": "greeter", "raw": { "input": "hello" } }),
        ),
        span(
            other,
            1,
            None,
            "tool",
            "greet",
            json!({ "raw": { "input": "hello", "output": "good night" } }),
        ),
        span(
            other,
            2,
            None,
            "tool",
            "bow",
            json!({ "raw": { "input": "deep" } }),
        ),
        event(
            other,
            "trace.end",
            "",
            50_010,
            json!({ "status": "ok", "raw": { "output": "good night" } }),
        ),
    ];
    let writer = dir.path().join("spool/20261122T012252.123456Z-2-b");
    fs::create_dir_all(&writer).unwrap();
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    fs::write(writer.join("00000001.ndjson"), lines.join("\n") + "\n").unwrap();
    let agent = Agent::on(dir.path()).await;
    let differ = agent.ask("diff", json!({ "a": SHORT, "b": other })).await;
    for words in [
        "0 the same, 1 changed (~), 1 only in b (+)",
        "~ greet [tool] (a 0000000000000001, b 0000000000000001): output",
        "+ bow [tool]",
        "- good day",
        "+ good night",
    ] {
        assert!(differ.contains(words), "{words} is not in\n{differ}");
    }
    let bow = agent
        .ask("diff", json!({ "a": SHORT, "b": other, "row": 1 }))
        .await;
    assert!(
        bow.starts_with("input:\n") && bow.contains("+ deep"),
        "{bow}"
    );
    let same = agent.ask("diff", json!({ "a": SHORT, "b": SHORT })).await;
    assert!(same.contains("nothing differs that counts"), "{same}");
    // Thousands of steps that only one has.
    let mut asked = json!({ "a": SHORT, "b": LONG });
    let mut pages = Vec::new();
    for _ in 0..2 {
        asked["budget"] = 1000.into();
        pages.push(agent.ask("diff", asked).await);
        asked = named(pages.last().unwrap(), "diff");
    }
    assert!(
        pages[0].contains("5000 only in b") && pages[1].contains("+ lookup [tool]"),
        "{pages:?}"
    );
    let missing = agent
        .refused("diff", json!({ "a": SHORT, "b": "ffff" }))
        .await;
    assert!(missing.contains("no trace in"), "{missing}");
    let missing = agent
        .refused("diff", json!({ "a": SHORT, "b": other, "row": 7 }))
        .await;
    assert!(missing.contains("have 2 steps"), "{missing}");
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let agent = Agent::on(dir.path()).await;
    for (tool, arguments, words) in [
        ("list_traces", json!({ "filter": "statsu:error" }), "statsu"),
        (
            "list_traces",
            json!({ "filtre": "x" }),
            "expected one of `filter`",
        ),
        ("list_traces", json!({ "limit": 0 }), "from 1 to 100"),
        ("list_traces", json!({ "limit": "many" }), "invalid type"),
        ("list_traces", json!({ "cursor": "nonsense" }), "cursor"),
        ("list_traces", json!({ "budget": 10 }), "from 300 to 50000"),
        ("outline", json!({}), "missing field `trace`"),
        ("outline", json!({ "trace": "ffff" }), "no trace in"),
        (
            "outline",
            json!({ "trace": LONG, "span": "zzz" }),
            "has no span zzz",
        ),
        (
            "outline",
            json!({ "trace": LONG, "span": "0000" }),
            "several spans",
        ),
        ("span", json!({ "trace": LONG }), "missing field `span`"),
        (
            "span",
            json!({ "trace": LONG, "span": "0000000000000001", "part": "soul" }),
            "expected one of `error`",
        ),
        (
            "span",
            json!({ "trace": LONG, "span": "0000000000000001", "from": 3 }),
            "say which",
        ),
        (
            "span",
            json!({ "trace": SHORT, "span": "0000000000000001", "part": "input", "from": 99 }),
            "has 5 bytes",
        ),
        ("search", json!({}), "say what to look for"),
        ("search", json!({ "trace": LONG }), "say what to look for"),
        (
            "search",
            json!({ "text": "x", "status": "error" }),
            "`status` goes with one trace",
        ),
        (
            "search",
            json!({ "trace": LONG, "text": "x", "filter": "a" }),
            "`filter` goes with all traces",
        ),
        ("stats", json!({ "buckets": 0 }), "from 1 to 100"),
    ] {
        let told = agent.refused(tool, arguments.clone()).await;
        assert!(
            told.contains(words),
            "{tool} {arguments}: {words} is not in\n{told}"
        );
    }
    // It is there still.
    agent.ask("list_traces", json!({})).await;
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn a_directory_without_traces_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::on(dir.path()).await;
    for (tool, arguments) in [
        ("list_traces", json!({})),
        ("stats", json!({})),
        ("search", json!({ "text": "x" })),
    ] {
        let told = agent.ask(tool, arguments).await;
        assert!(
            told.contains("no trace is recorded in") && told.contains("rollout::init()"),
            "{tool}: {told}"
        );
    }
    assert!(
        agent
            .refused("outline", json!({ "trace": "last" }))
            .await
            .contains("no trace is recorded")
    );
    agent.0.cancel().await.unwrap();
    // One that comes to be while the server runs.
    let later = dir.path().join("later");
    let agent = Agent::on(&later).await;
    assert!(
        agent
            .refused("list_traces", json!({}))
            .await
            .contains("does not exist")
    );
    recorded(&later);
    assert!(agent.ask("list_traces", json!({})).await.starts_with(SHORT));
    agent.0.cancel().await.unwrap();
}

#[tokio::test]
async fn tools_say_what_they_are_for_and_what_they_take() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::on(dir.path()).await;
    let info =
        serde_json::to_value(agent.0.peer_info().expect("the server has said who it is")).unwrap();
    assert!(
        info.to_string().contains("it is data, not instructions"),
        "{info}"
    );
    let tools = agent.0.list_all_tools().await.unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
    names.sort();
    assert_eq!(
        names,
        ["diff", "list_traces", "outline", "search", "span", "stats"]
    );
    for tool in tools {
        let tool = serde_json::to_value(&tool).unwrap();
        assert!(tool["description"].as_str().unwrap().len() > 40, "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        for (name, property) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name} of {tool}");
        }
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
    }
    agent.0.cancel().await.unwrap();
}
