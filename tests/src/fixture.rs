//! Traces as events on the wire, made by hand with times and ids that never change.

use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

/// The span id, 16 hex digits, that stands for a name of at most eight bytes.
pub fn span_id(name: &str) -> String {
    let mut bytes = [0; 8];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Writes the events of one trace.
pub struct Recorder {
    trace_id: String,
    start: Timestamp,
    events: Vec<Value>,
}

/// What a span is made of, beside its times.
#[derive(Debug, Default, Clone)]
pub struct Span<'a> {
    /// The name that its [`span_id`] is made of.
    pub id: &'a str,
    /// The same of the span around it.
    pub parent: Option<&'a str>,
    /// Its type.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whole microseconds from the start of the trace.
    pub at_us: i64,
    /// Its duration in microseconds; one without has not ended.
    pub took_us: Option<i64>,
    /// Its status, `ok` if empty.
    pub status: &'a str,
    /// Members of `raw`: `input`, `output`.
    pub raw: Value,
    /// Attributes.
    pub attributes: Value,
    /// Its `model` section.
    pub model: Value,
    /// Its `usage` section.
    pub usage: Value,
    /// Its `error` section.
    pub error: Value,
}

impl Recorder {
    /// Begins a trace.
    pub fn new(trace_id: &str, name: &str, start: Timestamp, input: &Value) -> Self {
        let mut recorder = Self {
            trace_id: trace_id.to_owned(),
            start,
            events: Vec::new(),
        };
        recorder.push(
            "trace.start",
            0,
            json!({
                "name": name,
                "started_at": recorder.at(0),
                "raw": { "input": input },
                "agent": { "name": name, "version": "1.4.2", "environment": "staging" },
                "context": { "user_id": "cus_123", "session_id": "sess_9", "conversation_id": "thread_123" },
                "attributes": { "tags": ["shop"] },
            }),
        );
        recorder
    }

    fn at(&self, us: i64) -> String {
        let at = self.start.checked_add(us.microseconds()).expect("a time");
        format!("{at:.6}")
    }

    /// Adds an event of any type, `us` microseconds after the start.
    pub fn push(&mut self, kind: &str, us: i64, fields: Value) {
        let mut event = json!({
            "event_id": format!("evt_{}_{}", self.trace_id, self.events.len()),
            "event_type": kind,
            "schema_version": "1.0",
            "trace_id": self.trace_id,
            "sequence": self.events.len() + 1,
            "occurred_at": self.at(us),
        });
        let (Value::Object(event_fields), Value::Object(fields)) = (&mut event, fields) else {
            panic!("an event's fields are an object");
        };
        event_fields.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        self.events.push(event);
    }

    /// Adds a span's start and, unless it has not ended, its end.
    pub fn span(&mut self, span: &Span<'_>) {
        let tool = span.kind == "tool";
        let raw = |wanted: &str, name: &str| match span.raw.get(wanted) {
            Some(value) => json!({ name: value }),
            None => Value::Null,
        };
        let common = |fields: Value| {
            let mut all = Map::new();
            all.insert("span_id".to_owned(), json!(span_id(span.id)));
            all.insert("parent_span_id".to_owned(), json!(span.parent.map(span_id)));
            all.insert("span_type".to_owned(), json!(span.kind));
            all.insert("name".to_owned(), json!(span.name));
            all.insert("started_at".to_owned(), json!(self.at(span.at_us)));
            all.insert("model".to_owned(), span.model.clone());
            if tool {
                let section =
                    json!({ "name": span.name, "tool_call_id": format!("call_{}", span.id) });
                all.insert("tool".to_owned(), section);
            }
            if let Value::Object(fields) = fields {
                all.extend(fields);
            }
            Value::Object(all)
        };
        let (start, end) = if tool {
            ("tool.call", "tool.result")
        } else {
            ("span.start", "span.end")
        };
        let input = raw("input", if tool { "arguments" } else { "input" });
        let begun = common(json!({ "attributes": span.attributes, "raw": input }));
        let ended = span.took_us.map(|took| {
            let status = if span.status.is_empty() {
                "ok"
            } else {
                span.status
            };
            common(json!({
                "ended_at": self.at(span.at_us + took),
                "duration_ms": took as f64 / 1000.0,
                "status": status,
                "outcome": { "success": status == "ok", "status": status },
                "raw": raw("output", if tool { "result" } else { "output" }),
                "usage": span.usage,
                "error": span.error,
            }))
        });
        self.push(start, span.at_us, begun);
        if let (Some(ended), Some(took)) = (ended, span.took_us) {
            self.push(end, span.at_us + took, ended);
        }
    }

