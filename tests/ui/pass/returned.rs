//! Functions that return futures, streams and iterators, with `async_trait` on either side.
#![deny(warnings, unused, unreachable_code, clippy::pedantic)]

use std::future::Future;
use std::pin::Pin;

use futures::executor::{block_on, block_on_stream};
use futures::future::{BoxFuture, LocalBoxFuture};
use futures::stream::{BoxStream, Stream, StreamExt};

#[rollout::span]
fn pinned<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = Result<usize, String>> + Send + 'a>> {
    Box::pin(async move { Ok(text.len()) })
}

#[rollout::span(capture_output = false)]
fn opaque_inside(text: &str) -> Pin<Box<dyn Future<Output = Result<impl AsRef<str> + use<>, ()>> + '_>> {
    Box::pin(async move { Ok(text.to_owned()) })
}

#[rollout::span]
fn boxed(text: &str) -> BoxFuture<'_, usize> {
    if text.is_empty() {
        return Box::pin(std::future::ready(0));
    }
    Box::pin(async move { text.len() })
}

#[rollout::span]
fn local(text: String) -> LocalBoxFuture<'static, usize> {
    let text = std::rc::Rc::new(text);
    Box::pin(async move { text.len() })
}

#[rollout::span]
fn opaque(text: &str) -> impl Future<Output = usize> + Send {
    let length = text.len();
    async move { length }
}

#[rollout::span]
fn told_by_the_output(text: String) -> impl Future<Output = Result<u8, String>> {
    async move { Ok(text.parse().map_err(|_| "not a number")?) }
}

#[rollout::span]
fn told_by_the_item(text: &str) -> impl Iterator<Item = Result<u64, String>> + '_ {
    text.split(' ').map(|word| Ok(word.parse().map_err(|_| "not a number")?))
}

#[rollout::span(capture_input = false, capture_output = false)]
fn told_by_the_bound(add: usize) -> impl Fn(&str) -> usize {
    move |text| text.len() + add
}

// Gives what need not live as long as the box: nothing that holds it fits into such a box again.
#[rollout::span(capture_input = false, capture_output = false)]
fn outlives_its_items<T: Iterator<Item = U> + 'static, U>(items: T) -> Box<dyn Iterator<Item = U>> {
    Box::new(items)
}

type Late<T> = Pin<Box<dyn Future<Output = T>>>;

#[rollout::span(capture_input = false, capture_output = false)]
fn outlives_its_output<F: Future<Output = U> + 'static, U>(future: F) -> Late<U> {
    Box::pin(future)
}

// Hands on what it was given, early.
#[rollout::span(capture_input = false, capture_output = false)]
fn handed_on(items: &mut Vec<u32>) -> Option<&mut u32> {
    if items.len() > 5 {
        return None;
    }
    items.first_mut()
}

// Makes what need not live as long as the box; and hands on a box that is one already.
#[rollout::span(capture_input = false, capture_output = false)]
fn made_inside<'a, T: Default + Send>(text: &'a str) -> BoxFuture<'a, (usize, T)> {
    let length = text.len();
    Box::pin(async move { (length, T::default()) })
}

struct Handed<T>(fn() -> BoxFuture<'static, T>);

trait Service {
    type Future;

    fn call(&self) -> Self::Future;
}

impl<Reply> Service for Handed<Reply> {
    type Future = BoxFuture<'static, Reply>;

    #[rollout::span]
    fn call(&self) -> Self::Future {
        self.0()
    }
}

struct InBlock<T>(fn() -> BoxFuture<'static, T>);

#[rollout::span]
impl<Reply> Service for InBlock<Reply> {
    type Future = BoxFuture<'static, Reply>;

    fn call(&self) -> Self::Future {
        self.0()
    }
}

#[rollout::span]
impl<Reply> Handed<Reply> {
    fn itself(self) -> BoxFuture<'static, Option<Self>>
    where
        Reply: 'static + serde::Serialize,
        Self: serde::Serialize,
    {
        Box::pin(std::future::ready(Some(self)))
    }
}

impl<T> serde::Serialize for Handed<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

#[rollout::span(capture_output = false)]
fn in_a_result(text: &str) -> Result<impl Iterator<Item = Result<u64, String>> + '_, String> {
    if text.is_empty() {
        return Err("empty".into());
    }
    Ok(text.split(' ').map(|word| Ok(word.parse().map_err(|_| "not a number")?)))
}

#[rollout::span(capture_output = false)]
async fn in_a_result_later(text: &str) -> Result<impl Stream<Item = Result<u64, String>> + use<'_>, String> {
    let word = text.split(' ').next().ok_or("empty")?;
    Ok(futures::stream::once(async move { Ok(word.parse().map_err(|_| "not a number")?) }))
}

// An alias, which has the same name and carries something else.
mod several {
    pub type Result<T> = std::result::Result<Vec<T>, String>;
}

