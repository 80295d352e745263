//! What an expansion asks of the user's types: whether a value is a failed `Result`, what is the
//! best its error can say.
//!
//! The questions are asked where the types are known, at the call site, by method lookup: each
//! [`Outcome`] derefs to the next, and the first whose `finish` fits the type is taken. Nothing has
//! to be imported there and no trait is involved, so nothing can be shadowed.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;

use futures::Stream;

use crate::span::{End, Recorder};

/// A value whose spelling rules out that it is a `Result`.
#[inline]
pub fn some<T: ?Sized>(value: &T) -> Option<&T> {
    Some(value)
}

/// What a closure that takes it can only be called once for.
pub struct Once;

/// Records nothing of what came out.
#[inline]
pub fn nothing<T: ?Sized>(_: &mut End<'_>, _: &T) {}

/// Tells inference the type of an async block. Never called.
pub fn returned<R>() -> R {
    loop {
        std::thread::park();
    }
}

/// Tells inference what a future of this type gives, or nothing where it is none. Never called.
pub struct Declared<T>(Undeclared, PhantomData<fn() -> T>);
/// A type that is no future, for all that is known.
pub struct Undeclared;

impl<T> Declared<T> {
    /// The question.
    pub const ASK: Self = Self(Undeclared, PhantomData);
}

impl<T> Deref for Declared<T> {
    type Target = Undeclared;

    fn deref(&self) -> &Undeclared {
        &self.0
    }
}

impl<F: Future> Declared<F> {
    /// What it gives.
    pub fn output(&self) -> F::Output {
        returned()
    }
}

impl Undeclared {
    /// Whatever it may be.
    pub fn output<R>(&self) -> R {
        returned()
    }
}

/// A value that may be something which goes on after the call: a future, or something that yields. That is no result.
pub struct Given<'a, T>(GivenStream<'a, T>);
/// A value that may be a stream.
pub struct GivenStream<'a, T>(GivenIterator<'a, T>);
/// A value that may be an iterator.
pub struct GivenIterator<'a, T>(Outcome<'a, T>);

impl<'a, T> Given<'a, T> {
    /// Asks about this value.
    #[inline]
    pub fn new(value: &'a T) -> Self {
        Given(GivenStream(GivenIterator(Outcome::new(value))))
    }
}

macro_rules! goes_on {
    ($($name:ident: $trait:ident,)*) => {$(
        impl<T: $trait> $name<'_, T> {
            /// Nothing to capture.
            #[inline]
            pub fn finish(&self, _: &mut impl Recorder) -> Option<&'static ()> {
                None
            }
        }
    )*};
}

goes_on! {
    Given: Future,
    GivenStream: Stream,
    GivenIterator: Iterator,
}

/// A value that is about to be returned. `finish` gives back what can be captured of it, or
/// reports the error that it holds.
pub struct Outcome<'a, T>(OfDeref<'a, T>);
/// An error that derefs to one, as `anyhow::Error` and `Box<dyn Error>` do.
pub struct OfDeref<'a, T>(OfDisplay<'a, T>);
/// An error that can only be displayed.
pub struct OfDisplay<'a, T>(OfDebug<'a, T>);
/// An error that has only a `Debug` form.
pub struct OfDebug<'a, T>(OfNothing<'a, T>);
/// An error of which only the type is known.
pub struct OfNothing<'a, T>(OfValue<'a, T>);
/// No `Result` at all.
pub struct OfValue<'a, T>(&'a T);

impl<'a, T> Outcome<'a, T> {
    /// Asks about this value.
    #[inline]
    pub fn new(value: &'a T) -> Self {
        Outcome(OfDeref(OfDisplay(OfDebug(OfNothing(OfValue(value))))))
    }
}

impl<'a, T> OfDisplay<'a, T> {
    /// Asks about this value, but not for the sources of its error. The lookup does not see lifetimes: it would take
    /// `impl Error for Full<&'static str>` for an impl for all `Full<&str>`, and the function would not compile.
    #[inline]
    pub fn new(value: &'a T) -> Self {
        OfDisplay(OfDebug(OfNothing(OfValue(value))))
    }
}

