//! Stores and shows traces.

mod fold;
pub mod http;
pub mod ingest;
pub mod present;
pub mod query;
pub mod store;
pub mod terminal;
pub mod value;
