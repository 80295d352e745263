//! One call of a tool.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project::{pin_project, pinned_drop};
use rollout_core::{Ending, SpanContext, SpanEnd, SpanUpdate, ToolCall};
use serde_json::Value;

use super::calls::ToolCalls;
use super::value::Told;
use crate::place::Place;

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

pub(crate) fn take_call_id() -> Option<String> {
    replace_call_id(None)
}

fn replace_call_id(id: Option<String>) -> Option<String> {
    // In the destructor of another thread-local there may be none any more.
    CALL_ID
        .try_with(|cell| cell.replace(id))
        .unwrap_or_default()
}

/// A call that is about to be made, with its arguments.
pub struct Call {
    place: Place,
    name: String,
    id: Option<String>,
    arguments: Option<Value>,
    attributes: Vec<(&'static str, &'static str)>,
    /// Who calls from another process.
    parent: Option<SpanContext>,
    calls: Arc<ToolCalls>,
}

impl Call {
    /// `None` where nothing is recorded.
    pub(crate) fn of(
        name: &str,
        calls: &Arc<ToolCalls>,
        arguments: impl FnOnce() -> Option<Value>,
    ) -> Option<Self> {
        let id = take_call_id();
        Some(Self {
            place: Place::here()?,
            name: name.to_owned(),
            id,
            arguments: calls.capture_input.then(arguments).flatten(),
            attributes: Vec::new(),
            parent: None,
            calls: Arc::clone(calls),
        })
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn id(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn parent(mut self, parent: Option<SpanContext>) -> Self {
        self.parent = parent;
        self
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn attribute(mut self, key: &'static str, value: &'static str) -> Self {
        self.attributes.push((key, value));
        self
    }

    pub(super) fn run<R: Told>(self, body: impl FnOnce() -> R) -> R {
        // While it unwinds, the drop ends it.
        let open = self.open();
        let value = open.call.in_scope(body);
        open.call.end_with(value.end(&open.calls));
        value
    }

    fn open(self) -> Open {
        // Who is in the caller's trace already is below it, and nearer.
        let here = SpanContext::current().map(|here| here.trace_id());
        let parent = self.parent.filter(|parent| here != Some(parent.trace_id()));
        let mut builder = self.place.tool(&self.name).parent(parent);
        if let Some(id) = self.id {
            builder = builder.tool_call_id(id);
        }
        if let Some(arguments) = self.arguments {
            builder = builder.arguments(arguments);
        }
        for (key, value) in self.attributes {
            builder = builder.attribute(key, value);
        }
        for (key, value) in &self.calls.attributes {
            builder = builder.attribute(key, value);
        }
        Open {
            call: builder.start(),
            calls: self.calls,
        }
    }

    /// At the first poll of the call's future. What is in no trace there is in the one that it was made in.
    fn open_later(self: Box<Self>) -> Box<Open> {
        let here = Place::here().filter(Place::is_somewhere);
        let place = here.unwrap_or(self.place);
        Box::new(Self { place, ..*self }.open())
    }
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
    end: Tell<F::Output>,
}

/// How a result is told.
type Tell<T> = fn(&T, &ToolCalls) -> SpanEnd;

enum State {
    New(Box<Call>),
    Open(Box<Open>),
    /// Nothing is recorded, or all is.
    Done,
}

impl<F: Future> ToolFuture<F> {
    pub(super) fn new(call: Option<Call>, inner: F) -> Self
    where
        F::Output: Told,
    {
        Self::told_by(call, inner, Told::end)
    }

    pub(crate) fn told_by(call: Option<Call>, inner: F, end: Tell<F::Output>) -> Self {
        Self {
            inner: Some(inner),
            state: call.map_or(State::Done, |call| State::New(Box::new(call))),
            end,
        }
    }
}

impl<F: Future> Future for ToolFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            // Only a drop takes the future out, and nobody polls after that.
            return Poll::Pending;
        };
        // While it is polled, the call is held here: a panic ends it.
        let open = match std::mem::replace(this.state, State::Done) {
            State::New(call) => call.open_later(),
            State::Open(open) => open,
            State::Done => return inner.poll(cx),
        };
        let polled = open.call.in_scope(|| inner.poll(cx));
        match &polled {
            Poll::Ready(value) => open.call.end_with((this.end)(value, &open.calls)),
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
