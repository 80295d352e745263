//! Moving a thread from span to span where no scope can do it.

use super::handle::Span;
use crate::context::{self, Context};

/// Where a thread is. For bridges to other tracing systems, whose enter and exit are two calls.
#[derive(Debug, Clone, Copy)]
pub struct Here(Context);

impl Here {
    /// Where this thread is now.
    pub fn now() -> Self {
        Self(context::current())
    }

    /// Inside a span.
    pub fn inside(span: &Span) -> Self {
        Self(span.context())
    }

    /// Moves this thread, and says where it was.
    pub fn go(self) -> Self {
        Self(context::replace(self.0))
    }
}
