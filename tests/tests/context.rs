//! Which trace and span work belongs to: across tasks, threads, scopes and clients.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use futures::future::join_all;
use rollout::testing::{self, Captured};
use rollout::{
    Client, Ending, SpanEnd, SpanUpdate, SpoolKind, TraceId, TraceUpdate, TracedFuture as _,
    attributes, event,
};
use rollout_tests::events::{builder, flushed, in_memory, of_type, text, the};
use serde_json::{Value, json};

fn client() -> Client {
    testing::client().expect("inside a capture")
}

fn many_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The names of the spans around a span, from the nearest on.
fn ancestors(captured: &Captured, name: &str) -> Vec<String> {
    let starts: BTreeMap<&str, &Value> = captured
        .events
        .iter()
        .filter(|event| matches!(text(event, "/event_type"), "span.start" | "tool.call"))
        .map(|event| (text(event, "/span_id"), event))
        .collect();
    let mut names = Vec::new();
    let mut event = starts
        .values()
        .find(|event| event["name"] == name)
        .copied()
        .unwrap_or_else(|| panic!("no span {name}"));
    while let Some(parent) = event["parent_span_id"].as_str() {
        event = starts.get(parent).expect("the parent is in the trace");
        names.push(text(event, "/name").to_owned());
    }
    names
}

async fn leaf(name: String) {
    client()
        .span("task")
        .name(name)
        .in_scope_async(async |_| tokio::task::yield_now().await)
        .await;
}

#[test]
fn a_span_follows_its_future_to_other_tasks_and_threads() {
    let ((), captured) = testing::capture(|| {
        let future = client()
            .span("task")
            .name("outer")
            .in_scope_async(async |_| {
                let first = tokio::spawn(leaf("carried".into()).in_current_span());
                let second = rollout::spawn(leaf("spawned".into()));
                let third = rollout::spawn_thread(|| {
                    client().span("task").name("on a thread").in_scope(|_| ());
                });
                first.await.expect("the task ends");
                second.await.expect("the task ends");
                third.join().expect("the thread ends");
                leaf("awaited".into()).await;
            });
        // Made here, polled on whichever thread the runtime likes.
        let future = future.in_current_span();
        let runtime = many_threads();
        runtime
            .block_on(runtime.spawn(future))
            .expect("the task ends");
    });
    for name in ["carried", "spawned", "on a thread", "awaited"] {
        assert_eq!(ancestors(&captured, name), ["outer"], "{name}");
    }
    assert_eq!(captured.traces.len(), 1);
}

#[test]
fn what_is_not_carried_along_begins_a_trace_of_its_own() {
    let (client, memory) = in_memory(|builder| builder);
    client.clone().trace("outer").in_scope(|_| {
        let client = client.clone();
        std::thread::spawn(move || client.span("task").name("elsewhere").in_scope(|_| ()))
            .join()
            .expect("the thread ends");
    });
    let events = flushed(&client, &memory);
    let outer = text(the(&events, "trace.start", "outer"), "/trace_id");
    let elsewhere = the(&events, "span.start", "elsewhere");
    assert_ne!(text(elsewhere, "/trace_id"), outer);
    assert_eq!(elsewhere.get("parent_span_id"), None);
    assert_eq!(
        text(the(&events, "trace.start", "elsewhere"), "/trace_id"),
        text(elsewhere, "/trace_id")
    );
}

