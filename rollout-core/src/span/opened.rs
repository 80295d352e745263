//! Opening and closing: the one place where records of spans are made.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::record::{EndStatus, Field, PutField, RecordKind, WITH_TRACE};
use super::start::{End, Start};
use crate::capture::Words;
use crate::clock::{self, Ticks};
use crate::context::{
    self, BRANCH, Carried, Context, INHERITED, Luggage, ROLLOUT, ROOT, SAMPLED, SpanContext,
    Thread, UNSAMPLED, UNWINDING, any_scope, put_scope, with_live_thread, with_thread,
    with_torn_down_thread,
};
use crate::queue::Record;
use crate::site::{CallSite, Kind, SiteText};

/// A span or trace that is open: what its end needs to know. Copied freely; whoever holds it ends it once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    /// Its own context.
    pub(crate) context: Context,
    pub(crate) parent: u64,
    pub(crate) start: Ticks,
    pub(crate) site: &'static CallSite,
}

/// Where spans come from that no macro has opened.
pub(crate) static BY_HAND: CallSite = CallSite::BY_HAND;

impl Opened {
    /// A trace that is not recorded: its context keeps what is below it from being recorded.
    pub(crate) fn unsampled(context: Context) -> Self {
        Self::view(context)
    }

    /// What could not be opened in `outer`: nothing below it is recorded.
    pub(crate) fn nothing(outer: Context) -> Self {
        Self::unsampled(Context {
            flags: UNSAMPLED,
            ..outer
        })
    }

    /// A look at what somebody else has opened.
    pub(crate) fn view(context: Context) -> Self {
        Self {
            context,
            parent: 0,
            start: 0,
            site: &BY_HAND,
        }
    }

    /// The record of its end.
    pub(crate) fn end_record(
        &self,
        kind: RecordKind,
        status: EndStatus,
        at: Ticks,
        site: u32,
    ) -> Record {
        let is_root = self.context.flags & ROOT != 0;
        Record {
            kind: kind as u8,
            flags: if is_root { WITH_TRACE } else { 0 },
            status: status as u8,
            trace: self.context.trace,
            span: self.context.span,
            parent: self.parent,
            start: self.start,
            at,
            site,
        }
    }

    /// Whether the outer context follows from this one: the same trace, at the parent.
    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.context.flags & (ROOT | BRANCH | SAMPLED) == SAMPLED
    }

    #[inline]
    pub(crate) fn is_sampled(&self) -> bool {
        self.context.flags & SAMPLED != 0
    }
}

/// Opens what a call site says, under the current context. The caller enters [`Opened::context`].
pub(crate) fn open(site: SiteText, start: impl FnOnce(&mut Start<'_>)) -> Option<Opened> {
    let mut start = Some(start);
    open_with(CallSite::of(site), &mut |taken: &mut Start<'_>| {
        if let Some(start) = start.take() {
            start(taken);
        }
    })
}

/// The same, compiled once for all: it is much code, for what happens once in a trace.
#[inline(never)]
pub(crate) fn open_with(
    site: &'static CallSite,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<Opened> {
    let outer = context::current();
    if !site.plain && site.parented {
        return open_parented(site, outer, start);
    }
    let joins = site.plain || site.join || outer.flags & ROLLOUT != 0;
    if outer.trace == 0 || !joins {
        return open_trace(site, outer, start);
    }
    if outer.flags & UNSAMPLED != 0 {
        return None;
    }
    let (span, at) = begin(outer, site, start)?;
    Some(begun(outer, site, span, at))
}

/// The current context, if what the site opens there is plainly a span of a trace that is recorded: then [`begin`]
/// and [`begun`] do what [`open`] does. All that is handed over between them fits into registers, so that the
/// [`Opened`] is put together where it will stay: a copy of it, so soon after it was written word by word, would have
/// to wait for each of the words and take longer than all the rest (measured, `benches/span.rs`).
#[inline(always)]
pub(crate) fn plain_context(site: &'static CallSite) -> Option<Context> {
    let outer = context::current();
    (outer.flags & SAMPLED != 0 && site.plain && outer.client != 0).then_some(outer)
}

