//! Closures and functions by themselves.

use std::sync::Arc;

use super::call::{Call, ToolFuture};
use super::calls::ToolCalls;
use super::value::{Returned, Told, ToolArgument};

/// A closure or function that does what this one does, and is recorded as a tool.
///
/// Several arguments go in as a tuple, or in a struct.
///
/// ```
/// let double = rollout::wrap_tool("double", |number: i32| number * 2);
/// assert_eq!(double(21), 42);
/// ```
pub fn wrap_tool<A, R, F>(name: impl Into<String>, tool: F) -> impl Fn(A) -> R
where
    A: ToolArgument,
    R: Returned,
    F: Fn(A) -> R,
{
    let (name, calls) = (name.into(), Arc::new(ToolCalls::new()));
    move |argument| match Call::of(&name, &calls, || argument.recorded()) {
        Some(call) => R::of(call, || tool(argument)),
        None => tool(argument),
    }
}

/// The same as [`wrap_tool`] for an async closure, an `async fn`, or a closure that returns a future.
///
/// ```
/// let double = rollout::wrap_async_tool("double", async |number: i32| number * 2);
/// # async fn example(double: impl AsyncFn(i32) -> i32) {
/// assert_eq!(double(21).await, 42);
/// # }
/// # futures::executor::block_on(example(double));
/// ```
pub fn wrap_async_tool<A, R, F>(
    name: impl Into<String>,
    tool: F,
) -> impl Fn(A) -> ToolFuture<R> + AsyncFn(A) -> R::Output
where
    A: ToolArgument,
    R: Future<Output: Told>,
    F: Fn(A) -> R,
{
    let (name, calls) = (name.into(), Arc::new(ToolCalls::new()));
    move |argument| {
        let call = Call::of(&name, &calls, || argument.recorded());
        ToolFuture::new(call, tool(argument))
    }
}