#[test]
fn futures_that_take_turns_on_one_thread_are_not_mixed_up() {
    let ((), captured) = testing::capture(|| {
        let branch = async |number: usize| {
            client()
                .span("task")
                .name(format!("branch {number}"))
                .in_scope_async(async |_| {
                    for step in 0..5 {
                        tokio::task::yield_now().await;
                        leaf(format!("leaf {number}.{step}")).await;
                    }
                })
                .await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(
            client()
                .span("task")
                .name("root")
                .in_scope_async(async |_| {
                    join_all((0..8).map(branch)).await;
                }),
        );
    });
    for number in 0..8 {
        for step in 0..5 {
            assert_eq!(
                ancestors(&captured, &format!("leaf {number}.{step}")),
                [format!("branch {number}"), "root".to_owned()]
            );
        }
    }
}

#[test]
fn what_is_dropped_before_its_end_is_cancelled() {
    let (client, memory) = in_memory(|builder| builder);
    {
        let future = client.trace("trace").in_scope_async(async |trace| {
            let tool = trace.tool("tool");
            tool.in_scope_async(async |_| std::future::pending::<()>().await)
                .await;
        });
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    let events = flushed(&client, &memory);
    for (event_type, name) in [("tool.result", "tool"), ("trace.end", "trace")] {
        let end = the(&events, event_type, name);
        assert_eq!(end["status"], "cancelled", "{name}");
        assert_eq!(end["outcome"]["success"], false);
    }
}

#[test]
fn after_a_panic_the_thread_is_where_it_was() {
    let ((), captured) = testing::capture(|| {
        client().span("task").name("outer").in_scope(|_| {
            let caught = std::panic::catch_unwind(|| {
                client()
                    .span("task")
                    .name("panics")
                    .in_scope(|_| -> () { std::panic::resume_unwind(Box::new("on purpose")) });
            });
            assert!(caught.is_err());
            client().span("task").name("after").in_scope(|_| ());
        });
    });
    assert_eq!(ancestors(&captured, "after"), ["outer"]);
    let panicked = captured.span("panics").expect("it was called");
    assert_eq!(panicked.status, "error");
    assert_eq!(
        panicked.error.as_ref().expect("it says why").error_type,
        "panic"
    );
    assert_eq!(captured.span("outer").expect("it was called").status, "ok");
}

#[test]
fn scopes_of_attributes_nest_and_merge() {
    let (client, memory) = in_memory(|builder| builder);
    attributes()
        .user_id("outer user")
        .session_id("outer session")
        .tags(["a", "b"])
        .metadata("kept", 1)
        .metadata("won", "outer")
        .in_scope(|| {
            client.trace("outer").in_scope(|_| ());
            attributes()
                .user_id("inner user")
                .conversation_id("inner conversation")
                .tags(["b", "c"])
                .metadata("won", "inner")
                .in_scope(|| client.trace("inner").in_scope(|_| ()));
            client.trace("again").in_scope(|_| ());
        });
    client.trace("outside").in_scope(|_| ());
    let events = flushed(&client, &memory);
    let start = |name| the(&events, "trace.start", name);
    assert_eq!(
        start("inner")["context"],
        json!({ "user_id": "inner user", "session_id": "outer session",
                "conversation_id": "inner conversation" })
    );
    assert_eq!(
        start("inner")["attributes"]["rollout.tags"],
        json!(["a", "b", "c"])
    );
    assert_eq!(
        start("inner")["attributes"]["rollout.metadata"],
        json!({ "kept": 1, "won": "inner" })
    );
    for name in ["outer", "again"] {
        assert_eq!(
            start(name)["context"],
            json!({ "user_id": "outer user", "session_id": "outer session" }),
            "{name}"
        );
        assert_eq!(
            start(name)["attributes"]["rollout.tags"],
            json!(["a", "b"]),
            "{name}"
        );
        assert_eq!(
            start(name)["attributes"]["rollout.metadata"],
            json!({ "kept": 1, "won": "outer" }),
            "{name}"
        );
    }
    assert_eq!(start("outside").get("context"), None);
    assert_eq!(start("outside")["attributes"].get("rollout.tags"), None);
}

#[test]
fn a_scope_of_attributes_follows_its_future() {
    let (client, memory) = in_memory(|builder| builder);
    let runtime = many_threads();
    let tasks = (0..8).map(|number| {
        let client = client.clone();
        let work = async move {
            tokio::task::yield_now().await;
            client.trace(format!("trace {number}")).in_scope(|_| ());
            rollout::spawn(async move {
                client.trace(format!("spawned {number}")).in_scope(|_| ());
            })
            .await
            .expect("the task ends");
        };
        runtime.spawn(work.with_attributes(rollout::user(format!("user {number}"))))
    });
    let tasks: Vec<_> = tasks.collect();
    for ended in runtime.block_on(join_all(tasks)) {
        ended.expect("the task ends");
    }
    let events = flushed(&client, &memory);
    for number in 0..8 {
        for name in ["trace", "spawned"] {
            let start = the(&events, "trace.start", &format!("{name} {number}"));
            assert_eq!(start["context"]["user_id"], format!("user {number}"));
        }
    }
}

#[test]
fn the_current_span_and_trace_are_updated_from_any_depth() {
    let (client, memory) = in_memory(|builder| builder);
    client.trace("trace").user_id("before").in_scope(|trace| {
        trace.span("task").name("outer").in_scope(|outer| {
            rollout::update_current_span(
                SpanUpdate::new()
                    .model("gpt-test")
                    .provider("openai")
                    .temperature(0.5)
                    .attribute("depth", 1)
                    .output("said in between"),
            );
            client.span("task").name("inner").in_scope(|inner| {
                assert_eq!(
                    rollout::current_span().and_then(|span| span.id()),
                    inner.id()
                );
                assert_eq!(
                    rollout::current_trace().and_then(|view| view.id()),
                    trace.id()
                );
                rollout::update_current_trace(
                    TraceUpdate::new()
                        .user_id("after")
                        .tag("late")
                        .metadata("plan", "pro"),
                );
            });
            assert_eq!(
                rollout::current_span().and_then(|span| span.id()),
                outer.id()
            );
        });
    });
    assert!(rollout::current_span().is_none());
    assert!(rollout::current_trace().is_none());
    let events = flushed(&client, &memory);
    let outer = the(&events, "span.start", "outer");
    let update = of_type(&events, "span.update")
        .into_iter()
        .find(|event| event["span_id"] == outer["span_id"])
        .expect("the update");
    assert_eq!(
        update["model"],
        json!({ "provider": "openai", "model": "gpt-test", "temperature": 0.5 })
    );
    assert_eq!(update["attributes"]["depth"], 1);
    assert_eq!(update["raw"]["output"], "said in between");
    assert_eq!(
        the(&events, "trace.start", "trace")["context"]["user_id"],
        "before"
    );
    let end = the(&events, "trace.end", "trace");
    assert_eq!(end["context"]["user_id"], "after");
    assert_eq!(end["attributes"]["rollout.trace.tags"], json!(["late"]));
    assert_eq!(
        end["attributes"]["rollout.trace.metadata"],
        json!({ "plan": "pro" })
    );
}

#[test]
fn outside_any_trace_updates_and_views_do_nothing() {
    rollout::update_current_span(SpanUpdate::new().model("none"));
    rollout::update_current_trace(TraceUpdate::new().tag("none"));
    rollout::feedback("none", &1);
    assert!(rollout::current_span().is_none());
}

#[test]
fn sequence_numbers_of_a_trace_are_unique_and_in_order() {
    const THREADS: usize = 4;
    let (client, memory) = in_memory(|builder| builder);
    let traces: Vec<_> = (0..3)
        .map(|number| client.trace(format!("trace {number}")).start())
        .collect();
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for round in 0..100 {
                    let span = traces[round % 3].span("task").start();
                    span.record_input(&round);
                    span.end();
                }
            });
        }
    });
    drop(traces);
    let events = flushed(&client, &memory);
    assert_eq!(events.len(), 3 * 2 + THREADS * 100 * 3);
    let mut by_trace: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in &events {
        by_trace
            .entry(text(event, "/trace_id"))
            .or_default()
            .push(event);
    }
    assert_eq!(by_trace.len(), 3);
    for events in by_trace.values() {
        let numbers: Vec<_> = events
            .iter()
            .filter_map(|event| event["sequence"].as_u64())
            .collect();
        assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
        let times = events.iter().map(|event| text(event, "/occurred_at"));
        assert!(times.is_sorted(), "order is order of time");
        // A cause stands before its effect.
        let mut open = BTreeSet::new();
        for event in events {
            match text(event, "/event_type") {
                "span.start" => assert!(open.insert(text(event, "/span_id"))),
                "span.update" => assert!(open.contains(text(event, "/span_id"))),
                "span.end" => assert!(open.remove(text(event, "/span_id"))),
                _ => {}
            }
        }
        assert!(open.is_empty());
    }
}

