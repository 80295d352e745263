//! Langfuse's own words.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{Attributes, View, shown};

/// Code points of an environment's name.
const ENVIRONMENT: usize = 40;

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let (span, trace) = (view.span, view.trace);
    to.text("langfuse.observation.type", view.kind.langfuse());
    let (input, output) = (span.input.as_ref(), view.output());
    let said = |json: &String| shown(json).0;
    if let Some(input) = input {
        to.text("langfuse.observation.input", said(input));
    }
    if let Some(output) = output {
        to.text("langfuse.observation.output", said(output));
    }
    for (name, value) in &span.metadata {
        to.value(format!("langfuse.observation.metadata.{name}"), value);
    }
    if view.kind.calls_model() {
        model(view, to);
    }
    to.maybe("langfuse.trace.name", trace.name.as_ref());
    to.maybe("langfuse.user.id", view.context.user_id.as_ref());
    to.maybe("langfuse.session.id", view.context.session_id.as_ref());
    to.texts("langfuse.trace.tags", &trace.tags);
    for (name, value) in &view.metadata {
        to.value(format!("langfuse.trace.metadata.{name}"), value);
    }
    if view.is_root {
        if let Some(input) = trace.input.as_ref().or(input) {
            to.text("langfuse.trace.input", said(input));
        }
        if let Some(output) = trace.output.as_ref().or(output) {
            to.text("langfuse.trace.output", said(output));
        }
    }
    if let Some(name) = &trace.program.environment {
        to.text("langfuse.environment", environment(name));
    }
    to.maybe("langfuse.release", trace.program.release.as_ref());
}

fn model(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.maybe("langfuse.observation.model.name", span.model.model.as_ref());
    if !view.options.is_empty() {
        let options = view.options.clone().into();
        to.json("langfuse.observation.model.parameters", &options);
    }
    let usage = &span.usage;
    let mut details = Map::new();
    let mut put = |name: &str, count: Option<u64>| {
        if let Some(count) = count {
            details.insert(name.to_owned(), count.into());
        }
    };
    // What we count as parts is counted beside there.
    let cached = usage.cached_tokens.unwrap_or(0);
    let apart = cached.saturating_add(usage.cache_creation_tokens.unwrap_or(0));
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    put(
        "input",
        usage.input_tokens.map(|all| all.saturating_sub(apart)),
    );
    put(
        "output",
        usage.output_tokens.map(|all| all.saturating_sub(reasoning)),
    );
    put("total", usage.total_tokens);
    put("input_cached_tokens", usage.cached_tokens);
    put("input_cache_creation", usage.cache_creation_tokens);
    put("output_reasoning_tokens", usage.reasoning_tokens);
    if !details.is_empty() {
        to.json("langfuse.observation.usage_details", &details.into());
    }
    if let Some(usd) = usage.cost_usd {
        to.json(
            "langfuse.observation.cost_details",
            &json!({ "total": usd }),
        );
    }
    let first = view.number("gen_ai.response.time_to_first_chunk");
    if let Some(at) = span.started.zip(first).and_then(|(start, first)| {
        let start = Timestamp::from_nanosecond(start.into()).ok()?;
        let first = SignedDuration::try_from_secs_f64(first).ok()?;
        start.checked_add(first).ok()
    }) {
        to.text(
            "langfuse.observation.completion_start_time",
            format!("{at:.6}"),
        );
    }
}

/// Lower-case letters, digits, `-` and `_`, and not beginning as Langfuse's own.
fn environment(name: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => c,
        _ => '-',
    };
    let name: String = name.chars().take(ENVIRONMENT).map(plain).collect();
    match name.strip_prefix("langfuse") {
        Some(rest) => rest.trim_start_matches(['-', '_']).to_owned(),
        None => name,
    }
}

/// How an observation ended.
pub(super) fn level(view: &View<'_>) -> (&'static str, Option<String>) {
    let outcome = &view.span.outcome;
    let words = super::outcome::message(view.span);
    match outcome.status.as_deref() {
        Some("cancelled") => ("WARNING", Some("cancelled".to_owned())),
        _ if outcome.failed => ("ERROR", words),
        Some("ok") | None => ("DEFAULT", None),
        Some(status) => ("DEFAULT", Some(status.to_owned())),
    }
}

pub(super) fn write_level(view: &View<'_>, to: &mut Attributes) {
    let (level, words) = level(view);
    to.text("langfuse.observation.level", level);
    if let Some(Value::String(words)) = words.map(Value::String) {
        to.text("langfuse.observation.status_message", words);
    }
}
