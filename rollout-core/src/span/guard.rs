//! The guard of synchronous code.

use std::marker::PhantomData;

use super::opened::{self, Opened};
use super::record::EndStatus;
use super::start::{End, Start};
use super::stream::{InstrumentedIter, InstrumentedStream, Item};
use crate::context::{self, Context, ROOT};
use crate::site::{CallSite, Flush};

/// A span that this thread is inside of. Its drop ends the span: as `panic` while unwinding, else as ok.
///
/// It must stay on its thread:
///
/// ```compile_fail
/// fn assert_send<T: Send>() {}
/// assert_send::<rollout_core::private::Entered>();
/// ```
#[must_use = "the span ends when the guard is dropped"]
#[derive(Debug)]
pub struct Entered {
    opened: Opened,
    /// Where the thread was, if that does not follow from what was opened.
    outer: Option<Box<Context>>,
    stays: PhantomData<*const ()>,
}

/// Opens a span and enters it.
#[inline]
pub fn enter(site: &'static CallSite) -> Entered {
    enter_with(site, |_| {})
}

/// Opens a span and enters it; `start` says what it starts with, and runs only if it is recorded.
#[inline]
pub fn enter_with(site: &'static CallSite, start: impl FnOnce(&mut Start<'_>)) -> Entered {
    if !context::is_on() {
        return Entered::over(Opened::NOTHING);
    }
    Entered::over(opened::open(site, start))
}

/// A span that is entered once the parameters it records are bound.
pub struct Late {
    site: &'static CallSite,
    entered: Entered,
}

impl Late {
    /// Opens the span and enters it, as [`enter_with`] does.
    #[inline]
    pub fn begin(&mut self, start: impl FnOnce(&mut Start<'_>)) {
        self.entered = enter_with(self.site, start);
    }
}

/// Runs a `body` that enters the span itself, and goes on as [`Entered::run`] does.
#[inline]
pub fn run_late<R>(
    site: &'static CallSite,
    body: impl FnOnce(&mut Late) -> R,
    finish: impl FnOnce(&mut End<'_>, &R),
) -> R {
    let entered = Entered::over(Opened::NOTHING);
    let mut late = Late { site, entered };
    let value = body(&mut late);
    late.entered.run(|| value, finish)
}

impl Entered {
    #[inline]
    fn over(opened: Opened) -> Self {
        let mut outer = None;
        if !opened.is_nothing() {
            let was = context::replace(opened.context);
            let is_root = opened.context.flags & ROOT != 0 || opened.site.is_none();
            if is_root && was != Context::NONE {
                outer = Some(Box::new(was));
            }
        }
        Self {
            opened,
            outer,
            stays: PhantomData,
        }
    }

    /// Puts the thread back where it was.
    #[inline]
    fn leave(&mut self) {
        let context = self.opened.context;
        if self.opened.is_nothing() {
            return;
        }
        let outer = match self.outer.take() {
            Some(outer) => *outer,
            None if context.flags & ROOT != 0 || self.opened.site.is_none() => Context::NONE,
            None => Context {
                span: self.opened.parent,
                flags: context.inherited(),
                ..context
            },
        };
        context::replace(outer);
    }

    #[inline]
    fn end(&mut self, status: EndStatus, finish: impl FnOnce(&mut End<'_>)) {
        opened::close(&self.opened, status, finish);
        self.leave();
        let ended = std::mem::replace(&mut self.opened, Opened::NOTHING);
        if let Some(site) = ended.site
            && site.flush != Flush::No
        {
            crate::client::flush_agent(ended.context.client, site.flush);
        }
    }

    /// Runs `body` inside the span, shows its value to `finish`, ends the span and returns the value.
    #[inline]
    pub fn run<R>(mut self, body: impl FnOnce() -> R, finish: impl FnOnce(&mut End<'_>, &R)) -> R {
        let value = body();
        if !self.opened.is_nothing() {
            self.end(EndStatus::Ok, |end| finish(end, &value));
        }
        value
    }

    /// Runs a `body` that builds a stream; the span stays open until that ends or is dropped.
    pub fn stream<S, I>(self, body: impl FnOnce() -> S, item: I) -> InstrumentedStream<S, I>
    where
        S: futures::Stream,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        let (stream, opened) = self.build(body);
        InstrumentedStream::new(stream, opened, item)
    }

    /// Runs a `body` that builds an iterator; the span stays open until that ends or is dropped.
    pub fn iter<S, I>(self, body: impl FnOnce() -> S, item: I) -> InstrumentedIter<S, I>
    where
        S: Iterator,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        let (iter, opened) = self.build(body);
        InstrumentedIter::new(iter, opened, item)
    }

    /// Like [`stream`](Self::stream) for a stream in a box, which is left as it is if nothing is
    /// recorded.
    pub fn stream_boxed<S, I>(
        self,
        body: impl FnOnce() -> S,
        item: I,
        into: impl FnOnce(InstrumentedStream<S, I>) -> S,
    ) -> S
    where
        S: futures::Stream,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        let (stream, opened) = self.build(body);
        if opened.is_nothing() {
            return stream;
        }
        into(InstrumentedStream::new(stream, opened, item))
    }

    /// Like [`iter`](Self::iter) for an iterator in a box, which is left as it is if nothing is
    /// recorded.
    pub fn iter_boxed<S, I>(
        self,
        body: impl FnOnce() -> S,
        item: I,
        into: impl FnOnce(InstrumentedIter<S, I>) -> S,
    ) -> S
    where
        S: Iterator,
        I: FnMut(&mut Item<'_>, &S::Item),
    {
        let (iter, opened) = self.build(body);
        if opened.is_nothing() {
            return iter;
        }
        into(InstrumentedIter::new(iter, opened, item))
    }

    fn build<S>(mut self, body: impl FnOnce() -> S) -> (S, Opened) {
        let built = body();
        self.leave();
        let opened = std::mem::replace(&mut self.opened, Opened::NOTHING);
        (built, opened)
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if !self.opened.is_nothing() {
            let status = opened::status_of_drop(&self.opened, EndStatus::Ok);
            self.end(status, |_| {});
        }
    }
}
