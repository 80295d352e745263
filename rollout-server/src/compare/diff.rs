//! What differs of one step, in words.

use std::collections::BTreeMap;

use rollout_core::event::RawJson;
use serde::Serialize;

use super::{
    Comparison, Part, Parts, Row, canonical,
    conversation::{self},
    step,
    text::{Side, TextDiff},
    volatile,
};
use crate::{
    query::{Failure, SpanDetail},
    store::{Store, StoreError},
    value::{Json, PROMPT},
};

pub use conversation::Turn;

/// What differs of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepDiff {
    /// The step in the first trace.
    pub a: Option<SpanDetail>,
    /// The step in the second.
    pub b: Option<SpanDetail>,
    /// Part by part; of a step that only one trace has, what that has.
    pub parts: Vec<PartDiff>,
}

/// What differs of a part of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartDiff {
    /// The part.
    pub part: Part,
    /// How it is compared.
    #[serde(flatten)]
    pub form: Form,
}

/// How a part is compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum Form {
    /// Line by line.
    Lines {
        /// What differs.
        diff: TextDiff,
        /// Whether the first has this part at all.
        has_a: bool,
        /// Whether the second has it.
        has_b: bool,
    },
    /// Message by message.
    Conversation {
        /// The messages of both.
        turns: Vec<Turn>,
    },
}

impl Comparison {
    /// What differs of a row, or (`None`) of the traces as a whole; `None` where there is no such row, or its span has
    /// gone meanwhile.
    pub fn diff(
        &self,
        store: &dyn Store,
        row: Option<usize>,
    ) -> Result<Option<StepDiff>, StoreError> {
        let Some(row) = row else {
            return Ok(Some(self.whole_diff()));
        };
        let Some(row) = self.rows.get(row) else {
            return Ok(None);
        };
        self.step_diff(store, row)
    }

    fn step_diff(&self, store: &dyn Store, row: &Row) -> Result<Option<StepDiff>, StoreError> {
        let read = |trace_id: &str, at: Option<u32>| -> Result<Option<SpanDetail>, StoreError> {
            let Some(at) = at else { return Ok(None) };
            let page = store.spans(trace_id, at.into(), 1)?.unwrap_or_default();
            match page.spans.first() {
                Some(span) => store.span(trace_id, &span.span_id),
                None => Ok(None),
            }
        };
        let a = read(&self.a.summary.trace_id, row.a)?;
        let b = read(&self.b.summary.trace_id, row.b)?;
        if a.is_some() != row.a.is_some() || b.is_some() != row.b.is_some() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        if let (Some(a), Some(b)) = (&a, &b) {
            for part in row.differs.iter().filter(|part| *part != Part::Order) {
                let (a, b) = (told(a, part), told(b, part));
                parts.push(PartDiff::of(part, a.as_deref(), b.as_deref()));
            }
        } else {
            let only = a.as_ref().or(b.as_ref());
            let shown = [Part::Input, Part::Prompt, Part::Output, Part::Error];
            for part in shown {
                if let Some(value) = only.and_then(|span| told(span, part)) {
                    let (left, right) = if a.is_some() {
                        (Some(&*value), None)
                    } else {
                        (None, Some(&*value))
                    };
                    parts.push(PartDiff::of(part, left, right));
                }
            }
        }
        Ok(Some(StepDiff { a, b, parts }))
    }

    fn whole_diff(&self) -> StepDiff {
        let (a, b) = (&self.a, &self.b);
        let raw = |value: &Option<RawJson>| value.as_ref().map(|value| value.as_str().to_owned());
        let parts = Parts::iter(self.whole).map(|part| {
            if part == Part::Messages {
                let turns = conversation::messages(&a.messages, &b.messages);
                return PartDiff {
                    part,
                    form: Form::Conversation { turns },
                };
            }
            let (left, right) = match part {
                Part::Input => (raw(&a.input), raw(&b.input)),
                Part::Output => (raw(&a.output), raw(&b.output)),
                Part::Name => (
                    text(a.summary.name.as_deref()),
                    text(b.summary.name.as_deref()),
                ),
                Part::Status => (text(Some(&a.summary.status)), text(Some(&b.summary.status))),
                _ => (
                    failure(a.summary.error.as_ref()),
                    failure(b.summary.error.as_ref()),
                ),
            };
            PartDiff::of(part, left.as_deref(), right.as_deref())
        });
        StepDiff {
            a: None,
            b: None,
            parts: parts.collect(),
        }
    }
}

impl PartDiff {
    /// Compares two JSON values.
    fn of(part: Part, a: Option<&str>, b: Option<&str>) -> Self {
        let turns = match (a, b) {
            (Some(a), Some(b)) => conversation::of(a, b),
            (Some(a), None) => conversation::only(Side::A, a),
            (None, Some(b)) => conversation::only(Side::B, b),
            (None, None) => None,
        };
        let form = turns.map(|turns| Form::Conversation { turns });
        Self {
            part,
            form: form.unwrap_or_else(|| Form::Lines {
                diff: lines(a, b),
                has_a: a.is_some(),
                has_b: b.is_some(),
            }),
        }
    }
}

fn lines(a: Option<&str>, b: Option<&str>) -> TextDiff {
    match (a, b) {
        (Some(a), Some(b)) => {
            let is_text = |value| matches!(Json::read(value), Json::Text(_));
            let same_kind = is_text(a) == is_text(b);
            let lay = |value| {
                if same_kind {
                    canonical::lines(value)
                } else {
                    canonical::json(value)
                }
            };
            TextDiff::of(&lay(a), &lay(b))
        }
        (Some(a), None) => TextDiff::only(Side::A, &canonical::lines(a)),
        (None, Some(b)) => TextDiff::only(Side::B, &canonical::lines(b)),
        (None, None) => TextDiff::default(),
    }
}

/// A part of a span as JSON.
fn told(span: &SpanDetail, part: Part) -> Option<String> {
    let row = &span.row;
    match part {
        Part::Name => text(Some(row.name.as_deref().unwrap_or(&row.kind))),
        Part::Model => match (&row.provider, &row.model) {
            (Some(provider), Some(model)) => text(Some(&format!("{model} ({provider})"))),
            (one, other) => text(other.as_deref().or(one.as_deref())),
        },
        Part::Input => span.input.as_ref().map(|input| input.as_str().to_owned()),
        Part::Prompt => span
            .attributes
            .get(PROMPT)
            .map(|prompt| prompt.as_str().to_owned()),
        Part::Attributes => {
            let counting = |name: &String| name != PROMPT && !volatile::is_attribute(name);
            let attributes = span.attributes.iter().filter(|(name, _)| counting(name));
            let attributes: BTreeMap<_, _> = attributes.collect();
            (!attributes.is_empty())
                .then(|| serde_json::to_string(&attributes).ok())
                .flatten()
        }
        Part::Output => step::output(span),
        Part::Status => text(Some(&row.status)),
        Part::Error => failure(row.error.as_ref()),
        Part::Order | Part::Messages => None,
    }
}

fn text(text: Option<&str>) -> Option<String> {
    serde_json::to_string(text?).ok()
}

/// An error in lines: what it says, then its causes.
fn failure(failure: Option<&Failure>) -> Option<String> {
    let failure = failure?;
    let kind = failure.kind.iter().cloned();
    let causes = failure
        .chain
        .iter()
        .map(|cause| format!("caused by {cause}"));
    let lines: Vec<_> = kind.chain(failure.message.clone()).chain(causes).collect();
    text(Some(&lines.join("\n")))
}
