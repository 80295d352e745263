//! What is measured.

pub mod allocations;
pub mod asm;
pub mod caller;
pub mod ingest;
pub mod queries;
pub mod series;
pub mod through;
