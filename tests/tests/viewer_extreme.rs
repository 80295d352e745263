//! Pages of what nobody expects: long, deep, many, and in any script. They stay right, and stay small.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use jiff::Timestamp;
use rollout_tests::{
    browser::Page,
    fixture::{Recorder, Span},
    otlp,
    pages::{House, Place},
    server::TestServer,
};
use serde_json::{Value, json};

/// Says what is wrong with how a page is laid out.
const MEASURE: &str = include_str!("viewer_extreme/measure.js");

const SIZES: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// A name, a question and an answer in each script.
const SCRIPTS: &[(&str, &str, &str, &str)] = &[
    (
        "chinese",
        "客户支持代理",
        "订单什么时候到？我已经等了两个星期了，请尽快处理我的退款申请。",
        "很抱歉让您久等了，包裹预计明天中午之前送达。",
    ),
    (
        "arabic",
        "وكيل الدعم (A-1)",
        "أين طلبي رقم 4412 (A-1)؟ كان من المقرر أن يصل يوم الثلاثاء.",
        "طلبك A-1 في الطريق، وسيصل غدًا قبل الظهر!",
    ),
    (
        "hebrew",
        "סוכן תמיכה",
        "איפה ההזמנה שלי A-1?",
        "ההזמנה בדרך.",
    ),
    (
        "greek",
        "πράκτορας_υποστήριξης",
        "Πότε θα φτάσει η παραγγελία μου;",
        "Θα φτάσει αύριο το πρωί, πριν από το μεσημέρι.",
    ),
    (
        "emoji",
        "👩🏽‍💻🏳️‍🌈🇩🇪 agent",
        "👨‍👩‍👧‍👦 my 📦 is late 😞🇯🇵 1️⃣",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿 it is on its way 🚚💨",
    ),
    ("stacked", "z̸̡̛̗̪͎̈́̔͝a̷̢̛͍̗̪͎̔̈́͝l̶̨̛̗̪͎̔̈́͝g̵̨̛̗̪͎̈́̔͝o̴̡̗̪͎̔̈́͝", "ก็็็็็็็็็็็็็็็็็็็็ what?", "ﷺ ﷽ 𒐫𒈙꧅"),
];

/// A conversation in a script, with its words wherever words may stand.
fn conversation(id: &str, name: &str, asked: &str, answered: &str) -> Vec<Value> {
    let mut trace = Recorder::new(
        id,
        name,
        Timestamp::now(),
        &json!({ "user_message": asked }),
    );
    trace.span(&Span {
        id: "root",
        kind: "agent",
        name,
        took_us: Some(3_000_000),
        raw: json!({ "input": { name: asked }, "output": answered }),
        attributes: json!({ name: asked, "code.function.name": name, "code.file.path": format!("{name}.rs"),
            "code.line.number": 12 }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "ask",
        parent: Some("root"),
        kind: "llm",
        name,
        at_us: 1_000,
        took_us: Some(2_000_000),
        raw: json!({
            "input": { "messages": [{ "role": "system", "content": asked }, { "role": "user", "content": asked }] },
            "output": { "role": "assistant", "content": answered, "tool_calls": [
                { "id": name, "function": { "name": name, "arguments": json!({ name: asked }).to_string() } }] },
        }),
        model: json!({ "provider": name, "model": name }),
        usage: json!({ "input_tokens": 1240, "output_tokens": 210, "total_tokens": 1450 }),
        ..Span::default()
    });
    trace.span(&Span {
        id: "tool",
        parent: Some("root"),
        kind: "tool",
        name,
        at_us: 2_100_000,
        took_us: Some(100_000),
        status: "error",
        raw: json!({ "input": { name: [asked, answered] }, "output": answered }),
        error: json!({ "type": name, "message_preview": asked }),
        ..Span::default()
    });
    trace.push(
        "message",
        100,
        json!({ "message": { "role": "user", "content": asked } }),
    );
    trace.push(
        "message",
        200,
        json!({ "message": { "role": "assistant", "content": answered } }),
    );
    trace.push(
        "feedback",
        300,
        json!({ "name": name, "attributes": { "value": asked } }),
    );
    trace.push(
        "eval.result",
        400,
        json!({ "name": name, "outcome": { "eval_score": 0.5, "success": true } }),
    );
    trace.end(
        3_000_000,
        "error",
        &json!(answered),
        &json!({ "type": name, "message_preview": asked }),
    );
    let mut events = trace.into_events();
    for event in &mut events {
        if event["event_type"] == "trace.start" {
            event["context"] =
                json!({ "user_id": name, "session_id": name, "conversation_id": name });
            event["attributes"] = json!({ "tags": [name, "plain", name], "rollout.run.phase": "train",
                "rollout.run.step_number": 0, "rollout.run.datapoint_id": name, "rollout.run.env_name": name });
            event["links"] = json!({ "run_id": name });
        }
    }
    events
}

/// A span that has another in it, and so on.
fn deep(id: &str, levels: usize) -> Vec<Value> {
    let mut trace = Recorder::new(id, "deep", Timestamp::now(), &json!("down"));
    let ids: Vec<String> = (0..levels).map(|level| format!("d{level}")).collect();
    for (level, at) in (0..levels).zip(0_i64..) {
        trace.span(&Span {
            id: &ids[level],
            parent: level.checked_sub(1).map(|above| ids[above].as_str()),
            kind: ["agent", "task", "tool", "llm"][level % 4],
            name: "delegate_to_a_helper",
            at_us: at * 1_000,
            took_us: Some(1_000_000 - at * 10_000),
            model: if level % 4 == 3 {
                json!({ "provider": "openai", "model": "gpt-4.1-mini" })
            } else {
                Value::Null
            },
            status: if level == levels - 1 { "error" } else { "" },
            error: if level == levels - 1 {
                json!({ "type": "TooDeep", "message_preview": "enough" })
            } else {
                Value::Null
            },
            ..Span::default()
        });
    }
    trace.end(1_000_000, "ok", &Value::Null, &Value::Null);
    trace.into_events()
}

/// A call with as many messages, some of which call tools and some of which answer.
fn chat(id: &str, messages: usize) -> Vec<Value> {
    let turns: Vec<Value> = (0..messages)
        .map(|at| match at % 3 {
            0 => json!({ "role": "user", "content": format!("Question {at}: {}", "why? ".repeat(at % 40)) }),
            1 => json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": format!("call_{at}"),
                "type": "function", "function": { "name": "look_up", "arguments": format!("{{\"at\":{at},\"deep\":[1,2,{{\"x\":\"y\"}}]}}") } }] }),
            _ => json!({ "role": "tool", "tool_call_id": format!("call_{}", at - 1), "content": format!("{{\"found\":{at},\"rows\":[1,2,3]}}") }),
        })
        .collect();
    let mut trace = Recorder::new(id, "chat", Timestamp::now(), &json!("long"));
    trace.span(&Span {
        id: "root",
        kind: "llm",
        name: "chat",
        took_us: Some(1_000),
        raw: json!({ "input": { "model": "gpt-4.1", "messages": turns }, "output": { "role": "assistant", "content": "Done." } }),
        ..Span::default()
    });
    for at in 0..messages {
        trace.push(
            "message",
            1,
            json!({ "message": { "role": if at % 2 == 0 { "user" } else { "assistant" },
            "content": format!("Message {at} of many.") } }),
        );
    }
    trace.end(1_000, "ok", &json!("Done."), &Value::Null);
    trace.into_events()
}

