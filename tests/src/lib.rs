//! What the tests share.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::cast_possible_wrap,
    reason = "a test that cannot go on says so and fails"
)]

pub mod browser;
pub mod events;
pub mod fixture;
pub mod ingest;
pub mod program;
pub mod server;
mod wait;

pub use wait::{DEADLINE, wait_until};
