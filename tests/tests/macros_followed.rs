//! What is followed beyond the call: futures, streams and iterators, by whatever name a signature calls them.
#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    reason = "that is how a test fails; and some functions are async for the sake of it"
)]

use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use rollout::testing::capture;
use rollout::{agent, span, tool};
use serde::Serialize;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Local<T> = Pin<Box<dyn Future<Output = T>>>;
type Chunks<'a> = BoxStream<'a, u32>;
type Items<'a> = Box<dyn Iterator<Item = &'a u32> + 'a>;

#[tool]
fn seen(n: u32) -> u32 {
    n
}

#[span]
fn alias(text: &str) -> Answer<'_, Result<usize, String>> {
    if text.is_empty() {
        return Box::pin(async { Err("empty".into()) });
    }
    Box::pin(async move {
        seen(1);
        Ok(text.len())
    })
}

#[span]
fn local((n, _): (u32, Option<u32>)) -> Local<u32> {
    let n = Rc::new(n);
    Box::pin(async move { *n })
}

struct Caller;

trait Service {
    type Future: Future;

    fn call(&mut self, n: u32) -> Self::Future;
}

impl Service for Caller {
    type Future = BoxFuture<'static, u32>;

    #[span]
    fn call(&mut self, n: u32) -> Self::Future {
        Box::pin(async move { n })
    }
}

