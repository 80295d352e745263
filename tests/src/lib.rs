//! What the tests share.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on says so and fails"
)]

pub mod events;
pub mod ingest;
mod wait;

pub use wait::{DEADLINE, wait_until};
