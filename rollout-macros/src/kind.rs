//! The one table of what each macro opens and which options it takes.

use std::fmt;

/// One of the attribute macros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    Agent,
    Trace,
    Span,
    Tool,
    Task,
    Observe,
}

impl Macro {
    pub(crate) const ALL: [Macro; 6] = [
        Macro::Agent,
        Macro::Trace,
        Macro::Span,
        Macro::Tool,
        Macro::Task,
        Macro::Observe,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Macro::Agent => "agent",
            Macro::Trace => "trace",
            Macro::Span => "span",
            Macro::Tool => "tool",
            Macro::Task => "task",
            Macro::Observe => "observe",
        }
    }

    /// What it opens, as the runtime's call sites say it.
    pub(crate) fn letter(self) -> char {
        match self {
            Macro::Agent => 'a',
            Macro::Trace => 't',
            Macro::Span | Macro::Observe => 's',
            Macro::Tool => 'c',
            Macro::Task => 'k',
        }
    }

    /// The options this macro takes, in the order in which they are listed to the user.
    pub(crate) fn keys(self) -> impl Iterator<Item = Key> {
        Key::ALL.into_iter().filter(move |key| key.on(self))
    }
}

impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#[{}]", self.name())
    }
}

/// The name of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Name,
    Type,
    CaptureInput,
    CaptureOutput,
    Skip,
    Debug,
    Attributes,
    Metadata,
    Tags,
    UserId,
    SessionId,
    ConversationId,
    ExternalTraceId,
    ToolCallId,
    Parent,
    Flush,
    Join,
    SkipFn,
    Crate,
}

impl Key {
    pub(crate) const ALL: [Key; 19] = [
        Key::Name,
        Key::Type,
        Key::CaptureInput,
        Key::CaptureOutput,
        Key::Skip,
        Key::Debug,
        Key::Attributes,
        Key::Metadata,
        Key::Tags,
        Key::UserId,
        Key::SessionId,
        Key::ConversationId,
        Key::ExternalTraceId,
        Key::ToolCallId,
        Key::Parent,
        Key::Flush,
        Key::Join,
        Key::SkipFn,
        Key::Crate,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Key::Name => "name",
            Key::Type => "type",
            Key::CaptureInput => "capture_input",
            Key::CaptureOutput => "capture_output",
            Key::Skip => "skip",
            Key::Debug => "debug",
            Key::Attributes => "attributes",
            Key::Metadata => "metadata",
            Key::Tags => "tags",
            Key::UserId => "user_id",
            Key::SessionId => "session_id",
            Key::ConversationId => "conversation_id",
            Key::ExternalTraceId => "external_trace_id",
            Key::ToolCallId => "tool_call_id",
            Key::Parent => "parent",
            Key::Flush => "flush",
            Key::Join => "join",
            Key::SkipFn => "skip_fn",
            Key::Crate => "crate",
        }
    }

    /// How the option is written, for messages.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Key::Name => "name = \"…\"",
            Key::Type => "type = \"…\"",
            Key::CaptureInput => "capture_input = false",
            Key::CaptureOutput => "capture_output = false",
            Key::Skip => "skip(parameter, …)",
            Key::Debug => "debug(parameter, …, return)",
            Key::Attributes => "attributes(key = value, …)",
            Key::Metadata => "metadata(key = value, …)",
            Key::Tags => "tags = [value, …]",
            Key::UserId => "user_id = value",
            Key::SessionId => "session_id = value",
            Key::ConversationId => "conversation_id = value",
            Key::ExternalTraceId => "external_trace_id = value",
            Key::ToolCallId => "tool_call_id = value",
            Key::Parent => "parent = value",
            Key::Flush => "flush = false` or `flush = \"deliver\"",
            Key::Join => "join = true",
            Key::SkipFn => "skip_fn(function, …)",
            Key::Crate => "crate = path",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The table: which macro takes this option.
    pub(crate) fn on(self, macro_: Macro) -> bool {
        match self {
            Key::Name
            | Key::CaptureInput
            | Key::CaptureOutput
            | Key::Skip
            | Key::Debug
            | Key::Attributes
            | Key::Metadata
            | Key::Tags
            | Key::Parent
            | Key::SkipFn
            | Key::Crate => true,
            Key::Type => matches!(macro_, Macro::Span | Macro::Observe),
            Key::UserId | Key::SessionId | Key::ConversationId | Key::ExternalTraceId => {
                matches!(macro_, Macro::Agent | Macro::Trace | Macro::Observe)
            }
            Key::ToolCallId => macro_ == Macro::Tool,
            Key::Flush => macro_ == Macro::Agent,
            Key::Join => matches!(macro_, Macro::Agent | Macro::Trace),
        }
    }
}
