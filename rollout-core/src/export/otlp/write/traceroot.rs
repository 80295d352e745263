//! TraceRoot's own words.

use serde_json::{Map, Value};

use super::{Attributes, View, shown};

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let (span, trace) = (view.span, view.trace);
    to.text("traceroot.span.type", view.kind.traceroot());
    if let Some(input) = &span.input {
        to.text("traceroot.span.input", shown(input).0);
    }
    if let Some(output) = view.output() {
        to.text("traceroot.span.output", shown(output).0);
    }
    if !span.metadata.is_empty() {
        to.json("traceroot.span.metadata", &span.metadata.clone().into());
    }
    to.texts("traceroot.span.tags", &span.tags);
    if view.kind.calls_model() {
        model(view, to);
    }
    to.maybe("traceroot.trace.user_id", view.context.user_id.as_ref());
    to.maybe(
        "traceroot.trace.session_id",
        view.context.session_id.as_ref(),
    );
    to.texts("traceroot.trace.tags", &trace.tags);
    if view.is_root && !view.metadata.is_empty() {
        to.json("traceroot.trace.metadata", &view.metadata.clone().into());
    }
    to.maybe("traceroot.environment", trace.program.environment.as_ref());
    to.maybe("traceroot.git.repo", trace.repository.as_ref());
    to.maybe("traceroot.git.ref", trace.commit.as_ref());
    for (ours, theirs) in [
        ("code.file.path", "traceroot.git.source_file"),
        ("code.line.number", "traceroot.git.source_line"),
        ("code.function.name", "traceroot.git.source_function"),
    ] {
        if let Some(value) = span.attributes.get(ours) {
            to.value(theirs, value);
        }
    }
    to.texts("traceroot.span.path", &view.path.names);
    let ids: Vec<String> = view
        .path
        .ids
        .iter()
        .map(|id| format!("{id:016x}"))
        .collect();
    to.texts("traceroot.span.ids_path", &ids);
}

fn model(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.maybe("traceroot.llm.model", span.model.model.as_ref());
    if let Some(prompt) = span.attributes.get("rollout.prompt") {
        to.value("traceroot.llm.prompt", prompt);
    }
    if !view.options.is_empty() {
        let options = view.options.clone().into();
        to.json("traceroot.llm.model_parameters", &options);
    }
    let usage = &span.usage;
    let counts: Map<String, Value> = [
        ("input_tokens", usage.input_tokens),
        ("output_tokens", usage.output_tokens),
        ("cache_read_tokens", usage.cached_tokens),
        ("cache_write_tokens", usage.cache_creation_tokens),
        ("reasoning_tokens", usage.reasoning_tokens),
    ]
    .into_iter()
    .filter_map(|(name, count)| Some((name.to_owned(), count?.into())))
    .collect();
    if !counts.is_empty() {
        to.json("traceroot.llm.usage", &counts.into());
    }
}