#[rollout::span(capture_output = false)]
fn in_an_alias(last: u32) -> several::Result<impl Iterator<Item = u32>> {
    Ok(vec![0..last, 0..last])
}

#[rollout::span(capture_output = false)]
fn in_other_types() -> (Vec<impl Iterator<Item = Result<u64, String>>>, Box<impl Fn(&str) -> usize>) {
    let items = "1 2".split(' ').map(|word| Ok(word.parse().map_err(|_| "not a number")?));
    (vec![items], Box::new(|text: &str| text.len()))
}

#[rollout::span]
#[expect(dead_code, reason = "lints see the function through the attribute")]
fn unused() {}

#[rollout::span]
fn stream((first, last): (u32, u32)) -> impl Stream<Item = u32> {
    futures::stream::iter(first..last)
}

#[rollout::span]
fn boxed_stream(last: u32) -> BoxStream<'static, Result<u32, std::io::Error>> {
    futures::stream::iter(0..last).map(Ok).boxed()
}

#[rollout::span]
fn pinned_stream(last: u32) -> Pin<Box<dyn Stream<Item = u32> + Send>> {
    Box::pin(futures::stream::iter(0..last))
}

#[rollout::span]
fn iterator(last: u32) -> impl Iterator<Item = u32> + Send {
    0..last
}

#[rollout::span]
fn boxed_iterator<'a>(items: &'a [u32]) -> Box<dyn Iterator<Item = &'a u32> + 'a> {
    Box::new(items.iter())
}

#[async_trait::async_trait]
trait Search {
    async fn search(&self, query: &str, (from, to): (u8, u8)) -> Result<u32, String>;

    async fn owned(self) -> u32;
}

struct Above;

#[async_trait::async_trait]
impl Search for Above {
    #[rollout::tool]
    async fn search(&self, query: &str, (from, to): (u8, u8)) -> Result<u32, String> {
        if query.is_empty() {
            return Err("empty".into());
        }
        Ok(u32::from(to - from))
    }

    #[rollout::tool]
    async fn owned(self) -> u32 {
        1
    }
}

struct Below;

#[rollout::tool]
#[async_trait::async_trait]
impl Search for Below {
    async fn search(&self, query: &str, (from, to): (u8, u8)) -> Result<u32, String> {
        if query.is_empty() {
            Err("empty")?;
        }
        Ok(u32::from(to - from))
    }

    async fn owned(self) -> u32 {
        1
    }
}

fn main() {
    assert_eq!(block_on(pinned("ab")).unwrap(), 2);
    assert_eq!(block_on(boxed("ab")) + block_on(boxed("")), 2);
    assert_eq!(block_on(local("ab".into())), 2);
    assert_eq!(block_on(opaque("ab")), 2);
    assert_eq!(block_on(told_by_the_output("7".into())), Ok(7));
    assert_eq!(told_by_the_item("7 8").map(Result::unwrap).sum::<u64>(), 15);
    assert_eq!(told_by_the_bound(1)("ab"), 3);
    assert!(block_on(opaque_inside("ab")).is_ok());
    assert_eq!(block_on(outlives_its_output(async { 1 })), 1);
    assert_eq!(block_on(made_inside("ab")), (2, 0_u8));
    assert_eq!(block_on(Handed(|| Box::pin(async { 1 })).call()), 1);
    assert_eq!(block_on(InBlock(|| Box::pin(async { 1 })).call()), 1);
    assert!(block_on(Handed(|| Box::pin(async { 1 })).itself()).is_some());
    assert_eq!(in_a_result("7 8").unwrap().map(Result::unwrap).sum::<u64>(), 15);
    assert_eq!(block_on_stream(Box::pin(block_on(in_a_result_later("7")).unwrap())).count(), 1);
    assert_eq!(in_an_alias(2).unwrap().len(), 2);
    assert_eq!(in_other_types().1("ab") + in_other_types().0.len(), 3);
    assert_eq!(handed_on(&mut vec![1]), Some(&mut 1));
    assert_eq!(outlives_its_items(0..3).sum::<u32>(), 3);
    assert_eq!(block_on_stream(Box::pin(stream((0, 3)))).count(), 3);
    assert_eq!(block_on_stream(boxed_stream(3)).map(Result::unwrap).sum::<u32>(), 3);
    assert_eq!(block_on_stream(pinned_stream(3)).sum::<u32>(), 3);
    assert_eq!(iterator(3).sum::<u32>(), 3);
    assert_eq!(boxed_iterator(&[1, 2]).sum::<u32>(), 3);
    assert_eq!(block_on(Above.search("a", (1, 3))), Ok(2));
    assert_eq!(block_on(Below.search("a", (1, 3))), Ok(2));
    assert!(block_on(Above.search("", (1, 3))).is_err());
    assert!(block_on(Below.search("", (1, 3))).is_err());
    assert_eq!(block_on(Above.owned()) + block_on(Below.owned()), 2);
}
