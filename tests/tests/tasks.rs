//! Spans across tasks and threads of one process: whoever is handed work stays in the trace, and who is not is counted.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::mpsc::channel;

use rollout::testing::{self, Captured};
use rollout::{Envelope, JoinSetTraced as _, ScopeTraced as _, SpanContext, attributes, span};
use rollout_tests::events::{flushed, in_memory, of_type, text};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const TASKS: u64 = 1000;

/// Who is told that a future has come as far as it will.
type Reached = Option<oneshot::Sender<()>>;

#[span(attributes(number = number, level = 3), skip(reached))]
async fn third(number: u64, reached: Reached) {
    assert!(number < TASKS);
    tokio::task::yield_now().await;
    if let Some(reached) = reached {
        reached.send(()).unwrap();
        pending::<()>().await;
    }
}

#[span(attributes(number = number, level = 2), skip(reached))]
async fn second(number: u64, reached: Reached) {
    tokio::task::yield_now().await;
    match number % 3 {
        0 => third(number, reached).await,
        1 => {
            // Aborted with this one, as the set is dropped.
            let mut set = JoinSet::new();
            set.spawn_traced(third(number, reached));
            set.join_next().await.unwrap().unwrap();
        }
        _ => {
            tokio::select! {
                () = third(number, reached) => {}
                () = pending() => {}
            }
        }
    }
}

#[span(attributes(number = number, level = 1))]
async fn first(number: u64) {
    tokio::task::yield_now().await;
    match number / 3 % 4 {
        0 => rollout::spawn(second(number, None)).await.unwrap(),
        1 => {
            let mut set = JoinSet::new();
            set.spawn_traced(second(number, None));
            set.join_next().await.unwrap().unwrap();
        }
        2 => {
            let (reached, told) = oneshot::channel();
            tokio::select! {
                () = second(number, Some(reached)) => {}
                told = told => told.unwrap(),
            }
        }
        _ => {
            let (reached, told) = oneshot::channel();
            let task = rollout::spawn(second(number, Some(reached)));
            told.await.unwrap();
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }
}

/// What an event's span says of itself: its number and level.
fn place(event: &Value) -> (u64, u64) {
    let attribute = |name: &str| event["attributes"][name].as_u64().unwrap();
    (attribute("number"), attribute("level"))
}

#[test]
fn a_thousand_tasks_three_deep_keep_their_parents() {
    let ((), captured) = testing::capture(|| {
        let work = async {
            let mut all = JoinSet::new();
            for number in 0..TASKS {
                all.spawn_traced(first(number));
            }
            all.join_all().await;
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        let all = testing::client().unwrap().span("task").name("all");
        runtime.block_on(all.in_scope_async(async |_| work.await));
        // Tasks that were aborted are dropped by then.
        drop(runtime);
    });
    assert_eq!(captured.traces.len(), 1);
    let starts = of_type(&captured.events, "span.start");
    assert_eq!(starts.len() as u64, 3 * TASKS + 1);
    let by_id: BTreeMap<&str, &Value> = starts
        .iter()
        .map(|event| (text(event, "/span_id"), *event))
        .collect();
    let mut ends = BTreeMap::new();
    for event in of_type(&captured.events, "span.end") {
        let ended = ends.insert(text(event, "/span_id"), text(event, "/status"));
        assert_eq!(ended, None, "twice");
    }
    for (id, start) in &by_id {
        let Some(parent) = start["parent_span_id"].as_str() else {
            assert_eq!(start["name"], "all");
            continue;
        };
        let parent = by_id[parent];
        let (number, level) = place(start);
        if level == 1 {
            assert_eq!(parent["name"], "all");
        } else {
            assert_eq!(place(parent), (number, level - 1));
        }
        let is_given_up = level > 1 && number / 3 % 4 >= 2;
        let expected = if is_given_up { "cancelled" } else { "ok" };
        assert_eq!(ends.get(id), Some(&expected), "{start:#}");
    }
}

#[span]
fn leaf() {}

fn leaf_of(captured: &Captured) -> Vec<String> {
    let [trace] = captured.traces.as_slice() else {
        unreachable!("one trace: {captured:#?}");
    };
    let [outer] = trace.spans.as_slice() else {
        unreachable!("one span on top: {trace:#?}");
    };
    assert_eq!(trace.context["user_id"], "alice");
    let names = outer.children.iter().map(|child| child.name.clone());
    names.collect()
}

#[test]
fn what_is_handed_on_is_done_inside_the_span() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ((), captured) = testing::capture(|| {
        attributes().user_id("alice").in_scope(|| {
            let outer = testing::client().unwrap().span("task").name("outer");
            outer.in_scope(|_| {
                std::thread::scope(|threads| {
                    threads.spawn_traced(leaf);
                });
                let work = rollout::in_current_span(leaf);
                std::thread::spawn(work).join().unwrap();
                rollout::spawn_thread(leaf).join().unwrap();
                runtime.block_on(async {
                    rollout::spawn_blocking(leaf).await.unwrap();
                    let mut set = JoinSet::new();
                    set.spawn_blocking_traced(leaf);
                    set.join_all().await;
                });
                // A pool of threads that runs closures many times, as rayon's does.
                let span = rollout::current_span().unwrap();
                std::thread::scope(|threads| {
                    for _ in 0..2 {
                        threads.spawn(|| span.in_scope(|| (0..2).for_each(|_| leaf())));
                    }
                });
            });
            assert_eq!(SpanContext::current(), None, "the thread is where it was");
        });
    });
    assert_eq!(leaf_of(&captured), ["leaf"; 9]);
}

#[test]
fn an_envelope_keeps_a_value_in_its_trace() {
    let ((), captured) = testing::capture(|| {
        let (sender, receiver) = channel();
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let envelopes: Vec<Envelope<u32>> = receiver.iter().collect();
            let mut sum = 0;
            for envelope in envelopes {
                assert_eq!(envelope.get(), &20);
                assert!(envelope.context().is_some());
                sum += if sum == 0 {
                    envelope.open(|number| {
                        leaf();
                        number
                    })
                } else {
                    runtime.block_on(envelope.open_async(async |number| {
                        tokio::task::yield_now().await;
                        leaf();
                        number
                    }))
                };
                assert_eq!(SpanContext::current(), None, "the thread is where it was");
            }
            sum
        });
        attributes().user_id("alice").in_scope(|| {
            let outer = testing::client().unwrap().span("task").name("outer");
            outer.in_scope(|_| {
                sender.send(Envelope::new(20)).unwrap();
                sender.send(Envelope::new(20)).unwrap();
            });
        });
        drop(sender);
        assert_eq!(worker.join().unwrap(), 40);
    });
    assert_eq!(leaf_of(&captured), ["leaf"; 2]);
    assert_eq!(Envelope::new(1).into_inner(), 1);
    assert_eq!(Envelope::new(1).context(), None);
}

