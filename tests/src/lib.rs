//! What the tests share.

#![allow(
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so and fails"
)]

pub mod axe;
pub mod browser;
pub mod clickhouse;
pub mod collector;
pub mod compare;
pub mod conversation;
pub mod events;
pub mod fixture;
pub mod fuzz;
pub mod gallery;
pub mod ingest;
pub mod model;
pub mod npm;
pub mod otlp;
pub mod pages;
pub mod phoenix;
pub mod program;
pub mod proxy;
pub mod python;
pub mod server;
pub mod service;
#[cfg(target_os = "linux")]
pub mod tmpfs;
mod wait;
pub mod wire;

pub use wait::{DEADLINE, wait_at_most, wait_until};

/// The root of the workspace.
pub fn workspace() -> &'static std::path::Path {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
