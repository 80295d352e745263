//! What annotated functions record.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "that is how a test fails, and some of the functions here panic on purpose"
)]

use std::fmt;
use std::pin::Pin;

use futures::StreamExt;
use futures::executor::{block_on, block_on_stream};
use futures::stream::{BoxStream, Stream};
use rollout::testing::{Captured, capture};
use rollout::{agent, observe, span, task, tool, trace};
use serde_json::json;

#[tool]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[task]
async fn add_later(a: u32, (b, _): (u32, u32)) -> u32 {
    std::future::ready(add(a, b)).await
}

#[agent(name = "calculator")]
async fn calculate(question: &str) -> String {
    let sum = add_later(1, (2, 3)).await;
    format!("{question} {sum}")
}

#[test]
fn calls_become_a_tree_with_arguments_and_results() {
    let (answer, captured) = capture(|| block_on(calculate("1 + 2 =")));
    assert_eq!(answer, "1 + 2 = 3");
    assert_eq!(
        captured.tree(),
        "calculator
  calculator [agent] ok {\"question\":\"1 + 2 =\"} -> \"1 + 2 = 3\"
    add_later [task] ok {\"a\":1,\"b\":2} -> 3
      add [tool] ok {\"a\":1,\"b\":2} -> 3
"
    );
}

#[trace("outer")]
fn outer() -> u32 {
    inner() + joined()
}

#[agent]
fn inner() -> u32 {
    add(1, 1)
}

#[agent(join = true, flush = false)]
fn joined() -> u32 {
    add(2, 2)
}

#[test]
fn a_trace_inside_another_is_linked_or_joined() {
    let (_, captured) = capture(outer);
    assert_eq!(
        captured.tree(),
        "outer
  joined [agent] ok -> 4
    add [tool] ok {\"a\":2,\"b\":2} -> 4
inner
  inner [agent] ok -> 2
    add [tool] ok {\"a\":1,\"b\":1} -> 2
"
    );
    let outer = captured.trace("outer").unwrap();
    let inner = captured.trace("inner").unwrap();
    assert_eq!(inner.link.as_ref().unwrap().0, outer.trace_id);
    assert_eq!(outer.output, Some(json!(6)));
}

#[span]
fn implicit() {}

#[test]
fn with_no_trace_a_span_opens_one() {
    let ((), captured) = capture(implicit);
    assert_eq!(captured.tree(), "implicit\n  implicit [span] ok\n");
}

#[observe(
    type = "retrieval",
    user_id = user,
    session_id = Some(7),
    conversation_id = None::<String>,
    external_trace_id = "their-1",
    attributes(tier = tier.to_uppercase(), "limit.rows" = 2 * 5),
    tags = ["a", tier],
    skip(user),
    debug(options, return),
)]
fn find(user: &str, tier: &str, options: Option<fmt::Alignment>) -> Result<fmt::Error, String> {
    let _ = (user, tier, options);
    Ok(fmt::Error)
}

#[test]
fn options_say_what_else_is_recorded() {
    let (_, captured) = capture(|| find("cus_1", "gold", None));
    let trace = captured.trace("find").unwrap();
    let span = captured.span("find").unwrap();
    assert_eq!(span.span_type, "retrieval");
    assert_eq!(span.input, Some(json!({"tier": "gold", "options": "None"})));
    assert_eq!(span.output, Some(json!("Error")));
    assert_eq!(span.attributes["tier"], json!("GOLD"));
    assert_eq!(span.attributes["limit.rows"], json!(10));
    assert!(span.tags.iter().chain(&trace.tags).any(|tag| tag == "gold"));
    assert_eq!(trace.context["user_id"], json!("cus_1"));
    assert_eq!(trace.context["session_id"], json!("7"));
    assert!(
        trace
            .context
            .get("conversation_id")
            .is_none_or(serde_json::Value::is_null)
    );
}

#[tool("refund", tool_call_id = call, capture_input = false, capture_output = false)]
fn issue_refund(call: &str) -> Result<u32, fmt::Error> {
    if call.is_empty() {
        Err(fmt::Error)
    } else {
        Ok(1)
    }
}

#[test]
fn nothing_is_captured_where_that_is_said_and_errors_still_are() {
    let (_, captured) = capture(|| {
        (
            issue_refund("call_1").unwrap(),
            issue_refund("").unwrap_err(),
        )
    });
    assert_eq!(
        captured.tree(),
        "refund
  refund [tool] ok
refund
  refund [tool] error !! core::fmt::Error: an error occurred when formatting an argument
"
    );
    assert_eq!(
        captured.span("refund").unwrap().tool["tool_call_id"],
        json!("call_1")
    );
}

/// An error with a source.
#[derive(Debug)]
struct Failed(std::num::ParseIntError);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no order")
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

type Aliased<T> = Result<T, Failed>;

struct OnlyDisplay;

impl fmt::Display for OnlyDisplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("displayed")
    }
}

#[derive(Debug)]
struct OnlyDebug;

struct Nothing;

#[span]
fn aliased(text: &str) -> Aliased<u32> {
    text.parse().map_err(Failed)
}

#[span]
async fn with_anyhow(text: &str) -> anyhow::Result<u32> {
    use anyhow::Context as _;
    text.parse::<u32>().context("reading the order")
}

#[span]
fn with_box(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(aliased(text)?)
}

#[span]
fn with_io() -> std::io::Result<()> {
    Err(std::io::Error::other("disk"))
}

#[span]
fn with_display() -> Result<u32, OnlyDisplay> {
    Err(OnlyDisplay)
}

#[span]
fn with_debug() -> Result<u32, OnlyDebug> {
    Err(OnlyDebug)
}

#[span]
fn with_nothing() -> Result<u32, Nothing> {
    Err(Nothing)
}

#[span(skip(error))]
fn generic_error<E: fmt::Display>(error: impl Fn() -> E) -> Result<u32, E> {
    Err(error())
}

/// Is an error only where nothing in it is borrowed, which `E: Error` does not tell.
#[derive(Debug)]
struct Full<T>(T);

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("full")
    }
}

