//! What annotated functions can record.
//!
//! These traits are never implemented or called by hand: everything that is [`Serialize`] (or
//! [`Debug`], for parameters in `debug(…)`) has them. They are the words in which the compiler says
//! that a value cannot be recorded, and what can be done about it.
//!
//! On a type parameter, a bound such as `T: serde::Serialize` is all that is needed.

use std::fmt::Debug;

use serde::Serialize;

use crate::span::{End, Recorder, Start};

// Their methods are called by path, as those of any trait. The compiler then has nothing to say of a bound in a
// function that nobody has heard of.

/// What can be recorded as an argument: all that is [`Serialize`].
#[diagnostic::on_unimplemented(
    message = "this argument cannot be recorded: `{Self}` does not implement `serde::Serialize`",
    label = "`{Self}` is not `Serialize`",
    note = "derive `serde::Serialize` (a type parameter needs it among its bounds), or say in the attribute: `skip(…)` to leave this parameter out, `debug(…)` to capture it through `Debug`, or `capture_input = false` to record no arguments"
)]
pub trait Argument {
    #[doc(hidden)]
    fn field(&self, start: &mut Start<'_>, name: &'static str);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Argument for T {
    // Once for each type, and not again in each function that has such an argument.
    #[inline(never)]
    fn field(&self, start: &mut Start<'_>, name: &'static str) {
        start.field(name, self);
    }
}

/// What can be recorded as an argument in `debug(…)`: all that is [`Debug`].
#[diagnostic::on_unimplemented(
    message = "this argument cannot be recorded: `{Self}` does not implement `Debug`",
    label = "`{Self}` is not `Debug`",
    note = "derive `Debug` (a type parameter needs it among its bounds), or say in the attribute: `skip(…)` to leave this parameter out"
)]
pub trait DebugArgument {
    #[doc(hidden)]
    fn field(&self, start: &mut Start<'_>, name: &'static str);
}

#[diagnostic::do_not_recommend]
impl<T: Debug + ?Sized> DebugArgument for T {
    #[inline]
    fn field(&self, start: &mut Start<'_>, name: &'static str) {
        start.field_debug(name, self);
    }
}

/// What can be recorded as an attribute: all that is [`Serialize`].
#[diagnostic::on_unimplemented(
    message = "this attribute cannot be recorded: `{Self}` does not implement `serde::Serialize`",
    label = "`{Self}` is not `Serialize`",
    note = "derive `serde::Serialize` (a type parameter needs it among its bounds), or write an expression that can be recorded, say `value.to_string()`"
)]
pub trait Attribute {
    #[doc(hidden)]
    fn attribute(&self, start: &mut Start<'_>, key: &'static str);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Attribute for T {
    #[inline]
    fn attribute(&self, start: &mut Start<'_>, key: &'static str) {
        start.attribute(key, self);
    }
}

/// What can be recorded as an entry of metadata: all that is [`Serialize`].
#[diagnostic::on_unimplemented(
    message = "this metadata cannot be recorded: `{Self}` does not implement `serde::Serialize`",
    label = "`{Self}` is not `Serialize`",
    note = "derive `serde::Serialize` (a type parameter needs it among its bounds), or write an expression that can be recorded, say `value.to_string()`"
)]
pub trait Metadata {
    #[doc(hidden)]
    fn metadata(&self, start: &mut Start<'_>, key: &'static str);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Metadata for T {
    #[inline]
    fn metadata(&self, start: &mut Start<'_>, key: &'static str) {
        start.metadata(key, self);
    }
}

/// What can be recorded as a result, or as an item of a stream or iterator: all that is
/// [`Serialize`].
#[diagnostic::on_unimplemented(
    message = "this result cannot be recorded: `{Self}` does not implement `serde::Serialize`",
    label = "`{Self}` is not `Serialize`",
    note = "derive `serde::Serialize` (a type parameter needs it among its bounds), or say in the attribute: `debug(return)` to capture it through `Debug`, or `capture_output = false` to record no result"
)]
pub trait Output {
    #[doc(hidden)]
    fn output(value: Option<&Self>, end: &mut impl Recorder);

    /// The same as a function to hand on.
    #[doc(hidden)]
    fn record(end: &mut End<'_>, value: &Self);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Output for T {
    #[inline]
    fn output(value: Option<&Self>, end: &mut impl Recorder) {
        if let Some(value) = value {
            end.value(value);
        }
    }

    #[inline(never)]
    fn record(end: &mut End<'_>, value: &Self) {
        end.output(value);
    }
}

/// What can be recorded as a result with `debug(return)`: all that is [`Debug`].
#[diagnostic::on_unimplemented(
    message = "this result cannot be recorded: `{Self}` does not implement `Debug`",
    label = "`{Self}` is not `Debug`",
    note = "derive `Debug` (a type parameter needs it among its bounds), or say in the attribute: `capture_output = false` to record no result"
)]
pub trait DebugOutput {
    #[doc(hidden)]
    fn output(value: Option<&Self>, end: &mut impl Recorder);

    /// The same as a function to hand on.
    #[doc(hidden)]
    fn record(end: &mut End<'_>, value: &Self);
}

#[diagnostic::do_not_recommend]
impl<T: Debug + ?Sized> DebugOutput for T {
    #[inline]
    fn output(value: Option<&Self>, end: &mut impl Recorder) {
        if let Some(value) = value {
            end.debug(value);
        }
    }

    fn record(end: &mut End<'_>, value: &Self) {
        end.output_debug(value);
    }
}
