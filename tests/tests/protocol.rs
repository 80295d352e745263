//! What goes over the wire, against a schema of the ingest protocol: recorded requests of its first client, and what
//! ours sends for a program that uses everything.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use rollout::event::{EventBatchError, EventBatchResponse, EventType, Message, Usage};
use rollout::{
    Client, ExporterKind, SpanEnd, SpanUpdate, TraceEnd, TraceRef, TraceUpdate, agent, span, task,
    tool,
};
use rollout_tests::DEADLINE;
use rollout_tests::events::{builder, ids, of_type, text, the};
use rollout_tests::ingest::{Answer, IngestServer, Request};
use serde_json::{Value, json};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The schema of one definition: `batch`, `event`, `answer`.
fn schema(of: &str) -> Validator {
    let mut schema: Value =
        serde_json::from_str(&read("schema/events.schema.json")).expect("it is JSON");
    schema["$ref"] = json!(format!("#/$defs/{of}"));
    jsonschema::draft202012::new(&schema).expect("it is a schema")
}

#[track_caller]
fn validates(schema: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

#[test]
fn every_recorded_request_is_valid() {
    let schema = schema("batch");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire");
    let mut types = BTreeSet::new();
    let mut count = 0;
    for entry in fs::read_dir(dir).expect("the recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        let batch: Value = serde_json::from_str(&text).expect("JSON");
        validates(&schema, &batch, &path.display().to_string());
        types.extend(
            batch["events"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|event| event["event_type"].to_string()),
        );
        count += 1;
    }
    assert_eq!(count, 24);
    assert_eq!(types.len(), 20, "all types are among them: {types:?}");
}

/// The one recording that is documented as invalid.
#[test]
fn a_request_with_numbers_that_are_none_is_no_json() {
    let text = read("wire/non-finite.txt");
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let mended = text.replace("Infinity", "1e9").replace("NaN", "0.5");
    let batch = serde_json::from_str(&mended).expect("JSON");
    validates(&schema("batch"), &batch, "with numbers");
}

fn minimal() -> Value {
    json!({ "event_id": "e", "event_type": "metric", "trace_id": "t" })
}

#[test]
fn the_schema_is_as_strict_as_the_protocol() {
    let schema = schema("event");
    validates(&schema, &minimal(), "an event");
    let with = |pointer: &str, value: Value| {
        let mut event = minimal();
        let mut at = &mut event;
        for key in pointer.split('/') {
            at = &mut at[key];
        }
        *at = value;
        event
    };
    let sections = [
        "agent",
        "model",
        "tool",
        "usage",
        "outcome",
        "error",
        "context",
        "message",
        "integration",
        "links",
    ];
    let mut bad: Vec<Value> = sections
        .iter()
        .map(|section| with(&format!("{section}/more"), json!("than there is")))
        .collect();
    bad.extend([
        json!({ "event_type": "metric", "trace_id": "t" }),
        json!({ "event_id": "e", "trace_id": "t" }),
        json!({ "event_id": "e", "event_type": "metric" }),
        json!({ "event_id": "e", "event_type": "metric", "trace_id": "", "external_trace_id": "" }),
        with("event_type", json!("trace.begin")),
        with("event_id", json!("")),
        with("more", json!(1)),
        with("sequence", json!(0)),
        with("duration_ms", json!(-0.1)),
        with("name", json!(null)),
        with("name", json!("é".repeat(301))),
        with("occurred_at", json!("2026-11-21T02:00:00.123Z")),
        with("occurred_at", json!("yesterday")),
        with("attributes", json!([])),
        with("raw", json!("text")),
        with("usage/input_tokens", json!(1.5)),
        with("usage/cost_usd", json!(-1)),
        with("model/temperature", json!(null)),
        with("error/message_preview", json!("é".repeat(1001))),
        with("context/user_traits", json!("text")),
        with("message/is_internal", json!(1)),
    ]);
    for event in bad {
        assert!(!schema.is_valid(&event), "{event}");
    }
    for good in [
        with("name", json!("é".repeat(300))),
        with("error/message_preview", json!("é".repeat(1000))),
        with("message/content", json!(null)),
        with("occurred_at", json!("2024-06-01T12:00:00.000001+02:00")),
        with("occurred_at", json!("2024-06-01T12:00:00")),
        with("raw/anything", json!([null, { "a": [1e300] }])),
    ] {
        validates(&schema, &good, "a good event");
    }
}

#[test]
fn an_answer_is_exactly_the_protocols() {
    let schema = schema("answer");
    let answer = EventBatchResponse {
        accepted: 2,
        rejected: 1,
        retryable: false,
        errors: vec![EventBatchError {
            index: 1,
            code: "invalid".into(),
            message: "no".into(),
        }],
    };
    let answer = serde_json::to_value(answer).expect("it can be serialized");
    validates(&schema, &answer, "an answer");
    for (pointer, value) in [
        ("/more", json!(1)),
        ("/errors/0/event_id", json!("e")),
        ("/accepted", json!(1.5)),
        ("/retryable", json!(null)),
    ] {
        let mut bad = answer.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        bad.pointer_mut(parent).expect("it is there")[key] = value;
        assert!(!schema.is_valid(&bad), "{bad}");
    }
}

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&"é".repeat(3000))
    }
}

