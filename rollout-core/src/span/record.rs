//! What records mean: their kinds, and the fields of their payload.
//!
//! A payload is a row of fields: a word that names the field (lowest byte) and its length in bytes (highest half), then
//! so many words as its bytes take.

use crate::capture::{WordReader, Words, header};
use crate::queue::END_OF;
use crate::queue::TWO_EVENTS;

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    TraceStart = 1,
    TraceEnd = 2,
    TraceUpdate = 3,
    SpanStart = 4,
    SpanUpdate = 5,
    SpanEnd = 6,
    ToolCall = 7,
    ToolResult = 8,
    Message = 9,
    Feedback = 10,
    Signal = 11,
    Identity = 12,
    StreamStart = 13,
    StreamEnd = 14,
    Custom = 15,
}

const SPAN_END: u8 = END_OF + RecordKind::SpanStart as u8;
const TOOL_RESULT: u8 = END_OF + RecordKind::ToolCall as u8;
const TRACE_END: u8 = END_OF + RecordKind::TraceStart as u8;

impl RecordKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::TraceStart,
            2 | TRACE_END => Self::TraceEnd,
            3 => Self::TraceUpdate,
            4 => Self::SpanStart,
            5 => Self::SpanUpdate,
            6 | SPAN_END => Self::SpanEnd,
            7 => Self::ToolCall,
            8 | TOOL_RESULT => Self::ToolResult,
            9 => Self::Message,
            10 => Self::Feedback,
            11 => Self::Signal,
            12 => Self::Identity,
            13 => Self::StreamStart,
            14 => Self::StreamEnd,
            15 => Self::Custom,
            _ => return None,
        })
    }
}

/// A record's flag: the span is the root of its trace, so the trace starts or ends with it.
pub(crate) const WITH_TRACE: u8 = TWO_EVENTS;

/// A record's flag: the worker fills in a part of it, by the work that [`Field::Later`] names.
pub(crate) const WITH_LATER: u8 = 2;

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EndStatus {
    Ok = 0,
    Error = 1,
    Panic = 2,
    Cancelled = 3,
}

impl EndStatus {
    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Error,
            2 => Self::Panic,
            3 => Self::Cancelled,
            _ => Self::Ok,
        }
    }
}

/// Fields of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    /// Text.
    Name = 1,
    /// Text: the span type.
    Type = 2,
    /// A value of the capture format; `Cut` fields are 8 bytes: how much there was.
    Input = 3,
    InputCut = 4,
    Output = 5,
    OutputCut = 6,
    /// Length of the key (a word), key, value.
    Attribute = 7,
    /// Text, once per tag.
    Tag = 8,
    /// As `Attribute`.
    Metadata = 9,
    ErrorType = 10,
    ErrorMessage = 11,
    /// Text, once per source.
    ErrorSource = 12,
    UserId = 13,
    SessionId = 14,
    ConversationId = 15,
    ExternalTraceId = 16,
    /// 16 bytes of trace id, 8 of span id.
    Link = 17,
    /// A value: a map of numbers.
    Usage = 18,
    Model = 19,
    Provider = 20,
    ToolCallId = 21,
    /// Text: a status of the user's own.
    Status = 22,
    /// A value: the content of a message.
    Content = 23,
    Role = 24,
    /// A byte.
    Internal = 25,
    /// A value: user traits, account traits.
    UserTraits = 26,
    AccountId = 27,
    AccountTraits = 28,
    /// A value: of a feedback or signal.
    Value = 29,
    /// 8 bytes: items of a stream.
    ItemCount = 30,
    /// Text: what a stream has shown last.
    StreamPreview = 31,
    /// Text: JSON members of an event of the user's own.
    Members = 32,
    EventType = 33,
    Temperature = 34,
    /// Values with keys: the arguments of a call.
    Arguments = 35,
    /// 8 bytes: the number of work that appends the rest.
    Later = 36,
    /// As `InputCut`, of `Content` and of `Value`.
    ContentCut = 37,
    ValueCut = 38,
    /// The parent is in another process, or was said to be elsewhere, so that the trace began there. 8 bytes: how many
    /// words after it tell what came along with the trace.
    Branch = 39,
    /// Nothing: of the names that a span's records repeat, what comes after this is a change.
    Changed = 40,
    /// Text: the span is a rollout's, and that is its run; empty where it belongs to none.
    Run = 41,
}

impl Field {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Field; 41] = [
            Field::Name,
            Field::Type,
            Field::Input,
            Field::InputCut,
            Field::Output,
            Field::OutputCut,
            Field::Attribute,
            Field::Tag,
            Field::Metadata,
            Field::ErrorType,
            Field::ErrorMessage,
            Field::ErrorSource,
            Field::UserId,
            Field::SessionId,
            Field::ConversationId,
            Field::ExternalTraceId,
            Field::Link,
            Field::Usage,
            Field::Model,
            Field::Provider,
            Field::ToolCallId,
            Field::Status,
            Field::Content,
            Field::Role,
            Field::Internal,
            Field::UserTraits,
            Field::AccountId,
            Field::AccountTraits,
            Field::Value,
            Field::ItemCount,
            Field::StreamPreview,
            Field::Members,
            Field::EventType,
            Field::Temperature,
            Field::Arguments,
            Field::Later,
            Field::ContentCut,
            Field::ValueCut,
            Field::Branch,
            Field::Changed,
            Field::Run,
        ];
        ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// Appends fields to a payload.
pub(crate) trait PutField {
    /// A field of these bytes.
    fn put(&mut self, field: Field, bytes: &[u8]);

    /// A field of what `write` appends in words.
    fn put_with<R>(&mut self, field: Field, write: impl FnOnce(&mut Words) -> R) -> R;

    /// Begins a field: where it stands, for [`close`](Self::close).
    fn open(&mut self, field: Field) -> usize;

    /// Ends the field that began there, and tells its length in bytes.
    fn close(&mut self, from: usize) -> usize;
}

impl PutField for Words {
    fn put(&mut self, field: Field, bytes: &[u8]) {
        self.push_with_bytes(header(field as u8, 0, bytes.len() as u32), bytes);
    }

    #[inline]
    fn put_with<R>(&mut self, field: Field, write: impl FnOnce(&mut Words) -> R) -> R {
        let from = self.open(field);
        let result = write(self);
        self.close(from);
        result
    }

    #[inline]
    fn open(&mut self, field: Field) -> usize {
        self.push(header(field as u8, 0, 0));
        self.len()
    }

    #[inline]
    fn close(&mut self, from: usize) -> usize {
        let length = (self.len() - from) * 8;
        if let Some(opening) = self.get_mut(from - 1) {
            *opening |= header(0, 0, length as u32);
        }
        length
    }
}

/// Where in the payload of a start that what came along with the trace ends, and what is said here begins.
pub(crate) fn said_here(payload: &[u64]) -> usize {
    match payload {
        [opening, came_along, rest @ ..] if *opening as u8 == Field::Branch as u8 => {
            let came_along = usize::try_from(*came_along).unwrap_or(usize::MAX);
            2 + came_along.min(rest.len())
        }
        _ => 0,
    }
}

/// The fields of a payload, in order.
pub(crate) fn fields(payload: &[u8]) -> impl Iterator<Item = (Field, &[u8])> {
    let mut words = WordReader::new(payload);
    std::iter::from_fn(move || {
        let opening = words.word()?;
        let bytes = words.bytes((opening >> 32) as usize)?;
        Some((Field::from_byte(opening as u8)?, bytes))
    })
}
