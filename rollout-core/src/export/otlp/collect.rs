//! From events to spans that are over.
//!
//! A span begins in one event and ends in another, and goes out once, when it has ended. What is known of it until then
//! is kept here, and what is known of its trace as long as spans of it may come. The spool keeps the events that it is
//! known from (`Exporter::needs_from`), so that the next process knows it, too. Beyond a bound, what began first is
//! forgotten: its end then tells what it tells.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::facts::{
    Note, Outcome, Program, Root, Said, SpanFacts, TraceFacts, root_id, span_id, trace_id,
};
use super::moments;
use super::open::{Key, Open, Origin};
use super::write::{self, Path, Words};
use crate::event::{Event, EventType};
use crate::export::told::Told;

/// Names on the way from the root to a span.
const DEEPEST_PATH: usize = 64;

/// A span that is over, and the event of a batch that says so.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) program: Arc<Program>,
    pub(super) span: Span,
    pub(super) index: usize,
}

/// Why an event becomes nothing: a code, and words.
pub(super) type Refusal = (&'static str, &'static str);

/// An event that is being taken.
struct Heard<'a> {
    trace: u128,
    event: &'a Event,
    told: Told,
    origin: &'a Origin,
    program: Arc<Program>,
}

/// Keeps what is open.
#[derive(Debug)]
pub(super) struct Collector {
    words: Words,
    open: Open,
    /// Of the last event, if it ended a span without a parent: its trace and number.
    last_top: Option<(u128, Option<u64>)>,
    program: Arc<Program>,
}

impl Collector {
    pub(super) fn new(words: Words) -> Self {
        Self {
            words,
            open: Open::default(),
            last_top: None,
            program: Arc::default(),
        }
    }

    /// The batch in which the oldest began that a writer has open.
    pub(super) fn needs_from(&self, writer: Option<&str>) -> Option<u64> {
        self.open.needs_from(writer)
    }

    /// Takes an event; what is over with it goes to `out`.
    pub(super) fn take(
        &mut self,
        event: &Event,
        origin: &Origin,
        out: &mut Vec<Ready>,
    ) -> Result<(), Refusal> {
        use EventType as Is;

        let Some(trace) = event.trace_id.as_deref().and_then(trace_id) else {
            return Err((
                "no_trace",
                "OTLP has no place for what names no trace by a W3C id",
            ));
        };
        let span = event.span_id.as_deref().and_then(span_id);
        let told = Told::of(event);
        let heard = Heard {
            trace,
            program: self.program_of(event, &told, origin),
            event,
            told,
            origin,
        };
        match (event.event_type, span) {
            (Is::TraceStart, _) => self.open_trace(heard),
            (Is::TraceEnd, _) => self.end_trace(heard, out),
            (Is::SpanStart | Is::ToolCall, Some(span)) => self.open_span(span, heard),
            (Is::SpanEnd | Is::ToolResult, Some(span)) => self.end_span(span, heard, out),
            (Is::SpanUpdate | Is::LlmStreamStart | Is::LlmStreamEnd, Some(span)) => {
                self.update_span(span, heard);
            }
            (Is::SpanUpdate | Is::IdentityUpdate, _) => self.update_trace(heard),
            (Is::LlmStreamChunk, _) => {}
            (Is::Message, _) => {
                let said = Said::of(event, &heard.told);
                self.note(span, heard, Note::Said(said), out);
            }
            _ => {
                let moment = moments::of(event, &heard.told);
                self.note(span, heard, Note::Moment(moment), out);
            }
        }
        if event.event_type != Is::TraceEnd {
            let ended = matches!(event.event_type, Is::SpanEnd | Is::ToolResult);
            let is_top = ended && event.parent_span_id.is_none();
            self.last_top = is_top.then_some((trace, event.sequence));
        }
        self.open.bound();
        Ok(())
    }

    /// What a process that is gone has left open, which ends here.
    pub(super) fn interrupt(&mut self, writer: Option<&str>, out: &mut Vec<Ready>) {
        let left = self.open.of_writer(writer);
        // The youngest first, so that what is above a span is known.
        for key in left.iter().rev() {
            let Key::Span(trace, id) = *key else { continue };
            let facts = self.open.trace(trace).cloned().unwrap_or_default();
            let Some(mut span) = self.open.forget_span(trace, id) else {
                continue;
            };
            if span.ended.is_none() {
                span.ended = Some(span.last.max(facts.last));
                span.outcome = Outcome::interrupted();
            }
            self.write(trace, &facts, &span, 0, out);
        }
        for key in left {
            let Key::Trace(trace) = key else { continue };
            let Some(mut facts) = self.open.forget_trace(trace) else {
                continue;
            };
            let is_written = facts.ended.is_some() || matches!(facts.root, Root::Span(_));
            if facts.began.is_some() && !is_written {
                facts.ended = Some(facts.last);
                facts.outcome = Outcome::interrupted();
                self.write_trace(trace, &facts, 0, out);
            }
        }
    }

