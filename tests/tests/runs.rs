//! Rollouts: what they are of, how they end, what is said in them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so and fails"
)]

use std::sync::{Arc, Barrier};

use futures::FutureExt as _;
use futures::future::join_all;
use rollout::event::Message;
use rollout::run::{self, Phase, Rollout, RunMeta, Score, Status, trace_run};
use rollout::testing::{self, Captured, CapturedTrace};
use rollout::{ConfigError, SpanUpdate, TraceId, TracedFuture as _, Usage};
use rollout_tests::events::{flushed, in_memory, of_type};
use serde_json::{Value, json};

fn meta() -> RunMeta {
    RunMeta::new("datapoint-1", Phase::Eval)
}

/// The events of one rollout.
fn recorded(body: impl FnOnce(&Rollout)) -> Captured {
    let ((), captured) = testing::capture(|| {
        trace_run(meta()).expect("a rollout").in_scope(body);
    });
    captured
}

fn only(captured: &Captured) -> &CapturedTrace {
    assert_eq!(captured.traces.len(), 1, "{}", captured.tree());
    &captured.traces[0]
}

#[track_caller]
fn the<'a>(captured: &'a Captured, kind: &str) -> &'a Value {
    let mut found = captured
        .events
        .iter()
        .filter(|event| event["event_type"] == kind);
    let event = found
        .next()
        .unwrap_or_else(|| panic!("no {kind}: {:#?}", captured.events));
    assert_eq!(found.next(), None, "one {kind}");
    event
}

/// Role, turn and place of all messages.
fn places(captured: &Captured) -> Vec<(String, u64, u64)> {
    of_type(&captured.events, "message")
        .iter()
        .map(|event| {
            let number = |name: &str| event["attributes"][name].as_u64().expect("a number");
            let role = event["message"]["role"].as_str().expect("a role");
            (
                role.to_owned(),
                number("rollout.turn_index"),
                number("rollout.intra_index"),
            )
        })
        .collect()
}

fn say(rollout: &Rollout, roles: &[&str]) {
    for role in roles {
        rollout.log(Message::text(*role, "…"));
    }
}

#[track_caller]
fn assert_places(body: impl FnOnce(&Rollout), expected: &[(&str, u64, u64)]) {
    let places = places(&recorded(body));
    let places: Vec<_> = places
        .iter()
        .map(|(role, turn, intra)| (role.as_str(), *turn, *intra))
        .collect();
    assert_eq!(places, expected);
}

#[test]
fn a_rollout_says_what_it_is_of() {
    let id = TraceId::random();
    let ((), captured) = testing::capture(|| {
        let meta = RunMeta::new("gsm8k/117", Phase::Train)
            .run_id("grpo-3")
            .step_number(12)
            .env_name("calculator")
            .model_name("policy-7b")
            .grader_name("exact")
            .group_id("g1")
            .sample_index(4)
            .trace_id(id);
        let given = trace_run(meta).expect("a rollout").in_scope(|rollout| {
            assert_eq!(rollout.run_id(), Some("grpo-3"));
            rollout.trace_id().map(|id| id.to_string())
        });
        assert_eq!(given, Some(id.to_string()));
    });
    let (start, end) = (the(&captured, "trace.start"), the(&captured, "trace.end"));
    for event in [start, end] {
        assert_eq!(event["trace_id"], id.to_string());
        assert_eq!(event["name"], "calculator");
        assert_eq!(
            event["links"],
            json!({ "run_id": "grpo-3", "rollout_id": id.to_string() })
        );
        let attributes = &event["attributes"];
        assert_eq!(attributes["rollout.run.phase"], "train");
        assert_eq!(attributes["rollout.run.datapoint_id"], "gsm8k/117");
        assert_eq!(attributes["rollout.run.step_number"], 12);
        assert_eq!(attributes["rollout.run.env_name"], "calculator");
        assert_eq!(attributes["rollout.run.model_name"], "policy-7b");
        assert_eq!(attributes["rollout.run.grader_name"], "exact");
        assert_eq!(attributes["rollout.run.group_id"], "g1");
        assert_eq!(attributes["rollout.run.sample_index"], 4);
    }
    // The root span is the rollout; what it is of stands with the trace alone.
    let root = &only(&captured).spans[0];
    assert_eq!(
        (root.span_type.as_str(), root.name.as_str()),
        ("rollout", "calculator")
    );
    let of_span = the(&captured, "span.end")["attributes"]
        .as_object()
        .expect("attributes");
    let told = of_span.keys().find(|key| key.starts_with("rollout.run."));
    assert_eq!(told, None);
}

