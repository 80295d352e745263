//! Opening and closing: the one place where records of spans are made.

use super::record::{EndStatus, Field, PutField, RecordKind, WITH_TRACE};
use super::start::{End, Start};
use crate::clock::{self, Ticks};
use crate::context::{
    self, Context, ROOT, SAMPLED, Thread, UNSAMPLED, UNWINDING, append_scope, with_thread,
};
use crate::queue::Record;
use crate::site::{CallSite, Kind};

/// A span or trace that is open: what its end needs to know. Copied freely; whoever holds it ends it once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    /// Its own context.
    pub(crate) context: Context,
    pub(crate) parent: u64,
    pub(crate) start: Ticks,
    /// `None`: it was opened by hand, or not at all (`context.client` is 0), or its trace is not sampled.
    pub(crate) site: Option<&'static CallSite>,
}

impl Opened {
    /// Nothing was opened.
    pub(crate) const NOTHING: Self = Self {
        context: Context::NONE,
        parent: 0,
        start: 0,
        site: None,
    };

    /// Whether nothing was opened, so that the thread stays where it is.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.context.client == 0
    }

    #[inline]
    pub(crate) fn is_sampled(&self) -> bool {
        self.context.flags & SAMPLED != 0
    }
}

/// Opens what a call site says, under the current context. The caller enters [`Opened::context`].
#[inline]
pub(crate) fn open(site: &'static CallSite, start: impl FnOnce(&mut Start<'_>)) -> Opened {
    let outer = context::current();
    let fresh = matches!(site.kind, Kind::Agent | Kind::Trace) && !(site.join && outer.trace != 0);
    if outer.trace == 0 || fresh {
        return open_trace(site, outer, start);
    }
    if outer.flags & UNSAMPLED != 0 {
        return Opened::NOTHING;
    }
    with_thread(context::client_of(outer), |thread| {
        capture(thread, start);
        append_scope(&mut thread.payload);
        let span = thread.span_id();
        let at = clock::now();
        thread.push(&Record {
            kind: start_kind(site) as u8,
            flags: 0,
            status: 0,
            trace: outer.trace,
            span,
            parent: outer.span,
            start: at,
            at,
            site: site.id(),
        });
        Opened {
            context: Context {
                trace: outer.trace,
                span,
                client: thread.client.id,
                flags: outer.inherited() | unwinding(),
            },
            parent: outer.span,
            start: at,
            site: Some(site),
        }
    })
    .unwrap_or(Opened::NOTHING)
}

/// Opens a fresh trace, with a root span unless the site is a bare trace.
#[cold]
fn open_trace(
    site: &'static CallSite,
    outer: Context,
    start: impl FnOnce(&mut Start<'_>),
) -> Opened {
    with_thread(context::client_of(outer), |thread| {
        let context = fresh_trace(thread);
        if context.flags & UNSAMPLED != 0 {
            return Opened {
                context,
                ..Opened::NOTHING
            };
        }
        capture(thread, start);
        put_link(&mut thread.payload, outer);
        append_scope(&mut thread.payload);
        let bare = site.kind == Kind::Trace;
        let span = if bare { 0 } else { thread.span_id() };
        let at = clock::now();
        thread.push(&Record {
            kind: if bare {
                RecordKind::TraceStart
            } else {
                start_kind(site)
            } as u8,
            flags: WITH_TRACE,
            status: 0,
            trace: context.trace,
            span,
            parent: 0,
            start: at,
            at,
            site: site.id(),
        });
        Opened {
            context: Context {
                span,
                flags: context.flags | ROOT | unwinding(),
                ..context
            },
            parent: 0,
            start: at,
            site: Some(site),
        }
    })
    .unwrap_or(Opened::NOTHING)
}

/// A new trace of this client, sampled or not.
pub(crate) fn fresh_trace(thread: &mut Thread) -> Context {
    let trace = thread.ids.u128(1..);
    Context {
        trace,
        span: 0,
        client: thread.client.id,
        flags: if thread.client.settings.samples(trace) {
            SAMPLED
        } else {
            UNSAMPLED
        },
    }
}

/// The caller's trace and span, where a trace begins inside another.
pub(crate) fn put_link(payload: &mut Vec<u8>, outer: Context) {
    if outer.trace != 0 && outer.flags & SAMPLED != 0 {
        payload.put_with(Field::Link, |out| {
            out.extend_from_slice(&outer.trace.to_le_bytes());
            out.extend_from_slice(&outer.span.to_le_bytes());
        });
    }
}

/// Closes what was opened: `finish` says what came out.
#[inline]
pub(crate) fn close(opened: &Opened, status: EndStatus, finish: impl FnOnce(&mut End<'_>)) {
    let Some(site) = opened.site else { return };
    let at = clock::now();
    with_thread(opened.context.client, |thread| {
        let Thread {
            payload, client, ..
        } = thread;
        let mut end = End::new(payload, &client.settings, status);
        finish(&mut end);
        let status = end.finish();
        thread.push(&Record {
            kind: end_kind(site, opened) as u8,
            flags: if opened.context.flags & ROOT != 0 {
                WITH_TRACE
            } else {
                0
            },
            status: status as u8,
            trace: opened.context.trace,
            span: opened.context.span,
            parent: opened.parent,
            start: opened.start,
            at,
            site: site.id(),
        });
    });
}

/// How something ends that ends by being dropped.
#[inline]
pub(crate) fn status_of_drop(opened: &Opened, otherwise: EndStatus) -> EndStatus {
    if std::thread::panicking() && opened.context.flags & UNWINDING == 0 {
        EndStatus::Panic
    } else {
        otherwise
    }
}

#[inline]
pub(crate) fn unwinding() -> u32 {
    if std::thread::panicking() {
        UNWINDING
    } else {
        0
    }
}

#[inline]
fn capture(thread: &mut Thread, start: impl FnOnce(&mut Start<'_>)) {
    let Thread {
        payload, client, ..
    } = thread;
    let mut taken = Start::new(payload, &client.settings);
    start(&mut taken);
    taken.finish();
}

#[inline]
fn start_kind(site: &CallSite) -> RecordKind {
    match site.kind {
        Kind::Tool => RecordKind::ToolCall,
        _ => RecordKind::SpanStart,
    }
}

#[inline]
fn end_kind(site: &CallSite, opened: &Opened) -> RecordKind {
    match site.kind {
        Kind::Tool => RecordKind::ToolResult,
        Kind::Trace if opened.context.span == 0 => RecordKind::TraceEnd,
        _ => RecordKind::SpanEnd,
    }
}