impl std::error::Error for Refused {}

#[tool(tool_call_id = "call_1", tags = ["t"], attributes("dotted.key" = number))]
fn issue_refund(number: u32) -> Result<u32, Refused> {
    if number == 0 {
        Err(Refused)
    } else {
        Ok(number)
    }
}

#[span(type = "retrieval")]
fn retrieve(query: &str) -> Vec<f64> {
    vec![f64::from(u32::try_from(query.len()).unwrap_or(0)), f64::NAN]
}

#[task]
fn resolve(text: &str) -> usize {
    let _ = retrieve(text);
    let _ = issue_refund(0);
    let _ = issue_refund(7);
    text.len()
}

#[agent(user_id = "cus_1", session_id = Some("s"), conversation_id = None::<&str>)]
fn support(text: String) -> Result<String, Refused> {
    resolve(&text);
    rollout::update_current_span(
        SpanUpdate::new()
            .name("renamed")
            .model("m")
            .temperature(f64::NAN)
            .usage(Usage {
                input_tokens: Some(1),
                cost_usd: Some(f64::INFINITY),
                ..Usage::default()
            }),
    );
    rollout::update_current_trace(TraceUpdate::new().user_id("cus_2").tag("late"));
    Ok(text)
}

/// What the first client's recordings do, and whatever else there is.
fn program(client: &Client) {
    let trace = client
        .trace("desk")
        .user_id("cus_123")
        .session_id("s")
        .conversation_id("thread_123")
        .external_trace_id("ticket 7")
        .tags(["a", "b"])
        .metadata("plan", "pro")
        .attribute("score", f64::NEG_INFINITY)
        .input(json!({ "text": "Where is my order?" }))
        .start();
    trace.in_scope(|| {
        let _ = support("x".repeat(100_000));
    });
    trace.message(Message::system("be kind"));
    trace.message(Message::user("Where is my order?"));
    trace.message(Message::assistant("Here.").internal());
    trace.message(Message::tool("call_1", "shipped"));
    model_call(trace.llm("answer"));
    client.span("task").in_scope(|_| ());
    trace.feedback("thumbs", &true);
    trace.signal("copied", &json!({ "characters": 12, "ratio": f64::NAN }));
    trace.identify_user("cus_123", &json!({ "plan": "pro" }));
    trace.identify_user("cus_123", &"no map");
    trace.update(
        TraceUpdate::new()
            .metadata("late", 1)
            .external_trace_id("ticket 8"),
    );
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        trace.span("task").name("panics").in_scope(|_| -> () {
            std::panic::resume_unwind(Box::new("on purpose"));
        });
    }));
    assert!(panics.is_err());
    trace.end_with(TraceEnd {
        output: Some(json!("done")),
        status: Some("solved".into()),
        error: None,
    });
    let id = trace.id().expect("it is recorded");
    client.feedback(id, "late", &5);
    client.feedback(TraceRef::External("ticket 7".into()), "by their id", &5);
    client.identify_user("cus_9", &json!({}));
    client.capture_event(
        EventType::Metric,
        &json!({ "external_trace_id": "ticket 9", "name": "m", "attributes": { "value": 1 } }),
    );
}

