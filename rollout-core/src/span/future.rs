//! The wrapper of futures: a span that is current while its future is polled.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project::{pin_project, pinned_drop};

use super::opened::{self, Opened};
use super::record::EndStatus;
use super::start::{End, Start};
use crate::context::{self, Restore};
use crate::site::{CallSite, Flush};

/// A future inside a span: opened at the first poll, current during polls, ended with the value, or as `cancelled`
/// when dropped before there is one.
#[must_use = "futures do nothing unless polled"]
#[pin_project(PinnedDrop)]
pub struct Instrumented<F: Future, E> {
    #[pin]
    inner: Option<F>,
    state: State<E>,
}

enum State<E> {
    /// Not polled yet.
    New {
        site: &'static CallSite,
        finish: E,
        start: Starts,
    },
    Open {
        opened: Opened,
        finish: E,
    },
    /// Nothing is recorded, or all is; then by this client.
    Done(u32),
}

/// Who opens the span at the first poll.
pub(super) enum Starts {
    /// The wrapper.
    Wrapper,
    /// The first statement of the inner future, which holds the arguments: [`begin`].
    Inner,
    /// The wrapper, with what was captured when the future was made.
    #[expect(
        clippy::box_collection,
        reason = "thin, so that the wrapper stays small"
    )]
    Prepared(Box<Vec<u64>>),
}

/// What the innermost future that is polled for the first time waits for.
#[derive(Clone, Copy)]
enum Handoff {
    None,
    Wanted(&'static CallSite),
    Opened(Opened),
}

thread_local! {
    static HANDOFF: Cell<Handoff> = const { Cell::new(Handoff::None) };
}

/// Wraps a future whose arguments are not recorded.
#[inline]
pub fn future<F, E>(site: &'static CallSite, inner: F, finish: E) -> Instrumented<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    Instrumented::new(site, finish, inner, Starts::Wrapper)
}

/// Wraps a future whose first statement is a call of [`begin`].
#[inline]
pub fn future_with_input<F, E>(site: &'static CallSite, inner: F, finish: E) -> Instrumented<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    Instrumented::new(site, finish, inner, Starts::Inner)
}

/// The first statement inside [`future_with_input`]: opens the span with its arguments.
#[inline]
pub fn begin(start: impl FnOnce(&mut Start<'_>)) {
    if let Handoff::Wanted(site) = HANDOFF.get() {
        let opened = opened::open(site, start);
        HANDOFF.set(match opened {
            Some(opened) => {
                context::replace(opened.context);
                Handoff::Opened(opened)
            }
            None => Handoff::None,
        });
    }
}

/// What a function captured that returns a future.
#[derive(Debug)]
pub struct Prepared {
    site: &'static CallSite,
    payload: Vec<u64>,
}

/// Captures now what a future starts with that is polled later.
pub fn prepare(site: &'static CallSite, start: impl FnOnce(&mut Start<'_>)) -> Prepared {
    let mut payload = Vec::new();
    if context::is_on() {
        let client = context::client_of(context::current());
        context::with_thread(client, |thread| {
            let mut taken = Start::new(&mut payload, &thread.client.settings);
            start(&mut taken);
            taken.finish();
        });
    }
    Prepared { site, payload }
}

impl Prepared {
    /// Wraps the future. `T` is its declared output.
    #[inline]
    pub fn future<T, F, E>(&mut self, inner: F, finish: E) -> Instrumented<F, E>
    where
        F: Future<Output = T>,
        E: FnOnce(&mut End<'_>, &T),
    {
        let start = if self.payload.is_empty() {
            Starts::Wrapper
        } else {
            Starts::Prepared(Box::new(std::mem::take(&mut self.payload)))
        };
        Instrumented::new(self.site, finish, inner, start)
    }
}

impl<F: Future, E> Instrumented<F, E> {
    #[inline]
    pub(super) fn new(site: &'static CallSite, finish: E, inner: F, start: Starts) -> Self {
        Self {
            inner: Some(inner),
            state: State::New {
                site,
                finish,
                start,
            },
        }
    }

    /// Polls what is inside, in the span.
    #[inline(always)]
    pub(super) fn poll_inside(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        match this.state {
            State::New { .. } if context::is_on() => {
                first_poll(this.inner.as_mut(), this.state, cx)
            }
            State::Open { opened, .. } => {
                let _restore = Restore::enter(opened.context);
                poll_inner(this.inner.as_mut(), cx)
            }
            State::New { .. } | State::Done(_) => poll_inner(this.inner.as_mut(), cx),
        }
    }

