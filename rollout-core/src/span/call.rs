//! What an expansion says of one call, step by step: how its span is opened, and what becomes of what it gives.
//!
//! A function that builds something to be followed (a future, a stream) may do so in a box, and its signature may
//! name that box by an alias. So the expansion asks by type: [`super::ask`].

use std::future::Future;
use std::marker::PhantomData;

use futures::Stream;

use super::flushed::{Flushed, FlushedInPlace};
use super::future::{Instrumented, Prepared, Starts, prepare};
use super::guard::{Entered, enter_with};
use super::opened::Opened;
use super::opening::Opening;
use super::start::{End, Start};
use super::stream::{InstrumentedIter, InstrumentedStream, Item};
use crate::context;
use crate::site::SiteText;

/// The span of a call before its body has run.
pub trait Begin: Sized {
    /// With these arguments.
    fn begin(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Self;

    /// Nothing yet.
    fn not_yet(site: SiteText) -> Self;
}

impl Begin for Entered {
    #[inline(always)]
    fn begin(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Self {
        enter_with(site, start)
    }

    #[inline(always)]
    fn not_yet(_: SiteText) -> Self {
        Self::NOTHING
    }
}

impl Begin for Prepared {
    #[inline]
    fn begin(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Self {
        prepare(site, start)
    }

    #[inline]
    fn not_yet(site: SiteText) -> Self {
        prepare(site, |_| {})
    }
}

/// A call whose span begins once the parameters that it records are bound.
pub struct Late<B> {
    site: SiteText,
    begun: B,
}

impl<B: Begin> Late<B> {
    /// Of this call site.
    #[inline]
    pub fn new(site: SiteText) -> Self {
        Self {
            site,
            begun: B::not_yet(site),
        }
    }

    /// Runs the body, which calls [`begin`](Self::begin).
    #[inline]
    pub fn run<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        body(self)
    }

    /// Begins the span.
    #[inline]
    pub fn begin(&mut self, start: impl FnOnce(&mut Start<'_>)) {
        self.begun = B::begin(self.site, start);
    }

    /// What has begun.
    #[inline]
    pub fn begun(&mut self) -> &mut B {
        &mut self.begun
    }
}

/// The span of an `async fn` before its future is made.
#[derive(Clone, Copy)]
pub struct Async {
    pub(super) site: SiteText,
    with_input: bool,
}

impl Async {
    /// Of this call site; with input, the first statement of the future is a call of [`super::begin`].
    #[inline]
    pub fn new(site: SiteText, with_input: bool) -> Self {
        Self { site, with_input }
    }

    #[inline]
    pub(super) fn starts(self) -> Starts {
        if self.with_input {
            Starts::Inner
        } else {
            Starts::Wrapper
        }
    }