/// Begins a span: its id and start.
#[inline(always)]
pub(crate) fn begin(
    outer: Context,
    site: &'static CallSite,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<(u64, Ticks)> {
    // Each by itself: an `Option` of both would be read as one, and would have to wait for its parts to be written,
    // for as long as it takes to read the clock twice (measured, `benches/span.rs`).
    let (mut span, mut at) = (0, 0);
    let begun = with_live_thread(outer.client, |thread| {
        capture(thread, &mut *start);
        (span, at) = start_span(thread, site, outer.trace, outer.span);
    });
    match begun {
        None => begin_torn_down(outer.client, outer.trace, outer.span, site, start),
        Some(()) => Some((span, at)),
    }
}

/// The same in a thread that is being torn down. What it needs is passed in registers, so that the way that is taken
/// otherwise has nothing to put together in memory.
#[cold]
#[inline(never)]
fn begin_torn_down(
    client: u32,
    trace: u128,
    parent: u64,
    site: &'static CallSite,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<(u64, Ticks)> {
    with_torn_down_thread(client, |thread| {
        capture(thread, start);
        start_span(thread, site, trace, parent)
    })
}

/// The same where there is nothing to capture; `None` where [`open`] must be asked.
#[inline(always)]
pub(crate) fn begin_bare(outer: Context, site: &'static CallSite) -> Option<(u64, Ticks)> {
    if any_scope() {
        return None;
    }
    with_live_thread(outer.client, |thread| {
        let record = begin_record(thread, site, outer.trace, outer.span);
        thread.push_open_bare(record);
        (record.span, record.at)
    })
}

/// The part that is compiled once for all who capture: the span's id and start.
#[inline(never)]
fn start_span(
    thread: &mut Thread,
    site: &'static CallSite,
    trace: u128,
    parent: u64,
) -> (u64, Ticks) {
    put_scope(&mut thread.payload);
    let record = begin_record(thread, site, trace, parent);
    thread.push_open(record);
    (record.span, record.at)
}

/// What [`begin`] has begun.
#[inline(always)]
pub(crate) fn begun(outer: Context, site: &'static CallSite, span: u64, start: Ticks) -> Opened {
    Opened {
        context: Context {
            span,
            flags: (outer.flags & INHERITED) | unwinding(),
            ..outer
        },
        parent: outer.span,
        start,
        site,
    }
}

#[inline(always)]
fn begin_record(thread: &mut Thread, site: &'static CallSite, trace: u128, parent: u64) -> Record {
    let span = thread.span_id();
    let at = clock::now();
    Record {
        kind: start_kind(site) as u8,
        flags: 0,
        status: 0,
        trace,
        span,
        parent,
        start: at,
        at,
        site: site.id,
    }
}

