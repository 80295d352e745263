//! All that an expansion may name. Not for anybody else: it changes with every release.

mod dispatch;

pub use self::dispatch::{
    Declared, Given, GivenIterator, GivenStream, Identifier, OfDebug, OfDeref, OfDisplay,
    OfNothing, OfValue, Once, Outcome, PlainIdentifier, Undeclared, identifier, nothing, returned,
    some,
};
pub use crate::clock::Stopwatch;
pub use crate::context::AsParent;
pub use crate::recordable::{Argument, Attribute, DebugArgument, DebugOutput, Metadata, Output};
pub use crate::site::{Named, SiteText};
pub use crate::span::{
    Async, Begin, Begins, Boxed, Carrier, Carries, CarriesNothing, End, Entered, Flushed,
    FlushedInPlace, FlushedInPlaceReturns, FlushedReturns, Flushes, FlushesInPlace, Flushing,
    FlushingInPlace, FollowItems, FutureBox, Instrumented, InstrumentedIter, InstrumentedStream,
    Item, ItemBox, Late, Opening, Prepared, Recorder, Returns, Start, StillOpen, Value, begin,
    begin_with_arguments, enter, enter_with, enter_with_arguments, future, future_of,
    future_with_input, is_on, iterator_of, prepare, stream_of,
};
