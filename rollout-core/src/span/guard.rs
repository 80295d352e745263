//! The guard of synchronous code.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;

use serde::Serialize;

use super::opened::{self, Opened};
use super::record::EndStatus;
use super::recorder::Recorder;
use super::start::{End, Start};
use super::stream::{InstrumentedIter, InstrumentedStream, Item};
use crate::context::{self, Context};
use crate::recordable::Argument;
use crate::site::{CallSite, Flush, SiteText};

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
    opened: Option<Opened>,
    stays: PhantomData<*const ()>,
}

thread_local! {
    /// Where this thread was before it entered a trace from within another: by the trace it entered, innermost last.
    /// Kept here, so that a guard has no field that needs a drop of its own.
    static OUTER: RefCell<Vec<(u128, Context)>> = const { RefCell::new(Vec::new()) };
}

/// Where the thread was before it entered this trace.
#[cold]
fn take_outer(trace: u128) -> Context {
    OUTER
        .try_with(|outers| {
            let mut outers = outers.try_borrow_mut().ok()?;
            let index = outers.iter().rposition(|(entered, _)| *entered == trace)?;
            Some(outers.remove(index).1)
        })
        .ok()
        .flatten()
        .unwrap_or(Context::NONE)
}

/// Enters a trace, and remembers where the thread was.
#[cold]
#[inline(never)]
fn enter_trace(context: Context) {
    let outer = context::replace(context.inherited());
    if outer != Context::NONE {
        // A thread that is being torn down has nowhere to go back to.
        let _ = OUTER.try_with(|outers| {
            if let Ok(mut outers) = outers.try_borrow_mut() {
                outers.push((context.trace, outer));
            }
        });
    }
}

/// Whether there is nothing to do for a call: it would be a span of a trace that is not recorded.
#[inline(always)]
pub(super) fn passes_by(site: SiteText) -> bool {
    context::is_unsampled() && CallSite::is_plain(site)
}

/// Opens a span and enters it.
#[inline(always)]
pub fn enter(site: SiteText) -> Entered {
    if context::is_on() {
        Entered::bare(site)
    } else {
        Entered::NOTHING
    }
}

/// Opens a span and enters it; `start` says what it starts with, and runs only if it is recorded.
#[inline(always)]
pub fn enter_with(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Entered {
    if context::is_on() {
        // Handed on by reference: a copy of what the closure holds, so soon after that was put together, would have
        // to wait (measured, `benches/span.rs`).
        let mut start = Some(start);
        Entered::with(site, &mut |taken: &mut Start<'_>| {
            if let Some(start) = start.take() {
                start(taken);
            }
        })
    } else {
        Entered::NOTHING
    }
}

/// Opens a span with these arguments, whose names the site has, and enters it. Asked for only where something [is recorded](is_on).
#[inline(never)]
pub fn enter_with_arguments(site: SiteText, values: &[&dyn Argument]) -> Entered {
    if passes_by(site) {
        return Entered::NOTHING;
    }
    let site = CallSite::of(site);
    Entered::with_site(site, &mut |start: &mut Start<'_>| {
        start.arguments(&site.arguments, values);
    })
}

/// Whether anything may be recorded at all.
#[inline(always)]
pub fn is_on() -> bool {
    context::is_on()
}

impl Entered {
    /// No span: nothing is recorded.
    pub const NOTHING: Self = Self {
        opened: None,
        stays: PhantomData,
    };

    /// Without arguments, so compiled once for all.
    #[inline(never)]
    fn bare(site: SiteText) -> Self {
        if passes_by(site) {
            return Self::NOTHING;
        }
        let site = CallSite::of(site);
        let Some(outer) = opened::plain_context(site) else {
            return Self::otherwise(site, &mut |_| {});
        };
        match opened::begin_bare(outer, site) {
            Some((span, at)) => {
                context::set_span(span);
                Self {
                    opened: Some(opened::begun(outer, site, span, at)),
                    stays: PhantomData,
                }
            }
            None => Self::otherwise(site, &mut |_| {}),
        }
    }

