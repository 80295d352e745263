//! Questions to a type that a signature names: is it a box with a future, a stream or an iterator in it?
//!
//! Asked at the call site, where aliases are resolved, by method lookup: a question derefs to the next one, and the
//! first that has the method for this type answers. Nothing has to be imported there and no trait is involved, so
//! nothing can be shadowed.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use futures::Stream;

use super::call::{
    Async, Begin, Boxed, Flushes, FlushesInPlace, FollowItems, FutureBox, ItemBox, Late, StillOpen,
};
use super::flushed::{Flushed, FlushedInPlace};
use super::future::{Instrumented, Prepared};
use super::guard::Entered;
use super::opening::Opening;
use super::start::Start;
use super::stream::{InstrumentedIter, InstrumentedStream, Item};
use crate::site::SiteText;

/// Asks how a call that gives a `T` is followed.
pub struct Returns<T>(Value, PhantomData<fn() -> T>);

/// Asks the same of a call that ends with a flush.
pub struct FlushedReturns<T>(FlushedInPlaceReturns<T>);

/// Asks again where a value cannot be held while the flush is awaited.
pub struct FlushedInPlaceReturns<T>(Returns<T>);

/// The answer to all: a value like any other.
pub struct Value;

impl<T> Returns<T> {
    /// The question.
    pub const ASK: Self = Self(Value, PhantomData);
}

impl<T> FlushedReturns<T> {
    /// The question.
    pub const ASK: Self = Self(FlushedInPlaceReturns(Returns::ASK));
}

/// The answer: what such a call begins with.
pub struct Begins<B>(PhantomData<fn() -> B>);

impl<B: Begin> Begins<B> {
    const ANSWER: Self = Self(PhantomData);

    /// A span without arguments.
    #[inline(always)]
    pub fn enter(self, site: SiteText) -> B {
        B::begin(site, |_| {})
    }

    /// A span with arguments.
    #[inline(always)]
    pub fn enter_with(self, site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> B {
        B::begin(site, start)
    }

    /// A span that begins once its parameters are bound.
    #[inline]
    pub fn late(self, site: SiteText) -> Late<B> {
        Late::new(site)
    }
}

impl Value {
    /// A value ends its span.
    #[inline(always)]
    pub fn begins(&self) -> Begins<Entered> {
        Begins::ANSWER
    }

    /// A value ends its span.
    #[inline(always)]
    pub fn call(&self, site: SiteText, with_input: bool) -> Async {
        Async::new(site, with_input)
    }
}

macro_rules! next {
    ($($from:ident => $to:ty,)*) => {$(
        impl<T> Deref for $from<T> {
            type Target = $to;

            #[inline(always)]
            fn deref(&self) -> &$to {
                &self.0
            }
        }
    )*};
}

next! {
    Returns => Value,
    FlushedInPlaceReturns => Returns<T>,
    FlushedReturns => FlushedInPlaceReturns<T>,
}

type FutureIn<'a, O> = Pin<Box<dyn Future<Output = O> + 'a>>;
type SendFutureIn<'a, O> = Pin<Box<dyn Future<Output = O> + Send + 'a>>;
type SyncFutureIn<'a, O> = Pin<Box<dyn Future<Output = O> + Send + Sync + 'a>>;

macro_rules! futures {
    ($($boxed:ident: [$($held:tt)*] [$($auto:tt)*],)*) => {$(
        impl<'a, O> Returns<$boxed<'a, O>> {
            /// The span is that of the future.
            pub fn begins(&self) -> Begins<Boxed<Prepared, $boxed<'a, O>>> {
                Begins::ANSWER
            }
        }

        impl<'a, O: $($held)*> FlushedReturns<$boxed<'a, O>> {
            /// The span is that of the future.
            pub fn begins(&self) -> Begins<Boxed<Flushes, $boxed<'a, O>>> {
                Begins::ANSWER
            }
        }

        impl<'a, O> FlushedInPlaceReturns<$boxed<'a, O>> {
            /// The span is that of the future.
            pub fn begins(&self) -> Begins<Boxed<FlushesInPlace, $boxed<'a, O>>> {
                Begins::ANSWER
            }
        }

        impl<'a, O: 'a, W: Future<Output = O> $($auto)* + 'a> FutureBox<W> for $boxed<'a, O> {
            fn of(future: W) -> Self {
                Box::pin(future)
            }
        }
    )*};
}

