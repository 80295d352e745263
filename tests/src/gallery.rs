//! Traces such as people look at: a day of a shop's agents, and a run of a trainer. Tests of the pages and their
//! pictures are made of them.

use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::fixture::{self, Recorder, Span};
use crate::server::TestServer;

/// The trace of a support agent that fails: `fixture::support_agent`.
pub const FAILED: &str = "a1f3c05e9b7d42d18c6e0f2a4b6d8e10";
/// The same agent on the same question, which goes well.
pub const MENDED: &str = "b2e4d16fac8e53e29d7f103b5c7e9f21";
/// One of an agent that repairs a program, of some hundred spans.
pub const CODING: &str = "c3d5e270bd9f64f3ae80214c6d8fa032";
/// One that has not ended.
pub const RUNNING: &str = "d4c6f381cea075a4bf91325d7e90b143";
/// A session of several turns, and who is in it.
pub const SESSION: &str = "sess_4f21";
/// The user of [`SESSION`].
pub const USER: &str = "cus_ada";
/// The conversation of [`SESSION`].
pub const CONVERSATION: &str = "thread_refund_a1";
/// A run of a trainer.
pub const RUN: &str = "maze-grpo-7b";

const QUESTIONS: &[(&str, &str, &str)] = &[
    (
        "Where is my order A-1? It was due on Tuesday.",
        "It left Leipzig this morning and will be with you tomorrow before noon.",
        "cus_ada",
    ),
    (
        "Can I change the delivery address of order B-77?",
        "I have changed it to Lindenstraße 4. You will get a mail that confirms it.",
        "cus_ben",
    ),
    (
        "订单什么时候到？我已经等了两个星期了。",
        "很抱歉让您久等，包裹预计明天送达。",
        "cus_chen",
    ),
    (
        "أين طلبي رقم 4412؟",
        "طلبك في الطريق وسيصل غدًا.",
        "cus_dalia",
    ),
    (
        "Πότε θα φτάσει η παραγγελία μου;",
        "Θα φτάσει αύριο το πρωί.",
        "cus_eleni",
    ),
    (
        "The blue jacket arrived with a torn sleeve 😞 — refund please!",
        "I am sorry about that. I have refunded $89.00 to your card.",
        "cus_finn",
    ),
];

const MODELS: &[(&str, &str)] = &[
    ("openai", "gpt-4.1-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-flash"),
];

/// Sends all of it.
pub fn fill(server: &TestServer) {
    for trace in traces() {
        server.take(&trace);
    }
}

/// The events of each trace: a day that ends some minutes ago.
pub fn traces() -> Vec<Vec<Value>> {
    let now = Timestamp::now();
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let mut traces = vec![
        fixture::support_agent(FAILED, ago(12)),
        mended(MENDED, ago(9)),
        coding_agent(CODING, ago(40)),
        fixture::running(RUNNING, now - 20.seconds()),
    ];
    traces.extend((0..72).map(|number| question(number, ago(30 + (number * number / 4) as i64))));
    traces.extend((0..4).map(|turn| of_session(turn, ago(26 - 2 * turn as i64))));
    for step in 0..3 {
        let began = ago(95 - 20 * step as i64);
        traces.extend((0..8).map(|sample| rollout_of_a_run(step, sample, began)));
    }
    traces
}

/// Changes what is said of a trace as a whole.
fn place(events: &mut [Value], user: &str, session: &str, conversation: &str, tags: &[&str]) {
    for event in events {
        if event["event_type"] == "trace.start" {
            event["context"] = json!({
                "user_id": user, "session_id": session, "conversation_id": conversation,
                "account_id": "acme-shop",
                "user_traits": { "plan": "pro", "locale": "en", "since": "2024-03-01" },
            });
            event["attributes"] = json!({ "tags": tags });
        }
    }
}

