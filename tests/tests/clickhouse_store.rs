//! The tests of the server, on a store in ClickHouse: by this program's name, the servers that they start have theirs
//! there. Without ClickHouse on this machine, they say so and run on SQLite once more.

#![allow(clippy::duplicate_mod, reason = "that is the point")]

#[path = "server_queries.rs"]
mod server_queries;
#[path = "server_recordings.rs"]
mod server_recordings;
#[path = "server_refusals.rs"]
mod server_refusals;
#[path = "server_runs.rs"]
mod server_runs;
#[path = "server_security.rs"]
mod server_security;
#[path = "server_spool.rs"]
mod server_spool;
#[path = "server_store.rs"]
mod server_store;
