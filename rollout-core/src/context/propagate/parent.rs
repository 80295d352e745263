//! What may be given as the parent of a trace or span.

use std::borrow::Cow;
use std::sync::Arc;

use super::SpanContext;
use crate::span::{Span, Trace};

/// What tells of a span that is the parent of another: a [`SpanContext`], the text of a `traceparent`, a [`Span`] or
/// [`Trace`] at hand, or an `Option` of one of these.
///
/// A text that is no `traceparent` tells of none, as `None` does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` tells of no parent",
    label = "not a `SpanContext`, the text of a `traceparent`, or an `Option` of one",
    note = "`rollout::extract(&headers)` reads one from the headers of a request"
)]
pub trait AsParent {
    /// The parent, if there is one.
    fn as_parent(&self) -> Option<SpanContext>;
}

impl AsParent for SpanContext {
    fn as_parent(&self) -> Option<SpanContext> {
        Some(self.clone())
    }
}

impl AsParent for str {
    fn as_parent(&self) -> Option<SpanContext> {
        self.parse().ok()
    }
}

impl AsParent for String {
    fn as_parent(&self) -> Option<SpanContext> {
        self.as_str().as_parent()
    }
}

impl AsParent for Span {
    fn as_parent(&self) -> Option<SpanContext> {
        self.span_context()
    }
}

impl AsParent for Trace {
    fn as_parent(&self) -> Option<SpanContext> {
        self.span_context()
    }
}

impl<T: AsParent> AsParent for Option<T> {
    fn as_parent(&self) -> Option<SpanContext> {
        self.as_ref()?.as_parent()
    }
}

impl<T: AsParent + ToOwned + ?Sized> AsParent for Cow<'_, T> {
    fn as_parent(&self) -> Option<SpanContext> {
        (**self).as_parent()
    }
}

macro_rules! pointers {
    ($($pointer:ty,)*) => {$(
        impl<T: AsParent + ?Sized> AsParent for $pointer {
            fn as_parent(&self) -> Option<SpanContext> {
                (**self).as_parent()
            }
        }
    )*};
}

pointers! {
    &T,
    Arc<T>,
    Box<T>,
}