    /// The span, if there is one, for somebody else to end.
    #[inline(always)]
    pub(super) fn take_open(self: Pin<&mut Self>) -> Option<(Opened, E)> {
        let state = self.project().state;
        let State::Open { .. } = state else {
            return None;
        };
        match std::mem::replace(state, State::Done(0)) {
            State::Open { opened, finish } => Some((opened, finish)),
            State::New { .. } | State::Done(_) => None,
        }
    }

    /// Whose flush its end waits for, and how long. Asked before the first poll.
    pub(super) fn flush(&self) -> Flush {
        match &self.state {
            State::New { site, .. } => site.flush,
            State::Open { .. } | State::Done(_) => Flush::No,
        }
    }

    /// The client that has recorded it, once it is done; else 0.
    pub(super) fn recorded_by(&self) -> u32 {
        match self.state {
            State::Done(client) => client,
            State::New { .. } | State::Open { .. } => 0,
        }
    }
}

impl<F, E> Future for Instrumented<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.as_mut().project();
        if !context::is_on() && matches!(this.state, State::New { .. }) {
            return poll_in_place(this.inner, cx);
        }
        let polled = self.as_mut().poll_inside(cx);
        if let Poll::Ready(value) = &polled
            && let Some((opened, finish)) = self.as_mut().take_open()
        {
            opened::close(&opened, EndStatus::Ok, |end| finish(end, value));
            if opened.is_sampled() {
                *self.project().state = State::Done(opened.context.client);
            }
        }
        polled
    }
}

/// Polls in place, so that it costs no call where nothing records.
#[inline(always)]
fn poll_in_place<F: Future>(
    inner: Pin<&mut Option<F>>,
    cx: &mut TaskContext<'_>,
) -> Poll<F::Output> {
    match inner.as_pin_mut() {
        Some(inner) => inner.poll(cx),
        // Only a drop takes the future out, and nobody polls after that.
        None => Poll::Pending,
    }
}

/// Not inlined: it is called in several places where something records, and what it polls may be large.
#[inline(never)]
fn poll_inner<F: Future>(inner: Pin<&mut Option<F>>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
    poll_in_place(inner, cx)
}

#[inline(never)]
fn first_poll<F: Future, E>(
    inner: Pin<&mut Option<F>>,
    state: &mut State<E>,
    cx: &mut TaskContext<'_>,
) -> Poll<F::Output> {
    let State::New {
        site,
        finish,
        start,
    } = std::mem::replace(state, State::Done(0))
    else {
        return poll_inner(inner, cx);
    };
    let opened = match start {
        Starts::Inner => {
            let _restore = Restore::enter(context::current());
            let _handoff = TakeHandoff {
                outer: HANDOFF.replace(Handoff::Wanted(site)),
                state,
                finish: Some(finish),
            };
            return poll_inner(inner, cx);
        }
        Starts::Wrapper => opened::open(site, |_| {}),
        Starts::Prepared(payload) => {
            opened::open(site, |start| start.payload().extend_from_slice(&payload))
        }
    };
    let Some(opened) = opened else {
        return poll_inner(inner, cx);
    };
    let _restore = Restore::enter(opened.context);
    *state = State::Open { opened, finish };
    poll_inner(inner, cx)
}

/// After the first poll, also one that panics: takes over the span that [`begin`] opened.
struct TakeHandoff<'a, E> {
    outer: Handoff,
    state: &'a mut State<E>,
    finish: Option<E>,
}

impl<E> Drop for TakeHandoff<'_, E> {
    fn drop(&mut self) {
        if let Handoff::Opened(opened) = HANDOFF.replace(self.outer)
            && let Some(finish) = self.finish.take()
        {
            *self.state = State::Open { opened, finish };
        }
    }
}

#[pinned_drop]
impl<F: Future, E> PinnedDrop for Instrumented<F, E> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if let State::Open { .. } = this.state {
            cancel(this.inner, this.state);
        }
    }
}

/// Ends the span of a future that is dropped before it is done.
#[cold]
#[inline(never)]
fn cancel<F, E>(mut inner: Pin<&mut Option<F>>, state: &mut State<E>) {
    if let State::Open { opened, .. } = std::mem::replace(state, State::Done(0)) {
        // What the future holds is dropped inside its span.
        let restore = Restore::enter(opened.context);
        inner.set(None);
        drop(restore);
        let status = opened::status_of_drop(&opened, EndStatus::Cancelled);
        opened::close(&opened, status, |_| {});
    }
}