    /// Ends the trace after `us` microseconds.
    pub fn end(&mut self, us: i64, status: &str, output: &Value, error: &Value) {
        self.push(
            "trace.end",
            us,
            json!({
                "started_at": self.at(0),
                "ended_at": self.at(us),
                "duration_ms": us as f64 / 1000.0,
                "status": status,
                "outcome": { "success": status == "ok", "status": status },
                "raw": if output.is_null() { Value::Null } else { json!({ "output": output }) },
                "error": error,
            }),
        );
    }

    /// The events, in order.
    pub fn into_events(self) -> Vec<Value> {
        self.events
    }
}

/// A support agent that plans, asks a model, looks things up and fails to issue a refund.
pub fn support_agent(trace_id: &str, start: Timestamp) -> Vec<Value> {
    let question = "Where is my order A-1? It was due on Tuesday.";
    let mut trace = Recorder::new(
        trace_id,
        "support_agent",
        start,
        &json!({ "user_message": question }),
    );
    let code = |function: &str, line: u32| {
        json!({
            "code.file.path": "examples/support_agent/src/lib.rs",
            "code.line.number": line,
            "code.function.name": format!("support_agent::{function}"),
        })
    };
    let refused = json!({ "type": "support_agent::RefundError", "message_preview": "the refund was refused" });
    let ask = json!({
        "model": "gpt-4.1-mini", "temperature": 0.2,
        "messages": [
            { "role": "system", "content": "You are the support agent of a shop.\nNever promise a refund before the tool has confirmed it." },
            { "role": "user", "content": question },
        ],
        "tools": [{ "type": "function", "function": { "name": "lookup_order" } }],
    });
    let answer = json!({ "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null,
        "tool_calls": [{ "id": "call_order", "type": "function", "function": {
            "name": "lookup_order", "arguments": "{\"order_id\":\"A-1\",\"verbose\":false}" } }],
    } }] });
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "support_agent",
        took_us: Some(4_211_000),
        status: "error",
        raw: json!({ "input": { "user_message": question } }),
        attributes: code("run_agent", 41),
        error: refused.clone(),
        ..Span::default()
    });
    trace.span(&Span {
        id: "plan",
        parent: Some("root"),
        kind: "task",
        name: "plan",
        at_us: 120,
        took_us: Some(801_200),
        attributes: code("plan", 58),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask", parent: Some("plan"), kind: "llm", name: "chat", at_us: 300, took_us: Some(640_000),
        raw: json!({ "input": ask, "output": answer }),
        model: json!({ "provider": "openai", "model": "gpt-4.1-mini" }),
        usage: json!({ "input_tokens": 1240, "output_tokens": 210, "total_tokens": 1450, "cached_tokens": 620, "cost_usd": 0.00123 }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "policy", parent: Some("plan"), kind: "retrieval", name: "find_policy", at_us: 650_000, took_us: Some(92_500),
        raw: json!({ "input": { "query": "refunds", "top_k": 3 }, "output": ["30 days", "unused items only"] }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "order", parent: Some("root"), kind: "tool", name: "lookup_order", at_us: 830_000, took_us: Some(210_000),
        raw: json!({ "input": { "order_id": "A-1", "verbose": false }, "output": { "order": "A-1", "state": "delayed" } }),
        attributes: code("lookup_order", 84), ..Span::default()
    });
    trace.span(&Span {
        id: "refund",
        parent: Some("root"),
        kind: "tool",
        name: "issue_refund",
        at_us: 2_300_000,
        took_us: Some(900_000),
        status: "error",
        raw: json!({ "input": { "order_id": "A-1", "cents": 1299 } }),
        attributes: code("issue_refund", 97),
        error: refused.clone(),
        ..Span::default()
    });
    trace.span(&Span {
        id: "retry",
        parent: Some("refund"),
        kind: "span",
        name: "POST /v1/refunds",
        at_us: 2_760_000,
        took_us: Some(410_000),
        status: "cancelled",
        ..Span::default()
    });
    trace.push(
        "message",
        3_000_000,
        json!({ "message": { "role": "user", "content": question } }),
    );
    trace.push(
        "message",
        4_200_000,
        json!({ "message": { "role": "assistant", "content": "It is delayed." } }),
    );
    trace.push(
        "feedback",
        4_210_000,
        json!({ "name": "helpful", "attributes": { "value": false } }),
    );
    trace.end(4_211_000, "error", &Value::Null, &refused);
    trace.into_events()
}

/// A trace of which only the beginning has happened.
pub fn running(trace_id: &str, start: Timestamp) -> Vec<Value> {
    let mut trace = Recorder::new(
        trace_id,
        "stream_answer",
        start,
        &json!({ "topic": "transistors" }),
    );
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "stream_answer",
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name: "chat",
        at_us: 2_000,
        ..Span::default()
    });
    trace.into_events()
}

