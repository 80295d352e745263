//! A span of theirs that is open, as one of ours.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rollout_core::{Ending, Span, SpanEnd, SpanUpdate, ToolCall, TraceUpdate};

use super::calls;
use super::collect::Fields;
use super::facts::{self, Fact, Telling};
use super::kind::Kind;
use crate::place::Place;

/// What of messages, arguments and results is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capture {
    pub(super) input: bool,
    pub(super) output: bool,
}

/// What a wrapper has to say of a call, and how it ended.
pub(super) struct Told {
    pub(super) ending: Ending,
    pub(super) bytes: usize,
    pub(super) work: Box<dyn FnOnce() -> (SpanUpdate, SpanEnd) + Send>,
}

/// The span of ours.
enum Handle {
    Span(Span),
    Tool(ToolCall),
}

/// A span that is open on both sides.
pub(crate) struct Open {
    handle: Handle,
    kind: Kind,
    capture: Capture,
    /// Something that is asked is not told yet.
    asked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fields: Fields,
    /// Theirs is closed. Ours ends with the last wrapper.
    closed: bool,
    /// Wrappers that see this call, and are not done.
    wrappers: usize,
    /// How many have seen it.
    attempts: u32,
    told: Option<Told>,
}

impl Open {
    pub(super) fn start(
        place: &Place,
        name: &str,
        kind: Kind,
        fields: Fields,
        capture: Capture,
    ) -> Arc<Self> {
        let text = |field| fields.get(field).and_then(serde_json::Value::as_str);
        let name = text(kind.name_field()).unwrap_or(name);
        let handle = if kind == Kind::Tool {
            let mut builder = place.tool(name);
            if let Some(id) = text("gen_ai.tool.call.id") {
                builder = builder.tool_call_id(id);
            }
            Handle::Tool(builder.start())
        } else {
            let mut builder = place.span(kind.span_type()).name(name);
            if let Some(model) = text("gen_ai.request.model") {
                builder = builder.model(model);
            }
            if let Some(provider) = text("gen_ai.provider.name").or(text("gen_ai.system")) {
                builder = builder.provider(provider);
            }
            Handle::Span(builder.start())
        };
        let open = Arc::new(Self {
            handle,
            kind,
            capture,
            asked: AtomicBool::new(false),
            state: Mutex::default(),
        });
        open.record(fields);
        if kind == Kind::Llm {
            calls::opened(&open);
        }
        open
    }

    /// Fields that were recorded.
    pub(super) fn record(&self, fields: Fields) {
        if fields.is_empty() {
            return;
        }
        let conversation = fields.get("gen_ai.conversation.id");
        if let Some(id) = conversation.and_then(serde_json::Value::as_str) {
            let update = TraceUpdate::new().conversation_id(id);
            self.in_scope(|| rollout_core::update_current_trace(update));
        }
        let mut state = self.state();
        state.fields.merge(fields);
        let asked = |entry: &super::collect::Entry| !entry.told && facts::is_asked(entry.name);
        if state.fields.list_mut().iter().any(asked) {
            self.asked.store(true, Ordering::Relaxed);
        }
    }

    /// The span was left: what it asks is told, so that a span that never ends shows it.
    pub(super) fn left(&self) {
        if !self.asked.swap(false, Ordering::Relaxed) || !self.is_recording() {
            return;
        }
        let (facts, bytes, telling) = {
            let mut state = self.state();
            let facts = facts::take_asked(&mut state.fields);
            (facts, state.fields.bytes(), self.telling(&state))
        };
        self.update_with(telling, facts, bytes);
    }

    fn update_with(&self, telling: Telling, facts: Vec<Fact>, bytes: usize) {
        if !facts.is_empty() {
            self.update_later(bytes, move || facts::update(telling, facts));
        }
    }

    /// Where a wrapper sees the call, it tells what went in and out, in the provider's words.
    fn telling(&self, state: &State) -> Telling {
        let alone = state.attempts == 0;
        Telling {
            kind: self.kind,
            input: alone && self.capture.input,
            output: alone && self.capture.output,
        }
    }

    /// Theirs is closed.
    pub(super) fn closed(&self) {
        let mut state = self.state();
        state.closed = true;
        let done = state.wrappers == 0;
        drop(state);
        if done {
            self.finish();
        }
    }

    /// A wrapper sees this call; `false` where it is over.
    pub(super) fn join(&self) -> bool {
        let mut state = self.state();
        let open = !state.closed;
        if open {
            state.wrappers += 1;
            state.attempts += 1;
        }
        open
    }

    /// Whether the fields say whose model it is.
    pub(super) fn names_provider(&self) -> bool {
        let state = self.state();
        ["gen_ai.provider.name", "gen_ai.system"]
            .iter()
            .any(|name| state.fields.get(name).is_some())
    }

    /// A wrapper is done. Of several attempts the last is told.
    pub(super) fn leave(&self, told: Option<Told>) {
        let mut state = self.state();
        state.wrappers = state.wrappers.saturating_sub(1);
        let before = match told {
            Some(told) => state.told.replace(told),
            None => None,
        };
        let done = state.closed && state.wrappers == 0;
        drop(state);
        drop(before);
        if done {
            self.finish();
        }
    }

    fn finish(&self) {
        let (facts, bytes, telling, dropped, told, attempts, names) = {
            let mut state = self.state();
            let telling = self.telling(&state);
            let facts = facts::take_rest(&mut state.fields);
            let (bytes, dropped) = (state.fields.bytes(), state.fields.dropped());
            (
                facts,
                bytes,
                telling,
                dropped,
                state.told.take(),
                state.attempts,
                self.names(&state),
            )
        };
        if std::thread::panicking() {
            // That it panicked is said by its drop.
            self.update_with(telling, facts, bytes);
            return;
        }
        let failure = facts::failure(&facts);
        let kind = self.kind;
        let Some(told) = told else {
            let counted = facts.iter().any(|(name, _)| facts::is_usage(name));
            self.end_later(Ending::Done, bytes, move || {
                let mut update = names(facts::update(telling, facts));
                if kind == Kind::Llm {
                    let source = if counted { "reported" } else { "absent" };
                    update = update.attribute("rollout.usage_source", source);
                }
                if dropped > 0 {
                    update = update.attribute("rollout.fields_dropped", dropped);
                }
                (update, failure)
            });
            return;
        };
        self.update_with(telling, facts, bytes);
        self.end_later(told.ending, told.bytes, move || {
            let (update, mut end) = (told.work)();
            let mut update = names(update);
            if attempts > 1 {
                update = update.attribute("rollout.attempts", attempts);
            }
            if end.error.is_none() {
                (end.error, end.error_type) = (failure.error, failure.error_type);
                end.error_chain = failure.error_chain;
            }
            (update, end)
        });
    }

    /// What the end repeats of what was not known at the start.
    fn names(&self, state: &State) -> impl FnOnce(SpanUpdate) -> SpanUpdate + Send + use<> {
        let text = |field| state.fields.get(field).and_then(serde_json::Value::as_str);
        let name = text(self.kind.name_field()).map(str::to_owned);
        let id = text("gen_ai.tool.call.id").map(str::to_owned);
        move |mut update| {
            if let Some(name) = name {
                update = update.name(name);
            }
            if let Some(id) = id {
                update = update.tool_call_id(id);
            }
            update
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Open {
    type Target = Span;

    fn deref(&self) -> &Span {
        match &self.handle {
            Handle::Span(span) => span,
            Handle::Tool(call) => call,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.kind == Kind::Llm {
            calls::over(self.id());
        }
    }
}
