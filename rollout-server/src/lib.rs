//! Stores and shows traces.

pub mod http;
pub mod present;
pub mod query;
pub mod store;
pub mod value;
