//! The wrapper of futures: a span that is current while its future is polled.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project::{pin_project, pinned_drop};

use super::opened::{self, Opened};
use super::record::EndStatus;
use super::start::{End, Start};
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
    /// Polled for the first time: [`begin`] opens it. Who waited for that before.
    Waiting(Handoff),
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
    payload: Vec<u64>,
    parent: Option<SpanContext>,
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
        Inside::NOWHERE
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
    if let State::Open(opened) = std::mem::replace(state, State::Done(0)) {
        opened::close_with(&opened, EndStatus::Ok, finish);
        if opened.is_sampled() {
            *state = State::Done(opened.context.client);
        }
    }
}

/// During a poll: the span is current. What is only there at the first poll is kept in the state, and there is no
/// `Option` around it, so that it is small.
struct Inside<'a> {
    outer: Context,
    /// That of a first poll, if it is [`State::Waiting`].
    waiting: Option<&'a mut State>,
    /// Whether there is a span.
    entered: bool,
}

impl<'a> Inside<'a> {
    const NOWHERE: Self = Self {
        outer: Context::NONE,
        waiting: None,
        entered: false,
    };

    fn of(context: Context) -> Self {
        Self {
            outer: context::replace(context),
            waiting: None,
            entered: true,
        }
    }

    #[inline(never)]
    fn enter(state: &'a mut State) -> Self {
        match state {
            State::New { .. } => Self::first(state),
            State::Open(opened) => Self::of(opened.context),
            State::Waiting(_) | State::Done(_) => Self::NOWHERE,
        }
    }

    /// At the first poll, the span is opened.
    #[cold]
    fn first(state: &'a mut State) -> Self {
        let State::New { site, start } = std::mem::replace(state, State::Done(0)) else {
            return Self::NOWHERE;
        };
        let opened = match start {
            Starts::Inner => {
                *state = State::Waiting(HANDOFF.replace(Handoff::Wanted(site)));
                return Self {
                    outer: context::current(),
                    waiting: Some(state),
                    entered: true,
                };
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
            None => Self::NOWHERE,
        }
    }

    #[inline(never)]
    fn leave(&mut self) {
        // Also where the first poll panics, the span is taken over that was opened in it.
        if let Some(state) = self.waiting.take()
            && let State::Waiting(before) = std::mem::replace(state, State::Done(0))
            && let Handoff::Opened(opened) = HANDOFF.replace(before)
        {
            *state = State::Open(opened);
        }
        context::replace(self.outer);
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.entered {
            self.leave();
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
