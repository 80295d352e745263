//! Records that are not on the hot path: opened by hand, updates, messages, feedback.

use std::sync::Arc;

use super::opened::{Opened, fresh_trace, pack, put_link, start_branch, trace_of, unwinding};
use super::record::{EndStatus, Field, PutField, RecordKind, WITH_LATER, WITH_TRACE};
use super::start::{End, Start};
use crate::capture::Words;
use crate::client::Settings;
use crate::clock;
use crate::context::{
    Context, ROLLOUT, ROOT, SAMPLED, SpanContext, Thread, UNSAMPLED, put_scope, with_thread,
};
use crate::id::TraceId;
use crate::queue::Record;
use crate::site::CallSite;

/// Opens a trace by hand, linked to the one in `outer`.
pub(crate) fn open_trace(
    client: u32,
    site: &'static CallSite,
    outer: Context,
    start: impl FnOnce(&mut Start<'_>),
) -> Option<Opened> {
    with_thread(client, |thread| {
        let context = fresh_trace(thread);
        if context.flags & UNSAMPLED != 0 {
            return Opened::unsampled(context);
        }
        fill(thread, start);
        let context = Context {
            flags: context.flags | pack(thread, context.trace, None),
            ..context
        };
        put_link(&mut thread.payload, outer);
        put_scope(&mut thread.payload);
        push_start(thread, site, RecordKind::TraceStart, context, 0)
    })
}

/// Opens the root span of a rollout, linked to the trace in `outer`: of a trace of its own, or of the one with this id.
pub(crate) fn open_run(
    client: u32,
    site: &'static CallSite,
    trace: Option<TraceId>,
    outer: Context,
    start: impl FnOnce(&mut Start<'_>),
) -> Option<Opened> {
    with_thread(client, |thread| {
        let mut context = match trace {
            Some(id) => trace_of(thread, id.to_u128()),
            None => fresh_trace(thread),
        };
        context.flags |= ROLLOUT;
        if context.flags & UNSAMPLED != 0 {
            return Opened::unsampled(context);
        }
        fill(thread, start);
        context.span = thread.span_id();
        context.flags |= ROOT | pack(thread, context.trace, None);
        if outer.trace != context.trace {
            put_link(&mut thread.payload, outer);
        }
        put_scope(&mut thread.payload);
        push_start(thread, site, RecordKind::SpanStart, context, 0)
    })
}

/// Opens a span by hand below a parent that is elsewhere.
pub(crate) fn open_branch(
    client: u32,
    site: &'static CallSite,
    kind: RecordKind,
    parent: &SpanContext,
    start: impl FnOnce(&mut Start<'_>),
) -> Option<Opened> {
    with_thread(client, |thread| {
        if parent.is_sampled() {
            fill(thread, start);
        }
        start_branch(thread, kind, parent, site)
    })
}

/// Opens a span by hand under `outer`, as the root of a trace of its own where that has none.
pub(crate) fn open_span(
    client: u32,
    site: &'static CallSite,
    kind: RecordKind,
    outer: Context,
    start: impl FnOnce(&mut Start<'_>),
) -> Option<Opened> {
    if outer.flags & UNSAMPLED != 0 {
        return None;
    }
    with_thread(client, |thread| {
        let context = if outer.trace == 0 {
            let fresh = fresh_trace(thread);
            if fresh.flags & UNSAMPLED != 0 {
                return Opened::unsampled(fresh);
            }
            Context {
                span: thread.span_id(),
                flags: fresh.flags | ROOT,
                ..fresh
            }
        } else {
            Context {
                trace: outer.trace,
                span: thread.span_id(),
                client: thread.client.id,
                flags: outer.inherited().flags | SAMPLED,
            }
        };
        fill(thread, start);
        let luggage = match context.flags & ROOT {
            0 => 0,
            _ => pack(thread, context.trace, None),
        };
        put_scope(&mut thread.payload);
        let context = Context {
            flags: context.flags | luggage,
            ..context
        };
        push_start(thread, site, kind, context, outer.span)
    })
}

fn push_start(
    thread: &mut Thread,
    site: &'static CallSite,
    kind: RecordKind,
    context: Context,
    parent: u64,
) -> Opened {
    let at = clock::now();
    thread.push(Record {
        kind: kind as u8,
        flags: if context.flags & ROOT != 0 {
            WITH_TRACE
        } else {
            0
        },
        status: 0,
        trace: context.trace,
        span: context.span,
        parent,
        start: at,
        at,
        site: site.id,
    });
    Opened {
        context: Context {
            flags: context.flags | unwinding(),
            ..context
        },
        parent,
        start: at,
        site,
    }
}

/// Closes what was opened by hand.
pub(crate) fn close(
    opened: &Opened,
    kind: RecordKind,
    status: EndStatus,
    finish: impl FnOnce(&mut End<'_>),
) {
    if !opened.is_sampled() {
        return;
    }
    let at = clock::now();
    with_thread(opened.context.client, |thread| {
        if thread.is_foreign(opened.start) {
            return;
        }
        let Thread {
            payload, client, ..
        } = thread;
        let mut end = End::new(payload, &client.settings, status);
        finish(&mut end);
        let status = end.finish();
        thread.push(opened.end_record(kind, status, at, 0));
    });
}

/// Records something that happens in a context at one moment.
pub(crate) fn moment(context: Context, kind: RecordKind, fill: impl FnOnce(&mut Words, &Settings)) {
    if context.flags & UNSAMPLED != 0 {
        return;
    }
    with_thread(context.client, |thread| {
        let Thread {
            payload, client, ..
        } = thread;
        fill(payload, &client.settings);
        let at = clock::now();
        thread.push(Record {
            kind: kind as u8,
            trace: context.trace,
            span: context.span,
            at,
            ..Record::default()
        });
    });
}

/// The same with a part that is filled in on the worker's thread. `bytes` is what that holds on to.
pub(crate) fn moment_later(
    context: Context,
    kind: RecordKind,
    bytes: usize,
    now: impl FnOnce(&mut Words),
    later: impl FnOnce(&mut Words, &Settings) + Send + 'static,
) {
    if context.flags & UNSAMPLED == 0 {
        with_thread(context.client, |thread| {
            let record = Record {
                kind: kind as u8,
                trace: context.trace,
                span: context.span,
                at: clock::now(),
                ..Record::default()
            };
            push_later(thread, record, bytes, now, later);
        });
    }
}

/// Closes what was opened by hand, with a part that is filled in on the worker's thread.
pub(crate) fn close_later(
    opened: &Opened,
    kind: RecordKind,
    status: EndStatus,
    bytes: usize,
    now: impl FnOnce(&mut Words),
    later: impl FnOnce(&mut Words, &Settings) + Send + 'static,
) {
    if opened.is_sampled() {
        let at = clock::now();
        with_thread(opened.context.client, |thread| {
            if thread.is_foreign(opened.start) {
                return;
            }
            let record = opened.end_record(kind, status, at, 0);
            push_later(thread, record, bytes, now, later);
        });
    }
}

fn push_later(
    thread: &mut Thread,
    mut record: Record,
    bytes: usize,
    now: impl FnOnce(&mut Words),
    later: impl FnOnce(&mut Words, &Settings) + Send + 'static,
) {
    now(&mut thread.payload);
    let client = Arc::clone(&thread.client);
    let settings = Arc::clone(&client);
    let work = Box::new(move |payload: &mut Words| later(payload, &settings.settings));
    let number = client.later.put(bytes, work);
    if let Some(number) = number {
        record.flags |= WITH_LATER;
        thread.payload.put(Field::Later, &number.to_le_bytes());
    }
    if !thread.push(record)
        && let Some(number) = number
    {
        client.later.forget(number);
    }
}

fn fill(thread: &mut Thread, start: impl FnOnce(&mut Start<'_>)) {
    let Thread {
        payload, client, ..
    } = thread;
    let mut taken = Start::new(payload, &client.settings);
    start(&mut taken);
    taken.finish();
}
