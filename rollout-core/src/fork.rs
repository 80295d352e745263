//! Forked processes (Unix): a child has a copy of everything but the threads, so that nobody drains its queues.
//!
//! Whatever belongs to one process holds a [`Birth`] and looks at it before it is used: one relaxed load and a
//! comparison. In a child, the handles of a client lead to a client that is started afresh there, with the same
//! configuration: its own queues, worker, spool folder and ids. What the parent had not written yet is the parent's to
//! write, and what was open when the process forked is the parent's to end. Locks of folders are given back, so that
//! they tell of the parent only. The exporters that settings name are made anew; those that the program brought itself
//! make the ones that follow them, or stay with the parent, see [`Exporter::for_child`](crate::Exporter::for_child).

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// The process in which something came into being.
#[derive(Clone, Debug)]
pub(crate) struct Birth(Option<Guard>);

#[cfg(unix)]
type Guard = forkguard::atfork::Guard;
#[cfg(not(unix))]
type Guard = std::convert::Infallible;

impl Birth {
    /// This process. Where the system has no room to watch for forks, none is ever seen.
    pub(crate) fn now() -> Self {
        #[cfg(unix)]
        return Self(Guard::try_new().ok());
        #[cfg(not(unix))]
        Self(None)
    }

    /// Whether this is a child of that process.
    #[inline(always)]
    pub(crate) fn is_past(&self) -> bool {
        #[cfg(unix)]
        return self
            .0
            .clone()
            .is_some_and(|mut guard| guard.detected_fork());
        #[cfg(not(unix))]
        false
    }
}

/// A number that no other process has: what is random in a parent is the same in its child.
pub(crate) fn seed() -> u64 {
    let mut hasher: DefaultHasher = RandomState::new().build_hasher();
    hasher.write_u64(fastrand::u64(..));
    hasher.write_u32(std::process::id());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    hasher.write_u128(now.unwrap_or_default().as_nanos());
    hasher.finish()
}
