//! Trace and span ids: 128 and 64 bits, written as 32 and 16 lower-case hex digits (W3C Trace Context).

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

/// Identifies a trace: 128 bits, never zero, shown as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU128);

/// Identifies a span within all traces: 64 bits, never zero, shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// The id of these 128 bits, unless they are all zero.
    pub fn from_u128(bits: u128) -> Option<Self> {
        NonZeroU128::new(bits).map(Self)
    }

    /// A new random id.
    pub fn random() -> Self {
        Self(NonZeroU128::new(fastrand::u128(..)).unwrap_or(NonZeroU128::MIN))
    }

    /// The 128 bits.
    pub fn to_u128(self) -> u128 {
        self.0.get()
    }
}

impl SpanId {
    /// The id of these 64 bits, unless they are all zero.
    pub fn from_u64(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// The 64 bits.
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }
}

/// A text that is not an id: not all hex digits, of the wrong length, or all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError(());

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 32 (trace) or 16 (span) hex digits, not all zero")
    }
}

impl std::error::Error for ParseIdError {}

fn hex(text: &str, digits: usize) -> Result<u128, ParseIdError> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ParseIdError(()));
    }
    u128::from_str_radix(text, 16).map_err(|_| ParseIdError(()))
}

impl FromStr for TraceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::from_u128(hex(text, 32)?).ok_or(ParseIdError(()))
    }
}

impl FromStr for SpanId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::from_u64(hex(text, 16)? as u64).ok_or(ParseIdError(()))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}
