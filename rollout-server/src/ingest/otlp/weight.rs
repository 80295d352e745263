//! What a body of protobuf will take in memory, before it takes it.
//!
//! A part may be sent in two bytes and takes up to hundreds once it is read: a body within the bounds
//! of bodies may be a bomb all the same.

use std::mem::size_of;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span,
        span::{Event, Link},
    },
};
use prost::{bytes::Buf, decode_length_delimiter};

use crate::ingest::MAX_BODY;

/// Bytes that the parts of one request may take beside their texts.
const MOST: usize = 4 * MAX_BODY;
/// The reader of protobuf goes as deep.
const DEEPEST: u32 = 100;

/// The messages that have others in them.
#[derive(Clone, Copy)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    KeyValue,
    AnyValue,
    Array,
    List,
}

impl Message {
    /// What a field of it is, and what one takes.
    fn field(self, tag: usize) -> Option<(Self, usize)> {
        let attribute = (Self::KeyValue, size_of::<KeyValue>());
        let value = (Self::AnyValue, size_of::<AnyValue>());
        Some(match (self, tag) {
            (Self::Request, 1) => (Self::ResourceSpans, size_of::<ResourceSpans>()),
            (Self::ResourceSpans, 1) => (Self::Resource, size_of::<Resource>()),
            (Self::ResourceSpans, 2) => (Self::ScopeSpans, size_of::<ScopeSpans>()),
            (Self::ScopeSpans, 1) => (Self::Scope, 0),
            (Self::ScopeSpans, 2) => (Self::Span, size_of::<Span>()),
            (Self::Span, 11) => (Self::Event, size_of::<Event>()),
            (Self::Span, 13) => (Self::Link, size_of::<Link>()),
            (Self::Resource | Self::List, 1)
            | (Self::Scope | Self::Event, 3)
            | (Self::Span, 9)
            | (Self::Link, 4) => attribute,
            (Self::KeyValue, 2) | (Self::Array, 1) => value,
            (Self::AnyValue, 5) => (Self::Array, 0),
            (Self::AnyValue, 6) => (Self::List, 0),
            _ => return None,
        })
    }
}

/// Whether a request of protobuf fits into memory. One that is broken does: whoever reads it says
/// where.
pub(super) fn fits(body: &[u8]) -> bool {
    let mut left = MOST;
    // Broken or not, it is over where it is too heavy.
    let _ = weigh(Message::Request, body, DEEPEST, &mut left);
    left > 0
}

fn weigh(message: Message, mut body: &[u8], deeper: u32, left: &mut usize) -> Option<()> {
    while body.has_remaining() && *left > 0 {
        let key = decode_length_delimiter(&mut body).ok()?;
        let length = match key & 7 {
            0 => {
                decode_length_delimiter(&mut body).ok()?;
                continue;
            }
            1 => 8,
            2 => decode_length_delimiter(&mut body).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = body.split_at_checked(length)?;
        body = rest;
        if let (2, Some((part, size))) = (key & 7, message.field(key >> 3)) {
            *left = left.saturating_sub(size);
            weigh(part, value, deeper.checked_sub(1)?, left)?;
        }
    }
    Some(())
}
