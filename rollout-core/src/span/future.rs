//! The wrapper of futures: a span that is current while its future is polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project::{pin_project, pinned_drop};

use super::guard::passes_by;
use super::handoff::{self, Waiting};
use super::opened::{self, Opened};
use super::record::EndStatus;
use super::start::{End, Start};
use crate::capture::Words;
use crate::context::{self, Context, SpanContext};
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
    /// Polled for the first time: [`begin`] opens it.
    Waiting(Waiting),
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
    Prepared(Box<Captured>),
}

/// What a span starts with that is opened later. In a box, so that the wrapper stays small.
#[derive(Debug, Default)]
pub(super) struct Captured {
    payload: Words,
    parent: Option<SpanContext>,
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
    if let Some(site) = handoff::asked() {
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
    if let Some(site) = handoff::asked() {
        let site = CallSite::of(site);
        begin_at(site, &mut |start| start.arguments(&site.arguments, values));
    }
}

#[inline(always)]
fn begin_at(site: &'static CallSite, start: &mut dyn FnMut(&mut Start<'_>)) {
    if let Some(outer) = opened::plain_context(site) {
        if let Some((span, at)) = opened::begin(outer, site, start) {
            context::set_span(span);
            handoff::answer(&opened::begun(outer, site, span, at));
        }
    } else {
        begin_otherwise(site, start);
    }
}

/// Where it may be that a trace begins, or nothing is recorded.
#[cold]
#[inline(never)]
fn begin_otherwise(site: &'static CallSite, start: &mut dyn FnMut(&mut Start<'_>)) {
    if let Some(opened) = opened::open_with(site, start) {
        context::replace(opened.context);
        handoff::answer(&opened);
    }
}

/// What a function captured that returns a future.
#[derive(Debug)]
pub struct Prepared {
    site: SiteText,
    captured: Captured,
}

