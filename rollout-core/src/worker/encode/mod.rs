//! From records to events: the one place where the wire's JSON is written.
//!
//! Every record becomes one line, or two where a root span starts or ends its trace too. Values come in the capture
//! format and are masked on the way; what a protocol's limit does not hold is cut and ends in an ellipsis.

mod context;
mod custom;
mod digits;
mod event;
mod masks;
mod orphans;
mod run;
mod sites;
mod span;
mod time;
mod trace;

use std::cell::Cell;
use std::sync::Arc;

use custom::Custom;
use digits::{decimal, hex, hex_wide, six};
use event::{Object, limit, put_text};
pub(crate) use masks::Masks;
use orphans::Orphans;
use run::RunSums;
use sites::Sites;
use time::TimeText;
use trace::{Changes, TraceState, Traces, changes_of};

use crate::client::Later;
use crate::clock::{self, Wall};
use crate::fork;
use crate::queue::Record;
use crate::site::CallSite;
use crate::span::record::{EndStatus, Field, RecordKind, WITH_LATER, WITH_TRACE, fields};
use crate::spool::{MARK_PREFIX, Run};
use crate::stats::DropReason;

/// What a program says of itself on every event, as JSON.
#[derive(Debug, Default)]
pub(crate) struct Resource {
    /// The object `agent`, or empty.
    pub(crate) agent: Vec<u8>,
    /// Members of `attributes` on every event.
    pub(crate) attributes: Vec<u8>,
    /// Members of `attributes` on `trace.start`.
    pub(crate) trace_attributes: Vec<u8>,
}

/// Turns records into lines of JSON.
pub(crate) struct Encoder {
    later: Arc<Later>,
    resource: Resource,
    masks: Masks,
    traces: Traces,
    time: TimeText,
    /// The first half of every event's id: random, so that no other process has it.
    nonce: u64,
    events: u64,
    wall: Wall,
    /// Traces that have lost something since it was said last.
    lossy: Vec<u128>,
    orphans: Orphans,
    sites: Sites,
}

/// Traces that are remembered at most because they have lost something.
const MOST_LOSSY: usize = 16 * 1024;

/// One event about to be written.
struct Draft<'a> {
    record: &'a Record,
    payload: &'a [u8],
    event_type: &'static str,
    site: Option<&'static CallSite>,
    /// Of a tool call.
    tool_call_id: Option<String>,
    /// Values that a line of it has told to be cut.
    cut_values: Cell<u32>,
    /// Of an event of the program's own.
    custom: Option<Custom>,
    /// It is no event of the program, but says what was lost.
    mark: bool,
    /// It starts the topmost span here of a trace that began elsewhere.
    branch: bool,
    /// What its span is called by now.
    changes: Option<Changes>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Encoded {
    /// Its lines, and whose they are.
    pub(crate) run: Run,
    /// Values of it that were cut.
    pub(crate) cut_values: u32,
    /// It belongs to no trace, so that the protocol has no place for it.
    pub(crate) homeless: bool,
    /// It begins a trace that should be a part of another one.
    pub(crate) orphan: bool,
}

impl Draft<'_> {
    fn fields(&self) -> impl Iterator<Item = (Field, &[u8])> {
        fields(self.payload)
    }

    /// What was said last: a change comes after the names that every event of a span repeats.
    fn field(&self, wanted: Field) -> Option<&[u8]> {
        self.fields()
            .filter(|(field, _)| *field == wanted)
            .last()
            .map(|(_, bytes)| bytes)
    }

    fn text(&self, wanted: Field) -> Option<&str> {
        if let Some(changed) = self.changes.as_ref().and_then(|c| c.get(wanted))
            && !changes_of(self).any(|(field, _)| field == wanted)
        {
            return Some(changed);
        }
        self.field(wanted)
            .and_then(|bytes| str::from_utf8(bytes).ok())
    }

    fn is_branch(&self) -> bool {
        self.record.flags & WITH_TRACE == 0
            && self.fields().any(|(field, _)| field == Field::Branch)
    }

    fn number(&self, wanted: Field) -> Option<u64> {
        self.field(wanted)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
    }

    fn name(&self) -> Option<&str> {
        self.text(Field::Name).or(self.site.map(|site| site.name))
    }

    /// The caller's own id of the trace, where this very record names one.
    fn external_id(&self) -> Option<&str> {
        self.text(Field::ExternalTraceId)
            .filter(|id| !id.is_empty())
            .or(self.custom.as_ref().and_then(Custom::external_id))
    }

    fn span_type(&self) -> Option<&str> {
        self.text(Field::Type)
            .or(self.site.map(|site| site.span_type))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // What nobody will do any more holds on to the client.
        self.later.clear();
    }
}

