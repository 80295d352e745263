//! The macros' option `parent`: whatever the function gives, its span goes on with the caller's trace.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

use std::collections::HashMap;

use rollout::{SpanContext, testing};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[rollout::agent(parent = parent, user_id = "bob", capture_input = false)]
fn agent(parent: Option<&SpanContext>) -> String {
    work();
    SpanContext::current().unwrap().to_string()
}

#[rollout::trace(parent = parent)]
fn trace(parent: String) {
    work();
}

#[rollout::span(parent = parent)]
fn span(parent: &str) {
    work();
}

#[rollout::tool(parent = request.get("traceparent"), skip(request))]
fn tool(request: &HashMap<&str, &str>) -> usize {
    work();
    request.len()
}

#[rollout::task(parent = parent)]
async fn task(parent: &str) {
    tokio::task::yield_now().await;
    work();
}

#[rollout::agent(parent = parent)]
fn boxed(parent: String) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        drop(parent);
        work();
    })
}

#[rollout::observe(parent = parent)]
fn items(parent: &str) -> impl Iterator<Item = usize> + use<> {
    let length = parent.len();
    (0..2).map(move |item| {
        work();
        item + length
    })
}

#[rollout::task]
fn work() {}

/// A function by its name, and how it is called with a parent.
type Call<'a> = (&'a str, &'a dyn Fn(&str));

#[test]
fn every_macro_takes_a_parent() {
    let calls: [Call<'_>; 7] = [
        ("agent", &|parent| {
            let parent: Option<SpanContext> = parent.parse().ok();
            let here = agent(parent.as_ref());
            assert_eq!(here.contains(TRACE), parent.is_some());
        }),
        ("trace", &|parent| trace(parent.to_owned())),
        ("span", &span),
        ("tool", &|parent| {
            tool(&HashMap::from([("traceparent", parent)]));
        }),
        ("task", &|parent| futures::executor::block_on(task(parent))),
        ("boxed", &|parent| {
            futures::executor::block_on(boxed(parent.to_owned()));
        }),
        ("items", &|parent| assert_eq!(items(parent).count(), 2)),
    ];
    for (name, call) in calls {
        let ((), captured) = testing::capture(|| call(PARENT));
        let [found] = captured.traces.as_slice() else {
            unreachable!("one trace: {captured:#?}");
        };
        assert_eq!(found.trace_id, TRACE, "{name}");
        let start = captured
            .events
            .iter()
            .find(|event| event["name"] == name)
            .unwrap();
        assert_eq!(start["parent_span_id"], SPAN, "{name}");
        assert!(start["attributes"]["code.line.number"].is_u64());
        assert!(
            captured
                .events
                .iter()
                .all(|event| event["event_type"] != "trace.start")
        );
        let [root] = found.spans.as_slice() else {
            unreachable!("one span on top: {found:#?}");
        };
        assert_eq!((root.name.as_str(), root.status.as_str()), (name, "ok"));
        assert!(
            root.children.iter().all(|child| child.name == "work"),
            "{name}"
        );
        assert_eq!(root.children.len(), if name == "items" { 2 } else { 1 });
        // Also from within another trace, whose thread is where it was after it.
        let ((), captured) = testing::capture(|| {
            testing::client().unwrap().trace("around").in_scope(|_| {
                call(PARENT);
                work();
            });
        });
        let around = captured
            .traces
            .iter()
            .find(|trace| trace.name == "around")
            .unwrap();
        assert_eq!(around.spans.len(), 1, "{name}: {around:#?}");
        assert_eq!(around.spans[0].name, "work");
        assert_eq!(captured.traces.len(), 2);
        // A text that says nothing changes nothing.
        let ((), captured) = testing::capture(|| call("00-nonsense"));
        assert_eq!(captured.traces.len(), 1, "{name}");
        assert_ne!(captured.traces[0].trace_id, TRACE);
        assert_eq!(captured.traces[0].name, name);
        // And what is not recorded there is not recorded here.
        let ((), captured) = testing::capture(|| call(&PARENT.replace("-01", "-00")));
        assert!(captured.events.is_empty(), "{name}: {:#?}", captured.events);
    }
}
