//! What records mean: their kinds, and the fields of their payload.
//!
//! A payload is a row of fields: a byte that names it, its length (4 bytes, little-endian), its bytes.

use crate::queue::END_OF;

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
pub(crate) const WITH_TRACE: u8 = 1;

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
    /// Length of the key (4), key, value.
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
}

impl Field {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Field; 34] = [
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
        ];
        ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// Appends fields to a payload.
pub(crate) trait PutField {
    /// A field of these bytes.
    fn put(&mut self, field: Field, bytes: &[u8]);

    /// A field of what `write` appends.
    fn put_with<R>(&mut self, field: Field, write: impl FnOnce(&mut Vec<u8>) -> R) -> R;
}

impl PutField for Vec<u8> {
    fn put(&mut self, field: Field, bytes: &[u8]) {
        self.push(field as u8);
        self.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.extend_from_slice(bytes);
    }

    fn put_with<R>(&mut self, field: Field, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.extend_from_slice(&[field as u8, 0, 0, 0, 0]);
        let from = self.len();
        let result = write(self);
        let length = (self.len() - from) as u32;
        if let Some(slot) = self.get_mut(from - 4..from) {
            slot.copy_from_slice(&length.to_le_bytes());
        }
        result
    }
}

/// The fields of a payload, in order.
pub(crate) fn fields(mut payload: &[u8]) -> impl Iterator<Item = (Field, &[u8])> {
    std::iter::from_fn(move || {
        let ([tag], rest) = payload.split_first_chunk::<1>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        payload = rest;
        Some((Field::from_byte(*tag)?, bytes))
    })
}