/// One question that is answered, by a model and a tool; some fail, some are given up.
fn question(number: usize, began: Timestamp) -> Vec<Value> {
    let (asked, answered, user) = QUESTIONS[number % QUESTIONS.len()];
    let (provider, model) = MODELS[number % MODELS.len()];
    let id = format!("{:032x}", 0x9e37_79b9_7f4a_7c15_u128 * (number as u128 + 3));
    let slow = 1 + (number * 7 % 13) as i64;
    let took = 700_000 * slow;
    let status = match number % 11 {
        4 => "error",
        7 => "cancelled",
        9 => "escalated",
        _ => "ok",
    };
    let input = 300 + 170 * (number as u64 % 17);
    let mut trace = Recorder::new(
        &id,
        "support_agent",
        began,
        &json!({ "user_message": asked }),
    );
    let failed = json!({ "type": "reqwest::Error", "message_preview": "connection reset by peer" });
    let error = if status == "error" {
        failed
    } else {
        Value::Null
    };
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "support_agent",
        took_us: Some(took),
        status,
        error: error.clone(),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name: "chat",
        at_us: 2_000,
        took_us: Some(took / 2),
        raw: chat(model, &[("user", asked)], answered),
        model: json!({ "provider": provider, "model": model }),
        usage: json!({ "input_tokens": input, "output_tokens": 90, "total_tokens": input + 90,
            "cost_usd": input as f64 * 4e-7 }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "tool",
        parent: Some("root"),
        kind: "tool",
        name: "lookup_order",
        at_us: took / 2 + 3_000,
        took_us: Some(took / 4),
        raw: json!({ "input": { "order_id": format!("A-{number}") }, "output": { "state": "on its way" } }),
        status: if status == "error" { "error" } else { "ok" },
        error: error.clone(),
        ..Span::default()
    });
    let output = if status == "ok" {
        json!(answered)
    } else {
        Value::Null
    };
    trace.end(took, status, &output, &error);
    let mut events = trace.into_events();
    let session = format!("sess_{:04x}", number / 3 * 977 + 4096);
    let tags: &[&str] = if number.is_multiple_of(5) {
        &["shop", "vip"]
    } else {
        &["shop"]
    };
    place(
        &mut events,
        user,
        &session,
        &session.replace("sess", "thread"),
        tags,
    );
    events
}

/// A turn of [`SESSION`].
fn of_session(turn: usize, began: Timestamp) -> Vec<Value> {
    let turns = [
        (
            "The kettle arrived broken. I want my money back.",
            "I am sorry! Is it order A-1, the steel kettle?",
        ),
        (
            "Yes, A-1.",
            "Thank you. May I send a new one instead of a refund?",
        ),
        (
            "No, the refund please.",
            "The refund needs a photo of the damage. Could you attach one?",
        ),
        (
            "Here it is.",
            "The refund of $12.99 is on its way; it takes three to five days.",
        ),
    ];
    let (asked, answered) = turns[turn];
    let id = format!("{:032x}", 0x5e55_1011_u128 + turn as u128);
    let mut trace = Recorder::new(
        &id,
        "support_agent",
        began,
        &json!({ "user_message": asked }),
    );
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "support_agent",
        took_us: Some(1_900_000),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name: "chat",
        at_us: 900,
        took_us: Some(1_700_000),
        raw: chat("claude-sonnet-4-5", &[("user", asked)], answered),
        model: json!({ "provider": "anthropic", "model": "claude-sonnet-4-5" }),
        usage: json!({ "input_tokens": 800 + 300 * turn, "output_tokens": 60, "total_tokens": 860 + 300 * turn,
            "cached_tokens": 300 * turn, "cost_usd": 0.0031 }),
        ..Span::default()
    });
    for (role, words) in [("user", asked), ("assistant", answered)] {
        trace.push(
            "message",
            1_000_000,
            json!({ "message": { "role": role, "content": words } }),
        );
    }
    if turn == 3 {
        trace.push(
            "feedback",
            1_800_000,
            json!({ "name": "helpful", "attributes": { "value": true } }),
        );
    }
    trace.end(1_900_000, "ok", &json!(answered), &Value::Null);
    let mut events = trace.into_events();
    place(
        &mut events,
        USER,
        SESSION,
        CONVERSATION,
        &["shop", "refund"],
    );
    events
}

