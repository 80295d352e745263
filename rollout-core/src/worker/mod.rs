//! The one background thread.

pub(crate) mod deliver;
