//! The header `traceparent`: `00-` trace id `-` parent id `-` flags, in lower-case hex digits.

use std::fmt;

use super::SpanContext;
use crate::id::{SpanId, TraceId};

/// The length of version 00, and of that part in all versions after it.
const LENGTH: usize = 55;

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// A text that is no `traceparent`: digits that are none or upper-case, an id of zeros only, another length, or the
/// version `ff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTraceparentError(pub(super) ());

impl fmt::Display for ParseTraceparentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a traceparent is 00, 32 digits of trace id, 16 digits of parent id and 2 digits of flags, \
             in lower-case hex with dashes between, and neither id all zero",
        )
    }
}

impl std::error::Error for ParseTraceparentError {}

pub(super) fn read(text: &str) -> Option<SpanContext> {
    // Cut at bytes: a text that is not ASCII there has no digits there either.
    let (head, rest) = text.as_bytes().split_at_checked(LENGTH)?;
    let (version, head) = field(head, 2)?;
    let (trace, head) = field(head, 32)?;
    let (parent, head) = field(head, 16)?;
    let flags = digits(head)?;
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    if !whole {
        return None;
    }
    let flags = flags as u8;
    let mut context = SpanContext::new(
        TraceId::from_u128(trace)?,
        SpanId::from_u64(parent as u64)?,
        flags & SAMPLED != 0,
    );
    context.random = flags & RANDOM != 0;
    context.remote = true;
    Some(context)
}

/// So many digits and the dash after them, and what comes then.
fn field(text: &[u8], length: usize) -> Option<(u128, &[u8])> {
    let (head, rest) = text.split_at_checked(length)?;
    Some((digits(head)?, rest.strip_prefix(b"-")?))
}

fn digits(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}
