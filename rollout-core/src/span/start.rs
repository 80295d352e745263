//! What is recorded as a span starts and as it ends.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::record::{EndStatus, Field, PutField};
use super::update::TraceUpdate;
use crate::capture::ValueWriter;
use crate::client::Settings;
use crate::event::Usage;

/// Bytes that are kept of an error's message and of each of its sources.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Sources of an error that are kept.
const SOURCES: usize = 16;

/// Takes what a span, tool call or trace starts with.
pub struct Start<'a> {
    payload: &'a mut Vec<u8>,
    settings: &'a Settings,
    /// The arguments being written: where they began, what is left of their bound.
    input: Option<Arguments>,
}

struct Arguments {
    from: usize,
    left: usize,
    cut_from: u64,
}

impl<'a> Start<'a> {
    pub(crate) fn new(payload: &'a mut Vec<u8>, settings: &'a Settings) -> Self {
        Self {
            payload,
            settings,
            input: None,
        }
    }

    /// An argument by its name: one entry of the input.
    pub fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.argument(name, |writer| writer.value(value));
    }

    /// An argument as `Debug` prints it.
    pub fn field_debug<T: fmt::Debug + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.argument(name, |writer| writer.debug(value));
    }

    #[inline]
    fn argument(&mut self, name: &'static str, write: impl FnOnce(&mut ValueWriter<'_>)) {
        if !self.settings.capture_input {
            return;
        }
        let settings = self.settings;
        let arguments = match &mut self.input {
            Some(arguments) => arguments,
            none => {
                self.payload
                    .extend_from_slice(&[Field::Input as u8, 0, 0, 0, 0]);
                let from = self.payload.len();
                ValueWriter::new(self.payload, &settings.keys, settings.max_value_bytes).open_map();
                none.insert(Arguments {
                    from,
                    left: settings.max_value_bytes,
                    cut_from: 0,
                })
            }
        };
        let before = self.payload.len();
        let mut writer = ValueWriter::new(self.payload, &settings.keys, arguments.left);
        if writer.field(name) {
            write(&mut writer);
        }
        let cut = writer.finish().cut_from;
        let written = self.payload.len() - before;
        // However long the first arguments are, each later one keeps a thousand bytes.
        arguments.left = arguments.left.saturating_sub(written).max(1024);
        if let Some(there_were) = cut {
            arguments.cut_from += there_were.saturating_sub(written as u64);
        }
    }

    #[inline]
    fn end_arguments(&mut self) {
        if let Some(arguments) = self.input.take() {
            self.close_arguments(&arguments);
        }
    }

    #[inline(never)]
    fn close_arguments(&mut self, arguments: &Arguments) {
        ValueWriter::new(self.payload, &self.settings.keys, usize::MAX).close_map();
        let length = self.payload.len() - arguments.from;
        if let Some(slot) = self.payload.get_mut(arguments.from - 4..arguments.from) {
            slot.copy_from_slice(&(length as u32).to_le_bytes());
        }
        if arguments.cut_from > 0 {
            let there_were = length as u64 + arguments.cut_from;
            self.payload.put(Field::InputCut, &there_were.to_le_bytes());
        }
    }

    /// A whole value as the input, in place of arguments.
    pub(crate) fn input<T: Serialize + ?Sized>(&mut self, value: &T) {
        if self.settings.capture_input {
            put_value(
                self.payload,
                self.settings,
                Field::Input,
                Some(Field::InputCut),
                value,
            );
        }
    }

    /// An attribute; its value is bounded like an argument.
    pub fn attribute<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.end_arguments();
        put_entry(self.payload, self.settings, Field::Attribute, key, value);
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
        self.end_arguments();
        update.put(self.payload, self.settings);
    }

    pub(crate) fn text(&mut self, field: Field, value: &str) {
        self.end_arguments();
        self.payload.put(field, value.as_bytes());
    }

    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        self.end_arguments();
        self.payload
    }

    pub(crate) fn finish(mut self) {
        self.end_arguments();
    }
}

/// Takes what a span, tool call or trace ends with.
pub struct End<'a> {
    payload: &'a mut Vec<u8>,
    settings: &'a Settings,
    status: EndStatus,
}

impl<'a> End<'a> {
    pub(crate) fn new(payload: &'a mut Vec<u8>, settings: &'a Settings, status: EndStatus) -> Self {
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

    /// A status of the program's own.
    pub(crate) fn status(&mut self, status: &str) {
        self.payload.put(Field::Status, status.as_bytes());
    }

    pub(crate) fn usage(&mut self, usage: &Usage) {
        put_value(self.payload, self.settings, Field::Usage, None, usage);
    }

    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        self.payload
    }

    pub(crate) fn finish(self) -> EndStatus {
        self.status
    }
}

/// A field that is one value.
pub(crate) fn put_value<T: Serialize + ?Sized>(
    payload: &mut Vec<u8>,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    value: &T,
) {
    put_written(payload, settings, field, cut, |writer| writer.value(value));
}

/// A field that is one value as `Debug` prints it.
pub(crate) fn put_debug<T: fmt::Debug + ?Sized>(
    payload: &mut Vec<u8>,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    value: &T,
) {
    put_written(payload, settings, field, cut, |writer| writer.debug(value));
}

fn put_written(
    payload: &mut Vec<u8>,
    settings: &Settings,
    field: Field,
    cut: Option<Field>,
    write: impl FnOnce(&mut ValueWriter<'_>),
) {
    let written = payload.put_with(field, |out| {
        let mut writer = ValueWriter::new(out, &settings.keys, settings.max_value_bytes);
        write(&mut writer);
        writer.finish()
    });
    if let (Some(cut), Some(there_were)) = (cut, written.cut_from) {
        payload.put(cut, &there_were.to_le_bytes());
    }
}

/// A field that is a key and a value.
pub(crate) fn put_entry<T: Serialize + ?Sized>(
    payload: &mut Vec<u8>,
    settings: &Settings,
    field: Field,
    key: &str,
    value: &T,
) {
    payload.put_with(field, |out| {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key.as_bytes());
        let mut writer = ValueWriter::new(out, &settings.keys, settings.max_value_bytes);
        if settings.keys.is_sensitive(key) {
            writer.redacted();
        } else {
            writer.value(value);
        }
    });
}

/// A field that is a text, as `Display` writes it, within a bound. What panics is left out.
pub(crate) fn put_display(
    payload: &mut Vec<u8>,
    field: Field,
    value: &(impl fmt::Display + ?Sized),
) {
    struct Head<'a> {
        out: &'a mut Vec<u8>,
        left: usize,
    }

    impl fmt::Write for Head<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let kept = text.floor_char_boundary(text.len().min(self.left));
            self.out.extend_from_slice(&text.as_bytes()[..kept]);
            self.left -= kept;
            if kept < text.len() {
                Err(fmt::Error)
            } else {
                Ok(())
            }
        }
    }

    payload.put_with(field, |out| {
        let from = out.len();
        let whole = catch_unwind(AssertUnwindSafe(|| {
            write!(
                Head {
                    out: &mut *out,
                    left: MESSAGE_BYTES
                },
                "{value}"
            )
        }));
        match whole {
            Ok(Ok(())) => {}
            Ok(Err(fmt::Error)) => out.extend_from_slice("…".as_bytes()),
            Err(_) => {
                out.truncate(from);
                out.extend_from_slice(b"[not recorded: its Display panicked]");
            }
        }
    });
}