#[test]
fn two_clients_keep_to_themselves() {
    let (first, of_first) = in_memory(|builder| builder.agent_name("first"));
    let (second, of_second) = in_memory(|builder| builder.agent_name("second"));
    first.trace("of the first").in_scope(|outer| {
        second.trace("of the second").in_scope(|_| {
            // What is current decides, not which client was made last.
            rollout::current_trace()
                .expect("a trace")
                .span("task")
                .name("inside the second")
                .in_scope(|_| ());
        });
        outer.span("task").name("inside the first").in_scope(|_| ());
    });
    let of_first = flushed(&first, &of_first);
    let of_second = flushed(&second, &of_second);
    let names = |events: &[Value]| -> Vec<String> {
        of_type(events, "span.start")
            .into_iter()
            .map(|event| text(event, "/name").to_owned())
            .collect()
    };
    assert_eq!(names(&of_first), ["inside the first"]);
    assert_eq!(names(&of_second), ["inside the second"]);
    for (events, name) in [(&of_first, "first"), (&of_second, "second")] {
        assert_eq!(events.len(), 4, "{name}");
        assert!(events.iter().all(|event| event["agent"]["name"] == name));
    }
}

#[test]
fn a_client_that_is_off_records_nothing_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let client = builder()
        .enabled(false)
        .dir(dir.path())
        .build()
        .expect("a client");
    assert!(!client.is_enabled());
    let value = client.trace("trace").user_id("u").in_scope(|trace| {
        trace.message(event::Message::user("hello"));
        trace.feedback("score", &1);
        let call = trace.tool("tool").arguments(json!({ "a": 1 })).start();
        call.record_output(&"out");
        call.end();
        assert!(rollout::current_span().is_none());
        assert_eq!(trace.id(), None);
        trace.span("task").in_scope(|span| {
            assert!(!span.is_recording());
            42
        })
    });
    assert_eq!(value, 42);
    assert_eq!(client.stats().recorded, 0);
    assert!(client.blocking_flush(rollout_tests::DEADLINE).is_err());
    drop(client);
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("the folder").count(),
        0,
        "nothing is written"
    );
}