fn model_call(llm: rollout::SpanBuilder) {
    let call = llm
        .model("gpt-test")
        .provider("openai")
        .stream(true)
        .input(json!([{ "role": "user", "content": "hi" }]))
        .start();
    for chunk in ["It ", "has ", "shipped."] {
        call.record_chunk(chunk);
    }
    let mut usage = Usage {
        input_tokens: Some(10),
        output_tokens: Some(3),
        cached_tokens: Some(2),
        cache_creation_tokens: Some(4),
        reasoning_tokens: Some(1),
        total_tokens: Some(13),
        cost_usd: Some(0.25),
        ..Usage::default()
    };
    usage.extra.insert("audio_tokens".into(), 5.into());
    call.set_usage(usage);
    call.end_with(SpanEnd::default());
}

/// Texts that are longer than any limit.
fn longest(client: &Client) {
    let long = "é".repeat(2000);
    let trace = client
        .trace(long.clone())
        .user_id(long.clone())
        .session_id(long.clone())
        .conversation_id(long.clone())
        .external_trace_id(long.clone())
        .tag(long.clone())
        .metadata(long.clone(), &long)
        .attribute(long.clone(), &long)
        .start();
    trace.message(Message::text(long.clone(), &long));
    trace.message(Message::tool(long.clone(), &long));
    trace.feedback(&long, &long);
    trace.signal(&long, &long);
    trace.identify_user(&long, &json!({ long.as_str(): long }));
    let span = trace
        .span(long.clone())
        .name(long.clone())
        .model(long.clone())
        .provider(long.clone())
        .start();
    span.update(SpanUpdate::new().name(long.clone()).model(long.clone()));
    span.end_with(SpanEnd {
        status: Some(long.clone()),
        error: Some(long.clone()),
        ..SpanEnd::default()
    });
    trace
        .tool(long.clone())
        .tool_call_id(long.clone())
        .start()
        .end();
    trace.end_with(TraceEnd {
        status: Some(long.clone()),
        error: Some(long.clone()),
        output: Some(json!(long)),
    });
    client.feedback(TraceRef::External(long.clone()), &long, &long);
    client.identify_user(&long, &json!({}));
}

/// Events by hand that the protocol does not allow as they stand.
fn by_hand(client: &Client) {
    let long = "é".repeat(2000);
    let wrong = json!({
        "event_id": 5,
        "event_type": "nonsense",
        "trace_id": ["not a trace"],
        "span_id": long,
        "sequence": -1,
        "occurred_at": "yesterday",
        "duration_ms": -5,
        "name": long,
        "status": null,
        "started_at": "2024-06-01T12:00:00.123Z",
        "attributes": "text",
        "raw": [1],
        "model": { "temperature": f64::NAN, "model": long, "more": 1 },
        "usage": { "input_tokens": 1.5, "output_tokens": 2, "cost_usd": -1, "more": {} },
        "outcome": { "success": "yes", "eval_score": 0.5 },
        "error": { "message_preview": long },
        "context": { "user_id": "of this event", "user_traits": [1] },
        "message": { "content": null, "index": -1, "role": "user" },
        "links": { "run_id": long },
        "integration": null,
        "agent": { "name": long, "more": 1 },
        "unknown": { "kept": "somewhere" },
    });
    client.trace("by hand").in_scope(|_| {
        for event_type in EventType::ALL {
            client.capture_event(*event_type, &json!({ "name": "bare" }));
            client.capture_event(*event_type, &wrong);
        }
        client.capture_event(EventType::Error, "no map at all");
        client.capture_event(EventType::Error, &());
    });
    // Outside a trace, with nothing that it belongs to.
    client.capture_event(EventType::Metric, &json!({ "name": "lost" }));
    client.capture_event(
        EventType::Metric,
        &json!({ "external_trace_id": "", "name": "lost" }),
    );
    client.feedback(TraceRef::External(String::new()), "lost", &1);
}

