//! Facts in pairs of a name and a value, in groups under a title.

use std::collections::BTreeMap;

use rollout_core::event::{RawJson, Usage};

use super::facts;
use crate::{
    present,
    query::{CostSource, FeedbackRow, SpanDetail, TraceDetail},
    value::{ITEM_COUNT, Json, PROMPT},
};

#[derive(Default)]
/// Pairs under a title.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) absent: Option<&'static str>,
    pub(super) pairs: Vec<Pair>,
}

/// A name and a value.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) href: Option<String>,
    pub(super) share: Option<String>,
    /// Whether it is there to be copied.
    pub(super) copied: bool,
}

impl Pair {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            href: None,
            share: None,
            copied: false,
        }
    }
}

pub(super) fn span_facts(span: &SpanDetail) -> Group {
    let row = &span.row;
    let mut pairs = Vec::new();
    let fact = |pairs: &mut Vec<Pair>, name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| Pair::new(name, value)));
    };
    fact(&mut pairs, "Model", row.model.clone());
    fact(&mut pairs, "Provider", row.provider.clone());
    let first = first_token_ms(span).map(present::duration);
    fact(&mut pairs, "Time to first token", first);
    if let Some(code) = &span.code {
        fact(&mut pairs, "Function", code.function.clone());
        pairs.extend(code.file.as_ref().map(|file| Pair {
            copied: true,
            ..Pair::new(
                "Source",
                match code.line {
                    Some(line) => format!("{file}:{line}"),
                    None => file.clone(),
                },
            )
        }));
    }
    fact(
        &mut pairs,
        "Started",
        row.started_at.map(|at| format!("{at:.6}")),
    );
    fact(
        &mut pairs,
        "Ended",
        span.ended_at.map(|at| format!("{at:.6}")),
    );
    fact(&mut pairs, "Tool call", span.tool_call_id.clone());
    pairs.push(Pair {
        copied: true,
        ..Pair::new("Span id", &row.span_id)
    });
    if let Some(parent) = &row.parent_span_id {
        pairs.push(Pair {
            href: Some(facts::span_href(&span.trace_id, parent)),
            ..Pair::new("Parent", parent)
        });
    }
    Group {
        title: "Facts",
        absent: None,
        pairs,
    }
}

/// The attribute of a streamed model call: seconds until the first piece of its answer.
const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";

/// Milliseconds until the first piece of a streamed answer: as it was said, or else until the first piece that was
/// recorded.
fn first_token_ms(span: &SpanDetail) -> Option<f64> {
    let said = span.attributes.get(FIRST_CHUNK);
    if let Some(seconds) = said.and_then(|said| said.as_str().parse::<f64>().ok()) {
        return Some(seconds * 1000.0);
    }
    let mut chunks = span.events.iter();
    let first = chunks.find(|event| event.kind == "llm.stream_chunk")?;
    Some(present::since_ms(span.row.started_at?, first.at))
}

/// Attributes that the pane tells in other places.
fn told_elsewhere(name: &str) -> bool {
    matches!(
        name,
        "span_type"
            | "rollout.truncated"
            | "rollout.ns"
            | "rollout.usage_source"
            | ITEM_COUNT
            | PROMPT
            | FIRST_CHUNK
    ) || name.starts_with("rollout.usage.")
        || name.starts_with("rollout.link.")
        || matches!(
            name,
            "code.file.path" | "code.line.number" | "code.function.name"
        )
}

pub(super) fn attributes(
    title: &'static str,
    attributes: &BTreeMap<String, RawJson>,
) -> Option<Group> {
    let pairs: Vec<_> = attributes
        .iter()
        .filter(|(name, _)| !told_elsewhere(name))
        .map(|(name, value)| Pair::new(name, words(value)))
        .collect();
    (!pairs.is_empty()).then_some(Group {
        title,
        absent: None,
        pairs,
    })
}

/// A value as plain words: a text without quotes, anything else as JSON.
fn words(value: &RawJson) -> String {
    match Json::read(value.as_str()) {
        Json::Text(text) => text,
        _ => value.as_str().to_owned(),
    }
}

