//! All that an expansion may name. Not for anybody else: it changes with every release.

pub use crate::site::{CallSite, Flush, Kind};
pub use crate::span::{
    End, Entered, Flushed, Instrumented, InstrumentedIter, InstrumentedStream, Item, Prepared,
    Start, begin, enter, enter_with, flushed, future, future_with_input, prepare,
};