#[test]
fn who_has_lost_the_trace_is_counted() {
    let (client, memory) = in_memory(|builder| builder);
    let lost = || {
        let client = client.clone();
        let work = move || client.span("task").name("lost").in_scope(|_| ());
        std::thread::spawn(work).join().unwrap();
    };
    let orphans = || {
        flushed(&client, &memory);
        client.stats().orphans
    };
    lost();
    assert_eq!(orphans(), 0, "there is no trace that it could belong to");
    client.trace("one").in_scope(|_| {
        lost();
        lost();
        assert_eq!(orphans(), 2);
        // These begin a trace on purpose, or are told where they belong.
        client.trace("another").in_scope(|_| ());
        let parent = SpanContext::current();
        client.span("task").parent(parent).in_scope(|_| ());
        client.span("task").in_scope(|_| ());
        assert_eq!(orphans(), 2);
        client.trace("another").in_scope(|_| lost());
        assert_eq!(orphans(), 2, "nobody knows which of the two");
    });
    let elsewhere = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    client
        .trace("branch")
        .parent(elsewhere)
        .in_scope(|_| lost());
    assert_eq!(orphans(), 3);
    lost();
    assert_eq!(orphans(), 3);
}

#[test]
fn a_call_site_that_loses_traces_is_told_of_once() {
    use std::sync::{Mutex, PoisonError};

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct Said;

    impl log::Log for Said {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(format!("{} {}", record.level(), record.args()));
        }

        fn flush(&self) {}
    }

    log::set_logger(&Said).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let ((), _) = testing::capture(|| {
        let client = testing::client().unwrap();
        // Outside of the trace, as a task is that was spawned without more ado.
        let lost = [(); 2].map(|()| rollout::in_current_span(at_a_site));
        let lines = client.trace("one").in_scope(|_| lost.map(|lost| lost()));
        client.blocking_flush(rollout_tests::DEADLINE).unwrap();
        assert_eq!(client.stats().orphans, 2);
        let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        let of_site = said.iter().filter(|line| line.contains("at_a_site"));
        let of_site: Vec<_> = of_site.collect();
        assert_eq!(of_site.len(), 1, "{said:#?}");
        let place = format!("at_a_site at tests/tests/tasks.rs:{} ", lines[0]);
        assert!(of_site[0].starts_with("DEBUG rollout: "));
        assert!(of_site[0].contains(&place), "{}", of_site[0]);
    });
}

#[span]
fn at_a_site() -> u32 {
    line!() - 1
}
