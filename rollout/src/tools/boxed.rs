//! Closures in boxes, each wrapped into a box of the same type.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::call::Call;
use super::calls::ToolCalls;
use super::marks::{Mark, is_wrapped};
use super::value::{Returned, Told, ToolArgument};

/// A tool that can be kept under its own type: a closure in a box.
///
/// `M` is how it takes its arguments, which the compiler finds out: see [`By`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped as a tool under its own type",
    label = "not a closure in a box whose arguments and result can be recorded",
    note = "only a boxed closure keeps its type: `Box<dyn Fn(Arguments) -> Result<…> + Send + Sync>`, `Box<dyn FnMut…>`, `Arc<dyn Fn…>` or `Rc<dyn Fn…>`, for async ones with `Pin<Box<dyn Future<Output = …> + Send>>` as the result; up to three arguments",
    note = "an argument must be `serde::Serialize`; one of your own that is not is left out with `impl rollout::tools::ToolArgument for MyContext {{}}`",
    note = "a closure or function becomes a recorded one before it is kept: `rollout::wrap_tool(name, f)`, `rollout::wrap_async_tool(name, f)`",
    note = "a function is recorded wherever it is kept with `#[rollout::tool]` on it"
)]
pub trait WrapTool<M>: Sized {
    #[doc(hidden)]
    fn traced(self, name: String, calls: Arc<ToolCalls>) -> Self;
}

/// One of the ways of taking arguments: by value (0), borrowed for the time of the call (from 1 on), or for as long as
/// the future runs (from 11 on). The compiler finds out which.
#[derive(Debug)]
pub struct By<const WAY: u8>(());

/// One argument by itself, several as a list; those that are left out are not there.
fn arguments<const N: usize>(recorded: [Option<Value>; N]) -> Option<Value> {
    let mut recorded: Vec<Value> = recorded.into_iter().flatten().collect();
    if recorded.len() > 1 {
        return Some(recorded.into());
    }
    recorded.pop()
}

/// For each kind of box, one of the same kind around it.
macro_rules! boxed {
    ($mode:literal, [$($generic:tt)*], ($($argument:ident: $type:ty),*), $given:ty, $result:ty, $($forall:tt)*) => {
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Box, Fn, []);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Box, Fn, [+ Send]);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Box, Fn, [+ Send + Sync]);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Box, FnMut, [], mut);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Box, FnMut, [+ Send], mut);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Arc, Fn, [+ Send + Sync]);
        boxed!(@ $mode, [$($generic)*], ($($argument: $type),*), $given, $result, [$($forall)*], Rc, Fn, []);
    };
    (@ $mode:literal, [$($generic:tt)*], ($($argument:ident: $type:ty),*), $given:ty, $result:ty, [$($forall:tt)*], $box:ident, $fn:ident, [$($auto:tt)*] $(, $mut:ident)?) => {
        impl<'t, $($generic)*> WrapTool<By<$mode>> for $box<dyn $($forall)* $fn($($type),*) -> $result $($auto)* + 't> {
            fn traced(self, name: String, calls: Arc<ToolCalls>) -> Self {
                if is_wrapped(&*self) {
                    return self;
                }
                let mark = Mark::default();
                let setter = mark.setter();
                let $($mut)? tool = self;
                let wrapped: Self = $box::new(move |$($argument),*| {
                    let _held = &mark;
                    let call = Call::of(&name, &calls, || arguments([$($argument.recorded()),*]));
                    match call {
                        Some(call) => {
                            // What is borrowed for as long as a future runs must be moved on.
                            let tool = &$($mut)? tool;
                            <$given as Returned>::of(call, move || (*tool)($($argument),*))
                        }
                        None => tool($($argument),*),
                    }
                });
                setter.set(&*wrapped);
                wrapped
            }
        }
    };
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
type SendLater<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

boxed!(0, [R: Returned + 't], (), R, R,);
boxed!(0, [A: ToolArgument + 't, R: Returned + 't], (a: A), R, R,);
boxed!(0, [A: ToolArgument + 't, B: ToolArgument + 't, R: Returned + 't], (a: A, b: B), R, R,);
boxed!(0, [A: ToolArgument + 't, B: ToolArgument + 't, C: ToolArgument + 't, R: Returned + 't], (a: A, b: B, c: C), R, R,);

boxed!(1, [A: ToolArgument + ?Sized + 't, R: Returned + 't], (a: &A), R, R,);
boxed!(2, [A: ToolArgument + ?Sized + 't, B: ToolArgument + 't, R: Returned + 't], (a: &A, b: B), R, R,);
boxed!(3, [A: ToolArgument + ?Sized + 't, B: ToolArgument + ?Sized + 't, R: Returned + 't], (a: &A, b: &B), R, R,);
boxed!(4, [A: ToolArgument + ?Sized + 't, R: Returned + 't], (a: &mut A), R, R,);
boxed!(5, [A: ToolArgument + ?Sized + 't, B: ToolArgument + 't, R: Returned + 't], (a: &mut A, b: B), R, R,);
boxed!(6, [A: ToolArgument + ?Sized + 't, B: ToolArgument + ?Sized + 't, R: Returned + 't], (a: &mut A, b: &B), R, R,);

macro_rules! borrowed_later {
    ($later:ident) => {
        boxed!(11, [A: ToolArgument + ?Sized + 't, T: Told + 'static], (a: &'a A), $later<'_, T>, $later<'a, T>, for<'a>);
        boxed!(12, [A: ToolArgument + ?Sized + 't, B: ToolArgument + 't, T: Told + 'static], (a: &'a A, b: B), $later<'_, T>, $later<'a, T>, for<'a>);
        boxed!(13, [A: ToolArgument + ?Sized + 't, B: ToolArgument + ?Sized + 't, T: Told + 'static], (a: &'a A, b: &'a B), $later<'_, T>, $later<'a, T>, for<'a>);
        boxed!(14, [A: ToolArgument + ?Sized + 't, T: Told + 'static], (a: &'a mut A), $later<'_, T>, $later<'a, T>, for<'a>);
        boxed!(15, [A: ToolArgument + ?Sized + 't, B: ToolArgument + 't, T: Told + 'static], (a: &'a mut A, b: B), $later<'_, T>, $later<'a, T>, for<'a>);
        boxed!(16, [A: ToolArgument + ?Sized + 't, B: ToolArgument + ?Sized + 't, T: Told + 'static], (a: &'a mut A, b: &'a B), $later<'_, T>, $later<'a, T>, for<'a>);
    };
}

borrowed_later!(Later);
borrowed_later!(SendLater);