    /// The future gives a value.
    #[inline]
    pub fn value<F, E>(self, inner: F, finish: E) -> Instrumented<F, E>
    where
        F: Future,
        E: FnOnce(&mut End<'_>, &F::Output),
    {
        Instrumented::new(self.site, finish, inner, self.starts())
    }

    /// The future gives a stream, which takes over the span. `T` is the declared item.
    #[inline]
    pub fn stream<T, F, S, I>(self, inner: F, item: I) -> Opening<F, I, InstrumentedStream<S, I>>
    where
        F: Future<Output = S>,
        S: Stream<Item = T>,
        I: FnMut(&mut Item<'_>, &T),
    {
        Opening::new(
            Instrumented::new(self.site, item, inner, self.starts()),
            |stream, open| {
                let (opened, item) = open.unzip();
                InstrumentedStream::new(stream, opened, item)
            },
        )
    }

    /// The future gives an iterator, which takes over the span. `T` is the declared item.
    #[inline]
    pub fn iterator<T, F, S, I>(self, inner: F, item: I) -> Opening<F, I, InstrumentedIter<S, I>>
    where
        F: Future<Output = S>,
        S: Iterator<Item = T>,
        I: FnMut(&mut Item<'_>, &T),
    {
        Opening::new(
            Instrumented::new(self.site, item, inner, self.starts()),
            |iter, open| {
                let (opened, item) = open.unzip();
                InstrumentedIter::new(iter, opened, item)
            },
        )
    }
}

/// A call that gives a `T`: a box, of which another one is made.
pub struct Boxed<B, T>(B, PhantomData<fn() -> T>);

/// The future in the box is an agent's: it is done when its trace is flushed, see [`Flushed`].
pub struct Flushes(Prepared);

/// The same for values that cannot be held meanwhile, see [`FlushedInPlace`].
pub struct FlushesInPlace(Prepared);

impl<B: Begin, T> Begin for Boxed<B, T> {
    #[inline]
    fn begin(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Self {
        Self(B::begin(site, start), PhantomData)
    }

    #[inline]
    fn not_yet(site: SiteText) -> Self {
        Self(B::not_yet(site), PhantomData)
    }
}

macro_rules! prepared {
    ($($name:ident)*) => {$(
        impl Begin for $name {
            #[inline]
            fn begin(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Self {
                Self(prepare(site, start))
            }

            #[inline]
            fn not_yet(site: SiteText) -> Self {
                Self(Prepared::not_yet(site))
            }
        }
    )*};
}

prepared!(Flushes FlushesInPlace);

/// A box of a future, made of another future.
pub trait FutureBox<W>: Future + Sized {
    /// Boxes it.
    fn of(future: W) -> Self;
}

impl<F> Boxed<Prepared, F> {
    /// The body has built the future: it is put into a span, and that into a box again; or left as it is if nothing
    /// is recorded.
    #[inline]
    pub fn follow<E>(&mut self, value: F, finish: E) -> F
    where
        F: FutureBox<Instrumented<F, E>>,
        E: FnOnce(&mut End<'_>, &F::Output),
    {
        if context::is_on() {
            F::of(self.0.future(value, finish))
        } else {
            value
        }
    }
}

impl<F> Boxed<Flushes, F> {
    /// The same, with a flush.
    #[inline]
    pub fn follow<E>(&mut self, value: F, finish: E) -> F
    where
        F: FutureBox<Flushed<F, E>>,
        E: FnOnce(&mut End<'_>, &F::Output),
    {
        if context::is_on() {
            F::of(Flushed::new(self.0.0.future(value, finish)))
        } else {
            value
        }
    }
}

impl<F> Boxed<FlushesInPlace, F> {
    /// The same, with a flush.
    #[inline]
    pub fn follow<E>(&mut self, value: F, finish: E) -> F
    where
        F: FutureBox<FlushedInPlace<F, E>>,
        E: FnOnce(&mut End<'_>, &F::Output),
    {
        if context::is_on() {
            F::of(FlushedInPlace::new(self.0.0.future(value, finish)))
        } else {
            value
        }
    }
}

/// A span whose body has run, and which goes on.
pub struct StillOpen(pub(super) Opened);

/// A box of a stream or an iterator.
pub trait ItemBox: Sized {
    /// What it yields.
    type Item;
}

/// The same, which can be put into a span.
pub trait FollowItems<I>: ItemBox {
    /// In the span that its body has run in.
    fn follow(self, open: StillOpen, item: I) -> Self;
}

impl<S: ItemBox> Boxed<Entered, S> {
    /// The body has built the stream or iterator; the span stays open until that ends or is dropped.
    #[inline]
    pub fn follow<I>(&mut self, value: S, item: I) -> S
    where
        S: FollowItems<I>,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        match self.0.stay_open() {
            Some(opened) => value.follow(StillOpen(opened), item),
            None => value,
        }
    }
}

impl<S: ItemBox> Boxed<Async, S> {
    /// Of this call site, as [`Async::new`].
    #[inline]
    pub(super) fn of(call: Async) -> Self {
        Self(call, PhantomData)
    }

    /// The future gives a stream or iterator in a box, which takes over the span.
    #[inline]
    pub fn value<F, I>(self, inner: F, item: I) -> Opening<F, I, S>
    where
        F: Future<Output = S>,
        S: FollowItems<I>,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        let call = self.0;
        Opening::new(
            Instrumented::new(call.site, item, inner, call.starts()),
            |value, open| match open {
                Some((opened, item)) => value.follow(StillOpen(opened), item),
                None => value,
            },
        )
    }
}

/// Tells the body what its function declares: a future of this output.
#[inline(always)]
pub fn future_of<T, F: Future<Output = T>>(future: F) -> F {
    future
}

/// The same: a stream of these items.
#[inline(always)]
pub fn stream_of<T, S: Stream<Item = T>>(stream: S) -> S {
    stream
}

/// The same: an iterator of these items.
#[inline(always)]
pub fn iterator_of<T, S: Iterator<Item = T>>(iterator: S) -> S {
    iterator
}
