//! What goes into a tool and what comes out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use rollout_core::SpanEnd;
use serde::Serialize;
use serde_json::Value;

use super::call::{Call, ToolFuture};
use super::calls::ToolCalls;

/// An argument of a tool: all that is [`Serialize`] is recorded.
///
/// For a type of your own that is not, such as the context that a program hands to all of its tools, an empty
/// `impl rollout::tools::ToolArgument for MyContext {}` says that it is left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an argument of a tool",
    label = "`{Self}` is not `Serialize`",
    note = "derive `serde::Serialize` for it; or, for a type of your own, write `impl rollout::tools::ToolArgument for {Self} {{}}` to leave it out"
)]
pub trait ToolArgument {
    #[doc(hidden)]
    fn recorded(&self) -> Option<Value> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> ToolArgument for T {
    fn recorded(&self) -> Option<Value> {
        Some(json(self))
    }
}

/// A result that is never a failure.
///
/// It is implemented for what the standard library has; for a type of your own that is [`Serialize`], an empty
/// `impl rollout::tools::ToolOutput for MyType {}` says so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as the result of a tool",
    label = "not known as the result of a tool",
    note = "return a `Result`, or derive `serde::Serialize` and write `impl rollout::tools::ToolOutput for {Self} {{}}`",
    note = "futures must be boxed: `Pin<Box<dyn Future<Output = …> + Send>>`"
)]
pub trait ToolOutput: Serialize {}

macro_rules! output {
    ($($type:ty),* $(,)?) => {$( impl ToolOutput for $type {} )*};
}

output!(
    (),
    bool,
    char,
    str,
    String,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    std::path::PathBuf,
    std::time::Duration,
    std::time::SystemTime,
    Cow<'_, str>,
    Value,
);

impl<T: ToolOutput + ?Sized> ToolOutput for &T {}
impl<T: ToolOutput + ?Sized> ToolOutput for Box<T> {}
impl<T: Serialize> ToolOutput for Option<T> {}
impl<T: Serialize> ToolOutput for Vec<T> {}
impl<T: Serialize> ToolOutput for VecDeque<T> {}
impl<K: Serialize, V: Serialize, S> ToolOutput for HashMap<K, V, S> {}
impl<K: Serialize, V: Serialize> ToolOutput for BTreeMap<K, V> {}
impl<T: Serialize, S> ToolOutput for HashSet<T, S> {}
impl<T: Serialize> ToolOutput for BTreeSet<T> {}
impl<A: Serialize> ToolOutput for (A,) {}
impl<A: Serialize, B: Serialize> ToolOutput for (A, B) {}
impl<A: Serialize, B: Serialize, C: Serialize> ToolOutput for (A, B, C) {}

/// A result of a tool: a `Result`, whose `Err` marks the call failed, or a [`ToolOutput`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as the result of a tool",
    label = "not known as the result of a tool",
    note = "return a `Result<T, E>` with `T: serde::Serialize` and `E: Display`; or derive `serde::Serialize` and write `impl rollout::tools::ToolOutput for {Self} {{}}`"
)]
pub trait Told {
    #[doc(hidden)]
    fn end(&self, calls: &ToolCalls) -> SpanEnd;
}

#[diagnostic::do_not_recommend]
impl<T: ToolOutput> Told for T {
    fn end(&self, calls: &ToolCalls) -> SpanEnd {
        succeeded(self, calls)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize, E: Display> Told for Result<T, E> {
    fn end(&self, calls: &ToolCalls) -> SpanEnd {
        match self {
            Ok(value) => succeeded(value, calls),
            Err(error) => failed(error),
        }
    }
}

/// What a tool gives back: a [`Told`] value, or a box with a future of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as the result of a tool",
    label = "not known as the result of a tool",
    note = "return a `Result<T, E>` with `T: serde::Serialize` and `E: Display`, or a `Pin<Box<dyn Future<Output = …> + Send>>` of one",
    note = "for a type of your own that never is a failure, derive `serde::Serialize` and write `impl rollout::tools::ToolOutput for {Self} {{}}`"
)]
pub trait Returned: Sized {
    #[doc(hidden)]
    fn of(call: Call, body: impl FnOnce() -> Self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Told> Returned for T {
    fn of(call: Call, body: impl FnOnce() -> Self) -> Self {
        call.run(body)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Told + 'a> Returned for Pin<Box<dyn Future<Output = T> + 'a>> {
    fn of(call: Call, body: impl FnOnce() -> Self) -> Self {
        Box::pin(ToolFuture::new(Some(call), body()))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Told + 'a> Returned for Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    fn of(call: Call, body: impl FnOnce() -> Self) -> Self {
        Box::pin(ToolFuture::new(Some(call), body()))
    }
}

fn succeeded<T: Serialize + ?Sized>(value: &T, calls: &ToolCalls) -> SpanEnd {
    SpanEnd {
        output: calls.capture_output.then(|| json(value)),
        ..SpanEnd::default()
    }
}

/// A value; one that fails or panics at being serialized costs itself, and a marker says so.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Value {
    let reason = match catch_unwind(AssertUnwindSafe(|| serde_json::to_value(value))) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its Serialize panicked".to_owned(),
    };
    Value::String(format!("[not recorded: {reason}]"))
}

/// A failure; an error that panics at being displayed costs its message.
pub(crate) fn failed<E: Display>(error: &E) -> SpanEnd {
    let message = catch_unwind(AssertUnwindSafe(|| error.to_string()))
        .unwrap_or_else(|_| "[not recorded: its Display panicked]".to_owned());
    SpanEnd {
        error: Some(message),
        error_type: Some(std::any::type_name::<E>().to_owned()),
        ..SpanEnd::default()
    }
}
