//! Traces that go on in another process: W3C Trace Context and Baggage.
//!
//! Our ids are those of the standard, digit for digit. There is one thing that it has no words for: work directly under
//! a trace, where there is no span. Its parent id is the trace id's lower half, which is read back as that.

mod baggage;
mod carrier;
mod luggage;
mod parent;
mod traceparent;
mod tracestate;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use baggage::{BAGGAGE_NAMES, BaggageKeys, Carried, decode as percent_decoded};
pub use carrier::{Carrier, extract, inject};
pub(crate) use luggage::Luggage;
pub use parent::AsParent;
pub use traceparent::ParseTraceparentError;

use super::{AttributesScope, Context, RANDOM, SAMPLED, UNSAMPLED};
use crate::client::Shared;
use crate::id::{SpanId, TraceId};

/// A span as other processes know it: what a `traceparent` says, and what comes with it.
///
/// It is read from what a caller has sent, by [`extract`] or by parsing a `traceparent`, and given to whatever begins
/// here as its parent: `client.trace("handler").parent(context)`, `#[agent(parent = context)]`. It is written to where
/// work is handed on, by [`inject`] or as text:
///
/// ```
/// use rollout_core::SpanContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context: SpanContext = text.parse()?;
/// assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(context.is_sampled() && context.is_remote());
/// assert_eq!(context.to_string(), text);
/// # Ok::<_, rollout_core::ParseTraceparentError>(())
/// ```
///
/// The text is the `traceparent` alone: `tracestate` and baggage travel only by [`inject`].
#[derive(Clone, PartialEq, Eq)]
pub struct SpanContext {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
    /// The trace's id was drawn at random, which level 2 lets one say. It is handed on.
    random: bool,
    remote: bool,
    luggage: Option<Arc<Luggage>>,
}

impl SpanContext {
    /// A span of this process, or one that is known by other means than a `traceparent`.
    pub fn new(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        Self {
            trace: trace_id,
            span: span_id,
            sampled,
            random: false,
            remote: false,
            luggage: None,
        }
    }

    /// The span that this thread or task is in; `None` outside of any trace.
    pub fn current() -> Option<Self> {
        Self::of(super::current())
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace
    }

    /// The span, or what stands for the top of a trace that has none: see [`Trace::traceparent`](crate::Trace::traceparent).
    pub fn span_id(&self) -> SpanId {
        self.span
    }

    /// Whether the trace is recorded. One that is not is recorded nowhere: spans below such a parent are not either.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Whether it came from another process.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// What other tracing systems have sent along, as the header has it; mostly nothing. It is handed on as it came.
    pub fn tracestate(&self) -> &str {
        self.luggage
            .as_ref()
            .map_or("", |luggage| &luggage.tracestate)
    }

    /// The same context with this `tracestate`. One that breaks the rules of the header is left out: a list of at most
    /// 32 members with keys of their own. Of one over 512 bytes, members go: those over 128 bytes, then the last ones.
    #[must_use]
    pub fn with_tracestate(self, tracestate: &str) -> Self {
        let carried = self
            .luggage
            .as_ref()
            .map(|luggage| luggage.carried.clone())
            .unwrap_or_default();
        self.with_luggage(Luggage {
            tracestate: tracestate::read([tracestate]).unwrap_or_default(),
            carried,
        })
    }

    /// The `traceparent`, version 00.
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// What the caller has said of its user, session and so on, as a scope for work that begins traces of its own: as
    /// much of it as the setting `baggage` of the current client allows. `None` where that is nothing.
    pub fn attributes(&self) -> Option<AttributesScope> {
        let client = Shared::find(super::client_of(super::current()))?;
        let carried = self.carried()?.clone().only(client.settings.baggage);
        (!carried.is_empty()).then(|| AttributesScope::of(carried))
    }

    fn with_luggage(mut self, luggage: Luggage) -> Self {
        self.luggage = (!luggage.is_empty()).then(|| Arc::new(luggage));
        self
    }

    /// Where work is. `None` outside of any trace.
    pub(crate) fn of(context: Context) -> Option<Self> {
        Some(Self {
            trace: TraceId::from_u128(context.trace)?,
            span: match SpanId::from_u64(context.span) {
                Some(span) => span,
                None => top(context.trace)?,
            },
            sampled: context.flags & SAMPLED != 0,
            random: context.flags & RANDOM != 0,
            remote: false,
            luggage: luggage::find(context),
        })
    }

    /// The same as what is opened below it has around it.
    pub(crate) fn outer(&self, client: u32) -> Context {
        let trace = self.trace.to_u128();
        let span = if top(trace) == Some(self.span) {
            0
        } else {
            self.span.to_u64()
        };
        Context {
            trace,
            span,
            client,
            flags: if self.sampled { SAMPLED } else { UNSAMPLED }
                | if self.random { RANDOM } else { 0 },
        }
    }

    pub(crate) fn carried(&self) -> Option<&Carried> {
        self.luggage.as_ref().map(|luggage| &luggage.carried)
    }
}

/// The parent id of what is directly under a trace: the trace id's lower half.
fn top(trace: u128) -> Option<SpanId> {
    SpanId::from_u64(trace as u64).or(SpanId::from_u64((trace >> 64) as u64))
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled) | u8::from(self.random) << 1;
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

impl fmt::Debug for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanContext")
            .field("traceparent", &format_args!("{self}"))
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// Reads a `traceparent`: the span is one of another process.
///
/// Versions after 00 are read as far as 00 goes, as the standard has it; `ff` is none.
impl FromStr for SpanContext {
    type Err = ParseTraceparentError;

    fn from_str(text: &str) -> Result<Self, ParseTraceparentError> {
        traceparent::read(text).ok_or(ParseTraceparentError(()))
    }
}
