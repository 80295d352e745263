//! What the end of a rollout sums up: tokens and cost of the model calls in it, and what was said of its spans.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::span::usage;
use super::{Draft, Field, Masks, Object, RecordKind};

/// Spans of one rollout whose usage may still change, at most; those that come after count as they come.
const MOST_OPEN: usize = 4096;

/// Start of the names of what only a rollout's trace says.
pub(super) const RUN_ATTRIBUTE: &str = "rollout.run.";

/// The sums of a rollout.
#[derive(Debug, Default)]
pub(super) struct RunSums {
    /// What spans that run have used so far.
    open: HashMap<u64, Map<String, Value>>,
    ended: Map<String, Value>,
}

impl RunSums {
    /// Takes in what a record says of its span. What an agent reports is the sum over the calls below it.
    pub(super) fn learn(&mut self, kind: RecordKind, draft: &Draft<'_>, mask: &Masks) {
        let ends = matches!(kind, RecordKind::SpanEnd | RecordKind::ToolResult);
        let span = draft.record.span;
        let counts = draft.span_type() != Some("agent");
        if counts && let Some(said) = usage(draft, mask) {
            let known = self.open.len() < MOST_OPEN || self.open.contains_key(&span);
            if known {
                self.open.entry(span).or_default().extend(said);
            } else {
                add(&mut self.ended, said);
            }
        }
        if ends && let Some(used) = self.open.remove(&span) {
            add(&mut self.ended, used);
        }
    }

    /// On the end of the trace: what was used in it.
    pub(super) fn put(&self, attributes: &mut Object<'_>) {
        let mut used = self.ended.clone();
        for open in self.open.values() {
            add(&mut used, open.clone());
        }
        if !used.is_empty() {
            // Writing to a Vec cannot fail.
            let _ = serde_json::to_writer(attributes.plain_key("rollout.run.usage"), &used);
        }
    }
}

/// Adds number by number: counts stay counts.
fn add(sums: &mut Map<String, Value>, used: Map<String, Value>) {
    for (name, value) in used {
        let Value::Number(number) = value else {
            continue;
        };
        let sum = sums.get(&name).and_then(Value::as_number);
        let sum = match (sum.map(|sum| (sum.as_u64(), sum.as_f64())), number.as_u64()) {
            (None, _) => number,
            (Some((Some(sum), _)), Some(count)) => sum.saturating_add(count).into(),
            (Some((_, sum)), _) => {
                let whole = sum.unwrap_or(0.0) + number.as_f64().unwrap_or(0.0);
                Number::from_f64(whole).unwrap_or(number)
            }
        };
        sums.insert(name, sum.into());
    }
}

/// The members of `links` where a rollout's trace starts or ends.
pub(super) fn links(event: &mut Object<'_>, draft: &Draft<'_>) {
    let Some(run) = draft.text(Field::Run) else {
        return;
    };
    event.object("links", |links| {
        if !run.is_empty() {
            links.text("run_id", run, super::limit::ID);
        }
        let rollout = format!("{:032x}", draft.record.trace);
        links.text("rollout_id", &rollout, super::limit::ID);
    });
}
