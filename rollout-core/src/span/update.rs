//! What is said of a span or trace while it runs.

use serde::Serialize;
use serde_json::Value;

use super::record::{Field, PutField};
use super::start::{put_entry, put_value};
use crate::capture::{Words, to_json};
use crate::client::Settings;
use crate::event::Usage;

/// Changes to a span. What is not set stays as it was; usage is merged field by field.
#[derive(Debug, Clone, Default)]
#[must_use = "an update does nothing until it is applied"]
pub struct SpanUpdate {
    name: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    tool_call_id: Option<String>,
    input: Option<Value>,
    output: Option<Value>,
    usage: Option<Usage>,
    preview: Option<String>,
    temperature: Option<f64>,
    attributes: Vec<(String, Value)>,
    tags: Vec<String>,
    metadata: Vec<(String, Value)>,
}

impl SpanUpdate {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The model that was called.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Whose model it is: `openai`, `anthropic`, …
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// The id that the model gave a tool call, where that is known only now.
    pub fn tool_call_id(mut self, id: impl Into<String>) -> Self {
        self.tool_call_id = Some(id.into());
        self
    }

    /// The temperature that the model was called with.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// The input, in place of what was captured.
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.input = Some(to_json(&input));
        self
    }

    /// The output.
    pub fn output(mut self, output: impl Serialize) -> Self {
        self.output = Some(to_json(&output));
        self
    }

    /// Tokens and cost.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// The text of a stream so far, to be seen while the span runs. Its last 4 KiB are shown; with twice as many, a key
    /// that begins before them is masked whole. Not recorded where outputs are not.
    pub fn stream_preview(mut self, text: impl Into<String>) -> Self {
        self.preview = Some(text.into());
        self
    }

    /// One attribute.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.attributes.push((key.into(), to_json(&value)));
        self
    }

    /// One tag more.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// One entry of metadata.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.metadata.push((key.into(), to_json(&value)));
        self
    }

    pub(crate) fn put(&self, payload: &mut Words, settings: &Settings) {
        put_texts(
            payload,
            &[
                (Field::Name, &self.name),
                (Field::Model, &self.model),
                (Field::Provider, &self.provider),
                (Field::ToolCallId, &self.tool_call_id),
            ],
        );
        if let Some(input) = self.input.as_ref().filter(|_| settings.capture_input) {
            put_value(
                payload,
                settings,
                Field::Input,
                Some(Field::InputCut),
                input,
            );
        }
        if let Some(output) = self.output.as_ref().filter(|_| settings.capture_output) {
            put_value(
                payload,
                settings,
                Field::Output,
                Some(Field::OutputCut),
                output,
            );
        }
        if let Some(preview) = self.preview.as_ref().filter(|_| settings.capture_output) {
            payload.put(Field::StreamPreview, preview.as_bytes());
        }
        if let Some(usage) = &self.usage {
            put_value(payload, settings, Field::Usage, None, usage);
        }
        if let Some(temperature) = self.temperature.as_ref().filter(|t| t.is_finite()) {
            put_value(payload, settings, Field::Temperature, None, temperature);
        }
        for (key, value) in &self.attributes {
            put_entry(payload, settings, Field::Attribute, key, value);
        }
        put_tags_and_metadata(payload, settings, &self.tags, &self.metadata);
    }
}

/// Changes to a trace, from any depth. What is not set stays as it was; tags are united, metadata merged by key.
#[derive(Debug, Clone, Default)]
#[must_use = "an update does nothing until it is applied"]
pub struct TraceUpdate {
    user_id: Option<String>,
    session_id: Option<String>,
    conversation_id: Option<String>,
    external_trace_id: Option<String>,
    tags: Vec<String>,
    metadata: Vec<(String, Value)>,
}

impl TraceUpdate {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whom the trace is for.
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// The session that it belongs to.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The conversation that it belongs to.
    pub fn conversation_id(mut self, id: impl Into<String>) -> Self {
        self.conversation_id = Some(id.into());
        self
    }

    /// Its id in another system.
    pub fn external_trace_id(mut self, id: impl Into<String>) -> Self {
        self.external_trace_id = Some(id.into());
        self
    }

    /// One tag more.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// One entry of metadata.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.metadata.push((key.into(), to_json(&value)));
        self
    }

    pub(crate) fn put(&self, payload: &mut Words, settings: &Settings) {
        put_texts(
            payload,
            &[
                (Field::UserId, &self.user_id),
                (Field::SessionId, &self.session_id),
                (Field::ConversationId, &self.conversation_id),
                (Field::ExternalTraceId, &self.external_trace_id),
            ],
        );
        put_tags_and_metadata(payload, settings, &self.tags, &self.metadata);
    }
}

pub(crate) fn put_texts(payload: &mut Words, texts: &[(Field, &Option<String>)]) {
    for (field, text) in texts {
        if let Some(text) = text {
            payload.put(*field, text.as_bytes());
        }
    }
}

fn put_tags_and_metadata(
    payload: &mut Words,
    settings: &Settings,
    tags: &[String],
    metadata: &[(String, Value)],
) {
    for tag in tags {
        payload.put(Field::Tag, tag.as_bytes());
    }
    for (key, value) in metadata {
        put_entry(payload, settings, Field::Metadata, key, value);
    }
}