/// An output of that many bytes, as text or as JSON.
fn large(id: &str, output: Value) -> Vec<Value> {
    let mut trace = Recorder::new(id, "large", Timestamp::now(), &json!("much"));
    trace.span(&Span {
        id: "root",
        kind: "tool",
        name: "large",
        took_us: Some(1_000),
        raw: json!({ "input": { "path": "log" }, "output": output }),
        ..Span::default()
    });
    trace.end(1_000, "ok", &json!("much"), &Value::Null);
    trace.into_events()
}

/// Everything at its bound, without a blank to break at.
fn wide(id: &str) -> Vec<Value> {
    let word = |length: usize| "W".repeat(length);
    let mut events = conversation(id, &word(200), &word(900), &word(5_000));
    for event in &mut events {
        if event["event_type"] == "trace.start" {
            event["context"] = json!({ "user_id": word(200), "session_id": word(200), "conversation_id": word(200), "account_id": word(200) });
            let tags: Vec<_> = (0..40).map(|at| format!("{at}{}", word(60))).collect();
            event["attributes"]["tags"] = json!(tags);
            event["name"] = json!(word(300));
        }
        if event["span_id"].is_string() {
            event["name"] = json!(word(200));
            if event["status"].is_string() {
                event["status"] = json!(word(80));
            }
        }
        // What runs and projects are called is another test's.
        event["model"] = Value::Null;
        event.as_object_mut().unwrap().remove("model");
    }
    events
}

