//! Two runs of one agent that part at the answer of a tool.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{Recorder, Span};

const QUESTION: &str = "Where is my order A-1? It was due on Tuesday.";

/// What differs between the two runs.
struct Run<'a> {
    trace_id: &'a str,
    /// Made anew for each run, as a provider does.
    salt: &'a str,
    /// What the tool `lookup_order` answers.
    found: Value,
    /// What the model says to that.
    says: &'a str,
    /// The tool that it calls then: its name, its arguments, and what it answers, or an error.
    calls: (&'a str, Value, Result<Value, &'a str>),
    /// Microseconds that the order takes to be found.
    lookup_us: i64,
    answer: Option<&'a str>,
}

/// A run in which the order is delayed and the refund refused, and one in which it is lost and sent again.
pub fn support_runs(a: &str, b: &str, start: Timestamp) -> (Vec<Value>, Vec<Value>) {
    let delayed = Run {
        trace_id: a,
        salt: "a",
        found: json!({
            "carrier": "DHL", "created_at": "2026-11-20T09:00:00Z", "order": "A-1", "state": "delayed",
            "steps": ["packed", "handed over", "in Leipzig"],
        }),
        says: "The order is delayed by the carrier. I will try to refund the shipping.",
        calls: (
            "issue_refund",
            json!({ "order_id": "A-1", "cents": 499 }),
            Err("the refund was refused"),
        ),
        lookup_us: 210_000,
        answer: None,
    };
    let lost = Run {
        trace_id: b,
        salt: "b",
        found: json!({
            "carrier": "DHL", "created_at": "2026-11-21T09:00:00Z", "order": "A-1", "state": "lost",
            "steps": ["packed", "handed over"],
        }),
        says: "The order is lost by the carrier. I will send it again today.",
        calls: (
            "reship_order",
            json!({ "order_id": "A-1", "express": true }),
            Ok(json!({ "order": "A-1b", "due": "Friday" })),
        ),
        lookup_us: 95_000,
        answer: Some("Your order was lost. A new one is on its way and comes on Friday."),
    };
    (support(&delayed, start), support(&lost, start))
}

fn support(run: &Run<'_>, start: Timestamp) -> Vec<Value> {
    let mut trace = Recorder::new(
        run.trace_id,
        "support_agent",
        start,
        &json!({ "user_message": QUESTION }),
    );
    let failed = run.calls.2.is_err();
    let refused = match run.calls.2 {
        Err(message) => json!({ "type": "RefundError", "message_preview": message }),
        Ok(_) => Value::Null,
    };
    let answer = run.answer.map_or(Value::Null, |answer| json!(answer));
    let end = 1_950_000 + run.lookup_us;
    let model = json!({ "provider": "openai", "model": "gpt-4.1-mini" });
    let id = |name: &str| format!("call_{}{name}", run.salt);
    let mut messages = vec![
        json!({ "role": "system", "content": "You are the support agent of a shop.\nNever promise a refund before the tool has confirmed it." }),
        json!({ "role": "user", "content": QUESTION }),
    ];
    let reply = |message: Value| {
        json!({
            "id": format!("chatcmpl-{}{}", run.salt, message["tool_calls"][0]["id"]), "created": 1_764_201_600 + run.lookup_us,
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": message }],
        })
    };
    let call = |name: &str, arguments: &Value| json!({ "id": id(name), "type": "function", "function": { "name": name, "arguments": arguments.to_string() } });
    let mut end_of_root = json!({ "input": { "user_message": QUESTION } });
    if let Some(answer) = run.answer {
        end_of_root["output"] = json!(answer);
    }
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "support_agent",
        took_us: Some(end),
        status: if failed { "error" } else { "" },
        raw: end_of_root,
        error: refused.clone(),
        ..Span::default()
    });
    let order = json!({ "order_id": "A-1" });
    let first = json!({ "role": "assistant", "content": null, "tool_calls": [call("lookup_order", &order)] });
    trace.span(&Span {
        id: "plan",
        parent: Some("root"),
        kind: "task",
        name: "plan",
        at_us: 120,
        took_us: Some(701_200),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask", parent: Some("plan"), kind: "llm", name: "chat", at_us: 300, took_us: Some(640_000),
        raw: json!({ "input": { "model": "gpt-4.1-mini", "messages": messages }, "output": reply(first.clone()) }),
        model: model.clone(),
        usage: json!({ "input_tokens": 240, "output_tokens": 21, "total_tokens": 261, "cost_usd": 0.000_13 }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "order",
        parent: Some("root"),
        kind: "tool",
        name: "lookup_order",
        at_us: 830_000,
        took_us: Some(run.lookup_us),
        raw: json!({ "input": order, "output": run.found }),
        ..Span::default()
    });
    let told = json!({ "role": "tool", "tool_call_id": id("lookup_order"), "content": run.found.to_string() });
    messages.extend([first, told]);
    let (name, arguments, result) = &run.calls;
    let second =
        json!({ "role": "assistant", "content": run.says, "tool_calls": [call(name, arguments)] });
    let at = 850_000 + run.lookup_us;
    trace.span(&Span {
        id: "decide", parent: Some("root"), kind: "llm", name: "chat", at_us: at, took_us: Some(720_000),
        raw: json!({ "input": { "model": "gpt-4.1-mini", "messages": messages }, "output": reply(second) }),
        model,
        usage: json!({
            "input_tokens": 305, "output_tokens": run.says.len(), "total_tokens": 305 + run.says.len(),
            "cost_usd": 0.000_2 + run.says.len() as f64 * 1e-6,
        }),
        ..Span::default()
    });
    let mut raw = json!({ "input": arguments });
    if let Ok(result) = result {
        raw["output"] = result.clone();
    }
    trace.span(&Span {
        id: "act",
        parent: Some("root"),
        kind: "tool",
        name,
        at_us: at + 730_000,
        took_us: Some(300_000),
        raw,
        status: if failed { "error" } else { "" },
        error: refused.clone(),
        ..Span::default()
    });
    let status = if failed { "error" } else { "ok" };
    trace.end(end, status, &answer, &refused);
    trace.into_events()
}