/// Captures now what a future starts with that is polled later.
pub fn prepare(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Prepared {
    let mut captured = Captured::default();
    if context::is_on() {
        let client = context::client_of(context::current());
        context::with_thread(client, |thread| {
            let Captured { payload, parent } = &mut captured;
            let mut taken = Start::parented(payload, &thread.client.settings, parent);
            start(&mut taken);
            taken.finish();
        });
    }
    Prepared { site, captured }
}

impl Prepared {
    /// Wraps the future. `T` is its declared output.
    #[inline]
    pub fn future<T, F, E>(&mut self, inner: F, finish: E) -> Instrumented<F, E>
    where
        F: Future<Output = T>,
        E: FnOnce(&mut End<'_>, &T),
    {
        let start = if self.captured.payload.is_empty() {
            Starts::Wrapper
        } else {
            Starts::Prepared(Box::new(std::mem::take(&mut self.captured)))
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
        poll_in(this.state, this.inner, cx)
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
            State::Waiting(_) | State::Open(_) | State::Done(_) => Flush::No,
        }
    }

    /// The client that has recorded it, once it is done; else 0.
    pub(super) fn recorded_by(&self) -> u32 {
        match self.state {
            State::Done(client) => client,
            State::New { .. } | State::Waiting(_) | State::Open(_) => 0,
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
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = poll_in(this.state, this.inner, cx);
        if let Poll::Ready(value) = &polled
            && let State::Open(_) = this.state
        {
            end(this.state, &mut |end| {
                if let Some(finish) = this.finish.take() {
                    finish(end, value);
                }
            });
        }
        polled
    }
}

/// Nothing but this is generic, and there is one place that polls: what is inside may be large. What lies on the stack
/// meanwhile, does so once for each future that is polled by another one.
#[inline(always)]
fn poll_in<F: Future>(
    state: &mut State,
    inner: Pin<&mut Option<F>>,
    cx: &mut TaskContext<'_>,
) -> Poll<F::Output> {
    let _inside = if context::is_on() || !matches!(state, State::New { .. }) {
        Inside::enter(state)
    } else {
        Inside::Nowhere
    };
    match inner.as_pin_mut() {
        Some(inner) => inner.poll(cx),
        // Only a drop takes the future out, and nobody polls after that.
        None => Poll::Pending,
    }
}

/// Ends the span with the value.
#[inline(never)]
fn end(state: &mut State, finish: &mut dyn FnMut(&mut End<'_>)) {
    // It is ended where it stands, as it is much to move; also where `finish` panics, it is done then.
    let ended = Ended(state);
    if let State::Open(opened) = &*ended.0 {
        opened::close_with(opened, EndStatus::Ok, finish);
    }
}

/// A span that is ended, once this is dropped.
struct Ended<'a>(&'a mut State);

impl Drop for Ended<'_> {
    #[inline]
    fn drop(&mut self) {
        let client = match &*self.0 {
            State::Open(opened) if opened.is_sampled() => opened.context.client,
            _ => 0,
        };
        *self.0 = State::Done(client);
    }
}

/// During a poll: the span is current.
enum Inside<'a> {
    /// There is none.
    Nowhere,
    /// The thread was at the parent of this span, which was opened here, in the same trace.
    Below(&'a Opened),
    /// The thread was there.
    Away(Context),
    /// The same at a first poll; the span is opened in it. The state is [`State::Waiting`].
    Waiting(Context, &'a mut State),
}

impl<'a> Inside<'a> {
    fn of(context: Context) -> Self {
        Self::Away(context::replace(context))
    }

    #[inline(never)]
    fn enter(state: &'a mut State) -> Self {
        match state {
            State::New { site, .. } if passes_by(site) => {
                *state = State::Done(0);
                Self::Nowhere
            }
            State::New {
                site,
                start: Starts::Wrapper,
            } => {
                let site = CallSite::of(site);
                if let Some(outer) = opened::plain_context(site)
                    && let Some((span, at)) = opened::begin_bare(outer, site)
                {
                    *state = State::Open(opened::begun(outer, site, span, at));
                    context::set_span(span);
                    return match state {
                        State::Open(opened) => Self::Below(opened),
                        _ => Self::Nowhere,
                    };
                }
                Self::first(state)
            }
            State::New { .. } => Self::first(state),
            State::Open(opened) => Self::of(opened.context),
            State::Waiting(_) | State::Done(_) => Self::Nowhere,
        }
    }

    /// At the first poll, the span is opened.
    #[cold]
    #[inline(never)]
    fn first(state: &'a mut State) -> Self {
        let State::New { site, start } = std::mem::replace(state, State::Done(0)) else {
            return Self::Nowhere;
        };
        let opened = match start {
            Starts::Inner => {
                *state = State::Waiting(handoff::ask(site));
                return Self::Waiting(context::current(), state);
            }
            Starts::Wrapper => opened::open(site, |_| {}),
            Starts::Prepared(captured) => {
                let Captured { payload, parent } = *captured;
                opened::open(site, |start| start.resume(&payload, parent))
            }
        };
        match opened {
            Some(opened) => {
                *state = State::Open(opened);
                Self::of(opened.context)
            }
            None => Self::Nowhere,
        }
    }

    /// The way back that is not the usual one.
    #[inline(never)]
    fn leave(&mut self) {
        match self {
            Self::Nowhere => {}
            // Somebody inside has left the thread elsewhere.
            Self::Below(opened) => {
                context::replace(Context {
                    span: opened.parent,
                    ..opened.context.inherited()
                });
            }
            Self::Away(outer) => {
                context::replace(*outer);
            }
            Self::Waiting(outer, state) => {
                // Also where the first poll panics, the span is taken over that was opened in it.
                if let State::Waiting(waiting) = std::mem::replace(*state, State::Done(0))
                    && let Some(opened) = waiting.end()
                {
                    let is_there = opened.follows() && context::is_at(opened.context.span);
                    let parent = opened.parent;
                    **state = State::Open(opened);
                    if is_there {
                        return context::set_span(parent);
                    }
                }
                context::replace(*outer);
            }
        }
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        match self {
            Self::Nowhere => {}
            Self::Below(opened) if context::is_at(opened.context.span) => {
                context::set_span(opened.parent);
            }
            Self::Below(_) | Self::Away(_) | Self::Waiting(..) => self.leave(),
        }
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