/// The failing agent of the fixture once more, after a repair: other steps, other answers.
fn mended(trace_id: &str, began: Timestamp) -> Vec<Value> {
    let question = "Where is my order A-1? It was due on Tuesday.";
    let mut trace = Recorder::new(
        trace_id,
        "support_agent",
        began,
        &json!({ "user_message": question }),
    );
    let answer = "It is delayed. I have refunded the fee of $12.99.";
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "support_agent",
        took_us: Some(2_870_000),
        raw: json!({ "input": { "user_message": question }, "output": answer }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "plan",
        parent: Some("root"),
        kind: "task",
        name: "plan",
        at_us: 120,
        took_us: Some(640_000),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("plan"),
        kind: "llm",
        name: "chat",
        at_us: 300,
        took_us: Some(610_000),
        raw: chat("gpt-4.1", &[("system", "You are the support agent of a shop."), ("user", question)], "I look it up."),
        model: json!({ "provider": "openai", "model": "gpt-4.1" }),
        usage: json!({ "input_tokens": 1310, "output_tokens": 180, "total_tokens": 1490, "cost_usd": 0.00406 }),
        ..Span::default()
    });
    for (id, name, at_us, took, output) in [
        (
            "order",
            "lookup_order",
            650_000,
            190_000,
            json!({ "order": "A-1", "state": "delayed" }),
        ),
        (
            "stock",
            "check_stock",
            860_000,
            120_000,
            json!({ "kettle": 4 }),
        ),
        (
            "refund",
            "issue_refund",
            1_000_000,
            700_000,
            json!({ "refunded_cents": 1299 }),
        ),
    ] {
        trace.span(&Span {
            id,
            parent: Some("root"),
            kind: "tool",
            name,
            at_us,
            took_us: Some(took),
            raw: json!({ "input": { "order_id": "A-1" }, "output": output }),
            ..Span::default()
        });
    }
    trace.end(2_870_000, "ok", &json!(answer), &Value::Null);
    trace.into_events()
}

/// What a model was asked and said, as OpenAI writes it.
fn chat(model: &str, asked: &[(&str, &str)], answered: &str) -> Value {
    let messages = asked
        .iter()
        .map(|(role, words)| json!({ "role": role, "content": words }));
    json!({
        "input": { "model": model, "temperature": 0.2, "messages": messages.collect::<Vec<_>>() },
        "output": { "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": answered } }] },
    })
}

/// An agent that reads a repository, changes it and runs its tests, several times over.
fn coding_agent(trace_id: &str, began: Timestamp) -> Vec<Value> {
    let task = "`cargo test` fails in `crates/parser`: find out why, and repair it.\n\nDo **not** change the tests.";
    let mut trace = Recorder::new(trace_id, "coding_agent", began, &json!({ "task": task }));
    let length = 412_000_000;
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "coding_agent",
        took_us: Some(length),
        raw: json!({ "input": { "task": task }, "output": "The parser took `\\r` for a token. All 214 tests pass." }),
        ..Span::default()
    });
    let tools = [
        (
            "read_file",
            json!({ "path": "crates/parser/src/lexer.rs", "lines": [1, 120] }),
            json!(
                "pub fn next(&mut self) -> Option<Token> {\n    match self.bytes.next()? {\n        b'\\n' => Some(Token::Line),\n        byte => self.word(byte),\n    }\n}"
            ),
        ),
        (
            "search",
            json!({ "pattern": "Token::Line", "in": "crates" }),
            json!({ "hits": ["crates/parser/src/lexer.rs:41", "crates/parser/src/grammar.rs:208"] }),
        ),
        (
            "edit_file",
            json!({ "path": "crates/parser/src/lexer.rs", "old": "b'\\n' =>", "new": "b'\\r' | b'\\n' =>" }),
            json!("ok"),
        ),
        (
            "run_tests",
            json!({ "package": "parser" }),
            json!("test result: FAILED. 213 passed; 1 failed"),
        ),
    ];
    let mut history: Vec<Value> = vec![
        json!({ "role": "system", "content": "You repair programs. Think first, then call one tool at a time." }),
        json!({ "role": "user", "content": task }),
    ];
    for step in 0..24_usize {
        let at = 1_000_000 + step as i64 * 17_000_000;
        let (tool, arguments, result) = &tools[step % tools.len()];
        let call = format!("call_{step:02}");
        let (step_id, ask_id, tool_id) =
            (format!("p{step}"), format!("a{step}"), format!("t{step}"));
        let failed = *tool == "run_tests" && step < 20;
        trace.span(&Span {
            id: &step_id,
            parent: Some("root"),
            kind: "task",
            name: "step",
            at_us: at,
            took_us: Some(16_500_000),
            ..Span::default()
        });
        let said = json!({ "role": "assistant", "content": format!("Step {step}: let me see what `{tool}` says."),
            "tool_calls": [{ "id": call, "type": "function", "function": {
                "name": tool, "arguments": arguments.to_string() } }] });
        let input = json!({ "model": "gpt-4.1", "messages": history.clone() });
        let tokens = 900 + 610 * step;
        trace.span(&Span {
            id: &ask_id,
            parent: Some(&step_id),
            kind: "llm",
            name: "chat",
            at_us: at + 1_000,
            took_us: Some(6_000_000 + 150_000 * step as i64),
            raw: json!({ "input": input, "output": { "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": said }] } }),
            model: json!({ "provider": "openai", "model": "gpt-4.1" }),
            usage: json!({ "input_tokens": tokens, "output_tokens": 120, "total_tokens": tokens + 120,
                "cached_tokens": tokens / 2, "reasoning_tokens": 40, "cost_usd": tokens as f64 * 2e-6 }),
            ..Span::default()
        });
        trace.span(&Span {
            id: &tool_id,
            parent: Some(&step_id),
            kind: "tool",
            name: tool,
            at_us: at + 9_800_000,
            took_us: Some(if *tool == "run_tests" { 6_500_000 } else { 40_000 }),
            status: if failed { "error" } else { "" },
            raw: json!({ "input": arguments, "output": result }),
            error: if failed {
                json!({ "type": "TestsFailed", "message_preview": "1 of 214 tests failed: lexer::carriage_return" })
            } else {
                Value::Null
            },
            ..Span::default()
        });
        history.push(said);
        history
            .push(json!({ "role": "tool", "tool_call_id": call, "content": result.to_string() }));
    }
    trace.end(
        length,
        "ok",
        &json!("The parser took `\\r` for a token. All 214 tests pass."),
        &Value::Null,
    );
    let mut events = trace.into_events();
    place(
        &mut events,
        "dev_kim",
        "sess_repair",
        "thread_repair",
        &["coding", "nightly"],
    );
    events
}

