//! All that an expansion may name. Not for anybody else: it changes with every release.

mod dispatch;

pub use std::boxed::Box;

pub use self::dispatch::{
    Identifier, OfDebug, OfDeref, OfDisplay, OfNothing, OfValue, Outcome, PlainIdentifier,
    identifier, returned, some,
};
pub use crate::recordable::{Argument, Attribute, DebugArgument, DebugOutput, Output};
pub use crate::site::{CallSite, Flush, Kind};
pub use crate::span::{
    End, Entered, Flushed, Instrumented, InstrumentedIter, InstrumentedStream, Item, Late,
    Prepared, Recorder, Start, begin, enter, enter_with, flushed, future, future_with_input,
    prepare, run_late,
};