impl<T: std::any::Any + fmt::Debug> std::error::Error for Full<T> {}

struct Shelf<T>(Vec<T>);

impl<T: fmt::Debug> Shelf<T> {
    #[span(capture_input = false)]
    fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.0.is_empty() {
            return Err(Full(item));
        }
        self.0.push(item);
        Ok(())
    }
}

impl<'a> TryFrom<&'a str> for Shelf<&'a str> {
    type Error = Full<&'a str>;

    #[span(capture_output = false)]
    fn try_from(text: &'a str) -> Result<Self, Self::Error> {
        let mut shelf = Shelf(Vec::new());
        for word in text.split(' ') {
            shelf.push(word)?;
        }
        Ok(shelf)
    }
}

struct Page;

#[span(capture_output = false)]
impl TryFrom<&str> for Page {
    type Error = Failed;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        aliased(text)?;
        Ok(Self)
    }
}

#[test]
fn an_attribute_on_the_block_knows_which_error_it_is() {
    let (failed, captured) = capture(|| Page::try_from("x").is_err());
    assert!(failed);
    let (kind, message, chain) = error_of(&captured, "try_from");
    assert!(kind.ends_with("::Failed"), "{kind}");
    assert_eq!((message.as_str(), chain.len()), ("no order", 1));
}

#[span(capture_output = false)]
async fn borrowing(text: &str) -> Result<Shelf<&str>, Full<&str>> {
    Shelf::try_from(text)
}

#[test]
fn an_error_that_borrows_is_recorded_as_it_is_displayed() {
    let text = String::from("a");
    let ((), captured) = capture(|| {
        assert!(block_on(borrowing(&text)).is_err());
    });
    for name in ["borrowing", "try_from", "push"] {
        let (ty, message, sources) = error_of(&captured, name);
        assert!(ty.ends_with("Full<&str>"), "{ty}");
        assert_eq!((message.as_str(), sources.len()), ("full", 0), "{name}");
    }
}

fn error_of(captured: &Captured, name: &str) -> (String, String, Vec<String>) {
    let span = captured
        .span(name)
        .unwrap_or_else(|| panic!("no span {name}"));
    assert_eq!(span.status, "error", "{name}");
    assert_eq!(span.output, None, "{name}");
    let error = span.error.clone().unwrap();
    (error.error_type, error.message, error.chain)
}

#[test]
fn a_result_is_known_by_its_type_and_its_error_says_what_it_can() {
    let ((), captured) = capture(|| {
        let _ = (
            aliased("x"),
            block_on(with_anyhow("x")),
            with_box("x"),
            with_io(),
        );
        let _ = (with_display(), with_debug(), with_nothing());
        let _ = generic_error(|| "of any type");
    });
    let digit = "invalid digit found in string".to_owned();
    let (kind, message, chain) = error_of(&captured, "aliased");
    assert!(kind.ends_with("::Failed"), "{kind}");
    assert_eq!((message.as_str(), chain), ("no order", vec![digit.clone()]));
    let (kind, message, chain) = error_of(&captured, "with_anyhow");
    assert!(kind.starts_with("anyhow::"), "{kind}");
    assert_eq!(
        (message.as_str(), chain),
        ("reading the order", vec![digit.clone()])
    );
    let (_, message, chain) = error_of(&captured, "with_box");
    assert_eq!((message.as_str(), chain), ("no order", vec![digit]));
    assert_eq!(error_of(&captured, "with_io").1, "disk");
    assert_eq!(error_of(&captured, "with_display").1, "displayed");
    assert_eq!(error_of(&captured, "with_debug").1, "OnlyDebug");
    assert!(error_of(&captured, "with_nothing").0.ends_with("::Nothing"));
    assert_eq!(error_of(&captured, "generic_error").1, "of any type");
}

