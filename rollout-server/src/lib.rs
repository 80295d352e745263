//! Stores and shows traces.

pub mod cli;
pub mod compare;
mod export;
mod fold;
pub mod http;
mod import;
pub mod ingest;
pub mod present;
pub mod prices;
pub mod query;
mod retention;
mod serve;
pub mod store;
pub mod terminal;
pub mod value;

pub use serve::{STORE_FILE, ServeError, ServeOptions, Server, open_store, open_store_at, serve};
