//! What is said of a span or trace while it runs.

use serde::Serialize;
use serde_json::Value;

use super::parameters::attribute_of;
use super::record::{Field, PutField};
use super::start::{put_entry, put_value};
use crate::capture::{Words, to_json};
use crate::client::Settings;
use crate::event::Usage;

/// The attribute of what was sent to a model, where the input of the span is something else.
const PROMPT: &str = "rollout.prompt";

/// Changes to a span. What is not set stays as it was; usage is merged field by field, metadata by key, tags are united.
///
/// ```
/// use rollout_core::{SpanUpdate, update_current_span};
/// use serde_json::json;
///
/// // Inside of a function that calls a model of one's own.
/// update_current_span(
///     SpanUpdate::new()
///         .model("gpt-4o")
///         .model_parameters(json!({ "temperature": 0.7, "max_tokens": 1024 }))
///         .prompt(json!([{ "role": "user", "content": "hello" }]))
///         .cost(0.0123),
/// );
/// ```
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
    prompt: Option<Value>,
    attributes: Vec<(String, Value)>,
    tags: Vec<String>,
    metadata: Vec<(String, Value)>,
}

impl SpanUpdate {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new name, for this and all that is told of the span from now on. That of a root span is its trace's too.
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

    /// The options that the model was called with: a map, whose members are named as in the provider's API. Those that
    /// are known by other names too (`max_tokens`, `maxOutputTokens`) become attributes of one name each
    /// (`gen_ai.request.max_tokens`).
    pub fn model_parameters(mut self, parameters: impl Serialize) -> Self {
        match to_json(&parameters) {
            Value::Object(parameters) => {
                for (name, value) in parameters {
                    if name == "temperature" {
                        self.temperature = value.as_f64().or(self.temperature);
                    }
                    self.attributes.push((attribute_of(&name), value));
                }
            }
            other => self.attributes.push((attribute_of("parameters"), other)),
        }
        self
    }

    /// What was sent to the model, mostly messages, where that is not the span's input: a function's input are its
    /// arguments. Not recorded where inputs are not.
    pub fn prompt(mut self, prompt: impl Serialize) -> Self {
        self.prompt = Some(to_json(&prompt));
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
        self.usage.get_or_insert_default().merge(usage);
        self
    }

    /// What the call has cost, in US dollars: it goes before what is reckoned from its tokens.
    pub fn cost(mut self, usd: f64) -> Self {
        self.usage.get_or_insert_default().cost_usd = Some(usd);
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

    /// Tags, in addition to those there are.
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// One entry of metadata.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.metadata.push((key.into(), to_json(&value)));
        self
    }

    pub(crate) fn put(&self, payload: &mut Words, settings: &Settings) {
        let names = [
            (Field::Name, &self.name),
            (Field::Model, &self.model),
            (Field::Provider, &self.provider),
            (Field::ToolCallId, &self.tool_call_id),
        ];
        if names.iter().any(|(_, name)| name.is_some()) {
            payload.put(Field::Changed, &[]);
            put_texts(payload, &names);
        }
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
        if let Some(prompt) = self.prompt.as_ref().filter(|_| settings.capture_input) {
            put_entry(payload, settings, Field::Attribute, PROMPT, prompt);
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

    /// Tags, in addition to those there are.
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.tags.extend(tags.into_iter().map(Into::into));
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