/// Opens each page in both sizes and says all that is wrong.
#[track_caller]
fn right(page: &Page, places: &[Place]) {
    let mut found = Vec::new();
    for (width, height) in SIZES {
        page.size(width, height);
        for place in places {
            place.open(page);
            let mut add = |state: &str| {
                let faults = page.eval(MEASURE);
                let faults = faults.as_array().unwrap().iter();
                found.extend(faults.map(|fault| {
                    format!("{} {width}{state}: {}", place.name, fault.as_str().unwrap())
                }));
            };
            add("");
            page.picture(&format!("extreme-{}-{width}", place.name));
            page.eval("for (const fold of document.querySelectorAll('details:not(.menu)')) fold.open = true");
            add(" unfolded");
            assert_eq!(place.problems(page), [""; 0], "{}", place.name);
        }
    }
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn pages_of_everyday_are_right() {
    let Some(page) = Page::start() else { return };
    let house = House::open();
    right(&page, &house.places());
}

#[test]
fn every_script_is_right() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    for (id, name, asked, answered) in SCRIPTS {
        server.take(&conversation(id, name, asked, answered));
    }
    let mut places = vec![
        Place::plain(&server, "list", "/"),
        Place::plain(&server, "runs", "/runs"),
    ];
    for (id, ..) in SCRIPTS {
        places.push(Place::trace(&server, id, id));
        for span in ["root", "ask", "tool"] {
            places.push(Place::span(&server, id, id, span));
        }
    }
    for run in server.get_json("/api/v1/runs")["runs"].as_array().unwrap() {
        let run = run["run_id"].as_str().unwrap();
        let run: Vec<_> = run.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let run = run.concat();
        places.push(Place::plain(&server, "run", &format!("/runs/{run}")));
        places.push(Place::plain(
            &server,
            "datapoints",
            &format!("/runs/{run}/datapoints"),
        ));
    }
    right(&page, &places);

    // What is said begins on the side on which its script does.
    let place = Place::span(&server, "arabic", "arabic", "ask");
    page.size(1280, 800);
    place.open(&page);
    let sides = page.eval(
        "[...document.querySelectorAll('#pane .said .text')].filter((text) => /[\\u0600-\\u06ff]/.test(text.textContent))
            .map((text) => text.dir === 'auto' || getComputedStyle(text).unicodeBidi === 'plaintext')",
    );
    let sides = sides.as_array().unwrap();
    assert!(
        !sides.is_empty() && sides.iter().all(|side| *side == Value::Bool(true)),
        "{sides:?}"
    );
}

#[test]
fn the_longest_words_are_right() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&wide("wide"));
    let run = "W".repeat(200);
    let places = [
        Place::plain(&server, "list", "/"),
        Place::plain(&server, "list-filtered", &format!("/?filter=user%3A{run}")),
        Place::plain(
            &server,
            "list-with-error",
            &format!("/?filter={run}%3A{run}"),
        ),
        Place::plain(&server, "runs", "/runs"),
        Place::plain(&server, "run", &format!("/runs/{run}")),
        Place::plain(&server, "datapoints", &format!("/runs/{run}/datapoints")),
        Place::trace(&server, "trace", "wide"),
        Place::span(&server, "span-root", "wide", "root"),
        Place::span(&server, "span-ask", "wide", "ask"),
        Place::span(&server, "span-tool", "wide", "tool"),
    ];
    right(&page, &places);
}

#[test]
fn a_name_of_ten_thousand_characters() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let name = "a name that goes on ".repeat(500);
    let root = otlp::span(
        1,
        0,
        &name,
        &json!({ "gen_ai.conversation.id": name, "user.id": name, "input.value": name }),
    );
    let child = otlp::span(
        2,
        1,
        &"名".repeat(10_000),
        &json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": name }),
    );
    server.take_spans(&otlp::request(
        &json!({ "service.name": name }),
        vec![root, child],
    ));
    let id = server.trace_ids().remove(0);
    let places = [
        Place::plain(&server, "list", "/"),
        Place::trace(&server, "trace", &id),
    ];
    right(&page, &places);
    for span in server.spans(&id) {
        let span = span["span_id"].as_str().unwrap();
        let place = Place::plain(&server, "span", &format!("/traces/{id}?span={span}"));
        right(&page, &[place]);
    }
}

#[test]
fn sixty_levels_and_three_hundred_messages() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    server.take(&deep("deep", 60));
    server.take(&chat("chat", 300));
    let places = [
        Place::trace(&server, "deep", "deep"),
        Place::span(&server, "deepest", "deep", "d59"),
        Place::trace(&server, "messages", "chat"),
        Place::span(&server, "chat", "chat", "root"),
    ];
    right(&page, &places);
    // The deepest name can still be read.
    for (width, height) in SIZES {
        page.size(width, height);
        places[1].open(&page);
        let room = page.eval("document.querySelector('#tree .row[aria-selected=true] .label').getBoundingClientRect().width");
        assert!(
            room.as_f64().unwrap() > 24.0,
            "{width}: {room} pixels for a name"
        );
    }
}

#[test]
fn five_megabytes_of_output() {
    let Some(page) = Page::start() else { return };
    let server = TestServer::start();
    let line = "2026-11-27T11:50:39Z INFO worker: took a batch of 4096 events\n";
    server.take(&large("text", json!(line.repeat(5 << 20 >> 6))));
    let row = json!({ "id": 7, "name": "kettle", "price": 12.99, "tags": ["steel", "red"], "note": null });
    server.take(&large("json", json!(vec![row; 60_000])));
    server.take(&large("one-line", json!("A".repeat(5 << 20))));
    let places = [
        Place::plain(&server, "list", "/"),
        Place::span(&server, "text", "text", "root"),
        Place::span(&server, "json", "json", "root"),
        Place::span(&server, "one-line", "one-line", "root"),
    ];
    right(&page, &places);
}