impl Encoder {
    pub(crate) fn new(resource: Resource, masks: Masks, later: Arc<Later>) -> Self {
        Self {
            later,
            resource,
            masks,
            traces: Traces::default(),
            time: TimeText::default(),
            nonce: fork::seed(),
            events: 0,
            wall: Wall::new(),
            lossy: Vec::new(),
            orphans: Orphans::default(),
            sites: Sites::default(),
        }
    }

    /// Looks at the clock; once per drain. Returns `false` if its ticks have gone back.
    pub(crate) fn look_at_clock(&mut self) -> bool {
        self.wall.advance()
    }

    /// What turns ticks into time.
    pub(crate) fn wall(&self) -> &Wall {
        &self.wall
    }

    /// A trace has lost events: its next event says so, or else [`Encoder::say_losses`].
    pub(crate) fn lost(&mut self, trace: u128, reason: DropReason, events: u64) {
        self.traces
            .get(trace, false, self.events)
            .lose(reason, events);
        if self.lossy.len() < MOST_LOSSY {
            self.lossy.push(trace);
        }
    }

    /// Appends a line for every trace that has lost something and has had no event since that could have said so.
    /// Returns how many.
    pub(crate) fn say_losses(&mut self, out: &mut Vec<u8>) -> u64 {
        let mut said = 0;
        for trace in std::mem::take(&mut self.lossy) {
            if !self.traces.is_unsaid(trace) {
                continue;
            }
            let record = Record {
                kind: RecordKind::TraceUpdate as u8,
                trace,
                at: clock::now(),
                ..Record::default()
            };
            let draft = Draft {
                record: &record,
                payload: &[],
                event_type: "span.update",
                site: None,
                tool_call_id: None,
                cut_values: Cell::new(0),
                custom: None,
                mark: true,
                branch: false,
                changes: None,
            };
            self.line(RecordKind::TraceUpdate, &draft, out);
            said += 1;
        }
        said
    }

    /// Leaves a record unwritten.
    pub(crate) fn pass_over(&self, record: &Record, payload: &[u8]) {
        if record.flags & WITH_LATER != 0 {
            for (_, number) in fields(payload).filter(|(field, _)| *field == Field::Later) {
                let number = number.try_into().map_or(0, u64::from_le_bytes);
                self.later.forget(number);
            }
        }
    }

