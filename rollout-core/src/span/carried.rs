//! A stream or an iterator that a function gives inside of a `Result` or an `Option`: its span goes on with what is
//! there, and ends if nothing is.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;

use futures::Stream;

use super::call::Async;
use super::future::Instrumented;
use super::guard::Entered;
use super::opened::{self, Opened};
use super::opening::Opening;
use super::record::EndStatus;
use super::start::End;
use super::stream::{InstrumentedIter, InstrumentedStream, Item};
use crate::client::flush_agent;
use crate::site::Flush;

/// Asks whether a value carries something. Its spelling may be that of somebody's alias, and so it is asked by type.
pub struct Carries<C>(CarriesNothing<C>);

/// The answer to all others: a value like any other.
pub struct CarriesNothing<C>(PhantomData<fn() -> C>);

impl<C> Carries<C> {
    /// Asks about this value.
    #[inline]
    pub fn of(_: &C) -> Self {
        Self(CarriesNothing(PhantomData))
    }

    /// Asks about what this future gives.
    #[inline]
    pub fn later<F: Future<Output = C>>(_: &F) -> Self {
        Self(CarriesNothing(PhantomData))
    }
}

impl<C> Deref for Carries<C> {
    type Target = CarriesNothing<C>;

    #[inline]
    fn deref(&self) -> &CarriesNothing<C> {
        &self.0
    }
}

/// `Result` and `Option`.
pub trait Carrier: Sized {
    /// What may be in it.
    type Inside;
    /// The same with something else in it.
    type With<R>;

    /// Whether it is an error, or nothing.
    fn is_empty(&self) -> bool;

    /// Does this with what is in it.
    fn carry<R>(self, with: impl FnOnce(Self::Inside) -> R) -> Self::With<R>;
}

impl<T, E> Carrier for Result<T, E> {
    type Inside = T;
    type With<R> = Result<R, E>;

    fn is_empty(&self) -> bool {
        self.is_err()
    }

    fn carry<R>(self, with: impl FnOnce(T) -> R) -> Result<R, E> {
        self.map(with)
    }
}

impl<T> Carrier for Option<T> {
    type Inside = T;
    type With<R> = Option<R>;

    fn is_empty(&self) -> bool {
        self.is_none()
    }

    fn carry<R>(self, with: impl FnOnce(T) -> R) -> Option<R> {
        self.map(with)
    }
}

/// What comes of an `async fn`'s future: its span is taken over by what it carries, or ends here.
fn taken_over<C: Carrier, I, X, R>(
    value: C,
    open: Option<(Opened, (I, X))>,
    follow: impl FnOnce(C::Inside, Option<Opened>, Option<I>) -> R,
) -> C::With<R>
where
    X: FnOnce(&mut End<'_>, &C),
{
    let Some((opened, (item, fail))) = open else {
        return value.carry(|inside| follow(inside, None, None));
    };
    if value.is_empty() {
        opened::close(&opened, EndStatus::Ok, |end| fail(end, &value));
        if opened.is_sampled() && opened.site.flush != Flush::No {
            flush_agent(opened.context.client, opened.site.flush);
        }
    }
    value.carry(|inside| follow(inside, Some(opened), Some(item)))
}

macro_rules! carries {
    ($($trait:ident: $now:ident, $later:ident, $wrapper:ident;)*) => {$(
        impl<C: Carrier<Inside: $trait>> Carries<C> {
            /// The body has run. What it has built takes over the span; else `fail` is shown the value. `T` is the
            /// declared item.
            pub fn $now<T, I, X>(
                &self,
                span: &mut Entered,
                value: C,
                item: I,
                fail: X,
            ) -> C::With<$wrapper<C::Inside, I>>
            where
                C::Inside: $trait<Item = T>,
                I: FnMut(&mut Item<'_>, &T),
                X: FnOnce(&mut End<'_>, &C),
            {
                let value = if value.is_empty() { span.follow(value, fail) } else { value };
                value.carry(|inside| $wrapper::new(inside, span.stay_open(), Some(item)))
            }

            /// The same of what a future gives.
            pub fn $later<T, F, I, X>(
                &self,
                call: Async,
                inner: F,
                item: I,
                fail: X,
            ) -> Opening<F, (I, X), C::With<$wrapper<C::Inside, I>>>
            where
                C::Inside: $trait<Item = T>,
                F: Future<Output = C>,
                I: FnMut(&mut Item<'_>, &T),
                X: FnOnce(&mut End<'_>, &C),
            {
                Opening::new(
                    Instrumented::new(call.site, (item, fail), inner, call.starts()),
                    |value, open| taken_over(value, open, $wrapper::new),
                )
            }
        }

        impl<C> CarriesNothing<C> {
            /// The value ends the span.
            pub fn $now<T, I, X>(&self, span: &mut Entered, value: C, _: I, fail: X) -> C
            where
                I: FnMut(&mut Item<'_>, &T),
                X: FnOnce(&mut End<'_>, &C),
            {
                span.follow(value, fail)
            }

            /// The same of what a future gives.
            pub fn $later<T, F, I, X>(
                &self,
                call: Async,
                inner: F,
                _: I,
                fail: X,
            ) -> Instrumented<F, X>
            where
                F: Future<Output = C>,
                I: FnMut(&mut Item<'_>, &T),
                X: FnOnce(&mut End<'_>, &C),
            {
                call.value(inner, fail)
            }
        }
    )*};
}

carries! {
    Stream: stream, stream_later, InstrumentedStream;
    Iterator: iterator, iterator_later, InstrumentedIter;
}