/// A rollout of [`RUN`].
fn rollout_of_a_run(step: usize, sample: usize, began: Timestamp) -> Vec<Value> {
    let id = format!("{:032x}", 0x0110_0000_u128 + (step * 64 + sample) as u128);
    let mut trace = Recorder::new(
        &id,
        "solve_maze",
        began + SignedDuration::from_secs(sample as i64 * 20),
        &json!({ "level": "hard" }),
    );
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name: "solve_maze",
        took_us: Some(8_000_000),
        ..Span::default()
    });
    trace.span(&Span {
        id: "policy",
        parent: Some("root"),
        kind: "llm",
        name: "policy",
        at_us: 1_000,
        took_us: Some(5_000_000),
        model: json!({ "provider": "vllm", "model": "maze-7b" }),
        usage: json!({ "input_tokens": 2100, "output_tokens": 480, "total_tokens": 2580 }),
        ..Span::default()
    });
    let score = ((step * 3 + sample * 5) % 9) as f64 / 8.0;
    for (grader, value) in [("exact", score), ("format", 1.0)] {
        trace.push(
            "eval.result",
            7_900_000,
            json!({ "name": grader, "outcome": { "eval_score": value, "success": value > 0.5 } }),
        );
    }
    let status = match sample {
        6 => "TRUNCATED",
        7 => "GRADER_ERROR",
        _ => "COMPLETED",
    };
    trace.end(
        8_000_000,
        status,
        &json!("north, north, east"),
        &Value::Null,
    );
    let mut events = trace.into_events();
    let of_run = json!({
        "rollout.run.phase": "train", "rollout.run.step_number": step,
        "rollout.run.datapoint_id": format!("maze_{:03}", sample / 2), "rollout.run.env_name": "maze",
        "rollout.run.sample_index": sample % 2, "rollout.run.grader_name": "exact",
        "rollout.run.model_name": "maze-7b",
    });
    for event in &mut events {
        let kind = event["event_type"].as_str().unwrap_or_default().to_owned();
        if kind.starts_with("trace.") {
            event["links"] = json!({ "run_id": RUN });
            event["attributes"] = of_run.clone();
        }
        if kind == "trace.start" {
            event["context"] = Value::Null;
            event.as_object_mut().map(|event| event.remove("context"));
        }
    }
    events
}
