//! Work that goes on elsewhere in the process, inside the span that was current where it was handed on.

use std::fmt;
use std::future::Future;

use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::propagate::TracedFuture as _;
use crate::context::{SpanContext, Surroundings};

/// The same work, done inside the span that is current now: for pools of threads, callbacks, and whatever else takes a
/// closure. For a future, see [`in_current_span`](super::TracedFuture::in_current_span).
///
/// ```
/// let work = rollout_core::in_current_span(|| { /* call annotated functions */ });
/// std::thread::spawn(work).join().ok();
/// ```
///
/// Closures that run many times, as those of rayon's iterators do, enter the span each time:
/// `let span = rollout::current_span();` outside, `span.in_scope(|| …)` inside.
pub fn in_current_span<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let here = Surroundings::here();
    move || {
        let _inside = here.enter();
        work()
    }
}

/// Runs blocking work on the current tokio runtime's threads for that, inside the span that is current here.
///
/// # Panics
///
/// As [`tokio::task::spawn_blocking`] does, outside a runtime.
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    tokio::task::spawn_blocking(in_current_span(work))
}

/// Spawns into a [`JoinSet`], inside the span that is current here.
///
/// ```
/// use rollout_core::JoinSetTraced as _;
/// # async fn look_up(city: &str) -> u32 { 7 }
///
/// # async fn example() {
/// let mut lookups = tokio::task::JoinSet::new();
/// for city in ["Oslo", "Rome"] {
///     lookups.spawn_traced(look_up(city));
/// }
/// let degrees = lookups.join_all().await;
/// # }
/// ```
pub trait JoinSetTraced<T>: sealed::Sealed {
    /// Spawns a task, as [`JoinSet::spawn`] does.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    fn spawn_traced<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static;

    /// Runs blocking work, as [`JoinSet::spawn_blocking`] does.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    fn spawn_blocking_traced<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
}

impl<T: 'static> JoinSetTraced<T> for JoinSet<T> {
    fn spawn_traced<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn(task.in_current_span())
    }

    fn spawn_blocking_traced<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_blocking(in_current_span(work))
    }
}

/// Spawns scoped threads, inside the span that is current here.
///
/// ```
/// use rollout_core::ScopeTraced as _;
///
/// let words = ["a", "b"];
/// std::thread::scope(|scope| {
///     for word in &words {
///         scope.spawn_traced(move || word.len());
///     }
/// });
/// ```
pub trait ScopeTraced<'scope>: sealed::Sealed {
    /// Spawns a thread, as [`std::thread::Scope::spawn`] does.
    ///
    /// # Panics
    ///
    /// Where the system has no thread to give.
    fn spawn_traced<F, T>(&'scope self, body: F) -> std::thread::ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope;
}

impl<'scope> ScopeTraced<'scope> for std::thread::Scope<'scope, '_> {
    fn spawn_traced<F, T>(&'scope self, body: F) -> std::thread::ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn(in_current_span(body))
    }
}

mod sealed {
    pub trait Sealed {}

    impl<T> Sealed for tokio::task::JoinSet<T> {}
    impl Sealed for std::thread::Scope<'_, '_> {}
}

/// A value with the span that it was made in: what goes through a channel, to be worked on inside of that.
///
/// ```
/// use rollout_core::Envelope;
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// sender.send(Envelope::new("a question")).ok();
/// for question in receiver.try_iter() {
///     question.open(|question| { /* inside the span of whoever asked */ });
/// }
/// ```
///
/// To another process goes the text of [`context`](Self::context).
#[must_use = "what is inside is lost"]
pub struct Envelope<T> {
    value: T,
    from: Surroundings,
}

impl<T> Envelope<T> {
    /// Puts a value in, with the span that is current now.
    pub fn new(value: T) -> Self {
        Self {
            value,
            from: Surroundings::here(),
        }
    }

    /// Works on the value inside that span.
    pub fn open<R>(self, work: impl FnOnce(T) -> R) -> R {
        let _inside = self.from.enter();
        work(self.value)
    }

    /// The same, asynchronously.
    pub async fn open_async<R>(self, work: impl AsyncFnOnce(T) -> R) -> R {
        let inside = self.from.enter();
        let work = work(self.value).in_current_span();
        drop(inside);
        work.await
    }

    /// The value by itself.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The value as it lies inside.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The span that it was made in; `None` outside of any trace.
    pub fn context(&self) -> Option<SpanContext> {
        self.from.span()
    }
}

impl<T: fmt::Debug> fmt::Debug for Envelope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