#[test]
fn after_shutdown_nothing_is_recorded_and_nothing_breaks() {
    let (client, memory) = in_memory(|builder| builder);
    let open = client.trace("open").start();
    let report = client
        .blocking_shutdown(rollout_tests::DEADLINE)
        .expect("a report");
    assert!(report.is_complete(), "{report:?}");
    open.span("task").name("late").in_scope(|_| ());
    open.end();
    client.trace("later").in_scope(|_| ());
    assert!(!client.is_enabled());
    assert!(client.blocking_shutdown(rollout_tests::DEADLINE).is_err());
    assert_eq!(memory.events().len(), 1);
}

/// The traces of `ids` that a client with this rate records feedback on.
fn sampled(rate: f64, ids: &[TraceId]) -> BTreeSet<String> {
    let (client, memory) = in_memory(|builder| builder.sample_rate(rate));
    for id in ids {
        client.feedback(*id, "seen", &true);
    }
    flushed(&client, &memory)
        .iter()
        .map(|event| text(event, "/trace_id").to_owned())
        .collect()
}

#[test]
fn sampling_goes_by_the_trace_id() {
    let ids: Vec<_> = (0..1000).map(|_| TraceId::random()).collect();
    let all = sampled(1.0, &ids);
    let half = sampled(0.5, &ids);
    assert_eq!(all.len(), ids.len());
    assert_eq!(sampled(0.0, &ids).len(), 0);
    // Fair, give or take six standard deviations.
    assert!((400..600).contains(&half.len()), "{}", half.len());
    assert_eq!(half, sampled(0.5, &ids), "every process decides alike");
    assert!(
        sampled(0.25, &ids).is_subset(&half),
        "a lower rate takes fewer of the same"
    );
}