#[test]
fn what_is_optional_is_left_out() {
    let captured = recorded(|_| ());
    let start = the(&captured, "trace.start");
    assert_eq!(start["name"], "rollout");
    assert_eq!(start["links"].get("run_id"), None);
    let attributes = start["attributes"].as_object().expect("attributes");
    let told: Vec<_> = attributes
        .keys()
        .filter(|key| key.starts_with("rollout.run."))
        .collect();
    assert_eq!(told, ["rollout.run.datapoint_id", "rollout.run.phase"]);
}

#[test]
fn in_prod_the_run_is_the_project() {
    let refused = |meta: RunMeta, project: Option<&str>| -> Option<ConfigError> {
        let (client, _memory) = in_memory(|builder| match project {
            Some(project) => builder.project(project),
            None => builder,
        });
        client.trace_run(meta).err()
    };
    let prod = || RunMeta::new("request-1", Phase::Prod);
    assert_eq!(refused(prod().run_id("shop"), Some("shop")), None);
    let foreign = refused(prod().run_id("eval-7"), Some("shop")).expect("it is refused");
    assert_eq!(foreign.setting(), "RunMeta: run_id");
    assert_eq!(foreign.value(), Some("eval-7"));
    assert!(foreign.problem().contains("\"shop\""), "{foreign}");
    let unknown = refused(prod().run_id("eval-7"), None).expect("it is refused");
    assert!(unknown.problem().contains("ROLLOUT_PROJECT"), "{unknown}");
    // A step is refused whatever the run.
    let step = refused(prod().step_number(3), Some("shop")).expect("it is refused");
    assert_eq!(step.setting(), "RunMeta: step_number");
    assert_eq!(step.value(), Some("3"));
    // And elsewhere, neither is.
    let train = RunMeta::new("d", Phase::Train).run_id("any").step_number(3);
    assert_eq!(refused(train, Some("shop")), None);
    let blank = refused(RunMeta::new(" ", Phase::Eval), None).expect("it is refused");
    assert_eq!(blank.setting(), "RunMeta: datapoint_id");
}

#[test]
fn the_project_is_the_service_else_the_agent() {
    let run_of = |client: &rollout::Client, phase: Phase| {
        let rollout = client.trace_run(RunMeta::new("d", phase)).expect("one");
        rollout.start().run_id().map(str::to_owned)
    };
    let (client, _memory) = in_memory(|builder| builder.agent_name("clerk"));
    assert_eq!(run_of(&client, Phase::Prod).as_deref(), Some("clerk"));
    let (client, _memory) = in_memory(|b| b.agent_name("clerk").service_name("desk"));
    assert_eq!(run_of(&client, Phase::Prod).as_deref(), Some("desk"));
    let (client, _memory) = in_memory(|b| b.service_name("desk").project("shop"));
    assert_eq!(run_of(&client, Phase::Prod).as_deref(), Some("shop"));
    assert_eq!(run_of(&client, Phase::Eval), None);
    let (client, _memory) = in_memory(|b| b.run_id("eval-7").phase(Phase::Eval));
    assert_eq!(run_of(&client, Phase::Eval).as_deref(), Some("eval-7"));
    let refused = client.trace_run(RunMeta::new("d", Phase::Prod));
    assert!(refused.is_err(), "its run is not the project");
}

