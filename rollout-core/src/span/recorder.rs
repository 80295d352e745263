//! What a call, or each item of a stream, says of itself as it comes out.

use std::error::Error;
use std::fmt::{Debug, Display};

use serde::Serialize;

use super::start::End;
use super::stream::Item;

/// Takes what came out of a call, or one item of a stream.
pub trait Recorder {
    /// The value.
    fn value<T: Serialize + ?Sized>(&mut self, value: &T);

    /// The value as `Debug` prints it.
    fn debug<T: Debug + ?Sized>(&mut self, value: &T);

    /// A failure: the error's type, message and the first of its sources.
    fn error(&mut self, type_name: &str, message: &dyn Display, source: Option<&dyn Error>);
}

impl Recorder for End<'_> {
    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.output(value);
    }

    #[inline]
    fn debug<T: Debug + ?Sized>(&mut self, value: &T) {
        self.output_debug(value);
    }

    fn error(&mut self, type_name: &str, message: &dyn Display, source: Option<&dyn Error>) {
        End::error(self, type_name, message, source);
    }
}

impl Recorder for Item<'_> {
    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.item(value);
    }

    #[inline]
    fn debug<T: Debug + ?Sized>(&mut self, value: &T) {
        self.item_debug(value);
    }

    fn error(&mut self, type_name: &str, message: &dyn Display, source: Option<&dyn Error>) {
        Item::error(self, type_name, message, source);
    }
}
