//! What is recorded as a span starts and as it ends.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::record::{EndStatus, Field, PutField};
use super::update::TraceUpdate;
use crate::capture::{ValueWriter, Words};
use crate::client::Settings;
use crate::context::SpanContext;
use crate::event::Usage;
use crate::recordable::Argument;

/// Bytes that are kept of an error's message and of each of its sources.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Sources of an error that are kept.
const SOURCES: usize = 16;

/// Takes what a span, tool call or trace starts with.
pub struct Start<'a> {
    writer: ValueWriter<'a>,
    settings: &'a Settings,
    /// Where the arguments begin that are being written, or 0.
    arguments: usize,
    /// Where the parent goes that is said, for those who ask.
    parent: Option<&'a mut Option<SpanContext>>,
}

impl<'a> Start<'a> {
    #[inline]
    pub(crate) fn new(payload: &'a mut Words, settings: &'a Settings) -> Self {
        Self {
            writer: ValueWriter::new(payload, &settings.keys, settings.max_value_bytes),
            settings,
            arguments: 0,
            parent: None,
        }
    }

    /// The same, where a parent may be said.
    pub(crate) fn parented(
        payload: &'a mut Words,
        settings: &'a Settings,
        parent: &'a mut Option<SpanContext>,
    ) -> Self {
        Self {
            parent: Some(parent),
            ..Self::new(payload, settings)
        }
    }

    /// An argument by its name: one entry of the input.
    #[inline]
    pub fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        if self.takes_arguments() {
            self.writer.argument(name, value);
        }
    }

    /// Arguments by their names.
    pub fn arguments(&mut self, names: &[&'static str], values: &[&dyn Argument]) {
        for (name, value) in names.iter().zip(values) {
            value.field(self, name);
        }
    }

    /// An argument as `Debug` prints it.
    pub fn field_debug<T: fmt::Debug + ?Sized>(&mut self, name: &'static str, value: &T) {
        if self.takes_arguments() {
            self.writer.argument_debug(name, value);
        }
    }

    #[inline]
    fn takes_arguments(&mut self) -> bool {
        if self.arguments == 0 && self.settings.capture_input {
            self.begin_arguments();
        }
        self.arguments != 0
    }

    #[inline]
    fn begin_arguments(&mut self) {
        self.arguments = self.writer.buffer().open(Field::Arguments);
        self.writer.start_over();
    }

    /// Ends the arguments, if there are any, and gives the buffer for what is none.
    #[inline]
    pub(crate) fn payload(&mut self) -> &mut Words {
        if self.arguments != 0 {
            self.end_arguments();
        }
        self.writer.buffer()
    }

    #[inline]
    fn end_arguments(&mut self) {
        let from = std::mem::take(&mut self.arguments);
        let cut = self.writer.cut_from();
        self.writer.buffer().close(from);
        if let Some(there_were) = cut {
            self.put_cut(there_were);
        }
    }

    #[cold]
    fn put_cut(&mut self, there_were: u64) {
        let payload = self.writer.buffer();
        payload.put(Field::InputCut, &there_were.to_le_bytes());
    }

    /// A whole value as the input, in place of arguments.
    pub(crate) fn input<T: Serialize + ?Sized>(&mut self, value: &T) {
        if self.settings.capture_input {
            let settings = self.settings;
            put_value(
                self.payload(),
                settings,
                Field::Input,
                Some(Field::InputCut),
                value,
            );
        }
    }

    /// The parent, if there is one: then the span is one of its trace. What that says of its user and the like is
    /// believed as far as the settings allow. Only of call sites that say so.
    pub fn parent(&mut self, parent: Option<SpanContext>) {
        if let Some(parent) = parent {
            let keys = self.settings.baggage;
            let mut came_along = Words::new();
            if let Some(carried) = parent.carried() {
                carried.put(keys, &mut came_along);
            }
            let payload = self.payload();
            payload.put(Field::Branch, &(came_along.len() as u64).to_le_bytes());
            payload.extend_from_slice(&came_along);
            self.found(Some(parent));
        }
    }

    fn found(&mut self, parent: Option<SpanContext>) {
        if let Some(slot) = &mut self.parent {
            **slot = parent;
        }
    }

    /// Goes on with what was captured before.
    pub(crate) fn resume(&mut self, payload: &[u64], parent: Option<SpanContext>) {
        self.payload().extend_from_slice(payload);
        self.found(parent);
    }

    /// An attribute; its value is bounded like an argument.
    pub fn attribute<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let settings = self.settings;
        put_entry(self.payload(), settings, Field::Attribute, key, value);
    }

    /// An entry of metadata; its value is bounded like an argument.
    pub fn metadata<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let settings = self.settings;
        put_entry(self.payload(), settings, Field::Metadata, key, value);
    }

    /// A tag.
    pub fn tag(&mut self, tag: impl AsRef<str>) {
        self.text(Field::Tag, tag.as_ref());
    }

    /// The user the trace is for.
    pub fn user_id(&mut self, value: &str) {
        self.text(Field::UserId, value);
    }

    /// The session the trace belongs to.
    pub fn session_id(&mut self, value: &str) {
        self.text(Field::SessionId, value);
    }

    /// The conversation the trace belongs to.
    pub fn conversation_id(&mut self, value: &str) {
        self.text(Field::ConversationId, value);
    }

    /// The trace's id in another system.
    pub fn external_trace_id(&mut self, value: &str) {
        self.text(Field::ExternalTraceId, value);
    }

    /// The id that the model gave this tool call.
    pub fn tool_call_id(&mut self, value: &str) {
        self.text(Field::ToolCallId, value);
    }

    pub(crate) fn trace(&mut self, update: &TraceUpdate) {
        let settings = self.settings;
        update.put(self.payload(), settings);
    }

    pub(crate) fn text(&mut self, field: Field, value: &str) {
        self.payload().put(field, value.as_bytes());
    }

    #[inline]
    pub(crate) fn finish(&mut self) {
        self.payload();
    }
}