macro_rules! chain {
    ($($from:ident => $to:ident,)*) => {
        $(impl<'a, T> Deref for $from<'a, T> {
            type Target = $to<'a, T>;

            #[inline]
            fn deref(&self) -> &$to<'a, T> {
                &self.0
            }
        })*
    };
}

chain! {
    Given => GivenStream,
    GivenStream => GivenIterator,
    GivenIterator => Outcome,
    Outcome => OfDeref,
    OfDeref => OfDisplay,
    OfDisplay => OfDebug,
    OfDebug => OfNothing,
    OfNothing => OfValue,
}

impl<'a, T, E: Error> Outcome<'a, Result<T, E>> {
    /// The value; or the error, with its sources.
    #[inline]
    pub fn finish(&self, recorder: &mut impl Recorder) -> Option<&'a T> {
        split(self.0.0.0.0.0.0, |error| {
            recorder.error(std::any::type_name::<E>(), error, error.source());
        })
    }
}

impl<'a, T, E: Deref<Target: Error>> OfDeref<'a, Result<T, E>> {
    /// The value; or the error, with the sources of what it derefs to.
    #[inline]
    pub fn finish(&self, recorder: &mut impl Recorder) -> Option<&'a T> {
        split(self.0.0.0.0.0, |error| {
            recorder.error(std::any::type_name::<E>(), &&**error, (**error).source());
        })
    }
}

impl<'a, T, E: Display> OfDisplay<'a, Result<T, E>> {
    /// The value; or the error as it is displayed.
    #[inline]
    pub fn finish(&self, recorder: &mut impl Recorder) -> Option<&'a T> {
        split(self.0.0.0.0, |error| {
            recorder.error(std::any::type_name::<E>(), error, None);
        })
    }
}

impl<'a, T, E: Debug> OfDebug<'a, Result<T, E>> {
    /// The value; or the error as `Debug` prints it.
    #[inline]
    pub fn finish(&self, recorder: &mut impl Recorder) -> Option<&'a T> {
        split(self.0.0.0, |error| {
            recorder.error(std::any::type_name::<E>(), &format_args!("{error:?}"), None);
        })
    }
}

impl<'a, T, E> OfNothing<'a, Result<T, E>> {
    /// The value; or the name of the error's type.
    #[inline]
    pub fn finish(&self, recorder: &mut impl Recorder) -> Option<&'a T> {
        split(self.0.0, |_| {
            let name = std::any::type_name::<E>();
            recorder.error(name, &name, None);
        })
    }
}

impl<'a, T> OfValue<'a, T> {
    /// The value, which is no `Result`.
    #[inline]
    pub fn finish(&self, _: &mut impl Recorder) -> Option<&'a T> {
        Some(self.0)
    }
}

#[inline]
fn split<'a, T, E>(result: &'a Result<T, E>, report: impl FnOnce(&'a E)) -> Option<&'a T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            report(error);
            None
        }
    }
}

/// A user's, session's or other thing's id: an `Option` or a plain value.
pub struct Identifier<'a, T: ?Sized>(PlainIdentifier<'a, T>);
/// An id that is always there.
pub struct PlainIdentifier<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> Identifier<'a, T> {
    /// Asks about this value.
    #[inline]
    pub fn new(value: &'a T) -> Self {
        Identifier(PlainIdentifier(value))
    }
}

impl<'a, T: ?Sized> Deref for Identifier<'a, T> {
    type Target = PlainIdentifier<'a, T>;

    #[inline]
    fn deref(&self) -> &PlainIdentifier<'a, T> {
        &self.0
    }
}

impl<'a, T> Identifier<'a, Option<T>> {
    /// The id, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&'a T> {
        self.0.0.as_ref()
    }
}

impl<'a, T> Identifier<'a, &Option<T>> {
    /// The id, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&'a T> {
        self.0.0.as_ref()
    }
}

impl<'a, T: ?Sized> PlainIdentifier<'a, T> {
    /// The id.
    #[inline]
    pub fn get(&self) -> Option<&'a T> {
        Some(self.0)
    }
}

/// Hands an id on as text.
pub fn identifier<T: Display + ?Sized>(value: Option<&T>, set: impl FnOnce(&str)) {
    if let Some(value) = value {
        set(&value.to_string());
    }
}
