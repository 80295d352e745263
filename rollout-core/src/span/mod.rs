//! Spans: what annotated functions open, and what is opened by hand.

mod emit;
mod future;
mod guard;
mod handle;
mod opened;
mod outcome;
mod propagate;
pub(crate) mod record;
mod recorder;
pub(crate) mod start;
mod stream;
mod tool;
mod trace;
mod update;

pub use future::{
    Flushed, Instrumented, Prepared, begin, flushed, future, future_with_input, prepare,
};
pub use guard::{Entered, Late, enter, enter_with, run_late};
pub use handle::{Span, SpanBuilder, SpanEnd};
pub use outcome::{Failure, Outcome};
pub use propagate::{InCurrentSpan, TracedFuture, spawn, spawn_thread};
pub use recorder::Recorder;
pub use start::{End, Start};
pub use stream::{InstrumentedIter, InstrumentedStream, Item};
pub use tool::{ToolBuilder, ToolCall};
pub use trace::{Trace, TraceBuilder, TraceEnd};
pub use update::{SpanUpdate, TraceUpdate};

pub(crate) use emit::moment;
pub(crate) use handle::SpanKind;
