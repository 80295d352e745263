//! What takes the place of a program's own exporters in a forked child.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Batch, ExportFuture, Exporter};
use crate::config::Config;
use crate::error::ExportError;

/// What [`Exporter::for_child`] returns: makes the exporter of a forked child.
pub type ForChild = Arc<dyn Fn() -> Box<dyn Exporter> + Send + Sync>;

/// An exporter's name, and what makes another one like it.
#[derive(Clone)]
pub(crate) struct Heir {
    name: String,
    source: Option<ForChild>,
}

impl Heir {
    pub(crate) fn of(exporter: &dyn Exporter) -> Self {
        Self {
            name: exporter.name().to_owned(),
            source: exporter.for_child(),
        }
    }

    /// For this process, which is a child. What panics does not follow.
    pub(crate) fn exporter(&self) -> Box<dyn Exporter> {
        let made = self
            .source
            .as_ref()
            .and_then(|source| catch_unwind(AssertUnwindSafe(|| source())).ok());
        made.unwrap_or_else(|| absent(&self.name))
    }
}

/// The exporters of this process, which is a child.
pub(crate) fn in_child(config: &Config, heirs: &[Heir]) -> Vec<Box<dyn Exporter>> {
    let own = || heirs.iter().map(Heir::exporter);
    super::all(config, own().collect()).unwrap_or_else(|_| {
        let named = config.exporters().iter().map(|kind| kind.as_str());
        let sent = named.filter(|name| !matches!(*name, "local" | "console"));
        sent.map(absent).chain(own()).collect()
    })
}

/// Stands for an exporter that is not there.
pub(super) fn absent(name: &str) -> Box<dyn Exporter> {
    Box::new(Absent { name: name.into() })
}

/// Delivers nothing, and keeps the place of one that is not there: what it would get stays in the spool.
struct Absent {
    name: String,
}

impl Exporter for Absent {
    fn name(&self) -> &str {
        &self.name
    }

    fn export<'a>(&'a mut self, _batch: &'a Batch) -> ExportFuture<'a> {
        let reason = "it does not follow into a forked child".into();
        Box::pin(std::future::ready(Err(ExportError::Stop { reason })))
    }

    fn resumes(&self) -> bool {
        true
    }
}
