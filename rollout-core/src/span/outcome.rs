//! What the value of a closure says of the span around it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;

/// Why a closure failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The type of the error.
    pub type_name: &'static str,
    /// Its message.
    pub message: String,
}

/// A value that a closure inside a span returns: an `Err` marks the span failed, everything else is a success.
///
/// It is implemented for `Result` and for what the standard library has; for a type of your own, an empty
/// `impl rollout::Outcome for MyType {}` says that it is a success.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether the closure failed",
    note = "return a `Result` or `()`, or write `impl rollout::Outcome for {Self} {{}}`: always a success"
)]
pub trait Outcome {
    /// Why it failed, if it did.
    fn failure(&self) -> Option<Failure> {
        None
    }
}

impl<T, E: fmt::Display> Outcome for Result<T, E> {
    fn failure(&self) -> Option<Failure> {
        let error = self.as_ref().err()?;
        Some(Failure {
            type_name: std::any::type_name::<E>(),
            message: error.to_string(),
        })
    }
}

macro_rules! success {
    ($($type:ty),* $(,)?) => {$( impl Outcome for $type {} )*};
}

success!(
    (),
    bool,
    char,
    str,
    String,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    std::path::PathBuf,
    std::time::Duration,
    std::time::Instant,
    std::time::SystemTime,
    serde_json::Value,
    crate::event::Usage,
    crate::TraceId,
    crate::SpanId,
);

impl<T: ?Sized> Outcome for &T {}
impl<T: ?Sized> Outcome for &mut T {}
impl<T: ?Sized> Outcome for Box<T> {}
impl<T: ?Sized> Outcome for std::rc::Rc<T> {}
impl<T: ?Sized> Outcome for std::sync::Arc<T> {}
impl<T: ToOwned + ?Sized> Outcome for Cow<'_, T> {}
impl<T> Outcome for Option<T> {}
impl<T> Outcome for Vec<T> {}
impl<T> Outcome for VecDeque<T> {}
impl<T, const N: usize> Outcome for [T; N] {}
impl<K, V, S> Outcome for HashMap<K, V, S> {}
impl<K, V> Outcome for BTreeMap<K, V> {}
impl<T, S> Outcome for HashSet<T, S> {}
impl<T> Outcome for BTreeSet<T> {}
impl<A> Outcome for (A,) {}
impl<A, B> Outcome for (A, B) {}
impl<A, B, C> Outcome for (A, B, C) {}
impl<A, B, C, D> Outcome for (A, B, C, D) {}