/// Takes what a span, tool call or trace ends with.
pub struct End<'a> {
    payload: &'a mut Words,
    settings: &'a Settings,
    status: EndStatus,
}

impl<'a> End<'a> {
    pub(crate) fn new(payload: &'a mut Words, settings: &'a Settings, status: EndStatus) -> Self {
        Self {
            payload,
            settings,
            status,
        }
    }

    /// The value that came out.
    pub fn output<T: Serialize + ?Sized>(&mut self, value: &T) {
        if self.settings.capture_output {
            put_value(
                self.payload,
                self.settings,
                Field::Output,
                Some(Field::OutputCut),
                value,
            );
        }
    }

    /// The value that came out, as `Debug` prints it.
    pub fn output_debug<T: fmt::Debug + ?Sized>(&mut self, value: &T) {
        if self.settings.capture_output {
            put_debug(
                self.payload,
                self.settings,
                Field::Output,
                Some(Field::OutputCut),
                value,
            );
        }
    }

    /// It failed: the error's type, message and chain of sources, of which `source` is the first.
    pub fn error(
        &mut self,
        type_name: &str,
        message: &dyn fmt::Display,
        source: Option<&dyn Error>,
    ) {
        self.status = EndStatus::Error;
        self.payload.put(Field::ErrorType, type_name.as_bytes());
        put_display(self.payload, Field::ErrorMessage, message);
        // `source` is the user's code as much as `Display` is.
        let mut next = source;
        for _ in 0..SOURCES {
            let Some(error) = next else { break };
            put_display(self.payload, Field::ErrorSource, error);
            next = catch_unwind(AssertUnwindSafe(|| error.source())).unwrap_or(None);
        }
    }

    /// The same of an error that is no value any more: the messages of its sources are `chain`.
    pub(crate) fn failure(&mut self, type_name: &str, message: &str, chain: &[String]) {
        self.error(type_name, &message, None);
        for source in chain.iter().take(SOURCES) {
            put_display(self.payload, Field::ErrorSource, source);
        }
    }

    /// An attribute; its value is bounded like an argument.
    pub(crate) fn attribute<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        put_entry(self.payload, self.settings, Field::Attribute, key, value);
    }

    /// A status of the program's own.
    pub(crate) fn status(&mut self, status: &str) {
        self.payload.put(Field::Status, status.as_bytes());
    }

    pub(crate) fn usage(&mut self, usage: &Usage) {
        put_value(self.payload, self.settings, Field::Usage, None, usage);
    }

    pub(crate) fn payload(&mut self) -> &mut Words {
        self.payload
    }

    pub(crate) fn finish(self) -> EndStatus {
        self.status
    }
}

/// A field that is one value.
pub(crate) fn put_value<T: Serialize + ?Sized>(
    payload: &mut Words,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    value: &T,
) {
    put_written(payload, settings, field, cut, |writer| writer.value(value));
}

/// A field that is one value as `Debug` prints it.
pub(crate) fn put_debug<T: fmt::Debug + ?Sized>(
    payload: &mut Words,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    value: &T,
) {
    put_written(payload, settings, field, cut, |writer| writer.debug(value));
}

fn put_written(
    payload: &mut Words,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    write: impl FnOnce(&mut ValueWriter<'_>),
) {
    let cut_from = payload.put_with(field, |out| {
        let mut writer = ValueWriter::new(out, &settings.keys, settings.max_value_bytes);
        write(&mut writer);
        writer.cut_from()
    });
    if let (Some(cut), Some(there_were)) = (cut, cut_from) {
        payload.put(cut, &there_were.to_le_bytes());
    }
}

/// A field that is a key and a value.
pub(crate) fn put_entry<T: Serialize + ?Sized>(
    payload: &mut Words,
    settings: &Settings,
    field: Field,
    key: &str,
    value: &T,
) {
    payload.put_with(field, |out| {
        out.push_with_bytes(key.len() as u64, key.as_bytes());
        let mut writer = ValueWriter::new(out, &settings.keys, settings.max_value_bytes);
        if settings.keys.is_sensitive(key) {
            writer.redacted();
        } else {
            writer.value(value);
        }
    });
}

/// A field that is a text, as `Display` writes it, within a bound. What panics is left out.
pub(crate) fn put_display(payload: &mut Words, field: Field, value: &(impl fmt::Display + ?Sized)) {
    struct Head {
        text: String,
        left: usize,
    }

    impl fmt::Write for Head {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let kept = text.floor_char_boundary(text.len().min(self.left));
            self.text.push_str(&text[..kept]);
            self.left -= kept;
            if kept < text.len() {
                Err(fmt::Error)
            } else {
                Ok(())
            }
        }
    }

    let mut head = Head {
        text: String::new(),
        left: MESSAGE_BYTES,
    };
    let whole = catch_unwind(AssertUnwindSafe(|| write!(head, "{value}")));
    let text = match whole {
        Ok(Ok(())) => head.text,
        Ok(Err(fmt::Error)) => head.text + "…",
        Err(_) => "[not recorded: its Display panicked]".to_owned(),
    };
    payload.put(field, text.as_bytes());
}