futures! {
    FutureIn: [] [],
    SendFutureIn: [Send] [+ Send],
    SyncFutureIn: [Send] [+ Send + Sync],
}

macro_rules! items {
    ($($boxed:ident: $into:expr, $span:ident, [$($auto:tt)*],)*) => {$(
        impl<'a, X> Returns<$boxed<'a, X>> {
            /// The span stays open until nothing more comes.
            pub fn begins(&self) -> Begins<Boxed<Entered, $boxed<'a, X>>> {
                Begins::ANSWER
            }

            /// The span of the future is that of what it gives.
            pub fn call(
                &self,
                site: SiteText,
                with_input: bool,
            ) -> Boxed<Async, $boxed<'a, X>> {
                Boxed::of(Async::new(site, with_input))
            }
        }

        impl<X> ItemBox for $boxed<'_, X> {
            type Item = X;
        }

        impl<'a, X: 'a, I> FollowItems<I> for $boxed<'a, X>
        where
            I: FnMut(&mut Item<'_>, &X) $($auto)* + 'a,
        {
            fn follow(self, open: StillOpen, item: I) -> Self {
                $into($span::new(self, Some(open.0), Some(item)))
            }
        }
    )*};
}

type StreamIn<'a, X> = Pin<Box<dyn Stream<Item = X> + 'a>>;
type SendStreamIn<'a, X> = Pin<Box<dyn Stream<Item = X> + Send + 'a>>;
type SyncStreamIn<'a, X> = Pin<Box<dyn Stream<Item = X> + Send + Sync + 'a>>;
type IterIn<'a, X> = Box<dyn Iterator<Item = X> + 'a>;
type SendIterIn<'a, X> = Box<dyn Iterator<Item = X> + Send + 'a>;
type SyncIterIn<'a, X> = Box<dyn Iterator<Item = X> + Send + Sync + 'a>;
type EndsIn<'a, X> = Box<dyn DoubleEndedIterator<Item = X> + 'a>;
type SendEndsIn<'a, X> = Box<dyn DoubleEndedIterator<Item = X> + Send + 'a>;
type ExactIn<'a, X> = Box<dyn ExactSizeIterator<Item = X> + 'a>;
type SendExactIn<'a, X> = Box<dyn ExactSizeIterator<Item = X> + Send + 'a>;

items! {
    StreamIn: Box::pin, InstrumentedStream, [],
    SendStreamIn: Box::pin, InstrumentedStream, [+ Send],
    SyncStreamIn: Box::pin, InstrumentedStream, [+ Send + Sync],
    IterIn: Box::new, InstrumentedIter, [],
    SendIterIn: Box::new, InstrumentedIter, [+ Send],
    SyncIterIn: Box::new, InstrumentedIter, [+ Send + Sync],
    EndsIn: Box::new, InstrumentedIter, [],
    SendEndsIn: Box::new, InstrumentedIter, [+ Send],
    ExactIn: Box::new, InstrumentedIter, [],
    SendExactIn: Box::new, InstrumentedIter, [+ Send],
}

/// Asks how the future of an agent waits for its flush.
pub struct Flushing<C>(FlushingInPlace<C>);

/// Asks again where a value cannot be held meanwhile.
pub struct FlushingInPlace<C>(PhantomData<fn() -> C>);

impl<C> Flushing<C> {
    /// Asks about this future.
    #[inline]
    pub fn of(_: &C) -> Self {
        Self(FlushingInPlace(PhantomData))
    }
}

impl<C> Deref for Flushing<C> {
    type Target = FlushingInPlace<C>;

    #[inline]
    fn deref(&self) -> &FlushingInPlace<C> {
        &self.0
    }
}

impl<F: Future<Output: Send>, E> Flushing<Instrumented<F, E>> {
    /// Its value is held until the flush is done.
    #[inline]
    pub fn flushed(&self, future: Instrumented<F, E>) -> Flushed<F, E> {
        Flushed::new(future)
    }
}

impl<F: Future, I, R> Flushing<Opening<F, I, R>> {
    /// The flush is at the end of what it gives.
    #[inline]
    pub fn flushed(&self, future: Opening<F, I, R>) -> Opening<F, I, R> {
        future
    }
}

impl<F: Future, E> FlushingInPlace<Instrumented<F, E>> {
    /// It waits where it is.
    #[inline]
    pub fn flushed(&self, future: Instrumented<F, E>) -> FlushedInPlace<F, E> {
        FlushedInPlace::new(future)
    }
}
