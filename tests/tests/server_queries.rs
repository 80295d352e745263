//! Lists, filters, pages and trees.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use rollout_tests::server::TestServer;
use serde_json::{Value, json};

/// The start and the end of a trace, `minute` minutes after midnight.
fn trace(id: &str, minute: u32, name: &str, status: &str, more: &Value) -> Vec<Value> {
    let time = |second: u32| format!("2026-01-02T00:{minute:02}:{second:02}Z");
    let mut start = json!({
        "event_id": format!("{id}_start"), "event_type": "trace.start", "trace_id": id, "name": name,
        "occurred_at": time(0), "started_at": time(0),
    });
    start
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let end = json!({
        "event_id": format!("{id}_end"), "event_type": "trace.end", "trace_id": id, "status": status,
        "occurred_at": time(1), "ended_at": time(1), "duration_ms": 1000.0,
    });
    vec![start, end]
}

fn span(trace: &str, id: &str, parent: Option<&str>, second: usize) -> Value {
    json!({
        "event_id": format!("{trace}_{id}"), "event_type": "span.end", "trace_id": trace, "span_id": id,
        "parent_span_id": parent, "name": id, "status": "ok", "duration_ms": 1.0,
        "started_at": format!("2026-01-02T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60),
    })
}

fn names(page: &Value) -> Vec<&str> {
    page["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| trace["name"].as_str().unwrap())
        .collect()
}

#[test]
fn pages_neither_repeat_nor_leave_out() {
    let server = TestServer::start();
    // Many begin at the same time.
    for number in 0..25 {
        server.take(&trace(
            &format!("trace_{number}"),
            number / 5,
            &number.to_string(),
            "ok",
            &json!({}),
        ));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get_json(&format!("/api/v1/traces?limit=4&cursor={cursor}"));
        seen.extend(names(&page).into_iter().map(str::to_owned));
        // What comes meanwhile is newer than the pages to come.
        server.take(&trace(
            &format!("new_{}", seen.len()),
            59,
            "new",
            "ok",
            &json!({}),
        ));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn filters() {
    let server = TestServer::start();
    let context = |user: &str| json!({ "context": { "user_id": user, "session_id": "s 1" }, "attributes": { "tags": ["a", user] } });
    server.take(&trace("t1", 1, "support agent", "ok", &context("ada")));
    server.take(&trace("t2", 2, "Support desk", "error", &context("bob")));
    server.take(&trace(
        "t3",
        3,
        "other",
        "cancelled",
        &json!({ "agent": { "name": "x" } }),
    ));
    let mut call = span("t3", "call", None, 0);
    call["span_type"] = json!("llm");
    call["model"] = json!({ "model": "gpt-test" });
    server.take(&[
        call,
        json!({ "event_id": "r", "event_type": "trace.start", "trace_id": "t4", "name": "open" }),
    ]);
    for (filter, expected) in [
        ("status:error", vec!["Support desk"]),
        ("status:running", vec!["open"]),
        ("user:ada", vec!["support agent"]),
        ("session:\"s 1\"", vec!["Support desk", "support agent"]),
        ("session:\"s 1\" tag:ada", vec!["support agent"]),
        ("tag:a", vec!["Support desk", "support agent"]),
        ("type:llm", vec!["other"]),
        ("model:gpt-test", vec!["other"]),
        ("agent:x", vec!["other"]),
        ("name:\"support agent\"", vec!["support agent"]),
        ("SUPPORT", vec!["Support desk", "support agent"]),
        ("\"support desk\"", vec!["Support desk"]),
        ("supp%", vec![]),
        ("user:nobody", vec![]),
    ] {
        let query = filter
            .replace('%', "%25")
            .replace(' ', "%20")
            .replace('"', "%22");
        let page = server.get_json(&format!("/api/v1/traces?filter={query}"));
        assert_eq!(names(&page), expected, "{filter}");
    }
}

#[test]
fn a_tree_stands_whatever_its_parents_say() {
    let server = TestServer::start();
    server.take(&[
        span("t", "b", Some("a"), 2),
        span("t", "a", None, 1),
        span("t", "c", Some("nowhere"), 3),
        span("t", "self", Some("self"), 4),
        span("t", "x", Some("y"), 5),
        span("t", "y", Some("x"), 6),
        span("t", "b1", Some("b"), 7),
        span("t", "a2", Some("a"), 0),
    ]);
    let expected = "span a ok\n  span a2 ok\n  span b ok\n    span b1 ok\nspan c ok\nspan self ok\nspan x ok\n  span y ok\n";
    assert_eq!(server.tree("t"), expected);
    let spans = server.spans("t");
    assert_eq!(
        (&spans[4]["name"], &spans[4]["parent_span_id"]),
        (&json!("c"), &Value::Null)
    );
}

#[test]
fn a_long_trace_is_read_in_parts() {
    let server = TestServer::start();
    let id = |number: usize| format!("s{number}");
    // A chain of a thousand, and nine thousand below its first.
    let spans: Vec<Value> = (0..10_000)
        .map(|number: usize| {
            let parent = if number < 1000 {
                number.checked_sub(1)
            } else {
                Some(0)
            };
            span("t", &id(number), parent.map(id).as_deref(), number)
        })
        .collect();
    server.take(&spans);
    let mut seen = Vec::new();
    for offset in (0..10_000).step_by(999) {
        let page = server.get_json(&format!("/api/v1/traces/t/spans?offset={offset}&limit=999"));
        assert_eq!(page["total"], 10_000);
        seen.extend(page["spans"].as_array().unwrap().clone());
    }
    assert_eq!(seen.len(), 10_000);
    assert_eq!(
        (&seen[999]["span_id"], &seen[999]["depth"]),
        (&json!("s999"), &json!(999))
    );
    assert_eq!(seen[9_999]["depth"], 1);
    let past_the_end = server.get_json("/api/v1/traces/t/spans?offset=18446744073709551615");
    assert_eq!(past_the_end, json!({ "total": 10_000, "spans": [] }));
}

#[test]
fn any_id_can_be_asked_for() {
    let server = TestServer::start();
    let id = "a/b ?#%ü:";
    server.take(&[span(id, id, None, 0)]);
    let path = "a%2Fb%20%3F%23%25%C3%BC%3A";
    let detail = server.get_json(&format!("/api/v1/traces/{path}/spans/{path}"));
    assert_eq!(
        (&detail["trace_id"], &detail["span_id"]),
        (&json!(id), &json!(id))
    );
}

#[test]
fn what_rides_in_attributes_is_read() {
    let server = TestServer::start();
    server.take(&[
        json!({
            "event_id": "1", "event_type": "trace.start", "trace_id": "t",
            "occurred_at": "2026-01-02T03:04:05.000001Z",
            "attributes": {
                "rollout.ns": 234, "rollout.link.trace_id": "caller", "rollout.link.span_id": "s",
                "rollout.tags": ["a"], "rollout.metadata": { "k": [1] }, "service_name": "desk",
            },
        }),
        json!({
            "event_id": "2", "event_type": "span.start", "trace_id": "t", "span_id": "0123456789abcdef",
            "span_type": "llm", "occurred_at": "2026-01-02T03:04:05.000001Z",
            "attributes": {
                "rollout.ns": 567, "code.file.path": "src/main.rs", "code.line.number": 7,
                "code.function.name": "main::run", "rollout.truncated": { "input": 9000 },
                "rollout.trace.tags": ["b", "a"], "rollout.trace.metadata": { "l": 2 },
            },
        }),
        json!({
            "event_id": "3", "event_type": "span.end", "trace_id": "t", "span_id": "0123456789abcdef",
            "occurred_at": "2026-01-02T03:04:05.000002Z", "started_at": "2026-01-02T03:04:05.000001Z",
            "ended_at": "2026-01-02T03:04:05.000002Z", "duration_ms": 0.000_433, "status": "error",
            "usage": { "input_tokens": 10 }, "error": { "type": "E", "message_preview": "short" },
            "attributes": {
                "rollout.usage.cache_creation_tokens": 4, "rollout.usage.audio": 1.5,
                "rollout.error.chain": ["first", "second"], "rollout.error.message": "long",
            },
        }),
    ]);
    let trace = server.get_json("/api/v1/traces/t");
    assert_eq!(trace["started_at"], "2026-01-02T03:04:05.000001234Z");
    assert_eq!(trace["links"][0]["trace_id"], "caller");
    assert_eq!(trace["tags"], json!(["a", "b"]));
    assert_eq!(
        trace["metadata"],
        json!({ "k": [1], "l": 2, "service_name": "desk" })
    );
    assert_eq!(
        trace["usage"],
        json!({ "input_tokens": 10, "cache_creation_tokens": 4 })
    );
    let span = server.get_json("/api/v1/traces/t/spans/0123456789abcdef");
    assert_eq!(span["started_at"], "2026-01-02T03:04:05.000001567Z");
    assert_eq!(span["duration_ms"], 0.000_433);
    assert_eq!(
        span["code"],
        json!({ "file": "src/main.rs", "line": 7, "function": "main::run" })
    );
    assert_eq!(span["truncated"], json!({ "input": 9000 }));
    assert_eq!(
        span["usage"],
        json!({ "input_tokens": 10, "cache_creation_tokens": 4, "audio": 1.5 })
    );
    assert_eq!(
        span["error"],
        json!({ "type": "E", "message": "long", "chain": ["first", "second"] })
    );
    assert_eq!(span["attributes"], json!({}));
}
