//! Stores and shows traces.

pub mod query;
pub mod store;
pub mod value;