/// All requests of a client that runs a program, and how many events were lost.
fn sent(run: impl FnOnce(&Client)) -> (Vec<Request>, u64) {
    let server = IngestServer::start(Answer::Accept);
    let dir = tempfile::tempdir().expect("a folder");
    let client = builder()
        .dir(dir.path())
        .endpoint(server.url())
        .exporters([ExporterKind::Http])
        .agent_id("i".repeat(200))
        .agent_name("support")
        .agent_version("1")
        .deployment("d")
        .environment("test")
        .service_name("desk")
        .release("r")
        .build()
        .expect("a client");
    run(&client);
    let report = client.blocking_flush(DEADLINE).expect("a report");
    assert_eq!(report.spooled, 0, "{report:?}");
    (server.requests(), report.lost)
}

fn events(requests: &[Request]) -> Vec<Value> {
    requests
        .iter()
        .flat_map(|request| request.batch["events"].as_array().into_iter().flatten())
        .cloned()
        .collect()
}

#[test]
fn all_that_we_send_is_valid() {
    let schema = schema("batch");
    for (what, run, homeless) in [
        ("program", program as fn(&Client), 0),
        ("longest", longest, 0),
        ("by hand", by_hand, 3),
    ] {
        let (requests, lost) = sent(run);
        assert!(!requests.is_empty());
        assert_eq!(lost, homeless, "{what}");
        for request in &requests {
            validates(&schema, &request.batch, what);
        }
        let events = events(&requests);
        assert!(ids(&events).values().all(|count| *count == 1), "{what}");
    }
}

