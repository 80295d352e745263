//! Spans: what annotated functions open, and what is opened by hand.

mod ask;
mod call;
mod carried;
mod emit;
mod flushed;
mod future;
mod guard;
mod handle;
mod handoff;
mod here;
mod later;
mod opened;
mod opening;
mod outcome;
mod parameters;
mod propagate;
pub(crate) mod record;
mod recorder;
pub(crate) mod start;
mod stream;
mod tasks;
mod tool;
mod trace;
mod update;

pub use ask::{
    Begins, FlushedInPlaceReturns, FlushedReturns, Flushing, FlushingInPlace, Returns, Value,
};
pub use call::{
    Async, Begin, Boxed, Flushes, FlushesInPlace, FollowItems, FutureBox, ItemBox, Late, StillOpen,
    future_of, iterator_of, stream_of,
};
pub use carried::{Carrier, Carries, CarriesNothing};
pub use flushed::{Flushed, FlushedInPlace};
pub use future::{
    Instrumented, Prepared, begin, begin_with_arguments, future, future_with_input, prepare,
};
pub use guard::{Entered, enter, enter_with, enter_with_arguments, is_on};
pub use handle::{Span, SpanBuilder, SpanEnd};
pub use here::Here;
pub use later::Ending;
pub use opening::Opening;
pub use outcome::{Failure, Outcome};
pub use propagate::{InCurrentSpan, TracedFuture, spawn, spawn_thread};
pub use recorder::Recorder;
pub use start::{End, Start};
pub use stream::{InstrumentedIter, InstrumentedStream, Item};
pub use tasks::{Envelope, JoinSetTraced, ScopeTraced, in_current_span, spawn_blocking};
pub use tool::{ToolBuilder, ToolCall};
pub use trace::{Trace, TraceBuilder, TraceEnd};
pub use update::{SpanUpdate, TraceUpdate};

pub(crate) use emit::{moment, open_run};
pub(crate) use handle::{ROLLOUT_TYPE, SpanKind};
pub(crate) use opened::status_of_drop;
pub(crate) use trace::put_message;