    /// Appends the lines of a record to `out`.
    pub(crate) fn encode(&mut self, record: &Record, payload: &[u8], out: &mut Vec<u8>) -> Encoded {
        if record.flags & WITH_LATER == 0 {
            return match self.traces.failure_of(record, payload) {
                None => self.whole(record, payload, out),
                Some(failed) => self.perhaps_failed(record, &failed, out),
            };
        }
        let mut whole = payload.to_vec();
        for (_, number) in fields(payload).filter(|(field, _)| *field == Field::Later) {
            let number = number.try_into().map_or(0, u64::from_le_bytes);
            let words = self.later.run(number);
            whole.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        self.perhaps_failed(record, &whole, out)
    }

    /// A record whose payload may say that it failed, whatever its status.
    fn perhaps_failed(&mut self, record: &Record, whole: &[u8], out: &mut Vec<u8>) -> Encoded {
        let mut record = *record;
        let failed = fields(whole).any(|(field, _)| field == Field::ErrorType);
        if failed && EndStatus::from_byte(record.status) == EndStatus::Ok {
            record.status = EndStatus::Error as u8;
        }
        self.whole(&record, whole, out)
    }

    /// The same of a record with nothing left to fill in.
    fn whole(&mut self, record: &Record, payload: &[u8], out: &mut Vec<u8>) -> Encoded {
        let Some(kind) = RecordKind::from_byte(record.kind) else {
            return Encoded::default();
        };
        let before = self.events;
        let site = self
            .sites
            .get(record.site, &self.masks)
            .map(|said| said.site);
        let mut draft = Draft {
            record,
            payload,
            event_type: "",
            site,
            tool_call_id: None,
            cut_values: Cell::new(0),
            custom: None,
            mark: false,
            branch: false,
            changes: None,
        };
        if let Some(members) = draft.field(Field::Members) {
            draft.custom = Some(Custom::of(members, &self.masks));
        }
        if record.trace == 0 && draft.external_id().is_none() {
            return Encoded {
                homeless: true,
                ..Encoded::default()
            };
        }
        match kind {
            RecordKind::SpanStart => draft.branch = draft.is_branch(),
            RecordKind::ToolCall => {
                draft.branch = draft.is_branch();
                draft.tool_call_id = draft.text(Field::ToolCallId).map(str::to_owned);
                if let Some(id) = &draft.tool_call_id {
                    self.traces.tool_started(record.span, id);
                }
            }
            RecordKind::SpanUpdate => {
                self.traces.changed(record.span, &draft);
                draft.changes = self.traces.changes(record.span);
            }
            RecordKind::StreamEnd => draft.changes = self.traces.changes(record.span),
            RecordKind::SpanEnd => draft.changes = self.traces.last_changes(record.span),
            RecordKind::ToolResult => {
                draft.changes = self.traces.last_changes(record.span);
                let started = self.traces.tool_ended(record.span);
                let said = draft.text(Field::ToolCallId).map(str::to_owned);
                draft.tool_call_id = said.or(started);
            }
            _ => {}
        }
        let (mut starts, mut ends) = (false, false);
        let orphan = self.orphans.look(kind, &draft);
        let mut write = |event_type| {
            draft.event_type = event_type;
            starts |= event_type == "trace.start";
            ends |= event_type == "trace.end";
            self.line(kind, &draft, out);
        };
        let with_trace = record.flags & WITH_TRACE != 0;
        match kind {
            RecordKind::TraceStart => write("trace.start"),
            RecordKind::TraceEnd => write("trace.end"),
            RecordKind::TraceUpdate | RecordKind::SpanUpdate => write("span.update"),
            RecordKind::SpanStart | RecordKind::ToolCall => {
                if with_trace {
                    write("trace.start");
                }
                write(if kind == RecordKind::ToolCall {
                    "tool.call"
                } else {
                    "span.start"
                });
            }
            RecordKind::SpanEnd | RecordKind::ToolResult => {
                write(if kind == RecordKind::ToolResult {
                    "tool.result"
                } else {
                    "span.end"
                });
                if with_trace {
                    write("trace.end");
                }
            }
            RecordKind::Message => write("message"),
            RecordKind::Feedback => write("feedback"),
            RecordKind::Signal => write("user.signal"),
            RecordKind::Identity => write("identity.update"),
            RecordKind::StreamStart => write("llm.stream_start"),
            RecordKind::StreamEnd => write("llm.stream_end"),
            RecordKind::Custom => write(""),
        }
        Encoded {
            run: Run {
                trace: record.trace,
                lines: (self.events - before) as u32,
                starts,
                ends,
            },
            cut_values: draft.cut_values.get(),
            homeless: false,
            orphan,
        }
    }

    fn line(&mut self, kind: RecordKind, draft: &Draft<'_>, out: &mut Vec<u8>) {
        self.events += 1;
        let record = draft.record;
        let is_trace = draft.event_type.starts_with("trace.");
        let starts = draft.event_type == "trace.start";
        // What belongs to no trace by id is told by itself and remembered for nobody.
        let mut none = TraceState::default();
        let state = match record.trace {
            0 => &mut none,
            trace => self.traces.get(trace, starts, self.events),
        };
        state.sequence += 1;
        let mask = &self.masks;
        let said = self.sites.get(record.site, mask);
        let overlay = state.learn(kind, draft, mask);
        if starts && draft.field(Field::Run).is_some() {
            state.run.get_or_insert_default();
        }
        if let Some(run) = state.run.as_mut().filter(|_| !is_trace) {
            run.learn(kind, draft, mask);
        }
        let mut event = Object::begin(out, mask);
        let id = event.plain_key("event_id");
        let prefix = if draft.mark { MARK_PREFIX } else { "evt_" };
        id.push(b'"');
        id.extend_from_slice(prefix.as_bytes());
        hex(self.nonce, id);
        hex(self.events, id);
        id.push(b'"');
        match draft.text(Field::EventType) {
            Some(custom) => event.word("event_type", custom),
            None => event.word("event_type", draft.event_type),
        }
        event.word("schema_version", "1.0");
        if record.trace != 0 {
            event.id("trace_id", |out| hex_wide(record.trace, out));
        }
        if let Some(external) = draft.external_id().or(state.external_id.as_deref()) {
            event.text("external_trace_id", external, limit::ID);
        }
        if !is_trace {
            if record.span != 0 {
                event.id("span_id", |out| hex(record.span, out));
            }
            if record.parent != 0 {
                event.id("parent_span_id", |out| hex(record.parent, out));
            }
            if record.span != 0 {
                match (draft.text(Field::Type), said) {
                    (Some(said), _) => event.text("span_type", said, limit::TYPE),
                    (None, Some(said)) if !said.site.span_type.is_empty() => {
                        event.json("span_type", &said.span_type);
                    }
                    _ => {}
                }
            }
        }
        let sequence = if record.trace == 0 {
            self.events
        } else {
            state.sequence
        };
        event.number("sequence", sequence);
        let began = if record.start == 0 {
            record.at
        } else {
            record.start
        };
        let since = *state.since.get_or_insert(began);
        let (at, running) = self.wall.times(since, record.at);
        self.time.write(at, event.plain_key("occurred_at"));
        let ended = matches!(
            kind,
            RecordKind::SpanEnd
                | RecordKind::ToolResult
                | RecordKind::TraceEnd
                | RecordKind::StreamEnd
        );
        if record.start != 0 {
            let (started, was_running) = match record.start {
                start if start == record.at => (at, running),
                start => self.wall.times(since, start),
            };
            let started = started.min(at);
            let nanos = running.saturating_sub(was_running);
            self.time.write(started, event.plain_key("started_at"));
            if ended {
                self.time.write(at, event.plain_key("ended_at"));
                let out = event.plain_key("duration_ms");
                decimal(nanos / 1_000_000, out);
                out.push(b'.');
                six(nanos % 1_000_000, out);
            }
        }
        let named = !matches!(
            kind,
            RecordKind::Message | RecordKind::Identity | RecordKind::TraceUpdate
        );
        if named {
            match (draft.text(Field::Name), said) {
                (Some(said), _) => event.text("name", said, limit::NAME),
                (None, Some(said)) if !said.site.name.is_empty() => {
                    event.json("name", &said.name);
                }
                _ => {}
            }
        }
        let resource = &self.resource;
        if let Some(custom) = &draft.custom {
            custom.members(&mut event);
            event.object("attributes", |attributes| {
                attributes.members(&resource.attributes);
                attributes.number("rollout.ns", at % 1000);
                state.say_dropped(attributes);
                custom.attributes(attributes);
            });
        } else {
            if ended {
                span::status(&mut event, draft);
            }
            event.object("attributes", |attributes| {
                attributes.members(&resource.attributes);
                if draft.event_type == "trace.start" || draft.branch {
                    attributes.members(&resource.trace_attributes);
                }
                if draft.branch {
                    attributes
                        .plain_key("rollout.parent.remote")
                        .extend_from_slice(b"true");
                }
                attributes.number("rollout.ns", at % 1000);
                state.say_dropped(attributes);
                span::attributes(attributes, kind, draft, said, is_trace, mask);
                if draft.event_type == "trace.end" {
                    state.summary(attributes);
                    if let Some(run) = &state.run {
                        run.put(attributes);
                    }
                }
            });
            span::sections(&mut event, kind, draft, is_trace, mask);
            if is_trace {
                run::links(&mut event, draft);
            }
        }
        if !self.resource.agent.is_empty() {
            event
                .plain_key("agent")
                .extend_from_slice(&self.resource.agent);
        }
        event.object("context", |context| {
            state.context(context, overlay.as_ref());
        });
        event.end();
        out.push(b'\n');
    }
}