/// What a call used. `expected` tells that a usage should be there: then its absence is said.
pub(super) fn usage_group(
    usage: &Usage,
    cost: (Option<f64>, Option<CostSource>),
    attributes: &BTreeMap<String, RawJson>,
    expected: bool,
) -> Option<Group> {
    let mut pairs = Vec::new();
    let part = |of: Option<u64>, part: Option<u64>| {
        of.zip(part)
            .filter(|(of, _)| *of > 0)
            .map(|(of, part)| format!("{:.0}% of it", part as f64 / of as f64 * 100.0))
    };
    let mut fact = |name: &str, value: Option<u64>, share: Option<String>| {
        pairs.extend(value.map(|value| Pair {
            share,
            ..Pair::new(name, grouped(value))
        }));
    };
    fact("Input tokens", usage.input_tokens, None);
    let cached = part(usage.input_tokens, usage.cached_tokens);
    fact("– read from cache", usage.cached_tokens, cached);
    let written = part(usage.input_tokens, usage.cache_creation_tokens);
    fact("– written to cache", usage.cache_creation_tokens, written);
    fact("Output tokens", usage.output_tokens, None);
    let thought = part(usage.output_tokens, usage.reasoning_tokens);
    fact("– reasoning", usage.reasoning_tokens, thought);
    fact("Total tokens", usage.total_tokens, None);
    let filled = part(usage.context_window_tokens, usage.context_used_tokens);
    fact("Context used", usage.context_used_tokens, filled);
    fact("Context window", usage.context_window_tokens, None);
    for (name, number) in &usage.extra {
        pairs.push(Pair::new(name.replace('_', " "), number.to_string()));
    }
    pairs.extend(cost.0.map(|usd| Pair {
        share: match cost.1 {
            Some(CostSource::Reported) => Some("reported".to_owned()),
            Some(CostSource::Priced) => Some("by the price table".to_owned()),
            Some(CostSource::Mixed) => Some("reported, and by the price table".to_owned()),
            None => None,
        },
        ..Pair::new("Cost", present::cost(usd))
    }));
    if pairs.is_empty() {
        return expected.then_some(Group {
            title: "Usage",
            absent: Some("The provider reported no usage."),
            pairs,
        });
    }
    let source = attributes.get("rollout.usage_source").map(words);
    Some(Group {
        title: match source.as_deref() {
            Some("estimated") => "Usage, estimated from the text",
            Some("reported") => "Usage, as the provider reported it",
            _ => "Usage",
        },
        absent: None,
        pairs,
    })
}

/// A number with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn judged(title: &'static str, rows: &[FeedbackRow]) -> Option<Group> {
    let pairs: Vec<_> = rows
        .iter()
        .map(|row| {
            let more: Vec<_> = row
                .attributes
                .iter()
                .filter(|(name, _)| *name != "value" && !told_elsewhere(name))
                .map(|(name, value)| format!("{name}: {}", words(value)))
                .collect();
            Pair {
                share: (!more.is_empty()).then(|| more.join(", ")),
                ..Pair::new(
                    row.name.clone().unwrap_or_default(),
                    row.value.as_ref().map(words).unwrap_or_default(),
                )
            }
        })
        .collect();
    (!pairs.is_empty()).then_some(Group {
        title,
        absent: None,
        pairs,
    })
}

pub(super) fn identity(trace: &TraceDetail) -> Option<Group> {
    let summary = &trace.summary;
    let context = &trace.context;
    let mut pairs = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        pairs.extend(value.map(|value| Pair::new(name, value)));
    };
    fact("External id", summary.external_trace_id.clone());
    fact("User", summary.user_id.clone());
    let traits = |traits: &Option<RawJson>| {
        traits
            .as_ref()
            .filter(|traits| traits.as_str() != "{}")
            .map(words)
    };
    fact("User traits", traits(&context.user_traits));
    fact("Account", context.account_id.clone());
    fact("Account traits", traits(&context.account_traits));
    (!pairs.is_empty()).then_some(Group {
        title: "Identity",
        absent: None,
        pairs,
    })
}