#[test]
fn a_result_that_is_ok_is_recorded_as_what_it_holds() {
    let (_, captured) = capture(|| aliased("7").map(|_| ()).ok());
    assert_eq!(captured.span("aliased").unwrap().output, Some(json!(7)));
}

#[span]
fn panics() -> u32 {
    panic!("on purpose")
}

#[span]
async fn panics_later() -> u32 {
    std::future::ready(()).await;
    panic!("on purpose")
}

#[test]
fn a_panic_is_recorded_and_goes_on() {
    let ((), captured) = capture(|| {
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(std::panic::catch_unwind(|| block_on(panics_later())).is_err());
    });
    for name in ["panics", "panics_later"] {
        let span = captured.span(name).unwrap();
        assert_eq!(span.status, "error");
        assert_eq!(span.error.as_ref().unwrap().error_type, "panic");
    }
}

#[span]
async fn never_done(n: u32) -> u32 {
    std::future::pending::<()>().await;
    n
}

#[test]
fn a_future_dropped_half_way_is_cancelled() {
    use std::task::{Context, Waker};
    let ((), captured) = capture(|| {
        let mut future = Box::pin(never_done(1));
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(future);
        drop(never_done(2));
    });
    assert_eq!(
        captured.tree(),
        "never_done\n  never_done [span] cancelled {\"n\":1}\n"
    );
}

#[span]
fn pinned<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = Result<usize, String>> + Send + 'a>> {
    Box::pin(async move {
        add(1, 1);
        if text.is_empty() {
            Err("empty".into())
        } else {
            Ok(text.len())
        }
    })
}

#[span]
fn opaque(text: &str) -> impl Future<Output = usize> + Send {
    let length = text.len();
    async move { length }
}

#[agent]
fn pinned_agent() -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async { add(2, 2) })
}

#[test]
fn a_returned_future_is_followed_while_it_runs() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(pinned("ab")), Ok(2));
        assert!(block_on(pinned("")).is_err());
        assert_eq!(block_on(opaque("ab")), 2);
        assert_eq!(block_on(pinned_agent()), 4);
    });
    assert_eq!(
        captured.tree(),
        "pinned
  pinned [span] ok {\"text\":\"ab\"} -> 2
    add [tool] ok {\"a\":1,\"b\":1} -> 2
pinned
  pinned [span] error {\"text\":\"\"} !! alloc::string::String: empty
    add [tool] ok {\"a\":1,\"b\":1} -> 2
opaque
  opaque [span] ok {\"text\":\"ab\"} -> 2
pinned_agent
  pinned_agent [agent] ok -> 4
    add [tool] ok {\"a\":2,\"b\":2} -> 4
"
    );
}

#[span]
fn numbers(last: u32) -> impl Stream<Item = u32> {
    futures::stream::iter(0..last).map(|n| add(n, 1))
}

#[span]
fn chunks(fail_at: u32) -> BoxStream<'static, Result<u32, fmt::Error>> {
    futures::stream::iter(0..4)
        .map(move |n| if n == fail_at { Err(fmt::Error) } else { Ok(n) })
        .boxed()
}

#[span]
fn iterator(last: u32) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
    (0..last as usize).map(|n| n as u32)
}

#[span]
fn boxed_iterator<'a>(items: &'a [u32]) -> Box<dyn Iterator<Item = &'a u32> + 'a> {
    Box::new(items.iter())
}

#[test]
fn a_stream_is_followed_to_its_end() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(numbers(2).collect::<Vec<_>>()), [1, 2]);
        assert_eq!(block_on_stream(Box::pin(numbers(3))).next(), Some(1));
        assert_eq!(block_on(chunks(9).count()), 4);
        assert_eq!(block_on(chunks(1).count()), 4);
    });
    let first = &captured.traces[0].spans[0];
    assert_eq!(
        (first.status.as_str(), &first.output),
        ("ok", &Some(json!([1, 2])))
    );
    assert_eq!(first.children.len(), 2);
    let stopped = &captured.traces[1].spans[0];
    assert_eq!(
        (stopped.status.as_str(), &stopped.output),
        ("cancelled", &Some(json!([1])))
    );
    assert_eq!(
        captured.traces[2].spans[0].output,
        Some(json!([0, 1, 2, 3]))
    );
    let failed = &captured.traces[3].spans[0];
    assert_eq!(
        (failed.status.as_str(), &failed.output),
        ("error", &Some(json!([0, 2, 3])))
    );
    assert_eq!(
        failed.error.as_ref().unwrap().error_type,
        "core::fmt::Error"
    );
}