#[test]
fn the_envelope_says_who_sends() {
    let (requests, _) = sent(program);
    let mut batches = BTreeSet::new();
    for Request { headers, batch, .. } in &requests {
        assert_eq!(batch["source"], "sdk_rust");
        assert_eq!(
            batch["sdk"],
            json!({ "name": "rollout", "version": env!("CARGO_PKG_VERSION"), "language": "rust" })
        );
        assert_eq!(batch["schema_version"], "1.0");
        assert!(batches.insert(text(batch, "/batch_id")));
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("accept", "application/json"),
        ] {
            assert!(headers.contains(&(name.to_owned(), value.to_owned())));
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

#[test]
fn what_is_ours_rides_where_the_protocol_has_room() {
    let (requests, _) = sent(program);
    let events = events(&requests);
    for event in &events {
        assert!(
            event["trace_id"].is_null() || is_hex(text(event, "/trace_id"), 32),
            "{event}"
        );
        for id in ["span_id", "parent_span_id"] {
            let id = &event[id];
            assert!(id.is_null() || id.as_str().is_some_and(|id| is_hex(id, 16)));
        }
        assert_eq!(event["agent"]["name"], "support");
        assert_eq!(event["attributes"]["service_name"], "desk");
        assert_eq!(event["attributes"]["release"], "r");
        assert!(
            event["attributes"]["rollout.ns"]
                .as_u64()
                .is_some_and(|nanos| nanos < 1000)
        );
        let ended = event.get("ended_at");
        assert!(ended.is_none_or(|ended| *ended == event["occurred_at"]));
    }
    // The agent opened a trace of its own inside the one by hand.
    let agent = events
        .iter()
        .find(|event| event["span_type"] == "agent" && event["event_type"] == "span.start")
        .expect("the agent");
    let starts = of_type(&events, "trace.start");
    let outer = starts
        .iter()
        .find(|event| event["external_trace_id"] == "ticket 7")
        .expect("the outer trace");
    let inner = starts
        .iter()
        .find(|event| event["trace_id"] == agent["trace_id"])
        .expect("the inner trace");
    assert_eq!(
        inner["attributes"]["rollout.link.trace_id"],
        outer["trace_id"]
    );
    assert_eq!(
        outer["attributes"]["vcs.repository.url.full"],
        "https://example.test/repository"
    );
    assert_eq!(inner["raw"]["input"], agent["raw"]["input"]);
    for key in ["code.file.path", "code.line.number", "code.function.name"] {
        assert!(!agent["attributes"][key].is_null(), "{key}");
    }
    assert!(agent["attributes"]["rollout.truncated"]["input"].is_u64());
    // A tool call is a span of its own, told by a pair.
    let calls = of_type(&events, "tool.call");
    let results = of_type(&events, "tool.result");
    assert_eq!((calls.len(), results.len()), (2, 2));
    for (call, result) in calls.iter().zip(&results) {
        assert_eq!(call["span_id"], result["span_id"]);
        assert_eq!(call["tool"]["tool_call_id"], "call_1");
        assert_eq!(result["tool"]["tool_call_id"], "call_1");
        assert_eq!(call["tool"]["status"], "started");
        assert_eq!(call["attributes"]["rollout.tags"], json!(["t"]));
    }
    let failed = results[0];
    assert_eq!(failed["status"], "error");
    assert_eq!(failed["outcome"]["success"], false);
    assert!(text(failed, "/error/type").ends_with("Refused"));
    assert_eq!(text(failed, "/error/message_preview").chars().count(), 1000);
    assert_eq!(results[1]["raw"]["result"], 7);
    // A model call: what it streamed is told once, with the end of the stream.
    let stream = the(&events, "llm.stream_end", "answer");
    assert_eq!(stream["raw"]["output"], "It has shipped.");
    assert_eq!(stream["attributes"]["chunk_count"], 3);
    let answer = the(&events, "span.end", "answer");
    assert_eq!(answer.get("raw"), None);
    assert_eq!(
        answer["usage"],
        json!({ "input_tokens": 10, "output_tokens": 3, "cached_tokens": 2,
                "reasoning_tokens": 1, "total_tokens": 13, "cost_usd": 0.25 })
    );
    assert_eq!(
        answer["attributes"]["rollout.usage.cache_creation_tokens"],
        4
    );
    assert_eq!(answer["attributes"]["rollout.usage.audio_tokens"], 5);
    let end = the(&events, "trace.end", "desk");
    assert_eq!(
        (text(end, "/status"), &end["raw"]["output"]),
        ("solved", &json!("done"))
    );
}

#[test]
fn what_a_program_says_by_hand_is_kept_as_far_as_it_fits() {
    let (requests, _) = sent(by_hand);
    let events = events(&requests);
    for event_type in EventType::ALL {
        let event = of_type(&events, event_type.as_str())
            .into_iter()
            .find(|event| event["outcome"]["eval_score"] == 0.5)
            .expect("the event");
        assert_eq!(text(event, "/name").chars().count(), 300);
        assert_eq!(event["started_at"], "2024-06-01T12:00:00.123000Z");
        assert_eq!(event["usage"], json!({ "output_tokens": 2 }));
        let attributes = &event["attributes"];
        assert_eq!(attributes["unknown"], json!({ "kept": "somewhere" }));
        assert_eq!(attributes["usage.input_tokens"], 1.5);
        assert_eq!(attributes["duration_ms"], -5);
        assert_eq!(attributes["attributes"], "text");
    }
    let lone = of_type(&events, "error");
    assert!(
        lone.iter()
            .any(|event| event["attributes"]["value"] == "no map at all")
    );
}