    /// Compiled once for all: what is generic about a call is only what `start` does.
    #[inline(never)]
    fn with(site: SiteText, start: &mut dyn FnMut(&mut Start<'_>)) -> Self {
        if passes_by(site) {
            return Self::NOTHING;
        }
        Self::with_site(CallSite::of(site), start)
    }

    #[inline(always)]
    fn with_site(site: &'static CallSite, start: &mut dyn FnMut(&mut Start<'_>)) -> Self {
        let Some(outer) = opened::plain_context(site) else {
            return Self::otherwise(site, start);
        };
        match opened::begin(outer, site, start) {
            Some((span, at)) => {
                context::set_span(span);
                Self {
                    opened: Some(opened::begun(outer, site, span, at)),
                    stays: PhantomData,
                }
            }
            None => Self::NOTHING,
        }
    }

    /// Where it may be that a trace begins, or nothing is recorded.
    #[cold]
    #[inline(never)]
    fn otherwise(site: &'static CallSite, start: &mut dyn FnMut(&mut Start<'_>)) -> Self {
        let opened = opened::open_with(site, start);
        match &opened {
            Some(opened) if opened.follows() => context::set_span(opened.context.span),
            Some(opened) => enter_trace(opened.context),
            None => {}
        }
        Self {
            opened,
            stays: PhantomData,
        }
    }

    /// Puts the thread back where it was.
    #[inline]
    fn leave(&mut self) {
        match &self.opened {
            Some(opened) if opened.follows() => context::set_span(opened.parent),
            Some(opened) => {
                context::replace(take_outer(opened.context.trace));
            }
            None => {}
        }
    }

    /// Ends the span, if there is one, and puts the thread back.
    #[inline(never)]
    fn end(&mut self, finish: &mut dyn FnMut(&mut End<'_>)) {
        let Some(opened) = &self.opened else { return };
        opened::close_with(opened, EndStatus::Ok, finish);
        self.ended();
    }

    /// The end of a guard that was dropped, compiled once for all.
    #[inline(never)]
    fn end_of_drop(&mut self) {
        if let Some(opened) = &self.opened {
            opened::close_bare(opened, opened::status_of_drop(opened, EndStatus::Ok));
            self.ended();
        }
    }

    /// The span is closed: puts the thread back, and flushes where that is asked for.
    #[inline]
    fn ended(&mut self) {
        self.leave();
        let flush = match &self.opened {
            Some(opened) if opened.site.flush != Flush::No => {
                Some((opened.context.client, opened.site.flush))
            }
            _ => None,
        };
        self.opened = None;
        if let Some((client, flush)) = flush {
            crate::client::flush_agent(client, flush);
        }
    }

    /// Whether there is a span to end.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Shows what the body has given to `finish`, ends the span and hands the value on.
    #[inline]
    pub fn follow<R>(&mut self, value: R, finish: impl FnOnce(&mut End<'_>, &R)) -> R {
        if self.opened.is_some() {
            let mut finish = Some(finish);
            self.end(&mut |end| {
                if let Some(finish) = finish.take() {
                    finish(end, &value);
                }
            });
        }
        value
    }

    /// The body has built a stream; the span stays open until that ends or is dropped. `T` is the declared item.
    pub fn stream<T, S, I>(&mut self, stream: S, item: I) -> InstrumentedStream<S, I>
    where
        S: futures::Stream<Item = T>,
        I: FnMut(&mut Item<'_>, &T),
    {
        InstrumentedStream::new(stream, self.stay_open(), Some(item))
    }

    /// The body has built an iterator; the span stays open until that ends or is dropped. `T` is the declared item.
    pub fn iterator<T, S, I>(&mut self, iter: S, item: I) -> InstrumentedIter<S, I>
    where
        S: Iterator<Item = T>,
        I: FnMut(&mut Item<'_>, &T),
    {
        InstrumentedIter::new(iter, self.stay_open(), Some(item))
    }

    /// Leaves the span without ending it.
    pub(super) fn stay_open(&mut self) -> Option<Opened> {
        self.leave();
        self.opened.take()
    }
}

/// What came out of the call ends its span.
impl Recorder for Entered {
    #[inline(never)]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.end(&mut |end| end.output(value));
    }

    #[inline(never)]
    fn debug<T: Debug + ?Sized>(&mut self, value: &T) {
        self.end(&mut |end| end.output_debug(value));
    }

    #[inline(never)]
    fn error(&mut self, type_name: &str, message: &dyn Display, source: Option<&dyn Error>) {
        self.end(&mut |end| end.error(type_name, message, source));
    }
}

impl Drop for Entered {
    #[inline(always)]
    fn drop(&mut self) {
        if self.opened.is_some() {
            self.end_of_drop();
        }
    }
}