#[test]
fn an_iterator_is_followed_to_its_end() {
    let ((), captured) = capture(|| {
        assert_eq!(iterator(3).rev().collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(iterator(3).len(), 3);
        assert_eq!(boxed_iterator(&[1, 2]).sum::<u32>(), 3);
    });
    assert_eq!(captured.traces[0].spans[0].output, Some(json!([2, 1, 0])));
    assert_eq!(captured.traces[0].spans[0].status, "ok");
    assert_eq!(captured.traces[1].spans[0].status, "cancelled");
    assert_eq!(captured.traces[2].spans[0].output, Some(json!([1, 2])));
}

struct Toolbox {
    size: u32,
}

#[tool(skip_fn(left_out), attributes(size = self.size))]
impl Toolbox {
    fn grow(&mut self, by: u32) -> u32 {
        self.size += by;
        self.size
    }

    async fn grow_later(&mut self, by: u32) -> u32 {
        std::future::ready(self.grow(by)).await
    }

    #[task("own", debug(by))]
    fn own(&self, by: u32) -> u32 {
        self.size + by
    }

    fn left_out(&self) -> u32 {
        self.size
    }
}

#[async_trait::async_trait]
trait Search {
    async fn search(&self, query: &str) -> Result<usize, String>;
    async fn look_up(&self, query: &str) -> Result<usize, String>;
}

#[async_trait::async_trait]
impl Search for Toolbox {
    #[tool]
    async fn search(&self, query: &str) -> Result<usize, String> {
        Ok(self.left_out() as usize + query.len())
    }

    #[task]
    #[tool("outside")]
    async fn look_up(&self, query: &str) -> Result<usize, String> {
        self.search(query).await?;
        Err("nothing there".into())
    }
}

#[test]
fn two_attributes_on_a_boxed_future_nest() {
    let ((), captured) = capture(|| {
        block_on(Toolbox { size: 1 }.look_up("ab")).unwrap_err();
    });
    assert_eq!(
        captured.tree(),
        "outside
  outside [tool] error {\"query\":\"ab\"} !! alloc::string::String: nothing there
    look_up [task] error {\"query\":\"ab\"} !! alloc::string::String: nothing there
      search [tool] ok {\"query\":\"ab\"} -> 3
"
    );
}

#[test]
fn methods_are_recorded_without_their_self() {
    let ((), captured) = capture(|| {
        let mut toolbox = Toolbox { size: 1 };
        block_on(toolbox.grow_later(2));
        toolbox.own(3);
        toolbox.left_out();
        block_on(toolbox.search("ab")).unwrap();
    });
    assert_eq!(
        captured.tree(),
        "grow_later
  grow_later [tool] ok {\"by\":2} -> 3
    grow [tool] ok {\"by\":2} -> 3
own
  own [task] ok {\"by\":\"3\"} -> 6
search
  search [tool] ok {\"query\":\"ab\"} -> 5
"
    );
    assert_eq!(captured.span("grow").unwrap().attributes["size"], json!(1));
}

#[span]
fn located() {}

#[test]
fn the_place_in_the_code_is_that_of_the_function() {
    let ((), captured) = capture(located);
    let span = captured.span("located").unwrap();
    let source = include_str!("macros.rs");
    let line = source
        .lines()
        .position(|line| line == "fn located() {}")
        .unwrap()
        + 1;
    assert_eq!(span.attributes["code.line.number"], json!(line));
    assert_eq!(span.attributes["code.file.path"], json!(file!()));
    assert!(
        span.attributes["code.function.name"]
            .as_str()
            .unwrap()
            .ends_with("located")
    );
}

#[rollout::span(attributes(share = 100 / parts))]
fn divide(parts: u32) -> u32 {
    parts + 1
}

#[test]
fn an_attribute_that_panics_costs_what_is_recorded_and_not_the_call() {
    let (values, captured) = capture(|| [divide(0), divide(4)]);
    assert_eq!(values, [1, 5]);
    let spans: Vec<_> = captured
        .traces
        .iter()
        .flat_map(|trace| &trace.spans)
        .collect();
    assert_eq!(spans.len(), 2);
    assert_eq!((spans[0].status.as_str(), &spans[0].input), ("ok", &None));
    assert_eq!(spans[1].input, Some(json!({"parts": 4})));
    assert_eq!(spans[1].attributes["share"], 25);
}
