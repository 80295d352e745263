//! Stores and shows traces.

pub mod cli;
mod fold;
pub mod http;
pub mod ingest;
pub mod present;
pub mod query;
mod retention;
mod serve;
pub mod store;
pub mod terminal;
pub mod value;

pub use serve::{STORE_FILE, ServeError, ServeOptions, Server, open_store, serve};