    fn program_of(&mut self, event: &Event, told: &Told, origin: &Origin) -> Arc<Program> {
        let program = Program {
            writer: origin.writer.clone(),
            service_name: told.service_name.clone(),
            release: told.release.clone(),
            environment: event.agent.environment.clone(),
            deployment: event.agent.deployment.clone(),
            agent_name: event.agent.name.clone(),
        };
        if *self.program != program {
            self.program = Arc::new(program);
        }
        Arc::clone(&self.program)
    }

    fn open_trace(&mut self, mut heard: Heard<'_>) {
        self.open.keep_trace(heard.trace, heard.origin);
        self.open.with_trace(heard.trace, |facts| {
            let at = heard.told.at(heard.event);
            facts.began = Some((heard.event.sequence, at));
            facts.program = heard.program;
            facts.hear(heard.event, &mut heard.told);
            facts.take(heard.event, &mut heard.told);
        });
    }

    fn update_trace(&mut self, mut heard: Heard<'_>) {
        self.open.with_trace(heard.trace, |facts| {
            facts.hear(heard.event, &mut heard.told);
            if heard.event.event_type == EventType::SpanUpdate {
                facts.take(heard.event, &mut heard.told);
            }
        });
    }

    fn open_span(&mut self, id: u64, mut heard: Heard<'_>) {
        let (trace, event) = (heard.trace, heard.event);
        self.open.keep_trace(trace, heard.origin);
        // It begins again: nobody does that but who says the same.
        self.open.forget_span(trace, id);
        let mut span = SpanFacts::new(id);
        span.has_start = true;
        let at = heard.told.at(event);
        self.open.with_trace(trace, |facts| {
            facts.program = heard.program;
            facts.hear(event, &mut heard.told);
            span.take(event, &mut heard.told);
            if span.is_branch && facts.began.is_none() {
                facts.branch = Some(id);
            }
            if let (None, Root::Unknown, Some((number, began))) =
                (span.parent, facts.root, facts.began)
            {
                // The two events of one record.
                let next = number.map(|number| number + 1);
                let begins_it = began == at && next == event.sequence && facts.name == event.name;
                facts.root = if begins_it {
                    Root::Span(id)
                } else {
                    Root::Itself
                };
            }
        });
        self.open.keep_span(trace, span, heard.origin);
    }

    fn update_span(&mut self, id: u64, mut heard: Heard<'_>) {
        let (trace, event) = (heard.trace, heard.event);
        let told = &mut heard.told;
        self.open.with_trace(trace, |facts| facts.hear(event, told));
        self.open
            .with_span(trace, id, |span| span.take(event, told));
    }

    fn end_span(&mut self, id: u64, mut heard: Heard<'_>, out: &mut Vec<Ready>) {
        let (trace, event, index) = (heard.trace, heard.event, heard.origin.index);
        let told = &mut heard.told;
        self.open.with_trace(trace, |facts| facts.hear(event, told));
        if !self
            .open
            .with_span(trace, id, |span| span.take(event, told))
        {
            // Its start was lost, or forgotten.
            let facts = self.facts_for(&mut heard);
            let mut span = SpanFacts::new(id);
            span.take(event, &mut heard.told);
            return self.write(trace, &facts, &span, index, out);
        }
        let facts = self.open.trace(trace);
        if facts.is_some_and(|facts| facts.began.is_some() && facts.root == Root::Span(id)) {
            // It goes with the end of its trace, which says the rest.
            return;
        }
        if let Some(span) = self.open.forget_span(trace, id) {
            if let Some(facts) = self.open.trace(trace) {
                self.write(trace, facts, &span, index, out);
            } else {
                let facts = self.facts_for(&mut heard);
                self.write(trace, &facts, &span, index, out);
            }
        }
        self.open.forget_if_over(trace);
    }

    fn end_trace(&mut self, mut heard: Heard<'_>, out: &mut Vec<Ready>) {
        let (trace, event, index) = (heard.trace, heard.event, heard.origin.index);
        let told = &mut heard.told;
        let is_known = self.open.with_trace(trace, |facts| {
            facts.hear(event, told);
            facts.take(event, told);
            if facts.root == Root::Unknown && facts.began.is_some() {
                facts.root = Root::Itself;
            }
        });
        let mut facts = self.facts_for(&mut heard);
        if !is_known {
            let before = event.sequence.map(|number| number.wrapping_sub(1));
            if self.last_top != Some((trace, before)) && !matches!(facts.root, Root::Span(_)) {
                facts.take(event, &mut heard.told);
                self.write_trace(trace, &facts, index, out);
            }
            return;
        }
        match facts.root {
            Root::Span(root) => {
                if let Some(mut span) = self.open.forget_span(trace, root) {
                    span.notes.add_all(&facts.notes);
                    self.write(trace, &facts, &span, index, out);
                }
            }
            Root::Itself => self.write_trace(trace, &facts, index, out),
            Root::Unknown => {}
        }
        self.open.forget_if_over(trace);
    }

