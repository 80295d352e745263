//! A captured value as HTML: words, a JSON tree or a conversation, each bounded.

use askama::{Template, filters::HtmlSafe};
use rollout_core::event::RawJson;
use serde::Deserialize;

use super::{
    facts,
    json::JsonView,
    markdown::Markdown,
    text::{Budget, TextView, short},
    turn::{Said, TurnView},
};
use crate::value::{Chat, Json};

/// Bytes of Markdown that are rendered.
const RENDERED: usize = 200_000;

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// As a conversation.
    Chat,
    /// Texts as the Markdown that they are.
    Markdown,
    /// Words as they are; what is no text as it was captured.
    Text,
    /// As a tree.
    Json,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Chat => "Chat",
            Self::Markdown => "Markdown",
            Self::Text => "Text",
            Self::Json => "JSON",
        }
    }

    /// The forms that a value has, the one it is shown in by itself first.
    pub(super) fn of(value: &RawJson) -> &'static [Self] {
        if Chat::read(value.as_str()).is_some() {
            return &[Self::Chat, Self::Markdown, Self::Json, Self::Text];
        }
        match Json::read(value.as_str()) {
            Json::Text(_) => &[Self::Text, Self::Markdown],
            Json::List(_) | Json::Object(_) => &[Self::Json, Self::Text],
            Json::Literal(_) | Json::Unreadable(_) => &[Self::Json],
        }
    }
}

/// A way to another form of a value.
pub(super) struct FormLink {
    pub(super) title: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// Where a value, in its forms and pieces, can be asked for.
#[derive(Debug, Clone)]
pub(super) struct Source {
    trace: String,
    query: String,
}

impl Source {
    /// The part of a span, or of the trace where there is none.
    pub(super) fn new(trace_id: &str, span_id: Option<&str>, part: &str) -> Self {
        let span = span_id.map(|id| format!("span={}&", facts::encoded(id)));
        Self {
            trace: facts::trace_href(trace_id),
            query: format!("{}part={part}", span.unwrap_or_default()),
        }
    }

    pub(super) fn pieces(&self) -> String {
        format!("{}/value?{}", self.trace, self.query)
    }

    pub(super) fn images(&self) -> String {
        format!("{}/image?{}", self.trace, self.query)
    }

    /// Ways to the forms of the value, where it has several.
    pub(super) fn forms(&self, value: &RawJson, now: Form) -> Vec<FormLink> {
        let forms = Form::of(value);
        let forms = if forms.len() > 1 { forms } else { &[] };
        let links = forms.iter().map(|form| FormLink {
            title: form.title(),
            href: format!("{}&as={}", self.pieces(), form.word()),
            current: *form == now,
        });
        links.collect()
    }
}

/// One value.
#[derive(Template)]
#[template(path = "value.html")]
pub(super) enum ValueView {
    /// Nothing was recorded, and why.
    Absent(&'static str),
    /// Words.
    Text(TextView),
    /// Words with their marks made visible.
    Markdown(Markdown),
    /// Anything else.
    Json(JsonView),
    /// A conversation.
    Chat {
        turns: Vec<TurnView>,
        /// What stood beside the turns: its title, and the tree.
        rest: Option<(String, JsonView)>,
    },
}

// Askama has escaped what it prints.
impl HtmlSafe for ValueView {}

impl ValueView {
    /// Shows `value`; `absent` says why there is none.
    pub(super) fn of(value: Option<&RawJson>, absent: &'static str) -> Self {
        value.map_or(Self::Absent(absent), |value| {
            Self::formed(value, Form::of(value)[0], None)
        })
    }

    /// Shows a value in a form; `source` is where pieces of it are. What has no such form is shown in its own.
    pub(super) fn formed(value: &RawJson, form: Form, source: Option<&Source>) -> Self {
        let text = value.as_str();
        let mut budget = Budget::default();
        let pieces = source.map(Source::pieces);
        if matches!(form, Form::Chat | Form::Markdown)
            && let Some(chat) = Chat::read(text)
        {
            return Self::chat(chat, form, source, None);
        }
        let more = pieces.as_ref().map(|pieces| format!("{pieces}&as=text"));
        match Json::read(text) {
            Json::Text(text) if form == Form::Markdown && text.len() <= RENDERED => {
                Self::Markdown(Markdown::of(&text))
            }
            Json::Text(text) => Self::Text(TextView::within(&text, &mut budget, more.as_deref())),
            _ if form == Form::Text => {
                Self::Text(TextView::within(text, &mut budget, more.as_deref()))
            }
            _ => Self::Json(JsonView::within(text, &mut budget, pieces.as_deref())),
        }
    }

    /// A conversation, up to the turn before `until`.
    pub(super) fn chat(
        mut chat: Chat,
        form: Form,
        source: Option<&Source>,
        until: Option<usize>,
    ) -> Self {
        let mut budget = Budget::default();
        let images = source.map(Source::images);
        let earlier = source.map(|source| format!("{}&as={}", source.pieces(), form.word()));
        let said = Said::of(&mut chat, images.as_deref());
        let turns = TurnView::all(said, until, form, earlier.as_deref(), &mut budget);
        let beside = until.is_none() && !chat.rest.is_empty();
        Self::Chat {
            turns,
            rest: beside.then(|| {
                let names: Vec<_> = chat.rest.iter().map(|(name, _)| name.as_str()).collect();
                let tree = JsonView::members(&chat.rest, &mut Budget::default());
                (short(&names.join(", "), 120), tree)
            }),
        }
    }

    /// Words that were not captured as one value.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(TextView::of(text))
    }

    /// Messages that were recorded one by one.
    pub(super) fn turns(turns: Vec<TurnView>) -> Self {
        Self::Chat { turns, rest: None }
    }
}
