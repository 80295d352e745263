//! The wrapper of futures: a span that is current while its future is polled.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project::{pin_project, pinned_drop};

use super::opened::{self, Opened};
use super::record::EndStatus;
use super::start::{End, Start};
use crate::context::{self, Context};
use crate::recordable::Argument;
use crate::site::{CallSite, Flush, SiteText};

/// A future inside a span: opened at the first poll, current during polls, ended with the value, or as `cancelled`
/// when dropped before there is one.
#[must_use = "futures do nothing unless polled"]
#[pin_project(PinnedDrop)]
pub struct Instrumented<F: Future, E> {
    #[pin]
    inner: Option<F>,
    finish: Option<E>,
    state: State,
}

/// How far it is: what is known of it without its type, so that all that is done with it is compiled once for all.
enum State {
    /// Not polled yet.
    New {
        site: SiteText,
        start: Starts,
    },
    Open(Opened),
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
    Wanted(SiteText),
    Opened(Opened),
}

thread_local! {
    static HANDOFF: Cell<Handoff> = const { Cell::new(Handoff::None) };
}

/// Wraps a future whose arguments are not recorded.
#[inline]
pub fn future<F, E>(site: SiteText, inner: F, finish: E) -> Instrumented<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    Instrumented::new(site, finish, inner, Starts::Wrapper)
}

/// Wraps a future whose first statement is a call of [`begin`].
#[inline]
pub fn future_with_input<F, E>(site: SiteText, inner: F, finish: E) -> Instrumented<F, E>
where
    F: Future,
    E: FnOnce(&mut End<'_>, &F::Output),
{
    Instrumented::new(site, finish, inner, Starts::Inner)
}

/// The first statement inside [`future_with_input`]: opens the span with its arguments.
pub fn begin(start: impl FnOnce(&mut Start<'_>)) {
    if let Handoff::Wanted(site) = HANDOFF.get() {
        let mut start = Some(start);
        begin_at(CallSite::of(site), &mut |taken| {
            if let Some(start) = start.take() {
                start(taken);
            }
        });
    }
}

/// [`begin`] with these arguments, whose names the site has.
#[inline(never)]
pub fn begin_with_arguments(values: &[&dyn Argument]) {
    if let Handoff::Wanted(site) = HANDOFF.get() {
        let site = CallSite::of(site);
        begin_at(site, &mut |start| start.arguments(&site.arguments, values));
    }
}

fn begin_at(site: &'static CallSite, start: &mut dyn FnMut(&mut Start<'_>)) {
    HANDOFF.set(match opened::open_with(site, start) {
        Some(opened) => {
            context::replace(opened.context);
            Handoff::Opened(opened)
        }
        None => Handoff::None,
    });
}

/// What a function captured that returns a future.
#[derive(Debug)]
pub struct Prepared {
    site: SiteText,
    payload: Vec<u64>,
}

/// Captures now what a future starts with that is polled later.
pub fn prepare(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Prepared {
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
    pub(super) fn new(site: SiteText, finish: E, inner: F, start: Starts) -> Self {
        Self {
            inner: Some(inner),
            finish: Some(finish),
            state: State::New { site, start },
        }
    }

    /// Polls what is inside, in the span.
    #[inline(always)]
    pub(super) fn poll_inside(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Nothing but this is generic, and there is one place that polls: what is inside may be large.
        let _inside = if context::is_on() || !matches!(this.state, State::New { .. }) {
            Inside::enter(this.state)
        } else {
            None
        };
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(cx),
            // Only a drop takes the future out, and nobody polls after that.
            None => Poll::Pending,
        }
    }

    /// The span, if there is one, for somebody else to end.
    #[inline(always)]
    pub(super) fn take_open(self: Pin<&mut Self>) -> Option<(Opened, E)> {
        let this = self.project();
        let State::Open(opened) = *this.state else {
            return None;
        };
        *this.state = State::Done(0);
        Some((opened, this.finish.take()?))
    }

    /// Whose flush its end waits for, and how long. Asked before the first poll.
    pub(super) fn flush(&self) -> Flush {
        match &self.state {
            State::New { site, .. } => Flush::of(site),
            State::Open(_) | State::Done(_) => Flush::No,
        }
    }

    /// The client that has recorded it, once it is done; else 0.
    pub(super) fn recorded_by(&self) -> u32 {
        match self.state {
            State::Done(client) => client,
            State::New { .. } | State::Open(_) => 0,
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
        let polled = self.as_mut().poll_inside(cx);
        if let Poll::Ready(value) = &polled {
            let this = self.project();
            if let State::Open(_) = this.state {
                end(this.state, &mut |end| {
                    if let Some(finish) = this.finish.take() {
                        finish(end, value);
                    }
                });
            }
        }
        polled
    }
}

/// Ends the span with the value.
#[inline(never)]
fn end(state: &mut State, finish: &mut dyn FnMut(&mut End<'_>)) {
    if let State::Open(opened) = std::mem::replace(state, State::Done(0)) {
        opened::close_with(&opened, EndStatus::Ok, finish);
        if opened.is_sampled() {
            *state = State::Done(opened.context.client);
        }
    }
}

/// During a poll: the span is current.
struct Inside<'a> {
    outer: Context,
    /// What the first poll waits for that [`begin`] opens, and who waited before.
    handoff: Option<(Handoff, &'a mut State)>,
}

impl<'a> Inside<'a> {
    #[inline(never)]
    fn enter(state: &'a mut State) -> Option<Self> {
        if let State::New { .. } = state {
            return Self::first(state);
        }
        match state {
            State::Open(opened) => Some(Self {
                outer: context::replace(opened.context),
                handoff: None,
            }),
            State::New { .. } | State::Done(_) => None,
        }
    }

    /// At the first poll, the span is opened.
    #[cold]
    fn first(state: &'a mut State) -> Option<Self> {
        let State::New { site, start } = std::mem::replace(state, State::Done(0)) else {
            return None;
        };
        let opened = match start {
            Starts::Inner => {
                return Some(Self {
                    outer: context::current(),
                    handoff: Some((HANDOFF.replace(Handoff::Wanted(site)), state)),
                });
            }
            Starts::Wrapper => opened::open(site, |_| {}),
            Starts::Prepared(payload) => {
                opened::open(site, |start| start.payload().extend_from_slice(&payload))
            }
        }?;
        *state = State::Open(opened);
        Some(Self {
            outer: context::replace(opened.context),
            handoff: None,
        })
    }
}

impl Drop for Inside<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        // Also where the first poll panics, the span is taken over that was opened in it.
        if let Some((outer, state)) = self.handoff.take()
            && let Handoff::Opened(opened) = HANDOFF.replace(outer)
        {
            *state = State::Open(opened);
        }
        context::replace(self.outer);
    }
}

#[pinned_drop]
impl<F: Future, E> PinnedDrop for Instrumented<F, E> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let State::Open(_) = this.state {
            // What the future holds is dropped inside its span.
            let inside = Inside::enter(this.state);
            this.inner.set(None);
            drop(inside);
            cancel(this.state);
        }
    }
}

/// Ends the span of a future that is dropped before it is done.
#[cold]
#[inline(never)]
fn cancel(state: &mut State) {
    if let State::Open(opened) = std::mem::replace(state, State::Done(0)) {
        let status = opened::status_of_drop(&opened, EndStatus::Cancelled);
        opened::close(&opened, status, |_| {});
    }
}