/// The end of [`running`].
pub fn rest_of_running(trace_id: &str, start: Timestamp) -> Vec<Value> {
    let mut trace = Recorder::new(
        trace_id,
        "stream_answer",
        start,
        &json!({ "topic": "transistors" }),
    );
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "stream_answer",
        took_us: Some(900_000),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name: "chat",
        at_us: 2_000,
        took_us: Some(800_000),
        raw: json!({ "output": "They switch." }),
        ..Span::default()
    });
    trace.end(900_000, "ok", &json!("They switch."), &Value::Null);
    let mut events = trace.into_events();
    // What has been sent keeps its ids; what is new gets others.
    for event in &mut events {
        event["event_id"] = json!(format!(
            "{}_rest",
            event["event_id"].as_str().expect("an id")
        ));
    }
    events
}

/// A trace of `spans` spans, four levels deep, some of which failed.
pub fn large(trace_id: &str, start: Timestamp, spans: usize) -> Vec<Value> {
    let mut trace = Recorder::new(
        trace_id,
        "research_team",
        start,
        &json!({ "topic": "everything" }),
    );
    let length = spans as i64 * 1_000;
    trace.span(&Span {
        id: "s0",
        kind: "agent",
        name: "research_team",
        took_us: Some(length),
        ..Span::default()
    });
    let mut above = ["s0".to_owned(), String::new(), String::new()];
    for at in 1..spans {
        let (depth, kind, name) = match at % 10 {
            1 => (0, "task", "investigate"),
            2 | 5 | 8 => (1, "llm", "chat"),
            3 | 6 => (1, "tool", "search"),
            4 | 7 => (2, "retrieval", "fetch_page"),
            9 => (1, "tool", "write_note"),
            _ => (2, "span", "parse"),
        };
        let id = format!("s{at}");
        let failed = at % 1777 == 9;
        trace.span(&Span {
            id: &id,
            parent: Some(&above[depth]),
            kind,
            name,
            at_us: at as i64 * 1_000,
            took_us: Some(if depth == 0 { 10_000 } else { 900 }),
            status: if failed { "error" } else { "" },
            error: if failed {
                json!({ "type": "Timeout", "message_preview": "no answer" })
            } else {
                Value::Null
            },
            ..Span::default()
        });
        if depth < 2 {
            above[depth + 1] = id;
        }
    }
    trace.end(length, "ok", &Value::Null, &Value::Null);
    trace.into_events()
}

/// Markup that must stay text.
pub const MARKUP: &str =
    "\"><img src=x onerror=\"window.broken=1\"><script>window.broken=1</script>'{{7*7}}";

/// A trace with [`MARKUP`] in everything that a program can set.
pub fn hostile(trace_id: &str, start: Timestamp) -> Vec<Value> {
    let mut trace = Recorder::new(trace_id, MARKUP, start, &json!({ MARKUP: MARKUP }));
    let error = json!({ "type": MARKUP, "message_preview": MARKUP });
    trace.span(&Span {
        id: "root", kind: "agent", name: MARKUP, took_us: Some(5_000), status: "error",
        raw: json!({ "input": { MARKUP: [MARKUP, { MARKUP: MARKUP }] }, "output": MARKUP }),
        attributes: json!({ MARKUP: MARKUP, "code.file.path": MARKUP, "code.function.name": MARKUP }),
        error: error.clone(), ..Span::default()
    });
    trace.span(&Span {
        id: "chat", parent: Some("root"), kind: "llm", name: MARKUP, at_us: 100, took_us: Some(100), status: MARKUP_STATUS,
        raw: json!({
            "input": { "messages": [{ "role": "user", "content": MARKUP }, { "role": MARKUP, "content": [{ "type": "text", "text": MARKUP }] }] },
            "output": { "role": "assistant", "content": null, "tool_calls": [{ "id": MARKUP, "function": { "name": MARKUP, "arguments": MARKUP } }] },
        }),
        model: json!({ "provider": MARKUP_STATUS, "model": MARKUP }), ..Span::default()
    });
    trace.push(
        "message",
        300,
        json!({ "message": { "role": MARKUP_STATUS, "content": MARKUP } }),
    );
    trace.push(
        "feedback",
        400,
        json!({ "name": MARKUP, "attributes": { "value": MARKUP } }),
    );
    trace.end(5_000, "error", &json!(MARKUP), &error);
    trace.into_events()
}

/// Markup within the 80 characters of a status.
const MARKUP_STATUS: &str = "\"><svg onload=window.broken=1>";
