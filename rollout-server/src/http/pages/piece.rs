//! `/traces/{trace_id}/value`: one captured value by itself, in the form asked for, or a piece of a long one.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use rollout_core::event::RawJson;
use serde::Deserialize;

use super::{
    Frame, Pages,
    detail::conversation,
    facts,
    json::{self, JsonView},
    reply::{Missing, blocking, html},
    text::TextView,
    value::{Form, Source, ValueView},
};
use crate::{
    store::Store,
    value::{Chat, Json, PROMPT},
};

/// What is asked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    span: Option<String>,
    /// `input`, `output`, of a span `prompt`, of a trace `messages` or `message.N`.
    part: String,
    #[serde(rename = "as")]
    form: Form,
    /// The way to a node, as RFC 6901 has it.
    at: Option<String>,
    /// From where on: a byte of a text, an index of a list; of a conversation, up to where.
    from: Option<usize>,
}

#[derive(Template)]
#[template(path = "piece.html")]
struct PiecePage {
    frame: Frame,
    title: String,
    back: String,
    view: ValueView,
    /// Whether only what is inside of the view is wanted.
    bare: bool,
}

/// `GET /traces/{trace_id}/value`.
pub(super) async fn page(
    State(pages): State<Pages>,
    Path(trace_id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Missing> {
    let frame = pages.frame(&headers);
    let page = blocking(move || {
        let view = read(&*pages.store, &trace_id, &asked)?;
        Ok(PiecePage {
            frame,
            title: asked.part.clone(),
            back: match &asked.span {
                Some(span) => facts::span_href(&trace_id, span),
                None => facts::trace_href(&trace_id),
            },
            bare: asked.from.is_some() || asked.at.is_some(),
            view,
        })
    })
    .await?;
    html(&page)
}

fn read(store: &dyn Store, trace_id: &str, asked: &Asked) -> Result<ValueView, Missing> {
    let source = Source::new(trace_id, asked.span.as_deref(), &asked.part);
    if asked.part == "messages" && asked.span.is_none() {
        let trace = store.trace(trace_id)?;
        let trace = trace.ok_or_else(|| Missing::Trace(trace_id.to_owned()))?;
        return Ok(conversation(&trace, asked.form, asked.from));
    }
    let value = part_of(store, trace_id, asked.span.as_deref(), &asked.part)?;
    let value = value.ok_or(Missing::Value)?;
    let (path, from) = (asked.at.as_deref(), asked.from.unwrap_or(0));
    if path.is_none() && asked.from.is_none() {
        return Ok(ValueView::formed(&value, asked.form, Some(&source)));
    }
    let path = path.unwrap_or_default();
    match asked.form {
        Form::Json => JsonView::piece(value.as_str(), path, from, &source.pieces())
            .map(ValueView::Json)
            .ok_or(Missing::Value),
        Form::Text => {
            let node = json::at(value.as_str(), path).ok_or(Missing::Value)?;
            let more = format!("{}&as=text&at={}", source.pieces(), facts::encoded(path));
            let view = match Json::read(node) {
                Json::Text(text) => TextView::piece(&text, from, &more),
                _ => TextView::piece(node, from, &more),
            };
            Ok(ValueView::Text(view))
        }
        Form::Chat | Form::Markdown => {
            let chat = Chat::read(value.as_str()).ok_or(Missing::Value)?;
            Ok(ValueView::chat(chat, asked.form, Some(&source), asked.from))
        }
    }
}

/// A value of a span, or of the trace where no span is named.
pub(super) fn part_of(
    store: &dyn Store,
    trace_id: &str,
    span_id: Option<&str>,
    part: &str,
) -> Result<Option<RawJson>, Missing> {
    if let Some(id) = span_id {
        let span = store.span(trace_id, id)?;
        let mut span = span.ok_or_else(|| Missing::Span(id.to_owned()))?;
        return Ok(match part {
            "input" => span.input,
            "output" => span.output,
            "prompt" => span.attributes.remove(PROMPT),
            _ => None,
        });
    }
    let trace = store.trace(trace_id)?;
    let trace = trace.ok_or_else(|| Missing::Trace(trace_id.to_owned()))?;
    Ok(match part {
        "input" => trace.input,
        "output" => trace.output,
        _ => {
            let number = part.strip_prefix("message.");
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let message = number.and_then(|number| trace.messages.into_iter().nth(number));
            message.and_then(|message| message.content)
        }
    })
}
