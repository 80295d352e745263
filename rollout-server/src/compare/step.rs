//! A trace, read once, and what is kept of each of its spans.

use crate::{
    compare::{
        fingerprint,
        part::{Part, Parts},
        sequence::Item,
        volatile,
    },
    query::{Failure, MessageRow, SpanDetail, TraceDetail},
    store::{Store, StoreError},
    value::{Chat, ITEM_COUNT, PROMPT, Part as Said, streamed},
};

/// A trace and its spans in tree order.
pub(super) struct Trail {
    pub(super) trace: TraceDetail,
    /// What the trace as a whole was given, returned and said.
    pub(super) whole: Step,
    pub(super) steps: Vec<Step>,
}

/// Hashes of what a step is and did; 0 for what is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) depth: u32,
    /// Of what it is matched by.
    pub(super) key: u64,
    pub(super) name: u64,
    pub(super) model: u64,
    pub(super) input: u64,
    pub(super) prompt: u64,
    pub(super) attributes: u64,
    pub(super) messages: u64,
    pub(super) output: u64,
    pub(super) status: u64,
    pub(super) error: u64,
}

impl Trail {
    /// Reads a trace; `None` where there is none.
    pub(super) fn read(store: &dyn Store, trace_id: &str) -> Result<Option<Self>, StoreError> {
        let Some(trace) = store.trace(trace_id)? else {
            return Ok(None);
        };
        let mut steps = Vec::new();
        store.details(&trace.summary.trace_id, &mut |span| {
            steps.push(Step::of(&span));
            true
        })?;
        Ok(Some(Self {
            whole: Step::whole(&trace),
            trace,
            steps,
        }))
    }
}

impl Step {
    fn of(span: &SpanDetail) -> Self {
        let row = &span.row;
        let name = row.name.as_deref().unwrap_or(&row.kind);
        // Some call their model calls by the model.
        let called = match row.model.as_deref().filter(|_| row.kind == "llm") {
            Some(model) if !model.is_empty() => name.replace(model, "‹model›"),
            _ => name.to_owned(),
        };
        let attributes = span.attributes.iter();
        let attributes =
            attributes.filter(|(name, _)| *name != PROMPT && !volatile::is_attribute(name));
        let attributes = attributes.fold(0_u64, |sum, (name, value)| {
            sum.wrapping_add(fingerprint::member(name, value.as_str()))
        });
        Self {
            depth: row.depth,
            key: fingerprint::of(&(&row.kind, &called)),
            name: fingerprint::of(&called),
            model: fingerprint::of(&(&row.model, &row.provider)),
            input: span
                .input
                .as_ref()
                .map_or(0, |input| fingerprint::json(input.as_str())),
            prompt: span
                .attributes
                .get(PROMPT)
                .map_or(0, |prompt| fingerprint::json(prompt.as_str())),
            attributes,
            messages: 0,
            output: output(span).map_or(0, |output| fingerprint::json(&output)),
            status: fingerprint::of(&row.status),
            error: error(row.error.as_ref()),
        }
    }

    fn whole(trace: &TraceDetail) -> Self {
        let summary = &trace.summary;
        Self {
            name: fingerprint::of(&summary.name),
            input: trace
                .input
                .as_ref()
                .map_or(0, |input| fingerprint::json(input.as_str())),
            output: trace
                .output
                .as_ref()
                .map_or(0, |output| fingerprint::json(output.as_str())),
            messages: trace
                .messages
                .iter()
                .map(message)
                .fold(0, |all, said| fingerprint::of(&(all, said))),
            status: fingerprint::of(&summary.status),
            error: error(summary.error.as_ref()),
            ..Self::default()
        }
    }

    /// In what two steps differ.
    pub(super) fn differs(&self, other: &Self) -> Parts {
        let mut parts = Parts::default();
        parts.add(Part::Name, self.name != other.name);
        parts.add(Part::Model, self.model != other.model);
        parts.add(Part::Input, self.input != other.input);
        parts.add(Part::Prompt, self.prompt != other.prompt);
        parts.add(Part::Attributes, self.attributes != other.attributes);
        parts.add(Part::Messages, self.messages != other.messages);
        parts.add(Part::Output, self.output != other.output);
        parts.add(Part::Status, self.status != other.status);
        parts.add(Part::Error, self.error != other.error);
        parts
    }

    /// What is looked at to match it, before anything below it is known.
    pub(super) fn item(&self) -> Item {
        self.with(&[])
    }

    /// What is looked at to match it; `below` is the subtree and the shape of each child.
    pub(super) fn with(&self, below: &[(u64, u64)]) -> Item {
        let own = Self { depth: 0, ..*self };
        let (subtrees, shapes): (Vec<u64>, Vec<u64>) = below.iter().copied().unzip();
        let mine = [
            own.key,
            own.name,
            own.model,
            own.input,
            own.prompt,
            own.attributes,
            own.output,
            own.status,
            own.error,
        ];
        let given = match (self.input, self.prompt) {
            (0, 0) => 0,
            given => fingerprint::of(&(self.key, given)),
        };
        Item {
            subtree: fingerprint::of(&(mine, subtrees)),
            given,
            key: self.key,
            shape: fingerprint::of(&(self.key, shapes)),
        }
    }
}

/// What a span returned, as JSON. Of a stream of texts it is the text: where it was cut into chunks is chance.
pub(super) fn output(span: &SpanDetail) -> Option<String> {
    let output = span.output.as_ref()?.as_str();
    let text = span
        .attributes
        .contains_key(ITEM_COUNT)
        .then(|| streamed(output))
        .flatten();
    let text = text.and_then(|text| serde_json::to_string(&text).ok());
    Some(text.unwrap_or_else(|| output.to_owned()))
}

fn error(error: Option<&Failure>) -> u64 {
    error.map_or(0, |error| {
        fingerprint::of(&(&error.kind, &error.message, &error.chain))
    })
}

/// Of who said what.
fn message(message: &MessageRow) -> u64 {
    let content = message
        .content
        .as_ref()
        .map_or(0, |content| fingerprint::json(content.as_str()));
    fingerprint::of(&(&message.role, content))
}

/// What one message says, in lines.
pub(super) fn content(message: &MessageRow) -> Vec<Said> {
    message
        .content
        .as_ref()
        .map(|content| Chat::content(content.as_str()))
        .unwrap_or_default()
}
