//! The words of OpenInference, which Phoenix reads, and others beside their own.

use serde_json::{Map, Value};

use super::{Attributes, Kind, Part, Spoken, View, gen_ai, shown};

/// Messages that are written word by word; all are in the JSON beside.
const MOST_MESSAGES: usize = 1000;

pub(super) fn write(view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.text("openinference.span.kind", view.kind.openinference());
    if let Some(input) = &span.input {
        let (value, mime) = shown(input);
        to.text("input.value", value);
        to.text("input.mime_type", mime);
    }
    if let Some(output) = view.output() {
        let (value, mime) = shown(output);
        to.text("output.value", value);
        to.text("output.mime_type", mime);
    }
    to.maybe("session.id", view.context.session_id.as_ref());
    to.texts("tag.tags", &view.tags);
    let mut metadata = view.metadata.clone();
    metadata.extend(span.metadata.clone());
    if !metadata.is_empty() {
        to.json("metadata", &metadata.into());
    }
    match view.kind {
        Kind::Agent => {
            let named = Some(&span.name).filter(|name| !name.is_empty());
            to.maybe("agent.name", named);
        }
        Kind::Tool => {
            to.text("tool.name", &span.name);
            to.maybe("tool.id", span.tool_call_id.as_ref());
            to.maybe("tool.parameters", span.input.as_ref());
        }
        Kind::Retrieval => documents(view, to),
        Kind::Llm => {
            model("llm", view, to);
            messages("llm.input_messages", &view.conversation(), to);
            messages("llm.output_messages", &view.answered, to);
            for (index, tool) in view.asked.tools.iter().enumerate() {
                to.json(format!("llm.tools.{index}.tool.json_schema"), tool);
            }
            let reasons = gen_ai::finish_reasons(view);
            to.maybe("llm.finish_reason", reasons.first());
        }
        Kind::Embedding => model("embedding", view, to),
        _ => {}
    }
}

fn model(side: &str, view: &View<'_>, to: &mut Attributes) {
    let span = view.span;
    to.maybe(format!("{side}.model_name"), span.model.model.as_ref());
    to.maybe("llm.provider", span.model.provider.as_ref());
    to.maybe("llm.system", span.model.provider.as_ref());
    if !view.options.is_empty() {
        let options = view.options.clone().into();
        to.json(format!("{side}.invocation_parameters"), &options);
    }
    let usage = &span.usage;
    to.count("llm.token_count.prompt", usage.input_tokens);
    to.count("llm.token_count.completion", usage.output_tokens);
    to.count("llm.token_count.total", usage.total_tokens);
    to.count(
        "llm.token_count.prompt_details.cache_read",
        usage.cached_tokens,
    );
    to.count(
        "llm.token_count.prompt_details.cache_write",
        usage.cache_creation_tokens,
    );
    to.count(
        "llm.token_count.completion_details.reasoning",
        usage.reasoning_tokens,
    );
    to.float("llm.cost.total", usage.cost_usd);
}

fn messages(list: &str, messages: &[Spoken], to: &mut Attributes) {
    for (index, spoken) in messages.iter().take(MOST_MESSAGES).enumerate() {
        let at = format!("{list}.{index}.message");
        to.text(format!("{at}.role"), &spoken.role);
        let media = |part: &Part| matches!(part, Part::Uri { .. } | Part::Blob { .. });
        if spoken.parts.iter().any(media) {
            contents(&at, &spoken.parts, to);
        } else {
            let words: Vec<String> = spoken.parts.iter().filter_map(Part::words).collect();
            if !words.is_empty() {
                to.text(format!("{at}.content"), words.join("\n"));
            }
        }
        let mut calls = 0;
        for part in &spoken.parts {
            match part {
                Part::Call {
                    id,
                    name,
                    arguments,
                } => {
                    let at = format!("{at}.tool_calls.{calls}.tool_call");
                    calls += 1;
                    to.maybe(format!("{at}.id"), id.as_ref());
                    to.text(format!("{at}.function.name"), name);
                    to.json(format!("{at}.function.arguments"), arguments);
                }
                Part::Response { id, .. } => to.maybe(format!("{at}.tool_call_id"), id.as_ref()),
                _ => {}
            }
        }
    }
}

fn contents(at: &str, parts: &[Part], to: &mut Attributes) {
    let shown = parts
        .iter()
        .filter(|part| !matches!(part, Part::Call { .. }));
    for (index, part) in shown.enumerate() {
        let at = format!("{at}.contents.{index}.message_content");
        let image = |url: String, to: &mut Attributes| {
            to.text(format!("{at}.type"), "image");
            to.text(format!("{at}.image.image.url"), url);
        };
        match part {
            Part::Uri {
                modality: "image",
                uri,
            } => image(uri.clone(), to),
            Part::Blob {
                modality: "image",
                mime,
                content,
            } => {
                let mime = mime.as_deref().unwrap_or("image/png");
                image(format!("data:{mime};base64,{content}"), to);
            }
            part => {
                to.text(format!("{at}.type"), "text");
                let words = part.words().unwrap_or_else(|| part.gen_ai().to_string());
                to.text(format!("{at}.text"), words);
            }
        }
    }
}

/// What was found: a list of texts, or of objects that have one under one of these names.
fn documents(view: &View<'_>, to: &mut Attributes) {
    let Some(output) = &view.span.output else {
        return;
    };
    let found = super::parsed_text(output);
    let lists = ["documents", "results", "matches", "hits", "data"];
    let list = match &found {
        Value::Array(list) => Some(list),
        other => lists
            .iter()
            .find_map(|name| other.get(*name).and_then(Value::as_array)),
    };
    for (index, document) in list.into_iter().flatten().enumerate() {
        let at = format!("retrieval.documents.{index}.document");
        let Value::Object(members) = document else {
            let (text, _) = shown(&document.to_string());
            to.text(format!("{at}.content"), text);
            continue;
        };
        let mut rest = members.clone();
        let mut take = |names: &[&str]| names.iter().find_map(|name| rest.remove(*name));
        let plain = |value: Value| shown(&value.to_string()).0;
        if let Some(id) = take(&["id", "document_id", "doc_id"]) {
            to.text(format!("{at}.id"), plain(id));
        }
        if let Some(content) = take(&["content", "text", "page_content", "body", "snippet"]) {
            to.text(format!("{at}.content"), plain(content));
        }
        let score = take(&["score", "similarity", "relevance"]);
        to.float(
            format!("{at}.score"),
            score.as_ref().and_then(Value::as_f64),
        );
        let metadata = match take(&["metadata"]) {
            Some(Value::Object(metadata)) => metadata.into_iter().chain(rest).collect(),
            Some(other) => {
                rest.insert("metadata".to_owned(), other);
                rest
            }
            None => rest,
        };
        if !metadata.is_empty() {
            let metadata: Map<String, Value> = metadata;
            to.json(format!("{at}.metadata"), &metadata.into());
        }
    }
}
