//! All that an expansion may name. Not for anybody else: it changes with every release.

mod dispatch;

pub use std::boxed::Box;

pub use self::dispatch::{
    Argument, Attribute, Failure, Identifier, OfDebug, OfDeref, OfDisplay, OfNothing, OfValue,
    Outcome, Output, PlainIdentifier, attribute, field, field_debug, identifier, item, item_debug,
    output, output_debug, returned, some,
};
pub use crate::site::{CallSite, Flush, Kind};
pub use crate::span::{
    End, Entered, Flushed, Instrumented, InstrumentedIter, InstrumentedStream, Item, Late,
    Prepared, Start, begin, enter, enter_with, flushed, future, future_with_input, prepare,
    run_late,
};