#[test]
fn each_status_is_what_it_was_set_to() {
    for status in Status::ALL {
        let captured = recorded(|rollout| rollout.set_status(status, "because"));
        let end = the(&captured, "trace.end");
        assert_eq!(end["status"], status.as_str());
        assert_eq!(end["outcome"]["status"], status.as_str());
        assert_eq!(end["outcome"]["success"], status == Status::Completed);
        assert_eq!(the(&captured, "span.end")["status"], status.as_str());
        if status.is_error() {
            assert_eq!(
                end["error"],
                json!({ "type": status.as_str(), "message_preview": "because" })
            );
        } else {
            assert_eq!(end.get("error"), None);
            assert_eq!(end["attributes"]["rollout.run.message"], "because");
        }
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    assert!("completed".parse::<Status>().is_err());
}

#[test]
fn a_status_needs_no_message_and_the_last_one_counts() {
    let captured = recorded(|rollout| {
        rollout.set_status(Status::GraderError, "not this");
        rollout.set_status(Status::Truncated, None);
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "TRUNCATED");
    assert_eq!(end["attributes"].get("rollout.run.message"), None);
    let captured = recorded(|rollout| rollout.set_status(Status::ToolError, None));
    assert_eq!(
        the(&captured, "trace.end")["error"],
        json!({ "type": "TOOL_ERROR" })
    );
}

#[test]
fn without_a_status_it_is_completed_or_failed() {
    let captured = recorded(|_| ());
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "COMPLETED");
    assert_eq!(end["outcome"]["success"], true);

    let (result, captured) = testing::capture(|| {
        let rollout = trace_run(meta()).expect("a rollout");
        rollout.in_scope(|_| "x".parse::<u8>())
    });
    assert!(result.is_err());
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "ERROR");
    assert_eq!(end["outcome"]["success"], false);
    assert!(
        end["error"]["type"]
            .as_str()
            .expect("a type")
            .contains("ParseIntError")
    );
    assert_eq!(
        end["error"]["message_preview"],
        "invalid digit found in string"
    );

    // What was set stays, and the error is seen.
    let (_, captured) = testing::capture(|| {
        let rollout = trace_run(meta()).expect("a rollout");
        rollout.in_scope(|rollout| {
            rollout.set_status(Status::StepError, "the board is gone");
            "x".parse::<u8>()
        })
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "STEP_ERROR");
    assert_eq!(end["error"]["message_preview"], "the board is gone");
}

#[test]
fn a_panic_is_an_error() {
    let (_, captured) = testing::capture(|| {
        std::panic::catch_unwind(|| {
            let rollout = trace_run(meta()).expect("a rollout");
            rollout.in_scope(|rollout| {
                if rollout.turn_index() == 0 {
                    std::panic::resume_unwind(Box::new("gone"));
                }
            });
        })
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "ERROR");
    assert_eq!(end["error"]["type"], "panic");
}

#[test]
fn a_rollout_that_is_cancelled_is_aborted() {
    let ((), captured) = testing::capture(|| {
        let rollout = trace_run(meta()).expect("a rollout");
        let mut future = Box::pin(rollout.in_scope_async(async |rollout| {
            rollout.log(Message::user("…"));
            std::future::pending::<()>().await;
        }));
        assert_eq!(future.as_mut().now_or_never(), None);
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "ABORTED");
    assert_eq!(end["outcome"]["success"], false);
    assert_eq!(end.get("error"), None);
    assert_eq!(end["attributes"]["rollout.run.messages"], 1);

    // One that said how it ends before keeps that.
    let ((), captured) = testing::capture(|| {
        let rollout = trace_run(meta()).expect("a rollout");
        let mut future = Box::pin(rollout.in_scope_async(async |rollout| {
            rollout.set_status(Status::Truncated, "out of time");
            std::future::pending::<()>().await;
        }));
        assert_eq!(future.as_mut().now_or_never(), None);
    });
    assert_eq!(the(&captured, "trace.end")["status"], "TRUNCATED");
}

#[test]
fn a_handle_ends_once() {
    let ((), captured) = testing::capture(|| {
        let rollout = trace_run(meta()).expect("a rollout").start();
        rollout.record_output(&"done");
        rollout.end();
        rollout.set_status(Status::Aborted, None);
        rollout.end();
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "COMPLETED");
    assert_eq!(end["raw"]["output"], "done");
}

#[test]
fn what_was_asked_and_answered_is_a_turn() {
    assert_places(
        |rollout| {
            say(rollout, &["system", "user", "assistant"]);
            say(rollout, &["tool", "assistant"]);
        },
        &[
            ("system", 0, 0),
            ("user", 0, 1),
            ("assistant", 0, 2),
            ("tool", 1, 0),
            ("assistant", 1, 1),
        ],
    );
}

#[test]
fn two_answers_in_a_row_are_of_one_turn() {
    assert_places(
        |rollout| say(rollout, &["user", "assistant", "assistant", "user"]),
        &[
            ("user", 0, 0),
            ("assistant", 0, 1),
            ("assistant", 0, 2),
            ("user", 1, 0),
        ],
    );
}

#[test]
fn several_tools_answer_in_one_turn() {
    assert_places(
        |rollout| say(rollout, &["assistant", "tool", "tool", "user", "assistant"]),
        &[
            ("assistant", 0, 0),
            ("tool", 1, 0),
            ("tool", 1, 1),
            ("user", 1, 2),
            ("assistant", 1, 3),
        ],
    );
}

#[test]
fn turns_can_be_counted_by_hand() {
    assert_places(
        |rollout| {
            say(rollout, &["user"]);
            rollout.increment_turn();
            // The first of the next turn, whoever's it is.
            say(rollout, &["assistant"]);
            rollout.increment_turn();
            say(rollout, &["tool"]);
            rollout.increment_intra();
            say(rollout, &["assistant"]);
            rollout.set_turn_index(7);
            assert_eq!((rollout.turn_index(), rollout.intra_index()), (7, 3));
            rollout.set_intra_index(0);
            say(rollout, &["tool", "assistant"]);
            // What is said by hand holds for the next message: this one opens no turn.
            rollout.set_intra_index(9);
            say(rollout, &["user", "assistant", "user"]);
        },
        &[
            ("user", 0, 0),
            ("assistant", 1, 0),
            ("tool", 2, 0),
            ("assistant", 2, 2),
            ("tool", 7, 0),
            ("assistant", 7, 1),
            ("user", 7, 9),
            ("assistant", 7, 10),
            ("user", 8, 0),
        ],
    );
}

#[test]
fn a_message_is_what_it_is_elsewhere() {
    let captured = recorded(|rollout| {
        rollout.log(Message::tool("call_1", "42").internal());
    });
    let message = &the(&captured, "message")["message"];
    assert_eq!(
        *message,
        json!({
            "role": "tool", "content": "42", "tool_call_id": "call_1", "is_internal": true
        })
    );
}

#[rollout::tool]
async fn look_up(key: &str) -> Result<u32, String> {
    run::add_meta(&json!({ "looked_up": key }));
    match key {
        "missing" => {
            run::set_status(Status::ToolError, "nothing there");
            Err("nothing there".into())
        }
        _ => Ok(7),
    }
}

#[rollout::trace]
async fn think() {
    run::add_tags(["thought"]);
}

#[rollout::agent(flush = false)]
async fn solve(key: &str) -> Result<u32, String> {
    run::log(Message::user(key));
    think().await;
    let found = look_up(key).await;
    run::log(Message::assistant(format!("{found:?}")));
    run::score(Score::new(f64::from(u8::from(found.is_ok()))));
    found
}

#[test]
fn an_agent_in_a_rollout_is_a_part_of_it() {
    let (_, captured) = testing::capture(|| {
        let meta = meta().grader_name("exact");
        let rollout = trace_run(meta).expect("a rollout");
        futures::executor::block_on(rollout.in_scope_async(async |_| solve("missing").await))
    });
    let trace = only(&captured);
    assert_eq!(trace.status, "TOOL_ERROR");
    assert_eq!(trace.metadata["looked_up"], "missing");
    assert_eq!(trace.tags, ["thought"]);
    assert_eq!(trace.attributes["rollout.run.turns"], 1);
    assert_eq!(trace.attributes["rollout.run.messages"], 2);
    let agent = trace.span("solve").expect("the agent");
    assert_eq!(agent.span_type, "agent");
    let below: Vec<_> = agent.children.iter().map(|span| &span.name).collect();
    assert_eq!(below, ["think", "look_up"]);
    assert_eq!(the(&captured, "eval.result")["name"], "exact");
}

#[test]
fn elsewhere_an_agent_is_a_trace_and_says_nothing_of_rollouts() {
    let (_, captured) = testing::capture(|| futures::executor::block_on(solve("there")));
    let names: Vec<_> = captured.traces.iter().map(|trace| &trace.name).collect();
    assert_eq!(names, ["solve", "think"]);
    assert!(of_type(&captured.events, "message").is_empty());
    assert!(of_type(&captured.events, "eval.result").is_empty());
}

#[test]
fn an_error_marks_the_span_that_it_is_said_in() {
    let captured = recorded(|rollout| {
        rollout.span("task").name("good").in_scope(|_| ());
        rollout.span("task").name("bad").in_scope(|_| {
            run::set_error("no such file");
        });
    });
    let trace = only(&captured);
    let (good, bad) = (
        trace.span("good").expect("it"),
        trace.span("bad").expect("it"),
    );
    assert_eq!(good.status, "ok");
    assert_eq!(bad.status, "error");
    let error = bad.error.as_ref().expect("its error");
    assert_eq!(error.message, "no such file");
    assert_eq!(trace.status, "COMPLETED");
    // It is seen while the span still runs.
    let update = the(&captured, "span.update");
    assert_eq!(update["error"]["message_preview"], "no such file");

    let captured = recorded(|rollout| rollout.set_error("lost"));
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "ERROR");
    assert_eq!(end["error"]["message_preview"], "lost");
}

#[test]
fn scores_have_components() {
    let captured = recorded(|rollout| {
        let score = Score::new(0.5)
            .component("format", 1.0)
            .component("answer", 0.25)
            .passed(false)
            .explanation("half right")
            .attribute("judge", "v2");
        let expected = score.clone();
        let graded = rollout.grade("judge", |span| {
            span.attribute("prompt", &"…");
            Ok::<_, String>(score)
        });
        assert_eq!(graded.expect("a score"), expected);
    });
    let event = the(&captured, "eval.result");
    assert_eq!(event["name"], "judge");
    assert_eq!(
        event["outcome"],
        json!({ "eval_score": 0.5, "success": false })
    );
    let attributes = &event["attributes"];
    assert_eq!(
        attributes["rollout.score.components"],
        json!({ "format": 1.0, "answer": 0.25 })
    );
    assert_eq!(attributes["rollout.score.explanation"], "half right");
    assert_eq!(attributes["judge"], "v2");
    let span = only(&captured).span("judge").expect("the grader's span");
    assert_eq!(span.span_type, "grader");
}

#[test]
fn a_grader_that_fails_is_a_grader_error() {
    let captured = recorded(|rollout| {
        let graded = rollout.grade("judge", |_| Err::<Score, _>("no answer"));
        assert_eq!(graded, Err("no answer"));
    });
    let end = the(&captured, "trace.end");
    assert_eq!(end["status"], "GRADER_ERROR");
    assert_eq!(end["error"]["message_preview"], "no answer");
    let captured = recorded(|rollout| {
        rollout.set_status(Status::GraderTimeout, "30 s");
        let _ = rollout.grade("judge", |_| Err::<Score, _>("no answer"));
    });
    assert_eq!(the(&captured, "trace.end")["status"], "GRADER_TIMEOUT");
}

#[test]
fn the_end_sums_up_what_model_calls_have_used() {
    let used = |input, output, cost| Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        cost_usd: Some(cost),
        ..Usage::default()
    };
    let captured = recorded(|rollout| {
        say(rollout, &["user", "assistant", "tool", "assistant"]);
        rollout.llm("first").in_scope(|call| {
            call.set_usage(used(10, 2, 0.25));
            // Said again, it counts once.
            call.update(SpanUpdate::new().usage(used(10, 3, 0.25)));
        });
        rollout.span("agent").in_scope(|agent| {
            agent
                .llm("second")
                .in_scope(|call| call.set_usage(used(5, 1, 0.5)));
            // An agent only sums up what is below it.
            agent.set_usage(used(5, 1, 0.5));
        });
        let open = rollout.llm("open").start();
        open.update(SpanUpdate::new().usage(used(1, 1, 0.0)));
        std::mem::forget(open);
    });
    let end = &the(&captured, "trace.end")["attributes"];
    assert_eq!(end["rollout.run.turns"], 2);
    assert_eq!(end["rollout.run.messages"], 4);
    assert_eq!(
        end["rollout.run.usage"],
        json!({ "input_tokens": 16, "output_tokens": 4, "cost_usd": 0.75 })
    );
    assert!(
        the(&captured, "trace.end")["duration_ms"]
            .as_f64()
            .is_some()
    );
    assert_eq!(the(&captured, "trace.end").get("usage"), None);
}

#[test]
fn a_rollout_goes_on_over_several_requests() {
    let id = TraceId::random();
    let ((), captured) = testing::capture(|| {
        let request = |body: &dyn Fn(&Rollout)| {
            let meta = meta().trace_id(id);
            trace_run(meta).expect("a rollout").in_scope(body);
        };
        request(&|rollout| {
            say(rollout, &["user", "assistant"]);
            rollout.set_status(Status::Pending, None);
        });
        request(&|rollout| say(rollout, &["user", "assistant"]));
    });
    let trace = only(&captured);
    assert_eq!(trace.trace_id, id.to_string());
    assert_eq!(trace.spans.len(), 2, "a root span for each request");
    let ends = of_type(&captured.events, "trace.end");
    let statuses: Vec<_> = ends.iter().map(|end| &end["status"]).collect();
    // How the first one ended says nothing of the second.
    assert_eq!(statuses, ["PENDING", "COMPLETED"]);
    assert_eq!(ends[1]["attributes"]["rollout.run.messages"], 4);
    assert_eq!(ends[1]["attributes"]["rollout.run.continued"], true);
    let turns: Vec<_> = places(&captured).iter().map(|place| place.1).collect();
    assert_eq!(turns, [0, 0, 1, 1]);
}

#[test]
fn samples_of_a_datapoint_are_a_group() {
    let group: Vec<_> = meta().samples(3).collect();
    let other: Vec<_> = meta().samples(1).collect();
    let named: Vec<_> = meta().group_id("mine").samples(1).collect();
    let ((), captured) = testing::capture(|| {
        for meta in group.into_iter().chain(other).chain(named) {
            trace_run(meta).expect("a rollout").in_scope(|_| ());
        }
    });
    let facts: Vec<_> = of_type(&captured.events, "trace.start")
        .iter()
        .map(|start| {
            let attributes = &start["attributes"];
            (
                attributes["rollout.run.group_id"].clone(),
                attributes["rollout.run.sample_index"].as_u64(),
            )
        })
        .collect();
    let indices: Vec<_> = facts.iter().map(|(_, index)| *index).collect();
    assert_eq!(indices, [Some(0), Some(1), Some(2), Some(0), Some(0)]);
    assert!(facts[0].0 == facts[1].0 && facts[1].0 == facts[2].0);
    assert_ne!(facts[0].0, facts[3].0);
    assert_eq!(facts[4].0, "mine");
}

#[test]
fn concurrent_rollouts_keep_their_numbers_apart() {
    const ROLLOUTS: usize = 60;
    const TURNS: u64 = 5;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .expect("a runtime");
    let ((), captured) = testing::capture(|| {
        let all = (0..ROLLOUTS).map(|number| {
            let meta = RunMeta::new(format!("d{number}"), Phase::Train).run_id("r");
            let rollout = trace_run(meta).expect("a rollout");
            let future = rollout.in_scope_async(async move |_| {
                for turn in 0..TURNS {
                    run::log(Message::user(format!("{number}/{turn}")));
                    tokio::task::yield_now().await;
                    run::log(Message::assistant("…"));
                }
                if number % 3 == 0 {
                    run::set_status(Status::Truncated, None);
                }
            });
            runtime.spawn(future.in_current_span())
        });
        let all: Vec<_> = all.collect();
        runtime.block_on(join_all(all));
    });
    assert_eq!(captured.traces.len(), ROLLOUTS);
    for trace in &captured.traces {
        let datapoint = trace.attributes["rollout.run.datapoint_id"]
            .as_str()
            .expect("a datapoint");
        let number: usize = datapoint[1..].parse().expect("its number");
        let expected = if number.is_multiple_of(3) {
            "TRUNCATED"
        } else {
            "COMPLETED"
        };
        assert_eq!(trace.status, expected);
        assert_eq!(trace.attributes["rollout.run.turns"], TURNS);
        assert_eq!(trace.moments.len() as u64, 2 * TURNS);
        for (index, moment) in trace.moments.iter().enumerate() {
            let turn = index as u64 / 2;
            assert_eq!(moment["attributes"]["rollout.turn_index"], turn);
            if index.is_multiple_of(2) {
                assert_eq!(moment["message"]["content"], format!("{number}/{turn}"));
            }
        }
    }
}

#[test]
fn threads_of_one_rollout_number_its_messages_once_each() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let captured = recorded(|rollout| {
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                rollout::spawn_thread(move || {
                    barrier.wait();
                    for _ in 0..EACH {
                        run::log(Message::user("…"));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it ends");
        }
        assert_eq!(rollout.intra_index(), (THREADS * EACH) as u64);
    });
    // In the order in which they were recorded.
    let intra: Vec<_> = places(&captured).iter().map(|place| place.2).collect();
    assert!(intra.iter().copied().eq(0..(THREADS * EACH) as u64));
}

#[test]
fn where_nothing_records_the_scope_runs_what_it_is_given() {
    let rollout = trace_run(meta()).expect("a rollout");
    let answer = rollout.in_scope(|rollout| {
        assert_eq!(rollout.trace_id(), None);
        rollout.log(Message::user("…"));
        rollout.score(Score::new(1.0));
        run::set_status(Status::Aborted, None);
        42
    });
    assert_eq!(answer, 42);
    let (client, memory) = in_memory(|builder| builder.sample_rate(0.0));
    let rollout = client.trace_run(meta()).expect("a rollout");
    rollout.in_scope(|rollout| {
        rollout.log(Message::user("…"));
        rollout.span("task").in_scope(|_| ());
    });
    assert!(flushed(&client, &memory).is_empty());
}

#[test]
fn secrets_are_no_part_of_a_rollout() {
    let captured = recorded(|rollout| {
        rollout.add_meta(&json!({ "api_key": "hunter2", "seed": 7 }));
        rollout.log(Message::user(
            "my key is sk-abcdefghijklmnopqrstuvwxyz0123456789",
        ));
    });
    let events = serde_json::to_string(&captured.events).expect("JSON");
    assert!(
        !events.contains("hunter2") && !events.contains("sk-abcdef"),
        "{events}"
    );
    assert_eq!(only(&captured).metadata["seed"], 7);
}
