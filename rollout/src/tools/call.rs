//! One call of a tool.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project::{pin_project, pinned_drop};
use rollout_core::{Ending, SpanEnd, SpanUpdate, ToolBuilder, ToolCall};
use serde_json::Value;

use super::calls::ToolCalls;
use super::value::Told;

thread_local! {
    /// The id of the next call.
    static CALL_ID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Gives the id that the model gave a tool call to the call itself: the first wrapped tool that `body` calls takes it.
///
/// The id is taken when a tool is called. A future that the tool returns may be polled later and elsewhere.
///
/// ```
/// # let tools = rollout::wrap_tools(vec![(
/// #     "double",
/// #     Box::new(|number: i32| number * 2) as Box<dyn Fn(i32) -> i32>,
/// # )]);
/// let doubled = rollout::with_tool_call_id("call_62136355", || tools[0].1(21));
/// # assert_eq!(doubled, 42);
/// ```
pub fn with_tool_call_id<R>(id: impl Into<String>, body: impl FnOnce() -> R) -> R {
    struct Back(Option<String>);

    impl Drop for Back {
        fn drop(&mut self) {
            replace_call_id(self.0.take());
        }
    }

    let _back = Back(replace_call_id(Some(id.into())));
    body()
}

fn replace_call_id(id: Option<String>) -> Option<String> {
    // In the destructor of another thread-local there may be none any more.
    CALL_ID
        .try_with(|cell| cell.replace(id))
        .unwrap_or_default()
}

/// A call that is about to be made, with its arguments.
pub struct Call {
    builder: ToolBuilder,
    calls: Arc<ToolCalls>,
}

impl Call {
    /// `None` where nothing is recorded.
    pub(crate) fn of(
        name: &str,
        calls: &Arc<ToolCalls>,
        arguments: impl FnOnce() -> Option<Value>,
    ) -> Option<Self> {
        let id = replace_call_id(None);
        let mut builder = builder(name)?;
        if let Some(id) = id {
            builder = builder.tool_call_id(id);
        }
        if calls.capture_input
            && let Some(arguments) = arguments()
        {
            builder = builder.arguments(arguments);
        }
        for (key, value) in &calls.attributes {
            builder = builder.attribute(key, value);
        }
        let calls = Arc::clone(calls);
        Some(Self { builder, calls })
    }

    pub(super) fn run<R: Told>(self, body: impl FnOnce() -> R) -> R {
        // While it unwinds, the drop ends it.
        let call = self.builder.start();
        let value = call.in_scope(body);
        call.end_with(value.end(&self.calls));
        value
    }

    fn open(self) -> Box<Open> {
        Box::new(Open {
            call: self.builder.start(),
            calls: self.calls,
        })
    }
}

/// Where a tool is called: in the current span or trace, else in a trace of its own.
fn builder(name: &str) -> Option<ToolBuilder> {
    if let Some(span) = rollout_core::current_span() {
        return span.is_recording().then(|| span.tool(name));
    }
    let inside = rollout_core::current_trace().map(|trace| trace.tool(name));
    inside.or_else(|| Some(rollout_core::testing::client()?.tool(name)))
}

/// A call that is under way.
struct Open {
    call: ToolCall,
    calls: Arc<ToolCalls>,
}

/// A future of a tool: its call begins when it is polled first, and is `cancelled` if it is dropped before it is done.
#[must_use = "futures do nothing unless polled"]
#[pin_project(PinnedDrop)]
pub struct ToolFuture<F: Future> {
    #[pin]
    inner: Option<F>,
    state: State,
}

enum State {
    New(Box<Call>),
    Open(Box<Open>),
    /// Nothing is recorded, or all is.
    Done,
}

impl<F: Future> ToolFuture<F> {
    pub(crate) fn new(call: Option<Call>, inner: F) -> Self {
        Self {
            inner: Some(inner),
            state: call.map_or(State::Done, |call| State::New(Box::new(call))),
        }
    }
}

impl<F: Future<Output: Told>> Future for ToolFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            // Only a drop takes the future out, and nobody polls after that.
            return Poll::Pending;
        };
        // While it is polled, the call is held here: a panic ends it.
        let open = match std::mem::replace(this.state, State::Done) {
            State::New(call) => call.open(),
            State::Open(open) => open,
            State::Done => return inner.poll(cx),
        };
        let polled = open.call.in_scope(|| inner.poll(cx));
        match &polled {
            Poll::Ready(value) => open.call.end_with(value.end(&open.calls)),
            Poll::Pending => *this.state = State::Open(open),
        }
        polled
    }
}

#[pinned_drop]
impl<F: Future> PinnedDrop for ToolFuture<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let State::Open(open) = std::mem::replace(this.state, State::Done) {
            // What the future holds is dropped inside its call.
            open.call.in_scope(|| this.inner.set(None));
            if !std::thread::panicking() {
                open.call.end_later(Ending::Cancelled, 0, || {
                    (SpanUpdate::new(), SpanEnd::default())
                });
            }
        }
    }
}