#[test]
fn a_future_behind_an_alias_is_followed_while_it_runs() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(alias("ab")), Ok(2));
        assert!(block_on(alias("")).is_err());
        assert_eq!(block_on(local((3, None))), 3);
        assert_eq!(block_on(Caller.call(4)), 4);
        drop(alias("never polled"));
    });
    assert_eq!(
        captured.tree(),
        "alias
  alias [span] ok {\"text\":\"ab\"} -> 2
    seen [tool] ok {\"n\":1} -> 1
alias
  alias [span] error {\"text\":\"\"} !! alloc::string::String: empty
local
  local [span] ok {\"n\":3} -> 3
call
  call [span] ok {\"n\":4} -> 4
"
    );
}

/// What it gives need not live as long as the box, which no wrapper of ours would go into.
#[derive(Default)]
struct Of<Given>(PhantomData<Given>);

struct Elsewhere<Given>(Of<Given>);

impl<Given: Default + Serialize + Send> Service for Of<Given> {
    type Future = BoxFuture<'static, Given>;

    #[span(name = "pinned")]
    fn call(&mut self, n: u32) -> Self::Future {
        let more = n + 1;
        Box::pin(async move {
            seen(more);
            Given::default()
        })
    }
}

impl<Given: Default + Serialize + Send + 'static> Service for Elsewhere<Given> {
    type Future = BoxFuture<'static, Given>;

    #[span(name = "not_followed")]
    fn call(&mut self, n: u32) -> Self::Future {
        seen(n);
        self.0.call(n).boxed()
    }
}

#[test]
fn an_attribute_on_a_method_does_not_ask_what_self_future_is() {
    let text = String::from("a");
    let ((), captured) = capture(|| {
        assert_eq!(block_on(Of::<u32>::default().call(1)), 0);
        // Borrowed, and in a box that says it is not.
        let mut borrowed = Of(PhantomData::<Option<&str>>);
        assert_eq!(block_on(borrowed.call(2)).or(Some(&text)), Some("a"));
        assert_eq!(block_on(Elsewhere(Of::<u32>::default()).call(3)), 0);
    });
    assert_eq!(
        captured.tree(),
        "pinned
  pinned [span] ok {\"n\":1} -> 0
    seen [tool] ok {\"n\":2} -> 2
pinned
  pinned [span] ok {\"n\":2} -> null
    seen [tool] ok {\"n\":3} -> 3
not_followed
  not_followed [span] ok {\"n\":3}
    seen [tool] ok {\"n\":3} -> 3
pinned
  pinned [span] ok {\"n\":3} -> 0
    seen [tool] ok {\"n\":4} -> 4
"
    );
}

struct Known;

#[span]
impl Service for Known {
    type Future = Answer<'static, Result<u32, <Self as Fails>::Error>>;

    fn call(&mut self, n: u32) -> Self::Future {
        if n == 0 {
            return async { Err("none".into()) }.boxed();
        }
        async move { Ok(seen(n)) }.boxed()
    }
}

trait Fails {
    type Error;
}

impl Fails for Known {
    type Error = String;
}

trait Source {
    type Items<'a>: Stream
    where
        Self: 'a;

    fn items(&self) -> Self::Items<'_>;
}

#[span]
impl Source for Vec<u32> {
    type Items<'a> = BoxStream<'a, &'a u32>;

    fn items(&self) -> Self::Items<'_> {
        futures::stream::iter(self).boxed()
    }
}

#[span(capture_output = false)]
impl<Given: Default + Send> Source for Of<Given> {
    type Items<'a>
        = BoxStream<'static, Given>
    where
        Self: 'a;

    fn items(&self) -> Self::Items<'_> {
        Box::pin(futures::stream::poll_fn(|_| Poll::Ready(None)))
    }
}

#[test]
fn an_attribute_on_the_block_follows_what_self_future_stands_for() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(Known.call(1)), Ok(1));
        assert!(block_on(Known.call(0)).is_err());
        assert_eq!(block_on(vec![7, 8].items().count()), 2);
        drop(Of(PhantomData::<Option<&str>>).items());
    });
    assert_eq!(
        captured.tree(),
        "call
  call [span] ok {\"n\":1} -> 1
    seen [tool] ok {\"n\":1} -> 1
call
  call [span] error {\"n\":0} !! alloc::string::String: none
items
  items [span] ok -> [7,8]
items
  items [span] ok
"
    );
}

#[span]
fn chunks(last: u32) -> Chunks<'static> {
    futures::stream::iter(0..last).boxed()
}

#[span]
fn items(of: &[u32]) -> Items<'_> {
    Box::new(of.iter())
}

#[test]
fn a_stream_or_iterator_behind_an_alias_is_followed_to_its_end() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(chunks(2).collect::<Vec<_>>()), [0, 1]);
        assert_eq!(items(&[7, 8, 9]).nth(1), Some(&8));
    });
    assert_eq!(
        captured.tree(),
        "chunks
  chunks [span] ok {\"last\":2} -> [0,1]
items
  items [span] cancelled {\"of\":[7,8,9]} -> [7,8]
"
    );
}

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

#[span]
fn stream_or_error(last: u32) -> Result<impl Stream<Item = Result<u32, String>>, Refused> {
    if last == 0 {
        return Err(Refused);
    }
    Ok(futures::stream::iter(0..last).map(|n| {
        let checked: u32 = n.to_string().parse().map_err(|_| "no number")?;
        Ok(seen(checked))
    }))
}

#[span]
async fn stream_or_error_later(last: &u32) -> Result<impl Stream<Item = u32> + use<>, Refused> {
    let last = *last;
    if last == 0 {
        Err(Refused)?;
    }
    Ok(futures::stream::iter(0..last))
}

#[span]
fn some_numbers((last, _): (u32, u8)) -> Option<impl Iterator<Item = u32>> {
    (last > 0).then_some(0..last)
}

#[agent]
async fn agent_or_error(last: u32) -> Result<impl Stream<Item = u32>, Refused> {
    let last = (last > 0).then_some(last).ok_or(Refused)?;
    Ok(futures::stream::iter(0..last))
}

#[test]
fn a_stream_inside_of_a_result_is_followed_if_there_is_one() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(stream_or_error(1).unwrap().count()), 1);
        assert!(stream_or_error(0).is_err());
        assert_eq!(
            block_on(async { stream_or_error_later(&2).await.unwrap().count().await }),
            2
        );
        drop(block_on(stream_or_error_later(&3)).unwrap());
        assert!(block_on(stream_or_error_later(&0)).is_err());
        assert_eq!(some_numbers((2, 0)).unwrap().sum::<u32>(), 1);
        assert!(some_numbers((0, 1)).is_none());
        assert_eq!(
            block_on(async { agent_or_error(1).await.unwrap().count().await }),
            1
        );
        assert!(block_on(agent_or_error(0)).is_err());
    });
    assert_eq!(
        captured.tree(),
        "stream_or_error
  stream_or_error [span] ok {\"last\":1} -> [0]
    seen [tool] ok {\"n\":0} -> 0
stream_or_error
  stream_or_error [span] error {\"last\":0} !! macros_followed::Refused: refused
stream_or_error_later
  stream_or_error_later [span] ok {\"last\":2} -> [0,1]
stream_or_error_later
  stream_or_error_later [span] cancelled {\"last\":3}
stream_or_error_later
  stream_or_error_later [span] error {\"last\":0} !! macros_followed::Refused: refused
some_numbers
  some_numbers [span] ok {\"last\":2} -> [0,1]
some_numbers
  some_numbers [span] ok {\"last\":0}
agent_or_error
  agent_or_error [agent] ok {\"last\":1} -> [0]
agent_or_error
  agent_or_error [agent] error {\"last\":0} !! macros_followed::Refused: refused
"
    );
}

#[span]
async fn stream_later(last: u32) -> impl Stream<Item = u32> {
    std::future::ready(()).await;
    futures::stream::iter(0..last).map(seen)
}

#[span]
async fn boxed_later(last: &u32) -> Chunks<'_> {
    futures::stream::iter(0..*last).boxed()
}

#[span]
async fn items_later(of: &[u32]) -> Items<'_> {
    Box::new(of.iter())
}

#[span(capture_input = false)]
async fn iterator_later(last: u32) -> impl Iterator<Item = u32> {
    0..last
}

#[test]
fn what_an_async_fn_streams_keeps_its_span_open() {
    let ((), captured) = capture(|| {
        block_on(async {
            assert_eq!(stream_later(2).await.count().await, 2);
            assert_eq!(boxed_later(&3).await.next().await, Some(0));
            drop(boxed_later(&4).await);
            drop(boxed_later(&5));
            assert_eq!(items_later(&[1]).await.count(), 1);
            assert_eq!(iterator_later(2).await.count(), 2);
        });
    });
    assert_eq!(
        captured.tree(),
        "stream_later
  stream_later [span] ok {\"last\":2} -> [0,1]
    seen [tool] ok {\"n\":0} -> 0
    seen [tool] ok {\"n\":1} -> 1
boxed_later
  boxed_later [span] cancelled {\"last\":3} -> [0]
boxed_later
  boxed_later [span] cancelled {\"last\":4}
items_later
  items_later [span] ok {\"of\":[1]} -> [1]
iterator_later
  iterator_later [span] ok -> [0,1]
"
    );
}

#[span]
fn pausing() -> impl Stream<Item = u32> {
    let mut turn = 0;
    futures::stream::poll_fn(move |_| {
        turn += 1;
        match turn {
            1 | 3 => Poll::Ready(Some(seen(turn))),
            2 => Poll::Pending,
            _ => Poll::Ready(None),
        }
    })
}

#[test]
fn a_stream_is_current_only_while_it_is_polled() {
    let ((), captured) = capture(|| {
        let mut stream = Box::pin(pausing());
        let mut poll = || {
            let mut context = Context::from_waker(Waker::noop());
            stream.as_mut().poll_next(&mut context)
        };
        assert_eq!(poll(), Poll::Ready(Some(1)));
        seen(10);
        assert!(poll().is_pending());
        seen(20);
        assert_eq!(poll(), Poll::Ready(Some(3)));
        drop(stream);
        seen(30);
    });
    assert_eq!(
        captured.tree(),
        "pausing
  pausing [span] cancelled -> [1,3]
    seen [tool] ok {\"n\":1} -> 1
    seen [tool] ok {\"n\":3} -> 3
seen
  seen [tool] ok {\"n\":10} -> 10
seen
  seen [tool] ok {\"n\":20} -> 20
seen
  seen [tool] ok {\"n\":30} -> 30
"
    );
}

#[agent(capture_output = false)]
async fn not_send(n: u32) -> Rc<u32> {
    std::future::ready(()).await;
    Rc::new(n)
}

#[agent(capture_output = false)]
async fn of_any_type<T: Default>() -> T {
    T::default()
}

#[agent(capture_output = false)]
fn not_send_in_a_box(n: u32) -> BoxFuture<'static, Rc<u32>> {
    Box::pin(async move { Rc::new(n) })
}

#[agent(capture_output = false)]
fn not_send_opaque(n: u32) -> impl Future<Output = Rc<u32>> + Send {
    async move { Rc::new(n) }
}

#[agent]
async fn cell(n: u32) -> std::cell::Cell<u32> {
    std::cell::Cell::new(n)
}

#[test]
fn an_agent_is_as_send_and_sync_as_its_function_was() {
    fn send<T: Send>(future: T) -> T {
        future
    }
    fn sync<T: Sync>(future: T) -> T {
        future
    }
    let ((), captured) = capture(|| {
        assert_eq!(*block_on(send(not_send(1))), 1);
        assert_eq!(block_on(send(of_any_type::<Option<Rc<u32>>>())), None);
        assert_eq!(*block_on(send(not_send_in_a_box(2))), 2);
        assert_eq!(*block_on(send(not_send_opaque(3))), 3);
        assert_eq!(block_on(send(sync(cell(4)))).get(), 4);
    });
    let names: Vec<_> = captured
        .traces
        .iter()
        .map(|trace| (trace.name.as_str(), trace.spans[0].status.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("not_send", "ok"),
            ("of_any_type", "ok"),
            ("not_send_in_a_box", "ok"),
            ("not_send_opaque", "ok"),
            ("cell", "ok"),
        ]
    );
}

#[span]
#[track_caller]
fn tracked(by: u32) -> u32 {
    std::panic::Location::caller().line() + by
}

#[span]
#[track_caller]
fn tracked_with_exits(text: &str) -> Option<u32> {
    let parsed: u32 = text.parse().ok()?;
    Some(parsed + std::panic::Location::caller().line())
}

#[test]
fn the_caller_is_tracked_and_the_value_recorded() {
    let ((), captured) = capture(|| {
        assert_eq!(tracked(0), line!());
        assert_eq!(tracked_with_exits("0"), Some(line!()));
    });
    assert!(captured.span("tracked").unwrap().output.is_some());
    // Its value could only be seen from a closure, which would be the caller.
    assert_eq!(captured.span("tracked_with_exits").unwrap().output, None);
}