/// Opens a fresh trace, with a root span unless the site is a bare trace.
#[cold]
fn open_trace(
    site: &'static CallSite,
    outer: Context,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<Opened> {
    with_thread(context::client_of(outer), |thread| {
        let context = fresh_trace(thread);
        if context.flags & UNSAMPLED != 0 {
            return Opened::unsampled(context);
        }
        capture(thread, start);
        start_trace(thread, site, outer, context)
    })
}

/// What a trace starts with is captured: begins it.
fn start_trace(
    thread: &mut Thread,
    site: &'static CallSite,
    outer: Context,
    context: Context,
) -> Opened {
    let luggage = pack(thread, context.trace, None);
    put_link(&mut thread.payload, outer);
    put_scope(&mut thread.payload);
    let bare = site.kind == Kind::Trace;
    let span = if bare { 0 } else { thread.span_id() };
    let at = clock::now();
    thread.push(Record {
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
        site: site.id,
    });
    Opened {
        context: Context {
            span,
            flags: context.flags | ROOT | luggage | unwinding(),
            ..context
        },
        parent: 0,
        start: at,
        site,
    }
}

/// Opens what a call site says below the parent that it names, or else as it would without.
#[cold]
#[inline(never)]
fn open_parented(
    site: &'static CallSite,
    outer: Context,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<Opened> {
    with_thread(context::client_of(outer), |thread| {
        if let Some(parent) = capture_with_parent(thread, start) {
            let kind = start_kind(site);
            return Some(start_branch(thread, kind, &parent, site));
        }
        let inside = site.join || outer.flags & ROLLOUT != 0;
        let joins = outer.trace != 0 && (!site.begins_trace() || inside);
        if !joins {
            let context = fresh_trace(thread);
            if context.flags & UNSAMPLED != 0 {
                thread.discard();
                return Some(Opened::unsampled(context));
            }
            return Some(start_trace(thread, site, outer, context));
        }
        if outer.flags & UNSAMPLED != 0 {
            thread.discard();
            return None;
        }
        let (span, at) = start_span(thread, site, outer.trace, outer.span);
        Some(begun(outer, site, span, at))
    })
    .flatten()
}

/// What a span starts with is captured: begins it below its parent in another process, or wherever that is.
pub(crate) fn start_branch(
    thread: &mut Thread,
    kind: RecordKind,
    parent: &SpanContext,
    site: &'static CallSite,
) -> Opened {
    let mut outer = parent.outer(thread.id);
    outer.flags |= pack(thread, outer.trace, Some(parent));
    if outer.flags & UNSAMPLED != 0 {
        thread.discard();
        return Opened::unsampled(outer);
    }
    put_scope(&mut thread.payload);
    let span = thread.span_id();
    let at = clock::now();
    thread.push(Record {
        kind: kind as u8,
        flags: 0,
        status: 0,
        trace: outer.trace,
        span,
        parent: outer.span,
        start: at,
        at,
        site: site.id,
    });
    Opened {
        context: Context {
            span,
            flags: outer.flags | BRANCH | unwinding(),
            ..outer
        },
        parent: outer.span,
        start: at,
        site,
    }
}

/// Keeps what goes along with a trace, as far as that is said in what it starts with, or by its parent.
pub(crate) fn pack(thread: &Thread, trace: u128, parent: Option<&SpanContext>) -> u32 {
    let keys = thread.client.settings.baggage;
    let tracestate = parent.map_or("", SpanContext::tracestate);
    if tracestate.is_empty() && keys.is_empty() {
        return 0;
    }
    let told = parent.and_then(SpanContext::carried).cloned();
    let luggage = Luggage {
        tracestate: tracestate.to_owned(),
        carried: told
            .unwrap_or_default()
            .only(keys)
            .and(Carried::of_payload(&thread.payload, keys)),
    };
    luggage.keep(trace)
}

/// A new trace of this client, sampled or not.
pub(crate) fn fresh_trace(thread: &mut Thread) -> Context {
    let trace = thread.ids.u128(1..);
    trace_of(thread, trace)
}

/// A trace of this client with a given id, sampled or not.
pub(crate) fn trace_of(thread: &Thread, trace: u128) -> Context {
    Context {
        trace,
        span: 0,
        client: thread.id,
        flags: if thread.client.settings.samples(trace) {
            SAMPLED
        } else {
            UNSAMPLED
        },
    }
}

/// The caller's trace and span, where a trace begins inside another.
pub(crate) fn put_link(payload: &mut Words, outer: Context) {
    if outer.trace != 0 && outer.flags & SAMPLED != 0 {
        payload.put_with(Field::Link, |out| {
            out.extend_from_slice(&[outer.trace as u64, (outer.trace >> 64) as u64, outer.span]);
        });
    }
}

/// Closes what was opened: `finish` says what came out.
#[inline]
pub(crate) fn close(opened: &Opened, status: EndStatus, finish: impl FnOnce(&mut End<'_>)) {
    let mut finish = Some(finish);
    close_with(opened, status, &mut |end: &mut End<'_>| {
        if let Some(finish) = finish.take() {
            finish(end);
        }
    });
}

/// The same, compiled once for all.
pub(crate) fn close_with(opened: &Opened, status: EndStatus, finish: &mut dyn FnMut(&mut End<'_>)) {
    if !opened.is_sampled() {
        return;
    }
    let at = clock::now();
    let ended = with_live_thread(opened.context.client, |thread| {
        end_in(thread, opened, status, at, finish);
    });
    if ended.is_none() {
        close_torn_down(opened, status, at, finish);
    }
}

#[cold]
#[inline(never)]
fn close_torn_down(
    opened: &Opened,
    status: EndStatus,
    at: Ticks,
    finish: &mut dyn FnMut(&mut End<'_>),
) {
    with_torn_down_thread(opened.context.client, |thread| {
        end_in(thread, opened, status, at, finish);
    });
}

#[inline(always)]
fn end_in(
    thread: &mut Thread,
    opened: &Opened,
    status: EndStatus,
    at: Ticks,
    finish: &mut dyn FnMut(&mut End<'_>),
) {
    let Thread {
        payload, client, ..
    } = thread;
    let mut end = End::new(payload, &client.settings, status);
    finish(&mut end);
    let status = end.finish();
    end_span(thread, opened, status, at);
}

/// The same where nothing came out.
#[inline(always)]
pub(crate) fn close_bare(opened: &Opened, status: EndStatus) {
    if opened.is_sampled() {
        let at = clock::now();
        let ended = with_live_thread(opened.context.client, |thread| {
            thread.end_open_bare(opened.context.span, status as u8, at)
        });
        if ended != Some(true) {
            close_otherwise(opened, status, at);
        }
    }
}

#[inline(never)]
fn close_otherwise(opened: &Opened, status: EndStatus, at: Ticks) {
    with_thread(opened.context.client, |thread| {
        push_end(thread, opened, status, at);
    });
}

/// The part that is compiled once for all who capture.
#[inline(never)]
fn end_span(thread: &mut Thread, opened: &Opened, status: EndStatus, at: Ticks) {
    if !thread.end_open(opened.context.span, status as u8, at) {
        push_end(thread, opened, status, at);
    }
}

/// An end as a record of its own.
#[inline(never)]
fn push_end(thread: &mut Thread, opened: &Opened, status: EndStatus, at: Ticks) {
    if thread.is_foreign(opened.start) {
        // It ends where it began, in the process that this one was forked from.
        return thread.discard();
    }
    thread.push(opened.end_record(end_kind(opened), status, at, opened.site.id));
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
    // Values guard themselves; what is left that may panic are the expressions of `attributes(…)` and the like.
    let captured = catch_unwind(AssertUnwindSafe(|| {
        let mut taken = Start::new(payload, &client.settings);
        start(&mut taken);
        taken.finish();
    }));
    if captured.is_err() {
        thread.payload.clear();
    }
}

/// The same where a parent may be said.
fn capture_with_parent(
    thread: &mut Thread,
    start: &mut dyn FnMut(&mut Start<'_>),
) -> Option<SpanContext> {
    let Thread {
        payload, client, ..
    } = thread;
    let mut parent = None;
    let captured = catch_unwind(AssertUnwindSafe(|| {
        let mut taken = Start::parented(payload, &client.settings, &mut parent);
        start(&mut taken);
        taken.finish();
    }));
    if captured.is_err() {
        thread.payload.clear();
    }
    parent
}

#[inline]
fn start_kind(site: &CallSite) -> RecordKind {
    match site.kind {
        Kind::Tool => RecordKind::ToolCall,
        _ => RecordKind::SpanStart,
    }
}

#[inline]
fn end_kind(opened: &Opened) -> RecordKind {
    match opened.site.kind {
        Kind::Tool => RecordKind::ToolResult,
        Kind::Trace if opened.context.span == 0 => RecordKind::TraceEnd,
        _ => RecordKind::SpanEnd,
    }
}