    /// What is known of the trace of an event; where that is nothing, what the event tells.
    fn facts_for(&self, heard: &mut Heard<'_>) -> TraceFacts {
        if let Some(facts) = self.open.trace(heard.trace) {
            return facts.clone();
        }
        let mut facts = TraceFacts {
            program: Arc::clone(&heard.program),
            root: self.open.root(heard.trace),
            ..TraceFacts::default()
        };
        facts.hear(heard.event, &mut heard.told);
        facts
    }

    /// Keeps something that happened, where it happened: on its own span, else on the root. It goes by itself where
    /// these are over.
    fn note(&mut self, span: Option<u64>, mut heard: Heard<'_>, note: Note, out: &mut Vec<Ready>) {
        let trace = heard.trace;
        let root = match self.open.root(trace) {
            Root::Span(root) => Some(root),
            _ => self.open.trace(trace).and_then(|facts| facts.branch),
        };
        let mut places = [span, root].into_iter().flatten();
        let open = places.find(|id| self.open.span(trace, *id).is_some());
        if let Some(id) = open {
            self.open.with_span(trace, id, |span| {
                span.notes.add(note);
            });
        } else if self
            .open
            .trace(trace)
            .is_some_and(|facts| facts.began.is_some() && facts.ended.is_none())
        {
            self.open.with_trace(trace, |facts| {
                facts.notes.add(note);
            });
        } else {
            let mut late = self.late(span, &heard);
            late.notes.add(note);
            let facts = self.facts_for(&mut heard);
            self.write(trace, &facts, &late, heard.origin.index, out);
        }
    }

    /// A span of no length, for what is said when that which it is said of has gone out.
    fn late(&self, span: Option<u64>, heard: &Heard<'_>) -> SpanFacts {
        let event = heard.event;
        let root = match self.open.root(heard.trace) {
            Root::Span(root) => Some(root),
            Root::Itself => Some(root_id(heard.trace)),
            Root::Unknown => None,
        };
        let at = heard.told.at(event);
        let name = event.name.clone();
        SpanFacts {
            parent: span.or(root),
            has_start: true,
            is_late: true,
            name: name.unwrap_or_else(|| event.event_type.as_str().to_owned()),
            started: Some(at),
            ended: Some(at),
            context: event.context.clone(),
            ..SpanFacts::new(moments::id_of(event))
        }
    }

    /// A trace as the span that stands for it, where no other does.
    fn write_trace(&self, trace: u128, facts: &TraceFacts, index: usize, out: &mut Vec<Ready>) {
        let facts = TraceFacts {
            root: Root::Itself,
            ..facts.clone()
        };
        self.write(trace, &facts, &facts.as_span(trace), index, out);
    }

    fn write(
        &self,
        trace: u128,
        facts: &TraceFacts,
        span: &SpanFacts,
        index: usize,
        out: &mut Vec<Ready>,
    ) {
        let mut span = span.clone();
        if span.parent.is_none() && facts.root == Root::Itself && span.id != root_id(trace) {
            span.parent = Some(root_id(trace));
        }
        let path = self.path(trace, &span, facts);
        out.push(Ready {
            program: Arc::clone(&facts.program),
            span: write::span(self.words, trace, &span, facts, &path),
            index,
        });
    }

    /// The way from the root to a span, as far as it is known.
    fn path(&self, trace: u128, span: &SpanFacts, facts: &TraceFacts) -> Path {
        let mut path = Path {
            names: vec![write::name(span)],
            ids: Vec::new(),
        };
        let mut above = span.parent;
        while let Some(id) = above.filter(|_| path.ids.len() < DEEPEST_PATH) {
            path.ids.push(id);
            let parent = self.open.span(trace, id);
            if let Some(parent) = parent {
                path.names.push(write::name(parent));
            } else if id == root_id(trace) {
                path.names.extend(facts.name.clone());
            }
            above = parent.and_then(|parent| {
                let is_top = parent.parent.is_none() && facts.root == Root::Itself;
                parent.parent.or(is_top.then(|| root_id(trace)))
            });
        }
        path.names.reverse();
        path.ids.reverse();
        path
    }
}
