//! The runtime of rollout.

pub mod event;

#[cfg(feature = "runtime")]
mod builder;
#[cfg(feature = "runtime")]
mod check;
#[cfg(feature = "runtime")]
mod config;
#[cfg(feature = "runtime")]
mod error;
#[cfg(feature = "runtime")]
mod export;
#[cfg(feature = "runtime")]
mod git;
#[cfg(feature = "runtime")]
mod spool;
#[cfg(feature = "runtime")]
mod stats;
#[cfg(feature = "runtime")]
mod worker;

#[cfg(feature = "http")]
pub use crate::export::HttpExporter;
#[cfg(feature = "runtime")]
pub use crate::{
    builder::{Builder, builder},
    check::CheckResult,
    config::secret::Secret,
    config::{Config, ExporterKind, Mask, SpoolKind},
    error::{ConfigError, ExportError, FlushError},
    export::{Batch, ConsoleExporter, ExportFuture, Exporter, MemoryExporter, Receipt, Rejection},
    stats::{DropReason, ExporterStats, FlushReport, Stats},
};
