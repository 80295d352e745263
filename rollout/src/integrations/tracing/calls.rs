//! Model calls that are seen twice: by the layer, as a span of theirs, and by a wrapper, as bytes. They are one span.
//!
//! A wrapper inside the layer's span of a call joins that: it tells of it what it sees, and it ends with whoever is
//! done last. A span of theirs inside a wrapper's call is not recorded, because the wrapper sees more.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rollout_core::{Ending, Span, SpanBuilder, SpanEnd, SpanId, SpanUpdate};
use serde::Serialize;

use super::open::{Open, Told};

/// Whether there is a layer at all.
static LAYER: AtomicBool = AtomicBool::new(false);

/// Model calls that are under way.
static CALLS: Mutex<Option<HashMap<SpanId, Seen>>> = Mutex::new(None);

/// Who has opened a call.
enum Seen {
    Layer(Weak<Open>),
    Wrapper,
}

fn with<R>(work: impl FnOnce(&mut HashMap<SpanId, Seen>) -> R) -> R {
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    work(calls.get_or_insert_default())
}

/// There is a layer from now on.
pub(super) fn layer_made() {
    LAYER.store(true, Ordering::Relaxed);
}

/// The layer has opened the span of a call.
pub(super) fn opened(open: &Arc<Open>) {
    if let Some(id) = open.id() {
        with(|calls| calls.insert(id, Seen::Layer(Arc::downgrade(open))));
    }
}

/// The span of a call has ended.
pub(super) fn over(id: Option<SpanId>) {
    if let Some(id) = id {
        with(|calls| calls.remove(&id));
    }
}

fn current() -> Option<SpanId> {
    LAYER.load(Ordering::Relaxed).then_some(())?;
    rollout_core::current_span()?.id()
}

/// Whether this thread is right inside of a wrapper's call.
pub(super) fn inside_a_wrapper() -> bool {
    current().is_some_and(|id| with(|calls| matches!(calls.get(&id), Some(Seen::Wrapper))))
}

fn layers_call() -> Option<Arc<Open>> {
    let id = current()?;
    let open = with(|calls| match calls.get(&id) {
        Some(Seen::Layer(open)) => open.upgrade(),
        _ => None,
    })?;
    open.join().then_some(open)
}

/// What a wrapper opens its span with.
pub(crate) enum CallBuilder {
    New(Box<SpanBuilder>),
    Joins(Joined, Box<SpanUpdate>),
}

/// The span of a wrapper's call.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all calls have a span of their own"
)]
pub(crate) enum CallSpan {
    Own(Span),
    Joined(Joined),
}

/// A place in the layer's span.
pub(crate) struct Joined {
    open: Arc<Open>,
    left: AtomicBool,
}

impl CallBuilder {
    /// Joins the layer's span where this thread is right inside of one of a call, else opens one.
    pub(crate) fn here(new: impl FnOnce() -> Option<SpanBuilder>) -> Option<Self> {
        match layers_call() {
            Some(open) => {
                let left = AtomicBool::new(false);
                Some(Self::Joins(Joined { open, left }, Box::default()))
            }
            None => new().map(|builder| Self::New(Box::new(builder))),
        }
    }

    fn with(
        self,
        new: impl FnOnce(SpanBuilder) -> SpanBuilder,
        update: impl FnOnce(SpanUpdate, &Open) -> SpanUpdate,
    ) -> Self {
        match self {
            Self::New(builder) => Self::New(Box::new(new(*builder))),
            Self::Joins(joined, changes) => {
                let changes = update(*changes, &joined.open);
                Self::Joins(joined, Box::new(changes))
            }
        }
    }

    /// Whose model it is. The library that has opened the layer's span knows better than an address.
    pub(crate) fn provider(self, provider: impl Into<String>) -> Self {
        let provider = provider.into();
        self.with(
            |builder| builder.provider(&provider),
            |update, open| {
                if open.names_provider() {
                    update
                } else {
                    update.provider(&provider)
                }
            },
        )
    }

    pub(crate) fn model(self, model: impl Into<String>) -> Self {
        let model = model.into();
        self.with(
            |builder| builder.model(&model),
            |update, _| update.model(&model),
        )
    }

    pub(crate) fn input(self, input: impl Serialize) -> Self {
        self.with(
            |builder| builder.input(&input),
            |update, _| update.input(&input),
        )
    }

    pub(crate) fn attribute(self, key: impl Into<String>, value: impl Serialize) -> Self {
        let key = key.into();
        self.with(
            |builder| builder.attribute(&key, &value),
            |update, _| update.attribute(&key, &value),
        )
    }

    pub(crate) fn start(self) -> CallSpan {
        match self {
            Self::New(builder) => {
                let span = builder.start();
                if LAYER.load(Ordering::Relaxed)
                    && let Some(id) = span.id()
                {
                    with(|calls| calls.insert(id, Seen::Wrapper));
                }
                CallSpan::Own(span)
            }
            Self::Joins(joined, update) => {
                joined.open.update(*update);
                CallSpan::Joined(joined)
            }
        }
    }
}

impl CallSpan {
    /// As [`Span::end_later`].
    pub(crate) fn end_later(
        &self,
        ending: Ending,
        bytes: usize,
        end: impl FnOnce() -> (SpanUpdate, SpanEnd) + Send + 'static,
    ) {
        match self {
            Self::Own(span) => span.end_later(ending, bytes, end),
            Self::Joined(joined) => joined.leave(Some(Told {
                ending,
                bytes,
                work: Box::new(end),
            })),
        }
    }

    /// As [`Span::end_with`].
    pub(crate) fn end_with(&self, end: SpanEnd) {
        match self {
            Self::Own(span) => span.end_with(end),
            Self::Joined(_) => self.end_later(Ending::Done, 0, move || (SpanUpdate::new(), end)),
        }
    }
}

impl Deref for CallSpan {
    type Target = Span;

    fn deref(&self) -> &Span {
        match self {
            Self::Own(span) => span,
            Self::Joined(joined) => &joined.open,
        }
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if let Self::Own(span) = self
            && LAYER.load(Ordering::Relaxed)
        {
            over(span.id());
        }
    }
}

impl Joined {
    fn leave(&self, told: Option<Told>) {
        if !self.left.swap(true, Ordering::Relaxed) {
            self.open.leave(told);
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.leave(None);
    }
}
