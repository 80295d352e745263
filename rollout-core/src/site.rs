//! Where in the program spans are opened.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

/// What an annotated function opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fresh trace with a root span of type `agent`.
    Agent,
    /// A fresh trace.
    Trace,
    /// A span.
    Span,
    /// A `tool.call`/`tool.result` pair.
    Tool,
    /// A span of type `task`.
    Task,
}

/// What the end of an agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Nothing.
    No,
    /// Its trace is in the spool.
    Spool,
    /// Its trace is delivered.
    Deliver,
}

/// One annotated function: a static of its own, known to the worker by a number from its first call on.
#[derive(Debug)]
pub struct CallSite {
    pub(crate) kind: Kind,
    pub(crate) span_type: &'static str,
    pub(crate) name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) flush: Flush,
    pub(crate) join: bool,
    id: AtomicU32,
}

static SITES: RwLock<Vec<&'static CallSite>> = RwLock::new(Vec::new());

impl CallSite {
    /// A site as a macro finds it.
    pub const fn new(
        kind: Kind,
        span_type: &'static str,
        name: &'static str,
        function: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            kind,
            span_type,
            name,
            function,
            module,
            file,
            line,
            flush: match kind {
                Kind::Agent => Flush::Spool,
                _ => Flush::No,
            },
            join: false,
            id: AtomicU32::new(0),
        }
    }

    /// The same, with what its end waits for.
    #[must_use]
    pub const fn flush(mut self, flush: Flush) -> Self {
        self.flush = flush;
        self
    }

    /// The same, as a span of the caller's trace where there is one.
    #[must_use]
    pub const fn join(mut self) -> Self {
        self.join = true;
        self
    }

    /// Whether it opens a trace of its own, unless it joins the caller's.
    #[inline]
    pub(crate) fn begins_trace(&self) -> bool {
        matches!(self.kind, Kind::Agent | Kind::Trace)
    }

    /// The number of this site, from 1.
    #[inline]
    pub(crate) fn id(&'static self) -> u32 {
        match self.id.load(Ordering::Relaxed) {
            0 => self.register(),
            id => id,
        }
    }

    #[cold]
    fn register(&'static self) -> u32 {
        let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
        let known = self.id.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        sites.push(self);
        let id = u32::try_from(sites.len()).unwrap_or(u32::MAX);
        self.id.store(id, Ordering::Relaxed);
        id
    }

    /// The site of a number.
    pub(crate) fn find(id: u32) -> Option<&'static Self> {
        let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
        sites.get((id as usize).checked_sub(1)?).copied()
    }
}