#[test]
fn a_trace_is_sampled_with_all_that_is_in_it_or_not_at_all() {
    let (client, memory) = in_memory(|builder| builder.sample_rate(0.5));
    for _ in 0..200 {
        client.trace("trace").in_scope(|trace| {
            trace.span("task").in_scope(|_| {
                client.tool("tool").in_scope(|_| ());
            });
            trace.feedback("score", &1);
        });
    }
    // Without a trace, the implicit one decides for what is below it.
    for _ in 0..200 {
        client.span("task").name("root").in_scope(|_| {
            client.span("task").name("child").in_scope(|_| ());
        });
    }
    let mut by_trace: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in flushed(&client, &memory) {
        by_trace
            .entry(text(&event, "/trace_id").to_owned())
            .or_default()
            .push(text(&event, "/event_type").to_owned());
    }
    assert!((100..300).contains(&by_trace.len()), "{}", by_trace.len());
    for types in by_trace.values() {
        assert!(
            *types
                == [
                    "trace.start",
                    "span.start",
                    "tool.call",
                    "tool.result",
                    "span.end",
                    "feedback",
                    "trace.end"
                ]
                || *types
                    == [
                        "trace.start",
                        "span.start",
                        "span.start",
                        "span.end",
                        "span.end",
                        "trace.end"
                    ],
            "{types:?}"
        );
    }
}

#[test]
fn what_an_unsampled_trace_opens_elsewhere_is_not_recorded_either() {
    let (client, memory) = in_memory(|builder| builder.sample_rate(0.0).spool(SpoolKind::Memory));
    client.trace("trace").in_scope(|trace| {
        let thread = rollout::spawn_thread({
            let client = client.clone();
            move || client.span("task").in_scope(|_| ())
        });
        thread.join().expect("the thread ends");
        trace.span("task").in_scope(|_| ());
    });
    assert_eq!(flushed(&client, &memory), Vec::<Value>::new());
}

#[test]
fn what_is_said_later_goes_before_what_was_said_at_the_start() {
    let (client, memory) = in_memory(|builder| builder);
    let call = client.tool("a tool").start();
    call.update(SpanUpdate::new().name("the tool"));
    call.end_later(Ending::Done, 0, || {
        let update = SpanUpdate::new()
            .name("the tool")
            .tool_call_id("call_1")
            .input(json!({ "id": 1 }));
        let end = SpanEnd {
            error: Some("refused".to_owned()),
            error_type: Some("Refused".to_owned()),
            error_chain: vec!["by the shop".to_owned(), "which is closed".to_owned()],
            ..SpanEnd::default()
        };
        (update, end)
    });
    let events = flushed(&client, &memory);
    assert_eq!(of_type(&events, "span.update")[0]["name"], "the tool");
    let result = the(&events, "tool.result", "the tool");
    assert_eq!(result["tool"]["name"], "the tool");
    assert_eq!(result["tool"]["tool_call_id"], "call_1");
    assert_eq!(result["raw"]["arguments"], json!({ "id": 1 }));
    assert_eq!(result["error"]["message_preview"], "refused");
    assert_eq!(
        result["attributes"]["rollout.error.chain"],
        json!(["by the shop", "which is closed"])
    );
}
